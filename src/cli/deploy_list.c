// SPDX-License-Identifier: Apache-2.0
// rouse deploy list: the last deployments, of what each has left in the state; and versions of functions.
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/uri.h"

static void print_deployments(const struct serverless *service, const json_t *history)
{
    CLEAN_MEM char *stack = project_stack(service);
    size_t i, j;
    json_t *row, *change;
    if (json_array_size(history) == 0) {
        printf("There are no deployments of %s.\n", stack);
    }
    json_array_foreach((json_t *)(uintptr_t)history, i, row)
    {
        char when[CLOCK_TEXT_MAX];
        clock_iso(json_integer_value(json_object_get(row, "timestamp")), when);
        printf("%s%.10s %.8s%s\n", terminal_on(BOLD, false), when, when + 11, terminal_off(false));
        json_array_foreach(json_object_get(row, "changes"), j, change)
        {
            printf("  %s\n", json_string_value(change));
        }
    }
}

static int list_deployments(const struct args *args, const struct serverless *service,
                            struct remote *remote, struct err *err)
{
    CLEAN_JSON json_t *state = NULL;
    TRY(project_state_get(remote, service, &state, err));
    json_t *history = json_object_get(state, "deployments");
    if (args_has(args, "json")) {
        CLEAN_JSON json_t *none = json_array();
        cli_print_json(history ? history : none);
    } else {
        print_deployments(service, history);
    }
    return 0;
}

// One page of them; *marker, heap, is the next page's or NULL.
static int fetch_page(struct remote *remote, const char *path, json_t *versions, char **marker,
                      struct err *err)
{
    CLEAN(buf_done) struct buf query = BUF_INIT(4096);
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN_JSON json_t *page = NULL;
    size_t i;
    json_t *version;
    if (*marker) {
        buf_add_text(&query, "Marker=");
        uri_encode(&query, str_of(*marker), false);
    }
    struct remote_request request = {
        .service = "lambda", .method = "GET", .path = path, .query = buf_text(&query)};
    TRY(remote_call(remote, &request, &reply, err));
    TRY(json_parse_object(buf_str(&reply.body), &page, err));
    json_array_foreach(json_object_get(page, "Versions"), i, version)
    {
        json_array_append(versions, json_object_get(version, "Version"));
    }
    struct str next = json_str(json_object_get(page, "NextMarker"));
    free(*marker);
    *marker = next.size ? str_dup(next) : NULL;
    return 0;
}

// Texts of its versions, $LATEST first; NULL when the function is not there.
static int fetch_versions(struct remote *remote, const char *name, json_t **ret, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "/versions");
    CLEAN_MEM char *marker = NULL;
    CLEAN_JSON json_t *versions = json_array();
    do {
        struct err told = {0};
        int rc = fetch_page(remote, path, versions, &marker, &told);
        if (rc < 0) {
            return rc == ERR_NOT_FOUND ? 0 : err_aws(err, rc, told.aws, "%s", told.text);
        }
    } while (marker);
    *ret = json_incref(versions);
    return 0;
}

static void print_versions(const char *key, const json_t *versions)
{
    size_t i;
    json_t *version;
    printf("%s: ", key);
    if (!versions) {
        printf("%snot deployed%s", terminal_on(YELLOW, false), terminal_off(false));
    }
    json_array_foreach((json_t *)(uintptr_t)versions, i, version)
    {
        printf("%s%s", i ? ", " : "", json_string_value(version));
    }
    putchar('\n');
}

static int list_functions(const struct args *args, const struct serverless *service,
                          struct remote *remote, struct err *err)
{
    CLEAN_JSON json_t *all = json_object();
    for (size_t i = 0; i < service->function_count; i++) {
        const struct serverless_function *f = &service->functions[i];
        CLEAN_JSON json_t *versions = NULL;
        TRY(fetch_versions(remote, f->name, &versions, err));
        if (!args_has(args, "json")) {
            print_versions(f->key, versions);
        }
        json_put(all, f->key, versions ? json_incref(versions) : json_null());
    }
    if (args_has(args, "json")) {
        cli_print_json(all);
    }
    return 0;
}

int deploy_list(const struct args *args, struct err *err)
{
    CLEAN(serverless_free_clean) struct serverless *service = NULL;
    CLEAN(remote_done) struct remote remote = {0};
    TRY(project_find(args, &service, err));
    if (!service) {
        return project_load(args, &service, err); // there is none, and it says so
    }
    TRY(remote_find(args, service->region, &remote, err));
    return args->rest_count > 1 ? list_functions(args, service, &remote, err)
                                : list_deployments(args, service, &remote, err);
}
