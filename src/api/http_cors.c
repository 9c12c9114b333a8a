// SPDX-License-Identifier: Apache-2.0
// Cross-origin requests: one table of what a configuration may say, and the headers that follow from it.
#include "api/http_cors.h"
#include "base/mem.h"
#include "format/json.h"
#include "iam/policy.h"

#define MAX_AGE_S   86400
#define HEADER_SIZE 8192

static const struct member {
    const char *name;
    size_t count_max, size_max;
} lists[] = {
    {"AllowHeaders", 100, 1024},
    {"AllowMethods", 6 + 1, 7},
    {"AllowOrigins", 100, 253},
    {"ExposeHeaders", 100, 1024},
};

// "AllowOrigins" or "allowOrigins".
static json_t *member(const json_t *cors, const char *name)
{
    json_t *value = json_object_get(cors, name);
    if (!value) {
        CLEAN_MEM char *lower = mem_dup(name);
        lower[0] = (char)(lower[0] + ('a' - 'A'));
        value = json_object_get(cors, lower);
    }
    return json_is_null(value) ? NULL : value;
}

static int list_check(const json_t *cors, const struct member *m, struct err *err)
{
    const json_t *list = member(cors, m->name);
    if (!list) {
        return 0;
    }
    if (!json_is_array(list) || json_array_size(list) > m->count_max) {
        return err_set(err, ERR_INVALID, "%s: must be a list of at most %zu strings", m->name,
                       m->count_max);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct str text = json_str(json_array_get(list, i));
        bool fine = text.size > 0 && text.size <= m->size_max;
        for (size_t j = 0; j < text.size; j++) {
            fine = fine && text.at[j] > ' ' && text.at[j] != 0x7f;
        }
        if (!fine) {
            return err_set(err, ERR_INVALID,
                           "%s[%zu]: must be a string of 1 to %zu characters without spaces",
                           m->name, i, m->size_max);
        }
    }
    return 0;
}

int http_cors_check(const json_t *cors, struct err *err)
{
    if (!json_is_object(cors)) {
        return err_set(err, ERR_INVALID, "Cors: must be an object, is %s", json_kind_name(cors));
    }
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        TRY(list_check(cors, &lists[i], err));
    }
    const json_t *credentials = member(cors, "AllowCredentials"), *age = member(cors, "MaxAge");
    if (credentials && !json_is_boolean(credentials)) {
        return err_set(err, ERR_INVALID, "AllowCredentials: must be true or false, is %s",
                       json_kind_name(credentials));
    }
    if (age && (!json_is_integer(age) || json_integer_value(age) < -1 ||
                json_integer_value(age) > MAX_AGE_S)) {
        return err_set(err, ERR_INVALID, "MaxAge: must be an integer from 0 to %d", MAX_AGE_S);
    }
    return 0;
}

bool http_cors_is_preflight(const struct http_request *req)
{
    return str_eq(req->method, STR("OPTIONS")) && http_request_header(req, "Origin").size &&
           http_request_header(req, "Access-Control-Request-Method").size;
}

static bool has(const json_t *list, const char *text)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (strcmp(json_string_value(json_array_get(list, i)), text) == 0) {
            return true;
        }
    }
    return false;
}

// "https://*.example.com" is any of them.
static bool origin_allowed(const json_t *origins, struct str origin)
{
    for (size_t i = 0; i < json_array_size(origins); i++) {
        if (policy_match(json_str(json_array_get(origins, i)), origin, /* ignore case */ true)) {
            return true;
        }
    }
    return false;
}

// The list as it stands. Where it says "*" what the browser asks for is named instead: with
// credentials a browser takes "*" for a name.
static void reply_list(struct http_request *req, const char *header, const json_t *list,
                       struct str asked)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(HEADER_SIZE);
    if (json_array_size(list) == 0) {
        return;
    }
    if (asked.size && has(list, "*")) {
        buf_add_str(&text, asked);
    } else {
        for (size_t i = 0; i < json_array_size(list); i++) {
            buf_add_text(&text, i ? "," : "");
            buf_add_str(&text, json_str(json_array_get(list, i)));
        }
    }
    http_reply_header(req, header, buf_text(&text));
}

void http_cors_reply(struct http_request *req, const json_t *cors)
{
    struct str origin = http_request_header(req, "Origin");
    const json_t *origins = member(cors, "AllowOrigins"), *age = member(cors, "MaxAge");
    bool credentials = json_is_true(member(cors, "AllowCredentials"));
    if (!origin.size || !origin_allowed(origins, origin)) {
        return;
    }
    if (!credentials && has(origins, "*")) {
        http_reply_header(req, "Access-Control-Allow-Origin", "*");
    } else {
        CLEAN_MEM char *text = str_dup(origin);
        http_reply_header(req, "Access-Control-Allow-Origin", text);
        http_reply_header(req, "Vary", "Origin");
    }
    if (credentials) {
        http_reply_header(req, "Access-Control-Allow-Credentials", "true");
    }
    if (!http_cors_is_preflight(req)) {
        reply_list(req, "Access-Control-Expose-Headers", member(cors, "ExposeHeaders"),
                   (struct str){0});
        return;
    }
    reply_list(req, "Access-Control-Allow-Methods", member(cors, "AllowMethods"),
               http_request_header(req, "Access-Control-Request-Method"));
    reply_list(req, "Access-Control-Allow-Headers", member(cors, "AllowHeaders"),
               http_request_header(req, "Access-Control-Request-Headers"));
    if (json_integer_value(age) > 0) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(age));
        http_reply_header(req, "Access-Control-Max-Age", text);
    }
}
