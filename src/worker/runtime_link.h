// SPDX-License-Identifier: Apache-2.0
// One instance's end of the Lambda Runtime API (2018-06-01) and Extensions API (2020-01-01), without
// HTTP: who asks for the next event, who answers, and whether they may. The fleet gives it jobs and
// hears of their ends; the API (api/runtime.c) gives it the words of the instance's programs.
//
//     INIT ──first `next`──► READY ──job given, `next`──► job begun ──response, error──► answered
//       │ init/error           └──shutdown──► ENDING
//       └──► FAILED
//
// An event is handed out when the runtime and every extension that wants to hear of it wait for it.
// One at a time, or as many as the function has said that its runtime takes (concurrency).
#pragma once

#include "core/job.h"
#include "io/loop.h"
#include "runtime/runtime.h"

#define RUNTIME_ANSWER_MAX (6 * 1024 * 1024 + 100) // bytes, as Lambda
#define RUNTIME_STREAM_MAX (200 * 1024 * 1024)     // bytes of a streamed answer, as Lambda

struct runtime_link;

// What the fleet hears. Never from inside a call of the fleet's.
struct runtime_link_events {
    void *ctx;
    void (*on_ready)(void *ctx);
    void (*on_waiting)(void *ctx); // for runtime_link_begin
    // The runtime says that it cannot start; the document is the callee's reference.
    void (*on_init_failed)(void *ctx, const char *type, struct bytes *document);
    void (*on_answered)(void *ctx, struct job *job); // job->result is filled in
    // An extension gave up: the instance is to end.
    void (*on_extension_failed)(void *ctx, const char *type);
};

// The API: made once, by serve.
struct runtime_api {
    void *ctx;
    void (*on_connected)(void *ctx, struct runtime_link *link, int fd); // the fd is the callee's
    void (*on_ended)(void *ctx, struct runtime_link *link);             // link is gone afterwards
};

// `concurrency`: how many jobs it may be given at once.
struct runtime_link *runtime_link_new(struct loop *loop, struct function *function,
                                      size_t concurrency, const struct runtime_link_events *events,
                                      const struct runtime_api *api);
// Takes the listening socket. `extensions`: names that must register before the instance is ready.
MUST_CHECK int runtime_link_listen(struct runtime_link *link, int fd, const struct str *extensions,
                                   size_t extension_count, struct err *err);
void runtime_link_free(struct runtime_link *link); // NULL is fine; those who wait are forgotten
// The instance ends, for that reason (a constant): extensions are told, and have until then. No job is
// the link's any more, and nothing is said to the fleet.
void runtime_link_shutdown(struct runtime_link *link, const char *reason, int64_t deadline_ms);
bool runtime_link_extended(const struct runtime_link *link); // by extensions that have registered
// A line on each extension, as Lambda logs it once they are ready or have failed.
void runtime_link_extensions(const struct runtime_link *link, struct buf *out);

void runtime_link_give(struct runtime_link *link, struct job *job); // `concurrency` at once
// The job is the caller's again, although the runtime may be at it; what it still says of it is taken
// and dropped.
void runtime_link_take_back(struct runtime_link *link, struct job *job);
// A program that was started ahead of time (ROUSE_STOCK) may load its function now. Its bytes are
// taken over.
void runtime_link_begin(struct runtime_link *link, struct buf *config);

// ── for the API ──

enum runtime_event_kind { RUNTIME_INVOKE, RUNTIME_SHUTDOWN, RUNTIME_BEGIN };

struct runtime_event {
    enum runtime_event_kind kind;
    const struct job *job; // INVOKE
    struct str reason;     // SHUTDOWN
    struct str config;     // BEGIN: worker/spawn_config.h
    int64_t deadline_ms;   // wall time
};

// Somebody who waits for an event. Caller-owned, zeroed; on_event is called once at most, and may be
// called from inside the call that puts it here.
struct runtime_waiter {
    void (*on_event)(struct runtime_waiter *waiter, const struct runtime_event *event);
    struct list link; // where it is known
};
void runtime_waiter_stop(struct runtime_waiter *waiter); // safe when it does not wait

void *runtime_link_data(const struct runtime_link *link); // the API's own
void runtime_link_set_data(struct runtime_link *link, void *data);
struct function *runtime_link_function(const struct runtime_link *link); // borrowed

// Failures carry Lambda's error name in err->aws: InvalidRequestID (ERR_INVALID), InvalidState-
// Transition (ERR_DENIED), Extension.… (ERR_DENIED).
MUST_CHECK int runtime_link_next(struct runtime_link *link, struct runtime_waiter *waiter,
                                 struct err *err);
// Rouse's own: waits until the function is needed.
MUST_CHECK int runtime_link_await(struct runtime_link *link, struct runtime_waiter *waiter,
                                  struct err *err);
// The runtime begins to answer as it goes. 1: so does the job's submitter want it; the source is joined
// to the job, and runtime_link_answer (with nothing) or _fail ends it. 0: it is wanted as a whole.
MUST_CHECK int runtime_link_stream(struct runtime_link *link, struct str request_id,
                                   struct job_source *source, struct str content_type,
                                   struct err *err);
// The buffer's bytes are taken over.
MUST_CHECK int runtime_link_answer(struct runtime_link *link, struct str request_id,
                                   struct buf *payload, struct err *err);
// A function error: the document as it came, and the type of the header, which may be empty.
MUST_CHECK int runtime_link_fail(struct runtime_link *link, struct str request_id, struct str type,
                                 struct buf *document, struct err *err);
// The answer is none, as the platform finds: the error has this name of Lambda's, and no document.
MUST_CHECK int runtime_link_break(struct runtime_link *link, struct str request_id,
                                  const char *type, struct err *err);
MUST_CHECK int runtime_link_init_fail(struct runtime_link *link, struct str type,
                                      struct buf *document, struct err *err);

enum { EXTENSION_INVOKE = 1, EXTENSION_SHUTDOWN = 2 };
MUST_CHECK int runtime_link_register(struct runtime_link *link, struct str name, int events,
                                     struct uuid *ret_id, struct err *err);
MUST_CHECK int runtime_link_extension_next(struct runtime_link *link, struct str id,
                                           struct runtime_waiter *waiter, struct err *err);
MUST_CHECK int runtime_link_extension_fail(struct runtime_link *link, struct str id,
                                           struct str type, struct err *err);
