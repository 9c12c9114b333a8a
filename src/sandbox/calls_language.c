// SPDX-License-Identifier: Apache-2.0
// The system calls of interpreters and of what people write in them. Three lists: what is allowed;
// what is known and refused with EPERM; and all else, which does not exist (ENOSYS), so that a
// C library that tries something newer than this list falls back to what it did before.
#include "sandbox/calls.h"
#include "base/mem.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>

// Names, because not every architecture has every call; those it lacks are skipped.
static const char *const allowed[] = {
    // files
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "pwrite64",
    "preadv",
    "pwritev",
    "preadv2",
    "pwritev2",
    "open",
    "openat",
    "openat2",
    "creat",
    "close",
    "close_range",
    "lseek",
    "_llseek",
    "stat",
    "lstat",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents",
    "getdents64",
    "getcwd",
    "chdir",
    "fchdir",
    "rename",
    "renameat",
    "renameat2",
    "mkdir",
    "mkdirat",
    "rmdir",
    "link",
    "linkat",
    "unlink",
    "unlinkat",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "fchmodat2",
    "chown",
    "fchown",
    "lchown",
    "fchownat",
    "utime",
    "utimes",
    "utimensat",
    "futimesat",
    "truncate",
    "ftruncate",
    "fallocate",
    "fsync",
    "fdatasync",
    "sync",
    "syncfs",
    "sync_file_range",
    "fadvise64",
    "readahead",
    "dup",
    "dup2",
    "dup3",
    "pipe",
    "pipe2",
    "fcntl",
    "flock",
    "umask",
    "mknod",
    "mknodat",
    "sendfile",
    "copy_file_range",
    "splice",
    "tee",
    "vmsplice",
    "memfd_create",
    "getxattr",
    "lgetxattr",
    "fgetxattr",
    "listxattr",
    "llistxattr",
    "flistxattr",
    "setxattr",
    "lsetxattr",
    "fsetxattr",
    "removexattr",
    "lremovexattr",
    "fremovexattr",
    "inotify_init",
    "inotify_init1",
    "inotify_add_watch",
    "inotify_rm_watch",
    // waiting
    "poll",
    "ppoll",
    "select",
    "_newselect",
    "pselect6",
    "epoll_create",
    "epoll_create1",
    "epoll_ctl",
    "epoll_wait",
    "epoll_pwait",
    "epoll_pwait2",
    "eventfd",
    "eventfd2",
    "signalfd",
    "signalfd4",
    "timerfd_create",
    "timerfd_settime",
    "timerfd_gettime",
    "pause",
    "futex",
    "futex_waitv",
    "futex_wait",
    "futex_wake",
    "futex_requeue",
    "restart_syscall",
    "io_setup",
    "io_destroy",
    "io_submit",
    "io_getevents",
    "io_pgetevents",
    "io_cancel",
    // memory
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "madvise",
    "msync",
    "mincore",
    "mlock",
    "mlock2",
    "munlock",
    "mlockall",
    "munlockall",
    "membarrier",
    "pkey_alloc",
    "pkey_free",
    "pkey_mprotect",
    "get_mempolicy",
    "set_mempolicy",
    "mbind",
    "arch_prctl",
    "map_shadow_stack",
    "cachestat",
    // processes and threads
    "execve",
    "execveat",
    "exit",
    "exit_group",
    "wait4",
    "waitid",
    "vfork",
    "fork",
    "getpid",
    "gettid",
    "getppid",
    "getpgid",
    "setpgid",
    "getpgrp",
    "getsid",
    "setsid",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "getresuid",
    "getresgid",
    "getgroups",
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setfsuid",
    "setfsgid",
    "setgroups",
    "capget",
    "capset",
    "set_tid_address",
    "set_robust_list",
    "get_robust_list",
    "rseq",
    "prctl",
    "getpriority",
    "setpriority",
    "ioprio_get",
    "ioprio_set",
    "sched_yield",
    "sched_getaffinity",
    "sched_setaffinity",
    "sched_getparam",
    "sched_setparam",
    "sched_getscheduler",
    "sched_setscheduler",
    "sched_get_priority_max",
    "sched_get_priority_min",
    "sched_rr_get_interval",
    "sched_getattr",
    "sched_setattr",
    "getcpu",
    "getrusage",
    "getrlimit",
    "setrlimit",
    "prlimit64",
    "uname",
    "sysinfo",
    "times",
    "pidfd_open",
    "pidfd_send_signal",
    "seccomp",
    "landlock_create_ruleset",
    "landlock_add_rule",
    "landlock_restrict_self",
    // signals
    "tgkill",
    "tkill",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "rt_sigpending",
    "rt_sigqueueinfo",
    "rt_tgsigqueueinfo",
    "rt_sigsuspend",
    "rt_sigtimedwait",
    "sigaltstack",
    "sigreturn",
    "alarm",
    "getitimer",
    "setitimer",
    "timer_create",
    "timer_settime",
    "timer_gettime",
    "timer_getoverrun",
    "timer_delete",
    // time and chance
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "getrandom",
    // sockets; socket itself is below
    "socketpair",
    "bind",
    "listen",
    "accept",
    "accept4",
    "connect",
    "getsockname",
    "getpeername",
    "sendto",
    "recvfrom",
    "sendmsg",
    "recvmsg",
    "sendmmsg",
    "recvmmsg",
    "setsockopt",
    "getsockopt",
    "shutdown",
    "socketcall",
    // shared memory and queues, of its own namespace
    "shmget",
    "shmat",
    "shmdt",
    "shmctl",
    "semget",
    "semop",
    "semtimedop",
    "semctl",
    "msgget",
    "msgsnd",
    "msgrcv",
    "msgctl",
    "mq_open",
    "mq_unlink",
    "mq_timedsend",
    "mq_timedreceive",
    "mq_notify",
    "mq_getsetattr",
    "ipc",
};

static const char *const refused[] = {
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "process_mrelease",
    "pidfd_getfd",
    "kcmp",
    "mount",
    "umount2",
    "umount",
    "pivot_root",
    "chroot",
    "open_tree",
    "open_tree_attr",
    "move_mount",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "statmount",
    "listmount",
    "unshare",
    "setns",
    "keyctl",
    "add_key",
    "request_key",
    "bpf",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "userfaultfd",
    "perf_event_open",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "query_module",
    "get_kernel_syms",
    "reboot",
    "swapon",
    "swapoff",
    "open_by_handle_at",
    "name_to_handle_at",
    "fanotify_init",
    "fanotify_mark",
    "quotactl",
    "quotactl_fd",
    "acct",
    "syslog",
    "vhangup",
    "iopl",
    "ioperm",
    "modify_ldt",
    "settimeofday",
    "clock_settime",
    "clock_adjtime",
    "adjtimex",
    "stime",
    "sethostname",
    "setdomainname",
    "lookup_dcookie",
    "nfsservctl",
    "uselib",
    "ustat",
    "sysfs",
    "_sysctl",
    "vm86",
    "vm86old",
    "move_pages",
    "migrate_pages",
    "set_mempolicy_home_node",
    "memfd_secret",
    "remap_file_pages",
    "lsm_set_self_attr",
};

// What a function's template needs beside: the walls of its instances.
static const char *const walls[] = {"mount",     "umount2",       "pivot_root", "chroot",
                                    "open_tree", "move_mount",    "fsopen",     "fsconfig",
                                    "fsmount",   "mount_setattr", "unshare",    "sethostname"};

static int rule_all(scmp_filter_ctx ctx, uint32_t action, const char *const *names, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        rc = number < 0 ? 0 : seccomp_rule_add(ctx, action, number, 0);
        rc = rc == -EDOM || rc == -EEXIST ? 0 : rc; // not on this architecture; there already
    }
    return rc;
}

static bool is_wall(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(walls); i++) {
        if (strcmp(walls[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static int refuse(scmp_filter_ctx ctx, bool template)
{
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(refused) && rc == 0; i++) {
        if (!template || !is_wall(refused[i])) {
            rc = rule_all(ctx, SCMP_ACT_ERRNO(EPERM), &refused[i], 1);
        }
    }
    return rc;
}

// Forks and threads, but no new namespaces. The flags of clone3 lie in memory, out of a filter's
// sight: told that there is none, the C library uses clone.
static int allow_clone(scmp_filter_ctx ctx, bool template)
{
    uint64_t spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                      CLONE_NEWUTS | CLONE_NEWCGROUP;
    return template ? seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 0)
                    : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                       SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
}

// Local and internet sockets, and the question which addresses there are.
static int allow_socket(scmp_filter_ctx ctx)
{
    static const uint64_t families[] = {AF_UNIX, AF_INET, AF_INET6};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(families) && rc == 0; i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, families[i]));
    }
    return rc ? rc
              : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                 SCMP_A0(SCMP_CMP_EQ, AF_NETLINK), SCMP_A2(SCMP_CMP_EQ, 0));
}

// The kernel lets nobody in a pid namespace kill its first process, which an instance is: what kills
// itself is to die.
static int allow_kill(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(kill), 2,
                              SCMP_A0(SCMP_CMP_EQ, 1), SCMP_A1(SCMP_CMP_EQ, SIGKILL));
    rc =
        rc ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1, SCMP_A0(SCMP_CMP_NE, 1));
    return rc ? rc
              : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(kill), 1,
                                 SCMP_A1(SCMP_CMP_NE, SIGKILL));
}

// Not TIOCSTI, which puts words into a terminal's mouth.
static int allow_ioctl(scmp_filter_ctx ctx)
{
    return seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1, SCMP_A1(SCMP_CMP_NE, TIOCSTI));
}

static int allow_personality(scmp_filter_ctx ctx)
{
    static const uint64_t kinds[] = {0, ADDR_NO_RANDOMIZE, 0xffffffff};
    int rc = 0;
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && rc == 0; i++) {
        rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
                              SCMP_A0(SCMP_CMP_EQ, kinds[i]));
    }
    return rc;
}

int calls_fill_language(void *filter, bool template)
{
    scmp_filter_ctx ctx = filter;
    int rc = rule_all(ctx, SCMP_ACT_ALLOW, allowed, ARRAY_SIZE(allowed));
    rc = rc ? rc : refuse(ctx, template);
    if (template) {
        rc = rc ? rc : rule_all(ctx, SCMP_ACT_ALLOW, walls, ARRAY_SIZE(walls));
    }
    rc = rc ? rc : allow_clone(ctx, template);
    rc = rc ? rc : allow_socket(ctx);
    rc = rc ? rc : allow_kill(ctx);
    rc = rc ? rc : allow_ioctl(ctx);
    return rc ? rc : allow_personality(ctx);
}
