// SPDX-License-Identifier: Apache-2.0
// IAM, as far as deployment tools go: roles, their policies, managed policies. What is written here
// is what functions may do (authorize.c).
#include "api/query.h"
#include "base/clock.h"
#include "base/mem.h"
#include "core/identity.h"
#include "format/uri.h"
#include "iam/policy.h"
#include "store/role.h"

#include <ctype.h>
#include <sys/random.h>

#define NAME_MAX_     64
#define DOCUMENT_MAX  (128 * 1024)
#define SESSION_LEAST 3600
#define SESSION_MOST  43200

// ── parameters ──

static int name_need(const struct query_call *call, const char *name, struct buf *out,
                     struct err *err)
{
    TRY(query_need(call, name, out, err));
    bool fine = out->size <= 2 * NAME_MAX_;
    for (size_t i = 0; i < out->size; i++) {
        fine = fine && (isalnum((unsigned char)out->at[i]) || strchr("+=,.@_-", out->at[i]));
    }
    if (!fine) {
        return err_aws(err, ERR_INVALID, "ValidationError",
                       "1 validation error detected: Value '%.128s' at '%s' failed to satisfy "
                       "constraint: Member must satisfy regular expression pattern: [\\w+=,.@-]+",
                       out->at, name);
    }
    return 0;
}

static int document_need(const struct query_call *call, const char *name, struct buf *out,
                         struct err *err)
{
    TRY(query_need(call, name, out, err));
    struct policy *policy = NULL;
    struct err why = {0};
    if (policy_parse(buf_str(out), &policy, &why) < 0) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument", "%s: %s", name, why.text);
    }
    policy_free(policy);
    return 0;
}

// Parameters that may be missing fall back.
static int text_or(const struct query_call *call, const char *name, const char *fallback,
                   struct buf *out, struct err *err)
{
    int rc = query_param(call, name, out, err);
    TRY(rc);
    if (rc == 0) {
        buf_add_text(out, fallback);
    }
    return 0;
}

static void id_make(const char *prefix, char id[22])
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    unsigned char bytes[17];
    (void)!getrandom(bytes, sizeof bytes, 0);
    memcpy(id, prefix, 4);
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[4 + i] = alphabet[bytes[i] & 31];
    }
    id[21] = 0;
}

// ── answers ──

static void date_element(struct buf *out, const char *tag, int64_t ms)
{
    char when[CLOCK_TEXT_MAX];
    clock_iso(ms, when);
    memcpy(when + 19, "Z", 2); // without milliseconds
    xml_text_element(out, tag, str_of(when));
}

// Documents travel percent-encoded.
static void document_element(struct buf *out, const char *tag, struct str document)
{
    CLEAN(buf_done) struct buf encoded = BUF_INIT(3 * DOCUMENT_MAX);
    uri_encode(&encoded, document, false);
    xml_text_element(out, tag, buf_str(&encoded));
}

static void role_write(void *ctx, const struct role *role)
{
    struct buf *out = ctx;
    CLEAN_MEM char *arn = mem_printf("arn:aws:iam::" ACCOUNT_ID ":role" STR_FMT STR_FMT,
                                     STR_ARG(role->path), STR_ARG(role->name));
    xml_text_element(out, "Path", role->path);
    xml_text_element(out, "RoleName", role->name);
    xml_text_element(out, "RoleId", role->id);
    xml_text_element(out, "Arn", str_of(arn));
    date_element(out, "CreateDate", role->created_ms);
    document_element(out, "AssumeRolePolicyDocument", role->trust);
    if (role->description.size) {
        xml_text_element(out, "Description", role->description);
    }
    xml_int_element(out, "MaxSessionDuration", role->session_max_s);
}

static void role_member(void *ctx, const struct role *role)
{
    xml_open(ctx, "member");
    role_write(ctx, role);
    xml_close(ctx, "member");
}

static void truncated_no(struct buf *out)
{
    xml_bool_element(out, "IsTruncated", false);
}

// ── roles ──

static int create_role(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf path = BUF_INIT(512);
    CLEAN(buf_done) struct buf trust = BUF_INIT(DOCUMENT_MAX);
    CLEAN(buf_done) struct buf description = BUF_INIT(4096);
    CLEAN(buf_done) struct buf duration = BUF_INIT(16);
    TRY(name_need(call, "RoleName", &name, err));
    TRY(document_need(call, "AssumeRolePolicyDocument", &trust, err));
    TRY(text_or(call, "Path", "/", &path, err));
    TRY(text_or(call, "Description", "", &description, err));
    TRY(text_or(call, "MaxSessionDuration", "3600", &duration, err));
    char id[22];
    id_make("AROA", id);
    struct role role = {.name = buf_str(&name),
                        .path = buf_str(&path),
                        .trust = buf_str(&trust),
                        .description = buf_str(&description),
                        .id = str_of(id),
                        .created_ms = call->now_ms};
    if (!str_to_i64(buf_str(&duration), &role.session_max_s) ||
        role.session_max_s < SESSION_LEAST || role.session_max_s > SESSION_MOST) {
        return err_aws(err, ERR_INVALID, "ValidationError", "MaxSessionDuration must be %d to %d",
                       SESSION_LEAST, SESSION_MOST);
    }
    TRY(role_create(db, &role, err));
    xml_open(&call->result, "Role");
    role_write(&call->result, &role);
    xml_close(&call->result, "Role");
    return 0;
}

static int get_role(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    TRY(name_need(call, "RoleName", &name, err));
    xml_open(&call->result, "Role");
    TRY(role_get(db, buf_str(&name), role_write, &call->result, err));
    xml_close(&call->result, "Role");
    return 0;
}

static int list_roles(struct query_call *call, struct db *db, struct err *err)
{
    xml_open(&call->result, "Roles");
    TRY(role_each(db, role_member, &call->result, err));
    xml_close(&call->result, "Roles");
    truncated_no(&call->result);
    return 0;
}

static int delete_role(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    TRY(name_need(call, "RoleName", &name, err));
    return role_delete(db, buf_str(&name), err);
}

struct changing {
    struct query_call *call;
    struct db *db;
    struct str trust, description; // at == NULL: as it is
    struct err *err;
    int rc;
};

static void role_change(void *ctx, const struct role *role)
{
    struct changing *c = ctx;
    struct role changed = *role;
    changed.trust = c->trust.at ? c->trust : role->trust;
    changed.description = c->description.at ? c->description : role->description;
    c->rc = role_update(c->db, &changed, c->err);
}

static int update_trust(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf trust = BUF_INIT(DOCUMENT_MAX);
    TRY(name_need(call, "RoleName", &name, err));
    TRY(document_need(call, "PolicyDocument", &trust, err));
    struct changing c = {.call = call, .db = db, .trust = buf_str(&trust), .err = err};
    TRY(role_get(db, buf_str(&name), role_change, &c, err));
    return c.rc;
}

static int update_role(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf description = BUF_INIT(4096);
    TRY(name_need(call, "RoleName", &name, err));
    TRY(text_or(call, "Description", "", &description, err));
    struct changing c = {.call = call, .db = db, .description = buf_str(&description), .err = err};
    TRY(role_get(db, buf_str(&name), role_change, &c, err));
    return c.rc;
}

// ── policies of a role ──

static int put_role_policy(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf document = BUF_INIT(DOCUMENT_MAX);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(name_need(call, "PolicyName", &name, err));
    TRY(document_need(call, "PolicyDocument", &document, err));
    return role_policy_put(db, buf_str(&role), buf_str(&name), buf_str(&document), err);
}

static int delete_role_policy(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(name_need(call, "PolicyName", &name, err));
    return role_policy_delete(db, buf_str(&role), buf_str(&name), err);
}

struct listing {
    struct buf *out;
    struct str role, wanted; // wanted: the policy to be shown whole
    bool attached, found;
};

static void policy_member(void *ctx, const struct role_policy *p)
{
    struct listing *l = ctx;
    if (p->attached != l->attached) {
        return;
    }
    if (!p->attached) {
        xml_text_element(l->out, "member", p->name);
        return;
    }
    struct str name = p->name;
    while (str_find(name, '/') >= 0) {
        (void)str_cut(&name, '/');
    }
    xml_open(l->out, "member");
    xml_text_element(l->out, "PolicyName", name);
    xml_text_element(l->out, "PolicyArn", p->name);
    xml_close(l->out, "member");
}

static void policy_whole(void *ctx, const struct role_policy *p)
{
    struct listing *l = ctx;
    if (!p->attached && str_eq(p->name, l->wanted)) {
        l->found = true;
        xml_text_element(l->out, "RoleName", l->role);
        xml_text_element(l->out, "PolicyName", p->name);
        document_element(l->out, "PolicyDocument", p->document);
    }
}

static void role_ignore(void *ctx, const struct role *role)
{
    (void)ctx, (void)role;
}

static int get_role_policy(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(name_need(call, "PolicyName", &name, err));
    TRY(role_get(db, buf_str(&role), role_ignore, NULL, err));
    struct listing l = {.out = &call->result, .role = buf_str(&role), .wanted = buf_str(&name)};
    TRY(role_policies(db, buf_str(&role), policy_whole, &l, err));
    return l.found ? 0
                   : err_aws(err, ERR_NOT_FOUND, "NoSuchEntity",
                             "The role policy with name %s cannot be found.", name.at);
}

static int list_policies_of(struct query_call *call, struct db *db, const char *tag, bool attached,
                            struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(role_get(db, buf_str(&role), role_ignore, NULL, err));
    struct listing l = {.out = &call->result, .attached = attached};
    xml_open(&call->result, tag);
    TRY(role_policies(db, buf_str(&role), policy_member, &l, err));
    xml_close(&call->result, tag);
    truncated_no(&call->result);
    return 0;
}

static int list_role_policies(struct query_call *call, struct db *db, struct err *err)
{
    return list_policies_of(call, db, "PolicyNames", false, err);
}

static int list_attached(struct query_call *call, struct db *db, struct err *err)
{
    return list_policies_of(call, db, "AttachedPolicies", true, err);
}

static void managed_ignore(void *ctx, const struct managed_policy *policy)
{
    (void)ctx, (void)policy;
}

static int attach(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(query_need(call, "PolicyArn", &arn, err));
    // AWS's own policies are not stored here; they may be attached and give what authorize.c knows.
    if (!str_starts(buf_str(&arn), STR("arn:aws:iam::aws:policy/"))) {
        TRY(managed_policy_each(db, buf_str(&arn), managed_ignore, NULL, err));
    }
    return role_attach(db, buf_str(&role), buf_str(&arn), err);
}

static int detach(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf role = BUF_INIT(256);
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    TRY(name_need(call, "RoleName", &role, err));
    TRY(query_need(call, "PolicyArn", &arn, err));
    return role_detach(db, buf_str(&role), buf_str(&arn), err);
}

// ── managed policies ──

static void managed_write(void *ctx, const struct managed_policy *p)
{
    struct buf *out = ctx;
    xml_text_element(out, "PolicyName", p->name);
    xml_text_element(out, "Arn", p->arn);
    xml_text_element(out, "Path", p->path);
    xml_text_element(out, "DefaultVersionId", STR("v1"));
    xml_bool_element(out, "IsAttachable", true);
    date_element(out, "CreateDate", p->created_ms);
    date_element(out, "UpdateDate", p->created_ms);
}

static void managed_member(void *ctx, const struct managed_policy *p)
{
    xml_open(ctx, "member");
    managed_write(ctx, p);
    xml_close(ctx, "member");
}

static void managed_version(void *ctx, const struct managed_policy *p)
{
    document_element(ctx, "Document", p->document);
    xml_text_element(ctx, "VersionId", STR("v1"));
    xml_bool_element(ctx, "IsDefaultVersion", true);
    date_element(ctx, "CreateDate", p->created_ms);
}

static int create_policy(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    CLEAN(buf_done) struct buf path = BUF_INIT(512);
    CLEAN(buf_done) struct buf description = BUF_INIT(4096);
    CLEAN(buf_done) struct buf document = BUF_INIT(DOCUMENT_MAX);
    TRY(name_need(call, "PolicyName", &name, err));
    TRY(document_need(call, "PolicyDocument", &document, err));
    TRY(text_or(call, "Path", "/", &path, err));
    TRY(text_or(call, "Description", "", &description, err));
    CLEAN_MEM char *arn = mem_printf("arn:aws:iam::" ACCOUNT_ID ":policy%s%s", path.at, name.at);
    struct managed_policy p = {.arn = str_of(arn),
                               .name = buf_str(&name),
                               .path = buf_str(&path),
                               .description = buf_str(&description),
                               .document = buf_str(&document),
                               .created_ms = call->now_ms};
    TRY(managed_policy_create(db, &p, err));
    xml_open(&call->result, "Policy");
    managed_write(&call->result, &p);
    xml_close(&call->result, "Policy");
    return 0;
}

static int show_policy(struct query_call *call, struct db *db, const char *tag,
                       void (*each)(void *ctx, const struct managed_policy *p), struct err *err)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    TRY(query_need(call, "PolicyArn", &arn, err));
    xml_open(&call->result, tag);
    TRY(managed_policy_each(db, buf_str(&arn), each, &call->result, err));
    xml_close(&call->result, tag);
    return 0;
}

static int get_policy(struct query_call *call, struct db *db, struct err *err)
{
    return show_policy(call, db, "Policy", managed_write, err);
}

static int get_policy_version(struct query_call *call, struct db *db, struct err *err)
{
    return show_policy(call, db, "PolicyVersion", managed_version, err);
}

static int list_policies(struct query_call *call, struct db *db, struct err *err)
{
    xml_open(&call->result, "Policies");
    TRY(managed_policy_each(db, STR(""), managed_member, &call->result, err));
    xml_close(&call->result, "Policies");
    truncated_no(&call->result);
    return 0;
}

static int delete_policy(struct query_call *call, struct db *db, struct err *err)
{
    CLEAN(buf_done) struct buf arn = BUF_INIT(2048);
    TRY(query_need(call, "PolicyArn", &arn, err));
    return managed_policy_delete(db, buf_str(&arn), err);
}

static const struct query_op ops[] = {
    {"CreateRole", create_role},
    {"GetRole", get_role},
    {"ListRoles", list_roles},
    {"DeleteRole", delete_role},
    {"UpdateRole", update_role},
    {"UpdateAssumeRolePolicy", update_trust},
    {"PutRolePolicy", put_role_policy},
    {"GetRolePolicy", get_role_policy},
    {"DeleteRolePolicy", delete_role_policy},
    {"ListRolePolicies", list_role_policies},
    {"AttachRolePolicy", attach},
    {"DetachRolePolicy", detach},
    {"ListAttachedRolePolicies", list_attached},
    {"CreatePolicy", create_policy},
    {"GetPolicy", get_policy},
    {"GetPolicyVersion", get_policy_version},
    {"ListPolicies", list_policies},
    {"DeletePolicy", delete_policy},
};

static const struct query_service iam = {
    .name = "iam",
    .namespace = "https://iam.amazonaws.com/doc/2010-05-08/",
    .ops = ops,
    .op_count = ARRAY_SIZE(ops),
};

const struct http_handler *iam_route(struct http_request *req, struct api *api)
{
    return query_route(req, api, &iam);
}
