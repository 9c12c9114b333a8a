// SPDX-License-Identifier: Apache-2.0
// rouse model push, ls and rm: the server's store of models.
#include "cli/model_store.h"
#include "cli/lambda_api.h"
#include "cli/s3_api.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/json.h"

#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE  128
#define NAMES_SIZE_MAX (64 * 1024) // of all names of a model, as text
#define PREFIX_LEAST   8           // digits that may stand for a digest
#define SHOWN          12          // digits

// ---- names

static int name_check(const char *name, struct err *err)
{
    struct str text = str_of(name);
    bool fine = text.size > 0 && text.size <= NAME_MAX_SIZE;
    for (size_t i = 0; fine && i < text.size; i++) {
        char c = text.at[i];
        fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               strchr("._-:", c);
    }
    return fine ? 0
                : err_set(err, ERR_INVALID,
                          "the name \"%s\" must be 1 to %d letters, digits and . _ - :", name,
                          NAME_MAX_SIZE);
}

static int digest_check(const char *text, char ret[MODEL_DIGEST + 1], struct err *err)
{
    struct str hex = str_of(text);
    uint8_t bytes[MODEL_DIGEST / 2];
    hex = str_starts(hex, STR("sha256:")) ? str_skip(hex, strlen("sha256:")) : hex;
    if (hex_decode(hex, bytes, sizeof bytes, NULL) < 0) {
        return err_set(err, ERR_INVALID, "\"%s\" is no SHA-256: 64 hexadecimal digits", text);
    }
    hex_write(bytes, sizeof bytes, ret);
    return 0;
}

// ---- push

struct push {
    const struct args *args;
    struct remote remote;
    struct model_file file;
    char *fetched;                // a file of ours, or NULL
    struct s3_uri from;           // or an object
    char given[MODEL_DIGEST + 1]; // the digest that it must have, or ""
    unsigned kept;
};

static void push_done(struct push *p)
{
    remote_done(&p->remote);
    remote_s3_uri_done(&p->from);
    free(p->fetched);
}

struct hashing {
    struct checksum sum;
    uint64_t size;
};

static int hash_piece(void *ctx, struct str piece)
{
    struct hashing *h = ctx;
    checksum_add(&h->sum, piece);
    h->size += piece.size;
    return 0;
}

// An object of the server is read for its digest, and copied there.
static int read_object(struct push *p, const char *uri, struct err *err)
{
    struct hashing h = {0};
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    TRY(remote_s3_uri_parse(uri, &p->from, err));
    checksum_init(&h.sum, CHECKSUM_SHA256);
    terminal_glimpse("reading %s", uri);
    int rc = remote_s3_get_to(&p->remote, p->from.bucket, p->from.key, hash_piece, &h, err);
    size_t size = checksum_end(&h.sum, bytes);
    TRY(rc);
    hex_write(bytes, size, p->file.digest);
    p->file.size = h.size;
    return h.size ? 0 : err_set(err, ERR_INVALID, "%s is empty", uri);
}

static int read_source(struct push *p, const char *source, struct err *err)
{
    struct str text = str_of(source);
    bool web = str_starts(text, STR("http://")) || str_starts(text, STR("https://"));
    if (web && !p->given[0]) {
        return err_set(err, ERR_INVALID,
                       "a model from the web needs --sha256 DIGEST, so that it is "
                       "the one you mean");
    }
    p->file.path = source;
    if (web) {
        TRY(model_fetch(source, p->given, &p->fetched, err));
        p->file.path = p->fetched;
    }
    TRY(str_starts(text, STR("s3://")) ? read_object(p, source, err)
                                       : model_file_read(&p->file, err));
    return p->given[0] && strcmp(p->given, p->file.digest) != 0
               ? err_set(err, ERR_INVALID, "%s: the SHA-256 of its bytes is %s", source,
                         p->file.digest)
               : 0;
}

static int copy_object(struct push *p, struct err *err)
{
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    CLEAN(buf_done) struct buf from = BUF_INIT(8192);
    CLEAN_MEM char *path = mem_printf("/" MODEL_BUCKET "/%s", p->file.digest);
    remote_s3_path(p->from.bucket, p->from.key, &from);
    struct remote_request request = {.service = "s3",
                                     .method = "PUT",
                                     .path = path,
                                     .headers = {{"x-amz-copy-source", buf_text(&from)}},
                                     .timeout_s = 600};
    return remote_call(&p->remote, &request, &reply, err);
}

static int store(struct push *p, struct err *err)
{
    TRY(model_store_make(&p->remote, err));
    return p->from.bucket ? copy_object(p, err)
                          : model_store_put(&p->remote, &p->file, &p->kept, err);
}

static int put_name(struct push *p, struct err *err)
{
    const char *name = args_get(p->args, "name");
    CLEAN_MEM char *key = mem_printf(MODEL_NAMES "%s", name ? name : "");
    return name ? remote_s3_put(&p->remote, MODEL_BUCKET, key, str_of(p->file.digest), err) : 0;
}

static void tell_pushed(const struct push *p, bool was_there)
{
    const char *name = args_get(p->args, "name");
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, p->file.size);
    terminal_clear();
    if (args_has(p->args, "json")) {
        CLEAN_JSON json_t *json = json_object();
        json_put_str(json, "digest", str_of(p->file.digest));
        json_put_int(json, "size", (int64_t)p->file.size);
        json_put_bool(json, "existed", was_there);
        json_put_int(json, "partsKept", p->kept);
        json_put(json, "name", name ? json_string(name) : json_null());
        cli_print_json(json);
        return;
    }
    if (p->kept) {
        terminal_notice("%u parts of an earlier push were there.", p->kept);
    }
    printf("sha256:%s %s(%s%s)%s\n", p->file.digest, terminal_on(DIM, false), buf_text(&size),
           was_there ? ", was there already" : "", terminal_off(false));
}

int model_push(const struct args *args, struct err *err)
{
    CLEAN(push_done) struct push p = {.args = args};
    const char *digest = args_get(args, "sha256");
    TRY(args_has(args, "name") ? name_check(args_get(args, "name"), err) : 0);
    TRY(digest ? digest_check(digest, p.given, err) : 0);
    TRY(remote_find(args, NULL, &p.remote, err));
    int there = p.given[0] ? model_store_has(&p.remote, p.given, err) : 0;
    TRY(there);
    if (there) { // nothing has to be read
        memcpy(p.file.digest, p.given, sizeof p.given);
    } else {
        TRY(read_source(&p, args->rest[1], err));
        there = model_store_has(&p.remote, p.file.digest, err);
        TRY(there);
        TRY(there ? 0 : store(&p, err));
    }
    TRY(put_name(&p, err));
    if (p.fetched) {
        unlink(p.fetched);
    }
    tell_pushed(&p, there);
    return 0;
}

// ---- what is there

static int note_entry(void *ctx, const struct s3_entry *entry, struct err *err)
{
    json_t *models = ctx;
    (void)err;
    if (entry->key.size == MODEL_DIGEST) {
        json_t *model = json_object();
        json_put_str(model, "digest", entry->key);
        json_put_int(model, "size", (int64_t)entry->size);
        json_put_str(model, "modified", entry->modified);
        json_put(model, "names", json_array());
        json_put(model, "functions", json_array());
        json_array_append_new(models, model);
    }
    return 0;
}

static int note_name(void *ctx, const struct s3_entry *entry, struct err *err)
{
    (void)err;
    json_array_append_new(ctx, json_from_str(str_skip(entry->key, strlen(MODEL_NAMES))));
    return 0;
}

static json_t *model_of(const json_t *models, struct str digest)
{
    size_t i = 0;
    json_t *model = NULL;
    json_array_foreach((json_t *)(uintptr_t)models, i, model)
    {
        if (str_eq(json_str(json_object_get(model, "digest")), digest)) {
            return model;
        }
    }
    return NULL;
}

static int read_names(struct remote *remote, json_t *models, struct err *err)
{
    CLEAN_JSON json_t *names = json_array();
    size_t i = 0;
    json_t *name = NULL;
    TRY(remote_s3_list(remote, MODEL_BUCKET, MODEL_NAMES, NULL, note_name, names, err));
    json_array_foreach(names, i, name)
    {
        CLEAN_MEM char *key = mem_printf(MODEL_NAMES "%s", json_string_value(name));
        CLEAN(buf_done) struct buf digest = BUF_INIT(NAMES_SIZE_MAX);
        TRY(remote_s3_get(remote, MODEL_BUCKET, key, &digest, err));
        json_t *model = model_of(models, str_trim(buf_str(&digest)));
        if (model) {
            json_array_append(json_object_get(model, "names"), name);
        }
    }
    return 0;
}

// [{"digest", "size", "modified", "names": […], "functions": […]}], a new reference.
static int read_models(struct remote *remote, json_t **ret, struct err *err)
{
    CLEAN_JSON json_t *models = json_array();
    CLEAN_JSON json_t *reply = NULL;
    int there = remote_s3_bucket_find(remote, MODEL_BUCKET, err);
    TRY(there);
    if (there) {
        TRY(remote_s3_list(remote, MODEL_BUCKET, "", "/", note_entry, models, err));
        TRY(read_names(remote, models, err));
        TRY(remote_lambda_call(remote, "GET", "/rouse/models", NULL, &reply, err));
    }
    const char *digest = NULL;
    json_t *functions = NULL;
    json_object_foreach(json_object_get(reply, "used"), digest, functions)
    {
        json_t *model = model_of(models, str_of(digest));
        if (model) {
            json_put(model, "functions", json_incref(functions));
        }
    }
    *ret = MOVE(models);
    return 0;
}

static void add_words(struct buf *out, const json_t *words)
{
    size_t i = 0;
    json_t *word = NULL;
    json_array_foreach((json_t *)(uintptr_t)words, i, word)
    {
        buf_printf(out, "%s" STR_FMT, i ? ", " : "", STR_ARG(json_str(word)));
    }
    buf_add_text(out, i ? "" : "-");
}

int model_ls(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN_JSON json_t *models = NULL;
    size_t i = 0;
    json_t *model = NULL;
    TRY(remote_find(args, NULL, &remote, err));
    TRY(read_models(&remote, &models, err));
    if (args_has(args, "json")) {
        cli_print_json(models);
        return 0;
    }
    printf("%s%-*s  %10s  %-24s  %s%s\n", terminal_on(DIM, false), SHOWN, "DIGEST", "SIZE", "NAMES",
           "USED BY", terminal_off(false));
    json_array_foreach(models, i, model)
    {
        CLEAN(buf_done) struct buf size = BUF_INIT(64);
        CLEAN(buf_done) struct buf names = BUF_INIT(NAMES_SIZE_MAX);
        CLEAN(buf_done) struct buf users = BUF_INIT(1024 * 1024);
        size_add_human(&size, (uint64_t)json_integer_value(json_object_get(model, "size")));
        add_words(&names, json_object_get(model, "names"));
        add_words(&users, json_object_get(model, "functions"));
        printf("%.*s  %10s  %-24s  %s\n", SHOWN,
               json_string_value(json_object_get(model, "digest")), buf_text(&size),
               buf_text(&names), buf_text(&users));
    }
    return 0;
}

// ---- rm

static bool is_named(const json_t *model, struct str text)
{
    struct str digest = json_str(json_object_get(model, "digest"));
    size_t i = 0;
    json_t *name = NULL;
    struct str hex = str_starts(text, STR("sha256:")) ? str_skip(text, strlen("sha256:")) : text;
    bool named = hex.size >= PREFIX_LEAST && str_starts(digest, hex);
    json_array_foreach(json_object_get(model, "names"), i, name)
    {
        named = named || str_eq(json_str(name), text);
    }
    return named;
}

static int find_model(const json_t *models, const char *text, json_t **ret, struct err *err)
{
    size_t i = 0;
    json_t *model = NULL, *found = NULL;
    json_array_foreach((json_t *)(uintptr_t)models, i, model)
    {
        if (is_named(model, str_of(text))) {
            if (found) {
                return err_set(err, ERR_INVALID, "\"%s\" may be several models: more digits", text);
            }
            found = model;
        }
    }
    *ret = found;
    return found ? 0 : err_set(err, ERR_NOT_FOUND, "there is no model \"%s\" in the store", text);
}

int model_rm(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN_JSON json_t *models = NULL;
    json_t *model = NULL, *name = NULL;
    size_t i = 0;
    TRY(remote_find(args, NULL, &remote, err));
    TRY(read_models(&remote, &models, err));
    TRY(find_model(models, args->rest[1], &model, err));
    const json_t *functions = json_object_get(model, "functions");
    if (json_array_size(functions)) {
        CLEAN(buf_done) struct buf users = BUF_INIT(256);
        add_words(&users, functions);
        return err_set(err, ERR_EXISTS, "it is used by %s", buf_text(&users));
    }
    json_array_foreach(json_object_get(model, "names"), i, name)
    {
        CLEAN_MEM char *key = mem_printf(MODEL_NAMES "%s", json_string_value(name));
        TRY(remote_s3_delete(&remote, MODEL_BUCKET, key, err));
    }
    const char *digest = json_string_value(json_object_get(model, "digest"));
    TRY(remote_s3_delete(&remote, MODEL_BUCKET, digest, err));
    if (args_has(args, "json")) {
        cli_print_json(model);
    } else {
        printf("removed sha256:%s\n", digest);
    }
    return 0;
}
