// SPDX-License-Identifier: Apache-2.0
// What a model is calibrated and judged with: pictures or payloads as callers send them, made into the
// model's inputs, and what the original model answers to them.
#pragma once

#include "engine/engine.h"

struct package;

#define SAMPLES_MAX      1000
#define SAMPLES_SIZE_MAX ((size_t)512 * 1024 * 1024) // bytes of inputs, and of answers

struct sample {
    struct tensor *inputs;  // heap, as their data
    struct tensor *answers; // of the original; heap, as their data. NULL before samples_answer
    int64_t label;          // class index; -1: not known
    char *name;             // of the file
};

struct samples {
    struct sample *at;
    size_t count;
    size_t input_count, output_count;
    size_t bytes;    // of all inputs
    bool random;     // nobody gave any
    bool labelled;   // all of them
    size_t left_out; // files that were not what the model takes, or too many
    char *why;       // of the first of those; NULL, or heap
};

// The files of a folder in the order of their names, or one file; of a .jsonl, each line. A file labels.tsv beside them ("name,
// tab, class index" in each line) says what they show. ERR_INVALID when not one of them will do.
MUST_CHECK int samples_read(struct samples *ret, struct package *package, const char *path,
                            struct err *err);

// `count` times random numbers: small fractions; of an integer input, indices below rows[input], where
// that is known (not 0). Dimensions that are open become 1, or 128 behind the first of integers.
MUST_CHECK int samples_random(struct samples *ret, const struct model *model, const int64_t *rows,
                              size_t count, struct err *err);

// Runs the model on them and keeps what it answers; those beyond SAMPLES_SIZE_MAX are dropped.
MUST_CHECK int samples_answer(struct samples *samples, struct model *model, struct err *err);

void samples_done(struct samples *samples);
