// SPDX-License-Identifier: Apache-2.0
// Private to the files of templates: template.c (their lives), template_start.c (programs and forks)
// and doorway.c (the way out of a function's network).
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "runtime/runtime.h"
#include "worker/template.h"

// What was asked of a template and is not answered yet; answers come in order.
struct spawning {
    struct spawn *spawn; // NULL when nobody waits (any more)
    char *made;          // a template, by its key in owner->functions; NULL: an instance
    struct list link;
};

struct template
{
    struct templates *owner;
    struct function *function; // a reference; NULL: the root of a runtime
    char *key;                 // in owner->roots or owner->functions
    struct watch watch;        // its control socket
    bool ready;                // it has loaded; before, whoever forks from it would wait for that
    struct list spawnings;
    struct timer idle;
    int64_t born_us, used_us;
    struct doorway doorway; // of its code, while it is loaded
    struct cgroup *group;   // or NULL
};

// A process of our own making, waited for so that it does not stay as a zombie. (Instances and
// functions' templates are children of templates, which do that.)
struct child {
    struct templates *owner;
    struct watch watch; // its pidfd, readable when it has ended
    struct list link;
};

struct templates {
    struct loop *loop;
    struct template_options options;
    char *runner, *region, *endpoint;
    struct map roots;      // struct template by runtime_program.key
    struct map functions;  // by revision
    struct map unforkable; // revisions whose processes cannot be forked once loaded
    struct list children;
    bool walls_told;
};

// template.c
struct template *template_new(struct templates *owner, struct function *function, const char *key);
void template_free(struct template *t); // whoever it was asked for sees its own socket closed
void template_used(struct template *t);

// template_start.c
// The root of the program's runtime: executed, when it is not there.
MUST_CHECK int template_root(struct templates *owner, const struct runtime_program *program,
                             struct template **ret, struct err *err);
// Sends a SPAWN with one end of a new pair; *ret_fd is the other end.
MUST_CHECK int template_ask(struct template *from, uint32_t role, const struct function *f,
                            const struct runtime_program *program, struct spawn *spawn, int *ret_fd,
                            int *ret_log_fd, struct err *err);
void template_children_forget(struct templates *owner); // they are not waited for any more
