// SPDX-License-Identifier: Apache-2.0
// Lambda's environment contract, written out for one function.
#include "worker/spawn_config.h"
#include "base/clock.h"
#include "core/uuid.h"
#include "format/json.h"
#include "runtime/runtime.h"

#include <stdio.h>

static void variable(json_t *env, const char *name, const char *value)
{
    if (value && *value) {
        json_put_str(env, name, str_of(value));
    }
}

// 2026/01/02/[$LATEST]0123456789abcdef…: one stream for each start.
static char *log_stream(const struct function *f)
{
    char when[CLOCK_TEXT_MAX];
    clock_iso(clock_wall_ms(), when);
    struct uuid id = uuid_new();
    return mem_printf("%.4s/%.2s/%.2s/[%s]%.8s%.4s%.4s%.4s%.12s", when, when + 5, when + 8,
                      f->version, id.text, id.text + 9, id.text + 14, id.text + 19, id.text + 24);
}

static void variables(json_t *env, const char *const pairs[][2], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        variable(env, pairs[i][0], pairs[i][1]);
    }
}

// What the function sets itself, and what is the same for all functions.
static json_t *environment_common(const struct function *f, const char *region,
                                  const char *endpoint)
{
    const char *const pairs[][2] = {
        {"LAMBDA_RUNTIME_DIR", "/var/runtime"},
        {"AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"},
        {"AWS_REGION", region},
        {"AWS_DEFAULT_REGION", region},
        {"AWS_ENDPOINT_URL", endpoint},
        {"PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"},
        {"LANG", "C.UTF-8"},
        {"TZ", ":UTC"},
        {"HOME", "/tmp"},
    };
    json_t *env = json_object();
    CLEAN_JSON json_t *own = NULL;
    if (f->environment && json_parse_object(str_of(f->environment), &own, NULL) >= 0) {
        json_object_update(env, own);
    }
    variables(env, pairs, ARRAY_SIZE(pairs));
    return env;
}

static json_t *environment_of(const struct function *f, const struct spawn_identity *who,
                              const char *group, const char *stream)
{
    char memory[16];
    snprintf(memory, sizeof memory, "%u", f->memory_mb);
    CLEAN_MEM char *execution = mem_printf("AWS_Lambda_%s", f->runtime);
    const char *const pairs[][2] = {
        {"_HANDLER", f->handler},
        {"LAMBDA_TASK_ROOT", f->package},
        {"AWS_LAMBDA_FUNCTION_NAME", f->name},
        {"AWS_LAMBDA_FUNCTION_VERSION", f->version},
        {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", memory},
        {"AWS_LAMBDA_LOG_GROUP_NAME", group},
        {"AWS_LAMBDA_LOG_STREAM_NAME", stream},
        {"AWS_LAMBDA_INITIALIZATION_TYPE", who->provisioned ? "provisioned-concurrency" : ""},
        {"AWS_EXECUTION_ENV", execution},
        {"AWS_ACCESS_KEY_ID", who->access_key},
        {"AWS_SECRET_ACCESS_KEY", who->secret_key},
        {"AWS_SESSION_TOKEN", who->session_token},
        {"ROUSE_STOCK", who->stock ? "1" : ""},
    };
    json_t *env = environment_common(f, who->region, who->endpoint);
    variables(env, pairs, ARRAY_SIZE(pairs));
    return env;
}

static bool network_open(const struct function *f)
{
    CLEAN_JSON json_t *extra = NULL;
    struct err ignored = {0};
    return f->extra && json_parse_object(str_of(f->extra), &extra, &ignored) == 0 &&
           str_eq(json_str(json_object_get(extra, "Network")), STR("open"));
}

static int64_t port_of(const char *endpoint)
{
    const char *colon = endpoint ? strrchr(endpoint, ':') : NULL;
    int64_t port = 0;
    return colon && str_to_i64(str_of(colon + 1), &port) ? port : 0;
}

// In a closed network the endpoint is on its loopback, wherever it is outside.
static char *endpoint_inside(const char *endpoint, bool open)
{
    int64_t port = port_of(endpoint);
    return open || !port ? mem_dup(endpoint) : mem_printf("http://127.0.0.1:%lld", (long long)port);
}

static json_t *jail_of(const struct function *f, int64_t port, bool open, bool grouped)
{
    json_t *jail = json_object();
    json_put_str(jail, "package", str_of(f->package));
    json_t *layers = json_array();
    for (size_t i = 0; i < f->layer_count; i++) {
        json_array_append_new(layers, json_from_str(str_of(f->layers[i].package)));
    }
    json_put(jail, "layers", layers);
    json_put_int(jail, "tmp", (int64_t)f->ephemeral_mb << 20);
    json_put_int(jail, "memory", grouped ? 0 : (int64_t)f->memory_mb << 20);
    json_put_int(jail, "port", open ? 0 : port);
    json_put_str(jail, "network", open ? STR("open") : STR("closed"));
    return jail;
}

// V8 and the JVM are told how large their heaps may grow: most of the function's memory.
static void word_fill(struct buf *out, struct str word, const struct function *f)
{
    static const struct str heap = {"{heap}", 6}, handler = {"{handler}", 9};
    while (word.size) {
        if (str_starts(word, heap)) {
            buf_printf(out, "%u", f->memory_mb * 85 / 100);
            word = str_skip(word, heap.size);
        } else if (str_starts(word, handler)) {
            buf_add_text(out, f->handler ? f->handler : "");
            word = str_skip(word, handler.size);
        } else {
            buf_add_char(out, word.at[0]);
            word = str_skip(word, 1);
        }
    }
}

static void program_put(json_t *config, const struct function *f,
                        const struct runtime_program *program)
{
    json_t *words = json_array(), *readable = json_array();
    for (size_t i = 0; i < RUNTIME_WORDS_MAX && program->words[i]; i++) {
        CLEAN(buf_done) struct buf word = BUF_INIT(8192);
        word_fill(&word, str_of(program->words[i]), f);
        json_array_append_new(words, json_from_str(buf_str(&word)));
    }
    for (size_t i = 0; i < RUNTIME_READABLE_MAX && program->readable[i]; i++) {
        json_array_append_new(readable, json_from_str(str_of(program->readable[i])));
    }
    json_put(config, "program", words);
    if (program->folder) {
        CLEAN_MEM char *real = realpath(program->folder, NULL);
        json_put_str(config, "runtime", str_of(real ? real : program->folder));
    }
    json_put(config, "readable", readable);
}

void spawn_config_write(struct buf *out, const struct function *f,
                        const struct runtime_program *program, const struct spawn_identity *given)
{
    struct spawn_identity inside = *given, *who = &inside;
    bool open = network_open(f);
    int64_t port = port_of(given->endpoint);
    CLEAN_MEM char *endpoint = endpoint_inside(given->endpoint, open);
    inside.endpoint = endpoint;
    CLEAN_MEM char *group = mem_printf("/aws/lambda/%s", f->name);
    CLEAN_MEM char *stream = log_stream(f);
    CLEAN_MEM char *arn =
        function_arn(who->region, f->name, strcmp(f->version, "$LATEST") == 0 ? NULL : f->version);
    CLEAN_JSON json_t *config = json_object();
    json_put_str(config, "functionName", str_of(f->name));
    json_put_str(config, "functionVersion", str_of(f->version));
    json_put_str(config, "invokedFunctionArn", str_of(arn));
    json_put_str(config, "handler", str_of(f->handler));
    json_put_str(config, "taskRoot", str_of(f->package));
    json_put_int(config, "memoryMb", f->memory_mb);
    json_put_int(config, "timeoutS", f->timeout_s);
    json_put_str(config, "logGroup", str_of(group));
    json_put_str(config, "logStream", str_of(stream));
    json_put(config, "environment", environment_of(f, who, group, stream));
    json_put(config, "jail", jail_of(f, port, open, given->grouped));
    if (program && !program->forks) {
        program_put(config, f, program);
    }
    if (given->learn) {
        json_put_bool(config, "learn", true);
    }
    json_write(config, out);
}

void spawn_config_libraries(struct buf *out, const struct function *f, const char *region,
                            const char *endpoint, struct str modules)
{
    bool open = network_open(f);
    CLEAN_MEM char *inside = endpoint_inside(endpoint, open);
    CLEAN_JSON json_t *config = json_object();
    json_t *names = json_array();
    for (struct str rest = modules; rest.at && rest.size;) {
        json_array_append_new(names, json_from_str(str_cut(&rest, '\n')));
    }
    json_put(config, "libraries", names);
    json_put(config, "environment", environment_common(f, region, inside));
    json_put_str(config, "network", open ? STR("open") : STR("closed"));
    json_write(config, out);
}
