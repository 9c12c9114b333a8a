// SPDX-License-Identifier: Apache-2.0
// Running rouse-runner for a word of `rouse model`.
#include "cli/model.h"
#include "base/mem.h"
#include "format/json.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32

extern char **environ;

// Ctrl-C is the runner's: we wait for its end and clean up.
static int start(char *const argv[], int out, pid_t *ret_pid, struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t interrupts;
    sigemptyset(&interrupts);
    sigaddset(&interrupts, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &interrupts);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int errnum = posix_spawn(ret_pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return errnum ? err_errno(err, ERR_UNAVAILABLE, errnum, "%s", argv[0]) : 0;
}

static int read_output(char *const argv[], struct buf *out, int *ret_status, struct err *err)
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

static int no_report(const char *file, int status, struct err *err)
{
    if (WIFSIGNALED(status)) {
        return err_set(err, ERR_INVALID, "%s: rouse-runner was ended by signal %d", file,
                       WTERMSIG(status));
    }
    return err_set(err, ERR_INVALID,
                   "%s cannot be read as a model (rouse-runner ended with status %d)", file,
                   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

int model_run_runner(const char *const *arguments, const char *file, json_t **ret_report,
                     struct err *err)
{
    CLEAN_MEM char *runner = NULL;
    TRY(runner_path(&runner, err));
    const char *argv[ARGUMENTS_MAX + 1] = {runner};
    for (size_t i = 0; arguments[i] && i + 1 < ARGUMENTS_MAX; i++) {
        argv[i + 1] = arguments[i];
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(MODEL_REPORT_MAX);
    CLEAN_JSON json_t *report = NULL;
    int status = 0;
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGINT, &ignore, &before);
    int rc = read_output((char *const *)(uintptr_t)argv, &text, &status, err);
    sigaction(SIGINT, &before, NULL);
    TRY(rc);
    if (json_parse_object(buf_str(&text), &report, NULL) < 0) {
        return no_report(file, status, err);
    }
    struct str wrong = json_str(json_object_get(report, "error"));
    if (wrong.size || status != 0) {
        int code = (int)json_integer_value(json_object_get(report, "code"));
        const char *slash = strrchr(file, '/');
        struct str name = str_of(slash ? slash + 1 : file);
        wrong = wrong.size ? wrong : buf_str(&text);
        bool named = str_starts(wrong, name);
        return err_set(err, code < 0 ? code : ERR_INVALID, "%s%s" STR_FMT, named ? "" : file,
                       named ? "" : ": ", STR_ARG(wrong));
    }
    *ret_report = MOVE(report);
    return 0;
}
