// SPDX-License-Identifier: Apache-2.0
// EventBridge inside: what its operations (events_*.c) share. The table of operations is in events.c.
// Everything here runs on the store's thread.
#pragma once

#include "api/rpc.h"
#include "store/rule.h"

#define EVENTS_TARGETS_MAX 5 // of a rule, as AWS has it

// The bus that EventBusName (a name or an ARN) names, "default" without; it must be there. Heap.
MUST_CHECK int events_bus(struct rpc_call *call, struct db *db, char **ret, struct err *err);
char *events_rule_arn(const struct rpc_call *call, const char *bus, struct str rule);
char *events_bus_arn(const struct rpc_call *call, struct str bus);
// The rule that the member names ("Name", "Rule"), as it was given; it need not be there.
MUST_CHECK int events_rule_name(struct rpc_call *call, const char *member, struct str *ret,
                                struct err *err);
MUST_CHECK int events_rule_need(struct rpc_call *call, struct db *db, const char *bus,
                                struct str rule, struct err *err);
int events_no_bus(struct str bus, struct err *err);
int events_no_rule(const char *bus, struct str rule, struct err *err);
int events_invalid(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3); // ValidationException
// Drops the "arn:…:event-bus/" before a bus's name.
struct str events_bus_name(struct str name_or_arn);

// ---- events_target.c
int events_put_targets(struct rpc_call *call, struct db *db, struct err *err);
int events_remove_targets(struct rpc_call *call, struct db *db, struct err *err);
int events_list_targets(struct rpc_call *call, struct db *db, struct err *err);
int events_list_rule_names(struct rpc_call *call, struct db *db, struct err *err);
// ---- events_bus.c
int events_create_bus(struct rpc_call *call, struct db *db, struct err *err);
int events_delete_bus(struct rpc_call *call, struct db *db, struct err *err);
int events_describe_bus(struct rpc_call *call, struct db *db, struct err *err);
int events_list_buses(struct rpc_call *call, struct db *db, struct err *err);
int events_put_events(struct rpc_call *call, struct db *db, struct err *err);
MUST_CHECK int events_put_events_may(struct rpc_call *call, struct err *err); // on each bus
int events_test_pattern(struct rpc_call *call, struct db *db, struct err *err);
// As pattern_parse, in EventBridge's words.
MUST_CHECK int events_check_pattern(struct str text, json_t **ret, struct err *err);
