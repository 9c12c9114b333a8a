// SPDX-License-Identifier: Apache-2.0
// rouse package and rouse print: what rouse deploy would send, and what it reads, without a server.
#include "cli/deploy.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

// ---- package

static const struct option package_options[] = {
    SERVICE_OPTIONS,
    {"package", 'p', "DIR", "where to (.serverless)"},
    {"json", 0, NULL, "print JSON"},
};

static void put_row(json_t *rows, const char *path, uint64_t size, const char *hash)
{
    if (!json_object_get(rows, path)) { // functions share theirs
        json_put(rows, path, json_pack("{s:I, s:s}", "size", (json_int_t)size, "codeSha256", hash));
    }
}

static int run_package(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(deploy_done) struct deploy deploy = {0};
    CLEAN_JSON json_t *rows = json_object();
    TRY(project_load(args, &service, err));
    TRY(deploy_prepare(args, service, &deploy, err));
    deploy.zips = args_get(args, "package");
    TRY(deploy_build(&deploy, err));
    TRY(deploy_package(&deploy, err));
    for (size_t i = 0; i < deploy.count; i++) {
        put_row(rows, deploy.functions[i].zip, deploy.functions[i].size, deploy.functions[i].hash);
    }
    for (size_t i = 0; i < deploy.layer_count; i++) {
        put_row(rows, deploy.layers[i].zip, deploy.layers[i].size, deploy.layers[i].hash);
    }
    if (args_has(args, "json")) {
        cli_print_json(rows);
        return 0;
    }
    const char *path;
    json_t *row;
    json_object_foreach(rows, path, row)
    {
        CLEAN(buf_done) struct buf size = BUF_INIT(64);
        size_add_human(&size, (uint64_t)json_integer_value(json_object_get(row, "size")));
        printf("%s %s(%s)%s\n", path, terminal_on(DIM, false), buf_text(&size),
               terminal_off(false));
    }
    return 0;
}

const struct verb verb_package = {
    .name = "package",
    .usage = "[--package DIR] [options]",
    .summary = "make the zips of functions and layers, without a server",
    .details = "rouse deploy --package DIR takes them from there.",
    .options = package_options,
    .option_count = ARRAY_SIZE(package_options),
    .run = run_package,
};

// ---- print

static const struct option print_options[] = {
    SERVICE_OPTIONS,
    {"json", 0, NULL, "print JSON, as it does anyway"},
};

static int run_print(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    TRY(project_load(args, &service, err));
    CLEAN_JSON json_t *json = serverless_to_json(service);
    cli_print_json(json);
    return 0;
}

const struct verb verb_print = {
    .name = "print",
    .usage = "[options]",
    .summary = "print serverless.yml as it is understood",
    .details = "Variables resolved, defaults filled in, names made; and what is valid but not "
               "honoured.",
    .options = print_options,
    .option_count = ARRAY_SIZE(print_options),
    .run = run_print,
};
