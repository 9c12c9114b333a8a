// SPDX-License-Identifier: Apache-2.0
// The IAM API, as far as deploy and remove need it: one role with one policy written into it.
#pragma once

#include "cli/remote.h"

// Makes the role, which Lambda may assume, and sets its policy where either differs. *ret_changed
// counts. `document` is a policy.
MUST_CHECK int remote_iam_role_set(struct remote *remote, const char *role, const char *policy,
                                   const json_t *document, unsigned *ret_changed, struct err *err);
// 1 when it was there.
MUST_CHECK int remote_iam_role_delete(struct remote *remote, const char *role, const char *policy,
                                      struct err *err);
