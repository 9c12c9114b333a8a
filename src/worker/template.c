// SPDX-License-Identifier: Apache-2.0
// Templates as the server sees them: a control socket each, on which forks are asked for and
// answered in order.
#include "base/log.h"
#include "sandbox/cgroup.h"
#include "wire/wire.h"
#include "worker/template_internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>

// ── life ──

static struct map *map_of(struct template *t)
{
    return t->function ? &t->owner->functions : &t->owner->roots;
}

// Closing its socket ends the process; whoever it was asked for sees its own socket closed.
void template_free(struct template *t)
{
    loop_unwatch(t->owner->loop, &t->watch);
    timer_stop(t->owner->loop, &t->idle);
    fd_clean(&t->watch.fd);
    doorway_close(&t->doorway);
    cgroup_free(t->group);
    LIST_EACH(s, &t->spawnings, struct spawning, link)
    {
        if (s->spawn) {
            s->spawn->pending = NULL;
        }
        free(s->made);
        free(s);
    }
    if (map_get(map_of(t), str_of(t->key)) == t) {
        map_remove(map_of(t), str_of(t->key));
    }
    function_unref(t->function);
    free(t->key);
    free(t);
}

static void idle_due(struct timer *timer)
{
    struct template *t = CONTAINER_OF(timer, struct template, idle);
    bool needed = !t->function && t->owner->functions.count > 0;
    if (needed) {
        timer_start(t->owner->loop, &t->idle, t->owner->options.idle_us);
    } else {
        template_free(t);
    }
}

void template_used(struct template *t)
{
    t->used_us = loop_now_us(t->owner->loop);
    timer_start(t->owner->loop, &t->idle, t->owner->options.idle_us);
}

static void template_readable(struct watch *watch, uint32_t events);

struct template *template_new(struct templates *owner, struct function *function, const char *key)
{
    struct template *t = NEW(struct template);
    t->owner = owner;
    t->function = function ? function_ref(function) : NULL;
    t->key = mem_dup(key);
    t->watch = (struct watch){.fd = -1, .on_ready = template_readable};
    t->idle.on_due = idle_due;
    list_init(&t->spawnings);
    map_put(map_of(t), str_of(key), t);
    template_used(t);
    t->born_us = t->used_us;
    return t;
}

struct cgroup *templates_group(struct templates *owner, const struct function *f, int pid)
{
    bool model =
        strcmp(f->runtime, "onnx") == 0; // what it needs is the engine's, and it forks nothing
    return model ? NULL : cgroup_new(owner->options.cgroups, pid, (uint64_t)f->memory_mb << 20);
}

// ── what a template says ──

static const char *name_of(const struct template *t)
{
    return t->function ? t->function->name : t->key;
}

// As we count: a template in a pid namespace of its own counts otherwise, and could say anything.
static int pid_of(int pid_fd)
{
    char path[64], text[512] = "";
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pid_fd);
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct str rest = {text, fd < 0 ? 0 : (size_t)read(fd, text, sizeof text - 1)};
    while (rest.at && rest.size < sizeof text) {
        struct str line = str_cut(&rest, '\n');
        int64_t pid = 0;
        if (str_starts(line, STR("Pid:")) && str_to_i64(str_trim(str_skip(line, 4)), &pid)) {
            return (int)pid;
        }
    }
    return 0;
}

static int spawned_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_spawned spawned = {0};
    TRY(wire_get_spawned(m, &spawned, err));
    struct spawning *s = LIST_FIRST(&t->spawnings, struct spawning, link);
    if (!s) {
        return err_set(err, ERR_PROTOCOL, "it spawned what nobody asked for");
    }
    list_remove(&s->link);
    struct spawn *spawn = s->spawn;
    CLEAN_MEM char *key = s->made;
    free(s);
    CLEAN_FD int pid_fd = wire_take_fd(m, 0);
    struct template *made = key ? map_get(&t->owner->functions, str_of(key)) : NULL;
    if (made && spawned.pid && !made->group) {
        made->group = templates_group(t->owner, made->function, pid_of(pid_fd));
    }
    if (spawn) {
        spawn->pending = NULL;
        int given = pid_fd;
        pid_fd = -1;
        spawn->on_spawned(spawn, spawned.pid ? pid_of(given) : 0, given, spawned.error);
    } else if (!made && pid_fd >= 0) { // given up meanwhile; it may not be able to see that
        pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
    }
    return 0;
}

static int message_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_ready ready = {0};
    if (m->kind == WIRE_SPAWNED) {
        return spawned_take(t, m, err);
    }
    if (m->kind == WIRE_WALLS && t->function) {
        return doorway_open(&t->doorway, t->owner, m, err);
    }
    TRY(wire_get_ready(m, &ready, err));
    t->ready = !ready.error;
    if (t->function && str_eq(ready.error_type, STR("Rouse.CannotFork"))) {
        map_put(&t->owner->unforkable, str_of(t->key), t->owner);
    }
    if (ready.error) {
        log_notice("%s: " STR_FMT ": " STR_FMT, name_of(t), STR_ARG(ready.error_type),
                   STR_ARG(ready.error_message));
    }
    return 0;
}

static void template_readable(struct watch *watch, uint32_t events)
{
    (void)events;
    struct template *t = CONTAINER_OF(watch, struct template, watch);
    CLEAN(wire_message_done) struct wire_message m;
    wire_message_init(&m, WIRE_READY);
    struct err err = {0};
    int rc = wire_recv(watch->fd, &m, &err);
    if (rc == ERR_BUSY) {
        return;
    }
    rc = rc == 1 ? message_take(t, &m, &err) : rc == 0 ? ERR_LOST : rc;
    if (rc < 0) {
        if (err.code) {
            log_warn("the template of %s is given up: %s", name_of(t), err.text);
        }
        template_free(t);
    }
}

// ── entry points ──

void spawn_cancel(struct spawn *spawn)
{
    if (spawn->pending) {
        spawn->pending->spawn = NULL;
        spawn->pending = NULL;
    }
}

int templates_spawn(struct templates *owner, struct function *f, struct spawn *spawn,
                    enum tier *ret_tier, int *ret_fd, int *ret_log_fd, struct err *err)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    TRY(runtime_find(f->runtime, &program, err));
    struct template *t = map_get(&owner->functions, str_of(f->revision));
    if (t && loop_now_us(owner->loop) - t->born_us > CREDENTIALS_MS * 1000 / 2) {
        template_free(t); // what it holds of credentials is getting old
        t = NULL;
    }
    if (t && t->ready) {
        *ret_tier = TIER_WARM;
        template_used(t);
    } else {
        TRY(template_root(owner, &program, &t, err));
        *ret_tier = t->ready && program.forks ? TIER_COOL : TIER_COLD;
    }
    return template_ask(t, WIRE_INSTANCE, f, &program, spawn, ret_fd, ret_log_fd, err);
}

int templates_make(struct templates *owner, struct function *f, struct err *err)
{
    if (map_get(&owner->functions, str_of(f->revision)) ||
        map_get(&owner->unforkable, str_of(f->revision))) {
        return 0;
    }
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct template *root = NULL;
    TRY(runtime_find(f->runtime, &program, err));
    TRY(template_root(owner, &program, &root, err));
    if (!program.forks) {
        return 0;
    }
    if (owner->functions.count >= (size_t)owner->options.functions_max) {
        templates_relieve(owner);
    }
    struct template *t = template_new(owner, f, f->revision);
    CLEAN_FD int log_fd = -1; // what a template prints while it loads is its instances' to print
    int rc = template_ask(root, WIRE_TEMPLATE, f, &program, NULL, &t->watch.fd, &log_fd, err);
    rc = rc < 0 ? rc : loop_watch(owner->loop, &t->watch, EPOLLIN, err);
    if (rc < 0) {
        template_free(t);
    }
    return rc;
}

void templates_drop(struct templates *owner, const struct function *f)
{
    map_remove(&owner->unforkable, str_of(f->revision));
    struct template *t = map_get(&owner->functions, str_of(f->revision));
    if (t) {
        template_free(t);
    }
}

bool templates_relieve(struct templates *owner)
{
    struct template *oldest = NULL;
    size_t at = 0;
    for (struct template *t; (t = map_next(&owner->functions, &at));) {
        if (!oldest || t->used_us < oldest->used_us) {
            oldest = t;
        }
    }
    if (oldest) {
        template_free(oldest);
    }
    return oldest != NULL;
}

int templates_count(const struct templates *owner)
{
    return (int)(owner->functions.count + owner->roots.count);
}

struct templates *templates_new(struct loop *loop, const struct template_options *options)
{
    struct templates *owner = NEW(struct templates);
    owner->loop = loop;
    owner->options = *options;
    owner->runner = mem_dup(options->runner ? options->runner : "rouse-runner");
    owner->region = mem_dup(options->region);
    list_init(&owner->children);
    return owner;
}

void templates_endpoint(struct templates *owner, const char *url)
{
    free(owner->endpoint);
    owner->endpoint = mem_dup(url);
}

static void all_free(struct map *map)
{
    while (map->count) {
        size_t at = 0;
        template_free(map_next(map, &at));
    }
    map_done(map);
}

void templates_free(struct templates *owner)
{
    if (!owner) {
        return;
    }
    all_free(&owner->functions);
    all_free(&owner->roots);
    map_done(&owner->unforkable);
    template_children_forget(owner);
    free(owner->runner);
    free(owner->region);
    free(owner->endpoint);
    free(owner);
}
