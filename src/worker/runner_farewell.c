// SPDX-License-Identifier: Apache-2.0
// How an instance with extensions takes its leave. The dispatcher need not wait for it: what fails or
// takes too long is told at once, and the rest happens beside.
//
//     stop: its program is asked (SIGTERM) ──EXIT, or 300 ms──┐
//     kill, or its own end: the program is killed ────────────┴─► extensions hear SHUTDOWN
//                                                                  └──all gone, or 2 s──► over
#include "worker/runner.h"
#include "base/clock.h"
#include "worker/runtime_link.h"

#include <signal.h>
#include <sys/pidfd.h>

// As Lambda: all of it, and the program's part.
#define FAREWELL_MS 2000
#define PROGRAM_MS  300

static void stop_send(struct runner *r, bool at_once)
{
    struct err ignored = {0};
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_STOP);
    wire_put_stop(&m, &(struct wire_stop){at_once});
    (void)!wire_send(r->watch.fd, &m, &ignored); // who cannot hear it is killed in the end
}

static void extensions_hear(struct runner *r)
{
    r->farewell = FAREWELL_EXTENSIONS;
    runtime_link_shutdown(r->link, r->farewell_reason,
                          clock_wall_ms() +
                              (r->farewell_until_us - loop_now_us(r->fleet->loop)) / 1000);
    timer_start_at(r->fleet->loop, &r->patience, r->farewell_until_us);
}

bool runner_farewell(struct runner *r, const char *reason, bool at_once)
{
    struct loop *loop = r->fleet->loop;
    if (r->farewell == FAREWELL_NONE && (!r->link || !runtime_link_extended(r->link))) {
        return false;
    }
    if (r->farewell == FAREWELL_NONE) {
        r->farewell_reason = reason;
        r->farewell_until_us = loop_now_us(loop) + FAREWELL_MS * 1000;
    }
    if (r->farewell != FAREWELL_EXTENSIONS) {
        stop_send(r, at_once);
    }
    if (at_once && r->farewell != FAREWELL_EXTENSIONS) {
        extensions_hear(r);
    } else if (r->farewell == FAREWELL_NONE) {
        r->farewell = FAREWELL_PROGRAM;
        timer_start(loop, &r->patience, PROGRAM_MS * 1000);
    }
    return true;
}

void runner_farewell_exited(struct runner *r)
{
    if (r->farewell == FAREWELL_PROGRAM) {
        extensions_hear(r);
    }
}

void runner_farewell_over(struct runner *r)
{
    r->farewell = FAREWELL_NONE;
    timer_stop(r->fleet->loop, &r->patience);
    if (r->pid_fd >= 0) {
        pidfd_send_signal(r->pid_fd, SIGKILL, NULL, 0);
    }
    if (r->told) {
        runner_say(r);
        runner_free(r);
    } else if (!r->ending) {
        runner_end(r, "");
    }
}

void runner_patience_due(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, patience);
    if (r->farewell == FAREWELL_PROGRAM) {
        stop_send(r, true);
        extensions_hear(r);
    } else {
        runner_farewell_over(r);
    }
}

// The dispatcher knows already that it has ended: nothing else that it says matters.
void runner_farewell_read(struct runner *r)
{
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_EXIT);
    struct err err = {0};
    int rc = wire_recv(r->watch.fd, &m, &err);
    if (rc == ERR_BUSY) {
        return;
    }
    if (rc == 1 && m.kind == WIRE_EXIT) {
        runner_farewell_exited(r);
    } else if (rc != 1) {
        runner_farewell_over(r);
    }
}
