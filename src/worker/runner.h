// SPDX-License-Identifier: Apache-2.0
// Private to the fleet of the real world (runner_*.c): one instance, and what its files want of each
// other. Everybody else sees worker/runner_fleet.h.
//
//     runner_fleet.c    the dispatcher's table           runner_channel.c  batches, answers
//     runner_start.c    asked for, tried twice, ready    runner_program.c  those that ask for jobs
//     runner_stock.c    started before it is needed      runner_end.c      what becomes of its job
//                                                        runner_farewell.c extensions, at the end
//
// Language runtimes are started twice before a job is told that they cannot be: as Lambda does, the
// second time with the job waiting, and within the function's own time.
//
//     INIT_FIRST ──fails──► INIT_FAILED ──a job──► INIT_INVOKE ──fails──► the job fails
//         └─────────────────ready─────────────────────┴──────► INIT_DONE
#pragma once

#include "wire/wire.h"
#include "worker/fleet.h"
#include "worker/template.h"

#define RUNNER_LOG_MAX (256 * 1024) // of what one job prints, as much as the log keeps of it

struct runtime_link;

enum runner_init { INIT_FIRST, INIT_FAILED, INIT_INVOKE, INIT_DONE };
enum farewell { FAREWELL_NONE, FAREWELL_PROGRAM, FAREWELL_EXTENSIONS };

struct runner {
    struct instance base;
    struct runner_fleet *fleet;
    struct function *function; // a reference
    struct spawn spawn;
    struct watch watch; // its channel
    struct doorway doorway;
    struct cgroup *group; // or NULL
    int pid_fd, log_fd;   // -1 when there is none
    enum tier tier;
    int init;   // enum runner_init
    bool spare; // in stock: the dispatcher does not know it yet
    bool waits; // it could begin at once
    bool language;
    bool ending, kill_wanted;
    bool closed;               // it went by itself
    size_t concurrency;        // jobs that it takes at once
    struct runtime_link *link; // of a program that asks for its jobs; NULL: it is sent JOBS
    struct bytes *init_log;    // for the first job
    uint64_t memory_max_kb;
    uint32_t answers;
    int64_t asked_us, sent_us;
    struct list *batch;   // borrowed while it runs; NULL when idle
    char reason[256];     // why it ends, when that is known
    struct list in_fleet; // fleet->runners
    struct timer end;     // on_ended is never called from inside a call
    struct timer unsent;  // nor on_result
    struct timer limit;   // of the first start
    struct timer retry;   // on_started after that has failed

    int farewell;                // enum farewell
    const char *farewell_reason; // Lambda's: "spindown", "timeout", "failure"
    int64_t farewell_until_us;
    struct timer patience; // of the farewell
    bool told;             // the dispatcher knows that it has ended
};

struct runner_fleet {
    struct fleet base;
    struct loop *loop;
    struct store *store;
    struct fleet_events events;
    struct templates *templates;
    const struct runtime_api *api; // or NULL
    struct list runners;
};

// ---- runner_start.c
struct runner *runner_new(struct runner_fleet *fleet, struct function *function);
void runner_spawn(struct runner *r);
void runner_limit_start(struct runner *r); // it has so long to be ready
void runner_ready(struct runner *r);
// Takes the document, which may be NULL.
void runner_init_failed(struct runner *r, const char *type, const char *message,
                        struct bytes *document);

// ---- runner_channel.c
struct job *runner_job(const struct runner *r); // the first of its batch, or NULL
void runner_send(struct runner *r);             // the batch, to one that is ready
void runner_readable(struct watch *watch, uint32_t events);
void runner_unsent_due(struct timer *timer);

// ---- runner_program.c
MUST_CHECK int runner_runtime_take(struct runner *r, struct wire_message *m, struct err *err);
MUST_CHECK int runner_exit_take(struct runner *r, struct wire_message *m, struct err *err);
void runner_spare_begin(struct runner *r); // its function is needed

// ---- runner_stock.c
// The function's own, or for NULL the oldest; NULL when there is none.
struct runner *spare_find(struct runner_fleet *fleet, const struct function *function);
int spare_count(struct runner_fleet *fleet);
void spare_make(struct runner_fleet *fleet, struct function *function);
struct runner *spare_take(struct runner_fleet *fleet, const struct function *function,
                          bool provisioned);

// ---- runner_end.c
// It is over: whatever is left of the process is killed, and the dispatcher hears of it on the next
// turn.
void runner_end(struct runner *r, const char *reason);
void runner_close(
    struct runner *r); // lets go of the process; what is left of it ends with its channel
void runner_free(struct runner *r);
void runner_gone(struct timer *timer);
struct bytes *runner_log_take(struct runner *r); // what it has printed since the last time
void runner_say(struct runner *r);               // that belongs to no job
void runner_status_write(int status, char *out, size_t size); // in Lambda's words
// Lambda's name for the end of a process that says no more than its status.
const char *runner_end_type(const struct runner *r);

// ---- runner_farewell.c
// Begins it, or goes on with it; false: the instance has no extensions, and needs none. `reason` is a
// constant of Lambda's; `at_once`: its program is killed.
bool runner_farewell(struct runner *r, const char *reason, bool at_once);
void runner_farewell_exited(struct runner *r); // its program has
void runner_farewell_over(struct runner *r);   // may free it
void runner_farewell_read(struct runner *r);
void runner_patience_due(struct timer *timer);
