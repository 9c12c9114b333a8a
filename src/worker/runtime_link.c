// SPDX-License-Identifier: Apache-2.0
// The states of one instance that asks for its work, and who may say what in which of them.
#include "worker/runtime_link.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "format/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXTENSIONS_MAX 10
#define ACCEPTS_A_TURN 16

enum link_state { LINK_INIT, LINK_READY, LINK_BUSY, LINK_FAILED };

struct extension {
    char *name;
    struct uuid id; // empty until it has registered
    int events;
    bool asked; // it has called `next`, so it is ready
    struct runtime_waiter *waiter;
};

struct runtime_link {
    struct loop *loop;
    struct function *function; // a reference
    struct runtime_link_events events;
    const struct runtime_api *api;
    void *data;
    struct watch watch; // of the listening socket
    int state;          // enum link_state
    bool asked;         // the runtime has called `next`
    struct runtime_waiter *waiter;
    struct runtime_waiter *stocked; // waits to begin
    struct bytes *config;           // it may; until it is handed out
    struct job *job;                // given; in BUSY it has been handed out
    struct extension extensions[EXTENSIONS_MAX];
    size_t extension_count;
};

// ── waiting ──

static void waiter_put(struct runtime_waiter **place, struct runtime_waiter *waiter)
{
    if (*place) { // who asks twice has given up waiting the first time
        (*place)->place = NULL;
    }
    *place = waiter;
    waiter->place = place;
}

static struct runtime_waiter *waiter_take(struct runtime_waiter **place)
{
    struct runtime_waiter *waiter = *place;
    *place = NULL;
    if (waiter) {
        waiter->place = NULL;
    }
    return waiter;
}

void runtime_waiter_stop(struct runtime_waiter *waiter)
{
    if (waiter->place) {
        *waiter->place = NULL;
        waiter->place = NULL;
    }
}

// ── handing out ──

static bool extensions_wait(const struct runtime_link *link)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        const struct extension *e = &link->extensions[i];
        if (!e->asked || ((e->events & EXTENSION_INVOKE) && !e->waiter)) {
            return false;
        }
    }
    return true;
}

static void hand_out(struct runtime_link *link)
{
    if (link->state != LINK_READY || !link->job || !link->waiter || !extensions_wait(link)) {
        return;
    }
    link->state = LINK_BUSY;
    link->job->begun = true;
    struct runtime_event event = {
        .kind = RUNTIME_INVOKE,
        .job = link->job,
        .deadline_ms = clock_wall_ms() + (link->job->deadline_us - clock_mono_us()) / 1000,
    };
    for (size_t i = 0; i < link->extension_count; i++) {
        struct extension *e = &link->extensions[i];
        struct runtime_waiter *waiter =
            e->events & EXTENSION_INVOKE ? waiter_take(&e->waiter) : NULL;
        if (waiter) {
            waiter->on_event(waiter, &event);
        }
    }
    struct runtime_waiter *waiter = waiter_take(&link->waiter);
    waiter->on_event(waiter, &event);
}

// The first time that all are there, the instance is ready; later, there may be a job.
static void look(struct runtime_link *link)
{
    if (link->state == LINK_INIT && link->asked && extensions_wait(link)) {
        link->state = LINK_READY;
        link->events.on_ready(link->events.ctx);
    }
    hand_out(link);
}

void runtime_link_give(struct runtime_link *link, struct job *job)
{
    CHECK(!link->job && link->state != LINK_INIT);
    link->job = job;
    hand_out(link);
}

static void stock_look(struct runtime_link *link)
{
    if (link->config && link->stocked) {
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
    waiter_put(&link->stocked, waiter);
    stock_look(link);
    if (link->stocked) {
        link->events.on_waiting(link->events.ctx);
    }
    return 0;
}

bool runtime_link_shutdown(struct runtime_link *link, const char *reason, int64_t deadline_ms)
{
    bool told = false;
    struct runtime_event event = {
        .kind = RUNTIME_SHUTDOWN, .reason = str_of(reason), .deadline_ms = deadline_ms};
    for (size_t i = 0; i < link->extension_count; i++) {
        struct extension *e = &link->extensions[i];
        struct runtime_waiter *waiter =
            e->events & EXTENSION_SHUTDOWN ? waiter_take(&e->waiter) : NULL;
        if (waiter) {
            waiter->on_event(waiter, &event);
            told = true;
        }
    }
    return told;
}

// ── what the runtime says ──

static int not_now(const char *what, const struct runtime_link *link, struct err *err)
{
    static const char *const names[] = {"Started", "Ready", "Running", "InitError"};
    return err_aws(err, ERR_DENIED, "InvalidStateTransition",
                   "State transition from %s to %s failed for runtime. Error: State transition is "
                   "not allowed",
                   names[link->state], what);
}

int runtime_link_next(struct runtime_link *link, struct runtime_waiter *waiter, struct err *err)
{
    if (link->state == LINK_BUSY || link->state == LINK_FAILED) {
        return not_now("Ready", link, err);
    }
    link->asked = true;
    waiter_put(&link->waiter, waiter);
    look(link);
    return 0;
}

int runtime_link_may_answer(const struct runtime_link *link, struct str request_id, struct err *err)
{
    if (link->state != LINK_BUSY) {
        return not_now("InvocationResponse", link, err);
    }
    if (!str_eq(request_id, str_of(link->job->request_id.text))) {
        return err_aws(err, ERR_INVALID, "InvalidRequestID", "Invalid request ID");
    }
    return 0;
}

static void answered(struct runtime_link *link)
{
    struct job *job = MOVE(link->job);
    link->state = LINK_READY;
    link->events.on_answered(link->events.ctx, job);
}

int runtime_link_stream(struct runtime_link *link, struct str request_id, struct job_source *source,
                        struct str content_type, struct err *err)
{
    TRY(runtime_link_may_answer(link, request_id, err));
    if (!link->job->sink) {
        return 0;
    }
    if (link->job->streamed) {
        return err_aws(err, ERR_INVALID, "InvalidRequestID", "Invalid request ID");
    }
    job_stream_begin(link->job, source, content_type);
    return 1;
}

int runtime_link_answer(struct runtime_link *link, struct str request_id, struct buf *payload,
                        struct err *err)
{
    TRY(runtime_link_may_answer(link, request_id, err));
    link->job->result.status = JOB_OK;
    link->job->result.payload = bytes_take(payload);
    answered(link);
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
    TRY(runtime_link_may_answer(link, request_id, err));
    link->job->result.status = JOB_FUNCTION_ERROR;
    link->job->result.told = true; // whoever fails says so on its own standard error
    snprintf(link->job->result.error_type, sizeof link->job->result.error_type, STR_FMT,
             STR_ARG(str_head(type, 63)));
    link->job->result.payload = document_of(type, document);
    answered(link);
    return 0;
}

int runtime_link_break(struct runtime_link *link, struct str request_id, const char *type,
                       struct err *err)
{
    TRY(runtime_link_may_answer(link, request_id, err));
    struct job_result *result = &link->job->result;
    result->status = JOB_FUNCTION_ERROR;
    result->told = true;
    snprintf(result->platform_error, sizeof result->platform_error, "%s", type);
    answered(link);
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

// ── extensions ──

static struct extension *extension_find(struct runtime_link *link, struct str id)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        struct extension *e = &link->extensions[i];
        if (e->id.text[0] && str_eq(id, str_of(e->id.text))) {
            return e;
        }
    }
    return NULL;
}

static struct extension *extension_named(struct runtime_link *link, struct str name)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        if (str_eq(name, str_of(link->extensions[i].name))) {
            return &link->extensions[i];
        }
    }
    return NULL;
}

int runtime_link_register(struct runtime_link *link, struct str name, int events,
                          struct uuid *ret_id, struct err *err)
{
    if (name.size == 0 || name.size > 255) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionName", "Empty extension name");
    }
    struct extension *e = extension_named(link, name);
    if (!e && link->state != LINK_INIT) {
        return err_aws(err, ERR_DENIED, "Extension.RegistrationClosed",
                       "Extension registration closed already");
    }
    if (e && e->id.text[0]) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionState",
                       "Extension with this name already registered");
    }
    if (!e && link->extension_count == EXTENSIONS_MAX) {
        return err_aws(err, ERR_DENIED, "Extension.TooManyExtensions",
                       "Extension limit (%d) reached", EXTENSIONS_MAX);
    }
    if (!e) { // inside the runtime's process; it hears of the end by a signal
        if (events & EXTENSION_SHUTDOWN) {
            return err_aws(err, ERR_DENIED, "Extension.InvalidEventType",
                           "SHUTDOWN: event not supported for internal extensions");
        }
        e = &link->extensions[link->extension_count++];
        e->name = str_dup(name);
    }
    e->id = uuid_new();
    e->events = events;
    *ret_id = e->id;
    return 0;
}

static int extension_need(struct runtime_link *link, struct str id, struct extension **ret,
                          struct err *err)
{
    if (id.size == 0) {
        return err_aws(err, ERR_DENIED, "Extension.MissingExtensionIdentifier",
                       "Missing Lambda-Extension-Identifier header");
    }
    *ret = extension_find(link, id);
    if (!*ret && id.size != UUID_SIZE) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionIdentifier",
                       "Invalid Lambda-Extension-Identifier");
    }
    return *ret ? 0
                : err_aws(err, ERR_DENIED, "Extension.UnknownExtensionIdentifier",
                          "Unknown extension " STR_FMT, STR_ARG(id));
}

int runtime_link_extension_next(struct runtime_link *link, struct str id,
                                struct runtime_waiter *waiter, struct err *err)
{
    struct extension *e = NULL;
    TRY(extension_need(link, id, &e, err));
    e->asked = true;
    waiter_put(&e->waiter, waiter);
    look(link);
    return 0;
}

int runtime_link_extension_fail(struct runtime_link *link, struct str id, struct str type,
                                struct err *err)
{
    struct extension *e = NULL;
    TRY(extension_need(link, id, &e, err));
    if (type.size == 0) {
        return err_aws(err, ERR_DENIED, "Extension.MissingHeader",
                       "Missing Lambda-Extension-Function-Error-Type header");
    }
    CLEAN_MEM char *name = str_dup(str_head(type, 256));
    link->events.on_extension_failed(link->events.ctx, name);
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
                                      const struct runtime_link_events *events,
                                      const struct runtime_api *api)
{
    struct runtime_link *link = NEW(struct runtime_link);
    link->loop = loop;
    link->function = function_ref(function);
    link->events = *events;
    link->api = api;
    link->watch = (struct watch){.fd = -1, .on_ready = link_ready};
    return link;
}

int runtime_link_listen(struct runtime_link *link, int fd, const struct str *extensions,
                        size_t extension_count, struct err *err)
{
    CHECK(link->watch.fd < 0 && extension_count <= EXTENSIONS_MAX);
    link->watch.fd = fd;
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    for (size_t i = 0; i < extension_count; i++) {
        link->extensions[link->extension_count++].name = str_dup(extensions[i]);
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
    (void)waiter_take(&link->waiter);
    (void)waiter_take(&link->stocked);
    bytes_unref(link->config);
    for (size_t i = 0; i < link->extension_count; i++) {
        (void)waiter_take(&link->extensions[i].waiter);
        free(link->extensions[i].name);
    }
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
