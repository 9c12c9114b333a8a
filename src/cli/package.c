// SPDX-License-Identifier: Apache-2.0
// Chooses files by patterns and packs them with libzip, the same way every time. `rouse deploy` calls
// it for the service, or for each function that is packaged individually.
#include "cli/package.h"
#include "cli/glob.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define DOS_DATE_1980 ((1 << 5) | 1) // 1980-01-01, the earliest that a zip can say
#define READ_SIZE     (64 * 1024)

// Nothing is to be gained by compressing these again, or much to be lost: a model is read at once.
static const char *const stored[] = {".onnx",        ".ort", ".jpg", ".jpeg", ".png",
                                     ".webp",        ".zip", ".gz",  ".xz",   ".npz",
                                     ".safetensors", ".pt",  ".bin"};

static bool wanted(struct str name, const char *const *patterns, size_t count)
{
    bool in = true;
    for (size_t i = 0; i < count; i++) {
        bool out = patterns[i][0] == '!';
        if (in == out && glob_match(str_of(patterns[i] + out), name)) {
            in = !out;
        }
    }
    return in;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int files_by_name(const void *a, const void *b)
{
    return strcmp(((const struct package_file *)a)->name, ((const struct package_file *)b)->name);
}

static void add_file(struct package_list *list, struct str name, const struct stat *st)
{
    if ((list->count & (list->count - 1)) == 0) { // at 0, 1, 2, 4, …
        size_t room = list->count ? list->count * 2 : 1;
        list->files = mem_grow(list->files, room * sizeof *list->files);
    }
    list->files[list->count++] = (struct package_file){
        .name = str_dup(name), .size = (uint64_t)st->st_size, .executable = st->st_mode & 0100};
}

static int add_entry(FTS *walk, FTSENT *entry, size_t prefix, const char *const *patterns,
                     size_t pattern_count, struct package_list *list, struct err *err)
{
    struct str name = str_skip(str_n(entry->fts_path, entry->fts_pathlen), prefix);
    switch (entry->fts_info) {
    case FTS_D:
        if (str_eq(name, STR(".git")) || str_eq(name, STR(".serverless"))) {
            fts_set(walk, entry, FTS_SKIP); // large, and never wanted
        }
        return 0;
    case FTS_F:
        if (list->count == PACKAGE_FILES_MAX) {
            return err_set(err, ERR_LIMIT, "more than %d files to package", PACKAGE_FILES_MAX);
        }
        if (wanted(name, patterns, pattern_count)) {
            add_file(list, name, entry->fts_statp);
        }
        return 0;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS: return err_errno(err, ERR_IO, entry->fts_errno, "%s", entry->fts_path);
    default: return 0; // links to nowhere, sockets and folders on the way back
    }
}

int package_list(const char *dir, const char *const *patterns, size_t pattern_count,
                 struct package_list *ret, struct err *err)
{
    CLEAN_MEM char *root = mem_dup(dir);
    char *roots[] = {root, NULL};
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
    if (!walk) {
        return err_errno(err, ERR_IO, errno, "%s", dir);
    }
    size_t prefix = strlen(dir) + (dir[strlen(dir) - 1] != '/');
    int rc = 0;
    for (FTSENT *entry; rc >= 0 && (entry = fts_read(walk));) {
        rc = add_entry(walk, entry, prefix, patterns, pattern_count, ret, err);
    }
    fts_close(walk);
    TRY(rc);
    if (ret->count == 0) {
        return err_set(err, ERR_INVALID, "no file in %s matches the package patterns", dir);
    }
    qsort(ret->files, ret->count, sizeof *ret->files, files_by_name);
    return 0;
}

void package_list_done(struct package_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->files[i].name);
        free(list->files[i].instead);
    }
    free(list->files);
    *list = (struct package_list){0};
}

bool package_has(const struct package_list *list, struct str name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (str_eq(name, str_of(list->files[i].name))) {
            return true;
        }
    }
    return false;
}

static bool is_stored(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(stored); i++) {
        if (str_ends(name, str_of(stored[i]))) {
            return true;
        }
    }
    return false;
}

static int add_to_zip(zip_t *zip, const char *dir, const struct package_file *file, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, file->name);
    zip_source_t *source = file->instead
                               ? zip_source_buffer(zip, file->instead, strlen(file->instead), 0)
                               : zip_source_file(zip, path, 0, -1);
    zip_int64_t index =
        source ? zip_file_add(zip, file->name, source, ZIP_FL_ENC_UTF_8 | ZIP_FL_OVERWRITE) : -1;
    if (index < 0) {
        zip_source_free(source);
        return err_set(err, ERR_IO, "%s: %s", path, zip_strerror(zip));
    }
    zip_uint64_t at = (zip_uint64_t)index;
    zip_uint32_t mode = (zip_uint32_t)(S_IFREG | (file->executable ? 0755 : 0644)) << 16;
    int method = is_stored(str_of(file->name)) ? ZIP_CM_STORE : ZIP_CM_DEFLATE;
    if (zip_file_set_dostime(zip, at, 0, DOS_DATE_1980, 0) < 0 ||
        zip_file_set_external_attributes(zip, at, 0, ZIP_OPSYS_UNIX, mode) < 0 ||
        zip_set_file_compression(zip, at, method, 0) < 0) {
        return err_set(err, ERR_IO, "%s: %s", path, zip_strerror(zip));
    }
    return 0;
}

int package_write(const char *dir, const struct package_list *list, const char *path,
                  struct err *err)
{
    TRY(file_make_parent(path, 0755, err));
    int code = 0;
    zip_t *zip = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    if (!zip) {
        zip_error_t error;
        zip_error_init_with_code(&error, code);
        int rc = err_set(err, ERR_IO, "%s: %s", path, zip_error_strerror(&error));
        zip_error_fini(&error);
        return rc;
    }
    int rc = 0;
    for (size_t i = 0; i < list->count && rc >= 0; i++) {
        rc = add_to_zip(zip, dir, &list->files[i], err);
    }
    if (rc >= 0 && zip_close(zip) == 0) {
        return 0;
    }
    rc = rc < 0 ? rc : err_set(err, ERR_IO, "%s: %s", path, zip_strerror(zip));
    zip_discard(zip);
    return rc;
}

int package_hash(const char *path, char ret_base64[45], uint64_t *ret_size, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEAN_MEM char *piece = mem_alloc(READ_SIZE);
    if (fd < 0) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    }
    CLEAN(checksum_done) struct checksum sum = {0};
    checksum_init(&sum, CHECKSUM_SHA256);
    uint64_t size = 0;
    for (;;) {
        ssize_t got = read(fd, piece, READ_SIZE);
        if (got < 0) {
            return err_errno(err, ERR_IO, errno, "%s", path);
        }
        if (got == 0) {
            break;
        }
        checksum_add(&sum, str_n(piece, (size_t)got));
        size += (uint64_t)got;
    }
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    base64_write(bytes, checksum_end(&sum, bytes), ret_base64);
    *ret_size = size;
    return 0;
}
