// SPDX-License-Identifier: Apache-2.0
// A path is taken apart step by step, whether there is a value to walk beside it or not.
#include "format/json_path.h"

// Takes the next step off *path. 1: *ret_name is a member; 2: *ret_index an element; -1: malformed.
static int step_take(struct str *path, struct str *ret_name, size_t *ret_index)
{
    struct str rest = str_skip(*path, 1);
    if (path->at[0] == '.') {
        size_t size = 0;
        while (size < rest.size && rest.at[size] != '.' && rest.at[size] != '[') {
            size++;
        }
        *ret_name = str_head(rest, size);
        *path = str_skip(rest, size);
        return size > 0 ? 1 : -1;
    }
    ptrdiff_t end = str_find(rest, ']');
    if (path->at[0] != '[' || end <= 0) {
        return -1;
    }
    struct str inner = str_head(rest, (size_t)end);
    *path = str_skip(rest, (size_t)end + 1);
    char quote = inner.at[0];
    if (quote == '\'' || quote == '"') {
        *ret_name = str_head(str_skip(inner, 1), inner.size - 2);
        return inner.size > 2 && inner.at[inner.size - 1] == quote ? 1 : -1;
    }
    uint64_t index = 0;
    bool fine = quote >= '0' && quote <= '9' && str_to_u64(inner, &index) && index < INT32_MAX;
    *ret_index = (size_t)index;
    return fine ? 2 : -1;
}

static json_t *member(const json_t *json, struct str name)
{
    CLEAN_MEM char *key = str_dup(name);
    return json_object_get(json, key);
}

// 0, or -1 when the path is malformed.
static int walk(const json_t *json, struct str path, json_t **ret)
{
    json_t *at = (json_t *)(uintptr_t)json;
    if (path.size == 0 || path.at[0] != '$') {
        return -1;
    }
    for (path = str_skip(path, 1); path.size;) {
        struct str name = {0};
        size_t index = 0;
        int kind = step_take(&path, &name, &index);
        if (kind < 0) {
            return -1;
        }
        at = kind == 1 ? member(at, name) : json_array_get(at, index);
    }
    *ret = at;
    return 0;
}

int json_path_check(struct str path, struct err *err)
{
    json_t *ignored = NULL;
    return walk(NULL, path, &ignored) == 0
               ? 0
               : err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not a path such as $.detail.name[0]",
                         STR_ARG(str_head(path, 128)));
}

json_t *json_path_get(const json_t *json, struct str path)
{
    json_t *found = NULL;
    return walk(json, path, &found) == 0 ? found : NULL;
}
