// SPDX-License-Identifier: Apache-2.0
// The end of an instance, asked for or not: what is said of it, and what becomes of its job. Also what
// its processes have printed.
#include "worker/runner.h"
#include "base/log.h"
#include "sandbox/cgroup.h"
#include "worker/runtime_link.h"

#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Of Linux 6.15; an older kernel refuses, and the reason stays unknown.
#define PIDFD_GET_INFO_  _IOWR(0xFF, 11, char[72])
#define PIDFD_INFO_EXIT_ (1u << 3)
#define EXIT_WAIT_US     5000 // between a socket's end and the record of its process's end

void runner_close(struct runner *r)
{
    loop_unwatch(r->fleet->loop, &r->watch);
    timer_stop(r->fleet->loop, &r->limit);
    spawn_cancel(&r->spawn);
    doorway_close(&r->doorway);
    cgroup_free(r->group);
    runtime_link_free(r->link);
    fd_clean(&r->watch.fd);
    fd_clean(&r->pid_fd);
    fd_clean(&r->log_fd);
    r->group = NULL;
    r->link = NULL;
    r->base.pid = 0;
    r->watch.fd = r->pid_fd = r->log_fd = -1;
}

void runner_free(struct runner *r)
{
    runner_close(r);
    timer_stop(r->fleet->loop, &r->end);
    timer_stop(r->fleet->loop, &r->unsent);
    timer_stop(r->fleet->loop, &r->retry);
    timer_stop(r->fleet->loop, &r->patience);
    bytes_unref(r->init_log);
    list_remove(&r->in_fleet);
    function_unref(r->function);
    free(r);
}

struct bytes *runner_log_take(struct runner *r)
{
    struct stat st;
    if (r->log_fd < 0 || fstat(r->log_fd, &st) < 0 || st.st_size == 0) {
        return NULL;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(RUNNER_LOG_MAX);
    size_t size = st.st_size < RUNNER_LOG_MAX ? (size_t)st.st_size : RUNNER_LOG_MAX;
    ssize_t got = pread(r->log_fd, buf_reserve(&text, size), size, 0);
    if (ftruncate(r->log_fd, 0) < 0 || got <= 0) {
        return NULL;
    }
    buf_took(&text, (size_t)got);
    return bytes_take(&text);
}

void runner_status_write(int status, char *out, size_t size)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        snprintf(out, size, "Runtime exited without providing a reason");
    } else if (WIFEXITED(status)) {
        snprintf(out, size, "Runtime exited with error: exit status %d", WEXITSTATUS(status));
    } else {
        // SIGSYS: the first process of a pid namespace killed itself, see sandbox/calls_language.c.
        int signal = WTERMSIG(status) == SIGSYS ? SIGKILL : WTERMSIG(status);
        const char *name = sigdescr_np(signal); // "Killed", as Go says it in small letters
        snprintf(out, size, "Runtime exited with error: signal: %c%s",
                 name ? tolower((unsigned char)*name) : '?', name ? name + 1 : "");
    }
}

// How a process that is nobody's child of ours ended: newer kernels keep it with the pidfd.
static void exit_reason(struct runner *r)
{
    struct { // <linux/pidfd.h> of Linux 6.15: struct pidfd_info
        uint64_t mask, cgroup;
        uint32_t pid, tgid, ppid, ids[8];
        int32_t exit_code;
        uint32_t coredump_mask, spare;
    } info = {.mask = PIDFD_INFO_EXIT_};
    if (r->pid_fd >= 0 && ioctl(r->pid_fd, PIDFD_GET_INFO_, &info) == 0 &&
        (info.mask & PIDFD_INFO_EXIT_)) {
        runner_status_write(info.exit_code, r->reason, sizeof r->reason);
    }
    if (cgroup_out_of_memory(r->group)) {
        runner_status_write(SIGKILL, r->reason, sizeof r->reason);
        r->memory_max_kb = cgroup_memory_max(r->group) / 1024;
    }
}

const char *runner_end_type(const struct runner *r)
{
    return cgroup_out_of_memory(r->group) ? "Runtime.OutOfMemory" : "Runtime.ExitError";
}

void runner_say(struct runner *r)
{
    struct bytes *said = runner_log_take(r);
    if (said) {
        r->fleet->events.on_said(r->fleet->events.ctx, r->function, bytes_str(said));
    }
    bytes_unref(said);
}

// What is known of the job that was under way, if there was one.
static void job_tell(struct runner *r, struct job *job)
{
    if (!job) {
        return;
    }
    job->begun = job->begun || r->init != INIT_DONE; // it is told that there was no start
    if (!job->result.log) {
        job->result.log = runner_log_take(r);
    }
    if (!job->result.init_log) {
        job->result.init_log = MOVE(r->init_log);
    }
    if (r->memory_max_kb) {
        job->result.memory_max_mb = (r->memory_max_kb + 1023) / 1024;
    }
}

void runner_gone(struct timer *timer)
{
    struct runner *r = CONTAINER_OF(timer, struct runner, end);
    if (r->spare) {
        log_debug("a spare instance of %s ended: %s", r->function->name, r->reason);
        runner_free(r);
        return;
    }
    if (r->closed) {
        exit_reason(r);
    }
    if (r->closed && r->language && r->init != INIT_DONE && !r->kill_wanted) {
        r->ending = r->closed = false;
        char reason[sizeof r->reason];
        memcpy(reason, r->reason, sizeof reason);
        runner_init_failed(r, runner_end_type(r), reason, NULL);
        return;
    }
    if (r->closed) {
        snprintf(r->base.end_type, sizeof r->base.end_type, "%s", runner_end_type(r));
    }
    job_tell(r, runner_job(r));
    runner_say(r);
    r->batch = NULL;
    r->told = true;
    r->fleet->events.on_ended(r->fleet->events.ctx, &r->base, r->reason);
    if (r->farewell == FAREWELL_NONE) {
        runner_free(r);
    }
}
static void process_end(struct runner *r)
{
    r->farewell = FAREWELL_NONE;
    timer_stop(r->fleet->loop, &r->patience);
    loop_unwatch(r->fleet->loop, &r->watch);
    fd_clean(&r->watch.fd);
    r->watch.fd = -1;
    if (r->pid_fd >= 0) {
        pidfd_send_signal(r->pid_fd, SIGKILL, NULL, 0);
    }
}

void runner_end(struct runner *r, const char *reason)
{
    if (r->ending) {
        return;
    }
    r->ending = true;
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    timer_stop(r->fleet->loop, &r->limit);
    timer_stop(r->fleet->loop, &r->retry);
    const char *why = r->kill_wanted && runner_job(r) ? "timeout" : "failure";
    if (r->closed || r->spare || !runner_farewell(r, why, true)) {
        process_end(r);
    }
    timer_start(r->fleet->loop, &r->end, r->closed ? EXIT_WAIT_US : 0);
}
