// SPDX-License-Identifier: Apache-2.0
// Models of the store in packages: a deployment that brings a reference gets the model that was pushed
// before, as a second name of the same file. 100 MB are stored once, however many packages have them, and
// pages that one function has read are there for the others.
#include "api/lambda.h"
#include "base/file.h"
#include "format/hex.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE_SIZE (256 * 1024)
#define LIST_MAX   (1024 * 1024)

// ---- references

bool lambda_model_refers(struct str bytes, struct lambda_model *ret)
{
    static const char begin[] = "rouse-model sha256:";
    uint8_t digest[32];
    if (!str_starts(bytes, STR("rouse-model sha256:")) || !str_ends(bytes, STR("\n"))) {
        return false;
    }
    bytes = str_skip(str_head(bytes, bytes.size - 1), sizeof begin - 1);
    struct str hex = str_cut(&bytes, ' ');
    *ret = (struct lambda_model){.content.fd = -1};
    if (hex_decode(hex, digest, sizeof digest, NULL) < 0 || !str_to_u64(bytes, &ret->size)) {
        return false;
    }
    hex_write(digest, sizeof digest, ret->digest); // in lower case, as keys are
    return true;
}

void lambda_model_add(struct lambda_package *package, const char *name,
                      const struct lambda_model *model)
{
    size_t size = (package->model_count + 1) * sizeof *package->models;
    package->models = mem_grow(package->models, size);
    struct lambda_model *added = &package->models[package->model_count++];
    *added = *model;
    added->name = mem_dup(name);
}

void lambda_models_free(struct lambda_package *package)
{
    for (size_t i = 0; i < package->model_count; i++) {
        object_content_done(&package->models[i].content);
        free(package->models[i].name);
    }
    free(package->models);
}

void lambda_models_open(struct api *api, struct lambda_package *package)
{
    for (size_t i = 0; i < package->model_count; i++) {
        struct lambda_model *model = &package->models[i];
        struct object_content content = {.fd = -1};
        if (object_open(store_reader(api->store), store_dir(api->store), STR(LAMBDA_MODEL_BUCKET),
                        str_of(model->digest), &content, NULL) >= 0) {
            model->content = content;
        }
    }
}

// ---- putting them in their places

static int refuse(struct err *err, const struct lambda_model *model, const char *why)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                   "%.200s stands for the model sha256:%s, which %s", model->name, model->digest,
                   why);
}

static int file_digest(int fd, char ret_hex[65], struct err *err)
{
    CLEAN(checksum_done) struct checksum sum;
    CLEAN_MEM char *piece = mem_alloc(PIECE_SIZE);
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    ssize_t n = 0;
    checksum_init(&sum, CHECKSUM_SHA256);
    for (off_t at = 0; (n = pread(fd, piece, PIECE_SIZE, at)) > 0; at += n) {
        checksum_add(&sum, str_n(piece, (size_t)n));
    }
    hex_write(bytes, checksum_end(&sum, bytes), ret_hex);
    return n < 0 ? err_errno(err, ERR_IO, errno, "cannot read a model of the store") : 0;
}

// A second name for a blob, which never changes; else a copy, of its extents where that can be.
static int model_link(const struct lambda_model *model, const char *path, struct err *err)
{
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", model->content.fd);
    bool linked = model->content.fd >= 0 &&
                  linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 &&
                  chmod(path, 0644) == 0; // instances are other users
    if (linked) {
        return 0;
    }
    CLEAN_FD int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (to < 0) {
        return errno == EEXIST ? refuse(err, model, "is not the only file of that name")
                               : err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    if (model->content.fd >= 0) {
        TRY(blob_copy(to, model->content.fd, 0, model->content.size, err));
    } else {
        TRY(blob_write(to, buf_str(&model->content.data), err));
    }
    return fdatasync(to) < 0 ? err_errno(err, ERR_IO, errno, "cannot write %s", path) : 0;
}

static int model_place(const struct lambda_model *model, const char *code, struct err *err)
{
    char digest[65];
    CLEAN_MEM char *path = mem_printf("%s/%s", code, model->name);
    if (model->content.fd < 0 && model->content.data.size == 0) {
        return refuse(err, model, "is not in the store: rouse model push brings it there");
    }
    if (file_make_parent(path, 0755, NULL) < 0) {
        return refuse(err, model, "is in no folder");
    }
    TRY(model_link(model, path, err));
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot open %s", path);
    }
    TRY(file_digest(fd, digest, err));
    bool whole = strcmp(digest, model->digest) == 0 && model->content.size == model->size;
    return whole ? 0 : refuse(err, model, "is damaged in the store: remove it and push it again");
}

int lambda_models_place(const struct lambda_package *package, const char *code, struct err *err)
{
    CLEAN(buf_done) struct buf list = BUF_INIT(LIST_MAX);
    for (size_t i = 0; i < package->model_count; i++) {
        TRY(model_place(&package->models[i], code, err));
        buf_printf(&list, "%s\n", package->models[i].digest);
    }
    CLEAN_MEM char *path = mem_printf("%s/" LAMBDA_MODEL_LIST, package->temporary);
    return file_write(path, buf_str(&list), 0600, err);
}

// ---- who uses them

static void used_add(json_t *used, const struct function *version)
{
    CLEAN(buf_done) struct buf list = BUF_INIT(LIST_MAX);
    struct str folder = str_of(version->package);
    folder.size -= strlen("code");
    CLEAN_MEM char *path = mem_printf(STR_FMT LAMBDA_MODEL_LIST, STR_ARG(folder));
    if (file_read(path, &list, NULL) < 0) {
        return; // it refers to none
    }
    bool latest = strcmp(version->version, "$LATEST") == 0;
    CLEAN_MEM char *name =
        mem_printf("%s%s%s", version->name, latest ? "" : ":", latest ? "" : version->version);
    for (struct str rest = buf_str(&list); rest.size;) {
        CLEAN_MEM char *digest = str_dup(str_cut(&rest, '\n'));
        json_t *names = json_object_get(used, digest);
        if (!names) {
            names = json_array();
            json_put(used, digest, names);
        }
        json_array_append_new(names, json_string(name));
    }
}

json_t *lambda_models_used(const struct lambda *lambda)
{
    json_t *used = json_object();
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        struct function *some[] = {f->latest, f->update};
        for (size_t i = 0; i < ARRAY_SIZE(some); i++) {
            if (some[i]) {
                used_add(used, some[i]);
            }
        }
        for (size_t i = 0; i < f->version_count; i++) {
            used_add(used, f->versions[i]);
        }
    }
    return used;
}
