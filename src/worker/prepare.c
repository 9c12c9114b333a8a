// SPDX-License-Identifier: Apache-2.0
// A child process for each model that is deployed: started, listened to, and ended when it takes too
// long. It may crash on what it is given; that is then the report.
#include "worker/prepare.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"
#include "format/json.h"
#include "runtime/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (64 * 1024)
#define NICENESS   10

extern char **environ;

struct preparer {
    struct loop *loop;
    char *runner; // NULL: not looked for yet
    int64_t time_limit_us;
    struct list tasks;            // those that wait
    struct prepare_task *current; // NULL also when its task was cancelled
    struct timer begin;           // the next one: never from inside a call
    struct timer limit;
    pid_t pid;                // 0: none runs
    struct watch end, output; // pidfd, the read end of a pipe
    struct buf text;
    bool late;
};

static void preparer_begin_later(struct preparer *p)
{
    if (p->pid == 0 && !list_empty(&p->tasks) && !timer_running(&p->begin)) {
        timer_start(p->loop, &p->begin, 0);
    }
}

// ── the end of a child ──

// The last line is the report. ERR_LOST when there is none.
static int report_read(struct str text, struct prepare_task *task)
{
    struct str line = {0};
    while (text.at) {
        struct str next = str_trim(str_cut(&text, '\n'));
        line = next.size ? next : line;
    }
    CLEAN_JSON json_t *report = NULL;
    struct err ignored = {0};
    if (line.size == 0 || json_parse_object(line, &report, &ignored) < 0) {
        return ERR_LOST;
    }
    if (!json_is_true(json_object_get(report, "ok"))) {
        struct str why = json_str(json_object_get(report, "error"));
        return err_set(&task->err, ERR_INVALID, STR_FMT,
                       STR_ARG(why.size ? why : STR("the model cannot be used")));
    }
    buf_add_str(&task->report, line);
    return 0;
}

static void task_end(struct preparer *p, int status)
{
    struct prepare_task *task = MOVE(p->current);
    if (!task) {
        return; // cancelled
    }
    buf_init(&task->report, OUTPUT_MAX);
    task->err = (struct err){0};
    task->rc = report_read(buf_str(&p->text), task);
    if (task->rc == ERR_LOST && p->late) {
        task->rc = err_set(&task->err, ERR_INVALID, "preparing the model took longer than %lld s",
                           (long long)(p->time_limit_us / 1000000));
    } else if (task->rc == ERR_LOST && WIFSIGNALED(status)) {
        task->rc = err_set(&task->err, ERR_INVALID,
                           "rouse-runner ended by signal %d while it prepared the model",
                           WTERMSIG(status));
    } else if (task->rc == ERR_LOST) {
        task->rc =
            err_set(&task->err, ERR_LOST, "rouse-runner ended with status %d without a report",
                    WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    task->preparer = NULL;
    struct buf report = task->report;
    task->on_done(task); // the task may be gone after this, so its report is ours
    buf_done(&report);
}

static void output_drain(struct preparer *p)
{
    for (;;) {
        char *at = buf_reserve(&p->text, 4096);
        char scrap[4096]; // what nobody asked for is read all the same, so that it can end
        ssize_t size = read(p->output.fd, at ? at : scrap, 4096);
        if (size <= 0) {
            if (size == 0) {
                loop_unwatch(p->loop, &p->output);
            }
            return;
        }
        if (at) {
            buf_took(&p->text, (size_t)size);
        }
    }
}

static void child_close(struct preparer *p)
{
    timer_stop(p->loop, &p->limit);
    loop_unwatch(p->loop, &p->output);
    loop_unwatch(p->loop, &p->end);
    fd_clean(&p->output.fd);
    fd_clean(&p->end.fd);
    p->output.fd = p->end.fd = -1;
    p->pid = 0;
}

static void child_ended(struct watch *watch, uint32_t events)
{
    (void)events;
    struct preparer *p = CONTAINER_OF(watch, struct preparer, end);
    int status = -1;
    (void)waitpid(p->pid, &status, 0);
    output_drain(p);
    child_close(p);
    task_end(p, status);
    buf_done(&p->text);
    preparer_begin_later(p);
}

static void output_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    output_drain(CONTAINER_OF(watch, struct preparer, output));
}

static void limit_due(struct timer *timer)
{
    struct preparer *p = CONTAINER_OF(timer, struct preparer, limit);
    p->late = true;
    kill(p->pid, SIGKILL);
}

// ── the start of a child ──

static int child_spawn(struct preparer *p, const struct prepare_task *task, int output,
                       struct err *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); // the server ignores it; ignoring would be inherited
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0); // a Ctrl-C at the terminal is the server's to handle
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    const char *argv[6 + PREPARE_OPTIONS_MAX + 1] = {p->runner, "prepare",   task->package,
                                                     task->out, "--handler", task->handler};
    size_t count = task->package ? 6 : 1;
    for (size_t i = 0; i <= PREPARE_OPTIONS_MAX; i++) {
        argv[count + i] = i < PREPARE_OPTIONS_MAX ? task->options[i] : NULL;
    }
    int rc = posix_spawn(&p->pid, p->runner, &actions, &attributes, (char *const *)(uintptr_t)argv,
                         environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (rc != 0) {
        p->pid = 0;
        return err_errno(err, ERR_IO, rc, "cannot start %s", p->runner);
    }
    struct sched_param param = {0};
    (void)setpriority(PRIO_PROCESS, (id_t)p->pid, NICENESS);
    (void)sched_setscheduler(p->pid, SCHED_BATCH, &param);
    return 0;
}

static int child_watch(struct preparer *p, struct err *err)
{
    p->end = (struct watch){.fd = pidfd_open(p->pid, 0), .on_ready = child_ended};
    if (p->end.fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot watch rouse-runner");
    }
    TRY(loop_watch(p->loop, &p->end, EPOLLIN, err));
    return loop_watch(p->loop, &p->output, EPOLLIN, err);
}

static int child_start(struct preparer *p, const struct prepare_task *task, struct err *err)
{
    if (!p->runner) {
        TRY(runner_path(&p->runner, err));
    }
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make a pipe");
    }
    (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
    p->output = (struct watch){.fd = ends[0], .on_ready = output_ready};
    p->late = false;
    buf_init(&p->text, OUTPUT_MAX);
    int rc = child_spawn(p, task, ends[1], err);
    close(ends[1]);
    rc = rc < 0 ? rc : child_watch(p, err);
    if (rc < 0) {
        if (p->pid) {
            kill(p->pid, SIGKILL);
            (void)waitpid(p->pid, NULL, 0);
        }
        child_close(p);
        return rc;
    }
    timer_start(p->loop, &p->limit, p->time_limit_us);
    return 0;
}

static void begin_due(struct timer *timer)
{
    struct preparer *p = CONTAINER_OF(timer, struct preparer, begin);
    while (p->pid == 0 && !list_empty(&p->tasks)) {
        struct prepare_task *task = LIST_FIRST(&p->tasks, struct prepare_task, link);
        list_remove(&task->link);
        task->err = (struct err){0};
        task->rc = child_start(p, task, &task->err);
        if (task->rc < 0) {
            log_error("%s: %s", task->package ? task->package : task->options[0], task->err.text);
            task->preparer = NULL;
            task->on_done(task);
        } else {
            p->current = task;
        }
    }
}

// ── entry points ──

struct preparer *preparer_new(struct loop *loop, const char *runner, int64_t time_limit_us)
{
    struct preparer *p = NEW(struct preparer);
    p->loop = loop;
    p->runner = mem_dup(runner);
    p->time_limit_us = time_limit_us;
    p->begin.on_due = begin_due;
    p->limit.on_due = limit_due;
    p->end.fd = p->output.fd = -1;
    list_init(&p->tasks);
    return p;
}

void preparer_free(struct preparer *p)
{
    if (!p) {
        return;
    }
    if (p->pid) {
        kill(p->pid, SIGKILL);
        (void)waitpid(p->pid, NULL, 0);
        child_close(p);
    }
    timer_stop(p->loop, &p->begin);
    buf_done(&p->text);
    free(p->runner);
    free(p);
}

void prepare_submit(struct preparer *p, struct prepare_task *task)
{
    CHECK(!task->preparer);
    task->preparer = p;
    list_init(&task->link);
    list_push_back(&p->tasks, &task->link);
    preparer_begin_later(p);
}

void prepare_cancel(struct prepare_task *task)
{
    struct preparer *p = task->preparer;
    if (!p) {
        return;
    }
    task->preparer = NULL;
    list_remove(&task->link);
    if (p->current == task) {
        p->current = NULL;
        kill(p->pid, SIGKILL);
    }
}
