// SPDX-License-Identifier: Apache-2.0
// A job: one invocation of one function for one event, synchronous or asynchronous.
//
//     QUEUED ──► RUNNING ──► SETTLED        an instance answered, or the deadline passed
//       ▲           │                       (QUEUED ──► SETTLED: deadline, function removed)
//       └───────────┘  the instance was lost and the job may be tried again
#pragma once

#include "base/err.h"
#include "base/list.h"
#include "core/alias.h"
#include "core/bytes.h"
#include "core/function.h"
#include "core/uuid.h"

enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SETTLED };

// How the job found its instance, or that it needed none; reported with every answer.
enum tier { TIER_NONE, TIER_HOT, TIER_WARM, TIER_COOL, TIER_COLD, TIER_CACHED };
const char *tier_name(enum tier tier); // "hot"; "" for TIER_NONE

enum job_status {
    JOB_OK,             // payload is the answer
    JOB_FUNCTION_ERROR, // the function failed: error_type and error_message (Unhandled/Handled)
    JOB_TIMED_OUT,      // the function ran longer than its timeout
    JOB_REFUSED,        // never ran: the bound, the function is off or gone; `err` says it
};

struct job;
struct flight; // the dispatcher's

// An answer that is passed on as it comes: from the source, which reads it from the instance, to the
// sink, which is the submitter's. Functions that answer as a whole never begin a stream; on_settled
// comes in any case, and last.
//
//     source ──job_stream_begin──► on_begun
//            ──job_stream_put────► on_piece ──false──► the source pauses
//            ◄──on_wanted───────── job_stream_want
struct job_sink {
    void (*on_begun)(struct job *job, struct str content_type); // which may be empty
    bool (*on_piece)(struct job *job, struct str piece);        // taken; false: no more for now
};

struct job_source {                               // embedded by its owner, zeroed
    struct job *job;                              // NULL: nobody listens (any more)
    void (*on_wanted)(struct job_source *source); // also when nobody listens any more
};

struct job_result {
    enum job_status status;
    struct bytes
        *payload;   // owned; the answer, or the error document {"errorType", "errorMessage"…}
    struct err err; // JOB_REFUSED
    enum tier tier;
    uint32_t batch; // jobs that were given to the instance together, this one included
    int64_t queued_us, init_us, decode_us, run_us, duration_us; // duration: what is billed
    uint64_t memory_max_mb;
    bool told; // the error stands in the log already
    char
        platform_error[64]; // "Runtime.ExitError", …; "": whatever went wrong, the function said it
    char error_type[64];    // as the runtime named its error, beside the document; may be ""
    struct bytes *init_log; // what was said before the first job could run; owned, may be NULL
    struct bytes *log; // the job's log lines START … REPORT, for LogType=Tail; owned, may be NULL
};

struct job {
    uint64_t id; // unique in this process's life
    struct uuid request_id;
    struct function *function; // a reference
    struct bytes *payload;     // a reference; may be NULL (empty)
    char *context; // JSON: client context, identity, trace; heap, NULL when there is none
    int state;     // enum job_state; moves by job_move
    bool async;
    bool begun;            // an instance works on it: whatever that has done may have had effects
    int64_t row;           // asynchronous: the outbox row, else 0
    struct alias *alias;   // asynchronous: that the event came by; a reference, NULL when by none
    uint32_t attempt;      // 1 for the first
    int64_t created_us;    // loop time of the submission
    int64_t created_ms;    // wall time of the event (asynchronous: kept over restarts)
    int64_t deadline_us;   // loop time at which a queued job is given up
    int64_t started_us;    // loop time at which its instance's time for it began
    struct list link;      // in the function's queue or the instance's batch
    struct flight *flight; // of those who ask the same: it waits for one, or others may for it
    bool alone;            // waits for nobody else's any more
    bool at_once;          // its submitter may be told from inside dispatch_submit
    struct job_result result;
    const struct job_sink *sink; // NULL: the answer is wanted as a whole
    struct job_source *source;   // while a stream is under way
    bool streamed;               // it began: what the sink was given is not in result.payload
    // Called exactly once, on the core thread, when settled. The job is freed after it returns.
    void (*on_settled)(struct job *job);
    void *data; // the submitter's own
};

// A new job with references of its own to function and payload. Not yet submitted.
struct job *job_new(struct function *function, struct bytes *payload);
void job_free(struct job *job);
const struct async_rules *job_rules(const struct job *job); // of the qualifier it came by
void job_move(struct job *job, enum job_state to); // aborts on a step that is not in the drawing

// Of a job with a sink, once.
void job_stream_begin(struct job *job, struct job_source *source, struct str content_type);
MUST_CHECK bool job_stream_put(struct job_source *source, struct str piece); // false: pause
void job_stream_end(struct job_source *source); // safe when it has not begun
void job_stream_want(struct job *job);          // the sink has room again
