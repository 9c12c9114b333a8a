// SPDX-License-Identifier: Apache-2.0
// STS: who am I, and may I be somebody else for a while.
#include "api/authorize.h"
#include "api/query.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/identity.h"
#include "iam/session.h"
#include "store/role.h"

#include <stdio.h>

static int get_caller_identity(struct query_call *call, struct db *db, struct err *err)
{
    (void)db, (void)err;
    CLEAN_MEM char *arn = authorize_principal(&call->auth);
    xml_text_element(&call->result, "Arn", str_of(arn));
    xml_text_element(&call->result, "UserId",
                     call->auth.role[0] ? str_of(call->auth.session) : STR(ACCOUNT_ID));
    xml_text_element(&call->result, "Account", STR(ACCOUNT_ID));
    return 0;
}

struct assumed {
    char id[32];
    int64_t session_max_s;
};

static void role_take(void *ctx, const struct role *role)
{
    struct assumed *assumed = ctx;
    snprintf(assumed->id, sizeof assumed->id, STR_FMT, STR_ARG(role->id));
    assumed->session_max_s = role->session_max_s;
}

static struct str role_name(struct str arn)
{
    while (str_find(arn, '/') >= 0) {
        (void)str_cut(&arn, '/');
    }
    return arn;
}

static int duration_of(struct query_call *call, int64_t most_s, int64_t *ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(16);
    int rc = query_param(call, "DurationSeconds", &text, err);
    TRY(rc);
    *ret = 3600;
    if (rc == 1 && (!str_to_i64(buf_str(&text), ret) || *ret < 900 || *ret > most_s)) {
        return err_aws(err, ERR_INVALID, "ValidationError",
                       "The requested DurationSeconds must be 900 to the role's "
                       "MaxSessionDuration of %lld",
                       (long long)most_s);
    }
    return 0;
}

static int assume_role(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    CLEAN(buf_done) struct buf name = BUF_INIT(64);
    TRY(query_need(call, "RoleArn", &arn, err));
    TRY(query_need(call, "RoleSessionName", &name, err));
    struct assumed assumed = {.session_max_s = 3600};
    struct err none = {0};
    if (call->auth.role[0] ||
        role_get(db, role_name(buf_str(&arn)), role_take, &assumed, &none) < 0) {
        CLEAN_MEM char *who = authorize_principal(&call->auth);
        return err_aws(err, ERR_DENIED, "AccessDenied",
                       "User: %s is not authorized to perform: sts:AssumeRole on resource: %s", who,
                       arn.at);
    }
    int64_t seconds = 0;
    TRY(duration_of(call, assumed.session_max_s, &seconds, err));
    struct session_keys keys;
    int64_t until_ms = call->now_ms + seconds * 1000;
    TRY(session_mint(str_of(call->api->secret_key), buf_str(&arn), buf_str(&name), until_ms, &keys,
                     err));
    struct buf *out = &call->result;
    char when[CLOCK_TEXT_MAX];
    xml_open(out, "Credentials");
    xml_text_element(out, "AccessKeyId", str_of(keys.access_key));
    xml_text_element(out, "SecretAccessKey", str_of(keys.secret_key));
    xml_text_element(out, "SessionToken", str_of(keys.token));
    xml_text_element(out, "Expiration", str_of(clock_iso(until_ms, when)));
    xml_close(out, "Credentials");
    CLEAN_MEM char *user = mem_printf("arn:aws:sts::" ACCOUNT_ID ":assumed-role/" STR_FMT "/%s",
                                      STR_ARG(role_name(buf_str(&arn))), name.at);
    CLEAN_MEM char *id = mem_printf("%s:%s", assumed.id, name.at);
    xml_open(out, "AssumedRoleUser");
    xml_text_element(out, "AssumedRoleId", str_of(id));
    xml_text_element(out, "Arn", str_of(user));
    xml_close(out, "AssumedRoleUser");
    return 0;
}

static const struct query_op ops[] = {
    {"GetCallerIdentity", get_caller_identity},
    {"AssumeRole", assume_role},
};

static const struct query_service sts = {
    .name = "sts",
    .namespace = "https://sts.amazonaws.com/doc/2011-06-15/",
    .ops = ops,
    .op_count = ARRAY_SIZE(ops),
};

const struct http_handler *sts_route(struct http_request *req, struct api *api)
{
    return query_route(req, api, &sts);
}
