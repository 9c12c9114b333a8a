// SPDX-License-Identifier: Apache-2.0
// PostObject: a browser uploads by a form. Its fields come before the file and are its headers; a
// signed policy among them says what may be uploaded.
#include "api/s3.h"
#include "api/s3_form.h"
#include "api/s3_policy.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/uri.h"

#include <stdio.h>

struct post_form {
    struct s3_form form;
    struct s3_request *r;
    struct s3_policy_bounds bounds;
    int status; // of success: 200, 201 or 204
    char *redirect, *url;
};

static void post_free(void *data)
{
    struct post_form *post = data;
    s3_form_done(&post->form);
    free(post->redirect);
    free(post->url);
    free(post);
}

// "AKID/20260102/us-east-1/s3/aws4_request"
static int scope_parse(struct str credential, struct sigv4_scope *ret, struct err *err)
{
    struct str rest = credential;
    ret->access_key = str_cut(&rest, '/');
    ret->date = str_cut(&rest, '/');
    ret->region = str_cut(&rest, '/');
    ret->service = str_cut(&rest, '/');
    if (str_eq(rest, STR("aws4_request")) && str_eq(ret->service, STR("s3")) &&
        ret->date.size == 8) {
        return 0;
    }
    return err_aws(err, ERR_INVALID, "InvalidArgument",
                   "x-amz-credential must be ACCESS_KEY/date/region/s3/aws4_request");
}

static int signature_check(struct post_form *post, struct str policy, struct err *err)
{
    const struct s3_form *form = &post->form;
    struct sigv4_scope scope = {0};
    struct sigv4_key key;
    char signature[SIGV4_HEX];
    CLEAN(buf_done) struct buf secret = BUF_INIT(256);
    struct str token = s3_form_get(form, "x-amz-security-token");
    if (post->r->api->settings->insecure) {
        return 0;
    }
    struct str access_key = s3_form_get(form, "AWSAccessKeyId");
    if (access_key.at) { // signature version 2
        return s3_sigv2_compare(post->r, access_key, token, policy,
                                str_not_null(s3_form_get(form, "signature")), err);
    }
    if (!str_eq(s3_form_get(form, "x-amz-algorithm"), STR("AWS4-HMAC-SHA256"))) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "x-amz-algorithm must be AWS4-HMAC-SHA256");
    }
    TRY(scope_parse(str_not_null(s3_form_get(form, "x-amz-credential")), &scope, err));
    TRY(s3_secret(post->r, scope.access_key, token, &secret, err));
    sigv4_key_derive(buf_str(&secret), &scope, &key);
    sigv4_policy_signature(&key, policy, signature);
    if (!sigv4_same(str_of(signature), str_not_null(s3_form_get(form, "x-amz-signature")))) {
        return err_aws(err, ERR_DENIED, "SignatureDoesNotMatch",
                       "The request signature we calculated does not match the signature you "
                       "provided. Check your key and signing method.");
    }
    return 0;
}

static int authorize(struct post_form *post, struct err *err)
{
    struct s3_request *r = post->r;
    struct str policy = s3_form_get(&post->form, "policy");
    r->auth =
        (struct auth){.payload = AUTH_PAYLOAD_UNSIGNED, .unchecked = r->api->settings->insecure};
    post->bounds = (struct s3_policy_bounds){0, S3_PUT_SIZE_MAX};
    if (!policy.at) {
        return r->api->settings->insecure
                   ? 0
                   : err_aws(err, ERR_DENIED, "AccessDenied", "Access Denied");
    }
    TRY(signature_check(post, policy, err));
    TRY(s3_may(r, "s3:PutObject", r->bucket, r->key, err));
    CLEAN(buf_done) struct buf document = BUF_INIT(S3_FORM_FIELDS_SIZE_MAX);
    if (base64_decode(policy, &document, NULL) < 0) {
        return err_aws(err, ERR_INVALID, "InvalidPolicyDocument",
                       "Invalid Policy: it is not base64");
    }
    return s3_policy_check(buf_str(&document), &post->form, r->bucket, r->now_ms, &post->bounds,
                           err);
}

// The key, with ${filename} replaced by what the browser calls the file.
static int key_choose(struct post_form *post, struct err *err)
{
    struct str given = s3_form_get(&post->form, "key"), name = str_of(post->form.file_name);
    if (!given.size) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Bucket POST must contain a field named 'key'. If it is specified, please "
                       "check the order of the fields.");
    }
    for (ptrdiff_t at; (at = str_find(name, '/')) >= 0 || (at = str_find(name, '\\')) >= 0;) {
        name = str_skip(name, (size_t)at + 1); // some browsers give the whole path
    }
    CLEAN(buf_done) struct buf key = BUF_INIT(64 * 1024);
    const struct str mark = STR("${filename}");
    for (ptrdiff_t at; (at = str_find_str(given, mark)) >= 0;) {
        buf_add_str(&key, str_head(given, (size_t)at));
        buf_add_str(&key, name);
        given = str_skip(given, (size_t)at + mark.size);
    }
    buf_add_str(&key, given);
    post->r->key = s3_keep_str(post->r, str_not_null(buf_str(&key)));
    return s3_key_check(post->r->key, err);
}

static int headers_choose(struct post_form *post, struct err *err)
{
    struct s3_request *r = post->r;
    CLEAN(buf_done) struct buf lines = BUF_INIT(64 * 1024);
    size_t user_size = 0;
    for (size_t i = 0; i < post->form.field_count; i++) {
        const struct s3_form_field *field = &post->form.fields[i];
        struct str value = str_n(field->value, field->value_size);
        s3_meta_add(&lines, str_of(field->name), value, &user_size);
        TRY(s3_body_sum(&r->body, str_of(field->name), value, err));
    }
    if (!s3_form_get(&post->form, "Content-Type").at) {
        buf_add_text(&lines, "Content-Type: binary/octet-stream\n");
    }
    if (user_size > S3_META_MAX) {
        return err_aws(err, ERR_LIMIT, "MetadataTooLarge",
                       "Your metadata headers exceed the maximum allowed metadata size");
    }
    r->object.headers = s3_keep_str(r, buf_str(&lines));
    struct str tags = s3_form_get(&post->form, "tagging");
    if (tags.size) {
        CLEAN(buf_done) struct buf kept = BUF_INIT(64 * 1024);
        TRY(s3_tags_from_xml(tags, S3_TAGS_MAX, &kept, err));
        r->object.tags = s3_keep_str(r, buf_str(&kept));
    }
    return 0;
}

static void answer_choose(struct post_form *post)
{
    struct str redirect = s3_form_get(&post->form, "success_action_redirect");
    if (!redirect.size) {
        redirect = s3_form_get(&post->form, "redirect");
    }
    post->redirect = redirect.size ? str_dup(redirect) : NULL;
    struct str status = str_not_null(s3_form_get(&post->form, "success_action_status"));
    post->status = str_eq(status, STR("200")) ? 200 : str_eq(status, STR("201")) ? 201 : 204;
}

static int on_file(void *ctx, struct err *err)
{
    struct post_form *post = ctx;
    struct s3_request *r = post->r;
    TRY(key_choose(post, err));
    TRY(authorize(post, err));
    TRY(headers_choose(post, err));
    answer_choose(post);
    TRY(s3_body_begin(r, err));
    if (post->bounds.most < r->body.size_max) {
        r->body.size_max = post->bounds.most;
    }
    return 0;
}

static int on_data(void *ctx, struct str data, struct err *err)
{
    struct post_form *post = ctx;
    return s3_body_add(&post->r->body, data, err);
}

int s3_post_object_begin(struct s3_request *r, struct err *err)
{
    struct post_form *post = NEW(struct post_form);
    r->data = post;
    r->data_free = post_free;
    post->r = r;
    TRY(s3_form_init(&post->form, str_not_null(s3_header(r, "Content-Type")), err));
    post->form.on_file = on_file;
    post->form.on_data = on_data;
    post->form.ctx = post;
    return 0;
}

int s3_post_object_feed(struct s3_request *r, struct str piece, struct err *err)
{
    struct post_form *post = r->data;
    return s3_form_feed(&post->form, piece, err);
}

static void post_reply_created(struct s3_request *r, const struct post_form *post)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_DOCUMENT_MAX);
    xml_begin(&out);
    xml_open(&out, "PostResponse");
    xml_text_element(&out, "Location", str_of(post->url));
    xml_text_element(&out, "Bucket", r->bucket);
    xml_text_element(&out, "Key", r->key);
    s3_xml_etag(&out, r->object.etag);
    xml_close(&out, "PostResponse");
    s3_reply_xml(r, 201, &out);
}

static void post_done(struct s3_request *r)
{
    const struct post_form *post = r->data;
    r->body.blob_made = false; // a row names it now
    s3_reply_etag(r, r->object.etag);
    s3_reply_sum(r, r->object.sum_name, r->object.sum, r->object.sum_type);
    if (post->redirect) {
        CLEAN(buf_done) struct buf url = BUF_INIT(64 * 1024);
        buf_printf(&url, "%s%sbucket=", post->redirect, strchr(post->redirect, '?') ? "&" : "?");
        uri_encode(&url, r->bucket, false);
        buf_add_text(&url, "&key=");
        uri_encode(&url, r->key, false);
        buf_printf(&url, "&etag=%%22" STR_FMT "%%22", STR_ARG(r->object.etag));
        s3_reply_header(r, "Location", buf_text(&url));
        s3_reply_empty(r, 303);
        return;
    }
    s3_reply_header(r, "Location", post->url);
    if (post->status == 201) {
        post_reply_created(r, post);
    } else {
        s3_reply_empty(r, post->status);
    }
}

int s3_post_object(struct s3_request *r, struct err *err)
{
    struct post_form *post = r->data;
    TRY(s3_form_end(&post->form, err));
    TRY(s3_body_end(r, err));
    if (r->body.size < post->bounds.least) {
        return err_aws(err, ERR_INVALID, "EntityTooSmall",
                       "Your proposed upload is smaller than the minimum allowed size");
    }
    CLEAN(buf_done) struct buf path = BUF_INIT(8192);
    uri_encode(&path, r->key, true);
    const char *slash = str_ends(r->req->path, STR("/")) ? "" : "/";
    post->url = mem_printf("http://" STR_FMT STR_FMT "%s%s", STR_ARG(r->req->host),
                           STR_ARG(r->req->path), slash, buf_text(&path));
    return s3_put_store(r, "ObjectCreated:Post", post_done, err);
}
