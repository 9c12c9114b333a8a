// SPDX-License-Identifier: Apache-2.0
// deploy's role: what the functions of a service may do is what iam.role.statements say, what their
// destinations need, and writing their logs; nothing else. Functions that name a role of their own
// keep that.
#include "cli/deploy.h"
#include "cli/iam_api.h"
#include "base/mem.h"
#include "format/arn.h"
#include "format/json.h"

static void add_statement(json_t *statements, const char *action, struct str resource)
{
    json_t *statement = json_object();
    json_put_str(statement, "Effect", STR("Allow"));
    json_put_str(statement, "Action", str_of(action));
    json_put_str(statement, "Resource", resource);
    json_array_append_new(statements, statement);
}

static void add_destination(const struct serverless *service, const char *target,
                            json_t *statements)
{
    struct arn_s3 s3;
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    if (!target) {
        return;
    }
    if (arn_s3_parse(str_of(target), &s3, NULL) >= 0) {
        arn_add_s3(&arn, s3.bucket, s3.prefix);
        buf_add_text(&arn, s3.prefix.size ? "*" : "/*");
        add_statement(statements, "s3:PutObject", buf_str(&arn));
        return;
    }
    if (strncmp(target, "arn:", 4) == 0) {
        buf_add_text(&arn, target);
    } else {
        arn_add_function(&arn, str_of(service->region), STR(ARN_ACCOUNT), str_of(target),
                         (struct str){0});
    }
    if (strstr(buf_text(&arn), ":lambda:")) {
        add_statement(statements, "lambda:InvokeFunction", buf_str(&arn));
    }
}

static json_t *policy_of(const struct serverless *service)
{
    json_t *document = json_object();
    json_t *statements = json_array();
    CLEAN_MEM char *logs =
        mem_printf("arn:aws:logs:%s:" ARN_ACCOUNT ":log-group:/aws/lambda/*", service->region);
    add_statement(statements, "logs:*", str_of(logs));
    for (size_t i = 0; i < service->function_count; i++) {
        add_destination(service, service->functions[i].on_success, statements);
        add_destination(service, service->functions[i].on_failure, statements);
        add_destination(service, service->functions[i].on_error, statements);
    }
    json_array_extend(statements, service->statements);
    json_put_str(document, "Version", STR("2012-10-17"));
    json_put(document, "Statement", statements);
    return document;
}

int deploy_role(struct deploy *deploy, struct err *err)
{
    bool wanted = false;
    for (size_t i = 0; i < deploy->count; i++) {
        wanted = wanted || !deploy->functions[i].wanted->role;
    }
    if (!wanted) {
        return 0;
    }
    CLEAN_MEM char *role = project_role(deploy->service);
    CLEAN_MEM char *policy = project_policy(deploy->service);
    CLEAN_JSON json_t *document = policy_of(deploy->service);
    unsigned changed = 0;
    terminal_glimpse("Looking at role %s", role);
    TRY(remote_iam_role_set(&deploy->remote, role, policy, document, &changed, err));
    json_put_str(deploy->next, "role", str_of(role));
    if (changed) {
        deploy_changed(deploy, "set role %s", role);
    }
    return 0;
}
