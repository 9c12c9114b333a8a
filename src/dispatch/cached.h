// SPDX-License-Identifier: Apache-2.0
// The result cache before the queue, for functions that ask for one. Whoever asks what was answered
// before is told at once; whoever asks what is being answered waits for that; the others run.
//
//     submit ──► question ──in the cache──► answered ──► settle
//                   │  └──asked already──► flight.waiting ──the leader succeeds──► answered
//                   │                            └──it fails──► the queue, each by itself
//                   └──neither──► leader of a flight ──► the queue; its answer goes into the cache
#pragma once

#include "base/list.h"
#include "cache/cache.h"
#include "core/job.h"

#include <jansson.h>

struct dispatch;
struct lane;

struct cached { // of a lane
    struct cache_policy policy;
    struct cache_key scope; // digest of what of the function shapes its answers
    json_t *vary;           // array of strings, or NULL
    bool model;
    struct list flights;
    size_t waiting_sync, waiting_async; // jobs that wait in them
};

// What a job asks. Not every job asks something that may be answered from the cache.
struct question {
    struct cache_key key;
    bool http;          // the answer says itself whether it may be kept
    uint64_t sequencer; // the newest of the objects it is about; 0: of none
};

struct flight {                 // jobs that ask the same
    struct cache_lookup lookup; // while there is no leader
    struct lane *lane;
    struct question question;
    struct job *leader;  // in the queue, or running; NULL: the cache is asked
    struct list waiting; // struct job, in the order in which they came
    struct list link;    // lane->cached.flights
};

// question.c
void cached_read(struct lane *lane); // of lane->function; what was known of another one is dropped
bool question_of(const struct lane *lane, const struct job *job, struct question *ret);

// cached.c
void cached_init(struct cached *cached);
void cached_done(struct lane *lane); // frees the jobs that wait
// True: the job has been taken. False: it is to run, and ends with cached_end.
bool cached_take(struct lane *lane, struct job *job);
// Whoever submitted it, waiting still, has gone. False: it is as good as answered, or others wait for
// it. True: it waits for nobody any more, and for a place in the queue if it did before.
bool cached_withdraw(struct job *job);
// It has settled with its result, or (`settled` false) is gone without one.
void cached_end(struct dispatch *d, struct job *job, bool settled);
// Whoever waits is in the queue afterwards: their function changes or goes.
void cached_dissolve(struct lane *lane);
void cached_drain(struct lane *lane); // asynchronous jobs go back to being rows
