// SPDX-License-Identifier: Apache-2.0
// Hits, and flights: jobs that ask the same at the same time, of which one runs. An error is nobody's
// answer but its own: it is not kept, and those who waited for it run by themselves.
#include "dispatch/cached.h"
#include "base/check.h"
#include "dispatch/internal.h"
#include "format/event_key.h"

static struct cache *cache_of(const struct lane *lane)
{
    return lane->dispatch->options.cache;
}

// ── jobs that wait ──

static void waiting_add(struct flight *flight, struct job *job)
{
    struct cached *c = &flight->lane->cached;
    list_push_back(&flight->waiting, &job->link);
    job->flight = flight;
    *(job->async ? &c->waiting_async : &c->waiting_sync) += 1;
}

static void waiting_remove(struct flight *flight, struct job *job)
{
    struct cached *c = &flight->lane->cached;
    list_remove(&job->link);
    job->flight = NULL;
    *(job->async ? &c->waiting_async : &c->waiting_sync) -= 1;
}

static struct job *waiting_take(struct flight *flight)
{
    struct job *job = LIST_FIRST(&flight->waiting, struct job, link);
    if (job) {
        waiting_remove(flight, job);
    }
    return job;
}

static bool waiting_full(const struct lane *lane, const struct job *job)
{
    return !job->async &&
           lane->queued_sync + lane->cached.waiting_sync >= lane->dispatch->options.queue_max;
}

// ── flights ──

static void flight_free(struct flight *flight)
{
    CHECK(list_empty(&flight->waiting));
    map_remove(&flight->lane->dispatch->flights, cache_key_str(&flight->question.key));
    list_remove(&flight->link);
    if (flight->leader) {
        flight->leader->flight = NULL;
    }
    free(flight);
}

static void answer(struct dispatch *d, struct job *job, struct bytes *bytes)
{
    job->result.status = JOB_OK;
    job->result.tier = TIER_CACHED;
    job->result.payload = bytes_ref(bytes);
    job->result.queued_us = loop_now_us(d->loop) - job->created_us;
}

// It is settled on the next turn.
static void answer_later(struct dispatch *d, struct job *job, struct bytes *bytes)
{
    answer(d, job, bytes);
    list_push_back(&d->answered, &job->link);
    timer_start(d->loop, &d->refuse, 0);
}

static void flight_answer(struct flight *flight, struct bytes *bytes)
{
    for (struct job *job; (job = waiting_take(flight));) {
        answer_later(flight->lane->dispatch, job, bytes);
    }
    flight_free(flight);
}

// The settings of the function may have changed while it waited.
static void to_queue(struct lane *lane, struct job *job)
{
    function_unref(job->function);
    job->function = function_ref(lane->function);
    queue_put(lane, job);
}

// Each runs by itself. They have waited, so their time for it begins now.
static void flight_dissolve(struct flight *flight)
{
    struct lane *lane = flight->lane;
    int64_t now_us = loop_now_us(lane->dispatch->loop);
    for (struct job *job; (job = waiting_take(flight));) {
        job->alone = true;
        job->deadline_us = now_us + lane->dispatch->options.hold_us;
        to_queue(lane, job);
        lane_look(lane, now_us);
    }
    if (flight->leader) {
        flight->leader->alone = true;
    }
    flight_free(flight);
}

static void on_found(struct cache_lookup *lookup, struct bytes *bytes)
{
    struct flight *flight = CONTAINER_OF(lookup, struct flight, lookup);
    struct lane *lane = flight->lane;
    if (bytes) {
        flight_answer(flight, bytes);
        return;
    }
    flight->leader = waiting_take(flight);
    flight->leader->flight = flight;
    to_queue(lane, flight->leader);
    lane_turn(lane);
}

// ── a job comes ──

static bool ask(struct flight *flight, struct job *job)
{
    struct lane *lane = flight->lane;
    struct dispatch *d = lane->dispatch;
    struct cache *cache = cache_of(lane);
    struct bytes *bytes = NULL;
    int found = cache->ops->get(cache, &flight->lookup, &bytes);
    if (found == CACHE_HIT) {
        free(flight);
        if (job->at_once) {
            answer(d, job, bytes);
            job_settle(d, lane, job);
        } else {
            answer_later(d, job, bytes);
        }
        bytes_unref(bytes);
        return true;
    }
    if (found == CACHE_LATER && waiting_full(lane, job)) {
        cache->ops->forget(cache, &flight->lookup);
        free(flight);
        return false;
    }
    map_put(&d->flights, cache_key_str(&flight->question.key), flight);
    list_push_back(&lane->cached.flights, &flight->link);
    if (found == CACHE_LATER) {
        waiting_add(flight, job);
        return true;
    }
    flight->leader = job;
    job->flight = flight;
    return false;
}

bool cached_take(struct lane *lane, struct job *job)
{
    struct question question;
    if (!lane->cached.policy.ttl_ms || job->alone || !question_of(lane, job, &question)) {
        return false;
    }
    struct flight *flight = map_get(&lane->dispatch->flights, cache_key_str(&question.key));
    if (flight) {
        bool takes = !waiting_full(lane, job);
        if (takes) {
            waiting_add(flight, job);
        }
        return takes;
    }
    flight = NEW(struct flight);
    flight->lane = lane;
    flight->question = question;
    flight->lookup = (struct cache_lookup){.key = question.key, .on_found = on_found};
    list_init(&flight->lookup.link);
    list_init(&flight->waiting);
    list_init(&flight->link);
    return ask(flight, job);
}

static void lookup_forget(struct flight *flight)
{
    if (!flight->leader) {
        cache_of(flight->lane)->ops->forget(cache_of(flight->lane), &flight->lookup);
    }
}

// Nobody waits for what the cache would say.
static void flight_end_unwanted(struct flight *flight)
{
    if (!flight->leader && list_empty(&flight->waiting)) {
        lookup_forget(flight);
        flight_free(flight);
    }
}

bool cached_withdraw(struct job *job)
{
    struct flight *flight = job->flight;
    if (job->result.tier == TIER_CACHED) {
        return false;
    }
    if (!flight || flight->leader == job) {
        return !flight || list_empty(&flight->waiting);
    }
    waiting_remove(flight, job);
    flight_end_unwanted(flight);
    return true;
}

// ── a job ends ──

// Whether this answer is the one to the question, for whoever asks it.
static bool may_keep(const struct flight *flight, const struct job *job)
{
    const struct question *q = &flight->question;
    struct question now;
    struct str text = bytes_str(job->result.payload);
    if (job->result.status != JOB_OK || job->streamed || !job->result.payload) {
        return false;
    }
    if (q->http && !event_key_may_keep(text)) {
        return false;
    }
    if (q->sequencer == 0) {
        return true;
    }
    // What it read is what was asked about only if that has not changed all the while. A model that
    // answers with the event itself has seen names which are no part of the question.
    bool echo = flight->lane->cached.model && str_eq(text, bytes_str(job->payload));
    return !echo && question_of(flight->lane, job, &now) && now.sequencer == q->sequencer &&
           memcmp(&now.key, &q->key, sizeof now.key) == 0;
}

void cached_end(struct dispatch *d, struct job *job, bool settled)
{
    struct flight *flight = job->flight;
    if (!flight) {
        return;
    }
    CHECK(flight->leader == job);
    if (!settled || !may_keep(flight, job)) {
        flight_dissolve(flight);
        return;
    }
    struct lane *lane = flight->lane;
    d->options.cache->ops->put(d->options.cache, &flight->question.key, &lane->cached.policy,
                               job->result.payload);
    flight_answer(flight, job->result.payload);
}

// ── the lane ──

void cached_init(struct cached *cached)
{
    list_init(&cached->flights);
}

void cached_dissolve(struct lane *lane)
{
    LIST_EACH(flight, &lane->cached.flights, struct flight, link)
    {
        lookup_forget(flight);
        flight_dissolve(flight);
    }
}

void cached_drain(struct lane *lane)
{
    LIST_EACH(flight, &lane->cached.flights, struct flight, link)
    {
        LIST_EACH(job, &flight->waiting, struct job, link)
        {
            if (job->async) {
                waiting_remove(flight, job);
                outbox_forget(lane, job);
            }
        }
        flight_end_unwanted(flight);
    }
}

void cached_done(struct lane *lane)
{
    LIST_EACH(flight, &lane->cached.flights, struct flight, link)
    {
        lookup_forget(flight);
        for (struct job *job; (job = waiting_take(flight));) {
            job_free(job);
        }
        flight_free(flight);
    }
    json_decref(lane->cached.vary);
}
