// SPDX-License-Identifier: Apache-2.0
// The order in which the walls go up: namespaces and what is seen in them first, since the later
// walls forbid to make them; the system calls last.
#include "sandbox/jail.h"
#include "base/mem.h"
#include "sandbox/calls.h"
#include "sandbox/inside.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// Of this process; its children go on from here.
static struct {
    bool prepared, off, inside, probing;
    bool strict;  // nothing is excused
    int required; // of enum jail_wall
    struct space space;
    struct jail_report report;
} here = {.space = {.self = -1}, .report = {.listen_fd = -1}};

void report_miss(struct jail_report *report, enum jail_wall wall, const char *what, int error)
{
    bool said = (report->missing & (int)wall) == (int)wall;
    report->missing |= (int)wall;
    size_t at = strlen(report->why);
    if (!said) {
        snprintf(report->why + at, sizeof report->why - at, "%s%s: %s", at ? "; " : "", what,
                 strerror(error));
    }
}

void jail_names(int walls, char *ret, size_t size)
{
#define X(wall, bit, name, text) name,
    static const char *const names[] = {JAIL_WALLS(X)};
#undef X
    ret[0] = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        size_t at = strlen(ret);
        if (walls & 1 << i) {
            snprintf(ret + at, size - at, "%s%s", at ? "," : "", names[i]);
        }
    }
}

static int walls_of(const char *names)
{
#define X(wall, bit, name, text) name,
    static const char *const all[] = {JAIL_WALLS(X)};
#undef X
    int walls = 0;
    for (struct str rest = str_of(names); rest.at && rest.size;) {
        struct str name = str_cut(&rest, ',');
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            walls |= str_eq(name, str_of(all[i])) ? 1 << i : 0;
        }
    }
    return walls;
}

void jail_prepare(enum jail_kind kind)
{
    bool model = kind == JAIL_MODEL;
    const char *set = getenv("ROUSE_SANDBOX");
    here.prepared = true;
    here.off = set && strcmp(set, "off") == 0;
    here.strict = set && strcmp(set, "required") == 0;
    here.required = here.strict ? JAIL_ALL : walls_of(set ? set : "");
    if (here.off) {
        return;
    }
    here.space.privileged = space_privileged();
    if (!model) {
        root_prepare();
    }
    const char *why = here.probing ? calls_prepare(CALLS_COMPUTE, CALLS_COMPUTE)
                      : model      ? calls_prepare(CALLS_LOAD, CALLS_COMPUTE)
                                   : calls_prepare(CALLS_INSTANCE, CALLS_INSTANCE);
    if (why) {
        here.report.missing |= JAIL_CALLS;
        snprintf(here.report.why, sizeof here.report.why, "seccomp: %s", why);
    }
}

// Process 1 of a template's pid namespace: takes in the orphans, ends with the template. It is a
// copy of what it was forked from, so it lets go of everything.
static _Noreturn void reap(pid_t template)
{
    signal(SIGCHLD, SIG_DFL);
    close_range(0, ~0u, 0);
    prctl(PR_SET_NAME, "rouse:init");
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    struct jail_report ignored = {0};
    limit_privileges(&ignored);
    for (;;) {
        int status = 0;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid == template || (pid < 0 && errno != EINTR)) {
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
        }
    }
}

pid_t jail_fork(enum jail_role role)
{
    if (here.off || !here.prepared) {
        return fork();
    }
    int error = 0;
    pid_t pid = space_fork(&here.space, !here.space.privileged, &error);
    if (pid == 0 && error) {
        report_miss(&here.report, JAIL_PROCESSES, "pid namespace", error);
    }
    if (pid != 0 || role == JAIL_INSTANCE || error) {
        return pid;
    }
    pid = fork();
    if (pid < 0) {
        _exit(1);
    }
    if (pid > 0) {
        reap(pid);
    }
    return 0;
}

int jail_libraries(bool network_open, struct err *err)
{
    const char *what = "namespaces";
    if (here.off || !here.prepared) {
        return 0;
    }
    int rc = space_libraries(&here.space, network_open);
    rc = rc ? rc : root_read_only(&what);
    return rc < 0 ? err_errno(err, ERR_DENIED, -rc, "no walls for libraries: %s", what) : 1;
}

static void calls_enter(const struct jail *jail)
{
    enum calls_set set = jail->kind == JAIL_MODEL      ? CALLS_LOAD
                         : jail->role == JAIL_TEMPLATE ? CALLS_TEMPLATE
                                                       : CALLS_INSTANCE;
    set = here.probing ? CALLS_COMPUTE : set;
    bool denied = here.report.missing & JAIL_CALLS;
    if (set == CALLS_TEMPLATE && !denied) {
        (void)calls_prepare(set, set); // only now, since runtimes start faster without it
    }
    if (!denied && calls_restrict(set)) {
        report_miss(&here.report, JAIL_CALLS, "seccomp", errno);
    }
}

static int enter(const struct jail *jail, struct err *err)
{
    struct jail_report *report = &here.report;
    bool was_privileged = here.space.privileged;
    uid_t uid = jail->kind == JAIL_LANGUAGE ? space_spare_uid() : geteuid();
    limit_resources(jail, report);
    space_enter(&here.space, jail, report);
    TRY(root_enter(jail, here.inside && report->root, report, err));
    if (was_privileged) {
        space_unprivilege(&here.space, uid, report);
        here.space.privileged = false;
        here.space.user_made = true;
    }
    fd_clean(&here.space.self);
    here.space.self = -1;
    here.inside = true;
    limit_processes(jail, report);
    limit_privileges(report);
    TRY(land_enter(jail, report, err));
    calls_enter(jail);
    return 0;
}

int jail_enter(const struct jail *jail, struct jail_report *ret, struct err *err)
{
    int rc = here.off ? 0 : enter(jail, err);
    int excused = here.strict ? 0 : here.report.excused;
    if (rc == 0 && here.report.missing & here.required & ~excused) {
        rc = err_set(err, ERR_DENIED, "this machine denies walls that are required: %s",
                     here.report.why);
    }
    *ret = here.report;
    here.report.listen_fd = -1;
    return rc;
}

int jail_compute_only(struct err *err)
{
    (void)err;
    const char *why = here.off ? NULL : calls_restrict(CALLS_COMPUTE);
    if (why) {
        report_miss(&here.report, JAIL_CALLS, "seccomp", errno);
    }
    return 0;
}

// ---- probing ----

static _Noreturn void probe_child(int out)
{
    here.probing = true; // any filter will do, so a small one
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        struct jail jail = {
            .kind = JAIL_LANGUAGE, .role = JAIL_INSTANCE, .tmp_size = 1 << 20, .port = 1};
        struct jail_report report = {0};
        struct err err = {0};
        if (jail_enter(&jail, &report, &err) < 0) {
            report.missing = JAIL_ALL;
            snprintf(report.why, sizeof report.why, "%.500s", err.text);
        }
        report.listen_fd = -1;
        (void)!write(out, &report, sizeof report);
    }
    if (pid > 0) {
        waitpid(pid, NULL, 0);
    }
    _exit(0);
}

void jail_probe_start(struct jail_probe *probe)
{
    *probe = (struct jail_probe){
        .fd = -1, .report = {.missing = JAIL_ALL, .why = "cannot try them", .listen_fd = -1}};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return;
    }
    probe->fd = ends[0];
    probe->pid = fork();
    if (probe->pid == 0) {
        probe_child(ends[1]);
    }
    close(ends[1]);
}

// Its processes hold the other end, so the end of file is theirs.
bool jail_probe_turn(struct jail_probe *probe)
{
    struct jail_report got;
    ssize_t size = probe->fd >= 0 ? read(probe->fd, &got, sizeof got) : 0;
    if (size == sizeof got) {
        probe->report = got;
        return false;
    }
    if (size < 0 && (errno == EINTR || errno == EAGAIN)) {
        return false;
    }
    fd_clean(&probe->fd);
    probe->fd = -1;
    if (probe->pid > 0) {
        waitpid(probe->pid, NULL, 0);
        probe->pid = 0;
    }
    return true;
}

void jail_probe_end(struct jail_probe *probe)
{
    while (!jail_probe_turn(probe)) {
    }
}
