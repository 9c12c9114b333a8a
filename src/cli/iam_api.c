// SPDX-License-Identifier: Apache-2.0
// Calls of the IAM API: a form out, XML back.
#include "cli/iam_api.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/uri.h"
#include "format/xml.h"

#define FORM_MAX (256 * 1024)

struct field {
    const char *name, *value;
};

// *ret is the answer's XML. ERR_NOT_FOUND for NoSuchEntity.
static int call(struct remote *remote, const struct field *fields, size_t count,
                struct xml_node **ret, struct err *err)
{
    CLEAN(buf_done) struct buf form = BUF_INIT(FORM_MAX);
    buf_add_text(&form, "Version=2010-05-08");
    for (size_t i = 0; i < count; i++) {
        buf_printf(&form, "&%s=", fields[i].name);
        uri_encode(&form, str_of(fields[i].value), false);
    }
    if (!buf_ok(&form)) {
        return err_set(err, ERR_LIMIT, "the policy is too long");
    }
    struct remote_request request = {
        .service = "iam",
        .method = "POST",
        .path = "/",
        .headers = {{"content-type", "application/x-www-form-urlencoded; charset=utf-8"}},
        .body = buf_str(&form)};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(remote_call(remote, &request, &reply, err));
    return xml_parse(buf_str(&reply.body), ret, err);
}

#define CALL(remote, ret, err, ...)                                                                \
    call(remote, (const struct field[]){__VA_ARGS__},                                              \
         ARRAY_SIZE(((const struct field[]){__VA_ARGS__})), ret, err)

static int run(struct remote *remote, const char *action, const char *role, const char *policy,
               const char *document, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    if (!policy) {
        return CALL(remote, &root, err, {"Action", action}, {"RoleName", role});
    }
    if (!document) {
        return CALL(remote, &root, err, {"Action", action}, {"RoleName", role},
                    {"PolicyName", policy});
    }
    return CALL(remote, &root, err, {"Action", action}, {"RoleName", role}, {"PolicyName", policy},
                {"PolicyDocument", document});
}

static int pass(struct err *err, int rc, const struct err *told)
{
    return rc < 0 ? err_aws(err, rc, told->aws, "%s", told->text) : 0;
}

// 1 when it had to be made.
static int need_role(struct remote *remote, const char *role, struct err *err)
{
    static const char trust[] = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\","
                                "\"Principal\":{\"Service\":"
                                "[\"lambda.amazonaws.com\"]},\"Action\":[\"sts:AssumeRole\"]}]}";
    struct err told = {0};
    int rc = run(remote, "GetRole", role, NULL, NULL, &told);
    if (rc != ERR_NOT_FOUND) {
        return pass(err, rc, &told);
    }
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(CALL(remote, &root, err, {"Action", "CreateRole"}, {"RoleName", role}, {"Path", "/"},
             {"AssumeRolePolicyDocument", trust}));
    return 1;
}

// The policy that is there, or NULL. A document comes percent-encoded within the XML.
static int get_policy(struct remote *remote, const char *role, const char *policy, json_t **ret,
                      struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(buf_done) struct buf text = BUF_INIT(FORM_MAX);
    struct err told = {0};
    *ret = NULL;
    int rc = CALL(remote, &root, &told, {"Action", "GetRolePolicy"}, {"RoleName", role},
                  {"PolicyName", policy});
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : pass(err, rc, &told);
    }
    struct str document = xml_child_text(xml_child(root, "GetRolePolicyResult"), "PolicyDocument");
    uri_decode_lenient(document, URI_PATH, &text);
    if (json_parse(buf_str(&text), ret, NULL) < 0) {
        *ret = NULL; // whatever it is, it will be replaced
    }
    return 0;
}

int remote_iam_role_set(struct remote *remote, const char *role, const char *policy,
                        const json_t *document, unsigned *ret_changed, struct err *err)
{
    int made = need_role(remote, role, err);
    TRY(made);
    *ret_changed += made > 0;
    CLEAN_JSON json_t *there = NULL;
    if (!made) {
        TRY(get_policy(remote, role, policy, &there, err));
    }
    if (there && json_equal(there, document)) {
        return 0;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(FORM_MAX);
    json_write(document, &text);
    *ret_changed += 1;
    return run(remote, "PutRolePolicy", role, policy, buf_text(&text), err);
}

int remote_iam_role_delete(struct remote *remote, const char *role, const char *policy,
                           struct err *err)
{
    struct err told = {0};
    int rc = run(remote, "DeleteRolePolicy", role, policy, NULL, &told);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return pass(err, rc, &told);
    }
    told = (struct err){0};
    rc = run(remote, "DeleteRole", role, NULL, NULL, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    return rc < 0 ? pass(err, rc, &told) : 1;
}
