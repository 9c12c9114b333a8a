// SPDX-License-Identifier: Apache-2.0
// The table of runtimes, and the search for interpreters along PATH.
#include "runtime/runtime.h"
#include "base/mem.h"
#include "base/str.h"
#include "format/json.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

struct runtime_row {
    const char *prefix;      // of the runtime's name
    const char *interpreter; // tried after the runtime's own name; NULL: none is needed
    const char *bootstrap;   // a file of ours
    const char *package;     // Debian's, for the message
    bool tree;               // its bootstrap speaks wire.h, and forks
    const char *executed;    // of those: a file of ours that asks the Runtime API instead
    bool stock;
    const char *words[RUNTIME_WORDS_MAX]; // between the interpreter and its bootstrap
};

#define JAVA_PATH "{task}:{task}/lib/*:/opt/java/lib/*"
#define JAVA_MAIN "com.amazonaws.services.lambda.runtime.api.client.AWSLambda"

static const struct runtime_row rows[] = {
    {.prefix = "python3.",
     .interpreter = "python3",
     .bootstrap = "python/bootstrap.py",
     .package = "python3",
     .tree = true,
     .executed = "python/local.py"},
    {.prefix = "nodejs",
     .interpreter = "node",
     .bootstrap = "node/bootstrap.mjs",
     .package = "nodejs",
     .stock = true,
     .words = {"--max-old-space-size={heap}"}},
    {.prefix = "java",
     .interpreter = "java",
     .package = "default-jre-headless",
     .words = {"-Xmx{heap}m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-cp",
               JAVA_PATH, JAVA_MAIN, "{handler}"}},
    {.prefix = "provided"},
};

const char *runtime_names(void)
{
    return "onnx, python3.8 to python3.14, nodejs18.x to nodejs24.x, java11 to java25, provided, "
           "provided.al2, provided.al2023";
}

int runtime_file(const char *name, char **ret, struct err *err)
{
    char exe[4096];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[size > 0 ? size : 0] = 0;
    char *slash = strrchr(exe, '/');
    if (slash) {
        *slash = 0;
    }
    const char *set = getenv("ROUSE_LIBEXEC");
    if (set && *set) {
        *ret = mem_printf("%s/%s", set, name);
        return 0;
    }
    // Installed, beside a build, and in the source tree of a build.
    static const char *const places[] = {"/../libexec/rouse", "", "/sandbox", "/../src/runtime",
                                         "/../../../src/runtime"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        char *path = mem_printf("%s%s/%s", exe, places[i], name);
        if (access(path, R_OK) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    return err_set(err, ERR_NOT_FOUND, "%s is neither beside rouse in %s nor in ../libexec/rouse",
                   name, exe);
}

int runner_path(char **ret, struct err *err)
{
    const char *set = getenv("ROUSE_RUNNER");
    if (set && *set) {
        *ret = mem_dup(set);
        return 0;
    }
    return runtime_file("rouse-runner", ret, err);
}

// Version managers put scripts of an interpreter's name on PATH, which look for the real one by the
// user's settings and may not find any: those are the last resort.
static bool is_script(const char *path)
{
    char magic[2] = "";
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic && memcmp(magic, "#!", 2) == 0;
}

static char *path_find(const char *program, bool scripts)
{
    for (struct str rest = str_of(getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
         rest.at;) {
        struct str dir = str_cut(&rest, ':');
        char *path = mem_printf(STR_FMT "/%s", STR_ARG(dir), program);
        if (dir.size && access(path, X_OK) == 0 && is_script(path) == scripts) {
            return path;
        }
        free(path);
    }
    return NULL;
}

// "name=path" of ROUSE_RUNTIMES; heap, NULL when the user has not said anything.
static char *path_given(const char *runtime)
{
    for (struct str rest = str_of(getenv("ROUSE_RUNTIMES")); rest.at && rest.size;) {
        struct str path = str_cut(&rest, ',');
        struct str name = str_trim(str_cut(&path, '='));
        if (str_eq(name, str_of(runtime)) && path.size) {
            return str_dup(str_trim(path));
        }
    }
    return NULL;
}

// The version in a name or in what the interpreter says of itself is not compared: asking each one
// would cost more than starting it. "python3.11" has a file of that name; "nodejs20.x" and "java17"
// have not, so that any version of those serves.
static char *interpreter_find(const struct runtime_row *row, const char *runtime, char **ret_notice)
{
    char *path = path_given(runtime);
    path = path ? path : path_find(runtime, false);
    if (path) {
        return path;
    }
    path = mem_printf("/usr/bin/%s", row->interpreter);
    if (access(path, X_OK) < 0) {
        free(path);
        path = path_find(row->interpreter, false);
    }
    path = path ? path : path_find(runtime, true);
    path = path ? path : path_find(row->interpreter, true);
    if (path && row->tree) {
        *ret_notice =
            mem_printf("%s is not installed here: the function runs with %s", runtime, path);
    }
    return path;
}

static int interpreter_need(const struct runtime_row *row, const char *runtime,
                            struct runtime_program *program, char **ret, struct err *err)
{
    *ret = interpreter_find(row, runtime, &program->notice);
    if (!*ret) {
        return err_set(err, ERR_NOT_FOUND,
                       "%s needs %s, which is not installed (Debian: apt install "
                       "%s)",
                       runtime, row->interpreter, row->package);
    }
    return 0;
}

static int tree_program(const struct runtime_row *row, const char *runtime,
                        struct runtime_program *program, struct err *err)
{
    program->forks = true;
    TRY(interpreter_need(row, runtime, program, &program->argv[0], err));
    TRY(runtime_file(row->bootstrap, &program->argv[1], err));
    program->argv[2] = mem_dup("--template");
    program->key = mem_printf("%s %s", program->argv[0], program->argv[1]);
    return 0;
}

// Walls show /usr; what lies elsewhere is shown by name: the folder `up` above a program, which is
// where its libraries are.
static void readable_add(struct runtime_program *program, const char *path, int up)
{
    char real[PATH_MAX];
    if (!realpath(path, real) || str_starts(str_of(real), STR("/usr/"))) {
        return;
    }
    for (; up > 0; up--) {
        char *slash = strrchr(real, '/');
        if (slash > real) {
            *slash = 0;
        }
    }
    for (size_t i = 0; i < RUNTIME_READABLE_MAX; i++) {
        if (!program->readable[i]) {
            program->readable[i] = mem_dup(real);
            return;
        }
    }
}

// What a link leads to: inside the walls the link, that of a virtual environment for example, is not.
static void follow(char **path)
{
    char *real = realpath(*path, NULL);
    if (real) {
        free(*path);
        *path = real;
    }
}

static int exec_program(const struct runtime_row *row, const char *runtime,
                        struct runtime_program *program, struct err *err)
{
    size_t count = 0;
    program->key = mem_dup("exec");
    program->stock = row->stock;
    program->argv[1] = mem_dup("--template");
    TRY(runtime_file("rouse-exec", &program->argv[0], err));
    if (!row->interpreter) {
        return 0;
    }
    TRY(interpreter_need(row, runtime, program, &program->words[count], err));
    follow(&program->words[count]);
    readable_add(program, program->words[count++], 2);
    for (size_t i = 0; row->words[i]; i++) {
        program->words[count++] = mem_dup(row->words[i]);
    }
    if (row->bootstrap) {
        TRY(runtime_file(row->bootstrap, &program->folder, err));
        char *slash = strrchr(program->folder, '/');
        program->words[count] = mem_printf("{runtime}%s", slash);
        *slash = 0;
    }
    return 0;
}

// A name that only the user knows, with the program that serves it.
static int given_program(const char *runtime, struct runtime_program *program, struct err *err)
{
    CLEAN_MEM char *path = path_given(runtime);
    if (!path) {
        return err_set(err, ERR_UNSUPPORTED, "the runtime %s is not served here; these are: %s",
                       runtime, runtime_names());
    }
    static const struct runtime_row none = {.prefix = ""};
    TRY(exec_program(&none, runtime, program, err));
    program->words[0] = mem_dup(path);
    readable_add(program, path, 1);
    return 0;
}

static int program_make(const char *runtime, bool forks, struct runtime_program *program,
                        struct err *err)
{
    const struct runtime_row *row = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(rows) && !row; i++) {
        row = str_starts(str_of(runtime), str_of(rows[i].prefix)) ? &rows[i] : NULL;
    }
    if (!row) {
        return given_program(runtime, program, err);
    }
    if (row->tree && forks) {
        return tree_program(row, runtime, program, err);
    }
    struct runtime_row executed = *row;
    executed.bootstrap = row->tree ? row->executed : row->bootstrap;
    return exec_program(&executed, runtime, program, err);
}

static int program_look(const char *runtime, bool forks, struct runtime_program *ret,
                        struct err *err)
{
    struct runtime_program program = {.config = true};
    if (str_starts(str_of(runtime), STR("onnx"))) {
        program = (struct runtime_program){.key = mem_dup("onnx"), .forks = true};
        program.argv[1] = mem_dup("--template");
        *ret = program; // argv[0] is rouse-runner, which the fleet knows
        return 0;
    }
    int rc = program_make(runtime, forks, &program, err);
    if (rc < 0) {
        runtime_program_done(&program);
        return rc;
    }
    *ret = program;
    return 0;
}

int runtime_find(const char *runtime, struct runtime_program *ret, struct err *err)
{
    return program_look(runtime, true, ret, err);
}

int runtime_find_executed(const char *runtime, struct runtime_program *ret, struct err *err)
{
    return program_look(runtime, false, ret, err);
}

int runtime_concurrency(const char *runtime, const char *environment)
{
    CLEAN_JSON json_t *env = NULL;
    struct err ignored = {0};
    int64_t asked = 1;
    bool asks = !str_starts(str_of(runtime), STR("onnx"));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        asks = asks && !(rows[i].tree && str_starts(str_of(runtime), str_of(rows[i].prefix)));
    }
    if (!asks || !environment || json_parse_object(str_of(environment), &env, &ignored) < 0 ||
        !str_to_i64(json_str(json_object_get(env, "AWS_LAMBDA_MAX_CONCURRENCY")), &asked) ||
        asked < 1) {
        return 1;
    }
    return asked < RUNTIME_CONCURRENCY_MAX ? (int)asked : RUNTIME_CONCURRENCY_MAX;
}

void runtime_program_done(struct runtime_program *program)
{
    free(program->key);
    free(program->notice);
    free(program->folder);
    for (size_t i = 0; i < RUNTIME_ARGS_MAX; i++) {
        free(program->argv[i]);
    }
    for (size_t i = 0; i < RUNTIME_WORDS_MAX; i++) {
        free(program->words[i]);
    }
    for (size_t i = 0; i < RUNTIME_READABLE_MAX; i++) {
        free(program->readable[i]);
    }
    *program = (struct runtime_program){0};
}
