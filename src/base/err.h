// SPDX-License-Identifier: Apache-2.0
// Errors. What can fail returns int (>= 0, or a negative ERR_*), takes `struct err *err` last and
// is MUST_CHECK. The error is set once, where it happens, in words the user can act on. Success
// never touches it; a module border may put one prefix before it; lower text is never replaced.
#pragma once

#include <stddef.h>

#define MUST_CHECK        __attribute__((warn_unused_result))
#define PRINTF_LIKE(f, a) __attribute__((format(printf, f, a)))

// value, AWS error name in general use, HTTP status, exit status of a command, worth a retry
#define ERR_TABLE(X)                                                                               \
    X(ERR_INVALID, -1, "InvalidParameterValueException", 400, 2, 0, "invalid input")               \
    X(ERR_NOT_FOUND, -2, "ResourceNotFoundException", 404, 4, 0, "not found")                      \
    X(ERR_EXISTS, -3, "ResourceConflictException", 409, 5, 0, "already exists")                    \
    X(ERR_DENIED, -4, "AccessDeniedException", 403, 6, 0, "not allowed")                           \
    X(ERR_LIMIT, -5, "RequestEntityTooLargeException", 413, 7, 0, "a limit was reached")           \
    X(ERR_BUSY, -6, "TooManyRequestsException", 429, 8, 1, "too much at once")                     \
    X(ERR_TIMEOUT, -7, "RequestTimeout", 408, 9, 1, "took too long")                               \
    X(ERR_UNAVAILABLE, -8, "ServiceUnavailableException", 503, 10, 1, "not available now")         \
    X(ERR_UNSUPPORTED, -9, "NotImplemented", 501, 11, 0, "not supported")                          \
    X(ERR_PROTOCOL, -10, "InvalidRequestContentException", 400, 12, 0, "malformed message")        \
    X(ERR_CORRUPT, -11, "InternalFailure", 500, 13, 0, "stored data is damaged")                   \
    X(ERR_FUNCTION, -12, "Unhandled", 200, 14, 0, "the function failed")                           \
    X(ERR_LOST, -13, "ServiceException", 502, 15, 1, "the instance was lost")                      \
    X(ERR_IO, -14, "InternalFailure", 500, 16, 1, "input or output failed")                        \
    X(ERR_NO_MEMORY, -15, "InternalFailure", 507, 17, 1, "out of memory")

enum err_code {
#define X(name, value, aws, http, status, retry, text) name = (value),
    ERR_TABLE(X)
#undef X
};

#define ERR_TEXT_MAX 480

// Born zeroed: `struct err err = {0};`. `aws` is a string constant that overrides the table's
// AWS error name (for S3's NoSuchKey and the like), or NULL.
struct err {
    int code;
    const char *aws;
    char text[ERR_TEXT_MAX];
};

// Sets code and text, returns code, so that `return err_set(err, ERR_INVALID, "…")` reads well.
// err may be NULL when the caller does not want to know.
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

// As err_set, with an AWS error name of its own (a string constant: it is not copied).
int err_aws(struct err *err, int code, const char *aws, const char *fmt, ...) PRINTF_LIKE(4, 5);

// As err_set, with ": <strerror(errnum)>" after the text.
int err_errno(struct err *err, int code, int errnum, const char *fmt, ...) PRINTF_LIKE(4, 5);

// Puts "prefix: " before the text that is there. Returns err->code.
int err_prefix(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

const char *err_aws_name(const struct err *err); // never NULL
int err_http_status(int code);                   // 500 for what is not in the table
int err_exit_status(int code);                   // 0 for code >= 0
int err_is_retryable(int code);                  // 1 or 0
const char *err_name(int code);                  // "ERR_INVALID"

// The only macro that returns: passes a failure on as it is.
#define TRY(call)                                                                                  \
    do {                                                                                           \
        int try_rc_ = (call);                                                                      \
        if (try_rc_ < 0) {                                                                         \
            return try_rc_;                                                                        \
        }                                                                                          \
    } while (0)
