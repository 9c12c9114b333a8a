// SPDX-License-Identifier: Apache-2.0
// Private to http_api_control.c and http_api_change.c: one call of the control plane.
#pragma once

#include "api/http_api.h"

struct http_api_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    int refs;
    bool replied, has_turn;
    struct auth auth;
    struct buf body;
    json_t *input; // NULL: none

    bool cors, tags; // the paths that are none of the five kinds
    enum http_api_kind kind;
    char *api_id, *part_id; // NULL: none
    struct lambda_turn turn;
};

// Replies; each call is given one. NULL: an empty one.
void http_api_reply(struct http_api_call *c, int status, const json_t *json);
void http_api_fail(struct http_api_call *c, const struct err *err);
void http_api_call_unref(struct http_api_call *c);
// The document as it is shown, a new reference: an API's has its address, by the host that was asked.
json_t *http_api_shown(const struct http_api_call *c, enum http_api_kind kind, json_t *document);

// ---- changes (http_api_change.c); a failure is answered by the caller
int http_api_create(struct http_api_call *c, struct err *err);
int http_api_update(struct http_api_call *c, struct http_api *api, struct err *err);
int http_api_drop(struct http_api_call *c, struct http_api *api);
int http_api_drop_cors(struct http_api_call *c, struct http_api *api);
int http_api_tags(struct http_api_call *c, struct http_api *api, struct err *err);
int http_api_part_create(struct http_api_call *c, struct http_api *api, struct err *err);
int http_api_part_update(struct http_api_call *c, struct http_api *api, json_t *before,
                         struct err *err);
int http_api_part_drop(struct http_api_call *c, struct http_api *api, struct err *err);
