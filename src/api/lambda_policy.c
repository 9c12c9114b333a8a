// SPDX-License-Identifier: Apache-2.0
// Resource policies: who may invoke a function. They are kept and shown as Lambda does, and asked where
// somebody comes in whom no identity policy speaks for: by a function's URL, by an API.
#include "api/lambda.h"
#include "base/log.h"
#include "core/identity.h"

#define POLICY_MAX 20480 // bytes of one policy

// The policies of all qualifiers, as one object; the function's own is under "$LATEST".
static json_t *policies_of(const struct lambda_function *f)
{
    json_t *policies = NULL;
    struct err ignored = {0};
    if (!f->policy || json_parse_object(str_of(f->policy), &policies, &ignored) < 0) {
        policies = json_object();
    }
    return policies;
}

static const char *policy_key(const struct lambda_call *call)
{
    return call->qualifier ? call->qualifier : "$LATEST";
}

json_t *lambda_statement_find(const json_t *policy, struct str sid, size_t *ret_at)
{
    json_t *statement = NULL;
    size_t i = 0;
    json_array_foreach(json_object_get(policy, "Statement"), i, statement)
    {
        if (str_eq(json_str(json_object_get(statement, "Sid")), sid)) {
            *ret_at = i;
            return statement;
        }
    }
    return NULL;
}

void lambda_policy_forget(struct lambda_change *change, const struct lambda_function *f,
                          const char *qualifier)
{
    CLEAN_JSON json_t *policies = policies_of(f);
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    json_object_del(policies, qualifier);
    json_write(policies, &text);
    lambda_text_set(&change->policy, json_object_size(policies) ? buf_text(&text) : NULL);
}

int lambda_policy_check(size_t size, struct err *err)
{
    return size <= POLICY_MAX
               ? 0
               : err_aws(err, ERR_INVALID, "PolicyLengthExceededException",
                         "The final policy size (%zu) is bigger than the limit (%d).", size,
                         POLICY_MAX);
}

static int write_policies(struct lambda_call *call, struct lambda_function *f,
                          const json_t *policies, struct lambda_change *change, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    CLEAN(buf_done) struct buf one = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    (void)f;
    const json_t *policy = json_object_get(policies, policy_key(call));
    if (policy) {
        json_write(policy, &one);
    }
    if (lambda_policy_check(one.size, err) < 0) {
        lambda_change_free(change);
        return err->code;
    }
    json_write(policies, &text);
    lambda_text_set(&change->policy, json_object_size(policies) ? buf_text(&text) : NULL);
    change->done = lambda_change_answer;
    lambda_write(change);
    return 0;
}

// ── AddPermission ──

json_t *lambda_principal_json(struct str principal)
{
    uint64_t number = 0;
    if (str_eq(principal, STR("*"))) {
        return json_string("*");
    }
    json_t *json = json_object();
    if (principal.size == 12 && str_to_u64(principal, &number)) {
        CLEAN_MEM char *arn = mem_printf("arn:aws:iam::" STR_FMT ":root", STR_ARG(principal));
        json_put_str(json, "AWS", str_of(arn));
    } else if (str_starts(principal, STR("arn:"))) {
        json_put_str(json, "AWS", principal);
    } else {
        json_put_str(json, "Service", principal);
    }
    return json;
}

static void condition_add(json_t *statement, const char *operator, const char * key,
                          struct str value)
{
    if (value.size == 0) {
        return;
    }
    json_t *condition = json_object_get(statement, "Condition");
    if (!condition) {
        condition = json_object();
        json_put(statement, "Condition", condition);
    }
    json_t *group = json_object_get(condition, operator);
    if (!group) {
        group = json_object();
        json_put(condition, operator, group);
    }
    json_put_str(group, key, value);
}

struct permission {
    struct str sid, action, principal, source_arn, source_account, org, url_auth;
    bool via_url;
};

int lambda_need_member(const json_t *input, const char *name, const char *member, struct str *ret,
                       struct err *err)
{
    int rc = json_get_str(input, name, ret, err);
    if (rc == 0) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value null at '%s' failed to satisfy "
                       "constraint: Member must not be null",
                       member);
    }
    return rc;
}

int lambda_sid_check(struct str sid, struct err *err)
{
    bool ok = sid.size >= 1 && sid.size <= 100;
    for (size_t i = 0; i < sid.size; i++) {
        char c = sid.at[i];
        ok = ok && ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_');
    }
    if (!ok) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'statementId' failed to satisfy constraint: Member must satisfy "
                       "regular expression pattern: ([a-zA-Z0-9-_]+)",
                       STR_ARG(str_head(sid, 100)));
    }
    return 0;
}

static int url_auth_check(const struct permission *p, struct err *err)
{
    if (p->url_auth.size == 0) {
        return 0;
    }
    if (!str_eq(p->url_auth, STR("NONE")) && !str_eq(p->url_auth, STR("AWS_IAM"))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'functionUrlAuthType' failed to satisfy constraint: Member must "
                       "satisfy enum value set: [NONE, AWS_IAM]",
                       STR_ARG(str_head(p->url_auth, 40)));
    }
    if (!str_eq(p->action, STR("lambda:InvokeFunctionUrl"))) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "FunctionUrlAuthType is only supported for lambda:InvokeFunctionUrl action");
    }
    return 0;
}

static int permission_read(const json_t *input, struct permission *p, struct err *err)
{
    *p = (struct permission){0};
    TRY(lambda_need_member(input, "StatementId", "statementId", &p->sid, err));
    TRY(lambda_need_member(input, "Action", "action", &p->action, err));
    TRY(lambda_need_member(input, "Principal", "principal", &p->principal, err));
    TRY(json_get_str(input, "SourceArn", &p->source_arn, err));
    TRY(json_get_str(input, "SourceAccount", &p->source_account, err));
    TRY(json_get_str(input, "PrincipalOrgID", &p->org, err));
    TRY(json_get_str(input, "FunctionUrlAuthType", &p->url_auth, err));
    TRY(json_get_bool(input, "InvokedViaFunctionUrl", &p->via_url, err));
    TRY(lambda_sid_check(p->sid, err));
    if (!str_eq(p->action, STR("lambda:*")) && !str_starts(p->action, STR("lambda:"))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'action' failed to satisfy constraint: Member must satisfy regular "
                       "expression pattern: (lambda:[*]|lambda:[a-zA-Z]+|[*])",
                       STR_ARG(str_head(p->action, 100)));
    }
    return url_auth_check(p, err);
}

static json_t *statement_make(const struct permission *p, const char *arn)
{
    json_t *statement = json_object();
    json_put_str(statement, "Sid", p->sid);
    json_put_str(statement, "Effect", STR("Allow"));
    json_put(statement, "Principal", lambda_principal_json(p->principal));
    json_put_str(statement, "Action", p->action);
    json_put_str(statement, "Resource", str_of(arn));
    condition_add(statement, "StringEquals", "AWS:SourceAccount", p->source_account);
    condition_add(statement, "StringEquals", "aws:PrincipalOrgID", p->org);
    condition_add(statement, "StringEquals", "lambda:FunctionUrlAuthType", p->url_auth);
    condition_add(statement, "Bool", "lambda:InvokedViaFunctionUrl",
                  p->via_url ? STR("true") : STR(""));
    condition_add(statement, "ArnLike", "AWS:SourceArn", p->source_arn);
    return statement;
}

int lambda_add_permission(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct function *version = NULL;
    struct permission permission;
    size_t at = 0;
    TRY(lambda_need(call, &f, err));
    TRY(lambda_need_version(call, f, &version, err));
    TRY(permission_read(call->input, &permission, err));
    CLEAN_JSON json_t *policies = policies_of(f);
    json_t *policy = json_object_get(policies, policy_key(call));
    if (!policy) {
        policy =
            json_pack("{s:s, s:s, s:[]}", "Version", "2012-10-17", "Id", "default", "Statement");
        json_put(policies, policy_key(call), policy);
    }
    if (lambda_statement_find(policy, permission.sid, &at)) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "The statement id (" STR_FMT ") provided already exists. Please provide a "
                       "new statement id, or remove the existing statement.",
                       STR_ARG(permission.sid));
    }
    CLEAN_MEM char *arn = lambda_arn(call->api->lambda, call->name, call->qualifier);
    json_t *statement = statement_make(&permission, arn);
    json_array_append_new(json_object_get(policy, "Statement"), statement);
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    json_write(statement, &text);
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->status = 201;
    change->answer = json_object();
    json_put_str(change->answer, "Statement", buf_str(&text));
    return write_policies(call, f, policies, change, err);
}

// ── RemovePermission, GetPolicy ──

int lambda_remove_permission(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    size_t at = 0;
    TRY(lambda_need(call, &f, err));
    CLEAN_JSON json_t *policies = policies_of(f);
    json_t *policy = json_object_get(policies, policy_key(call));
    if (!lambda_statement_find(policy, str_of(call->segments[0]), &at)) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "Statement %.100s is not found in resource policy.", call->segments[0]);
    }
    json_t *statements = json_object_get(policy, "Statement");
    json_array_remove(statements, at);
    if (json_array_size(statements) == 0) {
        json_object_del(policies, policy_key(call));
    }
    struct lambda_change *change = lambda_change_new(call->api->lambda, f, call->name, call);
    change->status = 204;
    return write_policies(call, f, policies, change, err);
}

int lambda_get_policy(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    TRY(lambda_need(call, &f, err));
    CLEAN_JSON json_t *policies = policies_of(f);
    const json_t *policy = json_object_get(policies, policy_key(call));
    if (!policy) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "The resource you requested does not exist.");
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    json_write(policy, &text);
    CLEAN_JSON json_t *answer = json_object();
    json_put_str(answer, "Policy", buf_str(&text));
    json_put_str(answer, "RevisionId", str_of(f->latest->revision));
    lambda_reply(call, 200, answer);
    return 0;
}

// ── asking ──

enum policy_answer lambda_policy_ask(const struct lambda_function *f, const char *qualifier,
                                     const char *action, const struct policy_principal *principal,
                                     const struct policy_value *context, size_t context_count)
{
    CLEAN_JSON json_t *policies = policies_of(f);
    CLEAN_MEM char *arn = lambda_arn(f->lambda, f->name, qualifier);
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    const json_t *document = json_object_get(policies, qualifier ? qualifier : "$LATEST");
    struct policy *policy = NULL;
    struct err why = {0};
    if (!document) {
        return POLICY_SILENT;
    }
    json_write(document, &text);
    if (policy_parse(buf_str(&text), &policy, &why) < 0) {
        log_error("the policy of function %s cannot be read: %s", f->name, why.text);
        return POLICY_DENIES;
    }
    struct policy_question question = {.action = str_of(action),
                                       .resource = str_of(arn),
                                       .context = context,
                                       .context_count = context_count,
                                       .principal = principal};
    enum policy_answer answer = policy_ask(policy, &question);
    policy_free(policy);
    return answer;
}
