// SPDX-License-Identifier: Apache-2.0
// Which templates a function gets, and from which an instance is forked: the deepest that there is.
//
// What a function imports is seen where nothing is imported yet, so the first template of new code is
// forked from the root and says it. It is taken the place of by one that is forked from a template of
// those libraries, where all that use them share their memory.
#include "base/log.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "sandbox/cgroup.h"
#include "worker/libraries.h"
#include "worker/spawn_config.h"
#include "worker/program.h"
#include "worker/template_internal.h"
#include "worker/weights.h"

#include <sys/epoll.h>
#include <unistd.h>

#define LIBRARIES_CONFIG_MAX (512 * 1024)

// ── forking instances ──

static struct template *function_find(struct templates *owner, const struct function *f)
{
    struct template *t = map_get(&owner->at[TEMPLATE_FUNCTION], str_of(f->revision));
    if (t && loop_now_us(owner->loop) - t->born_us > CREDENTIALS_MS * 1000 / 2) {
        template_retire(t); // what it holds of credentials is getting old
        t = NULL;
    }
    t = t && !t->ready ? t->elder : t;
    return t && t->ready ? t : NULL;
}

static struct template *libraries_ready(struct templates *owner, const struct function *f)
{
    const char *key = map_get(&owner->libraries_of, str_of(f->revision));
    struct template *t = key ? map_get(&owner->at[TEMPLATE_LIBRARIES], str_of(key)) : NULL;
    return t && t->ready ? t : NULL;
}

// An instance had to start without it: from now on it loads as fast as everybody else runs.
static void hurry(struct template *t)
{
    if (t && !t->ready && !t->wanted) {
        t->wanted = true;
        cgroup_background(t->group, false);
    }
}

static void function_hurry(struct templates *owner, const struct function *f)
{
    const char *libraries = map_get(&owner->libraries_of, str_of(f->revision));
    hurry(map_get(&owner->at[TEMPLATE_FUNCTION], str_of(f->revision)));
    hurry(libraries ? map_get(&owner->at[TEMPLATE_LIBRARIES], str_of(libraries)) : NULL);
}

int templates_spawn(struct templates *owner, struct function *f, struct spawn *spawn,
                    enum tier *ret_tier, int *ret_fd, int *ret_log_fd, struct err *err)
{
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    weights_use(owner->options.weights, f);
    TRY(program_find(f, &program, err));
    struct template *t = program.forks ? function_find(owner, f) : NULL;
    *ret_tier = TIER_WARM;
    if (!t && program.forks) {
        function_hurry(owner, f);
        t = libraries_ready(owner, f);
        *ret_tier = TIER_COOL;
    }
    if (!t) {
        TRY(template_root(owner, &program, &t, err));
        *ret_tier = t->ready && program.forks ? TIER_COOL : TIER_COLD;
    }
    struct template_order order = {
        .role = WIRE_INSTANCE, .f = f, .program = &program, .spawn = spawn};
    return template_ask(t, &order, ret_fd, ret_log_fd, err);
}

// ── making templates ──

// Asks for what `made` stands for. On failure it is gone.
static int made_start(struct template *made, struct template *from,
                      const struct template_order *order, struct err *err)
{
    CLEAN_FD int log_fd = -1; // what a template prints while it loads is its instances' to print
    int rc = template_ask(from, order, &made->watch.fd, &log_fd, err);
    rc = rc < 0 ? rc : loop_watch(made->owner->loop, &made->watch, EPOLLIN, err);
    if (rc < 0) {
        template_free(made);
    }
    return rc;
}

static void room_make(struct templates *owner)
{
    size_t count = owner->at[TEMPLATE_FUNCTION].count + owner->at[TEMPLATE_LIBRARIES].count;
    if (count >= (size_t)owner->options.functions_max) {
        templates_relieve(owner);
    }
}

static char *libraries_key(const struct runtime_program *program, struct str config)
{
    uint8_t digest[CHECKSUM_SIZE_MAX];
    char text[2 * CHECKSUM_SIZE_MAX + 1];
    struct checksum sum;
    checksum_init(&sum, CHECKSUM_SHA256);
    checksum_add(&sum, str_of(program->key));
    checksum_add(&sum, config);
    hex_write(digest, checksum_end(&sum, digest), text);
    return mem_dup(text);
}

// *ret stays as it is when there can be no template of these libraries.
static int libraries_make(struct templates *owner, struct template *root, struct function *f,
                          const struct runtime_program *program, struct str modules,
                          struct template **ret, struct err *err)
{
    CLEAN(buf_done) struct buf config = BUF_INIT(LIBRARIES_CONFIG_MAX);
    spawn_config_libraries(&config, f, owner->region, owner->endpoint, modules);
    char *key = libraries_key(program, buf_str(&config));
    free(map_put(&owner->libraries_of, str_of(f->revision), key));
    struct template *t = map_get(&owner->at[TEMPLATE_LIBRARIES], str_of(key));
    if (map_get(&owner->unforkable, str_of(key))) {
        return 0;
    }
    if (!t) {
        room_make(owner);
        t = template_new(owner, TEMPLATE_LIBRARIES, f, key);
        struct template_order order = {.role = WIRE_LIBRARIES,
                                       .f = f,
                                       .program = program,
                                       .libraries = buf_str(&config),
                                       .made = t};
        TRY(made_start(t, root, &order, err));
    }
    template_used(t);
    *ret = t;
    return 0;
}

// What the function's own template is to be forked from, and whether it is to tell what it imports.
static int base_find(struct templates *owner, struct template *root, struct function *f,
                     const struct runtime_program *program, struct template **ret, bool *ret_learn,
                     struct err *err)
{
    CLEAN(libraries_done) struct libraries libraries = {0};
    *ret = root;
    *ret_learn = false;
    if (!program->config || !owner->options.store) {
        return 0;
    }
    TRY(libraries_find(owner->options.store, f, &libraries, err));
    *ret_learn = !libraries.current;
    struct template *base = root;
    if (libraries.modules && *libraries.modules) {
        TRY(libraries_make(owner, root, f, program, str_of(libraries.modules), &base, err));
    }
    *ret = *ret_learn ? root : base;
    return 0;
}

int templates_make(struct templates *owner, struct function *f, struct err *err)
{
    struct map *functions = &owner->at[TEMPLATE_FUNCTION];
    struct template *t = map_get(functions, str_of(f->revision));
    if (t && t->from_libraries) {
        return 0;
    }
    CLEAN(runtime_program_done) struct runtime_program program = {0};
    struct template *root = NULL, *from = NULL;
    bool learn = false;
    TRY(program_find(f, &program, err));
    TRY(template_root(owner, &program, &root, err));
    if (!program.forks) {
        return 0;
    }
    TRY(base_find(owner, root, f, &program, &from, &learn, err));
    if (map_get(&owner->unforkable, str_of(f->revision)) || (t && from == root)) {
        return 0;
    }
    room_make(owner);
    weights_use(owner->options.weights, f);
    t = template_new(owner, TEMPLATE_FUNCTION, f, f->revision);
    t->from_libraries = from != root;
    struct template_order order = {
        .role = WIRE_TEMPLATE, .f = f, .program = &program, .learn = learn, .made = t};
    return made_start(t, from, &order, err);
}

// Its own template is to be forked from one of these libraries now, unless it has changed meanwhile.
static void on_kept(void *ctx, struct function *f)
{
    struct templates *owner = ctx;
    struct str revision = str_of(f->revision);
    struct err err = {0};
    if ((map_get(&owner->at[TEMPLATE_FUNCTION], revision) ||
         map_get(&owner->unforkable, revision)) &&
        templates_make(owner, f, &err) < 0) {
        log_warn("no template of the libraries of %s: %s", f->name, err.text);
    }
}

int template_learned(struct template *t, struct str modules, struct err *err)
{
    if (t->level != TEMPLATE_FUNCTION || t->from_libraries || !t->owner->options.store) {
        return err_set(err, ERR_PROTOCOL, "it tells what nobody has asked");
    }
    return libraries_keep(t->owner->options.store, t->function, modules, on_kept, t->owner, err);
}

void templates_drop(struct templates *owner, const struct function *f)
{
    struct str revision = str_of(f->revision);
    map_remove(&owner->unforkable, revision);
    free(map_remove(&owner->libraries_of, revision));
    for (struct template *t; (t = map_get(&owner->at[TEMPLATE_FUNCTION], revision));) {
        template_retire(t); // and its elder, which takes its place
    }
}

bool templates_relieve(struct templates *owner)
{
    struct template *oldest = NULL;
    for (int level = TEMPLATE_LIBRARIES; level <= TEMPLATE_FUNCTION; level++) {
        size_t at = 0;
        for (struct template *t; (t = map_next(&owner->at[level], &at));) {
            if (!oldest || t->used_us < oldest->used_us) {
                oldest = t;
            }
        }
    }
    if (oldest) {
        template_retire(oldest);
    }
    return oldest != NULL;
}
