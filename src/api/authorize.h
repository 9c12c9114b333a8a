// SPDX-License-Identifier: Apache-2.0
// May they? The root may do everything; temporary credentials may do what their role's policies say,
// asked on every call. An explicit denial wins, silence is a refusal.
#pragma once

#include "api/auth.h"
#include "iam/policy.h"

// 0, or ERR_DENIED as AccessDenied (S3, IAM) or AccessDeniedException naming principal, action and
// resource. `more` (may be NULL) are context values of the action, beside those of every request.
MUST_CHECK int authorize(struct api *api, const struct http_request *req, const struct auth *auth,
                         enum auth_style style, const char *action, struct str resource,
                         const struct policy_value *more, size_t more_count, struct err *err);

// The same question without the judgement: what the identity's own policies say. The root and whoever
// is not checked are allowed. For what the policy of a resource may allow, too.
MUST_CHECK int authorize_ask(struct api *api, const struct http_request *req,
                             const struct auth *auth, const char *action, struct str resource,
                             const struct policy_value *more, size_t more_count,
                             enum policy_answer *ret, struct err *err);

// Roles or policies were changed: what was read of them is read again.
void authorize_changed(void);

// The ARN of whoever asks: arn:aws:iam::…:root or arn:aws:sts::…:assumed-role/ROLE/SESSION. Heap.
char *authorize_principal(const struct auth *auth);
