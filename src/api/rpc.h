// SPDX-License-Identifier: Apache-2.0
// Services that speak JSON and keep their state in the store: AWS JSON (EventBridge) and REST JSON
// (Scheduler).
//
//     POST /  X-Amz-Target: AWSEvents.PutRule  {"Name": …}   ─►  {"RuleArn": …}
//     POST /schedules/NAME                     {"Target": …} ─►  {"ScheduleArn": …}
//
//     headers: find operation, authenticate ─► body ─► may() ─► run() on the store's thread, in a
//     transaction of its own ─► after() ─► reply
//
// What run returns < 0 for is undone and answered as an error, by its AWS name.
#pragma once

#include "api/api.h"
#include "api/auth.h"
#include "bus/bus.h"
#include "format/json.h"

#define RPC_BODY_MAX ((size_t)2 * 1024 * 1024)

struct rpc_call;

struct rpc_op {
    const char *name; // "PutRule": as in X-Amz-Target, and of the action that is asked about
    const char *method, *path; // REST: "GET", "schedules/*"; '*' is one segment; else NULL
    int (*run)(struct rpc_call *call, struct db *db, struct err *err);
};

struct rpc_service {
    const char *name;   // as in the credential scope, and the prefix of its actions: "events"
    const char *target; // "AWSEvents"; NULL: REST
    const char *internal_error;
    const struct rpc_op *ops;
    size_t op_count;
    // Core thread, before run: may the caller? With rpc_authorize, of the resource that is meant.
    int (*may)(struct rpc_call *call, struct err *err);
    // Core thread, when run's changes are durable. May be NULL.
    void (*after)(struct rpc_call *call);
};

struct rpc_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    const struct rpc_service *service;
    const struct rpc_op *op;
    struct auth auth;
    struct buf body;
    char *segment;  // REST: what '*' stood for, decoded; or NULL
    json_t *input;  // the body; query parameters of REST are members, too (strings)
    json_t *output; // for run to fill in
    int64_t now_ms;
    struct bus_emitted emitted; // woken when durable
    struct store_task task;
    bool submitted;
};

const struct http_handler *rpc_route(struct http_request *req, struct api *api,
                                     const struct rpc_service *service);

// As authorize(), for the action "service:name".
MUST_CHECK int rpc_authorize(struct rpc_call *call, const char *name, struct str resource,
                             struct err *err);

// May the caller hand this role on? ("iam:PassRole")
MUST_CHECK int rpc_pass_role(struct rpc_call *call, struct str role, struct err *err);

// ---- reading input, in the words of AWS's own validation; `member` is the name there: "scheduleExpression"

// "1 validation error detected: Value '…' at 'member' failed to satisfy constraint: …"
int rpc_violation(struct err *err, struct str value, const char *member, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

struct rpc_text { // what a string may be
    const char *name, *member;
    size_t least, most;
    const char *pattern;  // as AWS names it, "[\\.\\-_A-Za-z0-9]+"; NULL: any
    bool (*fits)(char c); // its characters
    bool needed;
};
// 1 when it is there, 0 when not, *ret untouched then.
MUST_CHECK int rpc_text(const json_t *input, const struct rpc_text *text, struct str *ret,
                        struct err *err);
MUST_CHECK int rpc_choice(const json_t *input, const char *name, const char *member,
                          const char *choices, struct str *ret, struct err *err); // "ON, OFF"
// Whole numbers; REST's may be strings. As rpc_text.
MUST_CHECK int rpc_int(const json_t *input, const char *name, const char *member, int64_t least,
                       int64_t most, int64_t *ret, struct err *err);
bool rpc_name_char(char c); // A-Z a-z 0-9 . - _

// ---- pages: NextToken is where the last one ended
struct rpc_page {
    json_t *list; // borrowed: what run appends to
    int64_t left;
    struct buf after, last; // the token that came; of what was appended last
    bool more;
};
// `limit`: the parameter's name ("Limit", "MaxResults"), 1 to 100.
MUST_CHECK int rpc_page_begin(struct rpc_call *call, const char *limit, const char *list,
                              struct rpc_page *ret, struct err *err);
// Takes `item` unless the page is full. Returns 1 then, to end the walk.
int rpc_page_add(struct rpc_page *page, json_t *item, struct str token);
void rpc_page_end(struct rpc_call *call, struct rpc_page *page); // NextToken, if there is more
void rpc_page_done(struct rpc_page *page);

// ---- tags: [{"Key", "Value"}]
MUST_CHECK int rpc_tags_check(const json_t *tags, struct err *err);
// A new list: `tags` (may be NULL) with those of `more` put in, and without the `keys`.
json_t *rpc_tags_merge(const json_t *tags, const json_t *more, const json_t *keys);

const struct http_handler *events_route(struct http_request *req, struct api *api);
const struct http_handler *scheduler_route(struct http_request *req, struct api *api);
