// SPDX-License-Identifier: Apache-2.0
// What the tasks that look at pictures share: from an item's bytes to the model's input, and once
// through the model.
#pragma once

#include "media/preprocess.h"
#include "runner/package.h"

struct vision {
    struct preprocess pre;
    bool varies;         // pictures have tensors of different sizes: nothing to warm with
    struct tensor input; // the buffer is kept from one picture to the next
    size_t room;         // of input.data
};

// Of one picture, once through the model: `info` is what became of the picture.
struct vision_answer {
    struct tensor outputs[ENGINE_VALUES_MAX];
    struct preprocess_info info;
};

// Guesses and checks the input.
MUST_CHECK int vision_setup(struct vision *vision, struct package *package, struct err *err);
void vision_done(struct vision *vision);

// Decodes the items' pictures (the bytes themselves, or {"image": base64}) and runs the model, on
// several together where it can. `answer` is called for each item that got that far.
void vision_run(struct vision *vision, struct package *package, struct item *items, size_t count,
                void (*answer)(struct package *package, struct item *item,
                               const struct vision_answer *answer));

// Only decodes it, into a tensor of the caller's: see the task's `inputs`.
MUST_CHECK int vision_inputs(struct vision *vision, struct item *item, struct tensor *ret);

// Runs the model on a black picture. 0: the size varies, *ret holds nothing; 1: it ran.
MUST_CHECK int vision_black(struct vision *vision, struct package *package,
                            struct vision_answer *ret, struct err *err);

// Puts the shape of the last picture where it has one.
void vision_shape(const struct vision *vision, int64_t *dims);

// ERR_INVALID when there are labels and their number is another; classes < 0: not known.
MUST_CHECK int vision_check_labels(const struct spec *spec, int64_t classes, struct err *err);

// Appends `"class_id":7,"label":"zebra","confidence":0.93`; no label where there is none.
void vision_add_class(struct buf *out, const struct spec *spec, size_t class_id, double confidence);
