// SPDX-License-Identifier: Apache-2.0
// Private to runtime_link.c, where the runtime is, and runtime_extension.c: one instance's end of the
// Runtime and Extensions APIs. Everybody else sees worker/runtime_link.h.
#pragma once

#include "worker/runtime_link.h"

#define LINK_EXTENSIONS_MAX 10

enum link_state { LINK_INIT, LINK_READY, LINK_FAILED, LINK_ENDING };

struct extension {
    char *name;
    struct uuid id; // empty until it has registered
    int events;
    bool external;       // a process of its own, started before the runtime
    bool asked;          // it has called `next`, so it is ready
    bool told;           // of the end
    char failed[64];     // what it says it failed with; "" when it has not
    struct list waiters; // struct runtime_waiter; at most one
};

struct runtime_link {
    struct loop *loop;
    struct function *function; // a reference
    struct runtime_link_events events;
    const struct runtime_api *api;
    void *data;
    struct watch watch;   // of the listening socket
    int state;            // enum link_state
    bool asked;           // the runtime has called `next`
    bool late;            // a job was taken back: an answer to it may come yet
    struct list waiters;  // struct runtime_waiter: `next` of the runtime
    struct list stocked;  // waits to begin; at most one
    struct bytes *config; // it may; until it is handed out
    size_t concurrency;
    struct job *jobs[RUNTIME_CONCURRENCY_MAX]; // given, not answered; job->begun: handed out
    size_t job_count;
    const char *end_reason; // once it ends, a constant
    int64_t end_deadline_ms;
    struct extension extensions[LINK_EXTENSIONS_MAX];
    size_t extension_count;
};

// ---- runtime_link.c
void link_look(struct runtime_link *link); // somebody else is ready
// Who asks twice has given up waiting the first time, unless several may ask at once.
void waiter_put(struct list *waiters, struct runtime_waiter *waiter, bool several);
struct runtime_waiter *waiter_take(struct list *waiters); // the first; NULL: nobody waits

// ---- runtime_extension.c
void extension_add(struct runtime_link *link, struct str name, bool external);
bool extensions_wait(const struct runtime_link *link); // all that are to hear of an event
void extensions_tell(struct runtime_link *link, const struct runtime_event *event);
void extensions_done(struct runtime_link *link);
