// SPDX-License-Identifier: Apache-2.0
// Turns serverless.yml into struct serverless: parse, resolve variables, check against the schema, then
// read each honoured key. `rouse deploy` and the verbs that name functions begin here.
#include "config/serverless.h"
#include "config/cache.h"
#include "config/intrinsic.h"
#include "config/layers.h"
#include "config/reading.h"
#include "config/schema.h"
#include "config/variables.h"
#include "format/arn.h"
#include "base/file.h"
#include "base/mem.h"

#include <unistd.h>

#define MEMORY_MB       1024 // the Framework's defaults, not Lambda's
#define TIMEOUT_S       6
#define EPHEMERAL_MB    512
#define DEFAULT_RUNTIME "nodejs16.x"

// An object of strings; entries that only CloudFormation could compute are left out.
static void merge_strings(json_t *into, const struct tree_node *map)
{
    for (const struct tree_node *n = tree_child(map); n; n = tree_next(n)) {
        const char *text = read_text(n, NULL);
        if (text && map->yaml.kind == YAML_MAP) {
            json_object_set_new(into, n->yaml.key.at, json_string(text));
        }
    }
}

static json_t *strings_of(const struct tree_node *provider, const struct tree_node *function,
                          const char *key)
{
    json_t *object = json_object();
    merge_strings(object, tree_get(provider, key));
    merge_strings(object, tree_get(function, key));
    return object;
}

// ---- package

// `exclude` entries become "!x"; a single value stands for a list of one.
static void add_patterns(struct tree *tree, struct serverless_package *package,
                         const struct tree_node *list, bool exclude)
{
    for (const struct tree_node *n = read_first(list); n; n = read_next(list, n)) {
        const char *text = read_text(n, "");
        if (exclude) {
            CLEAN_MEM char *turned = text[0] == '!' ? mem_dup(text + 1) : mem_printf("!%s", text);
            text = tree_text(tree, str_of(turned));
        }
        package->patterns[package->pattern_count++] = text;
    }
}

void serverless_read_package(struct tree *tree, const struct tree_node *node,
                             struct serverless_package *ret)
{
    const struct tree_node *exclude = tree_get(node, "exclude");
    const struct tree_node *include = tree_get(node, "include");
    const struct tree_node *patterns = tree_get(node, "patterns");
    size_t count = read_count(exclude) + read_count(include) + read_count(patterns);
    ret->patterns = tree_alloc(tree, (count + 1) * sizeof *ret->patterns);
    add_patterns(tree, ret, exclude, true);
    add_patterns(tree, ret, include, false);
    add_patterns(tree, ret, patterns, false);
    ret->artifact = read_text_in(node, "artifact", NULL);
    ret->individually_given = read_text_in(node, "individually", NULL) != NULL;
    ret->individually = read_truth_in(node, "individually", false);
    ret->keep_dev_dependencies = !read_truth_in(node, "excludeDevDependencies", true);
}

// ---- functions

static int check_bucket(const struct tree_node *node, const char *name, struct err *err)
{
    struct str s = str_of(name);
    bool fine = s.size >= 3 && s.size <= 63;
    for (size_t i = 0; i < s.size && fine; i++) {
        char c = s.at[i];
        bool inner = i > 0 && i + 1 < s.size;
        fine =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (inner && (c == '-' || c == '.'));
    }
    return fine ? 0
                : tree_fail(err, node, "\"%s\" is not a bucket name (3 to 63 of a-z, 0-9, - and .)",
                            name);
}

static int read_rules(const struct tree_node *rules, struct serverless_bucket *ret, struct err *err)
{
    for (const struct tree_node *rule = tree_child(rules); rule; rule = tree_next(rule)) {
        static const char *const names[] = {"prefix", "suffix"};
        const char **fields[] = {&ret->prefix, &ret->suffix};
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
            const struct tree_node *node = tree_get(rule, names[i]);
            const char *text = read_text(node, NULL);
            if (text && *fields[i]) {
                return tree_fail(err, node,
                                 "a second %s: S3 takes one prefix and one suffix for "
                                 "each event; add another s3 event",
                                 names[i]);
            }
            *fields[i] = text ? text : *fields[i];
        }
    }
    return 0;
}

// 1 when *ret was filled, 0 when the event is another kind or has a bucket that is not known here.
static int read_event(const struct tree_node *event, struct serverless_bucket *ret, struct err *err)
{
    const struct tree_node *s3 = tree_get(event, "s3");
    if (!s3 || s3->yaml.kind == YAML_NULL) {
        return 0;
    }
    ret->event = "s3:ObjectCreated:*";
    const struct tree_node *bucket = s3;
    if (s3->yaml.kind == YAML_MAP) {
        bucket = tree_get(s3, "bucket");
        if (!bucket) {
            return tree_fail_key(err, s3, "s3: \"bucket\" is missing");
        }
        if (schema_is_intrinsic(bucket)) {
            return tree_fail(err, bucket,
                             "s3.bucket: the result of a CloudFormation function is not "
                             "known here; write the bucket's name");
        }
        ret->event = read_text_in(s3, "event", ret->event);
        ret->existing = read_truth_in(s3, "existing", false);
        TRY(read_rules(tree_get(s3, "rules"), ret, err));
    }
    ret->bucket = read_text(bucket, "");
    if (!str_starts(str_of(ret->event), STR("s3:"))) {
        return tree_fail(err, tree_get(s3, "event"), "s3.event: \"%s\" does not begin with \"s3:\"",
                         ret->event);
    }
    TRY(check_bucket(bucket, ret->bucket, err));
    return 1;
}

static int read_events(struct tree *tree, const struct tree_node *events,
                       struct serverless_function *ret, struct err *err)
{
    size_t count = events ? events->yaml.count : 0;
    ret->buckets = tree_alloc(tree, (count + 1) * sizeof *ret->buckets);
    for (const struct tree_node *n = tree_child(events); n; n = tree_next(n)) {
        int rc = read_event(n, &ret->buckets[ret->bucket_count], err);
        TRY(rc);
        ret->bucket_count += rc > 0;
    }
    return 0;
}

// A key of this file becomes that function's name; ARNs and other names stay.
static int read_destination(const struct tree_node *functions, const struct serverless *service,
                            const struct tree_node *node, const char **ret, struct err *err)
{
    const struct tree_node *target =
        node && node->yaml.kind == YAML_MAP ? tree_get(node, "arn") : node;
    const char *text = read_text(target, NULL);
    if (!text) {
        return 0; // absent, or only CloudFormation knows it
    }
    *ret = text;
    for (size_t i = 0; i < service->function_count; i++) {
        if (tree_get(functions, text) && strcmp(service->functions[i].key, text) == 0) {
            *ret = service->functions[i].name;
        }
    }
    struct arn arn;
    if (str_starts(str_of(text), STR("arn:"))) {
        return arn_parse(str_of(text), &arn, NULL) < 0
                   ? tree_fail(err, target, "\"%s\" is not a whole ARN", text)
                   : 0;
    }
    return arn_function_name_ok(str_of(*ret))
               ? 0
               : tree_fail(err, target, "\"%s\" is neither a function nor an ARN", text);
}

// The Framework takes a topic here; there are none.
static int read_on_error(const struct tree_node *functions, const struct serverless *service,
                         const struct tree_node *node, const char **ret, struct err *err)
{
    TRY(read_destination(functions, service, node, ret, err));
    struct arn arn;
    bool served = !*ret || arn_parse(str_of(*ret), &arn, NULL) < 0 ||
                  str_eq(arn.service, STR("lambda")) || str_eq(arn.service, STR("s3"));
    return served ? 0
                  : tree_fail(err, node,
                              "onError: \"%s\" is not served here; events that fail can go to a "
                              "function or to arn:aws:s3:::BUCKET/PREFIX",
                              *ret);
}

static bool is_model(const char *handler)
{
    struct str h = str_of(handler);
    return str_ends(h, STR(".yaml")) || str_ends(h, STR(".yml")) || str_ends(h, STR(".onnx"));
}

// `quantize: auto`, or a map that says more.
static void read_quantize(const struct tree_node *node, struct serverless_quantize *ret)
{
    bool map = node && node->yaml.kind == YAML_MAP;
    ret->method = map ? read_text_in(node, "method", "auto") : read_text(node, NULL);
    ret->calibrate = map ? read_text_in(node, "calibrate", NULL) : NULL;
    ret->keep_accuracy = map ? read_text_in(node, "keepAccuracy", NULL) : NULL;
}

// 0 is as none, as in the Framework. The schema knows what an account may have at most.
static int read_concurrency(const struct tree_node *node, struct serverless_function *ret,
                            struct err *err)
{
    ret->reserved_concurrency = read_number_in(node, "reservedConcurrency", -1);
    ret->provisioned_concurrency = read_number_in(node, "provisionedConcurrency", 0);
    if (ret->reserved_concurrency >= 0 &&
        ret->provisioned_concurrency > ret->reserved_concurrency) {
        return tree_fail(err, tree_get(node, "provisionedConcurrency"),
                         "functions.%s.provisionedConcurrency: %lld is more than its "
                         "reservedConcurrency, %lld",
                         ret->key, (long long)ret->provisioned_concurrency,
                         (long long)ret->reserved_concurrency);
    }
    return 0;
}

static int read_function(struct serverless *service, const struct tree_node *provider,
                         const struct tree_node *node, struct serverless_function *ret,
                         struct err *err)
{
    ret->handler = read_text_in(node, "handler", NULL);
    ret->runtime = read_text_in(node, "runtime", read_text_in(provider, "runtime", NULL));
    if (!ret->runtime) {
        ret->runtime = ret->handler && is_model(ret->handler) ? "onnx" : DEFAULT_RUNTIME;
    }
    if (!ret->handler && strcmp(ret->runtime, "onnx") == 0) {
        ret->handler = "model.yaml";
    }
    if (!ret->handler) {
        return tree_fail_key(err, node, "functions.%s: \"handler\" is missing", ret->key);
    }
    ret->description = read_text_in(node, "description", NULL);
    ret->role = read_text_in(node, "role", read_text_in(provider, "role", NULL));
    ret->memory_mb =
        read_number_in(node, "memorySize", read_number_in(provider, "memorySize", MEMORY_MB));
    ret->timeout_s =
        read_number_in(node, "timeout", read_number_in(provider, "timeout", TIMEOUT_S));
    ret->ephemeral_mb = read_number_in(node, "ephemeralStorageSize", EPHEMERAL_MB);
    ret->network_open = strcmp(read_text_in(node, "network", "closed"), "open") == 0;
    ret->device_cpu = strcmp(read_text_in(node, "device", "auto"), "cpu") == 0;
    const struct tree_node *batching = tree_get(node, "batching");
    ret->batch_max = read_number_in(batching, "maxSize", -1);
    ret->batch_delay_ms = read_number_in(batching, "maxDelayMs", -1);
    read_quantize(tree_get(node, "quantize"), &ret->quantize);
    ret->event_age_max_s = read_number_in(node, "maximumEventAge", -1);
    ret->retries_max = read_number_in(node, "maximumRetryAttempts", -1);
    ret->environment = strings_of(provider, node, "environment");
    ret->tags = strings_of(provider, node, "tags");
    serverless_read_package(service->tree, tree_get(node, "package"), &ret->package);
    TRY(read_concurrency(node, ret, err));
    TRY(cache_read_function(node, ret, err));
    TRY(layers_read_function(service, provider, node, ret, err));
    TRY(http_read_function(service, provider, node, ret, err));
    TRY(events_read_function(service, node, ret, err));
    return read_events(service->tree, tree_get(node, "events"), ret, err);
}

static int name_function(struct serverless *service, const struct tree_node *node,
                         struct serverless_function *ret, struct err *err)
{
    ret->key = node->yaml.key.at;
    CLEAN_MEM char *made = mem_printf("%s-%s-%s", service->service, service->stage, ret->key);
    ret->name = read_text_in(node, "name", tree_text(service->tree, str_of(made)));
    if (!arn_function_name_ok(str_of(ret->name))) {
        const struct tree_node *given = tree_get(node, "name");
        return tree_fail(err, given ? given : node,
                         "functions.%s: \"%s\" is not a function name (1 to"
                         " 64 of A-Z a-z 0-9 - _)",
                         ret->key, ret->name);
    }
    for (const struct serverless_function *f = service->functions; f != ret; f++) {
        if (strcmp(f->name, ret->name) == 0) {
            return tree_fail_key(err, node, "functions.%s has the same name as functions.%s: %s",
                                 ret->key, f->key, ret->name);
        }
    }
    return 0;
}

static int read_functions(struct serverless *service, const struct tree_node *root, struct err *err)
{
    const struct tree_node *functions = tree_get(root, "functions");
    const struct tree_node *provider = tree_get(root, "provider");
    size_t count = functions && functions->yaml.kind == YAML_MAP ? functions->yaml.count : 0;
    service->functions = tree_alloc(service->tree, (count + 1) * sizeof *service->functions);
    for (const struct tree_node *n = tree_child(functions); n; n = tree_next(n)) {
        if (n->yaml.kind != YAML_MAP) {
            return tree_fail_key(err, n, "functions." STR_FMT ": must be a map, is %s",
                                 STR_ARG(n->yaml.key), yaml_kind_name(n->yaml.kind));
        }
        struct serverless_function *f = &service->functions[service->function_count];
        TRY(name_function(service, n, f, err));
        service->function_count++;
        TRY(read_function(service, provider, n, f, err));
    }
    size_t i = 0;
    for (const struct tree_node *n = tree_child(functions); n; n = tree_next(n), i++) {
        const struct tree_node *to = tree_get(n, "destinations");
        struct serverless_function *f = &service->functions[i];
        TRY(read_destination(functions, service, tree_get(to, "onSuccess"), &f->on_success, err));
        TRY(read_destination(functions, service, tree_get(to, "onFailure"), &f->on_failure, err));
        TRY(read_on_error(functions, service, tree_get(n, "onError"), &f->on_error, err));
    }
    return 0;
}

// ---- the service

// custom.scripts of serverless-plugin-scripts: commands around what a deployment does.
static int read_hooks(struct serverless *service, const struct tree_node *root, struct err *err)
{
    const struct tree_node *scripts = tree_get(tree_get(root, "custom"), "scripts");
    const struct tree_node *hooks = tree_get(scripts, "hooks");
    size_t count = 0;
    for (const struct tree_node *n = tree_child(hooks); n; n = tree_next(n)) {
        count += read_count(n);
    }
    service->hooks = tree_alloc(service->tree, (count + 1) * sizeof *service->hooks);
    for (const struct tree_node *n = tree_child(hooks); n; n = tree_next(n)) {
        for (const struct tree_node *command = read_first(n); command;
             command = read_next(n, command)) {
            const char *text = read_text(command, NULL);
            if (!text) {
                return tree_fail(err, command, "custom.scripts.hooks: must be a command, is %s",
                                 yaml_kind_name(command->yaml.kind));
            }
            service->hooks[service->hook_count++] =
                (struct serverless_hook){.when = n->yaml.key.at, .command = text};
        }
    }
    return 0;
}

static int check_name(const struct tree_node *node, const char *what, const char *text,
                      struct err *err)
{
    struct str s = str_of(text);
    bool fine = s.size > 0;
    for (size_t i = 0; i < s.size && fine; i++) {
        char c = s.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        fine = letter || (c >= '0' && c <= '9') || c == '-';
        fine = fine && (letter || i > 0 || strcmp(what, "stage") == 0);
    }
    return fine ? 0
                : tree_fail(err, node,
                            "%s: \"%s\" may hold letters, digits and - only, and begins "
                            "with a letter",
                            what, text);
}

// Whether CloudFormation would have to be asked for some part of it.
static bool holds_intrinsic(const struct tree_node *node)
{
    for (const struct tree_node *n = tree_child(node); n; n = tree_next(n)) {
        if (holds_intrinsic(n)) {
            return true;
        }
    }
    return schema_is_intrinsic(node);
}

// A permission that names what only CloudFormation knows is left out (the schema has noted it): less is
// allowed than was meant. A denial cannot be left out, for then more would be.
static int read_statements(struct serverless *service, const struct tree_node *provider,
                           struct err *err)
{
    const struct tree_node *role = tree_get(tree_get(provider, "iam"), "role");
    const struct tree_node *lists[] = {tree_get(role, "statements"),
                                       tree_get(provider, "iamRoleStatements")};
    service->statements = json_array();
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        for (const struct tree_node *n = tree_child(lists[i]); n; n = tree_next(n)) {
            if (!holds_intrinsic(n)) {
                json_array_append_new(service->statements, yaml_to_json(&n->yaml));
            } else if (strcmp(read_text_in(n, "Effect", ""), "Deny") == 0) {
                return tree_fail(err, n,
                                 "a Deny statement cannot be left out, and what it names only "
                                 "CloudFormation knows; write it out");
            }
        }
    }
    return 0;
}

static int read_service(struct serverless *service, const struct tree_node *root, struct err *err)
{
    const struct tree_node *name = tree_get(root, "service");
    const struct tree_node *provider = tree_get(root, "provider");
    service->service = read_text(name, NULL);
    if (!service->service) {
        return tree_fail(err, root, "\"service\" is missing: the name of the project");
    }
    if (!provider || (provider->yaml.kind == YAML_MAP && !read_text_in(provider, "name", NULL))) {
        return tree_fail(err, provider ? provider : root,
                         "\"provider.name\" is missing: write "
                         "\"name: aws\" below \"provider:\"");
    }
    TRY(check_name(name, "service", service->service, err));
    TRY(check_name(tree_get(provider, "stage") ? tree_get(provider, "stage") : provider, "stage",
                   service->stage, err));
    const struct tree_node *bucket = tree_get(provider, "deploymentBucket");
    service->deployment_bucket = read_text(bucket, read_text_in(bucket, "name", NULL));
    service->use_dotenv = read_truth_in(root, "useDotenv", false);
    TRY(read_statements(service, provider, err));
    serverless_read_package(service->tree, tree_get(root, "package"), &service->package);
    TRY(read_hooks(service, root, err));
    TRY(layers_read(service, root, err));
    TRY(read_functions(service, root, err));
    http_read_apis(service, provider);
    return 0;
}

// "functions" may be a list of maps, so that each can come from a file of its own: merged into one.
static int merge_functions(struct tree *tree, struct tree_node *root, struct err *err)
{
    struct tree_node *list = tree_get(root, "functions");
    if (!list || list->yaml.kind != YAML_LIST) {
        return 0;
    }
    struct tree_node *merged = tree_scalar(tree, list, YAML_MAP, STR(""));
    for (struct tree_node *map = tree_child(list); map; map = tree_next(map)) {
        if (map->yaml.kind != YAML_MAP) {
            return tree_fail(err, map, "functions: each entry must be a map of functions, is %s",
                             yaml_kind_name(map->yaml.kind));
        }
        struct tree_node *next = NULL;
        for (struct tree_node *n = tree_child(map); n; n = next) {
            next = tree_next(n);
            if (tree_get(merged, n->yaml.key.at)) {
                return tree_fail_key(err, n, "functions." STR_FMT " is there twice",
                                     STR_ARG(n->yaml.key));
            }
            tree_append(merged, n);
        }
    }
    merged->file = list->file;
    tree_become(list, merged);
    return 0;
}

static enum schema_mode mode_of(const struct tree_node *root)
{
    const char *mode = read_text_in(root, "configValidationMode", "error");
    return strcmp(mode, "warn") == 0  ? SCHEMA_WARN
           : strcmp(mode, "off") == 0 ? SCHEMA_OFF
                                      : SCHEMA_ERROR;
}

// Plugins whose keys are honoured here need no word; the others are named as not honoured.
static void drop_known_plugins(struct tree *tree, struct tree_node *root)
{
    static const char *const known[] = {"serverless-plugin-scripts",
                                        "serverless-python-requirements"};
    struct tree_node *plugins = tree_get(root, "plugins");
    struct tree_node *modules = tree_get(plugins, "modules");
    for (struct tree_node *n = tree_child(modules ? modules : plugins); n; n = tree_next(n)) {
        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            if (strcmp(read_text(n, ""), known[i]) == 0) {
                tree_become(n, tree_scalar(tree, n, YAML_NULL, STR("")));
            }
        }
    }
}

static void resolve_intrinsics(struct serverless *service, struct tree_node *root)
{
    CLEAN_MEM char *stack = mem_printf("%s-%s", read_text_in(root, "service", ""), service->stage);
    struct intrinsic_facts facts = {.region = service->region, .stack = stack};
    for (struct tree_node *n = tree_child(root); n; n = tree_next(n)) {
        if (!str_eq(n->yaml.key, STR("resources"))) { // those are CloudFormation's own
            intrinsic_resolve(service->tree, n, &facts);
        }
    }
}

static int read_file_text(struct serverless *service, const struct serverless_options *options,
                          struct str text, struct err *err)
{
    struct tree_node *root = NULL;
    TRY(tree_parse(service->tree, text, service->path, &root, err));
    if (root->yaml.kind != YAML_MAP) {
        return tree_fail(err, root,
                         "must be a map with \"service\", \"provider\" and \"functions\", "
                         "is %s",
                         yaml_kind_name(root->yaml.kind));
    }
    struct variables_options variables = {.dir = service->dir,
                                          .stage = options->stage,
                                          .region = options->region,
                                          .params = options->params,
                                          .param_count = options->param_count};
    TRY(variables_resolve(service->tree, root, &variables, &service->stage, &service->region, err));
    TRY(merge_functions(service->tree, root, err));
    drop_known_plugins(service->tree, root);
    layers_resolve(service->tree, root);
    resolve_intrinsics(service, root);
    struct schema_notes notes = {0};
    int rc = schema_check(root, mode_of(root), &notes, err);
    service->ignored = notes.ignored.size ? mem_dup(buf_text(&notes.ignored)) : NULL;
    service->unknown = notes.unknown.size ? mem_dup(buf_text(&notes.unknown)) : NULL;
    schema_notes_done(&notes);
    return rc < 0 ? rc : read_service(service, root, err);
}

static int find_path(const struct serverless_options *options, const char **ret, struct err *err)
{
    static const char *const names[] = {"serverless.yml", "serverless.yaml", "serverless.json"};
    if (options->path) {
        *ret = options->path;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (access(names[i], F_OK) == 0) {
            *ret = names[i];
            return 0;
        }
    }
    return err_set(err, ERR_NOT_FOUND,
                   "there is no serverless.yml in this folder; rouse create makes "
                   "one");
}

static void set_path(struct serverless *service, const char *path)
{
    service->path = tree_text(service->tree, str_of(path));
    const char *slash = strrchr(path, '/');
    service->dir = !slash          ? "."
                   : slash == path ? "/"
                                   : tree_text(service->tree, str_n(path, (size_t)(slash - path)));
}

int serverless_parse(const struct serverless_options *options, struct str text,
                     struct serverless **ret, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NEW(struct serverless);
    service->tree = tree_new();
    set_path(service, options->path);
    TRY(read_file_text(service, options, text, err));
    *ret = MOVE(service);
    return 0;
}

int serverless_load(const struct serverless_options *options, struct serverless **ret,
                    struct err *err)
{
    struct serverless_options found = *options;
    CLEAN(buf_done) struct buf text = BUF_INIT(YAML_SIZE_MAX);
    TRY(find_path(options, &found.path, err));
    TRY(file_read(found.path, &text, err));
    return serverless_parse(&found, buf_str(&text), ret, err);
}

void serverless_free(struct serverless *service)
{
    if (!service) {
        return;
    }
    for (size_t i = 0; i < service->function_count; i++) {
        json_decref(service->functions[i].environment);
        json_decref(service->functions[i].cache);
        json_decref(service->functions[i].tags);
    }
    layers_free(service);
    http_free(service);
    events_free(service);
    json_decref(service->statements);
    free(service->ignored);
    free(service->unknown);
    tree_free(service->tree);
    free(service);
}

void serverless_free_clean(struct serverless **service)
{
    serverless_free(*service);
}

const struct serverless_function *serverless_function(const struct serverless *service,
                                                      struct str name)
{
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        if (str_eq(name, str_of(f->key)) || str_eq(name, str_of(f->name))) {
            return f;
        }
    }
    return NULL;
}
