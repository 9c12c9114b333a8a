// SPDX-License-Identifier: Apache-2.0
// The walls around a process of ours, from one `struct jail`: namespaces, a root of its own, Landlock,
// seccomp, limits, no privileges. A process enters by itself and never leaves; what it forks is
// inside too. A wall that the machine denies is left out, and the report says so: whether that is
// good enough is the server's to decide (--require-sandbox).
//
//     runtime's template   jail_prepare                           (our code only; it must fork)
//        │ fork, jail_libraries              (of this machine, loaded before functions are)
//        │ jail_fork(JAIL_TEMPLATE)          own pid namespace, with a pid 1 that reaps
//     function's template  jail_enter(role JAIL_TEMPLATE)         (loads the function, forks)
//        │ jail_fork(JAIL_INSTANCE)          again a pid namespace of its own, within the first
//     instance             jail_enter(role JAIL_INSTANCE)         (runs the function's code)
//
// Models need no process tree: they fork as usual, and an instance's last wall is jail_compute_only.
// All of this is for single-threaded processes. See docs/walls.md.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define JAIL_PATHS_MAX  24
#define JAIL_LAYERS_MAX 5

// wall, bit, name, what it is
#define JAIL_WALLS(X)                                                                              \
    X(JAIL_USER, 0, "user", "a user namespace, and an unprivileged user outside of it")            \
    X(JAIL_PROCESSES, 1, "processes", "a pid namespace: no other process is seen")                 \
    X(JAIL_ROOT, 2, "root", "a read-only root, with /var/task, /opt and /tmp of its own")          \
    X(JAIL_NETWORK, 3, "network", "a network of its own, with nothing in it but the endpoint")     \
    X(JAIL_IPC, 4, "ipc", "System V and POSIX message queues of its own")                          \
    X(JAIL_HOST, 5, "host", "a host name of its own")                                              \
    X(JAIL_CGROUPS, 6, "cgroups", "a view of cgroups of its own")                                  \
    X(JAIL_FILES, 7, "files", "Landlock: files, signals and abstract sockets outside")             \
    X(JAIL_CALLS, 8, "calls", "seccomp: the system calls it needs, and no others")                 \
    X(JAIL_PRIVILEGES, 9, "privileges", "no capabilities, and no way to gain any")                 \
    X(JAIL_LIMITS, 10, "limits", "limits on files, processes and memory")

enum jail_wall {
#define X(wall, bit, name, text) wall = 1 << (bit),
    JAIL_WALLS(X)
#undef X
        JAIL_ALL = (1 << 11) - 1
};

enum jail_kind {
    JAIL_MODEL,    // sees the folders in `readable` and nothing else
    JAIL_LANGUAGE, // sees a system with interpreters: /usr, parts of /etc, /var/task, /opt, /tmp
};

enum jail_role { JAIL_TEMPLATE = 1, JAIL_INSTANCE }; // as enum wire_role

struct jail {
    enum jail_kind kind;
    enum jail_role role;
    struct str package;                  // JAIL_LANGUAGE: folder, becomes /var/task
    struct str runtime;                  // JAIL_LANGUAGE: folder, becomes /var/runtime; or empty
    struct str layers[JAIL_LAYERS_MAX];  // JAIL_LANGUAGE: folders, become /opt, later ones on top;
    size_t layer_count;                  // none: the host's /opt
    struct str readable[JAIL_PATHS_MAX]; // files and folders that are seen where they are
    size_t readable_count;               // empty ones are skipped
    struct str writable;    // JAIL_MODEL: a folder in which files may be made as well; or empty
    uint64_t tmp_size;      // bytes of /tmp
    uint64_t file_size_max; // bytes of one file it writes; 0: tmp_size
    uint64_t memory_size;   // bytes beside what it holds; bounded by an rlimit where no cgroup does
                            // it; 0: what the machine has
    int port;               // JAIL_LANGUAGE: of the server; listened on inside, see listen_fd
    int runtime_port;  // JAIL_LANGUAGE: connected to as well where there is no network of its own
    bool network_open; // the host's network
};

struct jail_report {
    int missing;   // of enum jail_wall: denied by this machine
    int excused;   // of those: what was asked for is more than jail_probe_start tries
    char why[512]; // "Landlock: …; seccomp: …", or ""
    bool root; // /var/task, /opt and /tmp are the function's; else its folders are where they were
    int listen_fd; // a socket listening at 127.0.0.1:port of its network, the caller's; or -1
};

// Once, in a process that forks others: makes the filters that its children will load, since making
// one takes a millisecond and loading one nothing. ROUSE_SANDBOX=off in the environment: no walls at
// all, for tests of the walls; =required: jail_enter fails when one is missing; =NAME,NAME…: when one
// of these is, which a machine that is short of something can come to, though it grants them.
void jail_prepare(enum jail_kind kind);

// For a process that loads libraries of this machine because a function was seen to, and then forks:
// it may do no more than read. It has no network and a /tmp of its own, and every other file system is
// read-only. That holds back what importing a library does by the way, not code that means harm; the
// functions that are forked from it wall themselves in as ever. 1: done; 0: there are to be no walls;
// ERR_DENIED: this machine denies them.
MUST_CHECK int jail_libraries(bool network_open, struct err *err);

// As fork(), into a pid namespace of its own where possible. The template's child is pid 2: what it
// leaves behind is reaped by pid 1, and when it ends all end. -1 with errno.
pid_t jail_fork(enum jail_role role);

// Walls the process in, by its calling thread alone. Fails when a folder of the function cannot be
// had, or for a wall that has to stand (see jail_prepare). No descriptor of a folder outside may be open.
MUST_CHECK int jail_enter(const struct jail *jail, struct jail_report *ret, struct err *err);

// Models' instances, from here on: compute and answer. No files are opened, no processes started.
MUST_CHECK int jail_compute_only(struct err *err);

// Tries all walls in a process of its own, which takes some milliseconds, most of them to end. What
// is missing there is missing everywhere.
struct jail_probe {
    int fd;                    // readable when there is something to take; -1 when it is over
    pid_t pid;                 // not above 0: there is no such process
    struct jail_report report; // of use when it is over
};
void jail_probe_start(struct jail_probe *probe);
bool jail_probe_turn(struct jail_probe *probe); // takes what is there or waits for it; true: over
void jail_probe_end(struct jail_probe *probe);  // waits until it is over

// "files,calls": names of the walls in the mask, cut where `size` ends.
void jail_names(int walls, char *ret, size_t size);
