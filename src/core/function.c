// SPDX-License-Identifier: Apache-2.0
// The life of a struct function.
#include "core/function.h"
#include "core/identity.h"
#include "base/check.h"

#include <ctype.h>
#include <stdlib.h>

void async_rules_set(struct async_rules *rules, const struct async_rules *from)
{
    struct async_rules copy = *from;
    copy.on_success = mem_dup(from->on_success);
    copy.on_failure = mem_dup(from->on_failure);
    async_rules_done(rules);
    *rules = copy;
}

void async_rules_done(struct async_rules *rules)
{
    free(rules->on_success);
    free(rules->on_failure);
    *rules = (struct async_rules){0};
}

struct function *function_new(void)
{
    struct function *f = NEW(struct function);
    f->refs = 1;
    f->memory_mb = FUNCTION_MEMORY_MB;
    f->timeout_s = FUNCTION_TIMEOUT_S;
    f->ephemeral_mb = 512;
    f->reserved_concurrency = -1;
    f->async = ASYNC_RULES_DEFAULT;
    return f;
}

struct function *function_ref(struct function *f)
{
    CHECK(f->refs > 0);
    f->refs++;
    return f;
}

// Every heap string of the struct, for freeing and copying alike.
// clang-format off
#define FUNCTION_STRINGS(X)                                                                        \
    X(name) X(version) X(runtime) X(handler) X(role) X(description) X(environment) X(tags)         \
    X(extra) X(code_sha256) X(package) X(prepared) X(quantized) X(state_reason) X(state_code)      \
    X(revision) X(dead_letter)
// clang-format on

void function_layers_clear(struct function *f)
{
    for (size_t i = 0; i < f->layer_count; i++) {
        free(f->layers[i].arn);
        free(f->layers[i].package);
    }
    f->layer_count = 0;
}

void function_layer_add(struct function *f, struct str arn, const char *package, uint64_t code_size)
{
    CHECK(f->layer_count < FUNCTION_LAYERS_MAX);
    f->layers[f->layer_count++] =
        (struct function_layer){str_dup(arn), mem_dup(package), code_size};
}

bool function_uses(const struct function *f, const char *package)
{
    bool uses = f->package && strcmp(f->package, package) == 0;
    for (size_t i = 0; i < f->layer_count; i++) {
        uses = uses || strcmp(f->layers[i].package, package) == 0;
    }
    return uses;
}

void function_unref(struct function *f)
{
    if (!f) {
        return;
    }
    CHECK(f->refs > 0);
    if (--f->refs > 0) {
        return;
    }
#define X(field) free(f->field);
    FUNCTION_STRINGS(X)
#undef X
    function_layers_clear(f);
    async_rules_done(&f->async);
    free(f);
}

void function_clean(struct function **f)
{
    function_unref(*f);
    *f = NULL;
}

struct function *function_copy(const struct function *f)
{
    struct function *copy = NEW(struct function);
    *copy = *f;
    copy->refs = 1;
#define X(field) copy->field = mem_dup(f->field);
    FUNCTION_STRINGS(X)
#undef X
    copy->async = (struct async_rules){0};
    async_rules_set(&copy->async, &f->async);
    copy->layer_count = 0;
    for (size_t i = 0; i < f->layer_count; i++) {
        const struct function_layer *layer = &f->layers[i];
        function_layer_add(copy, str_of(layer->arn), layer->package, layer->code_size);
    }
    return copy;
}

bool function_name_ok(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (!isalnum(c) && c != '-' && c != '_') {
            return false;
        }
    }
    return name.size >= 1 && name.size <= FUNCTION_NAME_MAX;
}

char *function_arn(const char *region, const char *name, const char *qualifier)
{
    return mem_printf("arn:aws:lambda:%s:" ACCOUNT_ID ":function:%s%s%s", region, name,
                      qualifier ? ":" : "", qualifier ? qualifier : "");
}
