// SPDX-License-Identifier: Apache-2.0
// The Lambda API, as far as the verbs need it. JSON in, JSON out; names are those of functions.
#pragma once

#include "cli/remote.h"

// Any call: `body` may be NULL (not taken over), *ret NULL when the reply is empty. A new reference.
MUST_CHECK int remote_lambda_call(struct remote *remote, const char *method, const char *path,
                                  const json_t *body, json_t **ret, struct err *err);
// "/2015-03-31/functions/NAME" and what follows. Heap.
char *remote_lambda_path(const char *version, const char *name, const char *rest);

// 1 with {"Configuration": …, "Concurrency": …}, 0 when there is no such function.
MUST_CHECK int remote_lambda_get(struct remote *remote, const char *name, json_t **ret,
                                 struct err *err);
// Waits, with the terminal's mark turning, until neither State nor LastUpdateStatus is pending. The
// model's own words are the error when it failed (ERR_FUNCTION).
MUST_CHECK int remote_lambda_wait(struct remote *remote, const char *name, struct err *err);

// Of "NAME:QUALIFIER": 1 with GetProvisionedConcurrencyConfig's answer, 0 when it has none.
MUST_CHECK int remote_lambda_provisioned(struct remote *remote, const char *target, json_t **ret,
                                         struct err *err);
// As remote_lambda_wait, until all of its instances are there.
MUST_CHECK int remote_lambda_wait_provisioned(struct remote *remote, const char *target,
                                              struct err *err);
