// SPDX-License-Identifier: Apache-2.0
// Privileges, limits and Landlock. The system calls are in calls.c.
#include "sandbox/jail.h"
#include "base/buf.h"
#include "base/mem.h"
#include "sandbox/calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES_OPEN_MAX 512 // a batch passes at most 200

static int missing; // enum jail_wall
static char missing_why[512];

static void miss(enum jail_wall wall, const char *what, const char *why)
{
    if (missing & (int)wall) {
        return; // said once
    }
    missing |= (int)wall;
    size_t at = strlen(missing_why);
    snprintf(missing_why + at, sizeof(missing_why) - at, "%s%s: %s", at ? "; " : "", what, why);
}

int jail_missing(const char **ret_why)
{
    *ret_why = missing_why;
    return missing;
}

// ---- privileges and limits ----

static void drop_privileges(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        miss(JAIL_PRIVILEGES, "no_new_privs", strerror(errno));
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {{0}};
    if (syscall(SYS_capset, &header, none) < 0) {
        miss(JAIL_PRIVILEGES, "capabilities", strerror(errno));
    }
}

static void limit(int resource, rlim_t most)
{
    struct rlimit now;
    if (getrlimit((__rlimit_resource_t)resource, &now) < 0) {
        miss(JAIL_LIMITS, "limits", strerror(errno));
        return;
    }
    most = now.rlim_max < most ? now.rlim_max : most;
    struct rlimit want = {most, most};
    if (setrlimit((__rlimit_resource_t)resource, &want) < 0) {
        miss(JAIL_LIMITS, "limits", strerror(errno));
    }
}

// ---- files ----

// Later rights than the headers of the oldest supported system know.
#define FS_TRUNCATE  (1ull << 14) // ABI 3
#define FS_IOCTL_DEV (1ull << 15) // ABI 5
#define NET_BIND_CONNECT 3ull     // ABI 4
#define SCOPE_ALL        3ull     // ABI 6: abstract sockets and signals outside
#define FS_ABI_1         ((1ull << 13) - 1)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

static struct ruleset_attr rights_of(int abi)
{
    struct ruleset_attr attr = {.fs = FS_ABI_1};
    attr.fs |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    attr.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    attr.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    attr.net = abi >= 4 ? NET_BIND_CONNECT : 0;
    attr.scoped = abi >= 6 ? SCOPE_ALL : 0;
    return attr;
}

#define READ_RIGHTS  (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_RIGHTS (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                \
                      LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE)
#define DIR_RIGHTS   (LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |                  \
                      LANDLOCK_ACCESS_FS_REMOVE_FILE) // make no sense for a file

static int allow(int ruleset, struct str path, uint64_t rights, struct err *err)
{
    CLEAN_MEM char *name = str_dup(path);
    CLEAN_FD int fd = open(name, O_PATH | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return 0; // whoever wants to read it will say so, in better words
    }
    struct landlock_path_beneath_attr rule = {
        .allowed_access = S_ISDIR(st.st_mode) ? rights : rights & ~(uint64_t)DIR_RIGHTS,
        .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
        return err_errno(err, ERR_DENIED, errno, "cannot wall the process into %s", name);
    }
    return 0;
}

static int wall_files(const struct jail *jail, struct err *err)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        miss(JAIL_FILES, "Landlock", strerror(errno));
        return 0;
    }
    struct ruleset_attr attr = rights_of(abi);
    size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;
    CLEAN_FD int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (ruleset < 0) {
        miss(JAIL_FILES, "Landlock", strerror(errno));
        return 0;
    }
    for (size_t i = 0; i < jail->readable_count; i++) {
        if (jail->readable[i].size) {
            TRY(allow(ruleset, jail->readable[i], READ_RIGHTS, err));
        }
    }
    if (jail->writable.size) {
        TRY(allow(ruleset, jail->writable, (READ_RIGHTS | WRITE_RIGHTS) & attr.fs, err));
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0) {
        miss(JAIL_FILES, "Landlock", strerror(errno));
    }
    return 0;
}

// ---- entry points ----

void jail_start(const struct jail *jail)
{
    drop_privileges();
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, FILES_OPEN_MAX);
    limit(RLIMIT_FSIZE, jail->file_size_max);
    // More than the machine has is a mistake, and is refused rather than swapped or killed for.
    rlim_t memory = (rlim_t)sysconf(_SC_PHYS_PAGES) * (rlim_t)sysconf(_SC_PAGESIZE);
    limit(RLIMIT_DATA, SANITIZED ? RLIM_INFINITY : memory);
    const char *why = calls_prepare();
    if (why) {
        miss(JAIL_CALLS, "seccomp", why);
    }
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        miss(JAIL_FILES, "Landlock", strerror(errno));
    }
}

static void wall_calls(enum calls_set set)
{
    const char *why = calls_restrict(set);
    if (why) {
        miss(JAIL_CALLS, "seccomp", why);
    }
}

int jail_enter(const struct jail *jail, struct err *err)
{
    TRY(wall_files(jail, err));
    wall_calls(CALLS_LOAD);
    return 0;
}

int jail_compute_only(struct err *err)
{
    (void)err;
    wall_calls(CALLS_COMPUTE);
    return 0;
}
