// SPDX-License-Identifier: Apache-2.0
// The device table, for the server, which links no engine and asks a process for it.
#include "runner/devices.h"
#include "engine/device.h"
#include "format/json.h"
#include "runner/describe.h"

static json_t *device_json(const struct device *device)
{
    json_t *json = json_object();
    json_put_str(json, "name", str_of(device->name));
    json_put_str(json, "provider", str_of(device->provider));
    if (device->model[0]) {
        json_put_str(json, "model", str_of(device->model));
    }
    if (device->memory) {
        json_put_int(json, "memoryBytes", (int64_t)device->memory);
    }
    if (device->cores) {
        json_put_int(json, "cores", device->cores);
    }
    return json;
}

static void devices_put(json_t *report, const struct devices *devices)
{
    json_t *list = json_array(), *missing = json_array();
    for (size_t i = 0; i < devices->count; i++) {
        json_array_append_new(list, device_json(&devices->at[i]));
    }
    if (devices->cuda_missing[0]) {
        json_t *one = json_object();
        json_put_str(one, "device", STR("cuda"));
        json_put_str(one, "why", str_of(devices->cuda_missing));
        json_array_append_new(missing, one);
    }
    json_put(report, "devices", list);
    json_put(report, "missing", missing);
}

static int find(json_t *report, struct err *err)
{
    struct engine *engine = NULL;
    struct engine_providers providers = {0};
    struct devices devices;
    TRY(engine_start("onnx", &(struct engine_options){0}, &engine, err));
    int rc = engine->ops->providers(engine, &providers, err);
    if (rc == 0) {
        devices_find(&providers, /* cuda */ NULL, &devices);
        json_put_bool(report, "ok", true);
        json_put_str(report, "engine", str_of(engine->ops->version(engine)));
        devices_put(report, &devices);
    }
    engine_stop(engine);
    return rc;
}

int devices_main(void)
{
    CLEAN_JSON json_t *report = json_object();
    struct err err = {0};
    int rc = find(report, &err);
    if (rc < 0) {
        json_put_bool(report, "ok", false);
        json_put_str(report, "error", str_of(err.text));
    }
    describe_print(report);
    return rc < 0 ? 1 : 0;
}
