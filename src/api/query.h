// SPDX-License-Identifier: Apache-2.0
// Services of the query protocol (IAM, STS): a form in the body, XML back.
//
//     POST / Action=CreateRole&RoleName=r&…   ─►   <CreateRoleResponse><CreateRoleResult>…
//
// An operation runs on the store's thread, in a transaction of its own, and writes its result's
// members; what it returns < 0 for is undone and answered as an ErrorResponse.
#pragma once

#include "api/api.h"
#include "api/auth.h"
#include "format/xml.h"

#define QUERY_BODY_MAX  ((size_t)1024 * 1024)
#define QUERY_REPLY_MAX ((size_t)8 * 1024 * 1024)

struct query_call;

struct query_op {
    const char *action;
    int (*run)(struct query_call *call, struct db *db, struct err *err);
};

struct query_service {
    const char *name;      // as in the credential scope: "iam"
    const char *namespace; // of the answer
    const struct query_op *ops;
    size_t op_count;
};

struct query_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    const struct query_service *service;
    const struct query_op *op;
    struct auth auth;
    struct buf body;   // the form
    struct buf result; // members of <…Result>; empty: no such element
    struct store_task task;
    bool submitted;
    int64_t now_ms;
};

const struct http_handler *query_route(struct http_request *req, struct api *api,
                                       const struct query_service *service);

// A parameter, decoded and appended to out. 1 when it is there, 0 when not; query_need makes the
// latter an error (ValidationError) that names it.
MUST_CHECK int query_param(const struct query_call *call, const char *name, struct buf *out,
                           struct err *err);
MUST_CHECK int query_need(const struct query_call *call, const char *name, struct buf *out,
                          struct err *err);

const struct http_handler *iam_route(struct http_request *req, struct api *api);
const struct http_handler *sts_route(struct http_request *req, struct api *api);
