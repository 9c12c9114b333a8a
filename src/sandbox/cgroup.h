// SPDX-License-Identifier: Apache-2.0
// Control groups, version 2 or 1, one for each process tree of a function: memory, processor and
// number of processes. The server makes them, under the group it was started in (or, as root, under
// the top): moving a process into one may take the kernel ten milliseconds, so a thread of its own
// does it, and calls return at once.
//
//     <group of rouse>/rouse-<pid>/<number>     removed with what runs in it
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct cgroups;
struct cgroup;

// ERR_UNSUPPORTED says why there are none: not writable, or without the memory controller.
MUST_CHECK int cgroups_new(struct cgroups **ret, struct err *err);
void cgroups_free(struct cgroups *groups);              // NULL is fine; all of them end
const char *cgroups_kind(const struct cgroups *groups); // "cgroup v2"

// A group with that much memory (0: unbounded) and at most 1024 processes, with the process in it soon.
// `groups` NULL: NULL, which the functions below take.
struct cgroup *cgroup_new(struct cgroups *groups, int pid, uint64_t memory_size);
// From now on as much processor as Lambda gives to so much memory: 1,769 MB are one core.
void cgroup_limit_cpu(struct cgroup *group, uint64_t memory_size);
// What is in it gets a tenth of the processor that others get, or as much as they again.
void cgroup_background(struct cgroup *group, bool background);
bool cgroup_out_of_memory(const struct cgroup *group);  // something in it was killed for that
uint64_t cgroup_memory_max(const struct cgroup *group); // bytes at its peak, 0: unknown
void cgroup_free(struct cgroup *group);                 // kills what is left in it
