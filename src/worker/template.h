// SPDX-License-Identifier: Apache-2.0
// Templates: warmed processes that instances are forked from, as a tree. The root of a runtime is
// executed; a function's template is forked from the root and holds what the function holds.
//
//     rouse serve ──exec──► root ──fork──► libraries ──fork──► function ──fork──► instance (warm)
//                            │                 └─────────fork──► instance (cool)
//                            └───────────────────────────fork──► instance (cool; cold when the root
//                                                                had to be executed first)
//
// Libraries are there for languages: those of this machine that a function was seen to import. One
// template serves all functions with the same list. Functions whose processes cannot be forked (they
// hold threads, say) are forked from it, and so is new code, before it has a template of its own.
//
// Templates are made in the background, after that a function was deployed or used. Those that nobody
// forked from for a while end by themselves.
#pragma once

#include "core/function.h"
#include "core/job.h"
#include "io/loop.h"

struct buf;
struct templates;

struct spawn_identity;
struct wire_message;
struct cgroup;
struct store;
struct weights;

struct template_options {
    const char *runner; // path of rouse-runner
    int64_t idle_us;
    int functions_max;   // templates of functions and libraries; the longest unused goes first
    struct store *store; // where lists of libraries are kept; NULL: there are no such templates
    const char *region;
    // Fills in access_key, secret_key and session_token, good for CREDENTIALS_MS, for one process of
    // the function. The strings must live until the next call. NULL: processes have none.
    void (*identify)(void *ctx, const struct function *f, struct spawn_identity *ret);
    // A connection from inside a function's network to the endpoint: the callee's now. *data is the
    // callee's for that doorway, NULL at first; given back by `leave` when it is not NULL.
    void (*adopt)(void *ctx, int fd, void **data);
    void (*leave)(void *ctx, void *data);
    // A line for the function's log. Or NULL.
    void (*say)(void *ctx, const struct function *f, struct str line);
    void *ctx;
    struct weights *weights; // borrowed; NULL: nobody minds what models are in memory
    struct cgroups *cgroups; // borrowed; NULL: memory is bounded by rlimits
};

// Processes get credentials for so long, and live for at most half of it.
#define CREDENTIALS_MS (36ll * 3600 * 1000)

struct templates *templates_new(struct loop *loop, const struct template_options *options);
void templates_free(struct templates *templates); // all end at their end of file
// Where functions reach the server, once it is known; "http://…".
void templates_endpoint(struct templates *templates, const char *url);
// What is started from now on must have these walls, names with commas (see jail_prepare).
void templates_walls(struct templates *templates, const char *names);

// The endpoint as one process of a function sees it: a listening socket in a network that has
// nothing else in it. Owner-owned and zeroed before the first use.
struct doorway {
    struct templates *templates;
    struct watch watch; // fd -1 or not added: none
    void *data;         // of who serves it
};
// Takes a WALLS message: what is missing is logged once, the doorway opened.
MUST_CHECK int doorway_open(struct doorway *doorway, struct templates *templates,
                            struct wire_message *m, struct err *err);
void doorway_close(struct doorway *doorway); // survives a zeroed one

// Bounds a process of the function, and what it starts: NULL where there are no cgroups, or no need.
struct cgroup *templates_group(struct templates *templates, const struct function *f, int pid);

// A process that was asked for. Caller-owned, zeroed.
struct spawn {
    // Its pid and pidfd (the caller's now), or pid 0 and why not. Not called after cancelling, nor
    // when the template dies first (then the socket is closed, too).
    void (*on_spawned)(struct spawn *spawn, int pid, int pid_fd, struct str error);
    struct spawning *pending; // used by the templates
    bool stock;               // it is to wait before it loads its function
    bool provisioned;         // it is started to be there, not for a job
};

// Asks for an instance. *ret_fd: the channel, non-blocking. *ret_log_fd: what it writes to its
// standard output and error, or -1 for runtimes that do not.
MUST_CHECK int templates_spawn(struct templates *templates, struct function *function,
                               struct spawn *spawn, enum tier *ret_tier, int *ret_fd,
                               int *ret_log_fd, struct err *err);
// What a process of the function that waits is told when it begins (spawn_config.h).
void templates_config(struct templates *templates, const struct function *f,
                      const struct spawn *spawn, struct buf *out);
int64_t templates_idle_us(const struct templates *templates);
void spawn_cancel(struct spawn *spawn); // safe when nothing is pending

// Makes the function's template in the background; nothing when there is one.
MUST_CHECK int templates_make(struct templates *templates, struct function *function,
                              struct err *err);
void templates_drop(struct templates *templates, const struct function *function);
bool templates_relieve(struct templates *templates);     // drops the longest unused; false: none
int templates_count(const struct templates *templates);  // processes
int templates_budget(const struct templates *templates); // functions_max
bool templates_has(const struct templates *templates, const struct function *function);
struct template_view { // borrowed
    const char *level; // "runtime", "libraries" or "function"
    const char *name;  // of what it is a template of
    int pid;           // 0: not known yet
    bool ready;
    int64_t idle_us; // since somebody forked from it
};
void templates_each(const struct templates *templates,
                    void (*each)(void *ctx, const struct template_view *template), void *ctx);
