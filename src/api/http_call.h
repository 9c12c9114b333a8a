// SPDX-License-Identifier: Apache-2.0
// Private to http_front.c and http_respond.c: one request on its way to a function and back.
#pragma once

#include "api/auth.h"
#include "api/http_front.h"
#include "core/job.h"
#include "format/http_answer.h"

struct http_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    struct front *front;
    int refs;
    bool replied;
    struct auth auth; // when front->iam
    struct buf body;
    char id[37]; // of the request, and of the invocation

    char *headers_kept; // what `headers` look into
    struct http_event_pair headers[HTTP_HEADERS_MAX + 4];
    size_t header_count;
    struct http_event event;
    struct http_event_caller caller;
    char *caller_id, *caller_arn, *trace;
    bool plain; // the body is the payload: a model
    struct buf payload;

    struct function *version; // a reference
    struct job *job;          // until it is submitted
    struct timer timer;       // front->timeout_ms
    struct job *streaming;    // with http_stream_sink, until it is settled; else NULL
    bool in_prelude, started; // of a stream: it is not complete yet; it has a reply that goes on
    struct buf prelude;
    struct bytes *result; // of the function; a reference
    struct http_answer answer;
    struct pool_work work; // what is large is built and parsed there
    int rc;
    struct err err;
};

void http_call_unref(struct http_call *call);

enum http_failure {
    HTTP_FAIL_UNKNOWN,     // there is no such function URL, or API
    HTTP_FAIL_NO_ROUTE,    // the API has none for this
    HTTP_FAIL_FORBIDDEN,   // nobody may, or not they
    HTTP_FAIL_LARGE,       // the request
    HTTP_FAIL_THROTTLED,   // too much at once
    HTTP_FAIL_FUNCTION,    // it failed, ran out of time, or its answer is malformed
    HTTP_FAIL_TIMEOUT,     // the API waits no longer
    HTTP_FAIL_UNAVAILABLE, // the server is about to stop
};

// In the words of the kind of front.
void http_fail_request(struct http_request *req, enum front_kind kind, enum http_failure failure,
                       const json_t *cors);

// Each gives the call its one reply; a no-op when it has it, or the client has gone.
void http_fail(struct http_call *call, enum http_failure failure);
void http_fail_auth(struct http_call *call, const struct err *err);
void http_respond(struct http_call *call, const struct job *job);
// The headers of call->answer and those that every reply has.
void http_respond_headers(struct http_call *call);
void http_respond_malformed(struct http_call *call); // call->err says it
bool http_takes_reply(struct http_call *call);       // true when it is to be given now; once

// ---- streams (http_stream.c): what a function streams, as it comes
extern const struct job_sink http_stream_sink;
void http_stream_settled(struct http_call *call, const struct job *job);
