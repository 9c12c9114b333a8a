// SPDX-License-Identifier: Apache-2.0
// EventBridge's rules: on which bus, when or for which events, and whom they invoke. What expressions
// and patterns mean is bus/'s affair; here they are texts, and when a rule is due is a number.
#pragma once

#include "store/db.h"

#include <stdint.h>

extern const char *const rule_ddl[];

struct rule_row {                       // views; at == NULL: none
    struct str bus, name, state;        // "ENABLED", "DISABLED"
    struct str expression, pattern;     // one of them at least
    struct str description, role, tags; // tags: a JSON array of {"Key", "Value"}
    int64_t anchor_ms;                  // of a rate: when it was put or enabled
    int64_t due_ms;                     // its next instant; 0: none
};

// Inserts or replaces; targets stay.
MUST_CHECK int rule_put(struct db *db, const struct rule_row *rule, struct err *err);
// 1 when it is there. The views live until `each` returns.
MUST_CHECK int rule_get(struct db *db, struct str bus, struct str name,
                        void (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                        struct err *err);
// Of a bus, in the order of names, those after `after` that begin with the prefix; `each` returns 0
// to go on, 1 to stop, < 0 to end with that. Returns what it did last.
MUST_CHECK int rule_each(struct db *db, struct str bus, struct str prefix, struct str after,
                         int (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                         struct err *err);
// Those of a bus with a pattern that are not disabled. As rule_each.
MUST_CHECK int rule_each_pattern(struct db *db, struct str bus,
                                 int (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                                 struct err *err);
// Does any of them hear of that bucket, whose EventBridgeConfiguration is on? 1 or 0.
MUST_CHECK int rule_hears_bucket(struct db *db, struct str bucket, struct err *err);
// Whether it was there. With its targets.
MUST_CHECK int rule_delete(struct db *db, struct str bus, struct str name, struct err *err);

// The one that is due the longest, by now_ms: 1, or 0 when none is.
MUST_CHECK int rule_due(struct db *db, int64_t now_ms,
                        void (*each)(void *ctx, const struct rule_row *rule), void *ctx,
                        struct err *err);
MUST_CHECK int rule_due_set(struct db *db, struct str bus, struct str name, int64_t due_ms,
                            struct err *err);
// The earliest that any is due; 0: never.
MUST_CHECK int rule_due_next(struct db *db, int64_t *ret_ms, struct err *err);

struct rule_target { // views
    struct str bus, rule, id;
    struct str arn;
    struct str document; // JSON: the target as it was given
};
MUST_CHECK int rule_target_put(struct db *db, const struct rule_target *target, struct err *err);
// Whether it was there.
MUST_CHECK int rule_target_delete(struct db *db, struct str bus, struct str rule, struct str id,
                                  struct err *err);
// Of a rule, in the order of ids, those after `after`. As rule_each.
MUST_CHECK int rule_target_each(struct db *db, struct str bus, struct str rule, struct str after,
                                int (*each)(void *ctx, const struct rule_target *target), void *ctx,
                                struct err *err);
MUST_CHECK int rule_target_count(struct db *db, struct str bus, struct str rule, struct err *err);
// Of all rules of a bus that have this target, in the order of rules, those after `after`.
MUST_CHECK int rule_target_each_arn(struct db *db, struct str bus, struct str arn, struct str after,
                                    int (*each)(void *ctx, const struct rule_target *target),
                                    void *ctx, struct err *err);

// Buses; "default" is there from the beginning.
struct event_bus {
    struct str name, description, tags;
    int64_t created_ms;
};
// ERR_EXISTS when there is one of that name.
MUST_CHECK int event_bus_put(struct db *db, const struct event_bus *bus, struct err *err);
// With its rules. Whether it was there.
MUST_CHECK int event_bus_delete(struct db *db, struct str name, struct err *err);
// As rule_each.
MUST_CHECK int event_bus_each(struct db *db, struct str prefix, struct str after,
                              int (*each)(void *ctx, const struct event_bus *bus), void *ctx,
                              struct err *err);
