// SPDX-License-Identifier: Apache-2.0
// Where function logs go: an append-only file each. Writing is put off a little, so that a
// function called ten thousand times a second costs some dozens of writes.
#include "observe/logs.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define GATHER_US   50000
#define GATHER_SIZE (64u * 1024)
#define LINE_MAX_   (256u * 1024) // Lambda's limit on one log line

struct function_log {
    char *name;
    struct buf pending; // lines not written yet
    uint64_t file_size; // of the current file; UINT64_MAX: not known yet
    struct list followers;
};

struct observe {
    struct loop *loop;
    char *dir;
    uint64_t file_size_max;
    int files_max;
    struct map logs; // struct function_log by name
    struct timer flush;
};

static void flush_due(struct timer *timer)
{
    logs_flush(CONTAINER_OF(timer, struct observe, flush));
}

struct observe *observe_new(struct loop *loop, const char *dir, uint64_t file_size_max,
                            int files_max)
{
    struct observe *o = NEW(struct observe);
    o->loop = loop;
    o->dir = mem_dup(dir);
    o->file_size_max = file_size_max;
    o->files_max = files_max;
    o->flush.on_due = flush_due;
    return o;
}

static void log_free(struct function_log *log)
{
    LIST_EACH(f, &log->followers, struct log_follower, link)
    {
        list_remove(&f->link);
    }
    buf_done(&log->pending);
    free(log->name);
    free(log);
}

void observe_free(struct observe *o)
{
    if (!o) {
        return;
    }
    logs_flush(o);
    timer_stop(o->loop, &o->flush);
    size_t at = 0;
    for (struct function_log *log; (log = map_next(&o->logs, &at));) {
        log_free(log);
    }
    map_done(&o->logs);
    free(o->dir);
    free(o);
}

static struct function_log *log_of(struct observe *o, struct str function)
{
    struct function_log *log = map_get(&o->logs, function);
    if (!log) {
        log = NEW(struct function_log);
        log->name = str_dup(function);
        buf_init(&log->pending, GATHER_SIZE + 2 * LINE_MAX_);
        log->file_size = UINT64_MAX;
        list_init(&log->followers);
        map_put(&o->logs, function, log);
    }
    return log;
}

static char *file_path(const struct observe *o, const char *name, int number)
{
    return number ? mem_printf("%s/%s/log.%d", o->dir, name, number)
                  : mem_printf("%s/%s/log", o->dir, name);
}

int64_t logs_written_ms(const struct observe *o, struct str function)
{
    CLEAN_MEM char *name = str_dup(function);
    CLEAN_MEM char *path = file_path(o, name, 0);
    struct stat st;
    return stat(path, &st) < 0 ? 0
                               : (int64_t)st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1000000;
}

static void rotate(struct observe *o, struct function_log *log)
{
    if (o->files_max == 1) {
        CLEAN_MEM char *only = file_path(o, log->name, 0);
        unlink(only);
    }
    for (int number = o->files_max - 1; number > 0; number--) {
        CLEAN_MEM char *from = file_path(o, log->name, number - 1);
        CLEAN_MEM char *to = file_path(o, log->name, number);
        if (rename(from, to) < 0 && errno != ENOENT) {
            log_warn("cannot rotate %s: %s", from, strerror(errno));
        }
    }
    log->file_size = 0;
}

static int file_open(struct observe *o, struct function_log *log)
{
    CLEAN_MEM char *path = file_path(o, log->name, 0);
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 && errno == ENOENT) {
        CLEAN_MEM char *dir = mem_printf("%s/%s", o->dir, log->name);
        mkdir(o->dir, 0700);
        mkdir(dir, 0700);
        fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    }
    struct stat st;
    if (fd >= 0 && log->file_size == UINT64_MAX && fstat(fd, &st) == 0) {
        log->file_size = (uint64_t)st.st_size;
    }
    return fd;
}

static void log_write(struct observe *o, struct function_log *log)
{
    if (log->pending.size == 0) {
        return;
    }
    if (log->file_size != UINT64_MAX && log->file_size + log->pending.size > o->file_size_max) {
        rotate(o, log);
    }
    CLEAN_FD int fd = file_open(o, log);
    ssize_t wrote = fd >= 0 ? write(fd, log->pending.at, log->pending.size) : -1;
    if (wrote < 0) {
        log_warn("cannot write the log of %s: %s", log->name, strerror(errno));
    } else {
        log->file_size += (uint64_t)wrote;
    }
    buf_clear(&log->pending);
}

void logs_flush(struct observe *o)
{
    timer_stop(o->loop, &o->flush);
    size_t at = 0;
    for (struct function_log *log; (log = map_next(&o->logs, &at));) {
        log_write(o, log);
    }
}

void logs_append(struct observe *o, struct str function, int64_t wall_ms, struct str lines)
{
    if (lines.size == 0) {
        return;
    }
    struct function_log *log = log_of(o, function);
    char when[CLOCK_TEXT_MAX];
    clock_iso(wall_ms, when);
    if (lines.size && lines.at[lines.size - 1] == '\n') {
        lines.size--;
    }
    while (lines.at) {
        struct str line = str_head(str_cut(&lines, '\n'), LINE_MAX_);
        buf_add_text(&log->pending, when);
        buf_add_char(&log->pending, '\t');
        buf_add_str(&log->pending, line);
        buf_add_char(&log->pending, '\n');
        LIST_EACH(f, &log->followers, struct log_follower, link)
        {
            f->on_line(f, wall_ms, line);
        }
        if (log->pending.size > GATHER_SIZE) {
            log_write(o, log);
        }
    }
    if (!timer_running(&o->flush)) {
        timer_start(o->loop, &o->flush, GATHER_US);
    }
}

void logs_remove(struct observe *o, struct str function)
{
    struct function_log *log = map_remove(&o->logs, function);
    if (!log) {
        log = NEW(struct function_log);
        log->name = str_dup(function);
        list_init(&log->followers);
    }
    for (int number = 0; number < o->files_max; number++) {
        CLEAN_MEM char *path = file_path(o, log->name, number);
        unlink(path);
    }
    CLEAN_MEM char *dir = mem_printf("%s/%s", o->dir, log->name);
    rmdir(dir);
    log_free(log);
}

// The time at the start of a line of the file; -1 when it has none.
static int64_t line_time(struct str line)
{
    char text[20];
    uint64_t ms = 0;
    if (line.size < 25 || line.at[24] != '\t' || !str_to_u64(str_n(line.at + 20, 3), &ms)) {
        return -1;
    }
    // 2026-01-02T03:04:05 → 20260102T030405Z
    snprintf(text, sizeof text, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", line.at, line.at + 5, line.at + 8,
             line.at + 11, line.at + 14, line.at + 17);
    int64_t seconds = clock_amz_parse(text);
    return seconds < 0 ? -1 : seconds + (int64_t)ms;
}

int logs_read(struct observe *o, struct str function, int64_t since_ms,
              int (*each)(void *ctx, int64_t wall_ms, struct str line), void *ctx, struct err *err)
{
    struct function_log *log = map_get(&o->logs, function);
    if (log) {
        log_write(o, log);
    }
    CLEAN_MEM char *name = str_dup(function);
    CLEAN_MEM char *line = NULL;
    size_t room = 0;
    bool stop = false;
    for (int number = o->files_max - 1; number >= 0 && !stop; number--) {
        CLEAN_MEM char *path = file_path(o, name, number);
        FILE *file = fopen(path, "re");
        if (!file && errno != ENOENT) {
            return err_errno(err, ERR_IO, errno, "cannot read %s", path);
        }
        ssize_t size = 0;
        while (file && !stop && (size = getline(&line, &room, file)) > 0) {
            struct str text = str_n(line, (size_t)(line[size - 1] == '\n' ? size - 1 : size));
            int64_t when = line_time(text);
            stop = when >= since_ms && each(ctx, when, text) != 0;
        }
        if (file) {
            fclose(file);
        }
    }
    return 0;
}

void logs_follow(struct observe *o, struct str function, struct log_follower *follower)
{
    list_push_back(&log_of(o, function)->followers, &follower->link);
}

void logs_unfollow(struct log_follower *follower)
{
    list_remove(&follower->link);
}
