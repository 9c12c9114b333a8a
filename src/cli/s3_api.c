// SPDX-License-Identifier: Apache-2.0
// Calls of the S3 API for deploy, put, get, ls and remove. Path style, so that any endpoint will do.
#include "cli/s3_api.h"
#include "format/uri.h"
#include "base/mem.h"

#define XML_REPLY_MAX XML_SIZE_MAX

int remote_s3_uri_parse(const char *text, struct s3_uri *ret, struct err *err)
{
    struct str rest = str_of(text);
    if (!str_starts(rest, STR("s3://"))) {
        return err_set(err, ERR_INVALID, "\"%s\" is not of the form s3://bucket/key", text);
    }
    rest = str_skip(rest, 5);
    struct str bucket = str_cut(&rest, '/');
    if (bucket.size == 0) {
        return err_set(err, ERR_INVALID, "\"%s\" names no bucket", text);
    }
    ret->bucket = str_dup(bucket);
    ret->key = str_dup(rest.at ? rest : STR(""));
    return 0;
}

void remote_s3_uri_done(struct s3_uri *uri)
{
    free(uri->bucket);
    free(uri->key);
    *uri = (struct s3_uri){0};
}

void remote_s3_path(const char *bucket, const char *key, struct buf *out)
{
    buf_add_char(out, '/');
    uri_encode(out, str_of(bucket), false);
    if (key) {
        buf_add_char(out, '/');
        uri_encode(out, str_of(key), true);
    }
}

static char *path_of(const char *bucket, const char *key)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(8192);
    remote_s3_path(bucket, key, &path);
    return mem_dup(buf_text(&path));
}

// Says what an error is about; that no server answers is about none.
static int about(struct err *err, int rc, const char *bucket, const char *key)
{
    return rc == ERR_UNAVAILABLE || rc >= 0
               ? rc
               : err_prefix(err, "s3://%s%s%s", bucket, key[0] ? "/" : "", key);
}

static int simple(struct remote *remote, const char *method, const char *bucket, const char *key,
                  const char *query, struct str body, struct remote_reply *reply, struct err *err)
{
    CLEAN_MEM char *path = path_of(bucket, key);
    struct remote_request request = {
        .service = "s3", .method = method, .path = path, .query = query, .body = body};
    return about(err, remote_call(remote, &request, reply, err), bucket, key ? key : "");
}

// As simple, when nothing of the reply is of interest.
static int command(struct remote *remote, const char *method, const char *bucket, const char *key,
                   const char *query, struct str body, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    return simple(remote, method, bucket, key, query, body, &reply, err);
}

int remote_s3_bucket_find(struct remote *remote, const char *bucket, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN_MEM char *path = path_of(bucket, NULL);
    struct remote_request request = {.service = "s3", .method = "HEAD", .path = path};
    TRY(remote_send(remote, &request, &reply, err));
    if (reply.status == 404) {
        return 0;
    }
    TRY(about(err, remote_error(&reply, err), bucket, ""));
    return 1;
}

int remote_s3_bucket_make(struct remote *remote, const char *bucket, struct err *err)
{
    CLEAN(buf_done) struct buf body = BUF_INIT(1024);
    if (strcmp(remote->region, "us-east-1") != 0) {
        xml_open_ns(&body, "CreateBucketConfiguration", XML_NS_S3);
        xml_text_element(&body, "LocationConstraint", str_of(remote->region));
        xml_close(&body, "CreateBucketConfiguration");
    }
    return command(remote, "PUT", bucket, NULL, NULL, buf_str(&body), err);
}

int remote_s3_bucket_delete(struct remote *remote, const char *bucket, struct err *err)
{
    return command(remote, "DELETE", bucket, NULL, NULL, (struct str){0}, err);
}

int remote_s3_put(struct remote *remote, const char *bucket, const char *key, struct str body,
                  struct err *err)
{
    return command(remote, "PUT", bucket, key, NULL, body, err);
}

static const char *content_type(const char *path)
{
    static const char *const types[][2] = {
        {".jpg", "image/jpeg"},        {".jpeg", "image/jpeg"},       {".png", "image/png"},
        {".webp", "image/webp"},       {".gif", "image/gif"},         {".txt", "text/plain"},
        {".json", "application/json"}, {".html", "text/html"},        {".csv", "text/csv"},
        {".yml", "application/yaml"},  {".yaml", "application/yaml"}, {".zip", "application/zip"},
        {".mp4", "video/mp4"},         {".pdf", "application/pdf"}};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        struct str end = str_of(types[i][0]);
        struct str name = str_of(path);
        if (name.size >= end.size && str_eq_nocase(str_skip(name, name.size - end.size), end)) {
            return types[i][1];
        }
    }
    return "application/octet-stream";
}

int remote_s3_put_file(struct remote *remote, const char *bucket, const char *key, const char *path,
                       char **ret_etag, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN_MEM char *target = path_of(bucket, key);
    struct remote_request request = {.service = "s3",
                                     .method = "PUT",
                                     .path = target,
                                     .headers = {{"content-type", content_type(path)}},
                                     .body_path = path,
                                     .timeout_s = 3600};
    TRY(about(err, remote_call(remote, &request, &reply, err), bucket, key));
    if (ret_etag) {
        *ret_etag = MOVE(reply.etag);
    }
    return 0;
}

int remote_s3_get(struct remote *remote, const char *bucket, const char *key, struct buf *out,
                  struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    struct err told = {0};
    int rc = simple(remote, "GET", bucket, key, NULL, (struct str){0}, &reply, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    if (rc < 0) {
        return err_aws(err, rc, told.aws, "%s", told.text);
    }
    buf_add_str(out, buf_str(&reply.body));
    return 1;
}

int remote_s3_get_to(struct remote *remote, const char *bucket, const char *key,
                     int (*on_piece)(void *ctx, struct str piece), void *ctx, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN_MEM char *path = path_of(bucket, key);
    struct remote_request request = {.service = "s3",
                                     .method = "GET",
                                     .path = path,
                                     .timeout_s = 3600,
                                     .on_piece = on_piece,
                                     .ctx = ctx};
    return about(err, remote_call(remote, &request, &reply, err), bucket, key);
}

int remote_s3_delete(struct remote *remote, const char *bucket, const char *key, struct err *err)
{
    return command(remote, "DELETE", bucket, key, NULL, (struct str){0}, err);
}

static int fetch_xml(struct remote *remote, const char *bucket, const char *query,
                     struct xml_node **ret, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(simple(remote, "GET", bucket, NULL, query, (struct str){0}, &reply, err));
    return xml_parse(buf_str(&reply.body), ret, err);
}

static int list_query(const char *prefix, const char *delimiter, struct str token, struct buf *out,
                      struct err *err)
{
    // Sorted by name, as a signature has them anyway.
    if (token.size) {
        buf_add_text(out, "continuation-token=");
        uri_encode(out, token, false);
        buf_add_char(out, '&');
    }
    if (delimiter) {
        buf_add_text(out, "delimiter=");
        uri_encode(out, str_of(delimiter), false);
        buf_add_char(out, '&');
    }
    buf_add_text(out, "list-type=2&prefix=");
    uri_encode(out, str_of(prefix), false);
    return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "the prefix is too long");
}

// Objects and folded prefixes come as two sorted lists; they are given out as one.
static int give_page(const struct xml_node *root,
                     int (*on_entry)(void *ctx, const struct s3_entry *entry, struct err *err),
                     void *ctx, struct err *err)
{
    const struct xml_node *object = xml_child(root, "Contents");
    const struct xml_node *folder = xml_child(root, "CommonPrefixes");
    while (object || folder) {
        struct s3_entry entry = {0};
        struct str key = xml_child_text(object, "Key");
        struct str prefix = xml_child_text(folder, "Prefix");
        if (folder && (!object || str_cmp(prefix, key) < 0)) {
            entry = (struct s3_entry){.key = prefix, .is_prefix = true};
            folder = xml_next(folder);
        } else {
            entry.key = key;
            entry.modified = xml_child_text(object, "LastModified");
            (void)str_to_u64(xml_child_text(object, "Size"), &entry.size);
            object = xml_next(object);
        }
        TRY(on_entry(ctx, &entry, err));
    }
    return 0;
}

int remote_s3_list(struct remote *remote, const char *bucket, const char *prefix,
                   const char *delimiter,
                   int (*on_entry)(void *ctx, const struct s3_entry *entry, struct err *err),
                   void *ctx, struct err *err)
{
    CLEAN_MEM char *token = mem_dup("");
    for (;;) {
        CLEAN(buf_done) struct buf query = BUF_INIT(16 * 1024);
        CLEAN(xml_clean) struct xml_node *root = NULL;
        TRY(list_query(prefix, delimiter, str_of(token), &query, err));
        TRY(fetch_xml(remote, bucket, buf_text(&query), &root, err));
        TRY(give_page(root, on_entry, ctx, err));
        struct str next = xml_child_text(root, "NextContinuationToken");
        if (next.size == 0 || str_eq(next, str_of(token))) {
            return 0;
        }
        free(token);
        token = str_dup(next);
    }
}

int remote_s3_list_buckets(struct remote *remote, struct xml_node **ret, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    struct remote_request request = {.service = "s3", .method = "GET", .path = "/"};
    TRY(remote_call(remote, &request, &reply, err));
    return xml_parse(buf_str(&reply.body), ret, err);
}

int remote_s3_notifications_get(struct remote *remote, const char *bucket, struct xml_node **ret,
                                struct err *err)
{
    return fetch_xml(remote, bucket, "notification=", ret, err);
}

int remote_s3_notifications_put(struct remote *remote, const char *bucket, struct str document,
                                struct err *err)
{
    return command(remote, "PUT", bucket, NULL, "notification=", document, err);
}
