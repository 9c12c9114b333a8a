// SPDX-License-Identifier: Apache-2.0
// Opens a model function's package: its description, its model (prepared if that fits, else the
// original), its task.
#include "runner/package.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "runner/files.h"
#include "runner/guess.h"

#include <errno.h>
#include <malloc.h>
#include <unistd.h>

static int read_spec(struct package *p, struct str handler, struct err *err)
{
    CLEAN_MEM char *file = handler.size ? str_dup(handler) : mem_dup(PACKAGE_HANDLER);
    if (!files_is_inside(str_of(file))) {
        return err_set(err, ERR_INVALID, "the handler must name a file in the package, not \"%s\"",
                       file);
    }
    CLEAN_MEM char *path = mem_printf("%s/%s", p->folder, file);
    if (access(path, F_OK) != 0 && errno == ENOENT && strcmp(file, PACKAGE_HANDLER) == 0) {
        return 0; // all is guessed
    }
    return spec_read(&p->spec, p->folder, file, err);
}

static int find_model(struct package *p, struct err *err)
{
    CLEAN_MEM char *name = NULL;
    if (p->spec.model) {
        name = mem_dup(p->spec.model);
    } else {
        TRY(files_only(p->folder, ".onnx", &name, err));
    }
    p->model_path = mem_printf("%s/%s", p->folder, name);
    if (access(p->model_path, R_OK) != 0) {
        return spec_fail(&p->spec, err, "model", "there is no file %s in the package", name);
    }
    return 0;
}

int package_read(const struct package_source *source, struct package **ret, struct err *err)
{
    struct package *p = NEW(struct package);
    p->function = str_dup(source->function);
    p->folder = str_dup(source->folder);
    spec_init(&p->spec);
    int rc = read_spec(p, source->handler, err);
    if (rc == 0 && p->spec.task) {
        p->task = task_find(str_of(p->spec.task));
    }
    if (rc == 0 && (!p->task || p->task->needs_model)) {
        rc = find_model(p, err);
    }
    if (rc < 0) {
        package_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

// Models of one maker want their pictures alike. Only the original says who made it.
static void find_producer(struct package *p)
{
    CLEAN(files_unmap) struct str map = {0};
    if (!p->spec.input.preset && files_map(p->model_path, &map, NULL) >= 0) {
        free(p->producer);
        p->producer = str_dup(onnx_producer(map));
        p->model->producer = str_of(p->producer);
    }
}

// The folder and the name in it. The caller frees the folder.
static const char *split_path(const char *path, char **ret_folder)
{
    const char *slash = strrchr(path, '/');
    *ret_folder = slash ? mem_dup_n(path, (size_t)(slash - path) + (slash == path)) : mem_dup(".");
    return slash ? slash + 1 : path;
}

static int read_spec_of_model(struct package *p, const char *file, const char *yaml,
                              struct err *err)
{
    if (yaml) {
        CLEAN_MEM char *folder = NULL;
        const char *name = split_path(yaml, &folder);
        return spec_read(&p->spec, folder, name, err);
    }
    CLEAN_MEM char *beside = mem_printf("%s/" PACKAGE_HANDLER, p->folder);
    if (access(beside, F_OK) != 0) {
        return 0;
    }
    TRY(spec_read(&p->spec, p->folder, PACKAGE_HANDLER, err));
    if (p->spec.model && strcmp(p->spec.model, file) != 0) { // it is of another
        spec_done(&p->spec);
    }
    return 0;
}

int package_of_model(const char *model, const char *yaml, struct package **ret, struct err *err)
{
    struct package *p = NEW(struct package);
    const char *file = split_path(model, &p->folder);
    p->function = mem_dup("");
    p->model_path = mem_dup(model);
    spec_init(&p->spec);
    int rc = read_spec_of_model(p, file, yaml, err);
    if (rc < 0) {
        package_free(p);
        return rc;
    }
    p->task = p->spec.task ? task_find(str_of(p->spec.task)) : NULL;
    *ret = p;
    return 0;
}

int package_check_file(const char *path, struct err *err)
{
    CLEAN(files_unmap) struct str map = {0};
    TRY(files_map(path, &map, err));
    CLEAN(onnx_facts_done) struct onnx_facts facts = {0};
    int rc = onnx_inspect(map, &facts, err);
    const char *slash = strrchr(path, '/');
    return rc < 0 ? err_prefix(err, "%s", slash ? slash + 1 : path) : 0;
}

int package_load(struct package *p, struct engine *engine, const struct prepared *prepared,
                 int threads, struct err *err)
{
    p->engine = engine;
    p->prepared = prepared != NULL;
    if (p->model_path) {
        struct model_source source = {.path = p->model_path, .threads = threads};
        if (prepared) {
            source.prepared = prepared->path;
            source.packing = prepared->packing;
        }
        TRY(engine_load(engine, &source, &p->model, err));
        find_producer(p);
    }
    if (!p->task) {
        p->task = guess_task(&p->spec, p->model, p->notes);
        p->spec.task = p->task->name;
    }
    return p->task->setup(p, err);
}

static int load_best(struct package *p, const struct package_source *source, struct engine *engine,
                     const struct err *engine_err, struct err *err)
{
    if (p->model_path && !engine) {
        return err_set(err, ERR_UNAVAILABLE, "%s", engine_err->text);
    }
    CLEAN(prepared_done) struct prepared prepared = {0};
    bool found = p->model_path && prepared_find(source->prepared, engine, &prepared);
    struct err why = {0};
    if (found && package_load(p, engine, &prepared, source->threads, &why) == 0) {
        return 0;
    }
    if (found) { // it is only a faster form of the original
        if (p->state) {
            p->task->done(p);
        }
        model_free(MOVE(p->model));
    }
    return package_load(p, engine, NULL, source->threads, err);
}

int package_open(const struct package_source *source, struct engine *engine,
                 const struct err *engine_err, struct package **ret, struct err *err)
{
    struct package *p = NULL;
    TRY(package_read(source, &p, err));
    int rc = load_best(p, source, engine, engine_err, err);
    if (rc < 0) {
        package_free(p);
        return rc;
    }
    *ret = p;
    return 0;
}

void package_free(struct package *p)
{
    if (!p) {
        return;
    }
    if (p->task && p->state) {
        p->task->done(p);
    }
    model_free(p->model);
    json_decref(p->notes);
    spec_done(&p->spec);
    free(p->function);
    free(p->folder);
    free(p->model_path);
    free(p->producer);
    free(p);
}

int package_warm(struct package *p, struct err *err)
{
    if (!p->task->warm) {
        return 0;
    }
    if (p->model) {
        p->model->lean = true;
    }
    int rc = p->task->warm(p, err);
    if (p->model) {
        p->model->lean = false;
    }
    malloc_trim(0);
    return rc;
}
