// SPDX-License-Identifier: Apache-2.0
// Whether a prepared model may be used here: made by the same engine, on a processor of the same
// kind. ONNX Runtime lays weights out for the instructions it finds.
#include "runner/prepared.h"
#include "base/mem.h"
#include "base/file.h"
#include "format/json.h"
#include "runner/files.h"

#include <sys/utsname.h>
#include <unistd.h>

#if defined(__x86_64__)
static void add_features(struct buf *out)
{
    __builtin_cpu_init();
#define FEATURE(name)                                                                              \
    if (__builtin_cpu_supports(name)) {                                                            \
        buf_add_text(out, " " name);                                                               \
    }
    FEATURE("sse4.1")
    FEATURE("avx")
    FEATURE("avx2")
    FEATURE("fma")
    FEATURE("avx512f")
    FEATURE("avx512vl")
    FEATURE("avx512vnni")
#undef FEATURE
}
#else
#include <sys/auxv.h>
static void add_features(struct buf *out)
{
    buf_printf(out, " hwcap %lx %lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
}
#endif

char *prepared_cpu(void)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(1024);
    struct utsname name;
    buf_add_text(&out, uname(&name) == 0 ? name.machine : "unknown");
    add_features(&out);
    return buf_steal(&out);
}

static bool is(const json_t *facts, const char *key, const char *value)
{
    return str_eq(json_str(json_object_get(facts, key)), str_of(value));
}

bool prepared_find(struct str folder, const struct engine *engine, struct prepared *ret)
{
    if (folder.size == 0 || !engine) {
        return false;
    }
    CLEAN_MEM char *path = mem_printf(STR_FMT "/" PREPARED_FACTS, STR_ARG(folder));
    CLEAN(buf_done) struct buf text = BUF_INIT(256 * 1024);
    CLEAN_JSON json_t *facts = NULL;
    struct err why = {0};
    if (file_read(path, &text, &why) < 0 || json_parse(buf_str(&text), &facts, &why) < 0 ||
        !json_is_true(json_object_get(facts, "ok"))) {
        return false;
    }
    CLEAN_MEM char *cpu = prepared_cpu();
    if (!is(facts, "engine", engine->ops->version(engine)) || !is(facts, "cpu", cpu)) {
        return false;
    }
    CLEAN_MEM char *model = mem_printf(STR_FMT "/" PREPARED_MODEL, STR_ARG(folder));
    if (access(model, R_OK) != 0) {
        return false;
    }
    ret->path = MOVE(model);
    ret->packing = json_is_true(json_object_get(facts, "packing"));
    return true;
}

void prepared_done(struct prepared *prepared)
{
    free(prepared->path);
    *prepared = (struct prepared){0};
}
