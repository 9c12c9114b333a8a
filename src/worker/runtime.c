// SPDX-License-Identifier: Apache-2.0
// The table of runtimes, and the search for interpreters along PATH.
#include "worker/runtime.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdio.h>
#include <unistd.h>

struct runtime_row {
    const char *prefix;      // of the runtime's name
    const char *interpreter; // tried after the runtime's own name; NULL: rouse-runner
    const char *bootstrap;
    const char *package; // Debian's, for the message
};

static const struct runtime_row rows[] = {
    {"onnx", NULL, NULL, NULL},
    {"python3.", "python3", "python/bootstrap.py", "python3"},
};

const char *runtime_names(void)
{
    return "onnx, python3.8, python3.9, python3.10, python3.11, python3.12, python3.13, python3.14";
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
    static const char *const places[] = {"/../libexec/rouse", "", "/sandbox", "/../src/runtime"};
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

static char *path_find(const char *program)
{
    for (struct str rest = str_of(getenv("PATH") ? getenv("PATH") : "/usr/local/bin:/usr/bin:/bin");
         rest.at;) {
        struct str dir = str_cut(&rest, ':');
        char *path = mem_printf(STR_FMT "/%s", STR_ARG(dir), program);
        if (dir.size && access(path, X_OK) == 0) {
            return path;
        }
        free(path);
    }
    return NULL;
}

// The very version that was asked for, else the system's own, whose packages people install.
static char *interpreter_find(const struct runtime_row *row, const char *runtime, char **ret_notice)
{
    char *path = path_find(runtime);
    if (path) {
        return path;
    }
    path = mem_printf("/usr/bin/%s", row->interpreter);
    if (access(path, X_OK) < 0) {
        free(path);
        path = path_find(row->interpreter);
    }
    if (path) {
        *ret_notice =
            mem_printf("%s is not installed here: the function runs with %s", runtime, path);
    }
    return path;
}

int runtime_find(const char *runtime, struct runtime_program *ret, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const struct runtime_row *row = &rows[i];
        if (!str_starts(str_of(runtime), str_of(row->prefix))) {
            continue;
        }
        struct runtime_program program = {0};
        if (!row->interpreter) {
            program.key = mem_dup("onnx");
            program.argv[1] = mem_dup("--template");
            *ret = program; // argv[0] is rouse-runner, which the fleet knows
            return 0;
        }
        program.config = true;
        int rc = runtime_file(row->bootstrap, &program.argv[1], err);
        program.argv[0] = interpreter_find(row, runtime, &program.notice);
        if (rc >= 0 && !program.argv[0]) {
            rc = err_set(err, ERR_NOT_FOUND,
                         "%s needs %s, which is not installed (Debian: apt "
                         "install %s)",
                         runtime, row->interpreter, row->package);
        }
        if (rc < 0) {
            runtime_program_done(&program);
            return rc;
        }
        program.argv[2] = mem_dup("--template");
        program.key = mem_printf("%s %s", program.argv[0], program.argv[1]);
        *ret = program;
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED, "the runtime %s is not served here; these are: %s",
                   runtime, runtime_names());
}

void runtime_program_done(struct runtime_program *program)
{
    free(program->key);
    free(program->notice);
    for (size_t i = 0; i < RUNTIME_ARGS_MAX; i++) {
        free(program->argv[i]);
    }
    *program = (struct runtime_program){0};
}
