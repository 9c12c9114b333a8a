// SPDX-License-Identifier: Apache-2.0
// A root of its own: a small read-only tmpfs that shows parts of the host's files, the function's
// folders, and a /tmp, /dev and /proc of its own. What is not put there does not exist.
//
//     /usr /bin /lib…   the host's, read-only      /var/task  the package, read-only
//     /etc              some of the host's names   /opt       layers, or the host's, read-only
//     /tmp /dev/shm     tmpfs, bounded             /proc      of its own processes
#include "sandbox/inside.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TREES_MAX  80
#define ETC_MAX    40
#define SHM_MAX    (64ull << 20)
#define FILE_BYTES 4096 // a file of a tmpfs costs memory though it is empty: so many are bounded

const char *const root_system[] = {"/usr",   "/bin",   "/sbin",   "/lib",
                                   "/lib32", "/lib64", "/libx32", NULL};
const char *const root_etc[] = {
    "ld.so.cache",     "ld.so.conf",      "ld.so.conf.d", "alternatives",
    "localtime",       "timezone",        "ssl",          "pki",
    "ca-certificates", "crypto-policies", "mime.types",   "services",
    "protocols",       "magic",           "fonts",        "python3",
    "os-release",      "debian_version",  "gai.conf",     NULL};
static const char *const etc_open[] = {"resolv.conf", "hosts", NULL}; // with the host's network
static const char *const etc_prefixes[] = {"python3.", "java-", NULL};
static const char *const devices[] = {"/dev/null",   "/dev/zero",    "/dev/full",
                                      "/dev/random", "/dev/urandom", NULL};

struct tree { // a part of the host's files, detached, and where it goes
    int fd;
    char *to; // relative to the new root
};

struct root {
    int fd; // of the new root's mount
    struct tree trees[TREES_MAX];
    size_t count;
    const char *what; // the step that failed
};

static void root_done(struct root *root)
{
    fd_clean(&root->fd);
    for (size_t i = 0; i < root->count; i++) {
        fd_clean(&root->trees[i].fd);
        free(root->trees[i].to);
    }
}

// ---- gathering ----

// 0: there, or not on this host; else -errno.
static int tree_add(struct root *root, const char *from, const char *to, uint64_t attributes)
{
    if (root->count == TREES_MAX) {
        return -E2BIG;
    }
    int fd = open_tree(AT_FDCWD, from, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (fd < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    root->trees[root->count++] = (struct tree){fd, mem_dup(to + (*to == '/'))};
    struct mount_attr attr = {.attr_set = attributes | MOUNT_ATTR_NOSUID,
                              .propagation = MS_PRIVATE};
    return mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ? -errno : 0;
}

// A link stays a link (/bin is one to usr/bin): made when the root is there.
static int system_add(struct root *root, const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0 || S_ISLNK(st.st_mode)) {
        return 0;
    }
    return tree_add(root, path, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
}

static int etc_add(struct root *root, const char *name)
{
    char path[300];
    snprintf(path, sizeof path, "/etc/%s", name);
    return tree_add(root, path, path, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV);
}

// Names below /etc that are shown and there, looked for once by the process that forks the others.
static struct {
    char *names[ETC_MAX];
    size_t count;
} etc;

static void etc_know(const char *name)
{
    CLEAN_MEM char *path = mem_printf("/etc/%s", name);
    if (etc.count < ETC_MAX && access(path, R_OK) == 0) {
        etc.names[etc.count++] = mem_dup(name);
    }
}

void root_prepare(void)
{
    for (size_t i = 0; root_etc[i] && etc.count < ETC_MAX; i++) {
        etc_know(root_etc[i]);
    }
    DIR *dir = opendir("/etc");
    for (struct dirent *e; dir && (e = readdir(dir));) {
        for (size_t i = 0; etc_prefixes[i]; i++) {
            if (str_starts(str_of(e->d_name), str_of(etc_prefixes[i]))) {
                etc_know(e->d_name);
            }
        }
    }
    if (dir) {
        closedir(dir);
    }
}

static int etc_gather(struct root *root, const struct jail *jail)
{
    int rc = 0;
    for (size_t i = 0; i < etc.count && rc == 0; i++) {
        rc = etc_add(root, etc.names[i]);
    }
    for (size_t i = 0; etc_open[i] && rc == 0 && jail->network_open; i++) {
        rc = etc_add(root, etc_open[i]);
    }
    return rc;
}

// The host's /tmp, in a process that root_read_only has given another one.
#define TMP_MOVED "/dev/shm/host-tmp"
static bool tmp_moved;

static char *path_now(struct str from)
{
    bool moved = tmp_moved && str_starts(from, STR("/tmp/"));
    return moved ? mem_printf(TMP_MOVED STR_FMT, STR_ARG(str_skip(from, 4))) : str_dup(from);
}

static int own_add(struct root *root, struct str from, const char *to, uint64_t attributes,
                   struct err *err)
{
    CLEAN_MEM char *path = str_dup(from);
    CLEAN_MEM char *there = path_now(from);
    if (access(there, F_OK) < 0) {
        return err_errno(err, ERR_NOT_FOUND, errno, "cannot show the function %s", path);
    }
    int rc = tree_add(root, there, to ? to : path, MOUNT_ATTR_NODEV | attributes);
    root->what = "its folders";
    return rc;
}

// The folders are named by descriptors: an option has at most 255 characters, and a colon in a path
// would end it.
static int overlay_new(const int *folders, size_t count)
{
    char lower[JAIL_LAYERS_MAX * 32] = "";
    for (size_t i = count; i-- > 0;) {
        size_t at = strlen(lower);
        snprintf(lower + at, sizeof lower - at, "/proc/self/fd/%d%s", folders[i], i ? ":" : "");
    }
    CLEAN_FD int fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir", lower, 0) < 0 ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return -errno;
    }
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
    return fd < 0 ? -errno : fd;
}

// Several layers lie over each other, the last on top.
static int layers_add(struct root *root, const struct jail *jail)
{
    int folders[JAIL_LAYERS_MAX], rc = root->count < TREES_MAX ? 0 : -E2BIG;
    size_t opened = 0;
    while (opened < jail->layer_count && rc == 0) {
        CLEAN_MEM char *path = path_now(jail->layers[opened]);
        folders[opened] = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        rc = folders[opened] < 0 ? -errno : 0;
        opened += rc == 0;
    }
    rc = rc ? rc : overlay_new(folders, opened);
    for (size_t i = 0; i < opened; i++) {
        close(folders[i]);
    }
    if (rc < 0) {
        return rc;
    }
    root->trees[root->count++] = (struct tree){rc, mem_dup("opt")};
    return 0;
}

static bool shown_already(struct str path)
{
    for (size_t i = 0; root_system[i]; i++) {
        struct str dir = str_of(root_system[i]);
        if (str_starts(path, dir) && (path.size == dir.size || path.at[dir.size] == '/')) {
            return true;
        }
    }
    return false;
}

static int language_gather(struct root *root, const struct jail *jail, struct err *err)
{
    int rc = 0;
    root->what = "the host's files";
    for (size_t i = 0; root_system[i] && rc == 0; i++) {
        rc = system_add(root, root_system[i]);
    }
    rc = rc ? rc : etc_gather(root, jail);
    for (size_t i = 0; devices[i] && rc == 0; i++) {
        rc = tree_add(root, devices[i], devices[i], 0);
    }
    if (rc == 0 && jail->layer_count > 1) {
        root->what = "layers";
        rc = layers_add(root, jail);
    } else if (rc == 0) {
        struct str opt = jail->layer_count ? jail->layers[0] : STR("/opt");
        rc = jail->layer_count || access("/opt", F_OK) == 0
                 ? own_add(root, opt, "opt", MOUNT_ATTR_RDONLY, err)
                 : 0;
    }
    if (rc == 0 && jail->package.size) {
        rc = own_add(root, jail->package, "var/task", MOUNT_ATTR_RDONLY, err);
    }
    if (rc == 0 && jail->runtime.size) {
        rc = own_add(root, jail->runtime, "var/runtime", MOUNT_ATTR_RDONLY, err);
    }
    return rc;
}

// -errno, or an ERR_ with err set: both are negative, so err tells them apart.
static int gather(struct root *root, const struct jail *jail, struct err *err)
{
    int rc = jail->kind == JAIL_LANGUAGE ? language_gather(root, jail, err) : 0;
    for (size_t i = 0; i < jail->readable_count && rc == 0; i++) {
        struct str path = jail->readable[i];
        bool shown = jail->kind == JAIL_LANGUAGE && shown_already(path);
        rc = path.size && !shown ? own_add(root, path, NULL, MOUNT_ATTR_RDONLY, err) : 0;
    }
    return rc == 0 && jail->writable.size ? own_add(root, jail->writable, NULL, 0, err) : rc;
}

// ---- making ----

static int fs_new(const char *type, uint64_t size, const char *mode, unsigned attributes)
{
    CLEAN_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
    char bytes[32], files[32];
    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)size);
    snprintf(files, sizeof files, "%llu", (unsigned long long)(size / FILE_BYTES + 64));
    if (fs < 0 ||
        (size && (fsconfig(fs, FSCONFIG_SET_STRING, "size", bytes, 0) < 0 ||
                  fsconfig(fs, FSCONFIG_SET_STRING, "nr_inodes", files, 0) < 0 ||
                  fsconfig(fs, FSCONFIG_SET_STRING, "mode", mode, 0) < 0)) ||
        fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return -errno;
    }
    int fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | attributes);
    return fd < 0 ? -errno : fd;
}

static int attach(int tree, int at, const char *to)
{
    return move_mount(tree, "", at, to, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int fs_attach(int at, const char *to, const char *type, uint64_t size, const char *mode,
                     unsigned attributes)
{
    CLEAN_FD int fd = fs_new(type, size, mode, attributes);
    return fd < 0 ? fd : attach(fd, at, to);
}

static int mount_point_make(int root, const char *to, bool folder)
{
    return folder ? mkdirat(root, to, 0755) : mknodat(root, to, S_IFREG | 0444, 0);
}

// What the tree is to be attached to, and the folders above it where they are missing.
static void place_make(int root, const char *to, bool folder)
{
    if (mount_point_make(root, to, folder) == 0 || errno != ENOENT) {
        return;
    }
    CLEAN_MEM char *path = mem_dup(to);
    for (char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdirat(root, path, 0755);
        *slash = '/';
    }
    (void)mount_point_make(root, path, folder);
}

static void file_make(int root, const char *path, const char *text)
{
    CLEAN_FD int fd = openat(root, path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0444);
    if (fd >= 0) {
        (void)!write(fd, text, strlen(text));
    }
}

static void skeleton_make(int root, const struct jail *jail)
{
    static const char *const folders[] = {"etc", "dev", "dev/shm",  "proc",
                                          "tmp", "var", "var/task", "var/runtime",
                                          "opt", "run", NULL};
    static const char *const links[][2] = {{"/proc/self/fd", "dev/fd"},
                                           {"/proc/self/fd/0", "dev/stdin"},
                                           {"/proc/self/fd/1", "dev/stdout"},
                                           {"/proc/self/fd/2", "dev/stderr"},
                                           {"/tmp", "var/tmp"},
                                           {"/run", "var/run"}};
    for (size_t i = 0; folders[i]; i++) {
        (void)mkdirat(root, folders[i], 0755);
    }
    for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
        (void)!symlinkat(links[i][0], root, links[i][1]);
    }
    for (size_t i = 0; root_system[i]; i++) {
        char to[256] = "";
        if (readlink(root_system[i], to, sizeof to - 1) > 0) {
            (void)!symlinkat(to, root, root_system[i] + 1);
        }
    }
    file_make(root, "etc/passwd",
              "root:x:0:0:root:/root:/sbin/nologin\n"
              "sbx_user1051:x:993:990::/tmp:/sbin/nologin\n"
              "nobody:x:65534:65534:nobody:/:/sbin/nologin\n");
    file_make(root, "etc/group", "root:x:0:\nsbx:x:990:\nnogroup:x:65534:\n");
    file_make(root, "etc/nsswitch.conf",
              jail->network_open ? "passwd: files\ngroup: files\nhosts: files dns\n"
                                 : "passwd: files\ngroup: files\nhosts: files\n");
    file_make(root, "etc/hostname", "rouse\n");
    if (!jail->network_open) {
        file_make(root, "etc/hosts", "127.0.0.1 localhost rouse\n::1 localhost\n");
        file_make(root, "etc/resolv.conf", "");
    }
}

// /tmp, /dev/shm and /proc: of each process tree its own.
static int own_mounts(struct root *root, int at, const struct jail *jail,
                      struct jail_report *report)
{
    uint64_t tmp = jail->tmp_size ? jail->tmp_size : SHM_MAX;
    uint64_t shm = tmp < SHM_MAX ? tmp : SHM_MAX;
    root->what = "/tmp";
    int rc = fs_attach(at, "tmp", "tmpfs", tmp, "1777", MOUNT_ATTR_NODEV);
    rc = rc ? rc : fs_attach(at, "dev/shm", "tmpfs", shm, "1777", MOUNT_ATTR_NODEV);
    int no_proc =
        rc ? 0 : fs_attach(at, "proc", "proc", 0, "", MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    if (no_proc) {
        report_miss(report, JAIL_PROCESSES, "/proc of its own", -no_proc);
    }
    return rc;
}

// Root in a chroot: its root is no mount point, so nothing can be made private nor swapped. In a
// mount namespace of its own it may go back to that namespace's root; what it needs is gathered.
static bool in_chroot(void)
{
    struct statx st = {0};
    return statx(AT_FDCWD, "/", 0, 0, &st) == 0 && !(st.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

static void chroot_leave(void)
{
    CLEAN_FD int fd = open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC);
    (void)!setns(fd, CLONE_NEWNS);
}

static int swap(int root)
{
    if (fchdir(root) < 0) {
        return -errno;
    }
    if (syscall(SYS_pivot_root, ".", ".") < 0) {
        return chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
    }
    return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
}

static int build(struct root *root, const struct jail *jail, struct jail_report *report)
{
    if (in_chroot()) {
        chroot_leave();
    }
    root->what = "private mounts";
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return -errno;
    }
    root->what = "the root";
    root->fd = fs_new("tmpfs", 1 << 20, "0755", MOUNT_ATTR_NODEV);
    int rc = root->fd < 0 ? root->fd : attach(root->fd, AT_FDCWD, "/proc");
    if (rc < 0) {
        return rc;
    }
    if (jail->kind == JAIL_LANGUAGE) {
        skeleton_make(root->fd, jail);
    }
    for (size_t i = 0; i < root->count && rc == 0; i++) {
        struct stat st;
        root->what = root->trees[i].to;
        rc = fstat(root->trees[i].fd, &st) < 0 ? -errno : 0;
        place_make(root->fd, root->trees[i].to, S_ISDIR(st.st_mode));
        rc = rc ? rc : attach(root->trees[i].fd, root->fd, root->trees[i].to);
    }
    if (rc == 0 && jail->kind == JAIL_LANGUAGE) {
        rc = own_mounts(root, root->fd, jail, report);
    }
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    if (rc == 0 && mount_setattr(root->fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0) {
        rc = -errno;
    }
    if (rc == 0) {
        root->what = "the new root";
        rc = swap(root->fd);
    }
    return rc;
}

// A function's folders may lie in the host's /tmp, and its processes look for them.
static int tmp_replace(void)
{
    CLEAN_FD int host =
        open_tree(AT_FDCWD, "/tmp", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    int rc = host < 0 ? -errno
                      : fs_attach(AT_FDCWD, "/dev/shm", "tmpfs", SHM_MAX, "1777", MOUNT_ATTR_NODEV);
    if (rc == 0 && mkdir(TMP_MOVED, 0755) < 0) {
        rc = -errno;
    }
    rc = rc ? rc : attach(host, AT_FDCWD, TMP_MOVED);
    rc = rc ? rc : fs_attach(AT_FDCWD, "/tmp", "tmpfs", SHM_MAX, "1777", MOUNT_ATTR_NODEV);
    tmp_moved = rc == 0;
    return rc;
}

// A chroot's root becomes the root of this mount namespace.
static int chroot_settle(void)
{
    CLEAN_FD int tree =
        open_tree(AT_FDCWD, "/", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) {
        return -errno;
    }
    chroot_leave();
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return -errno;
    }
    int rc = attach(tree, AT_FDCWD, "/proc");
    return rc ? rc : swap(tree);
}

int root_read_only(const char **ret_what)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
    *ret_what = "the chroot";
    TRY(in_chroot() ? chroot_settle() : 0);
    *ret_what = "read-only mounts";
    if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr) < 0) {
        return -errno;
    }
    // What is forked writes there, to enter namespaces of its own.
    attr = (struct mount_attr){.attr_clr = MOUNT_ATTR_RDONLY};
    if (mount_setattr(AT_FDCWD, "/proc", 0, &attr, sizeof attr) < 0) {
        return -errno;
    }
    *ret_what = "/tmp";
    return tmp_replace();
}

// Not every machine lets an ordinary user lay folders over each other.
static bool layers_denied(const struct root *root, int rc)
{
    bool layers = root->what && strcmp(root->what, "layers") == 0;
    return layers && (rc == -EPERM || rc == -EACCES || rc == -ENODEV || rc == -EINVAL);
}

int root_enter(const struct jail *jail, bool nested, struct jail_report *report, struct err *err)
{
    CLEAN(root_done) struct root root = {.fd = -1};
    if (report->missing & JAIL_ROOT) {
        return 0; // no mount namespace
    }
    int rc = 0;
    if (nested) {
        CLEAN_FD int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        rc = jail->kind == JAIL_LANGUAGE ? own_mounts(&root, at, jail, report) : 0;
    } else {
        rc = gather(&root, jail, err);
        if (err->code) {
            return err->code;
        }
        rc = rc ? rc : build(&root, jail, report);
        report->root = rc == 0 && jail->kind == JAIL_LANGUAGE;
    }
    if (rc < 0) {
        report_miss(report, JAIL_ROOT, root.what, -rc);
        report->excused |= layers_denied(&root, rc) ? JAIL_ROOT : 0;
    }
    return 0;
}
