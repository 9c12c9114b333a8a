// SPDX-License-Identifier: Apache-2.0
// Layers as version 3 of the Framework has them, and Python's requirements as its plugin
// serverless-python-requirements has them, of which a layer is all that is needed.
#include "config/layers.h"
#include "config/reading.h"
#include "format/arn.h"
#include "base/mem.h"

#define LAYERS_MAX        5 // of a function, as Lambda
#define REQUIREMENTS      "pythonRequirements"
#define REQUIREMENTS_FILE "requirements.txt"

// ---- names

// "my-model" is {Ref: MyDashmodelLambdaLayer}.
static void add_logical_id(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.size; i++) {
        char c = key.at[i];
        if (c == '-' || c == '_') {
            buf_add_text(out, c == '-' ? "Dash" : "Underscore");
        } else {
            buf_add_char(out, i == 0 && c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c);
        }
    }
    buf_add_text(out, "LambdaLayer");
}

static bool is_ref_to(const struct tree_node *node, struct str key)
{
    const struct tree_node *ref = tree_get(node, "Ref");
    CLEAN(buf_done) struct buf id = BUF_INIT(4096);
    add_logical_id(&id, key);
    return ref && ref->yaml.kind == YAML_STRING && str_eq(ref->yaml.text, buf_str(&id));
}

static void resolve_item(struct tree *tree, const struct tree_node *root, struct tree_node *item)
{
    struct str key = is_ref_to(item, STR(REQUIREMENTS)) ? STR(REQUIREMENTS) : (struct str){0};
    for (const struct tree_node *n = tree_child(tree_get(root, "layers")); n; n = tree_next(n)) {
        key = is_ref_to(item, n->yaml.key) ? n->yaml.key : key;
    }
    if (key.size) {
        CLEAN_MEM char *text = mem_printf("layers." STR_FMT, STR_ARG(key));
        tree_become(item, tree_string(tree, item, str_of(text)));
    }
}

static void resolve_list(struct tree *tree, const struct tree_node *root,
                         const struct tree_node *owner)
{
    for (struct tree_node *n = tree_child(tree_get(owner, "layers")); n; n = tree_next(n)) {
        resolve_item(tree, root, n);
    }
}

void layers_resolve(struct tree *tree, struct tree_node *root)
{
    resolve_list(tree, root, tree_get(root, "provider"));
    for (const struct tree_node *n = tree_child(tree_get(root, "functions")); n; n = tree_next(n)) {
        resolve_list(tree, root, n);
    }
}

// ---- the service's

static int read_layer(struct serverless *service, const struct tree_node *node,
                      struct serverless_layer *ret, struct err *err)
{
    ret->key = node->yaml.key.at;
    ret->name = read_text_in(node, "name", ret->key);
    ret->path = read_text_in(node, "path", NULL);
    ret->description = read_text_in(node, "description", NULL);
    ret->license = read_text_in(node, "licenseInfo", NULL);
    ret->runtimes = read_texts(tree_get(node, "compatibleRuntimes"));
    ret->architectures = read_texts(tree_get(node, "compatibleArchitectures"));
    ret->retain = read_truth_in(node, "retain", false);
    serverless_read_package(service->tree, tree_get(node, "package"), &ret->package);
    if (!ret->path && !ret->package.artifact) {
        return tree_fail_key(
            err, node, "layers.%s: \"path\" is missing: the folder that becomes /opt", ret->key);
    }
    return 0;
}

// custom.pythonRequirements: the keys of the plugin that mean something here.
static int read_requirements(struct serverless *service, const struct tree_node *node,
                             struct err *err)
{
    struct serverless_layer *layer = &service->layers[service->layer_count];
    const struct tree_node *own = tree_get(node, "layer");
    bool given = own && own->yaml.kind != YAML_NULL;
    if (node->yaml.kind == YAML_NULL ||
        (node->yaml.kind == YAML_BOOL && strcmp(node->yaml.text.at, "false") == 0)) {
        return 0;
    }
    if (node->yaml.kind != YAML_MAP && node->yaml.kind != YAML_BOOL) {
        return tree_fail(err, node, "custom." REQUIREMENTS ": must be a map, is %s",
                         yaml_kind_name(node->yaml.kind));
    }
    CLEAN_MEM char *name =
        mem_printf("%s-%s-python-requirements", service->service, service->stage);
    struct serverless_requirements *r = tree_alloc(service->tree, sizeof *r);
    r->file = read_text_in(node, "fileName", REQUIREMENTS_FILE);
    r->python = read_text_in(node, "pythonBin", NULL);
    r->pip_args = read_texts(tree_get(node, "pipCmdExtraArgs"));
    service->layer_count++;
    *layer = (struct serverless_layer){
        .key = REQUIREMENTS,
        .name = read_text_in(own, "name", tree_text(service->tree, str_of(name))),
        .description = read_text_in(own, "description", "Python requirements"),
        .license = read_text_in(own, "licenseInfo", NULL),
        .runtimes = read_texts(tree_get(own, "compatibleRuntimes")),
        .architectures = json_array(),
        .requirements = r,
    };
    service->requirements_by_name = given && !str_eq(str_of(read_text(own, "")), STR("false"));
    return 0;
}

int layers_read(struct serverless *service, const struct tree_node *root, struct err *err)
{
    const struct tree_node *layers = tree_get(root, "layers");
    const struct tree_node *requirements = tree_get(tree_get(root, "custom"), REQUIREMENTS);
    size_t count = layers && layers->yaml.kind == YAML_MAP ? layers->yaml.count : 0;
    service->layers = tree_alloc(service->tree, (count + 1) * sizeof *service->layers);
    for (const struct tree_node *n = tree_child(layers); n; n = tree_next(n)) {
        if (n->yaml.kind != YAML_MAP) {
            return tree_fail_key(err, n, "layers." STR_FMT ": must be a map, is %s",
                                 STR_ARG(n->yaml.key), yaml_kind_name(n->yaml.kind));
        }
        TRY(read_layer(service, n, &service->layers[service->layer_count++], err));
    }
    return requirements ? read_requirements(service, requirements, err) : 0;
}

// ---- a function's

static const struct serverless_layer *layer_named(const struct serverless *service, struct str key)
{
    for (size_t i = 0; i < service->layer_count; i++) {
        if (str_eq(key, str_of(service->layers[i].key))) {
            return &service->layers[i];
        }
    }
    return NULL;
}

static int read_use(const struct serverless *service, const struct tree_node *node,
                    struct serverless_layer_use *ret, struct err *err)
{
    struct str text = str_of(read_text(node, ""));
    struct arn_layer arn;
    if (str_starts(text, STR("layers."))) {
        ret->layer = layer_named(service, str_skip(text, strlen("layers.")));
        return ret->layer
                   ? 0
                   : tree_fail(err, node,
                               "there is no custom." REQUIREMENTS " that would make this layer");
    }
    ret->arn = text.at;
    if (arn_layer_parse(text, &arn, NULL) < 0 || !arn.region.size || arn.version < 1) {
        return tree_fail(err, node,
                         "\"" STR_FMT "\" is neither the ARN of a layer's version nor a "
                         "{Ref: NameLambdaLayer}",
                         STR_ARG(text));
    }
    return 0;
}

static bool uses(const struct serverless_function *f, const struct serverless_layer *layer)
{
    for (size_t i = 0; i < f->layer_count; i++) {
        if (f->layers[i].layer == layer) {
            return true;
        }
    }
    return false;
}

int layers_read_function(struct serverless *service, const struct tree_node *provider,
                         const struct tree_node *node, struct serverless_function *ret,
                         struct err *err)
{
    const struct tree_node *own = tree_get(node, "layers");
    const struct tree_node *list = own ? own : tree_get(provider, "layers");
    ret->layers = tree_alloc(service->tree, (read_count(list) + 1) * sizeof *ret->layers);
    for (const struct tree_node *n = read_first(list); n; n = read_next(list, n)) {
        struct str ref = str_of(read_text_in(n, "Ref", ""));
        if (str_ends(ref, STR("LambdaLayer"))) { // those of this file have become texts
            return tree_fail(err, n, "there is no layer that {Ref: " STR_FMT "} would name",
                             STR_ARG(ref));
        }
        if (read_text(n, NULL)) { // others only CloudFormation knows; the schema has noted them
            TRY(read_use(service, n, &ret->layers[ret->layer_count++], err));
        }
    }
    const struct serverless_layer *requirements = layer_named(service, STR(REQUIREMENTS));
    bool wanted = requirements && requirements->requirements && !service->requirements_by_name &&
                  str_starts(str_of(ret->runtime), STR("python")) && !uses(ret, requirements);
    if (wanted) {
        ret->layers[ret->layer_count++].layer = requirements;
    }
    return ret->layer_count <= LAYERS_MAX
               ? 0
               : tree_fail_key(err, node, "functions.%s: more than %d layers", ret->key,
                               LAYERS_MAX);
}

void layers_free(struct serverless *service)
{
    for (size_t i = 0; i < service->layer_count; i++) {
        const struct serverless_layer *layer = &service->layers[i];
        json_decref(layer->runtimes);
        json_decref(layer->architectures);
        if (layer->requirements) {
            json_decref(layer->requirements->pip_args);
        }
    }
}
