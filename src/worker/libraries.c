// SPDX-License-Identifier: Apache-2.0
// Lists of libraries, between the templates that tell them and the store.
#include "worker/libraries.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/map.h"
#include "format/utf8.h"
#include "store/library.h"
#include "store/store.h"

#include <dirent.h>

// What a list is learned from, as text that is equal for equal code.
static char *code_of(const struct function *f)
{
    CLEAN(buf_done) struct buf code = BUF_INIT(64 * 1024);
    buf_printf(&code, "%s %s", f->runtime, f->code_sha256 ? f->code_sha256 : "");
    for (size_t i = 0; i < f->layer_count; i++) {
        buf_printf(&code, " %s", f->layers[i].package);
    }
    return buf_steal(&code);
}

// ── does a list hold for other code? ──

static struct str top_of(struct str name)
{
    return str_cut(&name, '.');
}

static bool folder_has(const char *folder, const struct map *names)
{
    bool found = false;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        found = map_get(names, top_of(str_of(e->d_name))) != NULL;
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

// "lib/python3.11/site-packages" of a layer, whichever version.
static bool site_packages_have(const char *folder, const struct map *names)
{
    bool found = false;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && !found && (e = readdir(dir));) {
        CLEAN_MEM char *below = mem_printf("%s/%s/site-packages", folder, e->d_name);
        found = e->d_name[0] != '.' && folder_has(below, names);
    }
    if (dir) {
        closedir(dir);
    }
    return found;
}

static bool brings(const struct function *f, struct str modules)
{
    struct map names = {0};
    for (struct str rest = modules; rest.at && rest.size;) {
        map_put(&names, top_of(str_cut(&rest, '\n')), &names);
    }
    bool found = f->package && folder_has(f->package, &names);
    for (size_t i = 0; i < f->layer_count && !found; i++) {
        CLEAN_MEM char *python = mem_printf("%s/python", f->layers[i].package);
        CLEAN_MEM char *lib = mem_printf("%s/lib", python);
        found = folder_has(python, &names) || site_packages_have(lib, &names);
    }
    map_done(&names);
    return found;
}

// ── the store ──

struct finding {
    const struct function *f;
    const char *code;
    struct libraries *libraries;
};

static void found(void *ctx, const struct library_list *list)
{
    struct finding *finding = ctx;
    struct str runtime = list->code;
    bool same_runtime = str_eq(str_cut(&runtime, ' '), str_of(finding->f->runtime));
    finding->libraries->current = str_eq(list->code, str_of(finding->code));
    if (finding->libraries->current || (same_runtime && !brings(finding->f, list->modules))) {
        finding->libraries->modules = str_dup(list->modules);
    }
}

int libraries_find(struct store *store, const struct function *f, struct libraries *ret,
                   struct err *err)
{
    *ret = (struct libraries){0};
    CLEAN_MEM char *code = code_of(f);
    struct finding finding = {f, code, ret};
    int rc = library_get(store_reader(store), str_of(f->name), str_of(f->version), str_of(code),
                         found, &finding, err);
    return rc < 0 ? rc : 0;
}

void libraries_done(struct libraries *libraries)
{
    free(libraries->modules);
    *libraries = (struct libraries){0};
}

struct keeping {
    struct store_task task;
    struct function *function; // a reference
    char *code, *modules;
    void (*on_kept)(void *ctx, struct function *f);
    void *ctx;
};

static int keeping_run(struct store_task *task, struct db *db, struct err *err)
{
    struct keeping *k = CONTAINER_OF(task, struct keeping, task);
    return library_put(db,
                       &(struct library_list){.name = str_of(k->function->name),
                                              .version = str_of(k->function->version),
                                              .code = str_of(k->code),
                                              .modules = str_of(k->modules)},
                       err);
}

static void keeping_done(struct store_task *task)
{
    struct keeping *k = CONTAINER_OF(task, struct keeping, task);
    if (task->rc < 0) {
        log_warn("the libraries of %s are not kept: %s", k->function->name, task->err.text);
    } else {
        k->on_kept(k->ctx, k->function);
    }
    function_unref(k->function);
    free(k->code);
    free(k->modules);
    free(k);
}

int libraries_keep(struct store *store, struct function *f, struct str modules,
                   void (*on_kept)(void *ctx, struct function *f), void *ctx, struct err *err)
{
    if (!utf8_ok(modules) || memchr(modules.at, 0, modules.size)) {
        return err_set(err, ERR_PROTOCOL, "names of libraries that are no text");
    }
    struct keeping *k = NEW(struct keeping);
    k->task.run = keeping_run;
    k->task.on_done = keeping_done;
    k->function = function_ref(f);
    k->code = code_of(f);
    k->modules = str_dup(modules);
    k->on_kept = on_kept;
    k->ctx = ctx;
    store_submit(store, &k->task);
    return 0;
}
