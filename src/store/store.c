// SPDX-License-Identifier: Apache-2.0
// The writer thread and its groups: everything that waits when a commit begins shares its fsync.
#include "store/store.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "store/migrations.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK_WAIT_US 5000000 // for what a killed server leaves behind

#define GROUP_MAX 512 // tasks in one transaction: bounds how long the first waits for the last

struct store {
    struct loop *loop;
    char *dir;
    int lock_fd;
    struct db *reader; // the core thread's
    struct db *writer; // the store thread's
    pthread_t thread;
    bool thread_runs;
    bool is_inline;
    int64_t commit_us; // inline: how long a commit takes
    struct timer commit;

    pthread_mutex_t lock; // guards what follows
    pthread_cond_t wake;
    struct store_task *first, **last;
    bool closing;
    struct store_stats stats;
};

static void task_posted(struct post *post)
{
    struct store_task *task = CONTAINER_OF(post, struct store_task, post);
    task->on_done(task);
}

// Fails when the whole group is lost: SQLite gives the transaction up by itself when the disk is
// full or cannot be written.
static int task_run(struct store *store, struct store_task *task, struct err *err)
{
    TRY(db_exec(store->writer, "SAVEPOINT task", err));
    task->rc = task->run(task, store->writer, &task->err);
    if (!db_in_transaction(store->writer)) {
        *err = task->err;
        return task->rc < 0 ? task->rc : err_set(err, ERR_IO, "database: the transaction was lost");
    }
    if (task->rc < 0) {
        TRY(db_exec(store->writer, "ROLLBACK TO task", err));
    }
    return db_exec(store->writer, "RELEASE task", err);
}

// One transaction for the whole group. When it cannot be committed, every task of it has failed.
static void group_run(struct store *store, struct store_task *group)
{
    struct err err = {0};
    int rc = db_exec(store->writer, "BEGIN IMMEDIATE", &err);
    for (struct store_task *task = group; task && rc >= 0; task = task->next) {
        rc = task_run(store, task, &err);
    }
    int64_t before_us = clock_mono_us();
    rc = rc < 0 ? rc : db_exec(store->writer, "COMMIT", &err);
    if (rc < 0 && db_in_transaction(store->writer)) {
        CHECK(db_exec(store->writer, "ROLLBACK", NULL) >= 0);
    }
    pthread_mutex_lock(&store->lock);
    store->stats.commits++;
    store->stats.fsync_us += (uint64_t)(clock_mono_us() - before_us);
    pthread_mutex_unlock(&store->lock);
    for (struct store_task *task = group; task && rc < 0; task = task->next) {
        task->rc = rc;
        task->err = err;
    }
}

// With the lock held: the next group, NULL when there is none.
static struct store_task *group_take(struct store *store)
{
    struct store_task *group = store->first;
    struct store_task **end = &store->first;
    for (int i = 0; i < GROUP_MAX && *end; i++) {
        store->stats.tasks++;
        end = &(*end)->next;
    }
    store->first = *end;
    *end = NULL;
    if (!store->first) {
        store->last = &store->first;
    }
    return group;
}

// With the lock held: the next group, NULL when the store closes and nothing is left.
static struct store_task *group_wait(struct store *store)
{
    while (!store->first && !store->closing) {
        pthread_cond_wait(&store->wake, &store->lock);
    }
    return group_take(store);
}

static void *store_thread(void *arg)
{
    struct store *store = arg;
    pthread_mutex_lock(&store->lock);
    for (struct store_task *group; (group = group_wait(store));) {
        pthread_mutex_unlock(&store->lock);
        group_run(store, group);
        while (group) {
            struct store_task *next = group->next; // the task is the core's once posted
            group->post.on_posted = task_posted;
            loop_post(store->loop, &group->post);
            group = next;
        }
        pthread_mutex_lock(&store->lock);
    }
    pthread_mutex_unlock(&store->lock);
    return NULL;
}

// The same work as store_thread's, where there is none. What on_done submits waits for the next.
static void commit_due(struct timer *timer)
{
    struct store *store = CONTAINER_OF(timer, struct store, commit);
    pthread_mutex_lock(&store->lock);
    struct store_task *group = group_take(store);
    bool more = store->first != NULL;
    pthread_mutex_unlock(&store->lock);
    if (more) {
        timer_start(store->loop, &store->commit, store->commit_us);
    }
    group_run(store, group);
    while (group) {
        struct store_task *next = group->next;
        group->on_done(group);
        group = next;
    }
}

// A child that a killed server had just forked may hold the lock a moment longer than its parent: as
// long as the holder's process is gone, the lock is waited for. `pid`: of the holder, when it is not got.
static int lock_take(int fd, char *pid, size_t room)
{
    for (int64_t until_us = clock_mono_us() + LOCK_WAIT_US;;) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            return 0;
        }
        ssize_t size = pread(fd, pid, room - 1, 0);
        pid[size > 0 ? size : 0] = 0;
        pid[strcspn(pid, "\n")] = 0;
        int64_t holder = 0;
        bool gone =
            str_to_i64(str_of(pid), &holder) && kill((pid_t)holder, 0) < 0 && errno == ESRCH;
        if (!gone || clock_mono_us() > until_us) {
            return -1;
        }
        usleep(10000);
    }
}

// One server a data directory: an flock that the kernel drops when its holder dies.
static int dir_lock(struct store *store, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/lock", store->dir);
    store->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot open %s", path);
    }
    char pid[32] = "";
    if (lock_take(store->lock_fd, pid, sizeof pid) < 0) {
        return err_set(err, ERR_EXISTS,
                       "%s is in use by another rouse server (pid %s): stop it, or choose another "
                       "directory with --data",
                       store->dir, pid);
    }
    int size = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (ftruncate(store->lock_fd, 0) < 0 || pwrite(store->lock_fd, pid, (size_t)size, 0) != size) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    return 0;
}

static int dirs_make(const char *dir, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/blobs", dir);
    for (char *at = path + 1;; at++) {
        if (*at && *at != '/') {
            continue;
        }
        char was = *at;
        *at = 0;
        if (mkdir(path, 0700) < 0 && errno != EEXIST) {
            return err_errno(err, ERR_IO, errno, "cannot make the folder %s", path);
        }
        *at = was;
        if (!was) {
            return 0;
        }
    }
}

static int thread_start(struct store *store, struct err *err)
{
    sigset_t all, was;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &was);
    int rc = pthread_create(&store->thread, NULL, store_thread, store);
    pthread_sigmask(SIG_SETMASK, &was, NULL);
    if (rc) {
        return err_errno(err, ERR_IO, rc, "cannot start the store's thread");
    }
    store->thread_runs = true;
    return 0;
}

static int store_start(struct store *store, struct err *err)
{
    TRY(dirs_make(store->dir, err));
    TRY(dir_lock(store, err));
    CLEAN_MEM char *path = mem_printf("%s/rouse.db", store->dir);
    TRY(db_open(path, true, &store->writer, err));
    TRY(migrations_run(store->writer, err));
    TRY(db_open(path, false, &store->reader, err));
    return store->is_inline ? 0 : thread_start(store, err);
}

static struct store *store_new(struct loop *loop, const char *dir)
{
    struct store *store = NEW(struct store);
    store->loop = loop;
    store->dir = mem_dup(dir);
    store->lock_fd = -1;
    store->last = &store->first;
    store->commit.on_due = commit_due;
    pthread_mutex_init(&store->lock, NULL);
    pthread_cond_init(&store->wake, NULL);
    return store;
}

int store_open(struct loop *loop, const char *dir, struct store **ret, struct err *err)
{
    struct store *store = store_new(loop, dir);
    int rc = store_start(store, err);
    if (rc < 0) {
        store_close(store);
        return rc;
    }
    *ret = store;
    return 0;
}

int store_open_inline(struct loop *loop, const char *dir, int64_t commit_us, struct store **ret,
                      struct err *err)
{
    struct store *store = store_new(loop, dir);
    store->is_inline = true;
    store->commit_us = commit_us;
    int rc = store_start(store, err);
    if (rc < 0) {
        store_close(store);
        return rc;
    }
    *ret = store;
    return 0;
}

void store_close(struct store *store)
{
    if (!store) {
        return;
    }
    if (store->thread_runs) {
        pthread_mutex_lock(&store->lock);
        store->closing = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
        while (loop_turn(store->loop, 0)) {
        }
    }
    while (store->is_inline && store->first) {
        timer_stop(store->loop, &store->commit);
        commit_due(&store->commit);
    }
    timer_stop(store->loop, &store->commit);
    db_close(store->reader);
    db_close(store->writer);
    fd_clean(&store->lock_fd);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->wake);
    free(store->dir);
    free(store);
}

void store_submit(struct store *store, struct store_task *task)
{
    task->next = NULL;
    task->rc = 0;
    task->err = (struct err){0};
    pthread_mutex_lock(&store->lock);
    *store->last = task;
    store->last = &task->next;
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
    if (store->is_inline && !timer_running(&store->commit)) {
        timer_start(store->loop, &store->commit, store->commit_us);
    }
}

struct db *store_reader(struct store *store)
{
    return store->reader;
}

const char *store_dir(const struct store *store)
{
    return store->dir;
}

struct store_stats store_stats(const struct store *store)
{
    struct store *s = (struct store *)store;
    pthread_mutex_lock(&s->lock);
    struct store_stats stats = s->stats;
    pthread_mutex_unlock(&s->lock);
    return stats;
}
