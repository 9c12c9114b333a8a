// SPDX-License-Identifier: Apache-2.0
// Files that hold what is too large for a row. A name is random and used once, so nothing is ever
// written over, and whoever has a blob open may go on reading it when it is removed.
#include "store/blob.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define COPY_MAX  ((size_t)1 << 30) // of one copy_file_range
#define PIECE_MAX ((size_t)256 * 1024)

struct blob_id blob_id_new(void)
{
    unsigned char bytes[BLOB_ID_SIZE / 2];
    for (size_t got = 0; got < sizeof bytes;) {
        ssize_t n = getrandom(bytes + got, sizeof bytes - got, 0);
        got += n > 0 ? (size_t)n : 0;
    }
    struct blob_id id;
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(id.text + 2 * i, 3, "%02x", bytes[i]);
    }
    return id;
}

static char *folder_path(const char *store_dir, const struct blob_id *id)
{
    return mem_printf("%s/blobs/%.2s", store_dir, id->text);
}

static char *blob_path(const char *store_dir, const struct blob_id *id)
{
    return mem_printf("%s/blobs/%.2s/%s", store_dir, id->text, id->text);
}

static int folder_make(const char *store_dir, const struct blob_id *id, struct err *err)
{
    CLEAN_MEM char *folder = folder_path(store_dir, id);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        return err_errno(err, ERR_IO, errno, "cannot make the folder %s", folder);
    }
    return 0;
}

static int folder_sync(const char *path, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot sync the folder %s", path);
    }
    return 0;
}

int blob_create(const char *store_dir, const struct blob_id *id, struct err *err)
{
    TRY(folder_make(store_dir, id, err));
    CLEAN_MEM char *path = blob_path(store_dir, id);
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : err_errno(err, ERR_IO, errno, "cannot create %s", path);
}

int blob_sync(const char *store_dir, const struct blob_id *id, int fd, struct err *err)
{
    if (fdatasync(fd) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot sync the blob %s", id->text);
    }
    CLEAN_MEM char *folder = folder_path(store_dir, id);
    CLEAN_MEM char *above = mem_printf("%s/blobs", store_dir);
    TRY(folder_sync(folder, err));
    return folder_sync(above, err); // the folder itself may be new
}

int blob_open(const char *store_dir, const struct blob_id *id, struct err *err)
{
    CLEAN_MEM char *path = blob_path(store_dir, id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : err_errno(err, ERR_CORRUPT, errno, "cannot open %s", path);
}

void blob_remove(const char *store_dir, const struct blob_id *id)
{
    CLEAN_MEM char *path = blob_path(store_dir, id);
    unlink(path);
}

int blob_write(int fd, struct str bytes, struct err *err)
{
    while (bytes.size) {
        ssize_t n = write(fd, bytes.at, bytes.size);
        if (n < 0 && errno != EINTR) {
            return err_errno(err, ERR_IO, errno, "cannot write a blob");
        }
        bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

static int copy_by_hand(int to, int from, uint64_t offset, uint64_t size, struct err *err)
{
    CLEAN_MEM char *piece = mem_alloc(PIECE_MAX);
    while (size) {
        ssize_t n = pread(from, piece, size < PIECE_MAX ? size : PIECE_MAX, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return err_errno(err, n < 0 ? ERR_IO : ERR_CORRUPT, n < 0 ? errno : EIO,
                             "a blob cannot be read to its end");
        }
        TRY(blob_write(to, str_n(piece, (size_t)n), err));
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

int blob_copy(int to, int from, uint64_t offset, uint64_t size, struct err *err)
{
    while (size) {
        off_t at = (off_t)offset;
        ssize_t n = copy_file_range(from, &at, to, NULL, size < COPY_MAX ? size : COPY_MAX, 0);
        if (n <= 0) { // not on this file system, or not between these two
            return copy_by_hand(to, from, offset, size, err);
        }
        offset += (uint64_t)n;
        size -= (uint64_t)n;
    }
    return 0;
}

int blob_clone(const char *store_dir, int fd, const struct blob_id *id, struct err *err)
{
    TRY(folder_make(store_dir, id, err));
    CLEAN_MEM char *path = blob_path(store_dir, id);
    char from[64];
    snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, from, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0) {
        return blob_sync(store_dir, id, fd, err);
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot read a blob");
    }
    CLEAN_FD int to = blob_create(store_dir, id, err);
    TRY(to);
    TRY(blob_copy(to, fd, 0, (uint64_t)st.st_size, err));
    return blob_sync(store_dir, id, to, err);
}

void blob_list_add(struct blob_list *list, struct str id)
{
    if (id.size != BLOB_ID_SIZE) {
        return;
    }
    list->at = mem_grow(list->at, (list->count + 1) * sizeof *list->at);
    struct blob_id *blob = &list->at[list->count++];
    memcpy(blob->text, id.at, BLOB_ID_SIZE);
    blob->text[BLOB_ID_SIZE] = 0;
}

void blob_list_done(struct blob_list *list)
{
    free(list->at);
    *list = (struct blob_list){0};
}

void blob_list_remove(const char *store_dir, const struct blob_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        blob_remove(store_dir, &list->at[i]);
    }
}

static void dir_clean(DIR **dir)
{
    if (*dir) {
        closedir(*dir);
    }
}

static bool name_is_hex(const char *name, size_t size)
{
    return strlen(name) == size && strspn(name, "0123456789abcdef") == size;
}

static int folder_sweep(const char *path, int (*is_used)(void *ctx, const char *id), void *ctx,
                        uint64_t *removed, struct err *err)
{
    CLEAN(dir_clean) DIR *dir = opendir(path);
    if (!dir) {
        return err_errno(err, ERR_IO, errno, "cannot read the folder %s", path);
    }
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (!name_is_hex(entry->d_name, BLOB_ID_SIZE)) {
            continue; // not ours: leave it
        }
        int used = is_used(ctx, entry->d_name);
        if (used < 0) {
            return err_set(err, used, "cannot tell whether the blob %s is used", entry->d_name);
        }
        if (used == 0 && unlinkat(dirfd(dir), entry->d_name, 0) == 0) {
            ++*removed;
        }
    }
    return 0;
}

int blob_sweep(const char *store_dir, int (*is_used)(void *ctx, const char *id), void *ctx,
               uint64_t *ret_removed, struct err *err)
{
    CLEAN_MEM char *above = mem_printf("%s/blobs", store_dir);
    CLEAN(dir_clean) DIR *dir = opendir(above);
    if (!dir) {
        return err_errno(err, ERR_IO, errno, "cannot read the folder %s", above);
    }
    uint64_t removed = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (name_is_hex(entry->d_name, 2)) {
            CLEAN_MEM char *path = mem_printf("%s/%s", above, entry->d_name);
            TRY(folder_sweep(path, is_used, ctx, &removed, err));
        }
    }
    *ret_removed = removed;
    return 0;
}
