// SPDX-License-Identifier: Apache-2.0
// rouse model inspect: what is in a model file. The runner, which has the engine, looks; this lays out what
// it found for people.
#include "cli/model.h"
#include "cli/cli.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define REPORT_MAX (16 * 1024 * 1024)

extern char **environ;

static const struct option options[] = {
    {"labels", 0, "N", "how many classes there are, when known"},
    {"json", 0, NULL, "print JSON"},
};

static int start(char *const argv[], int out, pid_t *ret_pid, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int errnum = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return errnum ? err_errno(err, ERR_UNAVAILABLE, errnum, "%s", argv[0]) : 0;
}

// The runner's standard output; its standard error goes where ours goes.
static int run_runner(char *const argv[], struct buf *out, int *ret_status, struct err *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return err_errno(err, ERR_IO, errno, "pipe");
    }
    CLEAN_FD int from = ends[0];
    pid_t pid = 0;
    int rc = start(argv, ends[1], &pid, err);
    close(ends[1]);
    TRY(rc);
    for (char piece[16 * 1024];;) {
        ssize_t got = read(from, piece, sizeof piece);
        if (got == 0 || (got < 0 && errno != EINTR)) {
            break;
        }
        buf_add(out, piece, got > 0 ? (size_t)got : 0);
    }
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR) {
    }
    return 0;
}

// ---- for people

static void add_shape(struct buf *out, const json_t *shape)
{
    size_t i;
    json_t *dim;
    buf_add_char(out, '[');
    json_array_foreach((json_t *)(uintptr_t)shape, i, dim)
    {
        buf_add_text(out, i ? ", " : "");
        if (json_is_string(dim)) {
            buf_add_str(out, json_str(dim));
        } else if (json_integer_value(dim) < 0) {
            buf_add_text(out, "any");
        } else {
            buf_printf(out, "%lld", (long long)json_integer_value(dim));
        }
    }
    buf_add_char(out, ']');
}

static void print_values(const char *title, const json_t *values)
{
    size_t i, widest = 0;
    json_t *value;
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        size_t size = json_str(json_object_get(value, "name")).size;
        widest = size > widest ? size : widest;
    }
    widest = widest < 40 ? widest : 40;
    printf("%s%s:%s\n", terminal_on(DIM, false), title, terminal_off(false));
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        CLEAN(buf_done) struct buf shape = BUF_INIT(64 * 1024);
        struct str name = json_str(json_object_get(value, "name"));
        struct str type = json_str(json_object_get(value, "type"));
        add_shape(&shape, json_object_get(value, "shape"));
        printf("  " STR_FMT "%*s  %-8.*s %s\n", STR_ARG(name),
               (int)(widest > name.size ? widest - name.size : 0), "", STR_ARG(type),
               buf_text(&shape));
    }
}

// {"Relu": 3, "Conv": 2} as "Relu 3, Conv 2".
static void add_pairs(struct buf *out, const json_t *object)
{
    const char *key;
    json_t *value;
    const char *comma = "";
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        buf_printf(out, "%s%s ", comma, key);
        if (json_is_string(value)) {
            buf_add_str(out, json_str(value));
        } else {
            json_write(value, out);
        }
        comma = ", ";
    }
}

static bool is_values(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);
    return json_is_array(value) && json_object_get(first, "name") &&
           json_object_get(first, "shape");
}

static void print_member(const char *key, const json_t *value)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    size_t i;
    json_t *one;
    if (is_values(value)) {
        print_values(key, value);
        return;
    }
    if (json_is_array(value) && json_is_string(json_array_get(value, 0))) {
        printf("%s%s:%s\n", dim, key, off);
        json_array_foreach((json_t *)(uintptr_t)value, i, one)
        {
            printf("  - " STR_FMT "\n", STR_ARG(json_str(one)));
        }
        return;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(REPORT_MAX);
    bool bytes =
        (strcmp(key, "size") == 0 || strcmp(key, "weight_bytes") == 0) && json_is_integer(value);
    if (bytes) {
        size_add_human(&text, (uint64_t)json_integer_value(value));
    } else if (json_is_object(value)) {
        add_pairs(&text, value);
    } else if (json_is_string(value)) {
        buf_add_str(&text, json_str(value));
    } else {
        json_write(value, &text);
    }
    printf("%s%s:%s %s\n", dim, key, off, buf_text(&text));
}

static void print_report(const json_t *report)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)report, key, value)
    {
        bool empty = json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
                     (json_is_object(value) && json_object_size(value) == 0);
        if (!empty && strcmp(key, "yaml") != 0 && strcmp(key, "ok") != 0) {
            print_member(key, value);
        }
    }
    struct str yaml = json_str(json_object_get(report, "yaml"));
    if (yaml.size) {
        printf("\n%s# A model.yaml to start from:%s\n" STR_FMT, terminal_on(DIM, false),
               terminal_off(false), STR_ARG(yaml));
    }
}

int model_inspect(const char *file, const char *labels, json_t **ret, struct err *err)
{
    struct stat st;
    if (stat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", file);
    }
    CLEAN_MEM char *runner = NULL;
    TRY(runner_path(&runner, err));
    const char *argv[] = {runner, "inspect", file, labels ? "--labels" : NULL, labels, NULL};
    CLEAN(buf_done) struct buf text = BUF_INIT(REPORT_MAX);
    CLEAN_JSON json_t *report = NULL;
    int status = 0;
    TRY(run_runner((char *const *)(uintptr_t)argv, &text, &status, err));
    if (json_parse_object(buf_str(&text), &report, NULL) < 0) {
        return err_set(err, ERR_INVALID,
                       "%s cannot be read as a model (rouse-runner ended with "
                       "status %d)",
                       file, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    struct str wrong = json_str(json_object_get(report, "error"));
    if (wrong.size || status != 0) {
        return err_set(err, ERR_INVALID, "%s: " STR_FMT, file,
                       STR_ARG(wrong.size ? wrong : buf_str(&text)));
    }
    *ret = MOVE(report);
    return 0;
}

static int inspect(const struct args *args, const char *file, struct err *err)
{
    CLEAN_JSON json_t *report = NULL;
    TRY(model_inspect(file, args_get(args, "labels"), &report, err));
    if (args_has(args, "json")) {
        cli_print_json(report);
    } else {
        print_report(report);
    }
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    if (strcmp(args->rest[0], "inspect") != 0) {
        static const char *const words[] = {"inspect"};
        const char *meant = nearest_word(str_of(args->rest[0]), words, 1);
        return err_set(err, ERR_INVALID, "there is no \"rouse model %s\"%s", args->rest[0],
                       meant ? ", did you mean \"inspect\"?"
                             : "; there is rouse model inspect FILE");
    }
    if (args->rest_count < 2) {
        return err_set(err, ERR_INVALID, "rouse model inspect FILE: which file?");
    }
    return inspect(args, args->rest[1], err);
}

const struct verb verb_model = {
    .name = "model",
    .usage = "inspect FILE",
    .summary = "say what is in a model file",
    .details = "Its inputs and outputs, opset and size, what Rouse guesses of it and why, and a "
               "model.yaml to start from.",
    .words = "inspect",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .least = 1,
    .most = 2,
    .run = run,
};
