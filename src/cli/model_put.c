// SPDX-License-Identifier: Apache-2.0
// Models on their way into the store. Large ones go by a multipart upload, which the server keeps when
// the connection or this program ends: the next push finds its parts, compares them with the file by
// their MD5, and sends the others.
#include "cli/model_store.h"
#include "cli/s3_api.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/checksum.h"
#include "format/hex.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define READ_SIZE (256 * 1024)
#define PARTS_MAX 10000 // as S3 has it
#define PART_TRY  3     // a part that fails is sent so often

int model_file_read(struct model_file *file, struct err *err)
{
    CLEAN_FD int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", file->path);
    }
    CLEAN(checksum_done) struct checksum sum = {0};
    CLEAN_MEM char *piece = mem_alloc(READ_SIZE);
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    ssize_t got = 0;
    checksum_init(&sum, CHECKSUM_SHA256);
    file->size = 0;
    while ((got = read(fd, piece, READ_SIZE)) > 0) {
        checksum_add(&sum, str_n(piece, (size_t)got));
        file->size += (uint64_t)got;
        terminal_tick();
    }
    if (got < 0) {
        return err_errno(err, ERR_IO, errno, "%s", file->path);
    }
    hex_write(bytes, checksum_end(&sum, bytes), file->digest);
    return file->size ? 0 : err_set(err, ERR_INVALID, "%s is empty", file->path);
}

char *model_reference(const struct model_file *file)
{
    return mem_printf("rouse-model sha256:%s %llu\n", file->digest, (unsigned long long)file->size);
}

void model_progress_tell(struct model_progress *p, uint64_t done)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(128);
    size_add_human(&text, done);
    buf_add_text(&text, " of ");
    size_add_human(&text, p->total);
    terminal_glimpse("%s: %s", p->what, buf_text(&text));
    uint64_t tenth = p->total ? done * 10 / p->total : 0;
    if (tenth > p->tenth && tenth < 10 && !terminal_shows()) {
        terminal_notice("%s: %s", p->what, buf_text(&text));
    }
    p->tenth = tenth;
}

int model_store_has(struct remote *remote, const char *digest, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN_MEM char *path = mem_printf("/" MODEL_BUCKET "/%s", digest);
    struct remote_request request = {.service = "s3", .method = "HEAD", .path = path};
    TRY(remote_send(remote, &request, &reply, err));
    if (reply.status == 404) {
        return 0;
    }
    TRY(remote_error(&reply, err));
    return 1;
}

int model_store_make(struct remote *remote, struct err *err)
{
    int there = remote_s3_bucket_find(remote, MODEL_BUCKET, err);
    TRY(there);
    struct err told = {0};
    int rc = there ? 0 : remote_s3_bucket_make(remote, MODEL_BUCKET, &told);
    // Somebody else may have made it at the same time.
    return rc < 0 && rc != ERR_EXISTS ? err_aws(err, rc, told.aws, "%s", told.text) : 0;
}

// ---- in parts

struct parts {
    struct remote *remote;
    const struct model_file *file;
    int fd;
    char *path, *upload; // of the object; the upload's id
    unsigned count;      // of all parts
    char (*etags)[40];   // by number - 1; "" of those that are not there
    uint64_t *sizes;     // as the server has them
    struct model_progress progress;
    unsigned kept;
};

static void parts_done(struct parts *p)
{
    fd_clean(&p->fd);
    free(p->path);
    free(p->upload);
    free(p->etags);
    free(p->sizes);
}

static int call(struct parts *p, const char *method, const char *query, struct str body,
                struct remote_reply *reply, struct err *err)
{
    struct remote_request request = {.service = "s3",
                                     .method = method,
                                     .path = p->path,
                                     .query = query,
                                     .body = body,
                                     .timeout_s = 600};
    return remote_call(p->remote, &request, reply, err);
}

// The last of the uploads that were begun and not completed.
static int upload_find(struct parts *p, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    CLEAN_MEM char *query = mem_printf("prefix=%s&uploads=", p->file->digest);
    struct remote_request request = {
        .service = "s3", .method = "GET", .path = "/" MODEL_BUCKET, .query = query};
    TRY(remote_call(p->remote, &request, &reply, err));
    TRY(xml_parse(buf_str(&reply.body), &root, err));
    for (const struct xml_node *one = xml_child(root, "Upload"); one; one = xml_next(one)) {
        free(p->upload);
        p->upload = str_dup(xml_child_text(one, "UploadId"));
    }
    return p->upload != NULL;
}

static int upload_begin(struct parts *p, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(call(p, "POST", "uploads=", (struct str){0}, &reply, err));
    TRY(xml_parse(buf_str(&reply.body), &root, err));
    p->upload = str_dup(xml_child_text(root, "UploadId"));
    return 0;
}

static void part_note(struct parts *p, const struct xml_node *part)
{
    uint64_t number = 0, size = 0;
    struct str etag = xml_child_text(part, "ETag");
    bool known = str_to_u64(xml_child_text(part, "PartNumber"), &number) && number >= 1 &&
                 number <= p->count && str_to_u64(xml_child_text(part, "Size"), &size);
    if (known && etag.size < sizeof p->etags[0]) {
        memcpy(p->etags[number - 1], etag.at, etag.size);
        p->etags[number - 1][etag.size] = 0;
        p->sizes[number - 1] = size;
    }
}

static int parts_list(struct parts *p, struct err *err)
{
    CLEAN_MEM char *marker = mem_dup("0");
    for (;;) {
        CLEAN(remote_reply_done) struct remote_reply reply = {0};
        CLEAN(xml_clean) struct xml_node *root = NULL;
        CLEAN_MEM char *query = mem_printf("part-number-marker=%s&uploadId=%s", marker, p->upload);
        TRY(call(p, "GET", query, (struct str){0}, &reply, err));
        TRY(xml_parse(buf_str(&reply.body), &root, err));
        for (const struct xml_node *one = xml_child(root, "Part"); one; one = xml_next(one)) {
            part_note(p, one);
        }
        if (!str_eq(xml_child_text(root, "IsTruncated"), STR("true"))) {
            return 0;
        }
        free(marker);
        marker = str_dup(xml_child_text(root, "NextPartNumberMarker"));
    }
}

static int part_read(struct parts *p, unsigned index, char *piece, size_t *ret_size,
                     struct err *err)
{
    uint64_t at = (uint64_t)index * MODEL_PART_SIZE, left = p->file->size - at;
    size_t wanted = left < MODEL_PART_SIZE ? (size_t)left : MODEL_PART_SIZE, size = 0;
    while (size < wanted) {
        ssize_t got = pread(p->fd, piece + size, wanted - size, (off_t)(at + size));
        if (got <= 0) {
            return got < 0 ? err_errno(err, ERR_IO, errno, "%s", p->file->path)
                           : err_set(err, ERR_IO, "%s has become shorter", p->file->path);
        }
        size += (size_t)got;
    }
    *ret_size = size;
    return 0;
}

static bool part_is_there(const struct parts *p, unsigned index, struct str bytes)
{
    uint8_t md5[CHECKSUM_SIZE_MAX];
    char quoted[40] = "\"", *hex = quoted + 1;
    hex_write(md5, checksum_of(CHECKSUM_MD5, bytes, md5), hex);
    struct str etag = str_of(p->etags[index]);
    struct str bare = str_n(hex, 32);
    bool same =
        str_eq(etag, bare) || (etag.size == 34 && str_eq(str_head(str_skip(etag, 1), 32), bare));
    return same && p->sizes[index] == bytes.size;
}

static int part_put(struct parts *p, unsigned index, struct str bytes, struct err *err)
{
    CLEAN_MEM char *query = mem_printf("partNumber=%u&uploadId=%s", index + 1, p->upload);
    struct err told = {0};
    int rc = 0;
    for (int i = 0; i < PART_TRY; i++) {
        CLEAN(remote_reply_done) struct remote_reply reply = {0};
        told = (struct err){0};
        rc = call(p, "PUT", query, bytes, &reply, &told);
        if (rc >= 0) {
            snprintf(p->etags[index], sizeof p->etags[index], "%s", reply.etag ? reply.etag : "");
            return 0;
        }
        if (!err_is_retryable(rc)) {
            break;
        }
    }
    return err_aws(err, rc, told.aws, "%s", told.text);
}

static int parts_put(struct parts *p, struct err *err)
{
    CLEAN_MEM char *piece = mem_alloc(MODEL_PART_SIZE);
    for (unsigned i = 0; i < p->count; i++) {
        size_t size = 0;
        TRY(part_read(p, i, piece, &size, err));
        bool there = part_is_there(p, i, str_n(piece, size));
        TRY(there ? 0 : part_put(p, i, str_n(piece, size), err));
        p->kept += there;
        model_progress_tell(&p->progress, (uint64_t)i * MODEL_PART_SIZE + size);
    }
    return 0;
}

static int parts_complete(struct parts *p, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN(buf_done) struct buf body = BUF_INIT(XML_SIZE_MAX);
    CLEAN_MEM char *query = mem_printf("uploadId=%s", p->upload);
    xml_open_ns(&body, "CompleteMultipartUpload", XML_NS_S3);
    for (unsigned i = 0; i < p->count; i++) {
        xml_open(&body, "Part");
        xml_int_element(&body, "PartNumber", i + 1);
        xml_text_element(&body, "ETag", str_of(p->etags[i]));
        xml_close(&body, "Part");
    }
    xml_close(&body, "CompleteMultipartUpload");
    return call(p, "POST", query, buf_str(&body), &reply, err);
}

static int put_in_parts(struct parts *p, struct err *err)
{
    p->count = (unsigned)((p->file->size + MODEL_PART_SIZE - 1) / MODEL_PART_SIZE);
    p->etags = mem_alloc(p->count * sizeof *p->etags);
    p->sizes = mem_alloc(p->count * sizeof *p->sizes);
    p->fd = open(p->file->path, O_RDONLY | O_CLOEXEC);
    if (p->fd < 0) {
        return err_errno(err, ERR_IO, errno, "%s", p->file->path);
    }
    int found = upload_find(p, err);
    TRY(found);
    TRY(found ? parts_list(p, err) : upload_begin(p, err));
    TRY(parts_put(p, err));
    return parts_complete(p, err);
}

int model_store_put(struct remote *remote, const struct model_file *file, unsigned *ret_kept,
                    struct err *err)
{
    const char *slash = strrchr(file->path, '/');
    CLEAN_MEM char *what = mem_printf("pushing %s", slash ? slash + 1 : file->path);
    if (file->size <= MODEL_PART_SIZE) {
        *ret_kept = 0;
        return remote_s3_put_file(remote, MODEL_BUCKET, file->digest, file->path, NULL, err);
    }
    if (file->size > (uint64_t)MODEL_PART_SIZE * PARTS_MAX) {
        return err_set(err, ERR_LIMIT, "%s is larger than %u parts of 16 MiB", file->path,
                       PARTS_MAX);
    }
    CLEAN(parts_done)
    struct parts parts = {.remote = remote,
                          .file = file,
                          .fd = -1,
                          .path = mem_printf("/" MODEL_BUCKET "/%s", file->digest),
                          .progress = {.what = what, .total = file->size}};
    int rc = put_in_parts(&parts, err);
    *ret_kept = parts.kept;
    return rc < 0 ? err_prefix(err, "%s", what) : 0;
}
