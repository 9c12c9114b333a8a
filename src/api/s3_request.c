// SPDX-License-Identifier: Apache-2.0
// The life of an S3 request: references, what it keeps, its turns on other threads, its reply.
#include "api/s3.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "dispatch/dispatch.h"
#include "format/uri.h"

struct s3_kept {
    struct s3_kept *next;
    void *heap;
};

struct s3_request *s3_request_new(struct http_request *req, struct api *api)
{
    struct s3_request *r = NEW(struct s3_request);
    r->req = req;
    r->api = api;
    r->refs = 1;
    r->now_ms = clock_wall_ms();
    r->source_ip = mem_dup(req->remote);
    r->id = mem_dup(req->id);
    r->body.fd = -1;
    r->body.sum_kind = -1;
    return r;
}

struct s3_request *s3_request_ref(struct s3_request *r)
{
    CHECK(r->refs > 0);
    r->refs++;
    return r;
}

void s3_request_unref(struct s3_request *r)
{
    CHECK(r->refs > 0);
    if (--r->refs > 0) {
        return;
    }
    if (r->data_free) {
        r->data_free(r->data);
    }
    if (r->body.blob_made) {
        struct blob_list orphan = {0};
        blob_list_add(&orphan, str_of(r->body.blob.text));
        s3_discard(r->api, &orphan);
    }
    s3_body_done(&r->body);
    object_change_done(&r->change);
    bus_emitted_done(&r->emitted);
    while (r->kept) {
        struct s3_kept *kept = r->kept;
        r->kept = kept->next;
        free(kept->heap);
        free(kept);
    }
    free(r->source_ip);
    free(r->id);
    free(r);
}

void *s3_keep(struct s3_request *r, void *heap)
{
    struct s3_kept *kept = NEW(struct s3_kept);
    kept->heap = heap;
    kept->next = r->kept;
    r->kept = kept;
    return heap;
}

struct str s3_keep_str(struct s3_request *r, struct str s)
{
    return str_n(s3_keep(r, str_dup(str_not_null(s))), s.size);
}

struct str s3_header(const struct s3_request *r, const char *name)
{
    struct str value = http_request_header(r->req, name);
    return value.at ? str_trim(value) : value;
}

struct str s3_param(struct s3_request *r, const char *name)
{
    struct str raw = {0};
    if (!uri_query_find(r->req->query, str_of(name), &raw)) {
        return (struct str){0};
    }
    struct buf value = BUF_INIT(raw.size + 1);
    uri_decode_lenient(raw, URI_QUERY, &value);
    size_t size = value.size;
    (void)buf_text(&value);
    char *heap = buf_steal(&value);
    return str_n(heap ? s3_keep(r, heap) : "", size);
}

int s3_param_int(struct s3_request *r, const char *name, int64_t least, int64_t most, int64_t *ret,
                 struct err *err)
{
    struct str text = s3_param(r, name);
    if (!text.at || !text.size) {
        return 0;
    }
    int64_t value;
    if (!str_to_i64(text, &value)) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Provided %s not an integer or within integer range", name);
    }
    if (value < least || value > most) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Argument %s must be an integer between %lld and %lld", name,
                       (long long)least, (long long)most);
    }
    *ret = value;
    return 0;
}

static int commit_on_run(struct store_task *task, struct db *db, struct err *err)
{
    struct s3_request *r = CONTAINER_OF(task, struct s3_request, task);
    return r->commit_run(r, db, err);
}

static void commit_on_done(struct store_task *task)
{
    struct s3_request *r = CONTAINER_OF(task, struct s3_request, task);
    if (task->rc < 0) {
        s3_fail(r, &task->err);
    } else {
        s3_discard(r->api, &r->change.blobs);
        dispatch_wake_emitted(r->api->dispatch, &r->emitted);
        r->commit_done(r);
    }
    s3_request_unref(r);
}

void s3_commit(struct s3_request *r,
               int (*run)(struct s3_request *r, struct db *db, struct err *err),
               void (*done)(struct s3_request *r))
{
    s3_request_ref(r);
    r->commit_run = run;
    r->commit_done = done;
    r->task.run = commit_on_run;
    r->task.on_done = commit_on_done;
    store_submit(r->api->store, &r->task);
}

static void pool_on_run(struct pool_work *work)
{
    struct s3_request *r = CONTAINER_OF(work, struct s3_request, work);
    r->rc = r->pool_run(r, &r->err);
}

static void pool_on_done(struct pool_work *work)
{
    struct s3_request *r = CONTAINER_OF(work, struct s3_request, work);
    if (r->rc < 0 || r->pool_done(r, &r->err) < 0) {
        s3_fail(r, &r->err);
    }
    s3_request_unref(r);
}

void s3_pool(struct s3_request *r, int (*run)(struct s3_request *r, struct err *err),
             int (*done)(struct s3_request *r, struct err *err))
{
    s3_request_ref(r);
    r->err = (struct err){0};
    r->pool_run = run;
    r->pool_done = done;
    r->work.run = pool_on_run;
    r->work.on_done = pool_on_done;
    pool_submit(r->api->pool, &r->work);
}

int s3_emit(struct s3_request *r, struct db *db, const char *name, const struct object *object,
            uint64_t sequencer, struct err *err)
{
    struct bus_object_event event = {
        .name = name,
        .bucket = object->bucket,
        .key = object->key,
        .size = object->size,
        .etag = object->etag,
        .sequencer = sequencer,
        .time_ms = r->now_ms,
        .region = r->api->settings->region,
        .source_ip = str_of(r->source_ip),
        .request_id = str_of(r->id),
    };
    return bus_emit_object(db, &event, &r->emitted, err);
}

struct discard {
    struct pool_work work;
    struct blob_list blobs;
    char *store_dir;
};

static void discard_run(struct pool_work *work)
{
    struct discard *d = CONTAINER_OF(work, struct discard, work);
    blob_list_remove(d->store_dir, &d->blobs);
}

static void discard_done(struct pool_work *work)
{
    struct discard *d = CONTAINER_OF(work, struct discard, work);
    blob_list_done(&d->blobs);
    free(d->store_dir);
    free(d);
}

// Removing a large file takes long enough to be noticed by others on the core thread.
void s3_discard(struct api *api, struct blob_list *blobs)
{
    if (!blobs->count) {
        return;
    }
    struct discard *d = NEW(struct discard);
    d->blobs = *blobs;
    *blobs = (struct blob_list){0};
    d->store_dir = mem_dup(store_dir(api->store));
    d->work.run = discard_run;
    d->work.on_done = discard_done;
    pool_submit(api->pool, &d->work);
}

void s3_reply_header(struct s3_request *r, const char *name, const char *value)
{
    if (r->req) {
        http_reply_header(r->req, name, value);
    }
}

void s3_reply_header_str(struct s3_request *r, const char *name, struct str value)
{
    CLEAN_MEM char *text = str_dup(str_not_null(value));
    s3_reply_header(r, name, text);
}

void s3_reply_etag(struct s3_request *r, struct str etag)
{
    CLEAN_MEM char *text = mem_printf("\"" STR_FMT "\"", STR_ARG(etag));
    s3_reply_header(r, "ETag", text);
}

void s3_reply_empty(struct s3_request *r, int status)
{
    CHECK(!r->replied);
    r->replied = true;
    if (!r->req) {
        return;
    }
    if (status == 204 || status == 304) {
        http_reply_head(r->req, status, 0);
    } else {
        http_reply(r->req, status, STR(""));
    }
}

void s3_reply_xml(struct s3_request *r, int status, struct buf *document)
{
    CHECK(!r->replied);
    if (!buf_ok(document)) {
        struct err err = {0};
        err_set(&err, ERR_IO, "an answer is larger than %zu bytes", document->max);
        s3_fail(r, &err);
        return;
    }
    r->replied = true;
    if (!r->req) {
        return;
    }
    http_reply_header(r->req, "Content-Type", "application/xml");
    if (str_eq(r->req->method, STR("HEAD"))) {
        http_reply_head(r->req, status, document->size);
    } else {
        http_reply_buf(r->req, status, document);
    }
}

void s3_xml_owner(struct buf *out, const char *tag)
{
    xml_open(out, tag);
    xml_text_element(out, "ID", STR(S3_OWNER_ID));
    xml_text_element(out, "DisplayName", STR(S3_OWNER_NAME));
    xml_close(out, tag);
}

void s3_xml_etag(struct buf *out, struct str etag)
{
    CLEAN_MEM char *text = mem_printf("\"" STR_FMT "\"", STR_ARG(etag));
    xml_text_element(out, "ETag", str_of(text));
}

void s3_xml_time(struct buf *out, const char *tag, int64_t time_ms)
{
    char text[CLOCK_TEXT_MAX];
    xml_text_element(out, tag, str_of(clock_iso(time_ms / 1000 * 1000, text)));
}

void s3_xml_class(struct buf *out, struct str storage_class)
{
    xml_text_element(out, "StorageClass", storage_class.size ? storage_class : STR("STANDARD"));
}

void s3_xml_sum(struct buf *out, struct str name, struct str sum)
{
    if (sum.size) {
        CLEAN_MEM char *tag = mem_printf("Checksum" STR_FMT, STR_ARG(name));
        xml_text_element(out, tag, sum);
    }
}
