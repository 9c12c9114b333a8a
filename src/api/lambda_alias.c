// SPDX-License-Identifier: Apache-2.0
// Aliases of functions: CreateAlias, GetAlias, ListAliases, UpdateAlias, DeleteAlias. What an alias
// leads to is looked up for each invocation: in lambda_need_target, and by the dispatcher for events.
#include "api/lambda.h"
#include "core/uuid.h"

#define LIST_MAX        10000
#define DESCRIPTION_MAX 256
#define NAME_MAX_SIZE   128

bool lambda_is_version(struct str qualifier)
{
    bool digits = qualifier.size > 0;
    for (size_t i = 0; i < qualifier.size; i++) {
        digits = digits && qualifier.at[i] >= '0' && qualifier.at[i] <= '9';
    }
    return digits || str_eq(qualifier, STR("$LATEST"));
}

// ── answers ──

static json_t *alias_json(const struct lambda *lambda, const struct alias *alias)
{
    CLEAN_MEM char *arn = lambda_arn(lambda, alias->function, alias->name);
    json_t *json = json_object();
    json_put_str(json, "AliasArn", str_of(arn));
    json_put_str(json, "Name", str_of(alias->name));
    json_put_str(json, "FunctionVersion", str_of(alias->version));
    json_put_str(json, "Description", str_of(alias->description ? alias->description : ""));
    if (alias->other) {
        json_put(
            json, "RoutingConfig",
            json_pack("{s:{s:f}}", "AdditionalVersionWeights", alias->other, alias->other_share));
    }
    json_put_str(json, "RevisionId", str_of(alias->revision));
    return json;
}

static int need_alias(struct lambda_call *call, const char *name, struct lambda_function **ret_f,
                      struct alias **ret, struct err *err)
{
    TRY(lambda_need(call, ret_f, err));
    *ret = lambda_alias_find(*ret_f, name);
    if (*ret) {
        return 0;
    }
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, name);
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException", "Cannot find alias arn: %s",
                   arn);
}

// ── what a request says ──

static int constraint(struct err *err, struct str value, const char *member, const char *text)
{
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at '%s' failed to satisfy constraint: %s",
                   STR_ARG(str_head(value, 150)), member, text);
}

static int version_exists(struct lambda_call *call, const struct lambda_function *f,
                          const char *version, struct err *err)
{
    if (lambda_version_find(f, version)) {
        return 0;
    }
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, version);
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException", "Function not found: %s", arn);
}

static int read_version(struct lambda_call *call, const struct lambda_function *f,
                        struct alias *alias, struct err *err)
{
    struct str version = {0};
    if (json_get_str(call->input, "FunctionVersion", &version, err) <= 0) {
        return err->code;
    }
    if (!lambda_is_version(version)) {
        return constraint(err, version, "functionVersion",
                          "Member must satisfy regular expression pattern: (\\$LATEST|[0-9]+)");
    }
    free(alias->version);
    alias->version = str_dup(version);
    return version_exists(call, f, alias->version, err);
}

// Two published versions, which are not the same.
static int check_pair(const struct alias *alias, const char *other, struct err *err)
{
    if (strcmp(other, alias->version) == 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Invalid function version %s. Function version %s is already included in "
                       "routing configuration.",
                       other, other);
    }
    if (strcmp(alias->version, "$LATEST") == 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "$LATEST is not supported for an alias pointing to more than 1 version");
    }
    return 0;
}

static int read_weight(struct lambda_call *call, const struct lambda_function *f,
                       struct alias *alias, const char *version, const json_t *weight,
                       struct err *err)
{
    static const char member[] = "routingConfig.additionalVersionWeights";
    CLEAN(buf_done) struct buf shown = BUF_INIT(4096);
    double share = json_is_number(weight) ? json_number_value(weight) : -1;
    buf_printf(&shown, "{%.100s=%g}", version, share);
    if (share < 0 || share > 1) {
        return constraint(err, buf_str(&shown), member,
                          "Map value must satisfy constraint: [Member must have value less than or "
                          "equal to 1.0, Member must have value greater than or equal to 0.0, "
                          "Member must not be null]");
    }
    if (!lambda_is_version(str_of(version)) || strcmp(version, "$LATEST") == 0) {
        return constraint(err, buf_str(&shown), member,
                          "Map keys must satisfy constraint: [Member must satisfy regular "
                          "expression pattern: [0-9]+, Member must not be null]");
    }
    TRY(check_pair(alias, version, err));
    TRY(version_exists(call, f, version, err));
    lambda_text_set(&alias->other, version);
    alias->other_share = share;
    return 0;
}

// A routing configuration without weights takes away the one there was.
static int read_routing(struct lambda_call *call, const struct lambda_function *f,
                        struct alias *alias, struct err *err)
{
    json_t *routing = NULL, *weights = NULL, *weight = NULL;
    const char *version = NULL;
    if (json_get_object(call->input, "RoutingConfig", &routing, err) <= 0) {
        return err->code;
    }
    TRY(json_get_object(routing, "AdditionalVersionWeights", &weights, err));
    lambda_text_set(&alias->other, NULL);
    alias->other_share = 0;
    if (json_object_size(weights) > 1) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Number of items in AdditionalVersionWeights cannot be greater than 1");
    }
    json_object_foreach(weights, version, weight)
    {
        TRY(read_weight(call, f, alias, version, weight, err));
    }
    return 0;
}

static int read_alias(struct lambda_call *call, const struct lambda_function *f,
                      struct alias *alias, struct err *err)
{
    struct str description = {0};
    TRY(read_version(call, f, alias, err));
    int rc = json_get_str(call->input, "Description", &description, err);
    TRY(rc);
    if (description.size > DESCRIPTION_MAX) {
        return constraint(err, description, "description",
                          "Member must have length less than or equal to 256");
    }
    if (rc == 1) {
        free(alias->description);
        alias->description = str_dup(description);
    }
    TRY(read_routing(call, f, alias, err));
    TRY(alias->other ? check_pair(alias, alias->other, err) : 0); // one that was there before
    lambda_text_set(&alias->revision, uuid_new().text);
    return 0;
}

static void alias_write(struct lambda_call *call, struct lambda_function *f, struct alias *alias,
                        int status)
{
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->alias = alias;
    change->answer = alias_json(call->api->lambda, alias);
    change->status = status;
    change->done = lambda_change_answer;
    lambda_write(change);
}

// ── operations ──

static int read_name(struct lambda_call *call, struct str *ret, struct err *err)
{
    TRY(lambda_need_member(call->input, "Name", "name", ret, err));
    if (!arn_qualifier_ok(*ret) || lambda_is_version(*ret) || ret->size > NAME_MAX_SIZE) {
        return constraint(err, *ret, "name",
                          "Member must satisfy regular expression pattern: "
                          "(?!^[0-9]+$)([a-zA-Z0-9-_]+), and have at most 128 characters");
    }
    return 0;
}

int lambda_create_alias(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct str name = {0}, version = {0};
    TRY(read_name(call, &name, err));
    TRY(lambda_need_member(call->input, "FunctionVersion", "functionVersion", &version, err));
    TRY(lambda_need(call, &f, err));
    CLEAN(alias_clean) struct alias *alias = alias_new();
    alias->function = mem_dup(f->name);
    alias->name = str_dup(name);
    TRY(read_alias(call, f, alias, err));
    if (lambda_alias_find(f, alias->name)) {
        CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, alias->name);
        return err_aws(err, ERR_EXISTS, "ResourceConflictException", "Alias already exists: %s",
                       arn);
    }
    alias_write(call, f, MOVE(alias), 201);
    return 0;
}

int lambda_get_alias(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct alias *alias = NULL;
    TRY(need_alias(call, call->segments[0], &f, &alias, err));
    CLEAN_JSON json_t *answer = alias_json(call->api->lambda, alias);
    lambda_reply(call, 200, answer);
    return 0;
}

int lambda_update_alias(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct alias *before = NULL;
    TRY(need_alias(call, call->segments[0], &f, &before, err));
    TRY(lambda_check_revision(call->input, before->revision, err));
    CLEAN(alias_clean) struct alias *alias = alias_copy(before);
    TRY(read_alias(call, f, alias, err));
    TRY(lambda_provision_check(f, alias, err));
    alias_write(call, f, MOVE(alias), 200);
    return 0;
}

// One that is not there is deleted already.
int lambda_delete_alias(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    const struct alias *alias = lambda_alias_find(f, call->segments[0]);
    if (!alias) {
        lambda_reply_empty(call, 204);
        return 0;
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->alias_drop = mem_dup(alias->name);
    lambda_policy_forget(change, f, alias->name);
    change->status = 204;
    change->done = lambda_change_answer;
    lambda_write(change);
    return 0;
}

// ── the list ──

struct listing {
    struct lambda *lambda;
    const struct alias **at; // heap
    size_t count;
};

static void listing_done(struct listing *listing)
{
    free(listing->at);
}

static void listed_mark(void *ctx, size_t i, struct buf *out)
{
    const struct listing *listing = ctx;
    buf_add_text(out, listing->at[i]->name);
}

static json_t *listed_json(void *ctx, size_t i)
{
    const struct listing *listing = ctx;
    return alias_json(listing->lambda, listing->at[i]);
}

int lambda_list_aliases(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    CLEAN(buf_done) struct buf version = BUF_INIT(2048);
    CLEAN(listing_done) struct listing listing = {.lambda = call->api->lambda};
    TRY(lambda_need(call, &f, err));
    bool all = !lambda_param(call, "FunctionVersion", &version);
    listing.at = mem_alloc((f->alias_count + 1) * sizeof *listing.at);
    for (size_t i = 0; i < f->alias_count; i++) {
        if (all || alias_leads_to(f->aliases[i], buf_text(&version))) {
            listing.at[listing.count++] = f->aliases[i];
        }
    }
    const struct lambda_listing list = {.member = "Aliases",
                                        .count = listing.count,
                                        .items_max = LIST_MAX,
                                        .mark = listed_mark,
                                        .item = listed_json,
                                        .ctx = &listing};
    return lambda_list(call, &list, err);
}
