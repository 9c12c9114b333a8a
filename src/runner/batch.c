// SPDX-License-Identifier: Apache-2.0
// A batch of jobs: together where the model can, else one after the other. A job is one item for its
// payload, or one for each object of its S3 records; the answer is then one JSON value, or an array
// of them in order.
#include "runner/batch.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/tensors.h"
#include "runner/protocol.h"
#include "runner/together.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#define GRACE_US (5 * 1000000) // after the deadline, for the server to act first

struct run { // of one job
    struct wire_job job;
    struct wire_view payload;
    struct protocol protocol; // that the payload was wrapped in; zeroed: none
    struct item *items;       // its part of the batch's
    struct wire_view *contents;
    char **sources; // heap
    size_t count;   // of items
    struct err err; // of the job as a whole
};

// Jobs that are answered together, and room for their items.
struct batch {
    struct run *runs;
    size_t count;
    struct item *items;
    struct wire_view *contents;
    char **sources;
    size_t item_count;
};

static size_t items_of(const struct wire_job *job)
{
    return job->object_count ? job->object_count : 1;
}

static void batch_done(struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        wire_view_close(&batch->runs[i].payload);
        protocol_done(&batch->runs[i].protocol);
    }
    for (size_t i = 0; i < batch->item_count; i++) {
        wire_view_close(&batch->contents[i]);
        free(batch->sources[i]);
        buf_done(&batch->items[i].answer);
    }
    free(batch->runs);
    free(batch->items);
    free(batch->contents);
    free(batch->sources);
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
                      struct err *err)
{
    const struct wire_job *job = &run->job;
    TRY(wire_view_open(&run->payload, in, &job->payload, WIRE_TRUSTED, err));
    if (job->object_count == 0 || package->task->wants_payload) {
        struct str bytes = run->payload.bytes;
        if (tensors_is(bytes) && !package->task->speaks_protocol) {
            TRY(protocol_open(bytes, &run->protocol, err));
            TRY(protocol_payload(&run->protocol, &bytes, err));
        }
        add_item(run, "the payload", bytes);
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

// The answer in the form in which the payload came.
static int wrap(const struct run *run, struct str *text, struct buf *out, struct err *err)
{
    if (run->protocol.root) {
        protocol_wrap(&run->protocol, *text, out);
        *text = buf_str(out);
    }
    return buf_ok(out) ? 0
                       : err_aws(err, ERR_LIMIT, TASK_BAD_REQUEST,
                                 "the answer is larger than %u bytes", WIRE_PAYLOAD_MAX);
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

static int answer(struct run *run, uint64_t run_us, int fd, struct wire_message *out,
                  struct err *err)
{
    CLEAN(buf_done) struct buf joined = BUF_INIT(WIRE_PAYLOAD_MAX);
    CLEAN(buf_done) struct buf wrapped = BUF_INIT(WIRE_PAYLOAD_MAX);
    struct wire_result result = {.id = run->job.id, .run_us = run_us};
    struct str text = STR("");
    CLEAN_MEM char *log = NULL;
    if (run->err.code == 0) {
        (void)!(gather(run, &joined, &text, &run->err) || wrap(run, &text, &wrapped, &run->err));
    }
    for (size_t i = 0; i < run->count; i++) {
        result.decode_us += run->items[i].decode_us;
    }
    if (run->err.code < 0) {
        text = STR("");
        result.failed = 1;
        result.error_type = str_of(run->err.aws ? run->err.aws : TASK_BAD_MODEL);
        result.error_message = str_of(run->err.text);
        log = mem_printf("[ERROR] " STR_FMT ": %s\n", STR_ARG(result.error_type), run->err.text);
        result.log = str_of(log);
    }
    result.memory_max_kb = peak_kb();
    return send_result(out, fd, &result, text, err);
}

// The items of the jobs that could be opened stand side by side: the task gets them as one array.
static void open_jobs(struct batch *batch, const struct package *package,
                      const struct wire_message *in)
{
    size_t used = 0;
    for (size_t i = 0; i < batch->count; i++) {
        struct run *run = &batch->runs[i];
        run->items = batch->items + used;
        run->contents = batch->contents + used;
        run->sources = batch->sources + used;
        if (open_items(run, package, in, &run->err) < 0) {
            for (size_t k = 0; k < run->count; k++) { // the next job's come here
                wire_view_close(&run->contents[k]);
                free(run->sources[k]);
                run->sources[k] = NULL;
                buf_done(&run->items[k].answer);
            }
            run->count = 0;
        }
        used += run->count;
    }
    batch->item_count = used;
}

// What the jobs spent together is divided among them; decoding is each one's own.
static int answer_jobs(struct batch *batch, struct package *package, const struct wire_message *in,
                       int fd, struct wire_message *out, struct err *err)
{
    int64_t began_us = clock_mono_us();
    open_jobs(batch, package, in);
    bool any = false;
    for (size_t i = 0; i < batch->count; i++) {
        any = any || batch->runs[i].err.code == 0;
    }
    if (any) {
        package->task->run(package, batch->items, batch->item_count);
    }
    uint64_t spent_us = (uint64_t)(clock_mono_us() - began_us);
    for (size_t i = 0; i < batch->item_count; i++) {
        spent_us -= batch->items[i].decode_us;
    }
    for (size_t i = 0; i < batch->count; i++) {
        TRY(answer(&batch->runs[i], spent_us / batch->count, fd, out, err));
    }
    return 0;
}

// Takes jobs out of the message, at most so many.
static int batch_take(struct batch *batch, struct wire_message *in, size_t most, struct err *err)
{
    batch->runs = mem_alloc(most * sizeof *batch->runs);
    size_t items = 0;
    for (batch->count = 0; batch->count < most; batch->count++) {
        struct run *run = &batch->runs[batch->count];
        TRY(wire_get_job(in, &run->job, err));
        items += items_of(&run->job);
    }
    batch->items = mem_alloc(items * sizeof *batch->items);
    batch->contents = mem_alloc(items * sizeof *batch->contents);
    batch->sources = mem_alloc(items * sizeof *batch->sources);
    return 0;
}

static int run_some(struct package *package, struct wire_message *in, size_t most, int fd,
                    struct wire_message *out, struct err *err)
{
    CLEAN(batch_done) struct batch batch = {0};
    TRY(batch_take(&batch, in, most, err));
    int64_t deadline_us = batch.runs[0].job.deadline_us;
    for (size_t i = 1; i < batch.count; i++) {
        int64_t other_us = batch.runs[i].job.deadline_us;
        deadline_us = other_us && other_us < deadline_us ? other_us : deadline_us;
    }
    arm(deadline_us);
    return answer_jobs(&batch, package, in, fd, out, err);
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
    uint32_t step = count > 1 && together_possible(package) ? count : 1;
    for (uint32_t i = 0; i < count; i += step) {
        TRY(run_some(package, in, step, fd, out, err));
    }
    arm(0);
    return 0;
}
