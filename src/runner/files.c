// SPDX-License-Identifier: Apache-2.0
// Files of a package: named relative to its folder, mapped whole.
#include "runner/files.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

bool files_is_inside(struct str path)
{
    if (path.size == 0 || path.at[0] == '/' || memchr(path.at, 0, path.size)) {
        return false;
    }
    for (struct str rest = path; rest.at;) {
        if (str_eq(str_cut(&rest, '/'), STR(".."))) {
            return false;
        }
    }
    return true;
}

static int open_file(const char *path, struct stat *st, struct err *err)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hold us
    if (fd < 0) {
        return err_errno(err, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, errno,
                         "cannot open %s", path);
    }
    if (fstat(fd, st) < 0 || !S_ISREG(st->st_mode)) {
        return err_set(err, ERR_INVALID, "%s is not a file", path);
    }
    int out = fd;
    fd = -1;
    return out;
}

int files_map(const char *path, struct str *ret, struct err *err)
{
    struct stat st;
    CLEAN_FD int fd = open_file(path, &st, err);
    TRY(fd);
    if (st.st_size == 0) {
        return err_set(err, ERR_INVALID, "%s is empty", path);
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return err_errno(err, ERR_IO, errno, "cannot map %s", path);
    }
    *ret = str_n(map, (size_t)st.st_size);
    return 0;
}

void files_unmap(struct str *map)
{
    if (map->at) {
        munmap((void *)map->at, map->size);
    }
    *map = (struct str){0};
}

int files_only(const char *folder, const char *suffix, char **ret, struct err *err)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        return err_errno(err, ERR_NOT_FOUND, errno, "cannot open the folder %s", folder);
    }
    CLEAN_MEM char *found = NULL;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (str_ends(str_of(entry->d_name), str_of(suffix)) && entry->d_name[0] != '.') {
            count++;
            free(found);
            found = mem_dup(entry->d_name);
        }
    }
    closedir(dir);
    if (count == 0) {
        return err_set(err, ERR_NOT_FOUND, "there is no *%s file in the package", suffix);
    }
    if (count > 1) {
        return err_set(err, ERR_INVALID,
                       "there are %zu *%s files in the package; say which with "
                       "\"model:\"",
                       count, suffix);
    }
    *ret = MOVE(found);
    return 0;
}

struct str files_folder(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;
    return slash ? str_n(path, (size_t)(slash - path)) : str_of(path ? "." : NULL);
}
