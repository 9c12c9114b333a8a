// SPDX-License-Identifier: Apache-2.0
// Condition operators: one table row each.
#include "iam/condition.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"

#include <arpa/inet.h>
#include <stdio.h>

enum kind { KIND_STRING, KIND_LIKE, KIND_NUMBER, KIND_DATE, KIND_BOOL, KIND_IP, KIND_NULL };
enum order { LT = 1, EQ = 2, GT = 4 };

struct operator
{
    const char *name;
    enum kind kind;
    bool ignore_case;
    bool negated;
    int orders; // which results of comparing "context with policy" hold: LT | EQ | GT
};

static const struct operator operators[] = {
    {"StringEquals", KIND_STRING, false, false, 0},
    {"StringNotEquals", KIND_STRING, false, true, 0},
    {"StringEqualsIgnoreCase", KIND_STRING, true, false, 0},
    {"StringNotEqualsIgnoreCase", KIND_STRING, true, true, 0},
    {"StringLike", KIND_LIKE, false, false, 0},
    {"StringNotLike", KIND_LIKE, false, true, 0},
    {"ArnEquals", KIND_LIKE, false, false, 0},
    {"ArnLike", KIND_LIKE, false, false, 0},
    {"ArnNotEquals", KIND_LIKE, false, true, 0},
    {"ArnNotLike", KIND_LIKE, false, true, 0},
    {"NumericEquals", KIND_NUMBER, false, false, EQ},
    {"NumericNotEquals", KIND_NUMBER, false, true, EQ},
    {"NumericLessThan", KIND_NUMBER, false, false, LT},
    {"NumericLessThanEquals", KIND_NUMBER, false, false, LT | EQ},
    {"NumericGreaterThan", KIND_NUMBER, false, false, GT},
    {"NumericGreaterThanEquals", KIND_NUMBER, false, false, GT | EQ},
    {"DateEquals", KIND_DATE, false, false, EQ},
    {"DateNotEquals", KIND_DATE, false, true, EQ},
    {"DateLessThan", KIND_DATE, false, false, LT},
    {"DateLessThanEquals", KIND_DATE, false, false, LT | EQ},
    {"DateGreaterThan", KIND_DATE, false, false, GT},
    {"DateGreaterThanEquals", KIND_DATE, false, false, GT | EQ},
    {"Bool", KIND_BOOL, true, false, 0},
    {"IpAddress", KIND_IP, false, false, 0},
    {"NotIpAddress", KIND_IP, false, true, 0},
    {"Null", KIND_NULL, true, false, 0},
};

enum set { SET_NONE, SET_ANY, SET_ALL };

struct parsed_operator {
    const struct operator* op;
    enum set set;
    bool if_exists;
};

static bool operator_parse(struct str name, struct parsed_operator *ret)
{
    struct parsed_operator p = {0};
    if (str_starts(name, STR("ForAnyValue:"))) {
        p.set = SET_ANY;
        name = str_skip(name, strlen("ForAnyValue:"));
    } else if (str_starts(name, STR("ForAllValues:"))) {
        p.set = SET_ALL;
        name = str_skip(name, strlen("ForAllValues:"));
    }
    if (str_ends(name, STR("IfExists"))) {
        p.if_exists = true;
        name.size -= strlen("IfExists");
    }
    for (size_t i = 0; i < ARRAY_SIZE(operators); i++) {
        if (str_eq(name, str_of(operators[i].name))) {
            p.op = &operators[i];
            *ret = p;
            return true;
        }
    }
    return false;
}

// ── values ──

static struct str context_find(const struct policy_question *q, struct str name)
{
    for (size_t i = 0; i < q->context_count; i++) {
        if (str_eq_nocase(q->context[i].name, name)) {
            return q->context[i].value;
        }
    }
    return (struct str){0};
}

void condition_expand(struct str text, const struct policy_question *q, struct buf *out)
{
    while (text.size) {
        ptrdiff_t at = str_find_str(text, STR("${"));
        struct str inside = at < 0 ? text : str_skip(text, (size_t)at + 2);
        ptrdiff_t end = at < 0 ? -1 : str_find(inside, '}');
        if (end < 0) {
            buf_add_str(out, text);
            return;
        }
        buf_add_str(out, str_head(text, (size_t)at));
        struct str name = str_head(inside, (size_t)end);
        bool literal = name.size == 1 && strchr("*?$", name.at[0]);
        struct str value = literal ? name : context_find(q, name);
        buf_add_str(out, value.at ? value : STR("\x01no such variable\x01"));
        text = str_skip(inside, (size_t)end + 1);
    }
}

// Milliseconds since 1970 of "2026-01-02T03:04:05Z" or of a number of seconds.
static bool date_of(struct str text, double *ret)
{
    if (str_to_double(text, ret)) {
        *ret *= 1000;
        return true;
    }
    char compact[32];
    if (text.size < 20) {
        return false;
    }
    snprintf(compact, sizeof compact, "%.4s%.2s%.2sT%.2s%.2s%.2sZ", text.at, text.at + 5,
             text.at + 8, text.at + 11, text.at + 14, text.at + 17);
    int64_t ms = clock_amz_parse(compact);
    *ret = (double)ms;
    return ms >= 0;
}

static bool ordered(const struct operator* op, struct str have, struct str want)
{
    double a = 0, b = 0;
    bool numbers = op->kind == KIND_DATE ? date_of(have, &a) && date_of(want, &b)
                                         : str_to_double(have, &a) && str_to_double(want, &b);
    int order = a < b ? LT : a > b ? GT : EQ;
    return numbers && (op->orders & order);
}

static bool address_parse(struct str text, unsigned char bytes[16], size_t *ret_size)
{
    CLEAN_MEM char *copy = str_dup(text);
    *ret_size = strchr(copy, ':') ? 16 : 4;
    return inet_pton(*ret_size == 16 ? AF_INET6 : AF_INET, copy, bytes) == 1;
}

// "10.0.0.0/8" or "::1"; a plain address is a range of one.
static bool in_range(struct str have, struct str range)
{
    unsigned char a[16], b[16];
    size_t a_size = 0, b_size = 0;
    struct str base = str_cut(&range, '/');
    uint64_t bits = UINT64_MAX;
    if (!address_parse(have, a, &a_size) || !address_parse(base, b, &b_size) || a_size != b_size ||
        (range.at && !str_to_u64(range, &bits))) {
        return false;
    }
    bits = bits > a_size * 8 ? a_size * 8 : bits;
    for (size_t i = 0; i < bits; i++) {
        unsigned shift = 7 - (unsigned)(i % 8);
        if (((a[i / 8] ^ b[i / 8]) >> shift) & 1) {
            return false;
        }
    }
    return true;
}

static bool value_matches(const struct operator* op, struct str have, struct str want)
{
    switch (op->kind) {
    case KIND_STRING:
    case KIND_BOOL: return op->ignore_case ? str_eq_nocase(have, want) : str_eq(have, want);
    case KIND_LIKE: return policy_match(want, have, false);
    case KIND_NUMBER:
    case KIND_DATE: return ordered(op, have, want);
    case KIND_IP: return in_range(have, want);
    case KIND_NULL: break;
    }
    return false;
}

// ── checking and judging ──

static bool scalar(const json_t *value)
{
    return json_is_string(value) || json_is_number(value) || json_is_boolean(value);
}

int condition_check(const json_t *condition, size_t statement, struct err *err)
{
    if (!condition) {
        return 0;
    }
    if (!json_is_object(condition)) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                       "statement %zu: Condition is %s, not an object", statement,
                       json_kind_name(condition));
    }
    const char *name = NULL;
    json_t *keys = NULL;
    json_object_foreach((json_t *)condition, name, keys)
    {
        struct parsed_operator p = {0};
        if (!operator_parse(str_of(name), &p) || !json_is_object(keys)) {
            return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                           "statement %zu: %.100s is no condition operator with an object of keys",
                           statement, name);
        }
        const char *key = NULL;
        json_t *values = NULL;
        json_object_foreach(keys, key, values)
        {
            bool fine = scalar(values) || json_array_size(values) > 0;
            for (size_t i = 0; i < json_array_size(values); i++) {
                fine = fine && scalar(json_array_get(values, i));
            }
            if (!fine) {
                return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                               "statement %zu: the values of %.100s must be strings", statement,
                               key);
            }
        }
    }
    return 0;
}

// Numbers and booleans may stand in a policy without quotes.
static char *text_of(const json_t *value, const struct policy_question *q)
{
    if (!json_is_string(value)) {
        return json_dumps(value, JSON_ENCODE_ANY);
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(8192);
    condition_expand(json_str(value), q, &text);
    return buf_steal(&text);
}

static bool any_value_matches(const struct operator* op, struct str have, const json_t *values,
                              const struct policy_question *q)
{
    size_t count = json_is_array(values) ? json_array_size(values) : 1;
    for (size_t i = 0; i < count; i++) {
        CLEAN_MEM char *want =
            text_of(json_is_array(values) ? json_array_get(values, i) : values, q);
        if (value_matches(op, have, str_of(want))) {
            return true;
        }
    }
    return false;
}

static bool key_holds(const struct parsed_operator *p, struct str key, const json_t *values,
                      const struct policy_question *q)
{
    bool exists = false;
    bool any = false, all = true;
    for (size_t i = 0; i < q->context_count; i++) {
        if (!str_eq_nocase(q->context[i].name, key)) {
            continue;
        }
        exists = true;
        bool matches = any_value_matches(p->op, q->context[i].value, values, q) != p->op->negated;
        any = any || matches;
        all = all && matches;
    }
    if (p->op->kind == KIND_NULL) {
        const json_t *first = json_is_array(values) ? json_array_get(values, 0) : values;
        CLEAN_MEM char *want = text_of(first, q);
        return str_eq_nocase(str_of(want), exists ? STR("false") : STR("true"));
    }
    if (!exists) {
        return p->if_exists || p->op->negated || p->set == SET_ALL;
    }
    return p->set == SET_ANY ? any : all;
}

bool condition_holds(const json_t *condition, const struct policy_question *q)
{
    const char *name = NULL;
    json_t *keys = NULL;
    json_object_foreach((json_t *)condition, name, keys)
    {
        struct parsed_operator p = {0};
        if (!operator_parse(str_of(name), &p)) {
            return false;
        }
        const char *key = NULL;
        json_t *values = NULL;
        json_object_foreach(keys, key, values)
        {
            if (!key_holds(&p, str_of(key), values, q)) {
                return false;
            }
        }
    }
    return true;
}
