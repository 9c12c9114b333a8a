// SPDX-License-Identifier: Apache-2.0
// Where a job runs when there is more than one device. Pure: no input or output, and the time is an
// argument, in microseconds of any clock that only goes forward. Memory is bounded: a few kilobytes a
// function, whatever comes.
//
// For each function, device and size of job it learns how long a job takes there. `Takes' is from the
// moment that an instance gets the job until it has answered, so copying to the device is in it. A job
// goes where it is expected to end first: what is owed there, the model's load where it is not loaded,
// and the job itself. Where the function has a target, the device that works least for the job is taken
// among those that meet it; so a fast device is kept for those who need it, and who would come too
// late there spills over.
//
// A size that a device has not seen is tried by one job at a time, and not where its neighbours say that
// it is hopeless. A device that fails is out: its jobs go elsewhere, never to where they were lost. After
// a while, longer each time, one job tries it again.
//
//     placement_put ──► placement_begin ──► placement_end      learns from it
//                  └──────────┴───────────► placement_lost     placed again by the caller
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACEMENT_DEVICES_MAX 8
#define PLACEMENT_BUCKETS     48 // 1, 2, 3, 4, 6, 8, 12 …: the last holds all from 16 million on

struct placement_device {
    int slots;       // jobs that it runs at once, ≥ 1
    bool out;        // it has failed
    bool on_trial;   // one job finds out whether it works again
    int failures;    // in a row
    int64_t back_us; // it may be tried from then on
    int running, waiting;
    int64_t waiting_us;    // expected of those that wait
    int64_t running_until; // sum of when those that run are expected to end
    int64_t worked_us;     // of all that ended: over `slots` and an hour's 3.6e9, its utilisation
    uint64_t jobs, lost;
};

// Of a server: shared by its functions. Zeroed, then placement_add; the first is the processor.
struct placement {
    struct placement_device devices[PLACEMENT_DEVICES_MAX];
    size_t count;
};

struct placement_cost {
    int64_t us;      // smoothed; 0: not known
    uint32_t tries;  // jobs that it is from, as far as they are counted
    uint32_t missed; // jobs of that size that went elsewhere since
};

// Of a function. Zeroed, then its wishes are set.
struct placement_costs {
    int64_t
        threshold; // jobs up to that size go to the first device, others elsewhere; 0: it learns
    int64_t target_us; // an answer within that is early enough; 0: the sooner the better
    struct placement_cost at[PLACEMENT_DEVICES_MAX][PLACEMENT_BUCKETS];
    bool loaded[PLACEMENT_DEVICES_MAX];
    int64_t load_us[PLACEMENT_DEVICES_MAX]; // smoothed; 0: not known
    bool trying[PLACEMENT_DEVICES_MAX];     // a job finds out what its size takes there
};

// A job on a device. The caller's, from placement_put to placement_end or placement_lost; `lost_on` lives
// as long as the job: zeroed before it is placed for the first time.
struct placed {
    int device, bucket;
    bool tries, on_trial, begun;
    int64_t expected_us, until_us;
    uint32_t lost_on; // bits: devices on which it was lost
};

void placement_add(struct placement *placement, int slots); // at most PLACEMENT_DEVICES_MAX
int placement_bucket(int64_t size);

// Books the job, of `size` ≥ 0 in whatever unit the function counts, where it is to run; `waited_us`:
// for so long it has waited already. False: all devices are out, or lost it (then lost_on has a bit
// for each); *ret_back_us is when the first may be tried again, or 0 if the job has been everywhere.
MUST_CHECK bool placement_put(struct placement *placement, struct placement_costs *costs,
                              int64_t size, int64_t waited_us, int64_t now_us,
                              struct placed *placed, int64_t *ret_back_us);
void placement_begin(struct placement *placement, struct placed *placed, int64_t now_us);
// It was answered after `took_us` on the device. Begins it where that was not said.
void placement_end(struct placement *placement, struct placement_costs *costs,
                   struct placed *placed, int64_t took_us);
// It was not answered. `device_failed`: for a reason of the device's, not its own, so that is out until
// now_us and a back-off; others that are on it are the caller's to place again.
void placement_lost(struct placement *placement, struct placement_costs *costs,
                    struct placed *placed, bool device_failed, int64_t now_us);

void placement_loaded(struct placement_costs *costs, int device, int64_t took_us);
void placement_unloaded(struct placement_costs *costs, int device);
// Expected from now until a job of that size would end there; INT64_MAX: it is out, or not known.
int64_t placement_expect(const struct placement *placement, const struct placement_costs *costs,
                         int device, int64_t size, int64_t now_us);
