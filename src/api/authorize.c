// SPDX-License-Identifier: Apache-2.0
// Authorization: the policies of a session's role, parsed once and kept until IAM changes.
#include "api/authorize.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "core/identity.h"
#include "store/role.h"

#define POLICIES_MAX 64 // of one role
#define CONTEXT_MAX  24

struct role_rights {
    struct policy *policies[POLICIES_MAX];
    size_t count;
};

// AWS's own policies that deployment tools attach, as far as they mean something here.
static const char *const aws_policies[][2] = {
    {"AdministratorAccess", "[{\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"}]"},
    {"AmazonS3FullAccess", "[{\"Effect\":\"Allow\",\"Action\":\"s3:*\",\"Resource\":\"*\"}]"},
    {"AmazonS3ReadOnlyAccess", "[{\"Effect\":\"Allow\",\"Action\":[\"s3:Get*\",\"s3:List*\"],"
                               "\"Resource\":\"*\"}]"},
    {"AWSLambda_FullAccess", "[{\"Effect\":\"Allow\",\"Action\":\"lambda:*\",\"Resource\":\"*\"}]"},
    {"AWSLambdaRole",
     "[{\"Effect\":\"Allow\",\"Action\":\"lambda:InvokeFunction\",\"Resource\":\"*\"}]"},
    {"AWSLambdaBasicExecutionRole",
     "[{\"Effect\":\"Allow\",\"Action\":[\"logs:CreateLogGroup\",\"logs:CreateLogStream\","
     "\"logs:PutLogEvents\"],\"Resource\":\"*\"}]"},
};

static struct map rights_by_role; // struct role_rights; core thread only

static void rights_free(struct role_rights *rights)
{
    for (size_t i = 0; i < rights->count; i++) {
        policy_free(rights->policies[i]);
    }
    free(rights);
}

void authorize_changed(void)
{
    size_t at = 0;
    for (struct role_rights *rights; (rights = map_next(&rights_by_role, &at));) {
        rights_free(rights);
    }
    map_done(&rights_by_role);
}

static struct str aws_document(struct str arn)
{
    for (size_t i = 0; i < ARRAY_SIZE(aws_policies); i++) {
        if (str_starts(arn, STR("arn:aws:iam::aws:policy/")) &&
            str_ends(arn, str_of(aws_policies[i][0]))) {
            return str_of(aws_policies[i][1]);
        }
    }
    return STR("[]");
}

static void policy_add(void *ctx, const struct role_policy *p)
{
    struct role_rights *rights = ctx;
    struct str document = p->document.size ? p->document : aws_document(p->name);
    struct err err = {0};
    if (rights->count == POLICIES_MAX ||
        policy_parse(document, &rights->policies[rights->count], &err) < 0) {
        log_warn("policy " STR_FMT " is not honoured: %s", STR_ARG(p->name),
                 err.code ? err.text : "the role has too many");
        return;
    }
    rights->count++;
}

static struct str last_part(struct str path)
{
    while (str_find(path, '/') >= 0) {
        (void)str_cut(&path, '/');
    }
    return path;
}

static int rights_of(struct api *api, struct str role_arn, struct role_rights **ret,
                     struct err *err)
{
    *ret = map_get(&rights_by_role, role_arn);
    if (*ret) {
        return 0;
    }
    struct role_rights *rights = NEW(struct role_rights);
    int rc = role_policies(store_reader(api->store), last_part(role_arn), policy_add, rights, err);
    if (rc < 0) {
        rights_free(rights);
        return rc;
    }
    map_put(&rights_by_role, role_arn, rights);
    *ret = rights;
    return 0;
}

char *authorize_principal(const struct auth *auth)
{
    if (!auth->role[0]) {
        return mem_dup("arn:aws:iam::" ACCOUNT_ID ":root");
    }
    return mem_printf("arn:aws:sts::" ACCOUNT_ID ":assumed-role/" STR_FMT "/%s",
                      STR_ARG(last_part(str_of(auth->role))), auth->session);
}

static enum policy_answer ask(const struct role_rights *rights, const struct policy_question *q)
{
    enum policy_answer answer = POLICY_SILENT;
    for (size_t i = 0; i < rights->count && answer != POLICY_DENIES; i++) {
        enum policy_answer one = policy_ask(rights->policies[i], q);
        answer = one == POLICY_SILENT ? answer : one;
    }
    return answer;
}

int authorize_ask(struct api *api, const struct http_request *req, const struct auth *auth,
                  const char *action, struct str resource, const struct policy_value *more,
                  size_t more_count, enum policy_answer *ret, struct err *err)
{
    *ret = POLICY_ALLOWS;
    if (!auth->role[0] || auth->unchecked) {
        return 0;
    }
    struct role_rights *rights = NULL;
    TRY(rights_of(api, str_of(auth->role), &rights, err));
    char now[CLOCK_TEXT_MAX];
    struct policy_value context[CONTEXT_MAX] = {
        {STR("aws:SourceIp"), str_of(req->remote)},
        {STR("aws:CurrentTime"), str_of(clock_iso(clock_wall_ms(), now))},
        {STR("aws:PrincipalArn"), str_of(auth->role)},
        {STR("aws:PrincipalAccount"), STR(ACCOUNT_ID)},
        {STR("aws:userid"), str_of(auth->session)},
        {STR("aws:SecureTransport"), STR("false")},
        {STR("aws:UserAgent"), http_request_header(req, "User-Agent")},
        {STR("aws:RequestedRegion"), str_of(auth->region)},
    };
    size_t count = 8;
    for (size_t i = 0; i < more_count && count < CONTEXT_MAX; i++) {
        context[count++] = more[i];
    }
    struct policy_question q = {
        .action = str_of(action), .resource = resource, .context = context, .context_count = count};
    *ret = ask(rights, &q);
    return 0;
}

int authorize(struct api *api, const struct http_request *req, const struct auth *auth,
              enum auth_style style, const char *action, struct str resource,
              const struct policy_value *more, size_t more_count, struct err *err)
{
    enum policy_answer answer = POLICY_SILENT;
    TRY(authorize_ask(api, req, auth, action, resource, more, more_count, &answer, err));
    if (answer == POLICY_ALLOWS) {
        return 0;
    }
    CLEAN_MEM char *principal = authorize_principal(auth);
    return err_aws(err, ERR_DENIED,
                   style == AUTH_STYLE_S3 ? "AccessDenied" : "AccessDeniedException",
                   "User: %s is not authorized to perform: %s on resource: \"" STR_FMT "\" %s the "
                   "%s action",
                   principal, action, STR_ARG(resource),
                   answer == POLICY_DENIES ? "with an explicit deny in an identity-based policy for"
                                           : "because no identity-based policy allows",
                   action);
}
