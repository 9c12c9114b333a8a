// SPDX-License-Identifier: Apache-2.0
// What operations of JSON services read: members within their bounds, pages, tags.
#include "api/rpc.h"

#include <stdarg.h>
#include <stdio.h>

#define PAGE_MOST 100
#define TAGS_MAX  50

int rpc_violation(struct err *err, struct str value, const char *member, const char *fmt, ...)
{
    char constraint[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(constraint, sizeof constraint, fmt, args);
    va_end(args);
    if (!value.at) {
        return err_aws(err, ERR_INVALID, "ValidationException",
                       "1 validation error detected: Value null at '%s' failed to satisfy "
                       "constraint: %s",
                       member, constraint);
    }
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at '%s' failed to satisfy constraint: %s",
                   STR_ARG(str_head(value, 128)), member, constraint);
}

bool rpc_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

int rpc_text(const json_t *input, const struct rpc_text *text, struct str *ret, struct err *err)
{
    struct str value = {0};
    struct err why = {0};
    int rc = json_get_str(input, text->name, &value, &why);
    if (rc < 0) {
        return err_aws(err, ERR_INVALID, "SerializationException", "%s", why.text);
    }
    if (rc == 0) {
        return text->needed ? rpc_violation(err, value, text->member, "Member must not be null")
                            : 0;
    }
    bool fits = true;
    for (size_t i = 0; text->fits && i < value.size; i++) {
        fits = fits && text->fits(value.at[i]);
    }
    if (value.size < text->least) {
        return rpc_violation(err, value, text->member,
                             "Member must have length greater than or equal to %zu", text->least);
    }
    if (value.size > text->most) {
        return rpc_violation(err, value, text->member,
                             "Member must have length less than or equal to %zu", text->most);
    }
    if (!fits) {
        return rpc_violation(err, value, text->member,
                             "Member must satisfy regular expression pattern: %s", text->pattern);
    }
    *ret = value;
    return 1;
}

int rpc_choice(const json_t *input, const char *name, const char *member, const char *choices,
               struct str *ret, struct err *err)
{
    struct str value = {0};
    struct rpc_text text = {.name = name, .member = member, .most = 256};
    int rc = rpc_text(input, &text, &value, err);
    if (rc <= 0) {
        return rc;
    }
    for (struct str rest = str_of(choices); rest.at;) {
        if (str_eq(str_trim(str_cut(&rest, ',')), value)) {
            *ret = value;
            return 1;
        }
    }
    return rpc_violation(err, value, member, "Member must satisfy enum value set: [%s]", choices);
}

int rpc_int(const json_t *input, const char *name, const char *member, int64_t least, int64_t most,
            int64_t *ret, struct err *err)
{
    const json_t *json = json_object_get(input, name);
    int64_t value = 0;
    if (!json || json_is_null(json)) {
        return 0;
    }
    if (json_is_integer(json)) {
        value = json_integer_value(json);
    } else if (!json_is_string(json) || !str_to_i64(json_str(json), &value)) {
        return err_aws(err, ERR_INVALID, "SerializationException", "%s: must be an integer, is %s",
                       name, json_kind_name(json));
    }
    if (value < least || value > most) {
        CLEAN_MEM char *shown = mem_printf("%lld", (long long)value);
        return rpc_violation(
            err, str_of(shown), member, "Member must have value %s than or equal to %lld",
            value < least ? "greater" : "less", (long long)(value < least ? least : most));
    }
    *ret = value;
    return 1;
}

// ── pages ──

int rpc_page_begin(struct rpc_call *call, const char *limit, const char *list, struct rpc_page *ret,
                   struct err *err)
{
    struct rpc_text token = {.name = "NextToken", .member = "nextToken", .least = 1, .most = 2048};
    struct str after = {0};
    const char *member = strcmp(limit, "Limit") == 0 ? "limit" : "maxResults";
    *ret = (struct rpc_page){.left = PAGE_MOST};
    buf_init(&ret->after, 2048);
    buf_init(&ret->last, 2048);
    TRY(rpc_int(call->input, limit, member, 1, PAGE_MOST, &ret->left, err));
    TRY(rpc_text(call->input, &token, &after, err));
    buf_add_str(&ret->after, after);
    ret->list = json_array();
    json_put(call->output, list, ret->list);
    return 0;
}

int rpc_page_add(struct rpc_page *page, json_t *item, struct str token)
{
    page->more = page->left == 0;
    if (page->more) {
        json_decref(item);
        return 1;
    }
    page->left--;
    json_array_append_new(page->list, item);
    buf_clear(&page->last);
    buf_add_str(&page->last, token);
    return 0;
}

void rpc_page_end(struct rpc_call *call, struct rpc_page *page)
{
    if (page->more) {
        json_put_str(call->output, "NextToken", buf_str(&page->last));
    }
}

void rpc_page_done(struct rpc_page *page)
{
    buf_done(&page->after);
    buf_done(&page->last);
}

// ── tags ──

int rpc_tags_check(const json_t *tags, struct err *err)
{
    size_t i = 0;
    json_t *tag = NULL;
    if (tags && !json_is_array(tags)) {
        return err_aws(err, ERR_INVALID, "SerializationException", "Tags: must be a list, is %s",
                       json_kind_name(tags));
    }
    json_array_foreach((json_t *)(uintptr_t)tags, i, tag)
    {
        struct str key = {0}, value = {0};
        struct rpc_text of_key = {
            .name = "Key", .member = "tags.member.key", .least = 1, .most = 128, .needed = true};
        struct rpc_text of_value = {
            .name = "Value", .member = "tags.member.value", .most = 256, .needed = true};
        TRY(rpc_text(tag, &of_key, &key, err));
        TRY(rpc_text(tag, &of_value, &value, err));
    }
    return json_array_size(tags) <= TAGS_MAX ? 0
                                             : err_aws(err, ERR_INVALID, "ValidationException",
                                                       "There are at most %d tags.", TAGS_MAX);
}

// Whether the list (of tags, or of keys) has this key.
static bool has_key(const json_t *list, struct str key)
{
    size_t i = 0;
    json_t *one = NULL;
    if (json_is_string(list)) {
        return str_eq(json_str(list), key);
    }
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        const json_t *name = json_is_object(one) ? json_object_get(one, "Key") : one;
        if (str_eq(json_str(name), key)) {
            return true;
        }
    }
    return false;
}

json_t *rpc_tags_merge(const json_t *tags, const json_t *more, const json_t *keys)
{
    json_t *merged = json_array();
    const json_t *const lists[] = {tags, more};
    for (size_t l = 0; l < ARRAY_SIZE(lists); l++) {
        size_t i = 0;
        json_t *tag = NULL;
        json_array_foreach((json_t *)(uintptr_t)lists[l], i, tag)
        {
            struct str key = json_str(json_object_get(tag, "Key"));
            if (!has_key(keys, key) && (l == 1 || !has_key(more, key))) {
                json_array_append(merged, tag);
            }
        }
    }
    return merged;
}
