// SPDX-License-Identifier: Apache-2.0
// deploy's buckets and what their events rouse. A bucket's notification configuration is one document for
// everybody, so ours is merged into it and other functions' entries are put back as they were.
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "cli/s3_api.h"
#include "base/mem.h"
#include "format/arn.h"
#include "format/json.h"

#define DOCUMENT_MAX (4 * 1024 * 1024)

// ---- sets of names, as JSON arrays of strings

static bool has(const json_t *names, struct str name)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)names, i, one)
    {
        if (str_eq(json_str(one), name)) {
            return true;
        }
    }
    return false;
}

static void add(json_t *names, struct str name)
{
    if (name.size && !has(names, name)) {
        json_array_append_new(names, json_from_str(name));
    }
}

static json_t *set_in(json_t *object, const char *name)
{
    json_t *set = json_object_get(object, name);
    if (!json_is_array(set)) {
        set = json_array();
        json_put(object, name, set);
    }
    return set;
}

// ---- buckets

static int need_bucket(struct deploy *deploy, const char *bucket, bool existing, struct err *err)
{
    int rc = remote_s3_bucket_find(&deploy->remote, bucket, err);
    if (rc != 0) {
        return rc < 0 ? rc : 0;
    }
    if (existing) {
        return err_set(err, ERR_NOT_FOUND,
                       "bucket %s is not there, and \"existing: true\" says that it is "
                       "not to be made",
                       bucket);
    }
    terminal_status("Making bucket %s", bucket);
    TRY(remote_s3_bucket_make(&deploy->remote, bucket, err));
    add(set_in(deploy->next, "buckets"), str_of(bucket));
    deploy_changed(deploy, "made bucket %s", bucket);
    return 0;
}

static int need_destination(struct deploy *deploy, const char *target, struct err *err)
{
    struct arn_s3 arn;
    if (!target || strncmp(target, "arn:aws:s3:", 11) != 0) {
        return 0;
    }
    TRY(arn_s3_parse(str_of(target), &arn, err));
    CLEAN_MEM char *bucket = str_dup(arn.bucket);
    return need_bucket(deploy, bucket, false, err);
}

int deploy_buckets(struct deploy *deploy, struct err *err)
{
    CLEAN_MEM char *own = project_state_bucket(deploy->service);
    unsigned before = deploy->changes;
    TRY(need_bucket(deploy, own, false, err));
    deploy->changes = before; // that there is now a place for the state is no change of the service
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        for (size_t j = 0; j < f->wanted->bucket_count && deploy_wants(deploy, f); j++) {
            const struct serverless_bucket *b = &f->wanted->buckets[j];
            TRY(need_bucket(deploy, b->bucket, b->existing, err));
        }
        if (deploy_wants(deploy, f)) {
            TRY(need_destination(deploy, f->wanted->on_success, err));
            TRY(need_destination(deploy, f->wanted->on_failure, err));
            TRY(need_destination(deploy, f->wanted->on_error, err));
        }
    }
    return 0;
}

// ---- permissions: S3 may invoke the function

static int allow(struct deploy *deploy, const struct deploy_function *f, const char *bucket,
                 struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", f->target, "/policy");
    CLEAN_MEM char *id = mem_printf("s3-%s", bucket);
    for (char *c = id; *c; c++) {
        *c = *c == '.' ? '-' : *c; // a statement's id has no dots
    }
    CLEAN_MEM char *arn = mem_printf("arn:aws:s3:::%s", bucket);
    CLEAN_JSON json_t *body = json_object();
    CLEAN_JSON json_t *reply = NULL;
    json_put_str(body, "StatementId", str_of(id));
    json_put_str(body, "Action", STR("lambda:InvokeFunction"));
    json_put_str(body, "Principal", STR("s3.amazonaws.com"));
    json_put_str(body, "SourceArn", str_of(arn));
    struct err told = {0};
    int rc = remote_lambda_call(&deploy->remote, "POST", path, body, &reply, &told);
    if (rc == ERR_EXISTS) {
        return 0;
    }
    return rc < 0 ? err_aws(err, rc, told.aws, "%s", told.text) : 0;
}

// ---- notifications

// An element and all below it, as it was. As deep as XML_DEPTH_MAX at most.
static void add_element(struct buf *out, const struct xml_node *node)
{
    if (!node->child) {
        xml_text_element(out, node->name, node->text);
        return;
    }
    xml_open(out, node->name);
    for (const struct xml_node *n = node->child; n; n = n->next) {
        add_element(out, n);
    }
    xml_close(out, node->name);
}

static struct str function_arn_of(const struct xml_node *entry)
{
    struct str arn = xml_child_text(entry, "CloudFunction");
    return arn.size ? arn : xml_child_text(entry, "LambdaFunction");
}

// Whether an entry rouses one of the functions with these names.
static bool is_ours(const struct xml_node *entry, const json_t *names)
{
    struct arn_function function;
    struct str arn = function_arn_of(entry);
    return arn.size && arn_function_parse(arn, &function, NULL) >= 0 && has(names, function.name);
}

// "arn event prefix suffix": equal for entries that mean the same.
static char *meaning(const struct xml_node *entry)
{
    struct str prefix = {0}, suffix = {0};
    const struct xml_node *key = xml_child(xml_child(entry, "Filter"), "S3Key");
    for (const struct xml_node *rule = xml_child(key, "FilterRule"); rule; rule = xml_next(rule)) {
        bool is_prefix = str_eq_nocase(xml_child_text(rule, "Name"), STR("prefix"));
        *(is_prefix ? &prefix : &suffix) = xml_child_text(rule, "Value");
    }
    CLEAN(buf_done) struct buf events = BUF_INIT(4096);
    for (const struct xml_node *e = xml_child(entry, "Event"); e; e = xml_next(e)) {
        buf_printf(&events, STR_FMT ",", STR_ARG(xml_text(e)));
    }
    return mem_printf(STR_FMT "\n%s\n" STR_FMT "\n" STR_FMT, STR_ARG(function_arn_of(entry)),
                      buf_text(&events), STR_ARG(prefix), STR_ARG(suffix));
}

static void add_rule(struct buf *out, const char *name, const char *value)
{
    if (value) {
        xml_open(out, "FilterRule");
        xml_text_element(out, "Name", str_of(name));
        xml_text_element(out, "Value", str_of(value));
        xml_close(out, "FilterRule");
    }
}

static void add_entry(struct buf *out, const char *id, const char *arn,
                      const struct serverless_bucket *b)
{
    xml_open(out, "CloudFunctionConfiguration");
    xml_text_element(out, "Id", str_of(id));
    xml_text_element(out, "CloudFunction", str_of(arn));
    xml_text_element(out, "Event", str_of(b->event));
    if (b->prefix || b->suffix) {
        xml_open(out, "Filter");
        xml_open(out, "S3Key");
        add_rule(out, "prefix", b->prefix);
        add_rule(out, "suffix", b->suffix);
        xml_close(out, "S3Key");
        xml_close(out, "Filter");
    }
    xml_close(out, "CloudFunctionConfiguration");
}

// The document without entries of `names`; in *ret_meanings what those meant.
static void keep_others(const struct xml_node *root, const json_t *names, struct buf *out,
                        json_t *ret_meanings)
{
    for (const struct xml_node *n = root->child; n; n = n->next) {
        if (is_ours(n, names)) {
            CLEAN_MEM char *text = meaning(n);
            add(ret_meanings, str_of(text));
        } else {
            add_element(out, n);
        }
    }
}

static bool same_set(const json_t *a, const json_t *b)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)a, i, one)
    {
        if (!has(b, json_str(one))) {
            return false;
        }
    }
    return json_array_size(a) == json_array_size(b);
}

// Appends this deployment's entries for the bucket and what they mean.
static int add_ours(struct deploy *deploy, const char *bucket, struct buf *out, json_t *meanings,
                    struct err *err)
{
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        size_t number = 0;
        for (size_t j = 0; j < f->wanted->bucket_count && deploy_wants(deploy, f); j++) {
            const struct serverless_bucket *b = &f->wanted->buckets[j];
            if (strcmp(b->bucket, bucket) != 0) {
                continue;
            }
            CLEAN_MEM char *id = mem_printf("%s-%zu", f->wanted->name, ++number);
            CLEAN_MEM char *text =
                mem_printf("%s\n%s,\n%s\n%s", f->target_arn, b->event, b->prefix ? b->prefix : "",
                           b->suffix ? b->suffix : "");
            if (has(meanings, str_of(text))) {
                continue; // written twice in the file
            }
            add(meanings, str_of(text));
            add_entry(out, id, f->target_arn, b);
            if (number == 1) {
                TRY(allow(deploy, f, bucket, err));
            }
        }
    }
    return 0;
}

static int notify(struct deploy *deploy, const char *bucket, const json_t *names, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(DOCUMENT_MAX);
    CLEAN_JSON json_t *before = json_array();
    CLEAN_JSON json_t *after = json_array();
    TRY(remote_s3_notifications_get(&deploy->remote, bucket, &root, err));
    xml_open_ns(&out, "NotificationConfiguration", XML_NS_S3);
    keep_others(root, names, &out, before);
    size_t kept = out.size;
    TRY(add_ours(deploy, bucket, &out, after, err));
    xml_close(&out, "NotificationConfiguration");
    if (kept < out.size && json_array_size(after)) {
        add(set_in(deploy->next, "notified"), str_of(bucket));
    }
    if (same_set(before, after)) {
        return 0;
    }
    terminal_status("Connecting bucket %s", bucket);
    deploy_changed(deploy, "set the notifications of bucket %s", bucket);
    return remote_s3_notifications_put(&deploy->remote, bucket, buf_str(&out), err);
}

// Names of this service's functions, now and at the last deployment; with --function only the one.
static json_t *own_names(const struct deploy *deploy)
{
    json_t *names = json_array();
    for (size_t i = 0; i < deploy->count; i++) {
        if (deploy_wants(deploy, &deploy->functions[i])) {
            add(names, str_of(deploy->functions[i].wanted->name));
        }
    }
    const char *key;
    json_t *row;
    json_object_foreach(json_object_get(deploy->state, "functions"), key, row)
    {
        if (!deploy->only) {
            add(names, json_str(json_object_get(row, "name")));
        }
    }
    return names;
}

int deploy_notifications(struct deploy *deploy, struct err *err)
{
    CLEAN_JSON json_t *names = own_names(deploy);
    CLEAN_JSON json_t *buckets = json_array();
    for (size_t i = 0; i < deploy->count; i++) {
        const struct deploy_function *f = &deploy->functions[i];
        for (size_t j = 0; j < f->wanted->bucket_count && deploy_wants(deploy, f); j++) {
            add(buckets, str_of(f->wanted->buckets[j].bucket));
        }
    }
    size_t i;
    json_t *one;
    size_t current = json_array_size(buckets);
    json_array_foreach(json_object_get(deploy->state, "notified"), i, one)
    {
        add(buckets, json_str(one));
    }
    json_array_foreach(buckets, i, one)
    {
        CLEAN_MEM char *bucket = str_dup(json_str(one));
        int there = i < current ? 1 : remote_s3_bucket_find(&deploy->remote, bucket, err);
        TRY(there);
        TRY(there ? notify(deploy, bucket, names, err) : 0);
    }
    return 0;
}

int notifications_remove(struct remote *remote, const char *bucket, const json_t *names,
                         struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN(buf_done) struct buf out = BUF_INIT(DOCUMENT_MAX);
    CLEAN_JSON json_t *before = json_array();
    int rc = remote_s3_bucket_find(remote, bucket, err);
    if (rc <= 0) {
        return rc;
    }
    TRY(remote_s3_notifications_get(remote, bucket, &root, err));
    xml_open_ns(&out, "NotificationConfiguration", XML_NS_S3);
    keep_others(root, names, &out, before);
    xml_close(&out, "NotificationConfiguration");
    return json_array_size(before) ? remote_s3_notifications_put(remote, bucket, buf_str(&out), err)
                                   : 0;
}
