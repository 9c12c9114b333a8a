// SPDX-License-Identifier: Apache-2.0
// What is set for a function beside its code: reserved concurrency, tags, and the limits of the account.
#include "api/lambda.h"
#include "base/clock.h"
#include "core/identity.h"
#include "format/uri.h"

#define TAGS_MAX 50

int lambda_null_member(struct err *err, const char *member)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value null at '%s' failed to satisfy constraint: "
                   "Member must not be null",
                   member);
}

static int out_of_range(struct err *err, const char *member, int64_t value, int64_t least,
                        int64_t most)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '%lld' at '%s' failed to satisfy "
                   "constraint: Member must have value %s than or equal to %lld",
                   (long long)value, member, value < least ? "greater" : "less",
                   (long long)(value < least ? least : most));
}

int lambda_read_bounded(const json_t *input, const char *name, const char *member, int64_t least,
                        int64_t most, int64_t *ret, struct err *err)
{
    int64_t value = 0;
    int rc = json_get_int(input, name, INT64_MIN, INT64_MAX, &value, err);
    if (rc == 1 && (value < least || value > most)) {
        return out_of_range(err, member, value, least, most);
    }
    if (rc == 1) {
        *ret = value;
    }
    return rc;
}

// ── reserved concurrency ──

static json_t *concurrency_json(int64_t reserved)
{
    json_t *json = json_object();
    if (reserved >= 0) {
        json_put_int(json, "ReservedConcurrentExecutions", reserved);
    }
    return json;
}

int lambda_put_concurrency(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    int64_t reserved = 0;
    TRY(lambda_need(call, &f, err));
    int rc = lambda_read_bounded(call->input, "ReservedConcurrentExecutions",
                                 "reservedConcurrentExecutions", 0, INT32_MAX, &reserved, err);
    TRY(rc);
    if (rc == 0) {
        return lambda_null_member(err, "reservedConcurrentExecutions");
    }
    int64_t provisioned = lambda_provision_total(f);
    if (provisioned > reserved) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       " ReservedConcurrentExecutions  %lld should not be lower than function's "
                       "total provisioned concurrency [%lld].",
                       (long long)reserved, (long long)provisioned);
    }
    struct lambda_change *change = lambda_change_begin(call, f, 200);
    change->reserved = reserved;
    change->answer = concurrency_json(reserved);
    lambda_write(change);
    return 0;
}

int lambda_get_concurrency(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    CLEAN_JSON json_t *answer = concurrency_json(f->reserved);
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_delete_concurrency(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    struct lambda_change *change = lambda_change_begin(call, f, 204);
    change->reserved = -1;
    lambda_write(change);
    return 0;
}

// ── tags ──

static json_t *tags_of(const struct lambda_function *f)
{
    json_t *tags = NULL;
    struct err ignored = {0};
    if (!f->tags || json_parse_object(str_of(f->tags), &tags, &ignored) < 0) {
        tags = json_object();
    }
    return tags;
}

static int tags_write(struct lambda_call *call, struct lambda_function *f, const json_t *tags)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    struct lambda_change *change = lambda_change_begin(call, f, 204);
    json_write(tags, &text);
    lambda_text_set(&change->tags, json_object_size(tags) ? buf_text(&text) : NULL);
    lambda_write(change);
    return 0;
}

int lambda_tags_check(const json_t *tags, struct err *err)
{
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)(uintptr_t)tags, name, value)
    {
        size_t size = strlen(name);
        if (!json_is_string(value)) {
            return err_aws(err, ERR_PROTOCOL, "InvalidRequestContentException",
                           "Tags.%.100s: must be a string, is %s", name, json_kind_name(value));
        }
        if (size == 0 || size > 128 || json_string_length(value) > 256 ||
            strncasecmp(name, "aws:", 4) == 0) {
            return err_aws(
                err, ERR_INVALID, "InvalidParameterValueException",
                "The tag \"%.100s\" is not valid: a key has 1 to 128 characters and does "
                "not begin with aws:, a value has at most 256",
                name);
        }
    }
    if (json_object_size(tags) > TAGS_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "A function has at most %d tags.", TAGS_MAX);
    }
    return 0;
}

int lambda_tag_resource(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    json_t *more = NULL;
    TRY(lambda_need(call, &f, err));
    TRY(json_get_object(call->input, "Tags", &more, err));
    if (!more) {
        return lambda_null_member(err, "tags");
    }
    CLEAN_JSON json_t *tags = tags_of(f);
    json_object_update(tags, more);
    TRY(lambda_tags_check(tags, err));
    return tags_write(call, f, tags);
}

int lambda_untag_resource(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    CLEAN_JSON json_t *tags = tags_of(f);
    CLEAN(buf_done) struct buf key = BUF_INIT(4096);
    struct str rest = call->req ? call->req->query : (struct str){0}, name, value;
    bool any = false;
    while (uri_query_next(&rest, &name, &value)) {
        if (str_eq(name, STR("tagKeys"))) {
            buf_clear(&key);
            uri_decode_lenient(value, URI_QUERY, &key);
            json_object_del(tags, buf_text(&key));
            any = true;
        }
    }
    return any ? tags_write(call, f, tags) : lambda_null_member(err, "tagKeys");
}

int lambda_list_tags(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    CLEAN_JSON json_t *answer = json_object();
    json_put(answer, "Tags", tags_of(f));
    lambda_reply(call, 200, answer);
    return 0;
}

// ── the account ──

int lambda_account_settings(struct lambda_call *call, struct err *err)
{
    (void)err;
    const struct api_settings *settings = call->api->settings;
    int64_t functions = 0, reserved = 0;
    int64_t size = (int64_t)lambda_layers_code_size(call->api->lambda);
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&call->api->lambda->functions, &at));) {
        if (f->latest) {
            functions++;
            size += (int64_t)f->latest->code_size;
            reserved += f->reserved > 0 ? f->reserved : lambda_provision_total(f);
            for (size_t i = 0; i < f->version_count; i++) {
                size += (int64_t)f->versions[i]->code_size;
            }
        }
    }
    CLEAN_JSON json_t *answer = json_object();
    json_t *limit = json_object(), *usage = json_object();
    json_put_int(limit, "TotalCodeSize", INT64_C(80530636800));
    json_put_int(limit, "CodeSizeUnzipped", (int64_t)settings->code_unpacked_max);
    json_put_int(limit, "CodeSizeZipped", (int64_t)settings->code_zip_max);
    json_put_int(limit, "ConcurrentExecutions", LAMBDA_CONCURRENCY);
    json_put_int(limit, "UnreservedConcurrentExecutions",
                 reserved < LAMBDA_CONCURRENCY ? LAMBDA_CONCURRENCY - reserved : 0);
    json_put_int(usage, "TotalCodeSize", size);
    json_put_int(usage, "FunctionCount", functions);
    json_put(answer, "AccountLimit", limit);
    json_put(answer, "AccountUsage", usage);
    lambda_reply(call, 200, answer);
    return 0;
}
