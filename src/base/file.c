// SPDX-License-Identifier: Apache-2.0
// Reads and writes small files whole.
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (16 * 1024)

int file_read(const char *path, struct buf *out, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    }
    for (;;) {
        char piece[PIECE];
        ssize_t got = read(fd, piece, sizeof piece);
        if (got < 0 && errno != EINTR) {
            return err_errno(err, ERR_IO, errno, "%s", path);
        }
        if (got == 0) {
            return 0;
        }
        if (got > 0) {
            buf_add(out, piece, (size_t)got);
        }
        if (!buf_ok(out)) {
            return err_set(err, ERR_LIMIT, "%s: is larger than %zu bytes", path, out->max);
        }
    }
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.size) {
        ssize_t put = write(fd, bytes.at, bytes.size);
        if (put < 0 && errno != EINTR) {
            return -1;
        }
        bytes = str_skip(bytes, put > 0 ? (size_t)put : 0);
    }
    return fsync(fd);
}

int file_write(const char *path, struct str bytes, unsigned mode, struct err *err)
{
    CLEAN_MEM char *beside = mem_printf("%s.%d.tmp", path, (int)getpid());
    CLEAN_FD int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "%s", path);
    }
    if (write_all(fd, bytes) < 0 || rename(beside, path) < 0) {
        int errnum = errno;
        unlink(beside);
        return err_errno(err, ERR_IO, errnum, "%s", path);
    }
    return 0;
}

int file_make_dir(const char *path, unsigned mode, struct err *err)
{
    CLEAN_MEM char *part = mem_dup(path);
    for (char *slash = part; slash;) {
        slash = strchr(slash + 1, '/');
        if (slash) {
            *slash = 0;
        }
        struct stat st;
        if (mkdir(part, mode) < 0 &&
            (errno != EEXIST || stat(part, &st) < 0 || !S_ISDIR(st.st_mode))) {
            return err_errno(err, ERR_IO, errno, "%s", part);
        }
        if (slash) {
            *slash = '/';
        }
    }
    return 0;
}

int file_make_parent(const char *path, unsigned mode, struct err *err)
{
    CLEAN_MEM char *folder = mem_dup(path);
    char *slash = strrchr(folder, '/');
    if (!slash || slash == folder) {
        return 0;
    }
    *slash = 0;
    return file_make_dir(folder, mode, err);
}
