// SPDX-License-Identifier: Apache-2.0
// Route keys, segment by segment.
#include "format/http_route.h"
#include "base/mem.h"

enum segment { GREEDY, PARAMETER, WORD }; // the more it says, the greater

static enum segment segment_of(struct str s)
{
    if (s.size < 2 || s.at[0] != '{' || s.at[s.size - 1] != '}') {
        return WORD;
    }
    return s.at[s.size - 2] == '+' ? GREEDY : PARAMETER;
}

// "{path+}" → "path"
static struct str parameter_name(struct str s)
{
    size_t ends = segment_of(s) == GREEDY ? 3 : 2;
    return str_head(str_skip(s, 1), s.size - ends);
}

static bool is_default(struct str key)
{
    return str_eq(key, STR("$default"));
}

// ── checking ──

static bool method_ok(struct str method)
{
    static const char *const methods[] = {"GET",     "POST", "PUT",    "PATCH",
                                          "OPTIONS", "HEAD", "DELETE", "ANY"};
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (str_eq(method, str_of(methods[i]))) {
            return true;
        }
    }
    return false;
}

static bool name_ok(struct str name)
{
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == 0 || !strchr("._-:", c))) {
            return false;
        }
    }
    return name.size > 0;
}

static int segments_check(struct str path, struct err *err)
{
    size_t parameters = 0;
    while (path.at) {
        struct str segment = str_cut(&path, '/');
        enum segment kind = segment_of(segment);
        bool braces = str_find(segment, '{') >= 0 || str_find(segment, '}') >= 0;
        if (kind == WORD && braces) {
            return err_set(err, ERR_INVALID,
                           "\"" STR_FMT "\": a parameter takes a whole segment: {name} or {name+}",
                           STR_ARG(str_head(segment, 100)));
        }
        if (kind != WORD && !name_ok(parameter_name(segment))) {
            return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not the name of a parameter",
                           STR_ARG(str_head(segment, 100)));
        }
        if (kind == GREEDY && path.at) {
            return err_set(err, ERR_INVALID, "\"" STR_FMT "\" may only stand at the end",
                           STR_ARG(str_head(segment, 100)));
        }
        parameters += kind != WORD;
    }
    return parameters <= HTTP_ROUTE_PARAMETERS_MAX
               ? 0
               : err_set(err, ERR_INVALID, "more than %d parameters", HTTP_ROUTE_PARAMETERS_MAX);
}

int http_route_check(struct str key, struct err *err)
{
    struct str path = key, method = str_cut(&path, ' ');
    if (is_default(key)) {
        return 0;
    }
    if (key.size > HTTP_ROUTE_KEY_MAX) {
        return err_set(err, ERR_INVALID, "longer than %d bytes", HTTP_ROUTE_KEY_MAX);
    }
    if (!method_ok(method)) {
        return err_set(err, ERR_INVALID,
                       "\"" STR_FMT "\" is none of GET, POST, PUT, PATCH, OPTIONS, HEAD, DELETE "
                       "and ANY",
                       STR_ARG(str_head(method, 40)));
    }
    if (path.size == 0 || path.at[0] != '/') {
        return err_set(err, ERR_INVALID, "the path does not begin with '/'");
    }
    return segments_check(str_skip(path, 1), err);
}

// ── matching ──

static struct str without_slash(struct str path)
{
    return path.size > 1 && path.at[path.size - 1] == '/' ? str_head(path, path.size - 1) : path;
}

bool http_route_fits(struct str key, struct str method, struct str path, struct http_route_fit *ret)
{
    ret->parameter_count = 0;
    if (is_default(key)) {
        return true;
    }
    struct str want = key, want_method = str_cut(&want, ' ');
    if (!str_eq(want_method, STR("ANY")) && !str_eq(want_method, method)) {
        return false;
    }
    want = str_skip(without_slash(want), 1);
    struct str have = str_skip(without_slash(path), 1);
    have.at = have.at ? have.at : "";
    while (want.at) {
        struct str segment = str_cut(&want, '/');
        enum segment kind = segment_of(segment);
        struct str rest = have, part = have.at ? str_cut(&have, '/') : (struct str){0};
        if (!rest.at || (kind == WORD && !str_eq(segment, part)) || (kind != WORD && !part.size)) {
            return false;
        }
        if (kind != WORD) {
            struct http_event_pair *p = &ret->parameters[ret->parameter_count++];
            *p = (struct http_event_pair){parameter_name(segment), kind == GREEDY ? rest : part};
        }
        if (kind == GREEDY) {
            return true;
        }
    }
    return !have.at;
}

int http_route_cmp(struct str a, struct str b)
{
    if (is_default(a) || is_default(b)) {
        return (int)is_default(b) - (int)is_default(a);
    }
    struct str method_a = str_cut(&a, ' '), method_b = str_cut(&b, ' ');
    a = str_skip(without_slash(a), 1);
    b = str_skip(without_slash(b), 1);
    while (a.at && b.at) {
        int kind_a = (int)segment_of(str_cut(&a, '/')), kind_b = (int)segment_of(str_cut(&b, '/'));
        if (kind_a != kind_b) {
            return kind_a - kind_b;
        }
    }
    return (int)str_eq(method_b, STR("ANY")) - (int)str_eq(method_a, STR("ANY"));
}
