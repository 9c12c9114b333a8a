// SPDX-License-Identifier: Apache-2.0
// struct serverless as JSON, as it was understood: for `rouse deploy --package`, and what the
// cases of the tests compare.
#include "config/serverless.h"
#include "format/json.h"

static void put_text(json_t *object, const char *name, const char *text)
{
    if (text) {
        json_put_str(object, name, str_of(text));
    }
}

static void put_number(json_t *object, const char *name, int64_t value)
{
    if (value >= 0) {
        json_put_int(object, name, value);
    }
}

static json_t *package_to_json(const struct serverless_package *package)
{
    json_t *object = json_object();
    put_text(object, "artifact", package->artifact);
    if (package->individually_given) {
        json_put_bool(object, "individually", package->individually);
    }
    if (package->keep_dev_dependencies) {
        json_put_bool(object, "excludeDevDependencies", false);
    }
    json_t *patterns = json_array();
    for (size_t i = 0; i < package->pattern_count; i++) {
        json_array_append_new(patterns, json_from_str(str_of(package->patterns[i])));
    }
    json_put(object, "patterns", patterns);
    return object;
}

static void put_array(json_t *object, const char *name, json_t *array)
{
    if (json_array_size(array)) {
        json_put(object, name, json_incref(array));
    }
}

static json_t *layer_to_json(const struct serverless_layer *layer)
{
    json_t *object = json_object();
    put_text(object, "name", layer->name);
    put_text(object, "path", layer->path);
    put_text(object, "description", layer->description);
    put_text(object, "licenseInfo", layer->license);
    put_array(object, "compatibleRuntimes", layer->runtimes);
    put_array(object, "compatibleArchitectures", layer->architectures);
    if (layer->retain) {
        json_put_bool(object, "retain", true);
    }
    if (layer->package.artifact || layer->package.pattern_count) {
        json_put(object, "package", package_to_json(&layer->package));
    }
    if (layer->requirements) {
        put_text(object, "requirements", layer->requirements->file);
        put_text(object, "python", layer->requirements->python);
        put_array(object, "pipArgs", layer->requirements->pip_args);
    }
    return object;
}

static json_t *layer_uses_to_json(const struct serverless_function *f)
{
    json_t *array = json_array();
    for (size_t i = 0; i < f->layer_count; i++) {
        const struct serverless_layer_use *use = &f->layers[i];
        json_array_append_new(array, json_string(use->layer ? use->layer->key : use->arn));
    }
    return array;
}

static json_t *bucket_to_json(const struct serverless_bucket *bucket)
{
    json_t *object = json_object();
    put_text(object, "bucket", bucket->bucket);
    put_text(object, "event", bucket->event);
    put_text(object, "prefix", bucket->prefix);
    put_text(object, "suffix", bucket->suffix);
    if (bucket->existing) {
        json_put_bool(object, "existing", true);
    }
    return object;
}

static json_t *function_to_json(const struct serverless_function *f)
{
    json_t *object = json_object();
    put_text(object, "name", f->name);
    put_text(object, "runtime", f->runtime);
    put_text(object, "handler", f->handler);
    put_text(object, "description", f->description);
    put_text(object, "role", f->role);
    put_number(object, "memorySize", f->memory_mb);
    put_number(object, "timeout", f->timeout_s);
    put_number(object, "ephemeralStorageSize", f->ephemeral_mb);
    put_number(object, "batchingMaxSize", f->batch_max);
    put_number(object, "batchingMaxDelayMs", f->batch_delay_ms);
    put_text(object, "quantize", f->quantize.method);
    put_text(object, "quantizeCalibrate", f->quantize.calibrate);
    put_text(object, "quantizeKeepAccuracy", f->quantize.keep_accuracy);
    if (json_object_size(f->cache)) {
        json_put(object, "cache", json_incref(f->cache));
    }
    put_text(object, "device", f->device_cpu ? "cpu" : NULL);
    put_text(object, "network", f->network_open ? "open" : NULL);
    put_number(object, "reservedConcurrency", f->reserved_concurrency);
    put_number(object, "provisionedConcurrency",
               f->provisioned_concurrency ? f->provisioned_concurrency : -1);
    put_number(object, "maximumEventAge", f->event_age_max_s);
    put_number(object, "maximumRetryAttempts", f->retries_max);
    put_text(object, "onSuccess", f->on_success);
    put_text(object, "onFailure", f->on_failure);
    put_text(object, "onError", f->on_error);
    if (json_object_size(f->environment)) {
        json_put(object, "environment", json_incref(f->environment));
    }
    if (json_object_size(f->tags)) {
        json_put(object, "tags", json_incref(f->tags));
    }
    if (f->layer_count) {
        json_put(object, "layers", layer_uses_to_json(f));
    }
    if (f->bucket_count) {
        json_t *events = json_array();
        for (size_t i = 0; i < f->bucket_count; i++) {
            json_array_append_new(events, bucket_to_json(&f->buckets[i]));
        }
        json_put(object, "s3", events);
    }
    http_function_to_json(f, object);
    events_function_to_json(f, object);
    if (f->package.artifact || f->package.pattern_count || f->package.individually_given) {
        json_put(object, "package", package_to_json(&f->package));
    }
    return object;
}

json_t *serverless_to_json(const struct serverless *service)
{
    json_t *object = json_object();
    put_text(object, "service", service->service);
    put_text(object, "stage", service->stage);
    put_text(object, "region", service->region);
    put_text(object, "deploymentBucket", service->deployment_bucket);
    json_t *functions = json_object();
    for (size_t i = 0; i < service->function_count; i++) {
        json_put(functions, service->functions[i].key, function_to_json(&service->functions[i]));
    }
    json_put(object, "functions", functions);
    if (json_array_size(service->statements)) {
        json_put(object, "statements", json_incref(service->statements));
    }
    const struct serverless_package *package = &service->package;
    if (package->artifact || package->pattern_count || package->individually_given) {
        json_put(object, "package", package_to_json(package));
    }
    if (service->layer_count) {
        json_t *layers = json_object();
        for (size_t i = 0; i < service->layer_count; i++) {
            json_put(layers, service->layers[i].key, layer_to_json(&service->layers[i]));
        }
        json_put(object, "layers", layers);
    }
    if (service->hook_count) {
        json_t *hooks = json_array();
        for (size_t i = 0; i < service->hook_count; i++) {
            json_t *hook = json_object();
            put_text(hook, service->hooks[i].when, service->hooks[i].command);
            json_array_append_new(hooks, hook);
        }
        json_put(object, "hooks", hooks);
    }
    http_to_json(service, object);
    put_text(object, "ignored", service->ignored);
    put_text(object, "unknown", service->unknown);
    return object;
}
