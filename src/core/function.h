// SPDX-License-Identifier: Apache-2.0
// A function: one version of code or a model with its configuration, immutable once made; shared
// by reference. A change makes a new struct function with a new revision.
#pragma once

#include "base/mem.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

#define FUNCTION_NAME_MAX    64
#define FUNCTION_MEMORY_MB   128 // Lambda's default
#define FUNCTION_TIMEOUT_S   3   // Lambda's default
#define FUNCTION_RETRIES     2   // Lambda's defaults for asynchronous invocation
#define FUNCTION_EVENT_AGE_S (6 * 3600)

#define FUNCTION_LAYERS_MAX 5

struct function_layer {
    char *arn;     // of the layer version; it may be deleted since
    char *package; // folder of what was in its zip, absolute
    uint64_t code_size;
};

// What becomes of asynchronous invocations; of each qualifier that they may come by its own.
struct async_rules {
    uint32_t retries_max;          // 0…2
    uint32_t event_age_max_s;      // 60…21600
    char *on_success, *on_failure; // destination ARNs or NULL
};
#define ASYNC_RULES_DEFAULT                                                                        \
    ((struct async_rules){.retries_max = FUNCTION_RETRIES, .event_age_max_s = FUNCTION_EVENT_AGE_S})
void async_rules_set(struct async_rules *rules, const struct async_rules *from); // copies
void async_rules_done(struct async_rules *rules);

enum function_state { FUNCTION_PENDING, FUNCTION_ACTIVE, FUNCTION_FAILED };

struct function {
    int refs;
    char *name;
    char *version; // "$LATEST" or "1", "2", …
    char *runtime; // "onnx", "python3.11", …
    char *handler; // onnx: the YAML file, default "model.yaml"
    char *role, *description;
    char *environment; // JSON object of strings, or NULL
    char *tags;        // JSON object of strings, or NULL
    char *extra;       // JSON object: further members of the configuration, kept as given, or NULL
    char *code_sha256; // base64, as Lambda shows it
    char *package;     // folder of the unpacked package, absolute
    struct function_layer layers[FUNCTION_LAYERS_MAX]; // in order: later ones lie on top
    size_t layer_count;
    char *prepared;  // folder of the prepared model, absolute, or NULL
    char *quantized; // JSON object: what became of quantizing it; NULL: nothing yet
    uint64_t code_size;
    uint32_t memory_mb;
    uint32_t timeout_s;
    uint32_t ephemeral_mb; // /tmp, 512 by default
    enum function_state state;
    char *state_reason, *state_code; // NULL when active
    char *revision;                  // UUID
    int64_t modified_ms;
    // Of the function, whatever the version:
    int64_t reserved_concurrency; // -1: none; shared by all versions
    struct async_rules async;
    char *dead_letter; // ARN that gets the events it failed to handle, or NULL
};

struct function *function_new(void); // one reference, Lambda's defaults, strings NULL
struct function *function_ref(struct function *f);
void function_unref(struct function *f); // NULL is fine
void function_clean(struct function **f);
struct function *function_copy(const struct function *f); // deep, one reference, to be changed

void function_layers_clear(struct function *f);
void function_layer_add(struct function *f, struct str arn, const char *package,
                        uint64_t code_size); // copies; at most FUNCTION_LAYERS_MAX
// The unpacked package is the function's code or one of its layers.
bool function_uses(const struct function *f, const char *package);

// 1…64 letters, digits, - and _.
bool function_name_ok(struct str name);
// "arn:aws:lambda:us-east-1:000000000000:function:NAME"; `qualifier` NULL for none.
char *function_arn(const char *region, const char *name, const char *qualifier);
