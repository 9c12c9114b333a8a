// SPDX-License-Identifier: Apache-2.0
// deploy's packages: one zip for the service, or one for each function that is packaged individually,
// or what was packed before (artifact, --package).
#include "cli/deploy.h"
#include "cli/package.h"
#include "cli/package_node.h"
#include "cli/requirements.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/yaml.h"

#include <sys/stat.h>

// What the Framework leaves out too.
static const char *const default_patterns[] = {
    "!.git/**",
    "!.gitignore",
    "!.DS_Store",
    "!npm-debug.log",
    "!yarn-*.log",
    "!.serverless/**",
    "!.serverless_plugins/**",
};

#define PATTERNS_MAX   16384
#define MODEL_YAML_MAX (1024 * 1024)

// A path of the service, relative to the working folder.
static char *below(const struct deploy *deploy, const char *path)
{
    bool here = path[0] == '/' || strcmp(deploy->service->dir, ".") == 0;
    return here ? mem_dup(path) : mem_printf("%s/%s", deploy->service->dir, path);
}

// What quantizing learns from is found by the server in the package, later on: better said here.
static int check_samples(const struct serverless_function *f, const struct package_list *list,
                         struct err *err)
{
    struct str samples = str_of(f->quantize.calibrate);
    samples = str_starts(samples, STR("./")) ? str_skip(samples, 2) : samples;
    while (str_ends(samples, STR("/"))) {
        samples.size--;
    }
    for (size_t i = 0; i < list->count; i++) {
        struct str name = str_of(list->files[i].name);
        bool below = str_starts(name, samples) &&
                     (name.size == samples.size || name.at[samples.size] == '/');
        if (samples.size && below) {
            return 0;
        }
    }
    return f->quantize.calibrate
               ? err_set(err, ERR_INVALID,
                         "%s: quantize.calibrate: nothing of %s is in the package (see "
                         "package.patterns)",
                         f->key, f->quantize.calibrate)
               : 0;
}

// model.yaml's "model" must be in the package: better said here than by the server.
static int check_model(const struct deploy *deploy, const struct serverless_function *f,
                       const struct package_list *list, struct err *err)
{
    struct str handler = str_of(f->handler);
    bool is_yaml = str_ends(handler, STR(".yaml")) || str_ends(handler, STR(".yml"));
    if (strcmp(f->runtime, "onnx") != 0 || !is_yaml) {
        return 0;
    }
    if (!package_has(list, handler)) {
        return err_set(err, ERR_INVALID, "%s: its handler %s is not in the package", f->key,
                       f->handler);
    }
    CLEAN_MEM char *path = below(deploy, f->handler);
    CLEAN(buf_done) struct buf text = BUF_INIT(MODEL_YAML_MAX);
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    TRY(file_read(path, &text, err));
    TRY(yaml_parse(buf_str(&text), path, &root, err));
    const struct yaml_node *model = yaml_get(root, "model");
    if (!model || model->kind != YAML_STRING || package_has(list, model->text)) {
        return 0;
    }
    CLEAN_MEM char *model_path = below(deploy, model->text.at);
    struct stat st;
    bool there = stat(model_path, &st) == 0;
    return yaml_fail(err, model, path,
                     there ? "\"" STR_FMT "\" is there but not in the package: see "
                             "package.patterns"
                           : "there is no file \"" STR_FMT "\": put your model there "
                             "(rouse create --model FILE copies one)",
                     STR_ARG(model->text));
}

static size_t add_patterns(const char **into, size_t count,
                           const struct serverless_package *package)
{
    for (size_t i = 0; i < package->pattern_count && count < PATTERNS_MAX; i++) {
        into[count++] = package->patterns[i];
    }
    return count;
}

// Folders that become layers are not part of functions.
static void add_layer_patterns(const struct deploy *deploy, json_t *patterns)
{
    for (size_t i = 0; i < deploy->layer_count; i++) {
        struct str path = str_of(deploy->layers[i].wanted->path);
        while (str_starts(path, STR("./"))) {
            path = str_skip(path, 2);
        }
        while (path.size && path.at[path.size - 1] == '/') {
            path.size--;
        }
        if (path.size && !str_eq(path, STR("."))) {
            CLEAN_MEM char *pattern = mem_printf("!" STR_FMT "/**", STR_ARG(path));
            json_array_append_new(patterns, json_string(pattern));
        }
    }
}

static int dev_patterns(const struct deploy *deploy, const struct serverless_function *f,
                        json_t **ret, struct err *err)
{
    bool keep =
        deploy->service->package.keep_dev_dependencies || (f && f->package.keep_dev_dependencies);
    *ret = keep ? json_array() : NULL;
    return keep ? 0 : package_node_dev(deploy->service->dir, ret, err);
}

// `f` NULL: the whole service's files. What the user says comes last and wins.
static int list_files(const struct deploy *deploy, const struct serverless_function *f,
                      struct package_list *ret, struct err *err)
{
    CLEAN_MEM const char **patterns = mem_alloc(PATTERNS_MAX * sizeof *patterns);
    const char *slash = strrchr(deploy->service->path, '/');
    CLEAN_MEM char *own = mem_printf("!%s", slash ? slash + 1 : deploy->service->path);
    size_t count = 0;
    for (; count < ARRAY_SIZE(default_patterns); count++) {
        patterns[count] = default_patterns[count];
    }
    patterns[count++] = own;
    if (deploy->service->use_dotenv) {
        patterns[count++] = "!.env*";
    }
    CLEAN_JSON json_t *more = NULL;
    TRY(dev_patterns(deploy, f, &more, err));
    add_layer_patterns(deploy, more);
    for (size_t i = 0; i < json_array_size(more) && count < PATTERNS_MAX; i++) {
        patterns[count++] = json_string_value(json_array_get(more, i));
    }
    count = add_patterns(patterns, count, &deploy->service->package);
    count = f ? add_patterns(patterns, count, &f->package) : count;
    return package_list(deploy->service->dir, patterns, count, ret, err);
}

static bool is_individual(const struct deploy *deploy, const struct serverless_function *f)
{
    return f->package.individually_given ? f->package.individually
                                         : deploy->service->package.individually;
}

// The zip of a function: where, and whether it has to be written.
static char *zip_path(const struct deploy *deploy, const struct serverless_function *f,
                      bool *ret_write)
{
    const char *name = is_individual(deploy, f) ? f->key : deploy->service->service;
    const char *artifact = f->package.artifact        ? f->package.artifact
                           : is_individual(deploy, f) ? NULL
                                                      : deploy->service->package.artifact;
    *ret_write = !deploy->packed && !artifact;
    if (artifact && !deploy->packed) {
        return below(deploy, artifact);
    }
    CLEAN_MEM char *hidden = below(deploy, ".serverless");
    return mem_printf("%s/%s.zip", deploy->zips ? deploy->zips : hidden, name);
}

static int pack(struct deploy *deploy, struct deploy_function *f, bool write, struct err *err)
{
    if (write) {
        bool individual = is_individual(deploy, f->wanted);
        CLEAN(package_list_done) struct package_list list = {0};
        TRY(list_files(deploy, individual ? f->wanted : NULL, &list, err));
        for (size_t i = 0; i < deploy->count; i++) { // everybody who shares this zip
            const struct deploy_function *other = &deploy->functions[i];
            if (other == f || (!individual && !is_individual(deploy, other->wanted))) {
                TRY(check_model(deploy, other->wanted, &list, err));
                TRY(check_samples(other->wanted, &list, err));
            }
        }
        TRY(deploy_models(deploy, &list, err));
        TRY(package_write(deploy->service->dir, &list, f->zip, err));
    }
    return package_hash(f->zip, f->hash, &f->size, err);
}

// ---- layers

static int write_layer(struct deploy *deploy, struct deploy_layer *layer, struct err *err)
{
    const struct serverless_layer *wanted = layer->wanted;
    CLEAN(package_list_done) struct package_list list = {0};
    CLEAN_MEM const char **patterns = mem_alloc(PATTERNS_MAX * sizeof *patterns);
    CLEAN_MEM char *dir = wanted->requirements ? NULL : below(deploy, wanted->path);
    size_t count = 0;
    if (wanted->requirements) {
        TRY(requirements_install(deploy->service, wanted->requirements, &dir, err));
        patterns[count++] = "!**/__pycache__/**";
    }
    for (; count < ARRAY_SIZE(default_patterns) && !wanted->requirements; count++) {
        patterns[count] = default_patterns[count];
    }
    count = add_patterns(patterns, count, &wanted->package);
    TRY(package_list(dir, patterns, count, &list, err));
    return package_write(dir, &list, layer->zip, err);
}

static int pack_layer(struct deploy *deploy, struct deploy_layer *layer, struct err *err)
{
    const char *artifact = layer->wanted->package.artifact;
    bool as_it_is = artifact && !deploy->packed;
    CLEAN_MEM char *hidden = below(deploy, ".serverless");
    layer->zip = as_it_is ? below(deploy, artifact)
                          : mem_printf("%s/layer-%s.zip", deploy->zips ? deploy->zips : hidden,
                                       layer->wanted->key);
    if (!as_it_is && !deploy->packed) {
        TRY(write_layer(deploy, layer, err));
    }
    return package_hash(layer->zip, layer->hash, &layer->size, err);
}

int deploy_package(struct deploy *deploy, struct err *err)
{
    for (size_t i = 0; i < deploy->layer_count; i++) {
        if (pack_layer(deploy, &deploy->layers[i], err) < 0) {
            return err_prefix(err, "layers.%s", deploy->layers[i].wanted->key);
        }
    }
    for (size_t i = 0; i < deploy->count; i++) {
        struct deploy_function *f = &deploy->functions[i];
        bool write = false;
        f->zip = zip_path(deploy, f->wanted, &write);
        const struct deploy_function *same = NULL;
        for (size_t j = 0; j < i && !same; j++) {
            same = strcmp(deploy->functions[j].zip, f->zip) == 0 ? &deploy->functions[j] : NULL;
        }
        if (same) {
            memcpy(f->hash, same->hash, sizeof f->hash);
            f->size = same->size;
        } else if (deploy_wants(deploy, f) || !is_individual(deploy, f->wanted)) {
            TRY(pack(deploy, f, write, err));
        }
    }
    return 0;
}
