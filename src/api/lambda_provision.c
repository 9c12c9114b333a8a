// SPDX-License-Identifier: Apache-2.0
// Provisioned concurrency: so many instances of a published version are kept, by itself or by an alias
// that leads to it. The dispatcher keeps them; here is who asked for how many, and what Lambda allows.
#include "api/lambda.h"
#include "base/clock.h"
#include "dispatch/dispatch.h"

#define LIST_MAX       50
#define UNRESERVED_MIN 100 // of the account's concurrency, for functions that have set none aside

// ── what there is ──

struct lambda_provision *lambda_provision_find(const struct lambda_function *f,
                                               const char *qualifier)
{
    for (size_t i = 0; i < f->provision_count; i++) {
        if (strcmp(f->provisions[i].qualifier, qualifier) == 0) {
            return &f->provisions[i];
        }
    }
    return NULL;
}

int64_t lambda_provision_total(const struct lambda_function *f)
{
    int64_t total = 0;
    for (size_t i = 0; i < f->provision_count; i++) {
        total += f->provisions[i].count;
    }
    return total;
}

void lambda_provision_free(struct lambda_provision *provision)
{
    if (provision) {
        free(provision->qualifier);
        free(provision);
    }
}

void lambda_provision_remove(struct lambda_function *f, const char *qualifier)
{
    struct lambda_provision *provision = lambda_provision_find(f, qualifier);
    if (provision) {
        size_t at = (size_t)(provision - f->provisions);
        free(provision->qualifier);
        f->provision_count--;
        memmove(provision, provision + 1, (f->provision_count - at) * sizeof *provision);
    }
}

void lambda_provision_put(struct lambda_function *f, struct lambda_provision *provision)
{
    size_t at = 0;
    lambda_provision_remove(f, provision->qualifier);
    while (at < f->provision_count &&
           strcmp(f->provisions[at].qualifier, provision->qualifier) < 0) {
        at++;
    }
    f->provisions = mem_grow(f->provisions, (f->provision_count + 1) * sizeof *f->provisions);
    memmove(&f->provisions[at + 1], &f->provisions[at],
            (f->provision_count - at) * sizeof *f->provisions);
    f->provisions[at] = *provision; // its text moves, too
    f->provision_count++;
    provision->qualifier = NULL;
}

void lambda_provisions_clear(struct lambda_function *f)
{
    for (size_t i = 0; i < f->provision_count; i++) {
        free(f->provisions[i].qualifier);
    }
    free(f->provisions);
    f->provisions = NULL;
    f->provision_count = 0;
}

// How many instances of the version the configuration asks for. Those of an alias with weights are
// shared out by them.
static int64_t share_of(const struct lambda_function *f, const struct lambda_provision *provision,
                        const char *version)
{
    const struct alias *alias = lambda_alias_find(f, provision->qualifier);
    if (!alias) {
        return strcmp(provision->qualifier, version) == 0 ? provision->count : 0;
    }
    int64_t other =
        alias->other ? (int64_t)((double)provision->count * alias->other_share + 0.5) : 0;
    if (alias->other && strcmp(alias->other, version) == 0) {
        return other;
    }
    return strcmp(alias->version, version) == 0 ? provision->count - other : 0;
}

void lambda_provision_tell(struct lambda_function *f)
{
    for (size_t i = 0; i < f->version_count; i++) {
        const char *version = f->versions[i]->version;
        CLEAN_MEM char *key = dispatch_key(f->versions[i]);
        int64_t count = 0;
        for (size_t j = 0; j < f->provision_count; j++) {
            count += share_of(f, &f->provisions[j], version);
        }
        struct dispatch_provision before =
            dispatch_provisioned(f->lambda->api->dispatch, str_of(key));
        if (before.wanted != count || (count > 0 && before.reason)) { // failed: tried again
            dispatch_provision(f->lambda->api->dispatch, str_of(key), (int)count);
        }
    }
}

// ── answers ──

struct progress {
    int64_t ready;
    const char *reason; // borrowed; NULL: nothing has failed
};

static struct progress progress_of(const struct lambda_function *f,
                                   const struct lambda_provision *provision)
{
    struct progress told = {0};
    for (size_t i = 0; i < f->version_count; i++) {
        int64_t share = share_of(f, provision, f->versions[i]->version);
        if (share > 0) {
            CLEAN_MEM char *key = dispatch_key(f->versions[i]);
            struct dispatch_provision there =
                dispatch_provisioned(f->lambda->api->dispatch, str_of(key));
            told.ready += there.ready < share ? there.ready : share;
            told.reason = told.reason ? told.reason : there.reason;
        }
    }
    return told;
}

static json_t *provision_json(const struct lambda_provision *provision, struct progress at)
{
    json_t *json = json_object();
    bool ready = at.ready >= provision->count;
    json_put_int(json, "RequestedProvisionedConcurrentExecutions", provision->count);
    json_put_int(json, "AvailableProvisionedConcurrentExecutions", at.ready);
    json_put_int(json, "AllocatedProvisionedConcurrentExecutions", at.ready);
    json_put_str(json, "Status",
                 ready       ? STR("READY")
                 : at.reason ? STR("FAILED")
                             : STR("IN_PROGRESS"));
    if (!ready && at.reason) {
        json_put_str(json, "StatusReason", str_of(at.reason));
    }
    lambda_put_time(json, "LastModified", provision->modified_ms);
    return json;
}

// ── what is allowed ──

static int unpublished(struct err *err)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                   "Provisioned Concurrency Configs cannot be applied to unpublished function "
                   "versions.");
}

int lambda_provision_check(const struct lambda_function *f, const struct alias *alias,
                           struct err *err)
{
    if (!lambda_provision_find(f, alias->name)) {
        return 0;
    }
    if (strcmp(alias->version, "$LATEST") == 0) {
        return unpublished(err);
    }
    if (lambda_provision_find(f, alias->version)) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "Alias can't be used for Provisioned Concurrency configuration on an "
                       "already Provisioned version");
    }
    return 0;
}

// A version or an alias that exists. `words`: what is said of $LATEST.
static int need_qualified(struct lambda_call *call, const char *words, struct lambda_function **ret,
                          struct err *err)
{
    struct lambda_target target;
    if (!call->qualifier) {
        return lambda_null_member(err, "qualifier");
    }
    if (strcmp(call->qualifier, "$LATEST") == 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException", "%s", words);
    }
    TRY(lambda_need(call, ret, err));
    if (lambda_resolve(*ret, call->qualifier, /* pick */ false, &target)) {
        return 0;
    }
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, call->qualifier);
    bool version = lambda_is_version(str_of(call->qualifier));
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   version ? "Function not found: %s" : "Cannot find alias arn: %s", arn);
}

static int check_alias(const struct lambda_function *f, const struct alias *alias, struct err *err)
{
    if (strcmp(alias->version, "$LATEST") == 0) {
        return unpublished(err);
    }
    if (alias->other) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Invalid alias configuration for Provisioned Concurrency");
    }
    if (lambda_provision_find(f, alias->version)) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "Alias can't be used for Provisioned Concurrency configuration on an "
                       "already Provisioned version");
    }
    return 0;
}

static int check_version(const struct lambda_function *f, const char *version, struct err *err)
{
    for (size_t i = 0; i < f->alias_count; i++) {
        if (alias_leads_to(f->aliases[i], version) &&
            lambda_provision_find(f, f->aliases[i]->name)) {
            return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                           "Version is pointed by a Provisioned Concurrency alias");
        }
    }
    return 0;
}

static int64_t account_reserved(const struct lambda *lambda, const struct lambda_function *but)
{
    int64_t reserved = 0;
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        reserved += f == but ? 0 : f->reserved > 0 ? f->reserved : lambda_provision_total(f);
    }
    return reserved;
}

// Within the function's reserved concurrency or, without one, within the account's.
static int check_count(const struct lambda_function *f, const char *qualifier, int64_t count,
                       struct err *err)
{
    const struct lambda_provision *before = lambda_provision_find(f, qualifier);
    int64_t total = lambda_provision_total(f) - (before ? before->count : 0) + count;
    if (f->reserved >= 0 && total > f->reserved) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Requested Provisioned Concurrency should not be greater than the "
                       "reservedConcurrentExecution for function");
    }
    if (count > LAMBDA_CONCURRENCY) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Specified ConcurrentExecutions for function is greater than account's "
                       "unreserved concurrency [%d].",
                       LAMBDA_CONCURRENCY);
    }
    if (f->reserved < 0 &&
        LAMBDA_CONCURRENCY - account_reserved(f->lambda, f) - total < UNRESERVED_MIN) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Specified ConcurrentExecutions for function decreases account's "
                       "UnreservedConcurrentExecution below its minimum value of [%d].",
                       UNRESERVED_MIN);
    }
    return 0;
}

// ── operations ──

int lambda_put_provision(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    int64_t count = 0;
    TRY(need_qualified(call,
                       "Provisioned Concurrency Configs cannot be applied to unpublished function "
                       "versions.",
                       &f, err));
    int rc = lambda_read_bounded(call->input, "ProvisionedConcurrentExecutions",
                                 "provisionedConcurrentExecutions", 1, INT32_MAX, &count, err);
    TRY(rc);
    if (rc == 0) {
        return lambda_null_member(err, "provisionedConcurrentExecutions");
    }
    const struct alias *alias = lambda_alias_find(f, call->qualifier);
    TRY(check_count(f, call->qualifier, count, err));
    TRY(alias ? check_alias(f, alias, err) : check_version(f, call->qualifier, err));
    struct lambda_change *change = lambda_change_begin(call, f, 202);
    change->provision = NEW(struct lambda_provision);
    *change->provision =
        (struct lambda_provision){mem_dup(call->qualifier), count, clock_wall_ms()};
    change->answer = provision_json(change->provision, (struct progress){0});
    lambda_write(change);
    return 0;
}

#define NOT_LATEST "The function resource provided must be an alias or a published version."

int lambda_get_provision(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(need_qualified(call, NOT_LATEST, &f, err));
    const struct lambda_provision *provision = lambda_provision_find(f, call->qualifier);
    if (!provision) {
        return err_aws(err, ERR_NOT_FOUND, "ProvisionedConcurrencyConfigNotFoundException",
                       "No Provisioned Concurrency Config found for this function");
    }
    CLEAN_JSON json_t *answer = provision_json(provision, progress_of(f, provision));
    lambda_reply(call, 200, answer);
    return 0;
}

// One that is not there is deleted already.
int lambda_delete_provision(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(need_qualified(call, NOT_LATEST, &f, err));
    struct lambda_change *change = lambda_change_begin(call, f, 204);
    change->provision_drop = mem_dup(call->qualifier);
    lambda_write(change);
    return 0;
}

static void listed_mark(void *ctx, size_t i, struct buf *out)
{
    const struct lambda_function *f = ctx;
    buf_add_text(out, f->provisions[i].qualifier);
}

static json_t *listed_json(void *ctx, size_t i)
{
    const struct lambda_function *f = ctx;
    const struct lambda_provision *provision = &f->provisions[i];
    CLEAN_MEM char *arn = lambda_arn(f->lambda, f->name, provision->qualifier);
    json_t *json = provision_json(provision, progress_of(f, provision));
    json_put_str(json, "FunctionArn", str_of(arn));
    return json;
}

int lambda_list_provisions(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    const struct lambda_listing list = {.member = "ProvisionedConcurrencyConfigs",
                                        .count = f->provision_count,
                                        .items_max = LIST_MAX,
                                        .mark = listed_mark,
                                        .item = listed_json,
                                        .ctx = f};
    return lambda_list(call, &list, err);
}
