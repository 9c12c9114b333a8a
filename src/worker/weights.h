// SPDX-License-Identifier: Apache-2.0
// The weights of models in memory: prepared models are files that instances map, so they stay in the
// kernel's page cache when the last instance has gone, and the next start finds them there. Here is known
// which ones, how much of them, and when each was used last; they are read in before they are needed and
// dropped, the longest unused first, when they pass a budget. Core thread, but for weights_measure.
#pragma once

#include "core/function.h"
#include "io/loop.h"
#include "io/pool.h"

struct weights;

struct weights_options {
    uint64_t bytes_max; // of all that is resident; 0: no bound
    // When the function was used last, milliseconds since 1970; 0: nobody knows.
    int64_t (*used_ms)(void *ctx, const struct function *f);
    // Ends the processes that have its model mapped. False: they have to stay.
    bool (*unload)(void *ctx, const struct function *f);
    void *ctx;
};

struct weights *weights_new(struct loop *loop, struct pool *pool,
                            const struct weights_options *options);
void weights_free(struct weights *weights); // after pool_free; takes NULL

// A process that will map the function's model is being started: its file is read in meanwhile, as far as
// it is not there, by a thread that does nothing else. Takes NULL, and functions without a prepared model.
void weights_use(struct weights *weights, struct function *f);

struct weights_model { // borrowed
    const char *path;
    const struct function *function; // that used it last
    int64_t used_ms;
};
void weights_each(const struct weights *weights,
                  void (*each)(void *ctx, const struct weights_model *model), void *ctx);
uint64_t weights_budget(const struct weights *weights);
uint64_t weights_dropped(const struct weights *weights); // models, since the start

// Any thread; may block. The file's size, and how many bytes of it are in memory. Both 0 when it is gone.
enum weights_care { WEIGHTS_LOOK, WEIGHTS_READ, WEIGHTS_DROP };
void weights_measure(const char *path, enum weights_care care, uint64_t *ret_size,
                     uint64_t *ret_resident);
