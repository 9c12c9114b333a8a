// SPDX-License-Identifier: Apache-2.0
// Inside sandbox/: the system calls that walled processes may make. All others fail with EPERM, or
// ENOSYS where the C library has another way.
#pragma once

#include <stdbool.h>

// Sanitizers make calls and mappings of their own; such builds go without the walls in their way.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

enum calls_set {
    CALLS_LOAD,     // models: open files, fork; no sockets, no exec, no executable memory
    CALLS_COMPUTE,  // models: memory, clocks, the sockets that are open; no files, no processes
    CALLS_TEMPLATE, // languages: as CALLS_INSTANCE, and what makes the walls of instances
    CALLS_INSTANCE, // languages: what interpreters and people's code need
    CALLS_SETS
};

// Makes filters for this process and those forked from it. NULL, or why it cannot be done.
const char *calls_prepare(enum calls_set first, enum calls_set last);
// Loads one; no_new_privs must be set. NULL, or why it could not be done. Filters add up.
const char *calls_restrict(enum calls_set set);

int calls_fill_language(void *filter, bool template); // of calls_language.c; 0 or -errno
