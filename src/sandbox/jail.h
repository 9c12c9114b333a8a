// SPDX-License-Identifier: Apache-2.0
// The walls around a process of ours: no new privileges, no capabilities, limits, a file system
// that is only what it needs (Landlock), and only the system calls it needs (seccomp). A process
// enters by itself, and stays in; what is forked from it is inside too. A wall that this kernel
// does not have is left out, and jail_missing says so.
//
//     runtime's template   jail_start                                (must fork for any function)
//     function's template  jail_start ─ jail_enter(its folders)      (loads the model, forks)
//     instance             jail_start ─ jail_enter ─ jail_compute_only (answers, nothing else)
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define JAIL_PATHS_MAX 8

enum jail_wall {
    JAIL_PRIVILEGES = 1 << 0, // no_new_privs, capabilities
    JAIL_LIMITS = 1 << 1,     // rlimits
    JAIL_FILES = 1 << 2,      // Landlock
    JAIL_CALLS = 1 << 3,      // seccomp
};

struct jail {
    struct str readable[JAIL_PATHS_MAX]; // files and folders; empty ones are skipped
    size_t readable_count;
    struct str writable;    // a folder in which files may be made as well; or empty
    uint64_t file_size_max; // that it may write, bytes
};

// Once in a process that forks others: gives up privileges, and makes the filters that the children
// will load, since making one takes a millisecond and loading one nothing. The limit on files is
// WIRE_PAYLOAD_MAX's: answers are anonymous files.
void jail_start(const struct jail *jail);

// Walls the process into the folders and into what loading a model and forking need.
MUST_CHECK int jail_enter(const struct jail *jail, struct err *err);

// From here on: compute and answer. No files are opened, no processes started.
MUST_CHECK int jail_compute_only(struct err *err);

// Walls (enum jail_wall) that could not be put up so far, and why: "Landlock: …; seccomp: …". "" and
// 0: all stand.
int jail_missing(const char **ret_why);
