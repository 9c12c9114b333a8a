// SPDX-License-Identifier: Apache-2.0
// Walks the folders with fts, adding a watch for each on the way; a folder that is there already keeps its.
#include "cli/watch_tree.h"
#include "base/mem.h"

#include <errno.h>
#include <fts.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB |            \
     IN_DELETE_SELF | IN_ONLYDIR)

void watch_tree_init(struct watch_tree *tree)
{
    *tree = (struct watch_tree){.fd = -1};
}

static void free_stamps(struct map *files)
{
    size_t at = 0;
    for (void *stamp; (stamp = map_next(files, &at));) {
        free(stamp);
    }
    map_done(files);
}

void watch_tree_done(struct watch_tree *tree)
{
    free_stamps(&tree->files);
    fd_clean(&tree->fd);
}

// Folders that hold nothing of the project, and what editors leave beside a file while they write it.
static bool is_left_out(const FTSENT *entry)
{
    static const char *const folders[] = {".git", ".serverless", "__pycache__"};
    struct str name = str_n(entry->fts_name, entry->fts_namelen);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        if (entry->fts_info == FTS_D && str_eq(name, str_of(folders[i]))) {
            return true;
        }
    }
    return str_ends(name, STR("~")) || str_ends(name, STR(".swp")) || str_ends(name, STR(".swx")) ||
           str_starts(name, STR(".#")) || str_eq(name, STR("4913"));
}

static char *stamp_of(const struct stat *st)
{
    return mem_printf("%lld %lld.%09ld %o", (long long)st->st_size, (long long)st->st_mtim.tv_sec,
                      st->st_mtim.tv_nsec, (unsigned)st->st_mode);
}

static void look_at(struct watch_tree *tree, FTS *walk, FTSENT *entry, struct map *found)
{
    if (entry->fts_level > 0 && is_left_out(entry)) {
        fts_set(walk, entry, FTS_SKIP);
        return;
    }
    if (entry->fts_info == FTS_D && inotify_add_watch(tree->fd, entry->fts_path, EVENTS) < 0) {
        tree->incomplete = tree->incomplete || errno == ENOSPC;
    }
    if (entry->fts_info == FTS_F) {
        free(map_put(found, str_of(entry->fts_path), stamp_of(entry->fts_statp)));
    }
}

// A file of `a` that `b` has not, or has otherwise.
static const char *difference(const struct map *a, const struct map *b)
{
    for (size_t i = 0; i < a->room; i++) {
        const struct map_entry *entry = &a->entries[i];
        const char *other = entry->key ? map_get(b, str_of(entry->key)) : NULL;
        if (entry->key && (!other || strcmp(other, entry->value) != 0)) {
            return entry->key;
        }
    }
    return NULL;
}

int watch_tree_look(struct watch_tree *tree, char *const *roots, char **ret_changed,
                    struct err *err)
{
    bool first = tree->fd < 0;
    *ret_changed = NULL;
    if (first) {
        tree->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    }
    if (tree->fd < 0) {
        return err_errno(err, ERR_UNAVAILABLE, errno, "files cannot be watched (inotify)");
    }
    FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, NULL);
    if (!walk) {
        return err_errno(err, ERR_IO, errno, "%s", roots[0]);
    }
    struct map found = {0};
    for (FTSENT *entry; (entry = fts_read(walk));) {
        look_at(tree, walk, entry, &found);
    }
    fts_close(walk);
    const char *changed = difference(&found, &tree->files);
    changed = changed ? changed : difference(&tree->files, &found);
    *ret_changed = first ? NULL : mem_dup(changed);
    free_stamps(&tree->files);
    tree->files = found;
    return changed != NULL;
}

void watch_tree_drain(struct watch_tree *tree)
{
    char events[16 * 1024];
    while (read(tree->fd, events, sizeof events) > 0) {
    }
}
