// SPDX-License-Identifier: Apache-2.0
// A template: a process that has loaded and warmed what it holds (the engine, or a function's model
// too) and forks instances from itself on request. It has one thread, serves one control socket,
// and ends when that socket does.
//
//     rouse-runner --template FD ──SPAWN template──► function's template ──SPAWN──► instance
//                  (the runtime's)──SPAWN instance─────────────────────────────────► instance
#pragma once

#include "engine/engine.h"
#include "runner/package.h"

struct template
{
    int fd;                  // control socket, blocking
    struct engine *engine;   // NULL when there is none on this machine
    struct err engine_err;   // why
    struct package *package; // NULL in the runtime's template
    int status;              // private: the exit status
};

// Sends READY, then serves until the server closes the socket. The exit status of the process;
// returns in the forked children as well, when they are done.
int template_serve(struct template *template, int64_t began_us);
