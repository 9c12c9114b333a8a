// SPDX-License-Identifier: Apache-2.0
// The states of one instance that asks for its work, and who may say what in which of them.
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/json.h"
#include "worker/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_A_TURN 16

// ── waiting ──

void waiter_put(struct list *waiters, struct runtime_waiter *waiter, bool several)
{
    if (!several) {
        (void)waiter_take(waiters);
    }
    list_push_back(waiters, &waiter->link);
}

struct runtime_waiter *waiter_take(struct list *waiters)
{
    struct runtime_waiter *waiter = LIST_FIRST(waiters, struct runtime_waiter, link);
    if (waiter) {
        list_remove(&waiter->link);
    }
    return waiter;
}

void runtime_waiter_stop(struct runtime_waiter *waiter)
{
    if (waiter->link.next) {
        list_remove(&waiter->link);
    }
}

// ── handing out ──

static struct job *job_next(const struct runtime_link *link)
{
    for (size_t i = 0; i < link->job_count; i++) {
        if (!link->jobs[i]->begun) {
            return link->jobs[i];
        }
    }
    return NULL;
}

static void hand_out(struct runtime_link *link)
{
    struct job *job = NULL;
    while (link->state == LINK_READY && !list_empty(&link->waiters) && extensions_wait(link) &&
           (job = job_next(link))) {
        job->begun = true;
        struct runtime_event event = {
            .kind = RUNTIME_INVOKE,
            .job = job,
            .deadline_ms = clock_wall_ms() + (job->deadline_us - clock_mono_us()) / 1000,
        };
        extensions_tell(link, &event);
        struct runtime_waiter *waiter = waiter_take(&link->waiters);
        waiter->on_event(waiter, &event);
    }
}

// The first time that all are there, the instance is ready; later, there may be a job.
void link_look(struct runtime_link *link)
{
    if (link->state == LINK_INIT && link->asked && extensions_wait(link)) {
        link->state = LINK_READY;
        link->events.on_ready(link->events.ctx);
    }
    hand_out(link);
}

void runtime_link_give(struct runtime_link *link, struct job *job)
{
    CHECK(link->job_count < link->concurrency && link->state != LINK_INIT);
    link->jobs[link->job_count++] = job;
    hand_out(link);
}

static void job_drop(struct runtime_link *link, const struct job *job)
{
    size_t i = 0;
    while (i < link->job_count && link->jobs[i] != job) {
        i++;
    }
    CHECK(i < link->job_count);
    memmove(&link->jobs[i], &link->jobs[i + 1], (--link->job_count - i) * sizeof link->jobs[0]);
}

void runtime_link_take_back(struct runtime_link *link, struct job *job)
{
    job_drop(link, job);
    link->late = true;
}

static void stock_look(struct runtime_link *link)
{
    if (link->config && !list_empty(&link->stocked)) {
        struct bytes *config = MOVE(link->config);
        struct runtime_waiter *waiter = waiter_take(&link->stocked);
        struct runtime_event event = {.kind = RUNTIME_BEGIN, .config = bytes_str(config)};
        waiter->on_event(waiter, &event);
        bytes_unref(config);
    }
}

void runtime_link_begin(struct runtime_link *link, struct buf *config)
{
    bytes_unref(link->config);
    link->config = bytes_take(config);
    stock_look(link);
}

int runtime_link_await(struct runtime_link *link, struct runtime_waiter *waiter, struct err *err)
{
    if (link->state != LINK_INIT) {
        return err_aws(err, ERR_DENIED, "InvalidStateTransition", "It has begun already");
    }
    waiter_put(&link->stocked, waiter, false);
    stock_look(link);
    if (!list_empty(&link->stocked)) {
        link->events.on_waiting(link->events.ctx);
    }
    return 0;
}

// ── what the runtime says ──

static bool busy(const struct runtime_link *link)
{
    return link->job_count > 0 && link->jobs[0]->begun; // they begin in the order they were given
}

static int not_now(const char *what, const struct runtime_link *link, struct err *err)
{
    const char *state = link->state == LINK_INIT     ? "Started"
                        : link->state == LINK_FAILED ? "InitError"
                        : link->state == LINK_ENDING ? "Exited"
                        : busy(link)                 ? "Running"
                                                     : "Ready";
    return err_aws(err, ERR_DENIED, "InvalidStateTransition",
                   "State transition from %s to %s failed for runtime. Error: State transition is "
                   "not allowed",
                   state, what);
}

int runtime_link_next(struct runtime_link *link, struct runtime_waiter *waiter, struct err *err)
{
    bool several = link->concurrency > 1;
    if (link->state == LINK_FAILED || link->state == LINK_ENDING || (!several && busy(link))) {
        return not_now("Ready", link, err);
    }
    link->asked = true;
    waiter_put(&link->waiters, waiter, several);
    link_look(link);
    return 0;
}

// The job that an answer is to. NULL: one that was taken back; what is said of it is dropped.
static int job_find(const struct runtime_link *link, struct str request_id, struct job **ret,
                    struct err *err)
{
    *ret = NULL;
    for (size_t i = 0; i < link->job_count; i++) {
        struct job *job = link->jobs[i];
        if (job->begun && str_eq(request_id, str_of(job->request_id.text))) {
            *ret = job;
            return 0;
        }
    }
    if (link->late) {
        return 0;
    }
    return busy(link) ? err_aws(err, ERR_INVALID, "InvalidRequestID", "Invalid request ID")
                      : not_now("InvocationResponse", link, err);
}

static void answered(struct runtime_link *link, struct job *job)
{
    job_drop(link, job);
    link->events.on_answered(link->events.ctx, job);
}

int runtime_link_stream(struct runtime_link *link, struct str request_id, struct job_source *source,
                        struct str content_type, struct err *err)
{
    struct job *job = NULL;
    TRY(job_find(link, request_id, &job, err));
    if (!job || !job->sink) {
        return 0;
    }
    if (job->streamed) {
        return err_aws(err, ERR_INVALID, "InvalidRequestID", "Invalid request ID");
    }
    job_stream_begin(job, source, content_type);
    return 1;
}

int runtime_link_answer(struct runtime_link *link, struct str request_id, struct buf *payload,
                        struct err *err)
{
    struct job *job = NULL;
    TRY(job_find(link, request_id, &job, err));
    if (job) {
        job->result.status = JOB_OK;
        job->result.payload = bytes_take(payload);
        answered(link, job);
    }
    return 0;
}

// What is no JSON is no error document: the type stands for it.
static struct bytes *document_of(struct str type, struct buf *document)
{
    if (document->size > 0) {
        return bytes_take(document);
    }
    CLEAN(buf_done) struct buf made = BUF_INIT(4096);
    buf_add_text(&made, "{\"errorType\":");
    json_quote(&made, type.size ? str_head(type, 256) : STR("Runtime.Unknown"));
    buf_add_text(&made, ",\"errorMessage\":\"\"}");
    return bytes_take(&made);
}

int runtime_link_fail(struct runtime_link *link, struct str request_id, struct str type,
                      struct buf *document, struct err *err)
{
    struct job *job = NULL;
    TRY(job_find(link, request_id, &job, err));
    if (job) {
        struct job_result *result = &job->result;
        result->status = JOB_FUNCTION_ERROR;
        result->told = true; // whoever fails says so on its own standard error
        snprintf(result->error_type, sizeof result->error_type, STR_FMT,
                 STR_ARG(str_head(type, 63)));
        result->payload = document_of(type, document);
        answered(link, job);
    }
    return 0;
}

int runtime_link_break(struct runtime_link *link, struct str request_id, const char *type,
                       struct err *err)
{
    struct job *job = NULL;
    TRY(job_find(link, request_id, &job, err));
    if (job) {
        job->result.status = JOB_FUNCTION_ERROR;
        job->result.told = true;
        snprintf(job->result.platform_error, sizeof job->result.platform_error, "%s", type);
        answered(link, job);
    }
    return 0;
}

int runtime_link_init_fail(struct runtime_link *link, struct str type, struct buf *document,
                           struct err *err)
{
    if (link->state != LINK_INIT) {
        return not_now("InitError", link, err);
    }
    link->state = LINK_FAILED;
    CLEAN_MEM char *name = str_dup(type.size ? str_head(type, 256) : STR("Runtime.Unknown"));
    link->events.on_init_failed(link->events.ctx, name, document_of(type, document));
    return 0;
}

// ── life ──

static void link_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct runtime_link *link = CONTAINER_OF(watch, struct runtime_link, watch);
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
            log_warn("a runtime cannot reach us any more: %s", strerror(errno));
            loop_unwatch(link->loop, watch);
        }
        if (fd < 0) {
            return;
        }
        link->api->on_connected(link->api->ctx, link, fd);
    }
}

struct runtime_link *runtime_link_new(struct loop *loop, struct function *function,
                                      size_t concurrency, const struct runtime_link_events *events,
                                      const struct runtime_api *api)
{
    CHECK(concurrency > 0 && concurrency <= RUNTIME_CONCURRENCY_MAX);
    struct runtime_link *link = NEW(struct runtime_link);
    link->loop = loop;
    link->function = function_ref(function);
    link->concurrency = concurrency;
    list_init(&link->waiters);
    list_init(&link->stocked);
    link->events = *events;
    link->api = api;
    link->watch = (struct watch){.fd = -1, .on_ready = link_ready};
    return link;
}

int runtime_link_listen(struct runtime_link *link, int fd, const struct str *extensions,
                        size_t extension_count, struct err *err)
{
    CHECK(link->watch.fd < 0 && extension_count <= LINK_EXTENSIONS_MAX);
    link->watch.fd = fd;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < extension_count; i++) {
        extension_add(link, extensions[i], true);
    }
    return loop_watch(link->loop, &link->watch, EPOLLIN, err);
}

void runtime_link_free(struct runtime_link *link)
{
    if (!link) {
        return;
    }
    if (link->api->on_ended) {
        link->api->on_ended(link->api->ctx, link);
    }
    while (waiter_take(&link->waiters)) {
    }
    (void)waiter_take(&link->stocked);
    extensions_done(link);
    bytes_unref(link->config);
    loop_unwatch(link->loop, &link->watch);
    fd_clean(&link->watch.fd);
    function_unref(link->function);
    free(link);
}

void *runtime_link_data(const struct runtime_link *link)
{
    return link->data;
}

void runtime_link_set_data(struct runtime_link *link, void *data)
{
    link->data = data;
}

struct function *runtime_link_function(const struct runtime_link *link)
{
    return link->function;
}
