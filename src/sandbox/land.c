// SPDX-License-Identifier: Apache-2.0
// Landlock: a second wall around files, behind the root of its own; the only one where that is
// denied, and then also for TCP. Whoever is inside can mount nothing any more, so a template that
// still makes roots for its instances stays outside.
#include "sandbox/inside.h"
#include "base/buf.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Later rights than the headers of the oldest supported system know.
#define FS_ABI_1     ((1ull << 13) - 1)
#define FS_TRUNCATE  (1ull << 14) // ABI 3
#define FS_IOCTL_DEV (1ull << 15) // ABI 5
#define NET_BIND     1ull         // ABI 4
#define NET_CONNECT  2ull
#define SCOPE_ALL    3ull // ABI 6: abstract sockets and signals outside
#define RULE_NET     2

#define FS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define FS_RUN  (FS_READ | LANDLOCK_ACCESS_FS_EXECUTE)
#define FS_FILE                                                                                    \
    (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV |   \
     LANDLOCK_ACCESS_FS_EXECUTE) // what a rule for a file may hold
#define FS_WRITE                                                                                   \
    (FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |                       \
     LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE)
#define FS_ALL (~0ull)

struct ruleset_attr {
    uint64_t fs, net, scoped;
};

struct net_rule {
    uint64_t access, port;
};

struct land {
    int ruleset;
    struct ruleset_attr attr;
};

int land_abi(void)
{
    int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return abi < 0 ? -errno : abi;
}

static struct ruleset_attr rights_of(int abi, bool tcp)
{
    struct ruleset_attr attr = {.fs = FS_ABI_1};
    attr.fs |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    attr.fs |= abi >= 3 ? FS_TRUNCATE : 0;
    attr.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
    attr.net = abi >= 4 && tcp ? NET_BIND | NET_CONNECT : 0;
    attr.scoped = abi >= 6 ? SCOPE_ALL : 0;
    return attr;
}

// What is not there needs no rule: whoever wants to read it will say so, in better words.
static int allow(const struct land *land, struct str path, uint64_t access, struct err *err)
{
    CLEAN_MEM char *name = str_dup(path);
    CLEAN_FD int fd = path.size ? open(name, O_PATH | O_CLOEXEC) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return 0;
    }
    access &= land->attr.fs & (S_ISDIR(st.st_mode) ? FS_ALL : FS_FILE);
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, land->ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
        return err_errno(err, ERR_DENIED, errno, "cannot wall the process into %s", name);
    }
    return 0;
}

static int allow_all(const struct land *land, const char *const *paths, uint64_t access,
                     struct err *err)
{
    for (size_t i = 0; paths[i]; i++) {
        TRY(allow(land, str_of(paths[i]), access, err));
    }
    return 0;
}

// Without a root of its own: the same files, where they are on the host.
static int allow_host(const struct land *land, const struct jail *jail, struct err *err)
{
    static const char *const files[] = {"/proc/self", "/proc/cpuinfo",           "/proc/meminfo",
                                        "/proc/stat", "/sys/devices/system/cpu", NULL};
    TRY(allow_all(land, root_system, FS_RUN, err));
    TRY(allow_all(land, files, FS_FILE | FS_READ, err));
    for (size_t i = 0; root_etc[i]; i++) {
        CLEAN_MEM char *path = mem_printf("/etc/%s", root_etc[i]);
        TRY(allow(land, str_of(path), FS_READ, err));
    }
    static const char *const etc[] = {"/etc/passwd", "/etc/group", "/etc/nsswitch.conf",
                                      "/etc/hosts", NULL};
    TRY(allow_all(land, etc, FS_READ, err));
    if (jail->network_open) {
        TRY(allow(land, STR("/etc/resolv.conf"), FS_READ, err));
    }
    TRY(allow(land, jail->package, FS_RUN, err));
    TRY(allow(land, jail->runtime, FS_RUN, err));
    TRY(jail->layer_count ? 0 : allow(land, STR("/opt"), FS_RUN, err));
    for (size_t i = 0; i < jail->layer_count; i++) {
        TRY(allow(land, jail->layers[i], FS_RUN, err));
    }
    return 0;
}

static int allow_files(const struct land *land, const struct jail *jail,
                       const struct jail_report *report, struct err *err)
{
    static const char *const written[] = {"/tmp", "/dev/shm", NULL};
    static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                          "/dev/random", "/dev/urandom", NULL};
    uint64_t read = jail->kind == JAIL_LANGUAGE ? FS_RUN : FS_READ;
    for (size_t i = 0; i < jail->readable_count; i++) {
        TRY(allow(land, jail->readable[i], read, err));
    }
    TRY(allow(land, jail->writable, FS_WRITE, err));
    if (jail->kind == JAIL_MODEL) {
        return 0;
    }
    TRY(allow_all(land, written, FS_ALL, err));
    TRY(allow_all(land, devices, FS_FILE, err));
    if (!report->root) {
        return allow_host(land, jail, err);
    }
    TRY(allow(land, STR("/"), FS_RUN, err));
    return allow(land, STR("/proc"), FS_FILE | FS_READ, err);
}

int land_enter(const struct jail *jail, struct jail_report *report, struct err *err)
{
    if (jail->kind == JAIL_LANGUAGE && jail->role == JAIL_TEMPLATE && report->root) {
        return 0;
    }
    int abi = land_abi();
    bool tcp = jail->kind == JAIL_LANGUAGE && !jail->network_open &&
               (report->missing & JAIL_NETWORK) && jail->port;
    struct land land = {.attr = abi > 0 ? rights_of(abi, tcp) : (struct ruleset_attr){0}};
    size_t size = abi >= 6 ? sizeof(land.attr) : abi >= 4 ? 16 : 8;
    CLEAN_FD int ruleset =
        abi > 0 ? (int)syscall(SYS_landlock_create_ruleset, &land.attr, size, 0) : -1;
    if (ruleset < 0) {
        report_miss(report, JAIL_FILES, "Landlock", abi < 0 ? -abi : errno);
        return 0;
    }
    land.ruleset = ruleset;
    TRY(allow_files(&land, jail, report, err));
    struct net_rule connect = {.access = NET_CONNECT, .port = (uint64_t)jail->port};
    if (land.attr.net && syscall(SYS_landlock_add_rule, ruleset, RULE_NET, &connect, 0) < 0) {
        report_miss(report, JAIL_FILES, "Landlock for TCP", errno);
    }
    connect.port = (uint64_t)jail->runtime_port;
    if (land.attr.net && connect.port > 0 &&
        syscall(SYS_landlock_add_rule, ruleset, RULE_NET, &connect, 0) < 0) {
        report_miss(report, JAIL_FILES, "Landlock for TCP", errno);
    }
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0) {
        report_miss(report, JAIL_FILES, "Landlock", errno);
    }
    return 0;
}
