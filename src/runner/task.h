// SPDX-License-Identifier: Apache-2.0
// Tasks: what a model function does with what it is given. A const table each, found by the `task`
// key of model.yaml.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/tensor.h"

#include <stdbool.h>
#include <stdint.h>

struct package;

// One thing to be answered: an S3 record's object, or the payload. Whatever is wrong with it goes
// into its own `err` (with err.aws as the errorType) and the others go on.
struct item {
    const char *source; // what to call it: "s3://bucket/key", "the payload"
    struct str bytes;
    struct err err;    // code 0: answered
    struct buf answer; // JSON, or what the task makes
    bool raw;          // the answer is not JSON
    uint64_t decode_us;
};

struct task_ops {
    const char *name;
    bool needs_model;
    bool wants_payload; // give it the payload even when it is an S3 event
    // It reads and answers requests of the inference protocol itself: its tensors are the model's.
    bool speaks_protocol;
    // The model is loaded: guesses what model.yaml leaves open, checks that all fits, makes what
    // run needs. Run once in a template or an instance, before any item.
    int (*setup)(struct package *package, struct err *err);
    void (*done)(struct package *package);
    // Answers every item; those of several jobs only when the model may take them together.
    void (*run)(struct package *package, struct item *items, size_t count);
    // Runs the model on zeros once, so that nothing is left to be set up. May be NULL.
    int (*warm)(struct package *package, struct err *err);
    // After warm: the shape of the one input, where the graph leaves it open. May be NULL.
    void (*shape)(const struct package *package, int64_t *dims);
    // What goes into the model for an item: one tensor for each input, whose data is heap and the
    // caller's. What is wrong goes into the item's err. NULL: the task has no model.
    int (*inputs)(struct package *package, struct item *item, struct tensor *ret);
    // The share of what the model's outputs say of these inputs, 0 to 1, that other outputs say as
    // well. NULL: there is no such measure.
    double (*agreement)(struct package *package, const struct tensor *inputs,
                        const struct tensor *outputs, const struct tensor *others);
};

const struct task_ops *task_find(struct str name); // NULL
const char *task_names(void);                      // "a, b or c", for messages

extern const struct task_ops task_classify, task_detect, task_text, task_tokens, task_embed,
    task_tensor, task_echo;

// A `warm` for any model: zeros, one where a dimension is not fixed. That such a model fails on
// them means nothing, and is passed over.
int task_warm_zeros(struct package *package, struct err *err);

// errorTypes of function errors
#define TASK_BAD_REQUEST "InvalidRequest"
#define TASK_BAD_IMAGE   "InvalidImage"
#define TASK_BAD_MODEL   "ModelError"
#define TASK_NO_OBJECT   "ObjectUnavailable"
