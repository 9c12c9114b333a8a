// SPDX-License-Identifier: Apache-2.0
// Looking at functions, and deleting them.
#include "api/lambda.h"
#include "base/clock.h"
#include "format/hex.h"
#include "format/sigv4.h"

#define LOCATION_EXPIRES_S 600
#define LIST_MAX           10000

// ── GetFunction, GetFunctionConfiguration ──

static int shown_version(struct lambda_call *call, struct lambda_function **ret_f,
                         const struct function **ret, json_t **ret_config, struct err *err)
{
    struct lambda_target target;
    TRY(lambda_need(call, ret_f, err));
    TRY(lambda_need_target(call, *ret_f, /* pick */ false, &target, err));
    bool latest = target.version == (*ret_f)->latest;
    *ret = latest && (*ret_f)->update ? (*ret_f)->update : target.version;
    *ret_config = lambda_config_json(*ret_f, *ret, call->qualifier != NULL);
    if (target.alias) {
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, call->qualifier);
        json_put_str(*ret_config, "FunctionArn", str_of(arn));
    }
    return 0;
}

int lambda_location_write(struct lambda_call *call, const char *package, struct buf *out,
                          struct err *err)
{
    struct api *api = call->api;
    struct str folder = str_of(package); // "…/<sha>/code"
    folder.size -= strlen("/code");
    struct str sha = str_skip(folder, folder.size - 64);
    CLEAN_MEM char *path = mem_printf("/rouse/code/" STR_FMT ".zip", STR_ARG(sha));
    bool asked = call->req && call->req->host.size;
    struct str host = asked ? call->req->host : STR("127.0.0.1");
    struct sigv4_header headers[] = {{STR("host"), host}};
    struct sigv4_request request = {.flavour = SIGV4_SERVICE,
                                    .method = STR("GET"),
                                    .path = str_of(path),
                                    .headers = headers,
                                    .header_count = 1};
    struct sigv4_credentials credentials = {str_of(api->access_key), str_of(api->secret_key), {0}};
    buf_printf(out, "http://" STR_FMT "%s?", STR_ARG(host), path);
    return sigv4_presign(&request, &credentials, str_of(api->settings->region), STR("lambda"),
                         clock_wall_ms(), LOCATION_EXPIRES_S, out, err);
}

static json_t *tags_json(const struct lambda_function *f)
{
    json_t *tags = NULL;
    struct err ignored = {0};
    if (!f->tags || json_parse_object(str_of(f->tags), &tags, &ignored) < 0) {
        tags = json_object();
    }
    return tags;
}

int lambda_get_function(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    const struct function *version = NULL;
    CLEAN_JSON json_t *config = NULL;
    TRY(shown_version(call, &f, &version, &config, err));
    CLEAN(buf_done) struct buf location = BUF_INIT(16 * 1024);
    TRY(lambda_location_write(call, version->package, &location, err));
    CLEAN_JSON json_t *answer = json_object();
    json_put(answer, "Configuration", json_incref(config));
    json_put(answer, "Code",
             json_pack("{s:s, s:s}", "RepositoryType", "S3", "Location", buf_text(&location)));
    if (f->tags) {
        json_put(answer, "Tags", tags_json(f));
    }
    if (f->reserved >= 0) {
        json_put(answer, "Concurrency",
                 json_pack("{s:I}", "ReservedConcurrentExecutions", (json_int_t)f->reserved));
    }
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_get_configuration(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    const struct function *version = NULL;
    CLEAN_JSON json_t *answer = NULL;
    TRY(shown_version(call, &f, &version, &answer, err));
    lambda_reply(call, 200, answer);
    return 0;
}

// ── lists ──

struct listed {
    const struct lambda_function *f;
    const struct function *version;
};

static int listed_cmp(const void *left, const void *right)
{
    const struct listed *a = left, *b = right;
    int order = strcmp(a->version->name, b->version->name);
    if (order) {
        return order;
    }
    int64_t x = 0, y = 0; // "$LATEST" is no number and comes first
    (void)str_to_i64(str_of(a->version->version), &x);
    (void)str_to_i64(str_of(b->version->version), &y);
    return (x > y) - (x < y);
}

static void list_add(struct listed **list, size_t *count, const struct lambda_function *f,
                     bool versions)
{
    *list = mem_grow(*list, (*count + 1 + f->version_count) * sizeof **list);
    (*list)[(*count)++] = (struct listed){f, f->latest};
    for (size_t i = 0; versions && i < f->version_count; i++) {
        (*list)[(*count)++] = (struct listed){f, f->versions[i]};
    }
}

struct listing {
    const struct listed *at;
    bool qualified;
};

static void listed_mark(void *ctx, size_t i, struct buf *out)
{
    const struct listing *listing = ctx;
    const struct function *version = listing->at[i].version;
    buf_printf(out, "%s:%s", version->name, version->version);
}

static json_t *listed_json(void *ctx, size_t i)
{
    const struct listing *listing = ctx;
    return lambda_config_json(listing->at[i].f, listing->at[i].version, listing->qualified);
}

static int list_reply(struct lambda_call *call, const struct listed *at, size_t count,
                      const char *member, bool qualified, struct err *err)
{
    struct listing listing = {at, qualified};
    const struct lambda_listing list = {.member = member,
                                        .count = count,
                                        .items_max = LIST_MAX,
                                        .mark = listed_mark,
                                        .item = listed_json,
                                        .ctx = &listing};
    return lambda_list(call, &list, err);
}

int lambda_list_functions(struct lambda_call *call, struct err *err)
{
    CLEAN(buf_done) struct buf which = BUF_INIT(1024);
    bool versions = lambda_param(call, "FunctionVersion", &which);
    if (versions && !str_eq(buf_str(&which), STR("ALL"))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'functionVersion' failed to satisfy constraint: Member must satisfy "
                       "enum value set: [ALL]",
                       STR_ARG(str_head(buf_str(&which), 40)));
    }
    CLEAN_MEM struct listed *list = NULL;
    size_t count = 0, at = 0;
    for (struct lambda_function *f; (f = map_next(&call->api->lambda->functions, &at));) {
        if (f->latest) {
            list_add(&list, &count, f, versions);
        }
    }
    if (count) {
        qsort(list, count, sizeof *list, listed_cmp);
    }
    return list_reply(call, list, count, "Functions", versions, err);
}

int lambda_list_versions(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    CLEAN_MEM struct listed *list = NULL;
    size_t count = 0;
    list_add(&list, &count, f, /* versions */ true);
    return list_reply(call, list, count, "Versions", /* qualified */ true, err);
}

// ── DeleteFunction ──

// A version stays while an alias leads to it.
static int deletable(struct lambda_call *call, const struct lambda_function *f, struct err *err)
{
    if (strcmp(call->qualifier, "$LATEST") == 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "$LATEST version cannot be deleted without deleting the function.");
    }
    if (!lambda_is_version(str_of(call->qualifier))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Deletion of aliases is not currently supported.");
    }
    CLEAN(buf_done) struct buf names = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    for (size_t i = 0; i < f->alias_count; i++) {
        if (alias_leads_to(f->aliases[i], call->qualifier)) {
            buf_printf(&names, "%s%s", names.size ? ", " : "", f->aliases[i]->name);
        }
    }
    return names.size == 0
               ? 0
               : err_aws(err, ERR_EXISTS, "ResourceConflictException",
                         "Unable to delete version because the following aliases reference it: "
                         "[%.300s]",
                         buf_text(&names));
}

int lambda_delete_function(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    if (call->qualifier) {
        TRY(deletable(call, f, err));
        if (!lambda_version_find(f, call->qualifier)) { // one that is not there is deleted already
            lambda_reply_empty(call, 204);
            return 0;
        }
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->drop = call->qualifier == NULL;
    if (call->qualifier) {
        lambda_policy_forget(change, f, call->qualifier);
    }
    lambda_text_set(&change->drop_version, call->qualifier);
    change->status = 204;
    change->done = lambda_change_answer;
    lambda_write(change);
    return 0;
}
