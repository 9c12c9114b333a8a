// SPDX-License-Identifier: Apache-2.0
// Walks node_modules twice, from the dependencies and from the devDependencies of package.json, without
// npm and whatever tool installed them.
#include "cli/package_node.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "format/json.h"

#include <unistd.h>

#define DOCUMENT_MAX (8 * 1024 * 1024)
#define PACKAGES_MAX 100000

struct walk {
    const char *dir;  // of the project
    struct map *seen; // paths relative to it: "node_modules/a/node_modules/b"
    json_t *waiting;  // paths whose dependencies are still to be looked at
};

// package.json of a package; NULL when it is not there or no JSON. A new reference.
static json_t *document_of(const char *dir, const char *path)
{
    CLEAN_MEM char *file = mem_printf("%s/%s%spackage.json", dir, path, path[0] ? "/" : "");
    CLEAN(buf_done) struct buf text = BUF_INIT(DOCUMENT_MAX);
    json_t *document = NULL;
    return file_read(file, &text, NULL) < 0 ||
                   json_parse_object(buf_str(&text), &document, NULL) < 0
               ? NULL
               : document;
}

// "node_modules/a/node_modules/b" asks for c: there, beside b, beside a. Heap; NULL when it is nowhere.
static char *resolve(const char *dir, const char *from, const char *name)
{
    CLEAN_MEM char *at = mem_dup(from);
    for (;;) {
        CLEAN_MEM char *path = mem_printf("%s%snode_modules/%s", at, at[0] ? "/" : "", name);
        CLEAN_MEM char *file = mem_printf("%s/%s/package.json", dir, path);
        if (access(file, F_OK) == 0) {
            return MOVE(path);
        }
        if (!at[0]) {
            return NULL;
        }
        char *up = strstr(at, "node_modules/");
        for (char *next; up && (next = strstr(up + 1, "node_modules/"));) {
            up = next;
        }
        *(up && up > at ? up - 1 : at) = 0; // without the last "/node_modules/…"
    }
}

static void add_dependencies(struct walk *walk, const char *from, const json_t *document,
                             const char *member)
{
    const char *name;
    json_t *version;
    json_object_foreach(json_object_get(document, member), name, version)
    {
        CLEAN_MEM char *path = resolve(walk->dir, from, name);
        bool fresh = path && walk->seen->count < PACKAGES_MAX && !map_get(walk->seen, str_of(path));
        if (fresh) {
            map_put(walk->seen, str_of(path), walk);
            json_array_append_new(walk->waiting, json_string(path));
        }
    }
}

// All that `member` of the project's package.json reaches.
static void reach(const char *dir, const json_t *project, const char *const *members,
                  struct map *seen)
{
    CLEAN_JSON json_t *waiting = json_array();
    struct walk walk = {.dir = dir, .seen = seen, .waiting = waiting};
    for (size_t i = 0; members[i]; i++) {
        add_dependencies(&walk, "", project, members[i]);
    }
    for (size_t at = 0; at < json_array_size(waiting); at++) {
        const char *path = json_string_value(json_array_get(waiting, at));
        CLEAN_JSON json_t *document = document_of(dir, path);
        static const char *const below[] = {"dependencies", "optionalDependencies",
                                            "peerDependencies"};
        for (size_t i = 0; i < ARRAY_SIZE(below); i++) {
            add_dependencies(&walk, path, document, below[i]);
        }
    }
}

static void leave_out_program(json_t *patterns, const char *name)
{
    CLEAN_MEM char *pattern = mem_printf("!node_modules/.bin/%s", name);
    json_array_append_new(patterns, json_string(pattern));
}

// The links that npm makes for a package's programs.
static void leave_out_programs(const char *dir, const char *path, json_t *patterns)
{
    CLEAN_JSON json_t *document = document_of(dir, path);
    const json_t *programs = json_object_get(document, "bin");
    const char *name = strrchr(path, '/') + 1;
    json_t *file;
    if (json_is_string(programs)) {
        leave_out_program(patterns, name);
    }
    json_object_foreach((json_t *)(uintptr_t)programs, name, file)
    {
        leave_out_program(patterns, name);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_patterns(const char *dir, const struct map *dev, const struct map *needed,
                         json_t *patterns)
{
    const char **paths = mem_alloc((dev->count + 1) * sizeof *paths);
    size_t count = 0;
    for (size_t i = 0; i < dev->room; i++) {
        const char *path = dev->entries[i].key;
        if (path && !map_get(needed, str_of(path))) {
            paths[count++] = path;
        }
    }
    qsort(paths, count, sizeof *paths, by_text);
    for (size_t i = 0; i < count; i++) {
        CLEAN_MEM char *pattern = mem_printf("!%s/**", paths[i]);
        json_array_append_new(patterns, json_string(pattern));
        leave_out_programs(dir, paths[i], patterns);
    }
    free(paths);
}

int package_node_dev(const char *dir, json_t **ret, struct err *err)
{
    static const char *const needed_members[] = {"dependencies", "optionalDependencies",
                                                 "peerDependencies", NULL};
    static const char *const dev_members[] = {"devDependencies", NULL};
    CLEAN_MEM char *path = mem_printf("%s/package.json", dir);
    CLEAN(buf_done) struct buf text = BUF_INIT(DOCUMENT_MAX);
    CLEAN_JSON json_t *project = NULL;
    CLEAN(map_done) struct map needed = {0};
    CLEAN(map_done) struct map dev = {0};
    *ret = json_array();
    int rc = file_read(path, &text, NULL);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    rc = rc < 0 ? err_set(err, rc, "cannot be read")
                : json_parse_object(buf_str(&text), &project, err);
    if (rc < 0) {
        return err_prefix(err, "%s", path);
    }
    reach(dir, project, dev_members, &dev);
    if (dev.count) {
        reach(dir, project, needed_members, &needed);
        add_patterns(dir, &dev, &needed, *ret);
    }
    return 0;
}
