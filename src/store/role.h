// SPDX-License-Identifier: Apache-2.0
// IAM's roles and policies. Documents are kept as they were given; whoever writes them has parsed
// them first.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const role_ddl[];

struct role {
    struct str name, path, trust, description, id; // id: "AROA…"
    int64_t created_ms, session_max_s;
};
// ERR_EXISTS as EntityAlreadyExists.
MUST_CHECK int role_create(struct db *db, const struct role *role, struct err *err);
// ERR_NOT_FOUND as NoSuchEntity. The views live until `each` returns.
MUST_CHECK int role_get(struct db *db, struct str name,
                        void (*each)(void *ctx, const struct role *role), void *ctx,
                        struct err *err);
MUST_CHECK int role_each(struct db *db, void (*each)(void *ctx, const struct role *role), void *ctx,
                         struct err *err);
MUST_CHECK int role_update(struct db *db, const struct role *role, struct err *err);
// ERR_EXISTS as DeleteConflict while it has policies.
MUST_CHECK int role_delete(struct db *db, struct str name, struct err *err);

// Inline policies: (role, name) → document.
MUST_CHECK int role_policy_put(struct db *db, struct str role, struct str name, struct str document,
                               struct err *err);
MUST_CHECK int role_policy_delete(struct db *db, struct str role, struct str name, struct err *err);

// Managed policies, by ARN.
struct managed_policy {
    struct str arn, name, path, description, document;
    int64_t created_ms;
};
MUST_CHECK int managed_policy_create(struct db *db, const struct managed_policy *policy,
                                     struct err *err);
MUST_CHECK int managed_policy_delete(struct db *db, struct str arn, struct err *err);
MUST_CHECK int managed_policy_each(struct db *db, struct str arn, // empty: all
                                   void (*each)(void *ctx, const struct managed_policy *policy),
                                   void *ctx, struct err *err);
MUST_CHECK int role_attach(struct db *db, struct str role, struct str arn, struct err *err);
MUST_CHECK int role_detach(struct db *db, struct str role, struct str arn, struct err *err);

// Every policy of the role: inline ones with their name, attached ones with their ARN as `name`;
// an attached policy that is AWS's own and not stored here has an empty document.
struct role_policy {
    struct str name, document;
    bool attached;
};
MUST_CHECK int role_policies(struct db *db, struct str role,
                             void (*each)(void *ctx, const struct role_policy *policy), void *ctx,
                             struct err *err);
