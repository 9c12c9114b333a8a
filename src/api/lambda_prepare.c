// SPDX-License-Identifier: Apache-2.0
// Preparing the models of functions, in the background; what comes of it is a change like others.
#include "api/lambda.h"
#include "base/log.h"
#include "core/uuid.h"

bool lambda_needs_preparation(const struct function *f)
{
    return strcmp(f->runtime, "onnx") == 0;
}

static struct function *to_prepare(struct lambda_function *f)
{
    if (f->update) {
        return f->update;
    }
    return f->latest && f->latest->state == FUNCTION_PENDING ? f->latest : NULL;
}

// The same version after its preparation.
static struct function *version_settled(const struct lambda_function *f,
                                        const struct function *from)
{
    struct function *settled = function_copy(from);
    bool ok = f->prepare.rc >= 0;
    settled->state = ok ? FUNCTION_ACTIVE : FUNCTION_FAILED;
    lambda_text_set(&settled->state_reason, ok ? NULL : f->prepare.err.text);
    lambda_text_set(&settled->state_code,
                    ok ? NULL : (f->prepare.rc == ERR_INVALID ? "InvalidModel" : "InternalError"));
    lambda_text_set(&settled->prepared, ok ? f->prepare_out : NULL);
    lambda_text_set(&settled->revision, uuid_new().text);
    return settled;
}

bool lambda_same_code(const struct function *a, const struct function *b)
{
    return strcmp(a->package, b->package) == 0 && strcmp(a->handler, b->handler) == 0;
}

// Published versions that wait for the same preparation.
static void settle_versions(struct lambda_change *c, const struct lambda_function *f,
                            const struct function *prepared)
{
    for (size_t i = 0; i < f->version_count; i++) {
        struct function *version = f->versions[i];
        if (version->state == FUNCTION_PENDING && lambda_same_code(version, prepared)) {
            c->replace = mem_grow(c->replace, (c->replace_count + 1) * sizeof *c->replace);
            c->replace[c->replace_count++] = version_settled(f, version);
        }
    }
}

static void prepare_written(struct lambda_change *c)
{
    struct lambda_function *f = lambda_entry(c->lambda, c->name);
    if (c->task.rc < 0) {
        log_error("function %s: its preparation cannot be recorded: %s", c->name, c->task.err.text);
    }
    lambda_turn_end(&f->line);
}

static void prepare_on_turn(struct lambda_turn *turn)
{
    struct lambda_function *f = CONTAINER_OF(turn, struct lambda_function, prepare_turn);
    struct function *prepared = to_prepare(f);
    CLEAN(function_clean) struct function *was = MOVE(f->preparing);
    if (!prepared || !was ||
        !lambda_same_code(prepared, was)) { // deleted meanwhile, perhaps made anew
        lambda_prepare(f);
        lambda_turn_end(&f->line);
        return;
    }
    bool ok = f->prepare.rc >= 0;
    struct lambda_change *c = lambda_change_new(f->lambda, f, f->name, NULL);
    if (prepared == f->update) {
        c->update_drop = true;
        if (ok) {
            c->latest = version_settled(f, prepared);
            lambda_text_set(&c->latest->version, "$LATEST");
        }
        c->update_status = ok ? FUNCTION_UPDATE_SUCCESSFUL : FUNCTION_UPDATE_FAILED;
        lambda_text_set(&c->update_reason, ok ? NULL : f->prepare.err.text);
        lambda_text_set(&c->update_code, ok ? NULL : "InvalidModel");
    } else {
        c->latest = version_settled(f, prepared);
    }
    settle_versions(c, f, prepared);
    if (ok) {
        log_info("function %s is ready", f->name);
    } else {
        log_warn("function %s: %s", f->name, f->prepare.err.text);
    }
    c->done = prepare_written;
    lambda_write(c);
}

static void prepare_done(struct prepare_task *task)
{
    struct lambda_function *f = CONTAINER_OF(task, struct lambda_function, prepare);
    f->prepare_turn.on_turn = prepare_on_turn;
    lambda_turn_take(&f->line, &f->prepare_turn);
}

// "…/packages/<sha>/code" → "…/packages/<sha>/prepared-<handler, as far as a file name can hold it>"
char *lambda_prepared_folder(const struct function *f)
{
    struct str package = str_of(f->package);
    struct str folder = str_head(package, package.size - strlen("code"));
    char handler[65];
    snprintf(handler, sizeof handler, "%s", f->handler);
    for (char *at = handler; *at; at++) {
        if (*at == '/' || (unsigned char)*at < ' ') {
            *at = '_';
        }
    }
    uint64_t sum = checksum_crc(CHECKSUM_CRC32, 0, str_of(f->handler));
    return mem_printf(STR_FMT "prepared-%s-%08llx", STR_ARG(folder), handler,
                      (unsigned long long)sum);
}

void lambda_prepare(struct lambda_function *f)
{
    struct function *version = to_prepare(f);
    if (!version || f->prepare.preparer || !list_empty(&f->prepare_turn.link)) {
        return;
    }
    function_unref(f->preparing);
    free(f->prepare_out);
    f->prepare_out = lambda_prepared_folder(version);
    f->preparing = function_ref(version);
    f->prepare = (struct prepare_task){.package = f->preparing->package,
                                       .out = f->prepare_out,
                                       .handler = f->preparing->handler,
                                       .on_done = prepare_done};
    prepare_submit(f->lambda->preparer, &f->prepare);
}
