// SPDX-License-Identifier: Apache-2.0
// A batch of jobs, one after the other. A job is one item for its payload, or one for each object
// of its S3 records; the answer is then one JSON value, or an array of them in order.
#include "runner/batch.h"
#include "base/clock.h"
#include "base/mem.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define GRACE_US (5 * 1000000) // after the deadline, for the server to act first

struct run {
    struct wire_view payload;
    struct wire_view contents[WIRE_OBJECTS_MAX];
    char *sources[WIRE_OBJECTS_MAX]; // heap
    struct item items[WIRE_OBJECTS_MAX];
    size_t count;   // of items
    struct err err; // of the job as a whole
};

static void run_done(struct run *run)
{
    wire_view_close(&run->payload);
    for (size_t i = 0; i < run->count; i++) {
        wire_view_close(&run->contents[i]);
        free(run->sources[i]);
        buf_done(&run->items[i].answer);
    }
}

static void add_item(struct run *run, const char *source, struct str bytes)
{
    struct item *item = &run->items[run->count++];
    *item = (struct item){.source = source, .bytes = bytes};
    buf_init(&item->answer, WIRE_PAYLOAD_MAX);
}

static int open_object(struct run *run, const struct wire_message *in,
                       const struct wire_object *object, struct err *err)
{
    size_t at = run->count;
    run->contents[at] = (struct wire_view){0};
    run->sources[at] =
        mem_printf("s3://" STR_FMT "/" STR_FMT, STR_ARG(object->bucket), STR_ARG(object->key));
    add_item(run, run->sources[at], STR(""));
    if (object->content.place == WIRE_MISSING) {
        return err_aws(err, ERR_NOT_FOUND, TASK_NO_OBJECT, "%s: " STR_FMT, run->sources[at],
                       STR_ARG(object->content.bytes));
    }
    TRY(wire_view_open(&run->contents[at], in, &object->content, WIRE_TRUSTED, err));
    run->items[at].bytes = run->contents[at].bytes;
    return 0;
}

static int open_items(struct run *run, const struct package *package, const struct wire_message *in,
                      const struct wire_job *job, struct err *err)
{
    TRY(wire_view_open(&run->payload, in, &job->payload, WIRE_TRUSTED, err));
    if (job->object_count == 0 || package->task->wants_payload) {
        run->contents[0] = (struct wire_view){0};
        run->sources[0] = NULL;
        add_item(run, "the payload", run->payload.bytes);
        return 0;
    }
    for (uint32_t i = 0; i < job->object_count; i++) {
        TRY(open_object(run, in, &job->objects[i], err));
    }
    return 0;
}

// The first failure of an item is the job's: its message names the item.
static int gather(struct run *run, struct buf *joined, struct str *ret, struct err *err)
{
    for (size_t i = 0; i < run->count; i++) {
        struct item *item = &run->items[i];
        if (item->err.code == 0 && !buf_ok(&item->answer)) {
            err_aws(&item->err, ERR_LIMIT, TASK_BAD_REQUEST, "the answer is larger than %u bytes",
                    WIRE_PAYLOAD_MAX);
        }
        if (item->err.code < 0) {
            *err = item->err;
            return run->count > 1 || run->sources[0] ? err_prefix(err, "%s", item->source)
                                                     : err->code;
        }
        if (run->count == 1) {
            *ret = buf_str(&item->answer);
            return 0;
        }
        if (item->raw) {
            return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST,
                           "%s: its answer is not JSON and "
                           "cannot be one of several",
                           item->source);
        }
        buf_add_char(joined, i == 0 ? '[' : ',');
        buf_add_str(joined, buf_str(&item->answer));
    }
    buf_add_char(joined, ']');
    *ret = buf_str(joined);
    return buf_ok(joined) ? 0
                          : err_aws(err, ERR_LIMIT, TASK_BAD_REQUEST,
                                    "the answers are larger "
                                    "than %u bytes",
                                    WIRE_PAYLOAD_MAX);
}

static uint64_t peak_kb(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss : 0;
}

static int send_result(struct wire_message *out, int fd, struct wire_result *result,
                       struct str answer, struct err *err)
{
    wire_message_reset(out, WIRE_RESULT);
    CLEAN_FD int answer_fd = -1;
    if (answer.size > WIRE_INLINE_MAX) {
        answer_fd = wire_memfd("rouse-answer", answer, err);
        TRY(answer_fd);
        out->fds[out->fd_count++] = answer_fd;
        result->payload = (struct wire_bytes){.place = WIRE_FD, .size = answer.size};
    } else {
        result->payload = (struct wire_bytes){.place = WIRE_INLINE, .bytes = answer};
    }
    wire_put_result(out, result);
    int rc = wire_send(fd, out, err);
    out->fd_count = 0; // borrowed
    return rc;
}

// When the server is gone nobody kills a job that hangs: a timer does, some time after the
// deadline. Its signal ends the process.
static void arm(int64_t deadline_us)
{
    struct itimerval timer = {0};
    int64_t left_us = deadline_us ? deadline_us - clock_mono_us() + GRACE_US : 0;
    left_us = deadline_us && left_us < GRACE_US ? GRACE_US : left_us;
    timer.it_value.tv_sec = left_us / 1000000;
    timer.it_value.tv_usec = left_us % 1000000;
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int answer_job(struct package *package, const struct wire_message *in,
                      const struct wire_job *job, int fd, struct wire_message *out, struct err *err)
{
    int64_t began_us = clock_mono_us();
    struct run run; // large: only what is used is filled in
    run.count = 0;
    run.err = (struct err){0};
    run.payload = (struct wire_view){0};
    CLEAN(buf_done) struct buf joined = BUF_INIT(WIRE_PAYLOAD_MAX);
    struct wire_result result = {.id = job->id};
    struct str answer = STR("");
    CLEAN_MEM char *log = NULL;
    int rc = open_items(&run, package, in, job, &run.err);
    if (rc == 0) {
        package->task->run(package, run.items, run.count);
        rc = gather(&run, &joined, &answer, &run.err);
    }
    for (size_t i = 0; i < run.count; i++) {
        result.decode_us += run.items[i].decode_us;
    }
    if (rc < 0) {
        answer = STR("");
        result.failed = 1;
        result.error_type = str_of(run.err.aws ? run.err.aws : TASK_BAD_MODEL);
        result.error_message = str_of(run.err.text);
        log = mem_printf("[ERROR] " STR_FMT ": %s\n", STR_ARG(result.error_type), run.err.text);
        result.log = str_of(log);
    }
    result.run_us = (uint64_t)(clock_mono_us() - began_us) - result.decode_us;
    result.memory_max_kb = peak_kb();
    rc = send_result(out, fd, &result, answer, err);
    run_done(&run);
    return rc;
}

int batch_run(struct package *package, struct wire_message *in, int fd, struct wire_message *out,
              struct err *err)
{
    uint32_t count = 0;
    TRY(wire_get_count(in, &count, err));
    struct wire_job job;
    size_t start = in->at;
    for (uint32_t i = 0; i < count; i++) { // all of it is sound before any of it runs
        TRY(wire_get_job(in, &job, err));
    }
    TRY(wire_get_end(in, err));
    in->at = start;
    for (uint32_t i = 0; i < count; i++) {
        TRY(wire_get_job(in, &job, err));
        arm(job.deadline_us);
        TRY(answer_job(package, in, &job, fd, out, err));
    }
    arm(0);
    return 0;
}
