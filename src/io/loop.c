// SPDX-License-Identifier: Apache-2.0
// The event loop: epoll, a binary heap of timers, and an eventfd that other threads ring. One turn:
// wait, take the posts, run what is due, serve what is ready.
#include "io/loop.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define EVENTS_MAX        128             // served in one turn
#define SIMULATED_WALL_MS 1767225600000ll // 2026-01-01: when simulated time begins

struct loop {
    enum loop_kind kind;
    int epoll_fd;
    int bell_fd; // eventfd: rung by loop_post
    int64_t now_us;
    bool stopped;

    struct timer **heap; // slots 1…count; the earliest is in slot 1
    size_t count, room;
    uint64_t order; // of the timer that was started last

    struct epoll_event events[EVENTS_MAX]; // of this turn; data.ptr NULLed by loop_unwatch
    int event_count, event_at;

    pthread_mutex_t lock; // guards what follows
    struct post *first, **last;
};

int loop_new(enum loop_kind kind, struct loop **ret, struct err *err)
{
    struct loop *loop = NEW(struct loop);
    loop->kind = kind;
    loop->epoll_fd = loop->bell_fd = -1;
    loop->last = &loop->first;
    pthread_mutex_init(&loop->lock, NULL);
    loop->now_us = kind == LOOP_REAL ? clock_mono_us() : 1000000;
    if (kind == LOOP_REAL) {
        loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        loop->bell_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        struct epoll_event bell = {.events = EPOLLIN, .data.ptr = loop};
        if (loop->epoll_fd < 0 || loop->bell_fd < 0 ||
            epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->bell_fd, &bell) < 0) {
            int rc = err_errno(err, ERR_IO, errno, "cannot make an event loop");
            loop_free(loop);
            return rc;
        }
    }
    *ret = loop;
    return 0;
}

void loop_free(struct loop *loop)
{
    if (!loop) {
        return;
    }
    fd_clean(&loop->epoll_fd);
    fd_clean(&loop->bell_fd);
    pthread_mutex_destroy(&loop->lock);
    free(loop->heap);
    free(loop);
}

enum loop_kind loop_kind(const struct loop *loop)
{
    return loop->kind;
}

int64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

int64_t loop_wall_ms(const struct loop *loop)
{
    return loop->kind == LOOP_REAL ? clock_wall_ms() : SIMULATED_WALL_MS + loop->now_us / 1000;
}

// ── descriptors ──

int loop_watch(struct loop *loop, struct watch *watch, uint32_t events, struct err *err)
{
    CHECK(!watch->added && loop->kind == LOOP_REAL);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot watch descriptor %d", watch->fd);
    }
    watch->added = true;
    return 0;
}

void loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events)
{
    CHECK(watch->added);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    CHECK(epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0);
}

void loop_unwatch(struct loop *loop, struct watch *watch)
{
    if (!watch->added) {
        return;
    }
    watch->added = false;
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    for (int i = loop->event_at; i < loop->event_count; i++) {
        if (loop->events[i].data.ptr == watch) {
            loop->events[i].data.ptr = NULL;
        }
    }
}

// ── timers ──

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

static void heap_set(struct loop *loop, size_t slot, struct timer *timer)
{
    loop->heap[slot] = timer;
    timer->slot = slot;
}

static void heap_up(struct loop *loop, size_t slot, struct timer *timer)
{
    while (slot > 1 && is_before(timer, loop->heap[slot / 2])) {
        heap_set(loop, slot, loop->heap[slot / 2]);
        slot /= 2;
    }
    heap_set(loop, slot, timer);
}

static void heap_down(struct loop *loop, size_t slot, struct timer *timer)
{
    for (;;) {
        size_t child = slot * 2;
        if (child < loop->count && is_before(loop->heap[child + 1], loop->heap[child])) {
            child++;
        }
        if (child > loop->count || is_before(timer, loop->heap[child])) {
            break;
        }
        heap_set(loop, slot, loop->heap[child]);
        slot = child;
    }
    heap_set(loop, slot, timer);
}

void timer_stop(struct loop *loop, struct timer *timer)
{
    size_t slot = timer->slot;
    if (slot == 0) {
        return;
    }
    CHECK(slot <= loop->count && loop->heap[slot] == timer);
    struct timer *last = loop->heap[loop->count--];
    timer->slot = 0;
    if (last == timer) {
        return;
    }
    if (slot > 1 && is_before(last, loop->heap[slot / 2])) {
        heap_up(loop, slot, last);
    } else {
        heap_down(loop, slot, last);
    }
}

void timer_start_at(struct loop *loop, struct timer *timer, int64_t due_us)
{
    timer_stop(loop, timer);
    timer->due_us = due_us;
    timer->order = ++loop->order;
    if (loop->count + 2 > loop->room) {
        loop->room = loop->room ? loop->room * 2 : 64;
        loop->heap = mem_grow(loop->heap, loop->room * sizeof(struct timer *));
    }
    loop->count++;
    heap_up(loop, loop->count, timer);
}

void timer_start(struct loop *loop, struct timer *timer, int64_t delay_us)
{
    timer_start_at(loop, timer, loop->now_us + (delay_us > 0 ? delay_us : 0));
}

// Timers that a callback starts for "now" wait for the next turn, so that descriptors get theirs.
static bool timers_turn(struct loop *loop)
{
    uint64_t last = loop->order;
    bool any = false;
    while (loop->count && loop->heap[1]->due_us <= loop->now_us) {
        struct timer *timer = loop->heap[1];
        if (timer->order > last) {
            break;
        }
        timer_stop(loop, timer);
        timer->on_due(timer);
        any = true;
    }
    return any;
}

// ── posts ──

void loop_post(struct loop *loop, struct post *post)
{
    post->next = NULL;
    pthread_mutex_lock(&loop->lock);
    bool was_empty = loop->first == NULL;
    *loop->last = post;
    loop->last = &post->next;
    pthread_mutex_unlock(&loop->lock);
    if (was_empty && loop->bell_fd >= 0) {
        uint64_t one = 1;
        (void)!write(loop->bell_fd, &one, sizeof one);
    }
}

static bool posts_turn(struct loop *loop)
{
    pthread_mutex_lock(&loop->lock);
    struct post *post = loop->first;
    loop->first = NULL;
    loop->last = &loop->first;
    pthread_mutex_unlock(&loop->lock);
    bool any = post != NULL;
    while (post) {
        struct post *next = post->next;
        post->on_posted(post);
        post = next;
    }
    return any;
}

// ── turns ──

static int wait_ms(const struct loop *loop, int timeout_ms)
{
    if (loop->count == 0) {
        return timeout_ms;
    }
    int64_t left_us = loop->heap[1]->due_us - clock_mono_us();
    int64_t left_ms = left_us <= 0 ? 0 : (left_us + 999) / 1000;
    if (timeout_ms >= 0 && timeout_ms < left_ms) {
        return timeout_ms;
    }
    return left_ms > 86400000 ? 86400000 : (int)left_ms;
}

static bool simulated_turn(struct loop *loop)
{
    bool any = posts_turn(loop);
    if (!any && loop->count) {
        if (loop->heap[1]->due_us > loop->now_us) {
            loop->now_us = loop->heap[1]->due_us;
        }
        any = timers_turn(loop);
    }
    return any;
}

bool loop_turn(struct loop *loop, int timeout_ms)
{
    if (loop->kind == LOOP_SIMULATED) {
        return simulated_turn(loop);
    }
    int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS_MAX, wait_ms(loop, timeout_ms));
    loop->now_us = clock_mono_us();
    loop->event_count = count > 0 ? count : 0;
    bool any = count > 0;
    for (loop->event_at = 0; loop->event_at < loop->event_count;) {
        struct epoll_event event = loop->events[loop->event_at++];
        if (event.data.ptr == loop) {
            uint64_t rung = 0;
            (void)!read(loop->bell_fd, &rung, sizeof rung);
            posts_turn(loop);
        } else if (event.data.ptr) {
            struct watch *watch = event.data.ptr;
            watch->on_ready(watch, event.events);
        }
    }
    loop->event_count = 0;
    return timers_turn(loop) || any;
}

void loop_run(struct loop *loop)
{
    loop->stopped = false;
    while (!loop->stopped) {
        if (!loop_turn(loop, -1) && loop->kind == LOOP_SIMULATED) {
            return;
        }
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}
