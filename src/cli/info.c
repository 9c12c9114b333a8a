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

static void names_add(struct buf *out, const json_t *names)
{
    size_t i = 0;
    json_t *name = NULL;
    json_array_foreach(names, i, name)
    {
        buf_printf(out, "%s" STR_FMT, i ? ", " : "", STR_ARG(json_str(name)));
    }
}

static void print_cache(const json_t *cache)
{
    if (json_is_object(cache)) {
        struct str kind = json_str(json_object_get(cache, "kind"));
        struct str state = json_str(json_object_get(cache, "state"));
        printf("%scache:%s " STR_FMT ", " STR_FMT ", %lld entries\n", terminal_on(DIM, false),
               terminal_off(false), STR_ARG(kind), STR_ARG(state),
               (long long)json_integer_value(json_object_get(cache, "entries")));
    }
}

static void print_walls(const json_t *walls)
{
    const json_t *missing = json_object_get(walls, "missing");
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    names_add(&text, json_object_get(walls, "standing"));
    if (json_array_size(missing)) {
        struct str why = json_str(json_object_get(walls, "why"));
        buf_add_text(&text, text.size ? "; missing: " : "none; missing: ");
        names_add(&text, missing);
        buf_printf(&text, " (" STR_FMT ")", STR_ARG(why));
    }
    printf("%swalls:%s %s\n", terminal_on(DIM, false), terminal_off(false), buf_text(&text));
}

// The columns of the table of functions: a heading, and the member of the server's account.
static const struct column {
    const char *heading, *member, *unit;
} columns[] = {
    {"NAME", "name", ""},           {"RUNTIME", "runtime", ""},
    {"STATE", "state", ""},         {"MEMORY", "memoryMb", " MB"},
    {"TIMEOUT", "timeoutS", " s"},  {"CODE", "codeSize", NULL}, // in human units
    {"INSTANCES", "instances", ""}, {"WAITING", "queued", ""},
    {"CALLS", "invocations", ""},   {"ERRORS", "errors", ""},
};

static void cell_write(const json_t *function, const struct column *column, struct buf *out)
{
    const json_t *value = json_object_get(function, column->member);
    if (json_is_string(value)) {
        buf_add_str(out, json_str(value));
    } else if (column->unit) {
        buf_printf(out, "%lld%s", (long long)json_integer_value(value), column->unit);
    } else {
        size_add_human(out, (uint64_t)json_integer_value(value));
    }
}

static void print_cell(const char *text, bool is_number, int width, bool last)
{
    if (is_number) {
        printf("%*s%s", width, text, last ? "\n" : "  ");
    } else {
        printf("%-*s%s", width, text, last ? "\n" : "  ");
    }
}

// "static int8, 2.1 times as fast, loss 0.004", or why not.
static void quantize_write(const json_t *status, struct buf *out)
{
    struct str state = json_str(json_object_get(status, "State"));
    struct str reason = json_str(json_object_get(status, "Reason"));
    if (str_eq(state, STR("Kept"))) {
        buf_printf(out, STR_FMT " int8, %.2f times as fast, loss %.4g",
                   STR_ARG(json_str(json_object_get(status, "Method"))),
                   json_number_value(json_object_get(status, "Speedup")),
                   json_number_value(json_object_get(status, "Loss")));
    } else if (str_eq(state, STR("InProgress"))) {
        buf_add_text(out, "under way, float serves meanwhile");
    } else {
        buf_printf(out, "%s: " STR_FMT,
                   str_eq(state, STR("Float")) ? "float stays" : "failed, float stays",
                   STR_ARG(reason));
    }
}

static void print_quantize(const json_t *status)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    if (status) {
        quantize_write(status, &text);
        printf("    %squantize:%s %s\n", terminal_on(DIM, false), terminal_off(false),
               buf_text(&text));
    }
}

static void print_row(const json_t *function, const int *widths)
{
    for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
        bool is_number = !json_is_string(json_object_get(function, columns[c].member));
        CLEAN(buf_done) struct buf cell = BUF_INIT(1024);
        cell_write(function, &columns[c], &cell);
        print_cell(buf_text(&cell), is_number, widths[c], c + 1 == ARRAY_SIZE(columns));
    }
    struct str reason = json_str(json_object_get(function, "stateReason"));
    if (reason.size) {
        printf("  %s" STR_FMT "%s\n", terminal_on(RED, false), STR_ARG(reason),
               terminal_off(false));
    }
    print_quantize(json_object_get(function, "quantize"));
}

static void print_table(const json_t *functions)
{
    int widths[ARRAY_SIZE(columns)];
    size_t i = 0;
    json_t *function = NULL;
    if (json_array_size(functions) == 0) {
        printf("%sfunctions:%s none\n", terminal_on(DIM, false), terminal_off(false));
        return;
    }
    for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
        widths[c] = (int)strlen(columns[c].heading);
        json_array_foreach(functions, i, function)
        {
            CLEAN(buf_done) struct buf cell = BUF_INIT(1024);
            cell_write(function, &columns[c], &cell);
            widths[c] = (int)cell.size > widths[c] ? (int)cell.size : widths[c];
        }
    }
    printf("\n%s", terminal_on(DIM, false));
    for (size_t c = 0; c < ARRAY_SIZE(columns); c++) {
        bool is_number =
            !json_is_string(json_object_get(json_array_get(functions, 0), columns[c].member));
        print_cell(columns[c].heading, is_number, widths[c], c + 1 == ARRAY_SIZE(columns));
    }
    printf("%s", terminal_off(false));
    json_array_foreach(functions, i, function)
    {
        print_row(function, widths);
    }
}

// A row of the device table; `what` is the hardware, or why there is none.
static void print_device(struct str name, struct str what, const char *more)
{
    printf("%-10.*s" STR_FMT "%s\n", (int)name.size, name.at, STR_ARG(what), more);
}

static void print_device_there(const json_t *device)
{
    struct str model = json_str(json_object_get(device, "model"));
    int64_t cores = json_integer_value(json_object_get(device, "cores"));
    uint64_t memory = (uint64_t)json_integer_value(json_object_get(device, "memoryBytes"));
    CLEAN(buf_done) struct buf more = BUF_INIT(256);
    if (cores) {
        buf_printf(&more, ", %lld core%s", (long long)cores, cores == 1 ? "" : "s");
    }
    if (memory) {
        buf_add_text(&more, ", ");
        size_add_human(&more, memory);
    }
    print_device(json_str(json_object_get(device, "name")),
                 model.size ? model : json_str(json_object_get(device, "provider")),
                 buf_text(&more));
}

static int print_devices(const struct args *args, struct remote *remote, struct err *err)
{
    CLEAN_JSON json_t *info = NULL;
    TRY(remote_lambda_call(remote, "GET", "/rouse/devices", NULL, &info, err));
    if (args_has(args, "json")) {
        cli_print_json(info);
        return 0;
    }
    struct str wrong = json_str(json_object_get(info, "error"));
    if (wrong.size) {
        return err_set(err, ERR_UNAVAILABLE, STR_FMT, STR_ARG(wrong));
    }
    size_t i = 0;
    json_t *one = NULL;
    json_array_foreach(json_object_get(info, "devices"), i, one)
    {
        print_device_there(one);
    }
    json_array_foreach(json_object_get(info, "missing"), i, one)
    {
        struct str reason = json_str(json_object_get(one, "why"));
        CLEAN_MEM char *why = mem_printf("none: " STR_FMT, STR_ARG(reason));
        print_device(json_str(json_object_get(one, "device")), str_of(why), "");
    }
    return 0;
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
        if (strcmp(key, "walls") == 0) {
            print_walls(value);
        } else if (strcmp(key, "cache") == 0) {
            print_cache(value);
        } else if (strcmp(key, "store") == 0) {
            print_value("data", json_object_get(value, "dir"));
        } else if (strcmp(key, "functions") != 0 && strcmp(key, "devices") != 0) {
            print_value(key, value);
        }
    }
    print_table(json_object_get(info, "functions"));
    return 0;
}

// ---- the project

// {"requested", "available", "status"} of a function that is to have instances ahead.
static int fetch_provisioned(const struct serverless_function *f, struct remote *remote,
                             json_t *row, struct err *err)
{
    static const char *const members[][2] = {
        {"requested", "RequestedProvisionedConcurrentExecutions"},
        {"available", "AvailableProvisionedConcurrentExecutions"},
        {"status", "Status"},
        {"statusReason", "StatusReason"},
    };
    CLEAN_MEM char *target = project_target(f, /* provisioned */ true);
    CLEAN_JSON json_t *there = NULL;
    int rc =
        f->provisioned_concurrency > 0 ? remote_lambda_provisioned(remote, target, &there, err) : 0;
    if (rc <= 0) {
        return rc;
    }
    json_t *told = json_object();
    for (size_t m = 0; m < ARRAY_SIZE(members); m++) {
        json_t *value = json_object_get(there, members[m][1]);
        if (value) {
            json_put(told, members[m][0], json_incref(value));
        }
    }
    json_put(row, "provisionedConcurrency", told);
    return 0;
}

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
            {"arn", "FunctionArn"},
            {"runtime", "Runtime"},
            {"state", "State"},
            {"stateReason", "StateReason"},
            {"codeSize", "CodeSize"},
            {"lastModified", "LastModified"},
            {"quantize", "QuantizeStatus"},
        };
        for (size_t m = 0; m < ARRAY_SIZE(members); m++) {
            json_t *value = json_object_get(config, members[m][1]);
            if (value && !json_is_null(value)) {
                json_put(row, members[m][0], json_incref(value));
            }
        }
        json_put(functions, f->key, row);
        TRY(fetch_provisioned(f, remote, row, err));
    }
    return 0;
}

static void print_provisioned(const json_t *told)
{
    struct str reason = json_str(json_object_get(told, "statusReason"));
    if (told) {
        printf("    %sprovisioned:%s %lld of %lld instances ready%s" STR_FMT "\n",
               terminal_on(DIM, false), terminal_off(false),
               (long long)json_integer_value(json_object_get(told, "available")),
               (long long)json_integer_value(json_object_get(told, "requested")),
               reason.size ? ": " : "", STR_ARG(reason));
    }
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
    print_quantize(json_object_get(row, "quantize"));
    print_provisioned(json_object_get(row, "provisionedConcurrency"));
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
    bool of_devices = args->rest_count > 0;
    if (of_devices && strcmp(args->rest[0], "devices") != 0) {
        return err_set(err, ERR_INVALID, "there is no \"%s\" to tell of: rouse info %s",
                       args->rest[0], args->verb->usage);
    }
    if (!args_has(args, "server") && !of_devices) {
        TRY(project_find(args, &service, err));
    }
    TRY(remote_find(args, service ? service->region : NULL, &remote, err));
    if (of_devices) {
        return print_devices(args, &remote, err);
    }
    return service ? print_project(args, service, &remote, err) : print_server(args, &remote, err);
}

const struct verb verb_info = {
    .name = "info",
    .usage = "[devices] [--server] [options]",
    .words = "devices",
    .most = 1,
    .summary = "say what is deployed, or how the server is",
    .details = "In a folder with a serverless.yml: its functions as the server has them. "
               "Elsewhere, or with "
               "--server: the\nserver's own account of itself. rouse info devices: what it has for "
               "models to "
               "compute on.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
