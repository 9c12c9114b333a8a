// SPDX-License-Identifier: Apache-2.0
// The event loop: order of timers, posts from other threads, descriptors that are taken out inside
// callbacks, and the same on a simulated clock.
#include "io/loop.h"
#include "base/clock.h"
#include "base/mem.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct err err;

static int setup_of(enum loop_kind kind)
{
    err = (struct err){0};
    return loop_new(kind, &loop, &err);
}

static int setup(void **state)
{
    (void)state;
    return setup_of(LOOP_REAL);
}

static int setup_simulated(void **state)
{
    (void)state;
    return setup_of(LOOP_SIMULATED);
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

// ── timers ──

struct ticking {
    struct timer timer;
    int64_t due_us;
    int number;
    bool fired;
};

static int fired[2000];
static size_t fired_count;

static void note(struct timer *timer)
{
    struct ticking *t = CONTAINER_OF(timer, struct ticking, timer);
    assert_false(t->fired);
    t->fired = true;
    assert_false(timer_running(timer));
    assert_true(loop_now_us(loop) >= t->due_us);
    fired[fired_count++] = t->number;
}

static void test_timer_order(void **state)
{
    (void)state;
    static struct ticking ticks[1000];
    memset(ticks, 0, sizeof ticks);
    fired_count = 0;
    int64_t now_us = loop_now_us(loop);
    uint32_t random = 7;
    for (int i = 0; i < 1000; i++) {
        random = random * 1664525 + 1013904223;
        ticks[i] = (struct ticking){.timer.on_due = note, .number = i};
        ticks[i].due_us = now_us + (random >> 20) % 500;
        timer_start_at(loop, &ticks[i].timer, ticks[i].due_us);
    }
    size_t stopped = 0;
    for (int i = 0; i < 1000; i += 3) { // some are stopped, some are moved
        if (i % 2) {
            timer_stop(loop, &ticks[i].timer);
            timer_stop(loop, &ticks[i].timer);
            stopped++;
        } else {
            ticks[i].due_us = now_us + i;
            timer_start_at(loop, &ticks[i].timer, ticks[i].due_us);
        }
    }
    loop_run(loop);
    assert_int_equal(fired_count, 1000 - stopped);
    for (size_t i = 1; i < fired_count; i++) {
        assert_true(ticks[fired[i - 1]].due_us <= ticks[fired[i]].due_us);
    }
}

static void test_timers_at_once(void **state)
{
    (void)state;
    static struct ticking ticks[100];
    memset(ticks, 0, sizeof ticks);
    fired_count = 0;
    for (int i = 0; i < 100; i++) {
        ticks[i] = (struct ticking){.timer.on_due = note, .number = i};
        timer_start(loop, &ticks[i].timer, i % 2 ? 0 : -5); // the past is now
    }
    loop_run(loop);
    assert_int_equal(fired_count, 100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(fired[i], i);
    }
}

static int again_left;

static void again(struct timer *timer)
{
    fired[fired_count++] = -1;
    if (--again_left > 0) {
        timer_start(loop, timer, 0);
    }
}

// One that starts itself again for now does not keep others waiting.
static void test_timer_again(void **state)
{
    (void)state;
    struct timer self = {.on_due = again};
    struct ticking other = {.timer.on_due = note, .number = 5};
    fired_count = 0;
    again_left = 10;
    timer_start(loop, &self, 0);
    timer_start(loop, &other.timer, 0);
    loop_run(loop);
    assert_int_equal(fired_count, 11);
    assert_int_equal(fired[1], 5);
    assert_false(timer_running(&self));
}

static struct timer *victim;

static void stop_victim(struct timer *timer)
{
    (void)timer;
    timer_stop(loop, victim);
}

static void test_timer_stops_other(void **state)
{
    (void)state;
    struct timer killer = {.on_due = stop_victim};
    struct ticking other = {.timer.on_due = note};
    victim = &other.timer;
    timer_start(loop, &killer, 0);
    timer_start(loop, &other.timer, 0);
    loop_run(loop);
    assert_false(other.fired);
}

// ── simulated time ──

static void test_time_jumps(void **state)
{
    (void)state;
    int64_t day_us = 24 * 3600 * 1000000ll;
    int64_t start_us = loop_now_us(loop), wall_ms = loop_wall_ms(loop), real_us = clock_mono_us();
    struct ticking tick = {.timer.on_due = note, .due_us = start_us + 365 * day_us};
    fired_count = 0;
    timer_start_at(loop, &tick.timer, tick.due_us);
    loop_run(loop);
    assert_true(tick.fired);
    assert_int_equal(loop_now_us(loop), tick.due_us);
    assert_int_equal(loop_wall_ms(loop) - wall_ms, 365 * day_us / 1000);
    assert_true(clock_mono_us() - real_us < day_us);
    assert_false(loop_turn(loop, -1)); // nothing is left to happen
}

// ── posts ──

struct sent {
    struct post post;
    int thread, number;
};

#define THREADS 4
#define POSTS   2000

static struct sent posts[THREADS][POSTS];
static int next_of[THREADS];
static int posts_seen;
static pthread_t loop_thread;

static void on_posted(struct post *post)
{
    struct sent *sent = CONTAINER_OF(post, struct sent, post);
    assert_true(pthread_equal(pthread_self(), loop_thread));
    assert_int_equal(sent->number, next_of[sent->thread]++);
    if (++posts_seen == THREADS * POSTS) {
        loop_stop(loop);
    }
}

static void *poster(void *arg)
{
    struct sent *mine = arg;
    for (int i = 0; i < POSTS; i++) {
        loop_post(loop, &mine[i].post);
    }
    return NULL;
}

static void test_posts(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    loop_thread = pthread_self();
    posts_seen = 0;
    memset(next_of, 0, sizeof next_of);
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < POSTS; i++) {
            posts[t][i] = (struct sent){{.on_posted = on_posted}, t, i};
        }
        assert_int_equal(pthread_create(&threads[t], NULL, poster, posts[t]), 0);
    }
    loop_run(loop); // asleep without a timeout, and woken
    for (int t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    assert_int_equal(posts_seen, THREADS * POSTS);
}

static int reposts;

static void post_again(struct post *post)
{
    if (++reposts < 3) {
        loop_post(loop, post);
    }
}

static void test_post_from_post(void **state)
{
    (void)state;
    struct post post = {.on_posted = post_again};
    reposts = 0;
    loop_post(loop, &post);
    while (reposts < 3) {
        assert_true(loop_turn(loop, 1000));
    }
    assert_false(loop_turn(loop, 0));
}

// ── descriptors ──

struct end {
    struct watch watch;
    struct end *other; // taken out when this one is ready
    int seen;
    uint32_t events;
};

static void ready(struct watch *watch, uint32_t events)
{
    struct end *end = CONTAINER_OF(watch, struct end, watch);
    end->seen++;
    end->events = events;
    if (end->other) {
        loop_unwatch(loop, &end->other->watch);
    }
}

static void end_new(struct end *end, int ends[2])
{
    assert_int_equal(pipe(ends), 0);
    *end = (struct end){.watch = {.fd = ends[0], .on_ready = ready}};
    assert_int_equal(loop_watch(loop, &end->watch, EPOLLIN, &err), 0);
    assert_int_equal(write(ends[1], "x", 1), 1);
}

static void test_unwatch_inside(void **state)
{
    (void)state;
    int ends[2][2];
    struct end a, b;
    end_new(&a, ends[0]);
    end_new(&b, ends[1]);
    a.other = &b; // both are ready in the same turn: whoever is first takes the other out
    b.other = &a;
    assert_true(loop_turn(loop, 1000));
    assert_int_equal(a.seen + b.seen, 1);
    struct end *left = a.seen ? &a : &b;
    left->other = left; // itself
    assert_true(loop_turn(loop, 1000));
    assert_int_equal(left->seen, 2);
    assert_false(loop_turn(loop, 0));
    loop_unwatch(loop, &a.watch); // safe when it is not there
    loop_unwatch(loop, &b.watch);
    for (int i = 0; i < 2; i++) {
        close(ends[i][0]);
        close(ends[i][1]);
    }
}

static void test_rewatch(void **state)
{
    (void)state;
    int ends[2];
    struct end end;
    end_new(&end, ends);
    loop_rewatch(loop, &end.watch, 0);
    assert_false(loop_turn(loop, 0));
    loop_rewatch(loop, &end.watch, EPOLLIN);
    assert_true(loop_turn(loop, 1000));
    assert_int_equal(end.seen, 1);
    close(ends[1]);
    assert_true(loop_turn(loop, 1000));
    assert_true(end.events & EPOLLHUP);
    loop_unwatch(loop, &end.watch);
    close(ends[0]);
}

static void test_bad_descriptor(void **state)
{
    (void)state;
    struct watch watch = {.fd = -1, .on_ready = ready};
    assert_int_equal(loop_watch(loop, &watch, EPOLLIN, &err), ERR_IO);
    assert_non_null(strstr(err.text, "-1"));
    assert_false(watch.added);
    loop_unwatch(loop, &watch);
}

#define REAL(f)      cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SIMULATED(f) cmocka_unit_test_setup_teardown(f, setup_simulated, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SIMULATED(test_timer_order),
        SIMULATED(test_timers_at_once),
        SIMULATED(test_timer_again),
        SIMULATED(test_timer_stops_other),
        SIMULATED(test_time_jumps),
        SIMULATED(test_post_from_post),
        REAL(test_posts),
        REAL(test_post_from_post),
        REAL(test_unwatch_inside),
        REAL(test_rewatch),
        REAL(test_bad_descriptor),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
