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

#define LOADING_MAX_US (120 * 1000000ll) // a template that is not ready by then is stuck
#define RETIRED_MAX_US (10 * 1000000ll)  // and one that has not answered by then

// ── life ──

// Its elder, which it was to take the place of, goes on in its place.
static void place_leave(struct template *t)
{
    struct map *map = &t->owner->at[t->level];
    struct template *here = map_get(map, str_of(t->key));
    if (here == t && t->elder) {
        map_put(map, str_of(t->key), t->elder);
    } else if (here == t) {
        map_remove(map, str_of(t->key));
    } else if (here && here->elder == t) {
        here->elder = NULL;
    }
}

// Closing its socket ends the process.
void template_free(struct template *t)
{
    loop_unwatch(t->owner->loop, &t->watch);
    timer_stop(t->owner->loop, &t->idle);
    fd_clean(&t->watch.fd);
    doorway_close(&t->doorway);
    template_leave(t);
    LIST_EACH(s, &t->spawnings, struct spawning, link)
    {
        if (s->spawn) {
            s->spawn->pending = NULL;
        }
        free(s->made);
        free(s);
    }
    place_leave(t);
    list_remove(&t->retired_link);
    function_unref(t->function);
    free(t->key);
    free(t);
}

// An answer that finds nobody would leave an instance that nobody knows the process of.
void template_retire(struct template *t)
{
    if (!t->ready || list_empty(&t->spawnings)) {
        template_free(t);
        return;
    }
    place_leave(t);
    t->elder = NULL;
    t->retired = true;
    list_push_back(&t->owner->retired, &t->retired_link);
    timer_start(t->owner->loop, &t->idle, RETIRED_MAX_US);
}

static void idle_due(struct timer *timer)
{
    struct template *t = CONTAINER_OF(timer, struct template, idle);
    struct templates *owner = t->owner;
    if (t->retired) {
        template_free(t);
        return;
    }
    size_t below = owner->at[TEMPLATE_FUNCTION].count + owner->at[TEMPLATE_LIBRARIES].count;
    bool loading = !t->ready && loop_now_us(owner->loop) - t->born_us < LOADING_MAX_US;
    bool needed = loading || (t->level == TEMPLATE_ROOT && below > 0);
    if (needed) {
        timer_start(owner->loop, &t->idle, owner->options.idle_us);
    } else {
        template_retire(t);
    }
}

void template_used(struct template *t)
{
    t->used_us = loop_now_us(t->owner->loop);
    timer_start(t->owner->loop, &t->idle, t->owner->options.idle_us);
}

static void template_readable(struct watch *watch, uint32_t events);

struct template *template_new(struct templates *owner, enum template_level level,
                              struct function *function, const char *key)
{
    struct template *t = NEW(struct template);
    t->owner = owner;
    t->level = level;
    t->function = function ? function_ref(function) : NULL;
    t->key = mem_dup(key);
    t->watch = (struct watch){.fd = -1, .on_ready = template_readable};
    t->pid_fd = -1;
    t->idle.on_due = idle_due;
    list_init(&t->spawnings);
    list_init(&t->retired_link);
    t->elder = map_put(&owner->at[level], str_of(key), t);
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

// What it is a template of, for messages. Heap.
static char *name_of(const struct template *t)
{
    return t->level == TEMPLATE_ROOT        ? mem_dup(t->key)
           : t->level == TEMPLATE_LIBRARIES ? mem_printf("the libraries of %s", t->function->name)
                                            : mem_dup(t->function->name);
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

// Loading is in nobody's way, unless somebody waits for it.
static void group_make(struct template *t, int pid)
{
    t->group = t->level == TEMPLATE_LIBRARIES ? cgroup_new(t->owner->options.cgroups, pid, 0)
                                              : templates_group(t->owner, t->function, pid);
    cgroup_background(t->group, !t->wanted);
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
    struct template *made = key ? map_get(&t->owner->at[s->level], str_of(key)) : NULL;
    free(s);
    CLEAN_FD int pid_fd = wire_take_fd(m, 0);
    if (made && pid_fd >= 0 && made->pid_fd < 0) {
        made->pid = pid_of(pid_fd);
        group_make(made, made->pid);
        made->pid_fd = pid_fd;
        pid_fd = -1;
    } else if (spawn) {
        spawn->pending = NULL;
        int given = pid_fd;
        pid_fd = -1;
        spawn->on_spawned(spawn, spawned.pid ? pid_of(given) : 0, given, spawned.error);
    } else if (!made && pid_fd >= 0) { // given up meanwhile; it may not be able to see that
        pidfd_send_signal(pid_fd, SIGKILL, NULL, 0);
    }
    return 0;
}

// Once, since nobody tries again: in the function's log.
static void unforkable(struct template *t, struct str why)
{
    bool known = map_put(&t->owner->unforkable, str_of(t->key), t->owner);
    if (!known && t->owner->options.say) {
        bool libraries = t->level == TEMPLATE_LIBRARIES;
        CLEAN_MEM char *line = mem_printf(
            "Rouse.CannotFork: no template of %s: " STR_FMT "; instances load %s for themselves\n",
            libraries ? "the libraries of this function" : "this function",
            STR_ARG(str_head(why, 1024)), libraries ? "them" : "it");
        t->owner->options.say(t->owner->options.ctx, t->function, str_of(line));
    }
}

static int ready_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_ready ready = {0};
    TRY(wire_get_ready(m, &ready, err));
    t->ready = !ready.error;
    cgroup_background(t->group, false);
    if (t->ready && t->elder) {
        template_retire(t->elder);
    }
    if (t->function && str_eq(ready.error_type, STR("Rouse.CannotFork"))) {
        unforkable(t, ready.error_message);
    }
    if (ready.error) {
        CLEAN_MEM char *name = name_of(t);
        log_notice("%s: " STR_FMT ": " STR_FMT, name, STR_ARG(ready.error_type),
                   STR_ARG(ready.error_message));
    }
    return 0;
}

static int learned_take(struct template *t, struct wire_message *m, struct err *err)
{
    struct wire_learned learned = {0};
    TRY(wire_get_learned(m, &learned, err));
    return template_learned(t, learned.modules, err);
}

static int message_take(struct template *t, struct wire_message *m, struct err *err)
{
    switch (m->kind) {
    case WIRE_SPAWNED: return spawned_take(t, m, err);
    case WIRE_LEARNED: return learned_take(t, m, err);
    case WIRE_WALLS:
        return t->level == TEMPLATE_FUNCTION
                   ? doorway_open(&t->doorway, t->owner, m, err)
                   : err_set(err, ERR_PROTOCOL, "walls around what has none");
    default: return ready_take(t, m, err);
    }
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
        CLEAN_MEM char *name = name_of(t);
        if (err.code) {
            log_warn("the template of %s is given up: %s", name, err.text);
        }
        template_free(t);
    } else if (t->retired && list_empty(&t->spawnings)) {
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

int templates_count(const struct templates *owner)
{
    size_t count = 0;
    for (int level = 0; level < TEMPLATE_LEVELS; level++) {
        count += owner->at[level].count;
    }
    return (int)count;
}

int templates_budget(const struct templates *owner)
{
    return owner->options.functions_max;
}

bool templates_has(const struct templates *owner, const struct function *f)
{
    return map_get(&owner->at[TEMPLATE_FUNCTION], str_of(f->revision)) != NULL;
}

void templates_each(const struct templates *owner,
                    void (*each)(void *ctx, const struct template_view *template), void *ctx)
{
    static const char *const levels[] = {"runtime", "libraries", "function"};
    for (int level = 0; level < TEMPLATE_LEVELS; level++) {
        size_t at = 0;
        for (const struct template *t; (t = map_next(&owner->at[level], &at));) {
            struct template_view view = {.level = levels[level],
                                         .name = t->function ? t->function->name : t->key,
                                         .pid = t->pid,
                                         .ready = t->ready,
                                         .idle_us = loop_now_us(owner->loop) - t->used_us};
            each(ctx, &view);
        }
    }
}

struct templates *templates_new(struct loop *loop, const struct template_options *options)
{
    struct templates *owner = NEW(struct templates);
    owner->loop = loop;
    owner->options = *options;
    owner->runner = mem_dup(options->runner ? options->runner : "rouse-runner");
    owner->region = mem_dup(options->region);
    list_init(&owner->children);
    list_init(&owner->leaving);
    list_init(&owner->retired);
    return owner;
}

void templates_endpoint(struct templates *owner, const char *url)
{
    free(owner->endpoint);
    owner->endpoint = mem_dup(url);
}

void templates_walls(struct templates *owner, const char *names)
{
    free(owner->walls);
    owner->walls = mem_printf("ROUSE_SANDBOX=%s", names);
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
    LIST_EACH(t, &owner->retired, struct template, retired_link)
    {
        template_free(t);
    }
    for (int level = TEMPLATE_LEVELS; level-- > 0;) {
        all_free(&owner->at[level]);
    }
    size_t at = 0;
    for (char *key; (key = map_next(&owner->libraries_of, &at));) {
        free(key);
    }
    map_done(&owner->libraries_of);
    map_done(&owner->unforkable);
    template_children_forget(owner);
    free(owner->runner);
    free(owner->region);
    free(owner->endpoint);
    free(owner->walls);
    free(owner);
}
