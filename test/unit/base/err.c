// SPDX-License-Identifier: Apache-2.0
// Errors: set once, prefixed, translated to names and statuses, cut rather than overrun.
#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void test_set(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_set(&err, ERR_LIMIT, "%s is %d", "it", 7), ERR_LIMIT);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_string_equal(err.text, "it is 7");
    assert_null(err.aws);
    assert_string_equal(err_aws_name(&err), "RequestEntityTooLargeException");
    assert_int_equal(err_aws(&err, ERR_NOT_FOUND, "NoSuchKey", "no %s", "key"), ERR_NOT_FOUND);
    assert_string_equal(err_aws_name(&err), "NoSuchKey");
    assert_int_equal(err_set(&err, ERR_BUSY, "later"), ERR_BUSY); // the name goes with the text
    assert_string_equal(err_aws_name(&err), "TooManyRequestsException");
}

static void test_nobody_asks(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_IO, "lost %d", 1), ERR_IO);
    assert_int_equal(err_aws(NULL, ERR_IO, "X", "lost"), ERR_IO);
    assert_int_equal(err_errno(NULL, ERR_IO, ENOENT, "lost"), ERR_IO);
    assert_true(err_prefix(NULL, "before") < 0);
}

static void test_errno(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(err_errno(&err, ERR_IO, ENOENT, "cannot open %s", "a"), ERR_IO);
    assert_string_equal(err.text, "cannot open a: No such file or directory");
}

static void test_prefix(void **state)
{
    (void)state;
    struct err err = {0};
    err_aws(&err, ERR_NOT_FOUND, "NoSuchKey", "c");
    assert_int_equal(err_prefix(&err, "b %d", 2), ERR_NOT_FOUND);
    assert_int_equal(err_prefix(&err, "a"), ERR_NOT_FOUND);
    assert_string_equal(err.text, "a: b 2: c");
    assert_string_equal(err_aws_name(&err), "NoSuchKey");
}

static void test_long(void **state)
{
    (void)state;
    struct err err = {0};
    CLEAN_MEM char *text = mem_alloc(10000);
    memset(text, 'x', 9999);
    err_set(&err, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_errno(&err, ERR_INVALID, ENOENT, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_prefix(&err, "%s", text);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_prefix(&err, "before");
    assert_int_equal(strncmp(err.text, "before: xxx", 11), 0);
}

static void test_table(void **state)
{
    (void)state;
#define X(name, value, aws, http, status, retry, words)                                            \
    assert_int_equal(name, value);                                                                 \
    assert_string_equal(err_name(name), #name);                                                    \
    assert_int_equal(err_http_status(name), http);                                                 \
    assert_int_equal(err_exit_status(name), status);                                               \
    assert_int_equal(err_is_retryable(name), retry);                                               \
    assert_true(name < 0 && status > 0);
    ERR_TABLE(X)
#undef X
    struct err unknown = {.code = -99};
    assert_string_equal(err_aws_name(&unknown), "InternalFailure");
    assert_string_equal(err_name(-99), "ERR_UNKNOWN");
    assert_int_equal(err_http_status(-99), 500);
    assert_int_equal(err_exit_status(-99), 1);
    assert_int_equal(err_exit_status(0), 0);
    assert_int_equal(err_exit_status(5), 0);
    assert_int_equal(err_is_retryable(-99), 0);
}

static int passes(int rc, int *reached)
{
    TRY(rc);
    *reached += 1;
    return 7;
}

static void test_try(void **state)
{
    (void)state;
    int reached = 0;
    assert_int_equal(passes(ERR_LOST, &reached), ERR_LOST);
    assert_int_equal(reached, 0);
    assert_int_equal(passes(0, &reached), 7);
    assert_int_equal(passes(3, &reached), 7); // what is not negative is not a failure
    assert_int_equal(reached, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),   cmocka_unit_test(test_nobody_asks),
        cmocka_unit_test(test_errno), cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_long),  cmocka_unit_test(test_table),
        cmocka_unit_test(test_try),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
