// SPDX-License-Identifier: Apache-2.0
// Starts a program beside us and waits for it. Ctrl-C at the terminal ends both.
#include "cli/spawn.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int spawn_wait(char *const argv[], const char *dir, int *ret_status, struct err *err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid = 0;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, dir);
    int errnum = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum) {
        return err_errno(err, ERR_UNAVAILABLE, errnum, "%s", argv[0]);
    }
    while (waitpid(pid, ret_status, 0) < 0 && errno == EINTR) {
    }
    return 0;
}

int spawn_need(char *const argv[], const char *dir, const char *name, struct err *err)
{
    int status = 0;
    TRY(spawn_wait(argv, dir, &status, err));
    if (WIFSIGNALED(status)) {
        return err_set(err, ERR_FUNCTION, "%s was ended by signal %d", name, WTERMSIG(status));
    }
    const char *why =
        WEXITSTATUS(status) == 127 ? ": a program that it needs is not installed" : "";
    return WEXITSTATUS(status) ? err_set(err, ERR_FUNCTION, "%s ended with status %d%s", name,
                                         WEXITSTATUS(status), why)
                               : 0;
}
