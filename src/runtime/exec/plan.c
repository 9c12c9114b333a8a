// SPDX-License-Identifier: Apache-2.0
// Reads a configuration once, in the child that it is meant for. Variables of Lambda's contract that
// depend on where the function's files are seen are written here, since only here that is known.
#include "runtime/exec/plan.h"
#include "base/buf.h"
#include "format/json.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_MAX (1024 * 1024)
#define SEARCH_MAX (64 * 1024) // of a search path of ours

// ---- environment ----

static size_t env_find(const struct plan *plan, const char *name)
{
    size_t size = strlen(name);
    size_t i = 0;
    while (i < plan->env_count &&
           (strncmp(plan->env[i], name, size) != 0 || plan->env[i][size] != '=')) {
        i++;
    }
    return i;
}

const char *plan_get(const struct plan *plan, const char *name)
{
    size_t at = env_find(plan, name);
    return at < plan->env_count ? plan->env[at] + strlen(name) + 1 : "";
}

void plan_set(struct plan *plan, const char *name, const char *value)
{
    char *entry = mem_printf("%s=%s", name, value);
    size_t at = env_find(plan, name);
    if (at == plan->env_count) {
        plan->env = mem_grow(plan->env, (plan->env_count + 2) * sizeof *plan->env);
        plan->env_count++;
        plan->env[plan->env_count] = NULL;
    } else {
        free(plan->env[at]);
    }
    plan->env[at] = entry;
}

// The search path `name` gets our folders before what the function has set itself.
static void path_prepend(struct plan *plan, const char *name, const char *folders)
{
    const char *own = plan_get(plan, name);
    CLEAN_MEM char *value = mem_printf("%s%s%s", folders, *own ? ":" : "", own);
    plan_set(plan, name, value);
}

// ---- walls ----

static int jail_read(json_t *config, struct jail *jail, struct err *err)
{
    json_t *given = json_object_get(config, "jail");
    int64_t number = 0;
    size_t i = 0;
    json_t *item = NULL;
    *jail = (struct jail){.kind = JAIL_LANGUAGE, .role = JAIL_INSTANCE};
    if (!given) {
        return 0;
    }
    TRY(json_get_str(given, "package", &jail->package, err));
    TRY(json_get_str(config, "runtime", &jail->runtime, err));
    TRY(json_get_int(given, "tmp", 0, INT64_MAX, &number, err));
    jail->tmp_size = (uint64_t)number;
    number = 0;
    TRY(json_get_int(given, "memory", 0, INT64_MAX, &number, err));
    jail->memory_size = (uint64_t)number;
    number = 0;
    TRY(json_get_int(given, "port", 0, 65535, &number, err));
    jail->port = (int)number;
    jail->network_open = str_eq(json_str(json_object_get(given, "network")), STR("open"));
    json_array_foreach(json_object_get(given, "layers"), i, item)
    {
        if (jail->layer_count < JAIL_LAYERS_MAX) {
            jail->layers[jail->layer_count++] = json_str(item);
        }
    }
    json_array_foreach(json_object_get(config, "readable"), i, item)
    {
        if (jail->readable_count < JAIL_PATHS_MAX) {
            jail->readable[jail->readable_count++] = json_str(item);
        }
    }
    return 0;
}

// ---- the program ----

static int program_read(json_t *config, struct plan *plan, struct err *err)
{
    size_t i = 0;
    json_t *item = NULL;
    json_t *program = json_object_get(config, "program");
    if (json_array_size(program) + 2 > PLAN_ARGV_MAX) {
        return err_set(err, ERR_LIMIT, "a program of %zu words", json_array_size(program));
    }
    json_array_foreach(program, i, item)
    {
        plan->argv[i] = str_dup(json_str(item));
    }
    return 0;
}

int plan_read(int config_fd, struct plan *ret, struct err *err)
{
    struct stat st;
    CLEAN(buf_done) struct buf text = BUF_INIT(CONFIG_MAX);
    if (fstat(config_fd, &st) < 0 || st.st_size <= 0 || st.st_size > CONFIG_MAX) {
        return err_set(err, ERR_PROTOCOL, "the configuration is no file of a usual size");
    }
    char *at = buf_reserve(&text, (size_t)st.st_size);
    ssize_t got = pread(config_fd, at, (size_t)st.st_size, 0);
    if (got != st.st_size) {
        return err_set(err, ERR_PROTOCOL, "the configuration cannot be read");
    }
    buf_took(&text, (size_t)got);
    TRY(json_parse_object(buf_str(&text), &ret->config, err));
    TRY(jail_read(ret->config, &ret->jail, err));
    TRY(program_read(ret->config, ret, err));
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(json_object_get(ret->config, "environment"), name, value)
    {
        plan_set(ret, name, json_is_string(value) ? json_string_value(value) : "");
    }
    return 0;
}

void plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->env_count; i++) {
        free(plan->env[i]);
    }
    for (size_t i = 0; i < PLAN_ARGV_MAX; i++) {
        free(plan->argv[i]);
    }
    free(plan->env);
    json_decref(plan->config);
    *plan = (struct plan){0};
}

// Where the layers are: in /opt or, where there is no root of our own, in their folders, the last on
// top and so the first to be searched.
struct opt {
    char *folders[JAIL_LAYERS_MAX];
    size_t count;
};

static void opt_done(struct opt *opt)
{
    for (size_t i = 0; i < opt->count; i++) {
        free(opt->folders[i]);
    }
}

static void opt_find(struct opt *opt, const struct jail *jail, bool own_root)
{
    *opt = (struct opt){0};
    for (size_t i = own_root ? 0 : jail->layer_count; i > 0; i--) {
        opt->folders[opt->count++] = str_dup(jail->layers[i - 1]);
    }
    if (opt->count == 0) {
        opt->folders[opt->count++] = mem_dup("/opt");
    }
}

static void opt_add(struct buf *path, const struct opt *opt, const char *below)
{
    for (size_t i = 0; i < opt->count; i++) {
        buf_printf(path, "%s%s%s", path->size ? ":" : "", opt->folders[i], below);
    }
}

// AWS_EXECUTION_ENV is AWS_Lambda_nodejs20.x: modules for that version alone are in nodejs/node20.
static void modules_add(struct buf *path, const struct opt *opt, const struct plan *plan)
{
    static const char mark[] = "AWS_Lambda_nodejs";
    struct str version = str_of(plan_get(plan, "AWS_EXECUTION_ENV"));
    if (str_starts(version, str_of(mark))) {
        version = str_skip(version, sizeof mark - 1);
        struct str major = str_cut(&version, '.');
        CLEAN_MEM char *below = mem_printf("/nodejs/node" STR_FMT "/node_modules", STR_ARG(major));
        opt_add(path, opt, below);
    }
    opt_add(path, opt, "/nodejs/node_modules");
}

static bool bootstrap_take(struct plan *plan, const char *folder)
{
    struct stat st;
    char *path = mem_printf("%s/bootstrap", folder);
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        plan->argv[0] = path;
        return true;
    }
    free(path);
    return false;
}

// The first that is there, as Lambda looks for it.
static int bootstrap_find(struct plan *plan, const char *task, const struct opt *opt,
                          struct err *err)
{
    bool found = bootstrap_take(plan, task);
    for (size_t i = 0; i < opt->count && !found; i++) {
        found = bootstrap_take(plan, opt->folders[i]);
    }
    if (found) {
        return 0;
    }
    return err_set(err, ERR_NOT_FOUND,
                   "Couldn't find valid bootstrap(s): [%s/bootstrap "
                   "/opt/bootstrap]",
                   task);
}

// What is known only here is filled in: {task} and {runtime}.
static void argument_settle(char **argument, const char *mark, const char *folder)
{
    for (char *at; (at = strstr(*argument, mark));) {
        char *longer =
            mem_printf("%.*s%s%s", (int)(at - *argument), *argument, folder, at + strlen(mark));
        free(*argument);
        *argument = longer;
    }
}

int plan_settle(struct plan *plan, bool own_root, struct err *err)
{
    CLEAN_MEM char *outside = str_dup(str_not_null(plan->jail.package));
    const char *task = own_root || !*outside ? "/var/task" : outside;
    CLEAN_MEM char *ours = str_dup(str_not_null(plan->jail.runtime));
    const char *runtime = own_root || !*ours ? "/var/runtime" : ours;
    CLEAN(opt_done) struct opt opt;
    CLEAN(buf_done) struct buf libraries = BUF_INIT(SEARCH_MAX), modules = BUF_INIT(SEARCH_MAX);
    opt_find(&opt, &plan->jail, own_root);
    buf_printf(&libraries, "%s:%s/lib", task, task);
    opt_add(&libraries, &opt, "/lib");
    modules_add(&modules, &opt, plan);
    buf_printf(&modules, ":%s/node_modules", task);
    plan_set(plan, "LAMBDA_TASK_ROOT", task);
    path_prepend(plan, "LD_LIBRARY_PATH", buf_text(&libraries));
    path_prepend(plan, "NODE_PATH", buf_text(&modules));
    TRY(plan->argv[0] ? 0 : bootstrap_find(plan, task, &opt, err));
    for (size_t i = 0; plan->argv[i]; i++) {
        argument_settle(&plan->argv[i], "{task}", task);
        argument_settle(&plan->argv[i], "{runtime}", runtime);
    }
    return 0;
}
