// SPDX-License-Identifier: Apache-2.0
// The event loop: file descriptors, timers and posts from other threads, on one thread. Nothing
// polls: with nothing to do, loop_turn sleeps in epoll_wait without a timeout.
//
// A simulated loop has no descriptors; its clock stands still and jumps to the next timer when
// nothing else is left to do, so that hours pass in microseconds and every run is the same.
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct loop;

// Caller-owned and zeroed before the first use; must outlive its registration.
struct watch {
    int fd;
    void (*on_ready)(struct watch *watch, uint32_t events); // EPOLLIN and friends
    bool added;
};

// One shot. Caller-owned and zeroed; may be started again from its own callback. Timers that are
// due at the same time are called in the order in which they were started.
struct timer {
    int64_t due_us; // of loop_now_us
    void (*on_due)(struct timer *timer);
    size_t slot;    // 0: not running
    uint64_t order; // of the start
};

// A message to the loop's thread from any thread. Caller-owned until on_posted is called.
struct post {
    void (*on_posted)(struct post *post);
    struct post *next;
};

enum loop_kind { LOOP_REAL, LOOP_SIMULATED };

MUST_CHECK int loop_new(enum loop_kind kind, struct loop **ret, struct err *err);
enum loop_kind loop_kind(const struct loop *loop);
void loop_free(struct loop *loop); // NULL is fine; what is registered must have been taken out

// Runs turns until loop_stop. A simulated loop also returns when nothing is left to happen.
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);
// One turn: waits for something at most timeout_ms (-1: for ever), does it. False: nothing came.
bool loop_turn(struct loop *loop, int timeout_ms);

// Microseconds, monotonic, read once a turn (so equal within one).
int64_t loop_now_us(const struct loop *loop);
// Milliseconds since 1970, UTC: the loop's idea of wall time. A simulated one goes with its clock.
int64_t loop_wall_ms(const struct loop *loop);

MUST_CHECK int loop_watch(struct loop *loop, struct watch *watch, uint32_t events, struct err *err);
void loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events);
void loop_unwatch(struct loop *loop, struct watch *watch); // safe when not added; before close(fd)

// Starts or moves the timer to loop_now_us + delay_us (or to an absolute time).
void timer_start(struct loop *loop, struct timer *timer, int64_t delay_us);
void timer_start_at(struct loop *loop, struct timer *timer, int64_t due_us);
void timer_stop(struct loop *loop, struct timer *timer); // safe when not running
static inline bool timer_running(const struct timer *timer)
{
    return timer->slot != 0;
}

// Any thread. Posts are delivered in order, on the loop's thread.
void loop_post(struct loop *loop, struct post *post);
