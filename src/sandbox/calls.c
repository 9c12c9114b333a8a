// SPDX-License-Identifier: Apache-2.0
// Seccomp filters, compiled once by libseccomp in a template and loaded by each child: lists of what
// is allowed, so that what a future kernel adds is not.
#include "sandbox/calls.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct sock_fprog filters[CALLS_SETS];

// Names, because not every architecture has every call; those it lacks are skipped.
static const char *const compute[] = {
    "read",
    "write",
    "readv",
    "writev",
    "pread64",
    "close",
    "lseek",
    "fstat",
    "newfstatat",
    "ftruncate",
    "memfd_create",
    "fcntl",
    "recvmsg",
    "sendmsg",
    "poll",
    "ppoll",
    "munmap",
    "mremap",
    "madvise",
    "brk",
    "futex",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "restart_syscall",
    "clock_gettime",
    "clock_getres",
    "clock_nanosleep",
    "nanosleep",
    "gettimeofday",
    "time",
    "getpid",
    "gettid",
    "getppid",
    "getrusage",
    "setitimer",
    "getrandom",
    "sched_yield",
    "sched_getaffinity",
    "getcpu",
    "uname",
    "sysinfo",
    "membarrier",
    "rseq",
    "set_robust_list",
    "exit",
    "exit_group",
    "tgkill",
};
static const char *const load[] = {
    "open",
    "openat",
    "stat",
    "lstat",
    "statx",
    "access",
    "faccessat",
    "faccessat2",
    "readlink",
    "readlinkat",
    "getdents64",
    "getcwd",
    "dup",
    "prlimit64",
    "getrlimit",
    "prctl",
    "seccomp",
    "wait4",
    "waitid",
    "pidfd_open",
    "signalfd4",
    "kill",
    "set_tid_address",
    "sched_setaffinity",
    "sched_getparam",
    "sched_getscheduler",
    "mincore",
    "get_mempolicy",
    "getuid",
    "geteuid",
    "getgid",
    "getegid",
    "rename",
    "renameat",
    "renameat2",
    "unlink",
    "unlinkat",
    "fsync",
    "fdatasync",
    "mkdir",
    "mkdirat",
    "pwrite64",
    "umask",
    "fchmod",
};

static int allow(scmp_filter_ctx ctx, const char *const *names, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        rc = number < 0 ? 0 : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, number, 0);
    }
    return rc;
}

// Memory may be mapped, but never to be executed.
static int allow_memory(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                              SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return rc ? rc
              : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                                 SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

// Forks and threads, but no new namespaces. The flags of clone3 lie in memory, out of a filter's
// sight: told that there is none, the C library uses clone.
static int allow_clone(scmp_filter_ctx ctx)
{
    uint64_t spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC |
                      CLONE_NEWUTS | CLONE_NEWCGROUP;
    int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, spaces, 0));
    rc = rc ? rc : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    int fork_number = seccomp_syscall_resolve_name("fork"); // not on arm64
    return rc || fork_number < 0 ? rc : seccomp_rule_add(ctx, SCMP_ACT_ALLOW, fork_number, 0);
}

static int fill(scmp_filter_ctx ctx, enum calls_set set)
{
    int rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); // a tree instead of a list
    if (set == CALLS_TEMPLATE || set == CALLS_INSTANCE) {
        return rc ? rc : calls_fill_language(ctx, set == CALLS_TEMPLATE);
    }
    rc = rc ? rc : allow(ctx, compute, ARRAY_SIZE(compute));
    rc = rc ? rc : allow_memory(ctx);
    if (rc == 0 && set == CALLS_LOAD) {
        rc = allow(ctx, load, ARRAY_SIZE(load));
        rc = rc ? rc : allow_clone(ctx);
    }
    return rc;
}

static int compile(scmp_filter_ctx ctx, enum calls_set set)
{
    int rc = fill(ctx, set);
    CLEAN_FD int fd = memfd_create("rouse-calls", MFD_CLOEXEC);
    if (rc == 0) {
        rc = fd < 0 ? -errno : seccomp_export_bpf(ctx, fd);
    }
    off_t size = rc == 0 ? lseek(fd, 0, SEEK_END) : 0;
    if (rc < 0 || size <= 0) {
        return rc < 0 ? rc : -EIO;
    }
    struct sock_filter *code = mem_alloc((size_t)size);
    if (pread(fd, code, (size_t)size, 0) != size) {
        free(code);
        return -EIO;
    }
    filters[set] = (struct sock_fprog){(unsigned short)((size_t)size / sizeof(*code)), code};
    return 0;
}

const char *calls_prepare(enum calls_set first, enum calls_set last)
{
    if (SANITIZED) {
        return "not in sanitizer builds";
    }
    for (int set = (int)first; set <= (int)last; set++) {
        bool language = set == CALLS_TEMPLATE || set == CALLS_INSTANCE;
        scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(language ? ENOSYS : EPERM));
        int rc = ctx ? compile(ctx, (enum calls_set)set) : -ENOMEM;
        seccomp_release(ctx);
        if (rc < 0) {
            return strerror(-rc);
        }
    }
    return NULL;
}

const char *calls_restrict(enum calls_set set)
{
    if (filters[set].len == 0) {
        return "no filter";
    }
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filters[set]) < 0 ? strerror(errno) : NULL;
}
