// SPDX-License-Identifier: Apache-2.0
// What a function answered, as an HTTP response: the response formats 2.0 and 1.0 of AWS. Sources as
// in format/http_event.h.
//
//     {"statusCode": 201, "headers": {…}, "cookies": […], "body": "…", "isBase64Encoded": false}
//     {"statusCode": 201, "headers": {…}, "multiValueHeaders": {…: […]}, "body": "…"}       1.0
//     anything else                                         2.0: the body of a 200; 1.0: malformed
//
// 2.0 asks for no JSON even: what is none is a body, too. A JSON string is the text without its quotes.
//
//     CLEAN(http_answer_done) struct http_answer answer = {0};
//     TRY(http_answer_parse(payload, HTTP_ANSWER_API, &answer, err));
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define HTTP_ANSWER_HEADERS_MAX  128
#define HTTP_ANSWER_HEADERS_SIZE 10240 // of all names and values, as API Gateway has it

enum http_answer_format {
    HTTP_ANSWER_REST, // 1.0
    HTTP_ANSWER_API,  // 2.0; a response without a Content-Type is text/plain
    HTTP_ANSWER_URL,  // 2.0 of function URLs: such a one is JSON, and "body" may be an object
};

struct http_answer_header {
    char *name, *value; // the answer's own
};

struct http_answer { // zeroed before the first use
    int status;      // 200…599
    // In the answer's order; nothing that would break the message (line ends, names that are none)
    // and nothing that is the connection's own (Content-Length, Transfer-Encoding, Connection, …).
    // There is always a Content-Type, unless the status has no body.
    struct http_answer_header *headers;
    size_t header_count, header_size;
    struct str body; // of the payload itself, or of `kept`
    struct buf kept;
};

// ERR_INVALID says what is malformed; *ret may be released then, and is of no other use. The payload
// is to live as long as the answer.
MUST_CHECK int http_answer_parse(struct str payload, enum http_answer_format format,
                                 struct http_answer *ret, struct err *err);
// What goes before a streamed body: {"statusCode", "headers", "cookies"}, all of which may be missing.
// There is always a Content-Type; the answer has no body.
#define HTTP_ANSWER_PRELUDE_TYPE "application/vnd.awslambda.http-integration-response"
#define HTTP_ANSWER_PRELUDE_MAX  (64 * 1024)
MUST_CHECK int http_answer_prelude(struct str json, struct http_answer *ret, struct err *err);
void http_answer_done(struct http_answer *answer);
