// SPDX-License-Identifier: Apache-2.0
// An HTTP request as a function sees it: the payload formats 2.0 (function URLs and HTTP APIs) and 1.0
// (REST APIs) of AWS. Source: "AWS Lambda proxy integrations for HTTP APIs" of the API Gateway guide
// and "Invoking Lambda function URLs" of the Lambda guide; what they leave open is as the services do
// it:
//
//     2.0  names of headers in lower case; values of one name joined by commas; cookies apart; what
//          is absent is left out; a body is text when its type is (text/…, JSON, XML, JavaScript),
//          it is not compressed and it is UTF-8, else base64
//     1.0  names as received; all values in multiValueHeaders, the last in headers; what is absent is
//          null; a body is text whenever it is UTF-8, for functions behind a REST API seldom look
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

struct http_event_pair {
    struct str name, value;
};

struct http_event_caller { // of a signed request, when the signature was asked for
    struct str access_key, account, id, arn;
};

struct http_event { // borrowed
    struct str method;
    struct str raw_path;                   // 2.0: rawPath, as it is to be shown
    struct str path;                       // 1.0: without the stage
    struct str query;                      // raw, without '?'
    const struct http_event_pair *headers; // as received, in order
    size_t header_count;
    struct str body;
    struct str source_ip, request_id;
    int64_t time_ms; // wall time

    struct str account; // of the owner, or "anonymous"
    struct str api_id, domain, stage;
    struct str route_key;                     // "GET /pets/{id}", "$default"
    const json_t *variables;                  // of the stage, an object; NULL: none
    const struct http_event_pair *parameters; // of the path, decoded
    size_t parameter_count;
    const struct http_event_caller *caller; // NULL: nobody signed
};

// Append the payload: one JSON object. Bytes that are not UTF-8 become U+FFFD, but for the body.
void http_event_write_2(const struct http_event *event, struct buf *out);
void http_event_write_1(const struct http_event *event, struct buf *out);
