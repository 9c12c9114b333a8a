// SPDX-License-Identifier: Apache-2.0
// Tables of what is never the same twice. Events are made by format/http_event.c and s3event.c, or
// sent by somebody who had them from AWS.
#include "format/event_key.h"
#include "base/mem.h"
#include "format/json.h"

#define VARY_MAX 256

static const char *const http_volatile[] = {
    "/requestContext/requestId",
    "/requestContext/extendedRequestId",
    "/requestContext/time",
    "/requestContext/timeEpoch",
    "/requestContext/requestTime",
    "/requestContext/requestTimeEpoch",
    "/requestContext/http/sourceIp",
    "/requestContext/http/userAgent",
    "/requestContext/identity/sourceIp",
    "/requestContext/identity/userAgent",
};

static const char *const s3_volatile[] = {
    "/eventTime",           "/responseElements", "/requestParameters/sourceIPAddress",
    "/s3/object/eTag",      "/s3/object/size",   "/s3/object/sequencer",
    "/s3/object/versionId",
};

// A name that ends in '-' stands for all that begin so.
static const char *const headers_volatile[] = {
    "amz-sdk-",
    "baggage",
    "cache-control",
    "connection",
    "content-length",
    "date",
    "dnt",
    "expect",
    "forwarded",
    "keep-alive",
    "pragma",
    "priority",
    "referer",
    "sec-",
    "te",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade-insecure-requests",
    "user-agent",
    "via",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-user-agent",
    "x-amzn-trace-id",
    "x-correlation-id",
    "x-forwarded-",
    "x-real-ip",
    "x-request-id",
};

// ── JSON pointers ──

// The next token of a pointer, unescaped.
static void token_next(struct str *rest, struct buf *out)
{
    *rest = str_skip(*rest, 1);
    ptrdiff_t end = str_find(*rest, '/');
    struct str token = end < 0 ? *rest : str_head(*rest, (size_t)end);
    *rest = str_skip(*rest, token.size);
    buf_clear(out);
    for (size_t i = 0; i < token.size; i++) {
        bool escaped = token.at[i] == '~' && i + 1 < token.size;
        i += escaped;
        buf_add_char(out, !escaped ? token.at[i] : token.at[i] == '1' ? '/' : '~');
    }
}

static json_t *member(json_t *json, const char *token)
{
    uint64_t index = 0;
    if (json_is_array(json) && str_to_u64(str_of(token), &index)) {
        return json_array_get(json, index);
    }
    return json_object_get(json, token);
}

static json_t *pointed(json_t *json, struct str pointer)
{
    CLEAN(buf_done) struct buf token = BUF_INIT(VARY_MAX);
    while (pointer.size && json) {
        token_next(&pointer, &token);
        json = member(json, buf_text(&token));
    }
    return json;
}

static void pointed_remove(json_t *json, const char *pointer)
{
    const char *last = strrchr(pointer, '/');
    json_object_del(pointed(json, str_n(pointer, (size_t)(last - pointer))), last + 1);
}

// ── headers ──

static bool varies(const json_t *vary, const char *name)
{
    for (size_t i = 0; i < json_array_size(vary); i++) {
        if (str_eq_nocase(json_str(json_array_get(vary, i)), str_of(name))) {
            return true;
        }
    }
    return false;
}

static bool header_is_volatile(const char *name, const json_t *value)
{
    struct str first = json_str(json_is_array(value) ? json_array_get(value, 0) : value);
    if (strcasecmp(name, "authorization") == 0) {
        return str_starts(first, STR("AWS4-HMAC-SHA256 "));
    }
    for (size_t i = 0; i < ARRAY_SIZE(headers_volatile); i++) {
        struct str known = str_of(headers_volatile[i]);
        bool begins = str_ends(known, STR("-"));
        struct str head = begins ? str_head(str_of(name), known.size) : str_of(name);
        if (str_eq_nocase(head, known)) {
            return true;
        }
    }
    return false;
}

static void headers_strip(json_t *headers, const json_t *vary)
{
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(headers, next, name, value)
    {
        if (header_is_volatile(name, value) && !varies(vary, name)) {
            json_object_del(headers, name);
        }
    }
}

// ── events ──

static void strip_all(json_t *json, const char *const *pointers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        pointed_remove(json, pointers[i]);
    }
}

static enum event_kind kind_of(const json_t *event)
{
    const json_t *context = json_object_get(event, "requestContext");
    const json_t *records = json_object_get(event, "Records");
    if (json_is_object(json_object_get(json_array_get(records, 0), "s3"))) {
        return EVENT_S3;
    }
    bool http = json_is_object(context) && json_is_object(json_object_get(event, "headers"));
    return http ? EVENT_HTTP : EVENT_OTHER;
}

// What the pointers of `vary` lead to, to be put back beside the rest; NULL: nothing.
static json_t *pointed_all(json_t *event, const json_t *vary)
{
    json_t *all = NULL;
    for (size_t i = 0; i < json_array_size(vary); i++) {
        struct str pointer = json_str(json_array_get(vary, i));
        json_t *there = str_starts(pointer, STR("/")) ? pointed(event, pointer) : NULL;
        if (there) {
            CLEAN_MEM char *name = str_dup(pointer);
            all = all ? all : json_object();
            json_put(all, name, json_deep_copy(there));
        }
    }
    return all;
}

enum event_kind event_key_strip(json_t *event, const json_t *vary)
{
    enum event_kind kind = kind_of(event);
    json_t *kept = kind == EVENT_OTHER ? NULL : pointed_all(event, vary);
    if (kind == EVENT_HTTP) {
        strip_all(event, http_volatile, ARRAY_SIZE(http_volatile));
        headers_strip(json_object_get(event, "headers"), vary);
        headers_strip(json_object_get(event, "multiValueHeaders"), vary);
    } else if (kind == EVENT_S3) {
        size_t i;
        json_t *record;
        json_array_foreach(json_object_get(event, "Records"), i, record)
        {
            strip_all(record, s3_volatile, ARRAY_SIZE(s3_volatile));
        }
    }
    if (kept) {
        json_put(event, "", kept); // a name that no event has
    }
    return kind;
}

// ── answers ──

// The first value of a header, in any case, of any of the two members.
static struct str answer_header(const json_t *answer, const char *wanted)
{
    static const char *const members[] = {"headers", "multiValueHeaders"};
    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(answer, members[i]), name, value)
        {
            struct str text = json_str(json_is_array(value) ? json_array_get(value, 0) : value);
            if (strcasecmp(name, wanted) == 0) {
                return str_not_null(text);
            }
        }
    }
    return (struct str){0};
}

static bool control_allows(struct str control)
{
    static const struct str words[] = {{"no-store", 8}, {"no-cache", 8}, {"private", 7}};
    while (control.at) {
        struct str part = str_trim(str_cut(&control, ','));
        part = str_cut(&part, '=');
        for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
            if (str_eq_nocase(part, words[i])) {
                return false;
            }
        }
    }
    return true;
}

bool event_key_may_keep(struct str text)
{
    CLEAN_JSON json_t *answer = NULL;
    struct err ignored = {0};
    if (json_parse(text, &answer, &ignored) < 0 || !json_object_get(answer, "statusCode")) {
        return true; // a body of its own
    }
    json_t *code = json_object_get(answer, "statusCode");
    uint64_t status = (uint64_t)json_integer_value(code);
    if (json_is_string(code) && !str_to_u64(json_str(code), &status)) {
        return false;
    }
    return status >= 200 && status < 300 &&
           json_array_size(json_object_get(answer, "cookies")) == 0 &&
           !answer_header(answer, "set-cookie").at &&
           control_allows(answer_header(answer, "cache-control"));
}

int event_key_vary_check(struct str text, struct err *err)
{
    bool pointer = str_starts(text, STR("/"));
    bool fine = text.size > 0 && text.size <= VARY_MAX;
    for (size_t i = 0; i < text.size && fine; i++) {
        char c = text.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        fine = pointer ? (unsigned char)c >= ' ' : letter || (c && strchr("!#$%&'*+-.^_`|~", c));
    }
    return fine ? 0
                : err_set(err, ERR_INVALID,
                          "\"" STR_FMT "\" is neither the name of a header nor a JSON pointer, "
                          "which begins with /",
                          STR_ARG(str_head(text, 60)));
}
