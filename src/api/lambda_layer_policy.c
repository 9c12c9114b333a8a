// SPDX-License-Identifier: Apache-2.0
// Who may use a layer version: kept and shown as Lambda does. There is one account here, whose roles
// may use what their own policies say.
#include "api/lambda.h"
#include "core/uuid.h"

// The document of the version; a fresh one where it has none.
static json_t *policy_of(const struct lambda_layer_version *version)
{
    json_t *policy = NULL;
    struct err ignored = {0};
    if (!version->policy || json_parse_object(str_of(version->policy), &policy, &ignored) < 0) {
        policy =
            json_pack("{s:s, s:s, s:[]}", "Version", "2012-10-17", "Id", "default", "Statement");
    }
    return policy;
}

static int revision_check(const struct lambda_call *call,
                          const struct lambda_layer_version *version, struct err *err)
{
    CLEAN(buf_done) struct buf wanted = BUF_INIT(1024);
    if (!lambda_param(call, "RevisionId", &wanted) ||
        str_eq(buf_str(&wanted), str_of(version->policy_revision))) {
        return 0;
    }
    return err_aws(err, ERR_INVALID, "PreconditionFailedException",
                   "The Revision Id provided does not match the latest Revision Id. Call the "
                   "GetLayerPolicy API to retrieve the latest Revision Id");
}

// `statements` is part of the policy; without any there is none.
static int policy_write(struct lambda_call *call, const struct lambda_layer_version *version,
                        const json_t *policy, int status, json_t *answer, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    CLEAN_JSON json_t *given = answer;
    json_write(policy, &text);
    TRY(lambda_policy_check(text.size, err));
    bool any = json_array_size(json_object_get(policy, "Statement")) > 0;
    struct lambda_layer_version *fresh = lambda_layer_version_copy(version);
    lambda_text_set(&fresh->policy, any ? buf_text(&text) : NULL);
    lambda_text_set(&fresh->policy_revision, any ? uuid_new().text : NULL);
    if (given) {
        json_put_str(given, "RevisionId", str_of(fresh->policy_revision));
    }
    lambda_layer_write(call, fresh, 0, status, MOVE(given));
    return 0;
}

static bool principal_ok(struct str principal)
{
    uint64_t number = 0;
    return str_eq(principal, STR("*")) ||
           (principal.size == 12 && str_to_u64(principal, &number)) ||
           (str_starts(principal, STR("arn:aws")) && str_ends(principal, STR(":root")));
}

static int statement_read(struct lambda_call *call, json_t **ret, struct err *err)
{
    struct str sid = {0}, action = {0}, principal = {0}, organization = {0};
    TRY(lambda_need_member(call->input, "StatementId", "statementId", &sid, err));
    TRY(lambda_need_member(call->input, "Action", "action", &action, err));
    TRY(lambda_need_member(call->input, "Principal", "principal", &principal, err));
    TRY(json_get_str(call->input, "OrganizationId", &organization, err));
    TRY(lambda_sid_check(sid, err));
    if (!str_eq(action, STR("lambda:GetLayerVersion"))) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'action' failed to satisfy constraint: Member must satisfy regular "
                       "expression pattern: lambda:GetLayerVersion",
                       STR_ARG(str_head(action, 100)));
    }
    if (!principal_ok(principal)) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value '" STR_FMT
                       "' at 'principal' failed to satisfy constraint: Member must satisfy regular "
                       "expression pattern: \\d{12}|\\*|arn:(aws[a-zA-Z-]*):iam::\\d{12}:root",
                       STR_ARG(str_head(principal, 100)));
    }
    CLEAN_MEM char *arn = lambda_layer_arn(call->api->lambda, call->layer, call->layer_version);
    json_t *statement = json_object();
    json_put_str(statement, "Sid", sid);
    json_put_str(statement, "Effect", STR("Allow"));
    json_put(statement, "Principal", lambda_principal_json(principal));
    json_put_str(statement, "Action", action);
    json_put_str(statement, "Resource", str_of(arn));
    if (organization.size) {
        CLEAN_MEM char *id = str_dup(organization);
        json_put(statement, "Condition",
                 json_pack("{s:{s:s}}", "StringEquals", "aws:PrincipalOrgID", id));
    }
    *ret = statement;
    return 0;
}

static int need(struct lambda_call *call, struct lambda_layer_version **ret, struct err *err)
{
    int rc = lambda_layer_need(call, ret, err);
    if (rc == ERR_NOT_FOUND) {
        CLEAN_MEM char *arn = lambda_layer_arn(call->api->lambda, call->layer, call->layer_version);
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "Layer version %s does not exist.", arn);
    }
    return rc;
}

int lambda_add_layer_permission(struct lambda_call *call, struct err *err)
{
    struct lambda_layer_version *version = NULL;
    CLEAN_JSON json_t *statement = NULL;
    size_t at = 0;
    TRY(need(call, &version, err));
    TRY(statement_read(call, &statement, err));
    CLEAN_JSON json_t *policy = policy_of(version);
    struct str sid = json_str(json_object_get(statement, "Sid"));
    if (lambda_statement_find(policy, sid, &at)) {
        return err_aws(err, ERR_EXISTS, "ResourceConflictException",
                       "The statement id (" STR_FMT ") provided already exists. Please provide a "
                       "new statement id, or remove the existing statement.",
                       STR_ARG(sid));
    }
    TRY(revision_check(call, version, err));
    CLEAN(buf_done) struct buf text = BUF_INIT(LAMBDA_DOCUMENT_MAX);
    json_write(statement, &text);
    json_array_append(json_object_get(policy, "Statement"), statement);
    json_t *answer = json_object();
    json_put_str(answer, "Statement", buf_str(&text));
    return policy_write(call, version, policy, 201, answer, err);
}

int lambda_remove_layer_permission(struct lambda_call *call, struct err *err)
{
    struct lambda_layer_version *version = NULL;
    size_t at = 0;
    TRY(need(call, &version, err));
    CLEAN_JSON json_t *policy = policy_of(version);
    TRY(revision_check(call, version, err));
    if (!lambda_statement_find(policy, str_of(call->segments[1]), &at)) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "Statement %.100s is not found in resource policy.", call->segments[1]);
    }
    json_array_remove(json_object_get(policy, "Statement"), at);
    return policy_write(call, version, policy, 204, NULL, err);
}

int lambda_get_layer_policy(struct lambda_call *call, struct err *err)
{
    struct lambda_layer_version *version = NULL;
    TRY(need(call, &version, err));
    if (!version->policy) {
        return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                       "No policy is associated with the given resource.");
    }
    CLEAN_JSON json_t *answer = json_object();
    json_put_str(answer, "Policy", str_of(version->policy));
    json_put_str(answer, "RevisionId", str_of(version->policy_revision));
    lambda_reply(call, 200, answer);
    return 0;
}
