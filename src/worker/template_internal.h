// SPDX-License-Identifier: Apache-2.0
// Private to the files of templates: template.c (their lives), template_start.c (programs and forks)
// and doorway.c (the way out of a function's network).
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "runtime/runtime.h"
#include "wire/wire.h"
#include "worker/template.h"

enum template_level { TEMPLATE_ROOT, TEMPLATE_LIBRARIES, TEMPLATE_FUNCTION, TEMPLATE_LEVELS };

// What was asked of a template and is not answered yet; answers come in order.
struct spawning {
    struct spawn *spawn; // NULL when nobody waits (any more)
    char *made;          // a template, by its key in owner->at[level]; NULL: an instance
    enum template_level level;
    struct list link;
};

struct template
{
    struct templates *owner;
    enum template_level level;
    struct function
        *function;       // a reference; of libraries: the first that wanted them; NULL: a root
    char *key;           // in owner->at[level]
    struct watch watch;  // its control socket
    bool ready;          // it has loaded; before, whoever forks from it would wait for that
    bool wanted;         // while it was not, somebody started without it
    bool from_libraries; // of a function: forked from a template of its libraries
    // Of a function: one that was not, and is forked from until this one is ready; or NULL.
    struct template *elder;
    struct list spawnings;
    struct timer idle;
    int64_t born_us, used_us;
    struct doorway doorway; // of its code, while it is loaded
    struct cgroup *group;   // or NULL
    bool retired; // nobody finds it any more; it ends when it has answered what it was asked
    struct list retired_link; // owner->retired
    int pid_fd;               // -1: not known yet, or a root
    int pid;                  // 0: not known yet
};

// A process that we only wait for: a root, so that it does not stay as a zombie, or a template that is
// to end, and does when its instances have.
struct child {
    struct templates *owner;
    struct watch watch;   // its pidfd, readable when it has ended
    struct cgroup *group; // goes with it; or NULL
    struct list link;
};

struct templates {
    struct loop *loop;
    struct template_options options;
    char *runner, *region, *endpoint;
    char *walls; // "ROUSE_SANDBOX=…", instead of the server's own; NULL: that
    // struct template: roots by runtime_program.key, libraries by what they are configured with, and
    // functions by revision.
    struct map at[TEMPLATE_LEVELS];
    struct map unforkable;   // keys of those whose processes cannot be forked once loaded
    struct map libraries_of; // revision to key of its libraries, heap
    struct list children;    // struct child
    struct list retired;     // struct template
    struct list leaving;     // struct child: templates, the longest first
    bool walls_told;
};

// template.c
// `function` NULL: a root. Takes the place of what has that key.
struct template *template_new(struct templates *owner, enum template_level level,
                              struct function *function, const char *key);
void template_free(struct template *t);   // whoever it was asked for sees its own socket closed
void template_retire(struct template *t); // as soon as nothing is asked of it any more
void template_used(struct template *t);

// template_start.c
// The root of the program's runtime: executed, when it is not there.
MUST_CHECK int template_root(struct templates *owner, const struct runtime_program *program,
                             struct template **ret, struct err *err);

struct template_order {       // what is asked of a template
    enum wire_role role;      // of the child
    const struct function *f; // that it is for
    const struct runtime_program *program;
    struct spawn *spawn;         // who waits for it, or NULL
    struct str libraries;        // WIRE_LIBRARIES: its whole configuration
    bool learn;                  // WIRE_TEMPLATE: it is to say what libraries it has loaded
    const struct template *made; // what stands for it, or NULL
};
// Sends a SPAWN with one end of a new pair; *ret_fd is the other end. *ret_log_fd: what the child
// writes, or -1.
MUST_CHECK int template_ask(struct template *from, const struct template_order *order, int *ret_fd,
                            int *ret_log_fd, struct err *err);
// The process was told to end. It may take its time, and is not waited for if it takes too long.
void template_leave(struct template *t);
void template_children_forget(struct templates *owner); // they are not waited for any more

// template_make.c
// A list of libraries came from a process of the function.
MUST_CHECK int template_learned(struct template *t, struct str modules, struct err *err);
