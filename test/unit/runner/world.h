// SPDX-License-Identifier: Apache-2.0
// What the tests of model functions share: a runner's template, a package, and asking.
#pragma once

#include "harness.h"
#include "format/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct world {
    struct process template;
    char *package;
};

int setup(void **state);
int teardown(void **state);
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

void put_model(const struct world *w, const char *name); // of the corpus
struct process spawn(struct process *from, const char *package, const char *prepared);
json_t *ask_json(struct process *instance, struct str payload, const struct object *objects,
                 size_t count);
// The answer is an error of that type, and its text has that part.
void assert_fails(struct process *instance, struct str payload, const struct object *objects,
                  size_t count, const char *type, const char *message);
bool near(const json_t *number, double want);
