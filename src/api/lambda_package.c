// SPDX-License-Identifier: Apache-2.0
// Deployment packages: a zip becomes DIR/packages/<SHA-256>/code, with the zip beside it. Written into
// a folder of its own and renamed when all of it is durable, so there is a whole package or none;
// what is there already is not written again. Everything here blocks: it runs on pool threads.
#include "api/lambda.h"
#include "base/file.h"
#include "core/uuid.h"
#include "format/base64.h"
#include "format/hex.h"
#include "store/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#define ENTRIES_MAX   100000
#define NAME_MAX_SIZE 1024
#define RATIO_MAX     1000 // a larger one is a bomb, when it is also larger than:
#define RATIO_FROM    ((uint64_t)256 * 1024 * 1024)
#define PIECE_SIZE    (256 * 1024)

struct lambda_package *lambda_package_new(const char *packages, uint64_t unpacked_max)
{
    struct lambda_package *package = NEW(struct lambda_package);
    package->packages = packages;
    package->unpacked_max = unpacked_max;
    package->fd = -1;
    return package;
}

void lambda_package_free(struct lambda_package *package)
{
    if (package) {
        buf_done(&package->zip);
        fd_clean(&package->fd);
        lambda_models_free(package);
        free(package->temporary); // nobody else will remove it, but the next start
        free(package->folder);
        free(package);
    }
}

// ── names ──

static int bad_entry(struct err *err, const char *name, const char *why)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                   "Could not unzip uploaded file: the entry \"%.200s\" %s.", name, why);
}

// Relative, without "..", "." or empty parts: nothing leaves the folder.
static int name_check(const char *name, struct err *err)
{
    struct str rest = str_of(name);
    if (rest.size == 0 || rest.size > NAME_MAX_SIZE) {
        return bad_entry(err, name, "has an empty or overlong name");
    }
    if (str_ends(rest, STR("/"))) {
        rest.size--; // a folder
    }
    for (size_t i = 0; i < rest.size; i++) {
        if ((unsigned char)rest.at[i] < ' ' || rest.at[i] == '\\') {
            return bad_entry(err, name, "has a backslash or control character in its name");
        }
    }
    while (rest.at) {
        struct str part = str_cut(&rest, '/');
        if (part.size == 0 || str_eq(part, STR(".")) || str_eq(part, STR(".."))) {
            return bad_entry(err, name, "leads out of the package");
        }
        if (part.size > 255) {
            return bad_entry(err, name, "has an overlong name");
        }
    }
    return 0;
}

// ── unpacking ──

static int folder_sync(const char *path, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot sync %s", path);
    }
    return 0;
}

static int parent_make(const char *path, struct err *err)
{
    CLEAN_MEM char *parent = mem_dup(path);
    char *slash = strrchr(parent, '/');
    *slash = 0;
    return file_make_dir(parent, 0755, err);
}

static int entry_copy(zip_file_t *from, int to, const char *name, uint64_t size, struct err *err)
{
    CLEAN_MEM char *piece = mem_alloc(PIECE_SIZE);
    uint64_t written = 0;
    for (;;) {
        zip_int64_t n = zip_fread(from, piece, PIECE_SIZE);
        if (n < 0) {
            return bad_entry(err, name, "is damaged");
        }
        if (n == 0) {
            break;
        }
        written += (uint64_t)n;
        if (written > size) {
            return bad_entry(err, name, "is larger than it says");
        }
        TRY(blob_write(to, (struct str){piece, (size_t)n}, err));
    }
    if (written != size) {
        return bad_entry(err, name, "is shorter than it says");
    }
    if (fdatasync(to) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write the package");
    }
    return 0;
}

static void zip_file_clean(zip_file_t **file)
{
    if (*file) {
        zip_fclose(*file);
    }
}

static void zip_clean(zip_t **zip)
{
    if (*zip) {
        zip_discard(*zip);
    }
}

// The kind and permissions that a Unix zip tells; others have plain files.
static int entry_mode(zip_t *zip, zip_uint64_t i, const char *name, unsigned *ret, struct err *err)
{
    zip_uint8_t maker = 0;
    zip_uint32_t attributes = 0;
    *ret = 0644;
    if (zip_file_get_external_attributes(zip, i, 0, &maker, &attributes) == 0 &&
        maker == ZIP_OPSYS_UNIX) {
        unsigned mode = attributes >> 16;
        if ((mode & S_IFMT) != 0 && (mode & S_IFMT) != S_IFREG && (mode & S_IFMT) != S_IFDIR) {
            return bad_entry(err, name, "is neither a file nor a folder");
        }
        *ret |= mode & 0111; // what may be executed stays so; everybody may read
    }
    return 0;
}

// A small file that stands for a model of the store: 1 and it is noted, to be put there later; else 0.
static int entry_refers(struct lambda_package *package, zip_t *zip, zip_uint64_t i,
                        const zip_stat_t *st, struct err *err)
{
    char bytes[LAMBDA_MODEL_MOST];
    struct lambda_model model = {0};
    if (st->size < LAMBDA_MODEL_LEAST || st->size > LAMBDA_MODEL_MOST) {
        return 0;
    }
    CLEAN(zip_file_clean) zip_file_t *from = zip_fopen_index(zip, i, 0);
    if (!from || zip_fread(from, bytes, st->size) != (zip_int64_t)st->size ||
        !lambda_model_refers(str_n(bytes, st->size), &model)) {
        return 0;
    }
    if (__builtin_add_overflow(package->referred, model.size, &package->referred) ||
        package->referred > package->unpacked_max) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Unzipped size must be smaller than %llu bytes",
                       (unsigned long long)package->unpacked_max);
    }
    lambda_model_add(package, st->name, &model);
    return 1;
}

static int entry_unpack(zip_t *zip, zip_uint64_t i, const zip_stat_t *st, const char *folder,
                        struct err *err)
{
    unsigned mode = 0;
    TRY(entry_mode(zip, i, st->name, &mode, err));
    CLEAN_MEM char *path = mem_printf("%s/%s", folder, st->name);
    size_t size = strlen(path);
    if (path[size - 1] == '/') {
        path[size - 1] = 0;
        return file_make_dir(path, 0755, err);
    }
    if (parent_make(path, NULL) < 0) { // a part of its path is a file
        return bad_entry(err, st->name, "is in no folder");
    }
    CLEAN(zip_file_clean) zip_file_t *from = zip_fopen_index(zip, i, 0);
    if (!from) {
        return bad_entry(err, st->name, "cannot be read (encrypted, or an unknown method)");
    }
    CLEAN_FD int to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (to < 0 && (errno == EEXIST || errno == ENOTDIR || errno == EISDIR)) {
        return bad_entry(err, st->name, "is there twice");
    }
    if (to < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    return entry_copy(from, to, st->name, st->size, err);
}

static int entry_stat(zip_t *zip, zip_uint64_t i, zip_stat_t *st, struct err *err)
{
    zip_uint64_t wanted = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE;
    if (zip_stat_index(zip, i, 0, st) < 0 || (st->valid & wanted) != wanted) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Could not unzip uploaded file. Please check your file, then try to upload "
                       "again.");
    }
    return name_check(st->name, err);
}

static int too_large(const struct lambda_package *package, struct err *err)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                   "Unzipped size must be smaller than %llu bytes",
                   (unsigned long long)package->unpacked_max);
}

// Everything that can be refused is, before anything is written.
static int entries_check(const struct lambda_package *package, zip_t *zip, struct err *err)
{
    zip_int64_t count = zip_get_num_entries(zip, 0);
    uint64_t total = 0, packed = 0;
    if (count == 0) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Uploaded file must be a non-empty zip");
    }
    if (count > ENTRIES_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "The zip has more than %d entries", ENTRIES_MAX);
    }
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count; i++) {
        zip_stat_t st;
        TRY(entry_stat(zip, i, &st, err));
        if (__builtin_add_overflow(total, st.size, &total) || total > package->unpacked_max) {
            return too_large(package, err);
        }
        packed += st.comp_size;
    }
    if (total > RATIO_FROM && total / RATIO_MAX > packed) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "The zip unpacks to %llu bytes from %llu, which is no sensible package",
                       (unsigned long long)total, (unsigned long long)packed);
    }
    return 0;
}

static int folder_sync_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)walk;
    return kind == FTW_DP && folder_sync(path, NULL) < 0 ? -1 : 0;
}

static int zip_unpack(struct lambda_package *package, const char *zip_path, const char *folder,
                      struct err *err)
{
    CLEAN(zip_clean) zip_t *zip = zip_open(zip_path, ZIP_RDONLY | ZIP_CHECKCONS, NULL);
    if (!zip) {
        return err_aws(err, ERR_INVALID, "InvalidParameterValueException",
                       "Could not unzip uploaded file. Please check your file, then try to upload "
                       "again.");
    }
    TRY(entries_check(package, zip, err));
    zip_int64_t count = zip_get_num_entries(zip, 0);
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count; i++) {
        zip_stat_t st;
        TRY(entry_stat(zip, i, &st, err));
        int refers = entry_refers(package, zip, i, &st, err);
        TRY(refers);
        TRY(refers ? 0 : entry_unpack(zip, i, &st, folder, err));
    }
    return 0;
}

int lambda_package_unpacked(const char *folder, uint64_t *ret, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s.zip", folder);
    CLEAN(zip_clean) zip_t *zip = zip_open(path, ZIP_RDONLY, NULL);
    if (!zip) {
        return err_set(err, ERR_IO, "cannot read %s", path);
    }
    uint64_t total = 0;
    zip_int64_t count = zip_get_num_entries(zip, 0);
    for (zip_uint64_t i = 0; i < (zip_uint64_t)count; i++) {
        zip_stat_t st;
        TRY(entry_stat(zip, i, &st, err));
        total += st.size; // cannot overflow: it was checked when it came
    }
    *ret = total;
    return 0;
}

// ── the whole ──

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

void lambda_folder_remove(const char *path)
{
    (void)nftw(path, remove_each, 16, FTW_DEPTH | FTW_PHYS);
}

// Hashes what is in memory or in the file, which is read once more when it is copied.
static int package_hash(struct lambda_package *package, struct err *err)
{
    CLEAN(checksum_done) struct checksum sum;
    checksum_init(&sum, CHECKSUM_SHA256);
    package->size = package->zip.size;
    checksum_add(&sum, buf_str(&package->zip));
    if (package->fd >= 0) {
        CLEAN_MEM char *piece = mem_alloc(PIECE_SIZE);
        ssize_t n = 0;
        while ((n = pread(package->fd, piece, PIECE_SIZE, (off_t)package->size)) > 0) {
            checksum_add(&sum, (struct str){piece, (size_t)n});
            package->size += (uint64_t)n;
        }
        if (n < 0) {
            return err_errno(err, ERR_IO, errno, "cannot read the package");
        }
    }
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    (void)checksum_end(&sum, bytes);
    hex_write(bytes, 32, package->sha256_hex);
    base64_write(bytes, 32, package->sha256_base64);
    return 0;
}

static int zip_write(struct lambda_package *package, const char *path, struct err *err)
{
    CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    if (package->fd >= 0) {
        TRY(blob_copy(fd, package->fd, 0, package->size, err));
    } else {
        TRY(blob_write(fd, buf_str(&package->zip), err));
    }
    buf_done(&package->zip); // from here on the file has it
    return fdatasync(fd) < 0 ? err_errno(err, ERR_IO, errno, "cannot write %s", path) : 0;
}

static int package_fill(struct lambda_package *package, struct err *err)
{
    CLEAN_MEM char *code = mem_printf("%s/code", package->temporary);
    CLEAN_MEM char *zip = mem_printf("%s/code.zip", package->temporary);
    TRY(file_make_dir(code, 0755, err));
    TRY(zip_write(package, zip, err));
    return zip_unpack(package, zip, code, err);
}

static int package_name(const struct lambda_package *package, struct err *err)
{
    CLEAN_MEM char *place = mem_printf("%s/%s", package->packages, package->sha256_hex);
    if (nftw(package->temporary, folder_sync_each, 16, FTW_DEPTH | FTW_PHYS) != 0) {
        return err_errno(err, ERR_IO, errno, "cannot sync %s", package->temporary);
    }
    // Somebody may have uploaded the same meanwhile: then theirs is as good.
    if (rename(package->temporary, place) < 0 && errno != EEXIST && errno != ENOTEMPTY) {
        return err_errno(err, ERR_IO, errno, "cannot rename %s", package->temporary);
    }
    return folder_sync(package->packages, err);
}

// It gets its name, unless something has failed.
static int package_settle(struct lambda_package *package, int rc, struct err *err)
{
    rc = rc < 0 ? rc : package_name(package, err);
    lambda_folder_remove(package->temporary); // what is left when it failed, or lost the race
    mem_clean(&package->temporary);
    package->temporary = NULL;
    return rc;
}

int lambda_package_unpack(struct lambda_package *package, struct err *err)
{
    TRY(package_hash(package, err));
    package->folder = mem_printf("%s/%s/code", package->packages, package->sha256_hex);
    if (access(package->folder, F_OK) == 0) {
        return 0;
    }
    package->temporary = mem_printf("%s/new-%s", package->packages, uuid_new().text);
    int rc = package_fill(package, err);
    return rc == 0 && package->model_count ? 0 : package_settle(package, rc, err);
}

int lambda_package_complete(struct lambda_package *package, struct err *err)
{
    CLEAN_MEM char *code = mem_printf("%s/code", package->temporary);
    return package_settle(package, lambda_models_place(package, code, err), err);
}

void lambda_package_sweep(const char *packages, const struct map *used)
{
    DIR *dir = opendir(packages);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        CLEAN_MEM char *path = mem_printf("%s/%s", packages, entry->d_name);
        CLEAN_MEM char *code = mem_printf("%s/code", path);
        if (entry->d_name[0] != '.' && !map_get(used, str_of(code))) {
            lambda_folder_remove(path);
        }
    }
    if (dir) {
        closedir(dir);
    }
}
