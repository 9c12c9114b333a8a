// SPDX-License-Identifier: Apache-2.0
// Routes of HTTP APIs: which one does a request mean? Source: "Routes for HTTP APIs" of the API
// Gateway guide.
//
//     "GET /pets"             this path
//     "ANY /pets/{id}"        {id} is any one segment
//     "GET /files/{path+}"    {path+} is all the rest, one segment at least
//     "$default"              whatever no other route takes
//
// Of those that fit the one whose path says most wins: at the first segment where two differ a word
// goes before {id}, and that before {path+}; of the same path a method goes before ANY.
#pragma once

#include "base/err.h"
#include "format/http_event.h"

#define HTTP_ROUTE_KEY_MAX        512
#define HTTP_ROUTE_PARAMETERS_MAX 32

// ERR_INVALID says what is wrong.
MUST_CHECK int http_route_check(struct str key, struct err *err);

struct http_route_fit {
    struct http_event_pair parameters[HTTP_ROUTE_PARAMETERS_MAX]; // of the key and of the path
    size_t parameter_count;
};

// Of a key that was checked. `path` is decoded, from '/' on; a slash at its end does not count.
bool http_route_fits(struct str key, struct str method, struct str path,
                     struct http_route_fit *ret);

// Which of two keys that fit the same request is to take it: > 0 for a, < 0 for b.
int http_route_cmp(struct str a, struct str b);
