// SPDX-License-Identifier: Apache-2.0
// Extensions of one instance: who has registered for what, is ready, or has failed. Internal ones live
// in the runtime's process; external ones are known by name before they come.
//
//     Started ──register──► Registered ──`next`──► Ready ──event──► (busy) ──`next`──► Ready
//        └───────────────────────┴─ init/error, exit/error ─► InitError, ExitError
#include "base/check.h"
#include "worker/link.h"

#include <stdio.h>

// ── events ──

bool extensions_wait(const struct runtime_link *link)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        const struct extension *e = &link->extensions[i];
        if (!e->asked || ((e->events & EXTENSION_INVOKE) && list_empty(&e->waiters))) {
            return false;
        }
    }
    return true;
}

void extensions_tell(struct runtime_link *link, const struct runtime_event *event)
{
    int kind = event->kind == RUNTIME_INVOKE ? EXTENSION_INVOKE : EXTENSION_SHUTDOWN;
    for (size_t i = 0; i < link->extension_count; i++) {
        struct extension *e = &link->extensions[i];
        bool wants = (e->events & kind) && !e->told;
        struct runtime_waiter *waiter = wants ? waiter_take(&e->waiters) : NULL;
        if (waiter) {
            e->told = kind == EXTENSION_SHUTDOWN;
            waiter->on_event(waiter, event);
        }
    }
}

bool runtime_link_extended(const struct runtime_link *link)
{
    bool any = false;
    for (size_t i = 0; i < link->extension_count; i++) {
        any = any || link->extensions[i].id.text[0];
    }
    return any;
}

// Those that are busy are told when they ask next.
void runtime_link_shutdown(struct runtime_link *link, const char *reason, int64_t deadline_ms)
{
    link->state = LINK_ENDING;
    link->job_count = 0;
    link->end_reason = reason;
    link->end_deadline_ms = deadline_ms;
    extensions_tell(link, &(struct runtime_event){.kind = RUNTIME_SHUTDOWN,
                                                  .reason = str_of(reason),
                                                  .deadline_ms = deadline_ms});
}

// ── who they are ──

void extension_add(struct runtime_link *link, struct str name, bool external)
{
    CHECK(link->extension_count < LINK_EXTENSIONS_MAX);
    struct extension *e = &link->extensions[link->extension_count++];
    e->name = str_dup(name);
    e->external = external;
    list_init(&e->waiters);
}

void extensions_done(struct runtime_link *link)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        (void)waiter_take(&link->extensions[i].waiters);
        free(link->extensions[i].name);
    }
    link->extension_count = 0;
}

static const char *state_of(const struct extension *e)
{
    return e->failed[0]    ? (e->asked ? "ExitError" : "InitError")
           : e->asked      ? "Ready"
           : e->id.text[0] ? "Registered"
                           : "Started";
}

void runtime_link_extensions(const struct runtime_link *link, struct buf *out)
{
    for (size_t i = 0; i < link->extension_count; i++) {
        const struct extension *e = &link->extensions[i];
        bool both = e->events == (EXTENSION_INVOKE | EXTENSION_SHUTDOWN);
        buf_printf(out, "EXTENSION\tName: %s\tState: %s\tEvents: [%s%s%s]%s%s\n", e->name,
                   state_of(e), e->events & EXTENSION_INVOKE ? "INVOKE" : "", both ? ", " : "",
                   e->events & EXTENSION_SHUTDOWN ? "SHUTDOWN" : "",
                   e->failed[0] ? "\tError Type: " : "", e->failed);
    }
}

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

// ── what they say ──

// Where events come several at a time, none is the one that an extension could go along with.
static int events_check(const struct runtime_link *link, const struct extension *e, int events,
                        struct err *err)
{
    if ((events & EXTENSION_SHUTDOWN) && !e) { // it hears of the end by a signal
        return err_aws(err, ERR_DENIED, "Extension.InvalidEventType",
                       "SHUTDOWN: event not supported for internal extensions");
    }
    if ((events & EXTENSION_INVOKE) && link->concurrency > 1) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidEventType",
                       "INVOKE: event not supported where several events run at once");
    }
    return 0;
}

int runtime_link_register(struct runtime_link *link, struct str name, int events,
                          struct uuid *ret_id, struct err *err)
{
    if (name.size == 0 || name.size > 255) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionName", "Empty extension name");
    }
    struct extension *e = extension_named(link, name);
    if (link->state != LINK_INIT) {
        return err_aws(err, ERR_DENIED, "Extension.RegistrationClosed",
                       "Extension registration closed already");
    }
    if (e && e->id.text[0]) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionState",
                       "Extension with this name already registered");
    }
    if (!e && link->extension_count == LINK_EXTENSIONS_MAX) {
        return err_aws(err, ERR_DENIED, "Extension.TooManyExtensions",
                       "Extension limit (%d) reached", LINK_EXTENSIONS_MAX);
    }
    TRY(events_check(link, e, events, err));
    if (!e) {
        extension_add(link, name, false);
        e = &link->extensions[link->extension_count - 1];
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
    if (e->failed[0]) {
        return err_aws(err, ERR_DENIED, "Extension.InvalidExtensionState",
                       "State transition from %s to Ready failed for extension %s. Error: State "
                       "transition is not allowed",
                       state_of(e), e->name);
    }
    e->asked = true;
    waiter_put(&e->waiters, waiter, false);
    if (link->state == LINK_ENDING) {
        runtime_link_shutdown(link, link->end_reason, link->end_deadline_ms);
    } else {
        link_look(link);
    }
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
    snprintf(e->failed, sizeof e->failed, STR_FMT, STR_ARG(str_head(type, 63)));
    const char *name = e->asked ? "Extension.ExitError" : "Extension.InitError";
    if (link->state != LINK_ENDING) {
        link->events.on_extension_failed(link->events.ctx, name);
    }
    return 0;
}
