// SPDX-License-Identifier: Apache-2.0
// Whether a function can be forked from a template at all: what it brings along decides.
#include "worker/program.h"
#include "format/json.h"

#include <unistd.h>

#define EXTENSIONS "extensions" // below /opt

static bool extensions_in(const char *folder)
{
    CLEAN_MEM char *path = mem_printf("%s/" EXTENSIONS, folder);
    return access(path, F_OK) == 0;
}

// Where a function has no layers, its /opt is the host's.
static bool extended(const struct function *f)
{
    bool any = f->layer_count == 0 && extensions_in("/opt");
    for (size_t i = 0; i < f->layer_count && !any; i++) {
        any = extensions_in(f->layers[i].package);
    }
    return any;
}

static bool wrapped(const struct function *f)
{
    CLEAN_JSON json_t *env = NULL;
    struct err ignored = {0};
    return f->environment && strstr(f->environment, "AWS_LAMBDA_EXEC_WRAPPER") &&
           json_parse_object(str_of(f->environment), &env, &ignored) == 0 &&
           json_str(json_object_get(env, "AWS_LAMBDA_EXEC_WRAPPER")).size > 0;
}

int program_find(const struct function *f, struct runtime_program *ret, struct err *err)
{
    bool executed = extended(f) || wrapped(f);
    return executed ? runtime_find_executed(f->runtime, ret, err)
                    : runtime_find(f->runtime, ret, err);
}
