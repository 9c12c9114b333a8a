// SPDX-License-Identifier: Apache-2.0
// POST policies: every condition must hold, and every field must be in a condition.
#include "api/s3_policy.h"
#include "base/mem.h"
#include "format/json.h"

#include <time.h>

// Fields that need no condition.
static const char *const exempt[] = {"x-amz-signature", "signature", "awsaccesskeyid", "policy",
                                     "file"};

static int invalid(struct err *err, const char *what)
{
    return err_aws(err, ERR_INVALID, "InvalidPolicyDocument", "Invalid Policy: %s", what);
}

static int denied(struct err *err, const char *what)
{
    return err_aws(err, ERR_DENIED, "AccessDenied", "Invalid according to Policy: %s", what);
}

// "2026-01-02T03:04:05Z", perhaps with a fraction of the second. -1 when malformed.
static int64_t expiration_ms(struct str text)
{
    CLEAN_MEM char *copy = str_dup(text);
    struct tm tm = {0};
    const char *rest = strptime(copy, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest) {
        return -1;
    }
    if (*rest == '.') {
        rest += 1 + strspn(rest + 1, "0123456789");
    }
    return strcmp(rest, "Z") == 0 ? (int64_t)timegm(&tm) * 1000 : -1;
}

struct check {
    const struct s3_form *form;
    struct str bucket;
    bool mentioned[S3_FORM_FIELD_MAX];
    struct s3_policy_bounds bounds;
};

static struct str field_value(struct check *c, struct str name)
{
    if (str_eq_nocase(name, STR("bucket"))) {
        return c->bucket;
    }
    for (size_t i = 0; i < c->form->field_count; i++) {
        if (str_eq_nocase(str_of(c->form->fields[i].name), name)) {
            c->mentioned[i] = true;
        }
    }
    CLEAN_MEM char *text = str_dup(name);
    return str_not_null(s3_form_get(c->form, text));
}

static int condition_check(struct check *c, bool starts, struct str name, struct str wanted,
                           struct err *err)
{
    struct str value = field_value(c, name);
    if (starts ? str_starts(value, wanted) : str_eq(value, wanted)) {
        return 0;
    }
    CLEAN_MEM char *what =
        mem_printf("Policy Condition failed: [\"%s\", \"$" STR_FMT "\", \"" STR_FMT "\"]",
                   starts ? "starts-with" : "eq", STR_ARG(name), STR_ARG(wanted));
    return denied(err, what);
}

static int array_check(struct check *c, const json_t *array, struct err *err)
{
    struct str op = json_str(json_array_get(array, 0));
    json_t *second = json_array_get(array, 1), *third = json_array_get(array, 2);
    if (json_array_size(array) != 3) {
        return invalid(err, "a condition has not three elements");
    }
    if (str_eq_nocase(op, STR("content-length-range"))) {
        if (!json_is_integer(second) || !json_is_integer(third) || json_integer_value(second) < 0 ||
            json_integer_value(third) < 0) {
            return invalid(err, "content-length-range needs two numbers");
        }
        c->bounds.least = (uint64_t)json_integer_value(second);
        c->bounds.most = (uint64_t)json_integer_value(third);
        return 0;
    }
    struct str name = json_str(second), wanted = json_str(third);
    bool starts = str_eq_nocase(op, STR("starts-with"));
    if ((!starts && !str_eq_nocase(op, STR("eq"))) || !wanted.at || !str_starts(name, STR("$"))) {
        return invalid(err, "a condition is neither eq, starts-with nor content-length-range");
    }
    return condition_check(c, starts, str_skip(name, 1), wanted, err);
}

static int conditions_check(struct check *c, const json_t *conditions, struct err *err)
{
    for (size_t i = 0; i < json_array_size(conditions); i++) {
        json_t *one = json_array_get(conditions, i);
        if (json_is_array(one)) {
            TRY(array_check(c, one, err));
            continue;
        }
        if (!json_is_object(one)) {
            return invalid(err, "a condition is neither an object nor an array");
        }
        const char *name;
        json_t *value;
        json_object_foreach(one, name, value)
        {
            if (!json_is_string(value)) {
                return invalid(err, "the value of a condition is not a string");
            }
            TRY(condition_check(c, false, str_of(name), json_str(value), err));
        }
    }
    return 0;
}

static int mentions_check(const struct check *c, struct err *err)
{
    for (size_t i = 0; i < c->form->field_count; i++) {
        struct str name = str_of(c->form->fields[i].name);
        bool free = c->mentioned[i] || str_eq_nocase(str_head(name, 9), STR("x-ignore-")) ||
                    str_eq_nocase(name, STR("bucket"));
        for (size_t j = 0; j < ARRAY_SIZE(exempt) && !free; j++) {
            free = str_eq_nocase(name, str_of(exempt[j]));
        }
        if (!free) {
            CLEAN_MEM char *what = mem_printf("Extra input fields: " STR_FMT, STR_ARG(name));
            return denied(err, what);
        }
    }
    return 0;
}

int s3_policy_check(struct str document, const struct s3_form *form, struct str bucket,
                    int64_t now_ms, struct s3_policy_bounds *ret, struct err *err)
{
    CLEAN_JSON json_t *root = NULL;
    struct str expiration = {0};
    if (json_parse_object(document, &root, NULL) < 0) {
        return invalid(err, "it is not a JSON object");
    }
    if (json_need_str(root, "expiration", &expiration, NULL) < 0) {
        return invalid(err, "Policy missing expiration.");
    }
    json_t *conditions = json_object_get(root, "conditions");
    if (!json_is_array(conditions)) {
        return invalid(err, "Policy missing conditions.");
    }
    int64_t until_ms = expiration_ms(expiration);
    if (until_ms < 0) {
        return invalid(err, "the expiration is not an ISO 8601 time");
    }
    if (now_ms > until_ms) {
        return denied(err, "Policy expired.");
    }
    struct check check = {.form = form, .bucket = bucket, .bounds = {0, UINT64_MAX}};
    TRY(conditions_check(&check, conditions, err));
    TRY(mentions_check(&check, err));
    *ret = check.bounds;
    return 0;
}
