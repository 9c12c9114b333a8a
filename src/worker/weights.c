// SPDX-License-Identifier: Apache-2.0
// Files are looked at on pool threads, one round at a time; what follows from a round is decided here.
//
//     weights_use ──► read this one ──► over the budget? ──► look at all ──► the longest unused is unloaded
//                                              ▲                                        │
//                                              └──── look again, dropping its pages ◄───┘
//
// A page that a process still maps is not dropped, so those that are to go are tried again until their
// instances have ended, or their function is used again.
#include "worker/weights.h"
#include "base/log.h"
#include "base/map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODEL_FILE   "model.ort" // as rouse-runner prepare names it
#define AGAIN_US     200000      // instances that were stopped have ended by then, mostly
#define TRIES_MAX    25
#define VECTOR_PAGES 65536 // that are looked at with one call

struct model {
    char *path;
    struct function *function; // a reference
    int64_t used_ms;
    int64_t chosen_ms;       // to leave
    uint64_t size, resident; // as last looked at
    bool reading, leaving;
    int tries;
};

struct weights {
    struct loop *loop;
    struct pool *pool;
    struct weights_options options;
    struct map models; // struct model by path
    struct timer again;
    bool looking;
    uint64_t dropped;
};

struct row {
    char *path;
    enum weights_care care;
    uint64_t size, resident;
};

struct round {
    struct pool_work work;
    struct weights *weights;
    bool all; // else it reads one
    size_t count;
    struct row rows[];
};

// ---- on a pool thread

static uint64_t resident_of(const char *map, uint64_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), resident = 0;
    CLEAN_MEM unsigned char *vector = mem_alloc(VECTOR_PAGES);
    for (uint64_t at = 0; at < size; at += (uint64_t)VECTOR_PAGES * page) {
        uint64_t left = size - at, most = (uint64_t)VECTOR_PAGES * page;
        size_t part = (size_t)(left < most ? left : most);
        if (mincore((char *)(uintptr_t)map + at, part, vector) < 0) {
            return 0;
        }
        for (size_t i = 0; i < (part + page - 1) / page; i++) {
            resident += vector[i] & 1;
        }
    }
    uint64_t bytes = (uint64_t)resident * page;
    return bytes < size ? bytes : size;
}

void weights_measure(const char *path, enum weights_care care, uint64_t *ret_size,
                     uint64_t *ret_resident)
{
    struct stat st;
    *ret_size = *ret_resident = 0;
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0) {
        return;
    }
    if (care == WEIGHTS_DROP) { // only what is on the disk can be dropped
        (void)!fdatasync(fd);
        (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    size_t size = (size_t)st.st_size;
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        return;
    }
    *ret_size = size;
    *ret_resident = resident_of(map, size);
    if (care == WEIGHTS_READ && *ret_resident < size &&
        madvise(map, size, MADV_POPULATE_READ) == 0) {
        *ret_resident = size;
    }
    munmap(map, size);
}

static void round_run(struct pool_work *work)
{
    struct round *round = CONTAINER_OF(work, struct round, work);
    for (size_t i = 0; i < round->count; i++) {
        struct row *row = &round->rows[i];
        weights_measure(row->path, row->care, &row->size, &row->resident);
    }
}

// ---- what follows

static void model_free(struct model *model)
{
    function_unref(model->function);
    free(model->path);
    free(model);
}

static int64_t used_ms(const struct weights *w, const struct model *model)
{
    int64_t told = w->options.used_ms ? w->options.used_ms(w->options.ctx, model->function) : 0;
    return told > model->used_ms ? told : model->used_ms;
}

static uint64_t resident_sum(const struct weights *w)
{
    uint64_t sum = 0;
    size_t at = 0;
    for (const struct model *model; (model = map_next(&w->models, &at));) {
        sum += model->resident;
    }
    return sum;
}

static bool is_over(const struct weights *w)
{
    return w->options.bytes_max && resident_sum(w) > w->options.bytes_max;
}

// More of it than the few pages that may stay.
static bool is_there(const struct model *model)
{
    return model->resident * 20 > model->size;
}

static struct model *newest_find(const struct weights *w)
{
    struct model *newest = NULL;
    size_t at = 0;
    for (struct model *model; (model = map_next(&w->models, &at));) {
        newest = !newest || used_ms(w, model) > used_ms(w, newest) ? model : newest;
    }
    return newest;
}

// The longest unused; never the one that was used last, which would only be read again.
static struct model *victim_find(const struct weights *w)
{
    const struct model *newest = newest_find(w);
    struct model *oldest = NULL;
    size_t at = 0;
    for (struct model *model; (model = map_next(&w->models, &at));) {
        bool may = model != newest && is_there(model) && !model->leaving && !model->reading &&
                   model->tries == 0;
        if (may && (!oldest || used_ms(w, model) < used_ms(w, oldest))) {
            oldest = model;
        }
    }
    return oldest;
}

// Used since it was chosen, by an instance that was there: then another has been unused for longer.
static void leaves_no_more(const struct weights *w, struct model *model)
{
    if (model->leaving && used_ms(w, model) > model->chosen_ms) {
        model->leaving = false;
        model->tries = 0;
    }
}

static bool leaves(struct weights *w, struct model *model)
{
    if (model->leaving && !is_there(model)) {
        w->dropped++;
        log_debug("the weights of %s are dropped: the longest unused", model->function->name);
        model->leaving = false;
        model->tries = 0;
    } else if (model->leaving && ++model->tries > TRIES_MAX) {
        model->leaving = false; // somebody works with it; another goes, if one may
    }
    return model->leaving;
}

static void look_at_all(struct weights *w);

static void decide(struct weights *w)
{
    bool leaving = false;
    size_t at = 0;
    for (struct model *model; (model = map_next(&w->models, &at));) {
        leaving = leaves(w, model) || leaving;
    }
    struct model *victim = is_over(w) && !leaving ? victim_find(w) : NULL;
    if (victim) {
        victim->leaving = w->options.unload(w->options.ctx, victim->function);
        victim->chosen_ms = loop_wall_ms(w->loop);
        victim->tries = 1; // it is not chosen again before it was used again
    }
    if (leaving || victim) {
        timer_start(w->loop, &w->again, AGAIN_US);
    }
}

static void row_take(struct weights *w, const struct row *row)
{
    struct model *model = map_get(&w->models, str_of(row->path));
    if (!model) {
        return;
    }
    model->reading = model->reading && row->care != WEIGHTS_READ;
    model->size = row->size;
    model->resident = row->resident;
    if (row->size == 0 && !model->reading) { // its function is gone, or has another one
        map_remove(&w->models, str_of(row->path));
        model_free(model);
    }
}

static void round_done(struct pool_work *work)
{
    struct round *round = CONTAINER_OF(work, struct round, work);
    struct weights *w = round->weights;
    for (size_t i = 0; i < round->count; i++) {
        row_take(w, &round->rows[i]);
        free(round->rows[i].path);
    }
    bool all = round->all;
    free(round);
    w->looking = w->looking && !all;
    if (all) {
        decide(w);
    } else if (is_over(w)) {
        look_at_all(w);
    }
}

static struct round *round_new(struct weights *w, size_t count)
{
    struct round *round = mem_alloc(sizeof *round + count * sizeof *round->rows);
    round->weights = w;
    round->work.run = round_run;
    round->work.on_done = round_done;
    return round;
}

static void row_add(struct round *round, const struct model *model, enum weights_care care)
{
    round->rows[round->count++] = (struct row){.path = mem_dup(model->path), .care = care};
}

static void look_at_all(struct weights *w)
{
    if (w->looking || timer_running(&w->again)) {
        return;
    }
    struct round *round = round_new(w, w->models.count);
    size_t at = 0;
    for (struct model *model; (model = map_next(&w->models, &at));) {
        leaves_no_more(w, model);
        row_add(round, model, model->leaving ? WEIGHTS_DROP : WEIGHTS_LOOK);
    }
    round->all = w->looking = true;
    pool_submit(w->pool, &round->work);
}

static void again_due(struct timer *timer)
{
    look_at_all(CONTAINER_OF(timer, struct weights, again));
}

// ---- entry points

struct weights *weights_new(struct loop *loop, struct pool *pool,
                            const struct weights_options *options)
{
    struct weights *w = NEW(struct weights);
    w->loop = loop;
    w->pool = pool;
    w->options = *options;
    w->again.on_due = again_due;
    return w;
}

void weights_free(struct weights *w)
{
    if (!w) {
        return;
    }
    size_t at = 0;
    for (struct model *model; (model = map_next(&w->models, &at));) {
        model_free(model);
    }
    map_done(&w->models);
    timer_stop(w->loop, &w->again);
    free(w);
}

void weights_use(struct weights *w, struct function *f)
{
    if (!w || !f->prepared || strcmp(f->runtime, "onnx") != 0) {
        return;
    }
    CLEAN_MEM char *path = mem_printf("%s/" MODEL_FILE, f->prepared);
    struct model *model = map_get(&w->models, str_of(path));
    if (!model) {
        model = NEW(struct model);
        model->path = MOVE(path);
        map_put(&w->models, str_of(model->path), model);
    }
    struct function *was = model->function;
    model->function = function_ref(f);
    function_unref(was);
    model->used_ms = loop_wall_ms(w->loop);
    model->leaving = false;
    model->tries = 0;
    if (!model->reading) {
        struct round *round = round_new(w, 1);
        model->reading = true;
        row_add(round, model, WEIGHTS_READ);
        pool_submit(w->pool, &round->work);
    }
}

void weights_each(const struct weights *w,
                  void (*each)(void *ctx, const struct weights_model *model), void *ctx)
{
    size_t at = 0;
    for (const struct model *model; w && (model = map_next(&w->models, &at));) {
        struct weights_model view = {model->path, model->function, used_ms(w, model)};
        each(ctx, &view);
    }
}

uint64_t weights_budget(const struct weights *w)
{
    return w ? w->options.bytes_max : 0;
}

uint64_t weights_dropped(const struct weights *w)
{
    return w ? w->dropped : 0;
}
