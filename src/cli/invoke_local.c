// SPDX-License-Identifier: Apache-2.0
// rouse invoke local: builds the project as a deployment would, gives its function's environment to the
// program that serves its runtime, and asks for one answer. No server, no walls: it is the user's own
// code, in the user's own shell, where a debugger works.
#include "cli/hooks.h"
#include "cli/invoke.h"
#include "cli/local_call.h"
#include "cli/project.h"
#include "cli/requirements.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/arn.h"
#include "runtime/runtime.h"

#include <unistd.h>

#define WORDS_MAX (RUNTIME_WORDS_MAX + 2)

struct local {
    const struct args *args;
    const struct serverless *service;
    const struct serverless_function *function;
    struct runtime_program program;
    char *dir; // of the service, absolute: what is /var/task elsewhere
    char *words[WORDS_MAX];
};

// ---- which program

// In a virtual environment its interpreter, which sees what was installed there.
static char *python_of(const struct runtime_program *program)
{
    const char *venv = getenv("VIRTUAL_ENV");
    CLEAN_MEM char *own = venv && venv[0] ? mem_printf("%s/bin/python3", venv) : NULL;
    return own && access(own, X_OK) == 0 ? MOVE(own) : mem_dup(program->argv[0]);
}

static char *filled_in(const struct local *local, const char *word)
{
    CLEAN_MEM char *heap = mem_printf("%lld", (long long)local->function->memory_mb * 85 / 100);
    const char *const marks[][2] = {{"{task}", local->dir},
                                    {"{runtime}", local->program.folder},
                                    {"{handler}", local->function->handler},
                                    {"{heap}", heap}};
    CLEAN(buf_done) struct buf out = BUF_INIT(16 * 1024);
    for (struct str rest = str_of(word); rest.size;) {
        size_t step = 0;
        for (size_t i = 0; i < ARRAY_SIZE(marks) && !step; i++) {
            if (marks[i][1] && str_starts(rest, str_of(marks[i][0]))) {
                buf_add_text(&out, marks[i][1]);
                step = strlen(marks[i][0]);
            }
        }
        if (!step) {
            buf_add_char(&out, rest.at[0]);
        }
        rest = str_skip(rest, step ? step : 1);
    }
    return buf_steal(&out);
}

static int find_words(struct local *local, struct err *err)
{
    const char *runtime = local->function->runtime;
    if (strcmp(runtime, "onnx") == 0) {
        return err_set(err, ERR_UNSUPPORTED,
                       "%s is a model, which only a server runs: rouse deploy, then rouse invoke "
                       "-f %s",
                       local->function->key, local->function->key);
    }
    TRY(runtime_find(runtime, &local->program, err));
    if (local->program.forks) { // Python
        local->words[0] = python_of(&local->program);
        return runtime_file("python/local.py", &local->words[1], err);
    }
    for (size_t i = 0; i < RUNTIME_WORDS_MAX && local->program.words[i]; i++) {
        local->words[i] = filled_in(local, local->program.words[i]);
    }
    if (!local->words[0]) {
        local->words[0] = mem_printf("%s/bootstrap", local->dir);
        if (access(local->words[0], X_OK) < 0) {
            return err_set(err, ERR_NOT_FOUND,
                           "there is no program %s: build it first (custom.scripts.hooks can say "
                           "how)",
                           local->words[0]);
        }
    }
    return 0;
}

// ---- its environment

static void set(const char *name, const char *value)
{
    setenv(name, value ? value : "", 1);
}

static void set_number(const char *name, int64_t value)
{
    CLEAN_MEM char *text = mem_printf("%lld", (long long)value);
    set(name, text);
}

// Folders before those that the caller has there.
static void prepend(const char *name, const char *folders)
{
    const char *now = getenv(name);
    CLEAN_MEM char *value = mem_printf("%s%s%s", folders, now && now[0] ? ":" : "", now ? now : "");
    set(name, value);
}

// The local server's address and keys, where there is one: code that calls AWS then calls Rouse.
static int set_remote(const struct local *local, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    TRY(remote_find(local->args, local->service->region, &remote, err));
    if (remote.access_key[0]) {
        set("AWS_ENDPOINT_URL", remote.endpoint);
        set("AWS_ACCESS_KEY_ID", remote.access_key);
        set("AWS_SECRET_ACCESS_KEY", remote.secret);
        remote.token[0] ? set("AWS_SESSION_TOKEN", remote.token)
                        : (void)unsetenv("AWS_SESSION_TOKEN");
    }
    return 0;
}

static void set_contract(const struct local *local)
{
    const struct serverless_function *f = local->function;
    CLEAN_MEM char *group = mem_printf("/aws/lambda/%s", f->name);
    CLEAN_MEM char *execution = mem_printf("AWS_Lambda_%s", f->runtime);
    CLEAN_MEM char *libraries = mem_printf("%s:%s/lib", local->dir, local->dir);
    CLEAN_MEM char *modules = mem_printf("%s/node_modules", local->dir);
    set("IS_LOCAL", "true");             // as the Framework
    set("PYTHONDONTWRITEBYTECODE", "1"); // or the next package would hold it
    set("_HANDLER", f->handler);
    set("LAMBDA_TASK_ROOT", local->dir);
    set("AWS_EXECUTION_ENV", execution);
    set("AWS_LAMBDA_FUNCTION_NAME", f->name);
    set("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
    set_number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", f->memory_mb);
    set("AWS_LAMBDA_LOG_GROUP_NAME", group);
    set("AWS_LAMBDA_LOG_STREAM_NAME", "local");
    set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
    set("AWS_REGION", local->service->region);
    set("AWS_DEFAULT_REGION", local->service->region);
    prepend("LD_LIBRARY_PATH", libraries);
    prepend("NODE_PATH", modules);
}

// Folders of this machine that are the function's layers: where code looks for /opt is not ours to
// change, but modules, libraries and programs are found there.
static int set_layers(const struct local *local, struct err *err)
{
    for (size_t i = local->function->layer_count; i-- > 0;) { // the first stands before the others
        const struct serverless_layer *layer = local->function->layers[i].layer;
        CLEAN_MEM char *dir = NULL;
        if (layer && layer->requirements) {
            TRY(requirements_install(local->service, layer->requirements, &dir, err));
        } else if (layer && layer->path) {
            dir = layer->path[0] == '/' ? mem_dup(layer->path)
                                        : mem_printf("%s/%s", local->dir, layer->path);
        } else {
            terminal_warning("layer %s is on the server only: the function runs without it",
                             layer ? layer->key : local->function->layers[i].arn);
            continue;
        }
        static const char *const below[][2] = {{"PATH", "bin"},
                                               {"LD_LIBRARY_PATH", "lib"},
                                               {"NODE_PATH", "nodejs/node_modules"},
                                               {"ROUSE_LAYERS", ""}};
        for (size_t j = 0; j < ARRAY_SIZE(below); j++) {
            CLEAN_MEM char *path =
                mem_printf("%s%s%s", dir, below[j][1][0] ? "/" : "", below[j][1]);
            prepend(below[j][0], path);
        }
    }
    return 0;
}

// Of serverless.yml, then of --env, which wins.
static int set_own(const struct local *local, struct err *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(local->function->environment, name, value)
    {
        set(name, json_string_value(value));
    }
    const char *given;
    for (size_t i = 0; (given = args_at(local->args, "env", i)); i++) {
        struct str text = str_of(given);
        CLEAN_MEM char *key = str_dup(str_cut(&text, '='));
        if (!text.at || !key[0]) {
            return err_set(err, ERR_INVALID, "--env %s: is not of the form NAME=VALUE", given);
        }
        set(key, text.at);
    }
    return 0;
}

// ---- the call

static int find_function(struct local *local, struct err *err)
{
    TRY(project_function(local->args, local->service, &local->function, err));
    local->dir = realpath(local->service->dir, NULL);
    return local->dir ? 0
                      : err_set(err, ERR_NOT_FOUND, "there is no folder %s", local->service->dir);
}

static int call_it(struct local *local, struct err *err)
{
    CLEAN(buf_done) struct buf payload = BUF_INIT(INVOKE_PAYLOAD_MAX);
    CLEAN(buf_done) struct buf context = BUF_INIT(INVOKE_PAYLOAD_MAX);
    CLEAN(buf_done) struct buf id = BUF_INIT(64);
    CLEAN(buf_done) struct buf arn = BUF_INIT(1024);
    TRY(invoke_payload(local->args, &payload, err));
    TRY(invoke_context(local->args, &context, err));
    if (!args_has(local->args, "skip-package")) {
        TRY(hooks_run(local->service, HOOK_BEFORE_PACKAGE, err));
    }
    TRY(find_words(local, err));
    TRY(set_remote(local, err));
    TRY(set_layers(local, err));
    set_contract(local);
    TRY(set_own(local, err));
    TRY(file_read("/proc/sys/kernel/random/uuid", &id, err));
    id.at[id.size - 1] = 0; // its newline
    arn_add_function(&arn, str_of(local->service->region), STR(ARN_ACCOUNT),
                     str_of(local->function->name), (struct str){0});
    struct local_call call = {.argv = local->words,
                              .dir = local->dir,
                              .payload = buf_str(&payload),
                              .context = buf_text(&context),
                              .request_id = buf_text(&id),
                              .arn = buf_text(&arn),
                              .deadline_ms = clock_wall_ms() + local->function->timeout_s * 1000};
    int rc = local_call(&call, err);
    if (rc >= 0) {
        invoke_print_answer(buf_str(&call.answer));
        rc = call.failed ? invoke_failed(buf_str(&call.answer), "Unhandled", err) : 0;
    }
    buf_done(&call.answer);
    return rc;
}

static void local_done(struct local *local)
{
    runtime_program_done(&local->program);
    free(local->dir);
    for (size_t i = 0; i < WORDS_MAX; i++) {
        free(local->words[i]);
    }
}

int invoke_local(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    TRY(project_load(args, &service, err));
    CLEAN(local_done) struct local local = {.args = args, .service = service};
    TRY(find_function(&local, err));
    return call_it(&local, err);
}
