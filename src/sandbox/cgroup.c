// SPDX-License-Identifier: Apache-2.0
// Groups are folders, limits are files in them. What is asked for is queued for one thread, which
// does it in order and goes on trying to remove groups whose processes take their time to end.
#include "sandbox/cgroup.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/list.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#define PIDS_MAX        1024
#define PERIOD_US       20000 // short, so that who has used up its share waits little
#define QUOTA_LEAST_US  1000  // the kernel's
#define CORE_MB         1769
#define REMOVE_EVERY_MS 20
#define REMOVE_TRIES    250
#define NAMES           16 // servers of one process id, each in a process id namespace of its own
#define ROOT            "/sys/fs/cgroup"

enum { MEMORY, CPU, PIDS, HIERARCHIES };
static const char *const controllers[HIERARCHIES] = {"memory", "cpu", "pids"};

// A folder of this server's, locked as long as it lives: a process id would say nothing to a server in
// another container that sees the same groups.
struct folder {
    char *path; // "…/rouse-123"; NULL: not to be had
    int claim;
};

struct cgroups {
    bool v2;
    struct folder folders[HIERARCHIES]; // v2: only the first
    uint64_t made;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list steps, dying;
    bool stopping;
};

struct cgroup {
    struct cgroups *owner;
    uint64_t number;
    int tries; // to remove it
    struct list link;
};

enum step_kind { STEP_MAKE, STEP_CPU, STEP_BACKGROUND, STEP_FOREGROUND, STEP_END };

struct step {
    enum step_kind kind;
    struct cgroup *group;
    int pid;
    uint64_t memory_size;
    struct list link;
};

// ---- files ----

static int put(const char *dir, const char *name, const char *value)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    CLEAN_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, value, strlen(value)) < 0 ? -errno : 0;
}

static int put_number(const char *dir, const char *name, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return put(dir, name, text);
}

static char *read_text(const char *dir, const char *name)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    struct err ignored = {0};
    return file_read(path, &text, &ignored) < 0 ? NULL : mem_dup(buf_text(&text));
}

// The number after "name " in a file of lines; 0 when there is none.
static uint64_t read_field(const char *dir, const char *file, const char *name)
{
    CLEAN_MEM char *text = read_text(dir, file);
    for (struct str rest = str_of(text); rest.at;) {
        struct str value = str_cut(&rest, '\n');
        struct str field = str_cut(&value, ' ');
        uint64_t number = 0;
        if (str_eq(field, str_of(name)) && str_to_u64(str_trim(value), &number)) {
            return number;
        }
    }
    return 0;
}

static uint64_t read_number(const char *dir, const char *file)
{
    CLEAN_MEM char *text = read_text(dir, file);
    uint64_t number = 0;
    return text && str_to_u64(str_trim(str_of(text)), &number) ? number : 0;
}

static char *group_dir(const struct cgroup *group, int hierarchy)
{
    const char *dir = group->owner->folders[hierarchy].path;
    return dir ? mem_printf("%s/%llu", dir, (unsigned long long)group->number) : NULL;
}

// ---- steps, on the thread ----

static void limits_put(const struct cgroups *groups, const char *dir, int hierarchy,
                       uint64_t memory_size)
{
    bool memory = memory_size > 0;
    if (groups->v2) {
        (void)(memory && put_number(dir, "memory.max", memory_size));
        (void)(memory && put(dir, "memory.swap.max", "0"));
        put(dir, "memory.oom.group", "1");
        put_number(dir, "pids.max", PIDS_MAX);
    } else if (hierarchy == MEMORY && memory) {
        put_number(dir, "memory.limit_in_bytes", memory_size);
        put_number(dir, "memory.memsw.limit_in_bytes", memory_size); // not without swap accounting
    } else if (hierarchy == PIDS) {
        put_number(dir, "pids.max", PIDS_MAX);
    }
}

// The process and what it has started by now: a template's first process starts the template.
static void move(const char *dir, int pid)
{
    put_number(dir, "cgroup.procs", (uint64_t)pid); // gone already is fine
    CLEAN_MEM char *task = mem_printf("/proc/%d/task/%d", pid, pid);
    CLEAN_MEM char *children = read_text(task, "children");
    for (struct str rest = str_of(children); rest.at;) {
        struct str child = str_cut(&rest, ' ');
        uint64_t number = 0;
        if (str_to_u64(child, &number)) {
            put_number(dir, "cgroup.procs", number);
        }
    }
}

static void make(const struct step *step)
{
    const struct cgroups *groups = step->group->owner;
    for (int i = 0; i < HIERARCHIES; i++) {
        CLEAN_MEM char *dir = group_dir(step->group, i);
        if (dir && (mkdir(dir, 0755) == 0 || errno == EEXIST)) {
            limits_put(groups, dir, i, step->memory_size);
            move(dir, step->pid);
        }
    }
}

static void limit_cpu(const struct step *step)
{
    uint64_t quota = (step->memory_size >> 20) * PERIOD_US / CORE_MB;
    quota = quota < QUOTA_LEAST_US ? QUOTA_LEAST_US : quota;
    bool v2 = step->group->owner->v2;
    CLEAN_MEM char *dir = group_dir(step->group, v2 ? 0 : CPU);
    if (dir && v2) {
        char text[64];
        snprintf(text, sizeof text, "%llu %d", (unsigned long long)quota, PERIOD_US);
        put(dir, "cpu.max", text);
    } else if (dir) {
        put_number(dir, "cpu.cfs_period_us", PERIOD_US);
        put_number(dir, "cpu.cfs_quota_us", quota);
    }
}

// A tenth of the usual share. The least that there is would be next to nothing on a busy machine, and what
// works in the background there is what makes others faster.
static void weigh(const struct step *step)
{
    bool background = step->kind == STEP_BACKGROUND;
    bool v2 = step->group->owner->v2;
    CLEAN_MEM char *dir = group_dir(step->group, v2 ? 0 : CPU);
    if (dir && v2) {
        put_number(dir, "cpu.weight", background ? 10 : 100);
    } else if (dir) {
        put_number(dir, "cpu.shares", background ? 102 : 1024);
    }
}

static void kill_all(const char *dir, bool v2)
{
    if (v2 && put(dir, "cgroup.kill", "1") == 0) {
        return;
    }
    CLEAN_MEM char *text = read_text(dir, "cgroup.procs");
    for (struct str rest = str_of(text); rest.at;) {
        uint64_t pid = 0;
        if (str_to_u64(str_trim(str_cut(&rest, '\n')), &pid) && pid > 1) {
            kill((pid_t)pid, SIGKILL);
        }
    }
}

// True when nothing of it is left.
static bool remove_group(const struct cgroup *group)
{
    bool gone = true;
    for (int i = 0; i < HIERARCHIES; i++) {
        CLEAN_MEM char *dir = group_dir(group, i);
        if (dir && rmdir(dir) < 0 && errno != ENOENT) {
            kill_all(dir, group->owner->v2);
            gone = rmdir(dir) == 0 && gone;
        }
    }
    return gone;
}

static void dying_remove(struct cgroups *groups, struct list *dying)
{
    (void)groups;
    LIST_EACH(group, dying, struct cgroup, link)
    {
        if (remove_group(group) || ++group->tries > REMOVE_TRIES) {
            list_remove(&group->link);
            free(group);
        }
    }
}

static void step_do(struct cgroups *groups, struct step *step)
{
    switch (step->kind) {
    case STEP_MAKE: make(step); break;
    case STEP_CPU: limit_cpu(step); break;
    case STEP_BACKGROUND:
    case STEP_FOREGROUND: weigh(step); break;
    case STEP_END: list_push_back(&groups->dying, &step->group->link); break;
    }
    free(step);
}

// The dying are the thread's own; only steps are shared.
static void *work(void *arg)
{
    struct cgroups *groups = arg;
    pthread_mutex_lock(&groups->lock);
    while (!groups->stopping || !list_empty(&groups->steps)) {
        struct step *step = LIST_FIRST(&groups->steps, struct step, link);
        if (step) {
            list_remove(&step->link);
            pthread_mutex_unlock(&groups->lock);
            step_do(groups, step);
            pthread_mutex_lock(&groups->lock);
        } else if (list_empty(&groups->dying)) {
            pthread_cond_wait(&groups->changed, &groups->lock);
        } else {
            struct timespec until;
            clock_gettime(CLOCK_REALTIME, &until);
            until.tv_nsec += REMOVE_EVERY_MS * 1000000L;
            until.tv_sec += until.tv_nsec / 1000000000L;
            until.tv_nsec %= 1000000000L;
            pthread_mutex_unlock(&groups->lock);
            dying_remove(groups, &groups->dying);
            pthread_mutex_lock(&groups->lock);
            if (!list_empty(&groups->dying) && list_empty(&groups->steps) && !groups->stopping) {
                pthread_cond_timedwait(&groups->changed, &groups->lock, &until);
            }
        }
    }
    pthread_mutex_unlock(&groups->lock);
    return NULL;
}

static void step_ask(struct cgroup *group, enum step_kind kind, int pid, uint64_t memory_size)
{
    struct cgroups *groups = group->owner;
    struct step *step = NEW(struct step);
    *step = (struct step){.kind = kind, .group = group, .pid = pid, .memory_size = memory_size};
    list_init(&step->link);
    pthread_mutex_lock(&groups->lock);
    list_push_back(&groups->steps, &step->link);
    pthread_cond_signal(&groups->changed);
    pthread_mutex_unlock(&groups->lock);
}

// ---- finding our place ----

// Of /proc/self/cgroup: the path of the hierarchy that has the controller; "" is version 2.
static char *own_path(const char *controller)
{
    CLEAN_MEM char *text = read_text("/proc/self", "cgroup");
    for (struct str rest = str_of(text); rest.at;) {
        struct str line = str_cut(&rest, '\n');
        struct str path = line;
        (void)str_cut(&path, ':');
        struct str names = str_cut(&path, ':');
        bool found = !*controller && names.size == 0 && path.at;
        while (*controller && names.at && !found) {
            found = str_eq(str_cut(&names, ','), str_of(controller));
        }
        if (found) {
            return str_dup(path);
        }
    }
    return NULL;
}

// Whether the path still leads to what is open: another server may have swept it away.
static bool leads_to(const char *path, int fd)
{
    struct stat named, held;
    return stat(path, &named) == 0 && fstat(fd, &held) == 0 && named.st_ino == held.st_ino;
}

// Makes the folder, or takes over what a killed server left. The descriptor that holds the lock, or
// -errno; -EWOULDBLOCK: it is another server's.
static int claim(const char *path)
{
    if (mkdir(path, 0755) < 0 && errno != EEXIST) {
        return -errno;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? -EWOULDBLOCK : -errno;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && leads_to(path, fd)) {
        return fd;
    }
    close(fd);
    return -EWOULDBLOCK;
}

// A folder of ours below our own group, or below the top where that is not seen.
static int place_below(const char *mount, const char *at, struct folder *ret)
{
    CLEAN_MEM char *own = mem_printf("%s%s", mount, at && strcmp(at, "/") != 0 ? at : "");
    const char *above = access(own, F_OK) == 0 ? own : mount;
    int rc = -EWOULDBLOCK;
    for (int i = 0; i < NAMES && rc == -EWOULDBLOCK; i++) {
        CLEAN_MEM char *path = i == 0 ? mem_printf("%s/rouse-%d", above, (int)getpid())
                                      : mem_printf("%s/rouse-%d.%d", above, (int)getpid(), i);
        rc = claim(path);
        if (rc >= 0) {
            *ret = (struct folder){.path = MOVE(path), .claim = rc};
            return 0;
        }
    }
    return rc;
}

static void folder_done(struct folder *folder)
{
    if (folder->path) {
        rmdir(folder->path); // not while this server is in it; the next one sweeps
        close(folder->claim);
        free(folder->path);
        folder->path = NULL;
    }
}

// Ends what is in the groups of a server that was killed, and removes them.
static void sweep_one(const char *path, bool v2)
{
    DIR *inside = opendir(path);
    for (struct dirent *g; inside && (g = readdir(inside));) {
        CLEAN_MEM char *group = mem_printf("%s/%s", path, g->d_name);
        if (g->d_name[0] != '.' && g->d_type == DT_DIR) {
            kill_all(group, v2);
            rmdir(group);
        }
    }
    if (inside) {
        closedir(inside);
    }
    rmdir(path);
}

static void sweep(const char *dir, bool v2)
{
    CLEAN_MEM char *above = mem_dup(dir);
    *strrchr(above, '/') = 0;
    DIR *folder = opendir(above);
    for (struct dirent *e; folder && (e = readdir(folder));) {
        if (!str_starts(str_of(e->d_name), STR("rouse-"))) {
            continue;
        }
        CLEAN_MEM char *old = mem_printf("%s/%s", above, e->d_name);
        CLEAN_FD int fd = open(old, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            sweep_one(old, v2);
        }
    }
    if (folder) {
        closedir(folder);
    }
}

// The memory controller is needed; the others are often not delegated to users.
static int controllers_enable(const char *dir)
{
    int rc = put(dir, "cgroup.subtree_control", "+memory");
    if (rc == 0) {
        (void)!put(dir, "cgroup.subtree_control", "+cpu");
        (void)!put(dir, "cgroup.subtree_control", "+pids");
    }
    return rc;
}

// In version 2 a group has processes or parts, not both: what is in the way is this server.
static int v2_try(struct cgroups *groups, const char *mount, const char *path)
{
    struct folder folder = {0};
    int rc = place_below(mount, path, &folder);
    if (rc < 0) {
        return rc;
    }
    CLEAN_MEM char *above = mem_dup(folder.path);
    *strrchr(above, '/') = 0;
    rc = controllers_enable(above);
    if (rc == -EBUSY) {
        CLEAN_MEM char *leaf = mem_printf("%s/server", folder.path);
        (void)!mkdir(leaf, 0755);
        rc = put_number(leaf, "cgroup.procs", (uint64_t)getpid());
        rc = rc ? rc : controllers_enable(above);
        if (rc < 0) { // others are there, too: back to them
            (void)!put_number(above, "cgroup.procs", (uint64_t)getpid());
            rmdir(leaf);
        }
    }
    rc = rc ? rc : controllers_enable(folder.path);
    if (rc == 0) {
        groups->v2 = true;
        groups->folders[0] = folder;
    } else {
        folder_done(&folder);
    }
    return rc;
}

static int v2_find(struct cgroups *groups)
{
    struct statfs fs;
    if (statfs(ROOT, &fs) < 0 || fs.f_type != CGROUP2_SUPER_MAGIC) {
        return -ENOENT;
    }
    CLEAN_MEM char *path = own_path("");
    int rc = v2_try(groups, ROOT, path);
    return rc && geteuid() == 0 ? v2_try(groups, ROOT, "/") : rc;
}

static int v1_find(struct cgroups *groups)
{
    int rc = -ENOENT;
    for (int i = 0; i < HIERARCHIES; i++) {
        CLEAN_MEM char *mount = mem_printf(ROOT "/%s", controllers[i]);
        CLEAN_MEM char *path = own_path(controllers[i]);
        if (path && access(mount, F_OK) == 0) {
            int placed = place_below(mount, path, &groups->folders[i]);
            rc = i == MEMORY ? placed : rc;
        }
    }
    return rc;
}

// Signals are for the other threads.
static int thread_start(struct cgroups *groups)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = -pthread_create(&groups->thread, NULL, work, groups);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

// ---- entry points ----

int cgroups_new(struct cgroups **ret, struct err *err)
{
    struct cgroups *groups = NEW(struct cgroups);
    list_init(&groups->steps);
    list_init(&groups->dying);
    int rc = v2_find(groups);
    rc = rc == -ENOENT ? v1_find(groups) : rc;
    pthread_mutex_init(&groups->lock, NULL);
    pthread_cond_init(&groups->changed, NULL);
    rc = rc ? rc : thread_start(groups);
    if (rc < 0) {
        for (int i = 0; i < HIERARCHIES; i++) {
            folder_done(&groups->folders[i]);
        }
        free(groups);
        return err_errno(err, ERR_UNSUPPORTED, -rc, "control groups");
    }
    for (int i = 0; i < HIERARCHIES; i++) {
        if (groups->folders[i].path) {
            sweep(groups->folders[i].path, groups->v2);
        }
    }
    *ret = groups;
    return 0;
}

const char *cgroups_kind(const struct cgroups *groups)
{
    return groups->v2 ? "cgroup v2" : "cgroup v1";
}

void cgroups_free(struct cgroups *groups)
{
    if (!groups) {
        return;
    }
    pthread_mutex_lock(&groups->lock);
    groups->stopping = true;
    pthread_cond_signal(&groups->changed);
    pthread_mutex_unlock(&groups->lock);
    pthread_join(groups->thread, NULL);
    for (int i = 0; i < REMOVE_TRIES && !list_empty(&groups->dying); i++) {
        dying_remove(groups, &groups->dying);
        if (!list_empty(&groups->dying)) {
            nanosleep(&(struct timespec){.tv_nsec = 4000000}, NULL);
        }
    }
    LIST_EACH(group, &groups->dying, struct cgroup, link)
    {
        free(group);
    }
    for (int i = 0; i < HIERARCHIES; i++) {
        folder_done(&groups->folders[i]);
    }
    pthread_mutex_destroy(&groups->lock);
    pthread_cond_destroy(&groups->changed);
    free(groups);
}

struct cgroup *cgroup_new(struct cgroups *groups, int pid, uint64_t memory_size)
{
    if (!groups || pid <= 0) {
        return NULL;
    }
    struct cgroup *group = NEW(struct cgroup);
    group->owner = groups;
    group->number = ++groups->made;
    list_init(&group->link);
    step_ask(group, STEP_MAKE, pid, memory_size);
    return group;
}

void cgroup_limit_cpu(struct cgroup *group, uint64_t memory_size)
{
    if (group) {
        step_ask(group, STEP_CPU, 0, memory_size);
    }
}

void cgroup_background(struct cgroup *group, bool background)
{
    if (group) {
        step_ask(group, background ? STEP_BACKGROUND : STEP_FOREGROUND, 0, 0);
    }
}

bool cgroup_out_of_memory(const struct cgroup *group)
{
    CLEAN_MEM char *dir = group ? group_dir(group, MEMORY) : NULL;
    const char *file = group && group->owner->v2 ? "memory.events" : "memory.oom_control";
    return dir && read_field(dir, file, "oom_kill") > 0;
}

uint64_t cgroup_memory_max(const struct cgroup *group)
{
    CLEAN_MEM char *dir = group ? group_dir(group, MEMORY) : NULL;
    return !dir               ? 0
           : group->owner->v2 ? read_number(dir, "memory.peak")
                              : read_number(dir, "memory.max_usage_in_bytes");
}

void cgroup_free(struct cgroup *group)
{
    if (group) {
        step_ask(group, STEP_END, 0, 0);
    }
}
