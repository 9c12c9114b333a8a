// SPDX-License-Identifier: Apache-2.0
// Values of nodes, for serverless.c and the files that read one part of it each.
#include "config/reading.h"

const char *read_text(const struct tree_node *node, const char *fallback)
{
    return node && yaml_is_scalar(&node->yaml) && node->yaml.kind != YAML_NULL ? node->yaml.text.at
                                                                               : fallback;
}

const char *read_text_in(const struct tree_node *map, const char *key, const char *fallback)
{
    return read_text(tree_get(map, key), fallback);
}

int64_t read_number_in(const struct tree_node *map, const char *key, int64_t fallback)
{
    const char *text = read_text_in(map, key, NULL);
    int64_t value = fallback;
    double real = 0;
    if (text && !str_to_i64(str_of(text), &value) && str_to_double(str_of(text), &real)) {
        value = (int64_t)real; // "1e3": the schema saw that it is whole
    }
    return value;
}

bool read_truth_in(const struct tree_node *map, const char *key, bool fallback)
{
    const char *text = read_text_in(map, key, NULL);
    return text ? strcmp(text, "true") == 0 : fallback;
}

size_t read_count(const struct tree_node *list)
{
    return !list || list->yaml.kind == YAML_NULL ? 0
           : list->yaml.kind == YAML_LIST        ? list->yaml.count
                                                 : 1;
}

const struct tree_node *read_first(const struct tree_node *list)
{
    return read_count(list) == 0 ? NULL : list->yaml.kind == YAML_LIST ? tree_child(list) : list;
}

const struct tree_node *read_next(const struct tree_node *list, const struct tree_node *item)
{
    return item == list ? NULL : tree_next(item);
}

json_t *read_texts(const struct tree_node *list)
{
    json_t *array = json_array();
    for (const struct tree_node *n = read_first(list); n; n = read_next(list, n)) {
        const char *text = read_text(n, NULL);
        if (text) {
            json_array_append_new(array, json_string(text));
        }
    }
    return array;
}
