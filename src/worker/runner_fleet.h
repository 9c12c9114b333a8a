// SPDX-License-Identifier: Apache-2.0
// The fleet that runs rouse-runner: a tree of processes, each forked from the one above it.
//
//     rouse serve ──exec──► runtime template ──fork──► function template ──fork──► instance (warm)
//                                   └────────────────────fork──► instance (cool; cold when the
//                                                                template had to be executed first)
//
// A function's template is made in the background when dispatch says warm(), and dropped when it
// was not forked from for template_idle_us, or when memory is short (the longest unused first).
#pragma once

#include "worker/fleet.h"

struct store;

struct runner_fleet_options {
    const char *runner;       // path of rouse-runner; NULL: found by runner_path
    int64_t template_idle_us;
    int templates_max;        // of functions
};

struct fleet *runner_fleet_new(struct loop *loop, struct store *store,
                               const struct runner_fleet_options *options);
// Closes every socket: what runs ends by itself at their end of file. Call after dispatch_free.
void runner_fleet_free(struct fleet *fleet);

// $ROUSE_RUNNER, else beside this executable, else ../libexec/rouse beside it. Heap.
MUST_CHECK int runner_path(char **ret, struct err *err);
