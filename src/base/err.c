// SPDX-License-Identifier: Apache-2.0
// One table of error codes, and the few ways to fill a struct err.
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct err_row {
    int code;
    const char *name;
    const char *aws;
    int http_status;
    int exit_status;
    int retryable;
    const char *text;
};

static const struct err_row err_rows[] = {
#define X(name, value, aws, http, status, retry, text)                                             \
    {value, #name, aws, http, status, retry, text},
    ERR_TABLE(X)
#undef X
};

static const struct err_row *row_find(int code)
{
    for (size_t i = 0; i < sizeof err_rows / sizeof err_rows[0]; i++) {
        if (err_rows[i].code == code) {
            return &err_rows[i];
        }
    }
    return NULL;
}

static int err_fill(struct err *err, int code, const char *aws, const char *fmt, va_list args)
{
    if (err) {
        err->code = code;
        err->aws = aws;
        vsnprintf(err->text, sizeof err->text, fmt, args);
    }
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_fill(err, code, NULL, fmt, args);
    va_end(args);
    return code;
}

int err_aws(struct err *err, int code, const char *aws, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_fill(err, code, aws, fmt, args);
    va_end(args);
    return code;
}

int err_errno(struct err *err, int code, int errnum, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    err_fill(err, code, NULL, fmt, args);
    va_end(args);
    if (err) {
        size_t used = strlen(err->text);
        snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(errnum));
    }
    return code;
}

int err_prefix(struct err *err, const char *fmt, ...)
{
    if (!err) {
        return ERR_INVALID;
    }
    char before[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(before, sizeof before, fmt, args);
    va_end(args);
    char whole[2 * ERR_TEXT_MAX + 2];
    snprintf(whole, sizeof whole, "%s: %s", before, err->text);
    snprintf(err->text, sizeof err->text, "%.*s", ERR_TEXT_MAX - 1, whole);
    return err->code;
}

const char *err_aws_name(const struct err *err)
{
    if (err->aws) {
        return err->aws;
    }
    const struct err_row *row = row_find(err->code);
    return row ? row->aws : "InternalFailure";
}

int err_http_status(int code)
{
    const struct err_row *row = row_find(code);
    return row ? row->http_status : 500;
}

int err_exit_status(int code)
{
    const struct err_row *row = row_find(code);
    return code >= 0 ? 0 : row ? row->exit_status : 1;
}

int err_is_retryable(int code)
{
    const struct err_row *row = row_find(code);
    return row ? row->retryable : 0;
}

const char *err_name(int code)
{
    const struct err_row *row = row_find(code);
    return row ? row->name : code >= 0 ? "OK" : "ERR_UNKNOWN";
}
