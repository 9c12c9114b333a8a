// SPDX-License-Identifier: Apache-2.0
// Namespaces. Two ways lead into them: as an ordinary user a new user namespace comes first, and
// gives the right to make the others; root makes the others first, and then gives up being root in
// a user namespace that owns none of them.
#include "sandbox/inside.h"
#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define USER_INSIDE  993 // as Lambda's sbx_user1051
#define GROUP_INSIDE 990
#define UID_BASE     0x70000000u // past what systemd and containers hand out
#define PID_MAX      0x400000u

bool space_privileged(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct have[2] = {{0}};
    return geteuid() == 0 && syscall(SYS_capget, &header, have) == 0 &&
           (have[0].effective & (1u << CAP_SYS_ADMIN)) != 0;
}

// ---- forking ----

// Where the C library keeps this thread's id. It believes to be its parent if a fork of our own does
// not set that, as its own does.
static int *tid_address(void)
{
    int tid = (int)syscall(SYS_gettid);
    int *at = NULL;
    if (prctl(PR_GET_TID_ADDRESS, &at, 0, 0, 0) == 0 && at && *at == tid) {
        return at;
    }
    at = (int *)pthread_self();
    for (size_t i = 0; i < 512; i++) {
        if (at[i] == tid) {
            return &at[i];
        }
    }
    return NULL;
}

// fork() with flags, which the C library does not offer. It runs no pthread_atfork handlers.
static pid_t clone_self(unsigned long flags)
{
    void *robust = NULL;
    size_t robust_size = 0;
    syscall(SYS_get_robust_list, 0, &robust, &robust_size);
    int *tid = tid_address();
    flags |= SIGCHLD | (tid ? CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID : 0);
#ifdef __x86_64__
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, tid, 0);
#else
    pid_t pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, 0, tid);
#endif
    if (pid == 0 && robust) {
        syscall(SYS_set_robust_list, robust, robust_size);
    }
    return pid;
}

pid_t space_fork(struct space *space, bool user, int *ret_error)
{
    *ret_error = 0;
    space->uid = geteuid();
    space->gid = getegid();
    pid_t pid = clone_self(CLONE_NEWPID | (user ? CLONE_NEWUSER : 0));
    if (pid < 0 && errno != EAGAIN && errno != ENOMEM) {
        *ret_error = errno;
        return fork();
    }
    if (pid == 0) {
        space->user_made = user;
        space->mapped = space->mapped && !user;
        space->processes = true;
    }
    return pid;
}

// ---- users ----

static bool file_put(int folder, const char *path, const char *text)
{
    CLEAN_FD int fd = openat(folder, path, O_WRONLY | O_CLOEXEC);
    size_t size = strlen(text);
    return fd >= 0 && write(fd, text, size) == (ssize_t)size;
}

static bool ids_map(struct space *space, uid_t uid_inside, gid_t gid_inside)
{
    char uids[48], gids[48];
    snprintf(uids, sizeof uids, "%u %u 1\n", uid_inside, space->uid);
    snprintf(gids, sizeof gids, "%u %u 1\n", gid_inside, space->gid);
    space->mapped = true;
    return file_put(space->self, "uid_map", uids) && file_put(space->self, "setgroups", "deny\n") &&
           file_put(space->self, "gid_map", gids);
}

static void users_map(struct space *space, struct jail_report *report)
{
    if (!ids_map(space, USER_INSIDE, GROUP_INSIDE)) {
        report_miss(report, JAIL_USER, "user namespace", errno);
    }
}

uid_t space_spare_uid(void)
{
    char text[32] = "";
    uint64_t pid = 0;
    ssize_t size = readlink("/proc/self", text, sizeof text - 1); // as the host counts
    bool known = size > 0 && str_to_u64((struct str){text, (size_t)size}, &pid);
    return UID_BASE + (uid_t)(known ? pid % PID_MAX : PID_MAX);
}

void space_unprivilege(struct space *space, uid_t uid, struct jail_report *report)
{
    space->uid = uid;
    space->gid = (gid_t)uid;
    if (setgroups(0, NULL) < 0 || setresgid(space->gid, space->gid, space->gid) < 0 ||
        setresuid(uid, uid, uid) < 0) {
        report_miss(report, JAIL_USER, "an unprivileged user", errno);
        return;
    }
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); // else /proc/self is not ours any more
    if (unshare(CLONE_NEWUSER) < 0) {
        report_miss(report, JAIL_USER, "user namespace", errno);
    } else {
        users_map(space, report);
    }
}

// ---- network ----

static int loopback_up(void)
{
    CLEAN_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    return fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}

int space_listen(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 128) < 0) {
        return -errno;
    }
    int given = fd;
    fd = -1;
    return given;
}

static void network_enter(const struct jail *jail, struct jail_report *report)
{
    int error = unshare(CLONE_NEWNET) < 0 ? -errno : loopback_up();
    report->listen_fd = error == 0 && jail->port ? space_listen(jail->port) : -1;
    if (error == 0 && jail->port && report->listen_fd < 0) {
        error = report->listen_fd;
        report->listen_fd = -1;
    }
    if (error < 0) {
        report_miss(report, JAIL_NETWORK, "network namespace", -error);
    }
}

// ---- entry ----

// At once, because that is cheaper; one by one when one of them is denied.
static int unshare_all(struct jail_report *report)
{
    static const struct {
        int flag;
        enum jail_wall wall;
        const char *what;
    } rows[] = {
        {CLONE_NEWNS, JAIL_ROOT, "mount namespace"},
        {CLONE_NEWIPC, JAIL_IPC, "ipc namespace"},
        {CLONE_NEWUTS, JAIL_HOST, "uts namespace"},
        {CLONE_NEWCGROUP, JAIL_CGROUPS, "cgroup namespace"},
    };
    int all = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        all |= rows[i].flag;
    }
    if (unshare(all) == 0) {
        return all;
    }
    int made = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (unshare(rows[i].flag) == 0) {
            made |= rows[i].flag;
        } else {
            report_miss(report, rows[i].wall, rows[i].what, errno);
        }
    }
    return made;
}

int space_libraries(struct space *space, bool network_open)
{
    int user = space->privileged ? 0 : CLONE_NEWUSER;
    space->uid = geteuid();
    space->gid = getegid();
    CLEAN_FD int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (unshare(user | CLONE_NEWNS | CLONE_NEWIPC | (network_open ? 0 : CLONE_NEWNET)) < 0) {
        return -errno;
    }
    if (user) {
        space->self = self;
        space->user_made = true;
        bool mapped = ids_map(space, space->uid, space->gid);
        int error = errno;
        space->self = -1;
        return mapped ? 0 : -error;
    }
    return 0;
}

void space_enter(struct space *space, const struct jail *jail, struct jail_report *report)
{
    space->self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (!space->privileged && !space->user_made) {
        space->uid = geteuid();
        space->gid = getegid();
        if (unshare(CLONE_NEWUSER) < 0) {
            report_miss(report,
                        (enum jail_wall)(JAIL_USER | JAIL_ROOT | JAIL_IPC | JAIL_HOST |
                                         JAIL_CGROUPS | (jail->network_open ? 0 : JAIL_NETWORK)),
                        "user namespace", errno);
            return;
        }
        space->user_made = true;
        space->mapped = false;
    }
    if (space->user_made && !space->mapped) {
        users_map(space, report);
    }
    if (unshare_all(report) & CLONE_NEWUTS) {
        (void)!sethostname("rouse", 5);
    }
    if (!jail->network_open) {
        network_enter(jail, report);
    }
}
