// SPDX-License-Identifier: Apache-2.0
// EventBridge Scheduler inside: what its operations (scheduler_*.c) share. The table of operations is in
// scheduler.c. Everything here runs on the store's thread.
#pragma once

#include "api/rpc.h"
#include "store/schedule.h"

int scheduler_invalid(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);
// A name of a schedule or of a group; `name` is the member in *input. 1 when it is there.
MUST_CHECK int scheduler_name(const json_t *input, const char *name, const char *member,
                              struct str *ret, struct err *err);
char *scheduler_group_arn(const struct rpc_call *call, struct str group);
MUST_CHECK int scheduler_group_need(struct db *db, struct str group, struct err *err);
void scheduler_put_dates(json_t *json, int64_t created_ms, int64_t modified_ms);

// What a schedule is: reads and checks the members of the call into a document (store/schedule.h).
MUST_CHECK int scheduler_document(const struct rpc_call *call, struct str *ret_state,
                                  struct buf *out, struct err *err);

int scheduler_create_group(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_delete_group(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_get_group(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_list_groups(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_tag(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_untag(struct rpc_call *call, struct db *db, struct err *err);
int scheduler_list_tags(struct rpc_call *call, struct db *db, struct err *err);
