// SPDX-License-Identifier: Apache-2.0
// rouse logs: what functions wrote and how their invocations went, of the past or as it happens.
#include "cli/log_view.h"
#include "cli/project.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/quantity.h"

static const struct option options[] = {
    {"function", 'f', "NAME", "function: its key in serverless.yml here, else its whole name"},
    {"tail", 't', NULL, "go on with what comes, until Ctrl-C"},
    {"startTime", 0, "TIME", "how far back (10m, 2h) or since when (2026-01-02T03:04:05); else 1h"},
    {"filter", 0, "TEXT", "only lines with this text in them"},
    {"interval", 'i', "MS", "taken for compatibility: what comes is shown at once"},
    SERVICE_OPTIONS,
    REMOTE_OPTIONS,
};

static int since(const struct args *args, int64_t *ret_ms, struct err *err)
{
    const char *start = args_get(args, "startTime");
    struct str text = str_of(start ? start : args_has(args, "tail") ? "10s" : "1h");
    return since_parse(text, clock_wall_ms(), ret_ms, err) < 0 ? err_prefix(err, "--startTime") : 0;
}

static int fetch(const struct args *args, struct log_view *view, const char *region,
                 struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    int64_t since_ms = 0;
    view->filter = args_get(args, "filter");
    view->json = args_has(args, "json");
    TRY(since(args, &since_ms, err));
    TRY(remote_find(args, region, &remote, err));
    return log_view_run(view, &remote, since_ms, args_has(args, "tail"), err);
}

static int one(const struct args *args, struct err *err)
{
    CLEAN_MEM char *name = NULL;
    CLEAN_MEM char *region = NULL;
    TRY(project_function_name(args, &name, &region, err));
    const char *names[] = {name};
    struct log_view view = {.names = names, .name_count = 1};
    return fetch(args, &view, region, err);
}

static int all(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    TRY(project_find(args, &service, err));
    if (!service || service->function_count == 0) {
        return err_set(
            err, ERR_INVALID,
            "-f NAME is missing: which function? (In a folder with a serverless.yml: all)");
    }
    CLEAN_MEM const char **names = mem_alloc(service->function_count * sizeof *names);
    for (size_t i = 0; i < service->function_count; i++) {
        names[i] = service->functions[i].name;
    }
    struct log_view view = {.service = service,
                            .names = names,
                            .name_count = service->function_count,
                            .several = service->function_count > 1};
    return fetch(args, &view, service->region, err);
}

static int run(const struct args *args, struct err *err)
{
    return args_has(args, "function") ? one(args, err) : all(args, err);
}

const struct verb verb_logs = {
    .name = "logs",
    .usage = "[-f NAME] [--tail] [--startTime TIME] [--filter TEXT]",
    .summary = "print the log of a function, or of all in this folder",
    .details =
        "Without -f, in a folder with a serverless.yml: the logs of all its functions, in the "
        "order of their times,\neach line after its function.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
