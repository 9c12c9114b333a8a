// SPDX-License-Identifier: Apache-2.0
// Policy documents: checked when parsed, so that asking cannot fail.
#include "iam/policy.h"
#include "base/buf.h"
#include "base/mem.h"
#include "format/json.h"
#include "iam/condition.h"

#include <ctype.h>

#define STATEMENTS_MAX 512

struct policy {
    json_t *statements; // a list of checked objects
};

bool policy_match(struct str p, struct str t, bool ignore_case)
{
    size_t at = 0, from = 0, star = SIZE_MAX, resume = 0;
    while (at < t.size) {
        bool same = from < p.size && (p.at[from] == '?' || p.at[from] == t.at[at] ||
                                      (ignore_case && tolower((unsigned char)p.at[from]) ==
                                                          tolower((unsigned char)t.at[at])));
        if (from < p.size && p.at[from] == '*') {
            star = from++;
            resume = at;
        } else if (same) {
            from++;
            at++;
        } else if (star != SIZE_MAX) {
            from = star + 1;
            at = ++resume;
        } else {
            return false;
        }
    }
    while (from < p.size && p.at[from] == '*') {
        from++;
    }
    return from == p.size;
}

// ── parsing ──

static int strings_check(const json_t *value, size_t number, const char *element, struct err *err)
{
    if (json_is_string(value)) {
        return 0;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                           "statement %zu: %s: item %zu is %s, not a string", number, element,
                           i + 1, json_kind_name(json_array_get(value, i)));
        }
    }
    if (!json_is_array(value) || json_array_size(value) == 0) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                       "statement %zu: %s must be a string or a list of strings", number, element);
    }
    return 0;
}

// Exactly one of the pair must be there.
static int pair_check(const json_t *s, size_t number, const char *yes, const char *no,
                      struct err *err)
{
    const json_t *a = json_object_get(s, yes);
    const json_t *b = json_object_get(s, no);
    if (!a == !b) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                       "statement %zu needs either %s or %s", number, yes, no);
    }
    return strings_check(a ? a : b, number, a ? yes : no, err);
}

static int elements_check(const json_t *s, size_t number, struct err *err)
{
    static const char *const known[] = {"Sid",       "Effect",    "Action",
                                        "NotAction", "Resource",  "NotResource",
                                        "Condition", "Principal", "NotPrincipal"};
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach((json_t *)s, name, value)
    {
        bool found = false;
        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            found = found || strcmp(name, known[i]) == 0;
        }
        if (!found) {
            return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                           "statement %zu: %.100s is no element of a statement", number, name);
        }
    }
    return 0;
}

static int statement_check(const json_t *s, size_t number, struct err *err)
{
    if (!json_is_object(s)) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument", "statement %zu is %s", number,
                       json_kind_name(s));
    }
    TRY(elements_check(s, number, err));
    struct str effect = json_str(json_object_get(s, "Effect"));
    if (!str_eq(effect, STR("Allow")) && !str_eq(effect, STR("Deny"))) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                       "statement %zu: Effect must be Allow or Deny", number);
    }
    TRY(pair_check(s, number, "Action", "NotAction", err));
    bool trust = json_object_get(s, "Principal") && !json_object_get(s, "Resource");
    if (!trust) { // a role's trust policy names no resource
        TRY(pair_check(s, number, "Resource", "NotResource", err));
    }
    return condition_check(json_object_get(s, "Condition"), number, err);
}

int policy_parse(struct str json, struct policy **ret, struct err *err)
{
    CLEAN_JSON json_t *document = NULL;
    TRY(json_parse(json, &document, err));
    json_t *statements =
        json_is_array(document) ? document : json_object_get(document, "Statement");
    CLEAN_JSON json_t *one = json_is_object(statements) ? json_pack("[O]", statements) : NULL;
    statements = one ? one : statements;
    if (!json_is_array(statements) || json_array_size(statements) > STATEMENTS_MAX) {
        return err_aws(err, ERR_INVALID, "MalformedPolicyDocument",
                       "a policy needs a Statement: an object or a list of at most %d",
                       STATEMENTS_MAX);
    }
    for (size_t i = 0; i < json_array_size(statements); i++) {
        TRY(statement_check(json_array_get(statements, i), i + 1, err));
    }
    struct policy *policy = NEW(struct policy);
    policy->statements = json_incref(statements);
    *ret = policy;
    return 0;
}

void policy_free(struct policy *policy)
{
    if (policy) {
        json_decref(policy->statements);
        free(policy);
    }
}

// ── asking ──

// Does any of the strings (one, or a list) match? Variables are filled in for resources.
static bool any_matches(const json_t *patterns, struct str text, bool ignore_case,
                        const struct policy_question *q)
{
    size_t count = json_is_array(patterns) ? json_array_size(patterns) : 1;
    for (size_t i = 0; i < count; i++) {
        struct str raw = json_str(json_is_array(patterns) ? json_array_get(patterns, i) : patterns);
        CLEAN(buf_done) struct buf pattern = BUF_INIT(8192);
        condition_expand(raw, q, &pattern);
        if (buf_ok(&pattern) && policy_match(buf_str(&pattern), text, ignore_case)) {
            return true;
        }
    }
    return false;
}

static bool part_applies(const json_t *s, const char *yes, const char *no, struct str text,
                         bool ignore_case, const struct policy_question *q)
{
    const json_t *patterns = json_object_get(s, yes);
    if (patterns) {
        return any_matches(patterns, text, ignore_case, q);
    }
    patterns = json_object_get(s, no);
    return patterns && !any_matches(patterns, text, ignore_case, q);
}

// "*", or {"AWS": "arn:…"}, {"Service": ["lambda.amazonaws.com"]}; an AWS principal may be "*", too.
static bool principal_applies(const json_t *s, const struct policy_question *q)
{
    const json_t *principal = json_object_get(s, "Principal");
    if (!q->principal || str_eq(json_str(principal), STR("*"))) {
        return true;
    }
    const json_t *names = json_object_get(principal, q->principal->kind);
    size_t count = json_is_array(names) ? json_array_size(names) : names ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        struct str want = json_str(json_is_array(names) ? json_array_get(names, i) : names);
        if (str_eq(want, STR("*"))) {
            return true;
        }
        for (size_t j = 0; j < ARRAY_SIZE(q->principal->names); j++) {
            if (want.size && str_eq(want, q->principal->names[j])) {
                return true;
            }
        }
    }
    return false;
}

static bool statement_applies(const json_t *s, const struct policy_question *q)
{
    return principal_applies(s, q) && part_applies(s, "Action", "NotAction", q->action, true, q) &&
           part_applies(s, "Resource", "NotResource", q->resource, false, q) &&
           condition_holds(json_object_get(s, "Condition"), q);
}

enum policy_answer policy_ask(const struct policy *policy, const struct policy_question *q)
{
    enum policy_answer answer = POLICY_SILENT;
    for (size_t i = 0; i < json_array_size(policy->statements); i++) {
        const json_t *s = json_array_get(policy->statements, i);
        if (!statement_applies(s, q)) {
            continue;
        }
        if (str_eq(json_str(json_object_get(s, "Effect")), STR("Deny"))) {
            return POLICY_DENIES;
        }
        answer = POLICY_ALLOWS;
    }
    return answer;
}
