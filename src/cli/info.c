// SPDX-License-Identifier: Apache-2.0
// rouse info: the project of this folder as the server has it or, elsewhere, the server itself.
#include "cli/http_api.h"
#include "cli/lambda_api.h"
#include "cli/project.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

static const struct option options[] = {
    {"server", 0, NULL, "the server, also in a folder with a serverless.yml"},
    SERVICE_OPTIONS,
    REMOTE_OPTIONS,
};

// ---- the server

static void print_value(const char *key, const json_t *value)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024 * 1024);
    if (json_is_string(value)) {
        buf_add_str(&text, json_str(value));
    } else {
        json_write(value, &text);
    }
    printf("%s%s:%s %s\n", terminal_on(DIM, false), key, terminal_off(false), buf_text(&text));
}

static int print_server(const struct args *args, struct remote *remote, struct err *err)
{
    CLEAN_JSON json_t *info = NULL;
    TRY(remote_lambda_call(remote, "GET", "/rouse/info", NULL, &info, err));
    if (args_has(args, "json")) {
        cli_print_json(info);
        return 0;
    }
    printf("%sendpoint:%s %s\n", terminal_on(DIM, false), terminal_off(false), remote->endpoint);
    const char *key;
    json_t *value;
    json_object_foreach(info, key, value)
    {
        print_value(key, value);
    }
    return 0;
}

// ---- the project

static int fetch_functions(const struct serverless *service, struct remote *remote,
                           json_t *functions, struct err *err)
{
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        CLEAN_JSON json_t *there = NULL;
        int rc = remote_lambda_get(remote, f->name, &there, err);
        TRY(rc);
        json_t *row = json_object();
        const json_t *config = json_object_get(there, "Configuration");
        json_put_str(row, "name", str_of(f->name));
        json_put_bool(row, "deployed", rc == 1);
        static const char *const members[][2] = {
            {"arn", "FunctionArn"},   {"runtime", "Runtime"},
            {"state", "State"},       {"stateReason", "StateReason"},
            {"codeSize", "CodeSize"}, {"lastModified", "LastModified"},
        };
        for (size_t m = 0; m < ARRAY_SIZE(members); m++) {
            json_t *value = json_object_get(config, members[m][1]);
            if (value && !json_is_null(value)) {
                json_put(row, members[m][0], json_incref(value));
            }
        }
        json_put(functions, f->key, row);
    }
    return 0;
}

static void print_function(const char *key, const json_t *row)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    struct str name = json_str(json_object_get(row, "name"));
    struct str state = json_str(json_object_get(row, "state"));
    struct str reason = json_str(json_object_get(row, "stateReason"));
    printf("  %s: " STR_FMT, key, STR_ARG(name));
    if (!json_is_true(json_object_get(row, "deployed"))) {
        printf(" %s(not deployed)%s\n", terminal_on(YELLOW, false), off);
        return;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, (uint64_t)json_integer_value(json_object_get(row, "codeSize")));
    printf(" %s(%s)%s", dim, buf_text(&size), off);
    if (state.size && !str_eq(state, STR("Active"))) {
        printf(" %s" STR_FMT "%s%s" STR_FMT, terminal_on(RED, false), STR_ARG(state), off,
               reason.size ? ": " : "", STR_ARG(reason));
    }
    putchar('\n');
}

static void print_events(const struct serverless *service)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    bool any = false;
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        for (size_t j = 0; j < f->bucket_count; j++) {
            const struct serverless_bucket *b = &f->buckets[j];
            if (!any) {
                printf("%sevents:%s\n", dim, off);
            }
            any = true;
            printf("  s3://%s/%s*%s %s->%s %s %s(%s)%s\n", b->bucket, b->prefix ? b->prefix : "",
                   b->suffix ? b->suffix : "", dim, off, f->key, dim, b->event, off);
        }
    }
}

static int print_project(const struct args *args, const struct serverless *service,
                         struct remote *remote, struct err *err)
{
    CLEAN_JSON json_t *object = json_object();
    CLEAN_MEM char *stack = project_stack(service);
    json_t *functions = json_object();
    json_put_str(object, "service", str_of(service->service));
    json_put_str(object, "stage", str_of(service->stage));
    json_put_str(object, "region", str_of(service->region));
    json_put_str(object, "stack", str_of(stack));
    json_put_str(object, "endpoint", str_of(remote->endpoint));
    json_put(object, "functions", functions);
    TRY(fetch_functions(service, remote, functions, err));
    json_t *endpoints = NULL;
    TRY(endpoints_fetch(remote, service, &endpoints, err));
    json_put(object, "endpoints", endpoints);
    if (args_has(args, "json")) {
        cli_print_json(object);
        return 0;
    }
    const char *const keys[] = {"service", "stage", "region", "stack", "endpoint"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        print_value(keys[i], json_object_get(object, keys[i]));
    }
    endpoints_print(endpoints);
    printf("%sfunctions:%s\n", terminal_on(DIM, false), terminal_off(false));
    const char *key;
    json_t *row;
    json_object_foreach(functions, key, row)
    {
        print_function(key, row);
    }
    print_events(service);
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(remote_done) struct remote remote = {0};
    if (!args_has(args, "server")) {
        TRY(project_find(args, &service, err));
    }
    TRY(remote_find(args, service ? service->region : NULL, &remote, err));
    return service ? print_project(args, service, &remote, err) : print_server(args, &remote, err);
}

const struct verb verb_info = {
    .name = "info",
    .usage = "[--server] [options]",
    .summary = "say what is deployed, or how the server is",
    .details = "In a folder with a serverless.yml: its functions as the server has them. "
               "Elsewhere, or with "
               "--server: the\nserver's own account of itself.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
