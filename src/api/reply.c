// SPDX-License-Identifier: Apache-2.0
// The shape of JSON answers and errors. The names, statuses and the case of "Message" are those of
// Lambda's service model.
#include "api/reply.h"
#include "base/log.h"
#include "base/mem.h"
#include "format/json.h"

enum { MESSAGE_LOWER, MESSAGE_UPPER, MESSAGE_BARE }; // bare: without "Type"

static const struct error_shape {
    const char *name;
    int status;
    int message;
} shapes[] = {
    {"AccessDeniedException", 403, MESSAGE_UPPER},
    {"BadRequestException", 400, MESSAGE_BARE},
    {"CodeStorageExceededException", 400, MESSAGE_LOWER},
    {"ConflictException", 409, MESSAGE_BARE},
    {"IncompleteSignatureException", 403, MESSAGE_BARE},
    {"InvalidParameterValueException", 400, MESSAGE_LOWER},
    {"InvalidRequestContentException", 400, MESSAGE_LOWER},
    {"InvalidRuntimeException", 502, MESSAGE_UPPER},
    {"InvalidSignatureException", 403, MESSAGE_BARE},
    {"InvalidZipFileException", 502, MESSAGE_UPPER},
    {"MethodNotAllowedException", 405, MESSAGE_BARE},
    {"MissingAuthenticationTokenException", 403, MESSAGE_BARE},
    {"NotFoundException", 404, MESSAGE_BARE},
    {"NotImplemented", 501, MESSAGE_UPPER},
    {"PolicyLengthExceededException", 400, MESSAGE_LOWER},
    {"PreconditionFailedException", 412, MESSAGE_LOWER},
    {"RequestTooLargeException", 413, MESSAGE_LOWER},
    {"ResourceConflictException", 409, MESSAGE_LOWER},
    {"ResourceInUseException", 400, MESSAGE_UPPER},
    {"ResourceNotFoundException", 404, MESSAGE_UPPER},
    {"ResourceNotReadyException", 502, MESSAGE_LOWER},
    {"ServiceException", 500, MESSAGE_UPPER},
    {"TooManyRequestsException", 429, MESSAGE_LOWER},
    {"UnknownOperationException", 404, MESSAGE_BARE},
    {"UnrecognizedClientException", 403, MESSAGE_BARE},
    {"UnsupportedMediaTypeException", 415, MESSAGE_LOWER},
    {"ValidationException", 400, MESSAGE_BARE},
};

static struct error_shape shape_of(const struct err *err)
{
    const char *name = err_aws_name(err);
    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return shapes[i];
        }
    }
    int status = err_http_status(err->code);
    return (struct error_shape){status >= 500 ? "ServiceException" : name, status, MESSAGE_UPPER};
}

static void reply_buf(struct http_request *req, int status, struct buf *body)
{
    http_reply_header(req, "Content-Type", "application/json");
    http_reply_header(req, "x-amzn-RequestId", req->id);
    http_reply_buf(req, status, body);
}

void reply_json(struct http_request *req, int status, const json_t *json)
{
    struct buf out = BUF_INIT(REPLY_JSON_MAX);
    json_write(json, &out);
    reply_buf(req, status, &out);
}

void reply_empty(struct http_request *req, int status)
{
    http_reply_header(req, "x-amzn-RequestId", req->id);
    http_reply_head(req, status, 0);
}

void reply_error(struct http_request *req, const struct err *err)
{
    struct error_shape shape = shape_of(err);
    struct str text = str_of(err->text);
    if (shape.status >= 500 && err->code != ERR_UNSUPPORTED && !err->aws) {
        log_error(STR_FMT " " STR_FMT " failed: %s (request %s)", STR_ARG(req->method),
                  STR_ARG(req->path), err->text, req->id);
        text = STR("The service encountered an internal error. Its log says more.");
    }
    struct buf out = BUF_INIT(8 * 1024);
    buf_add_char(&out, '{');
    if (strcmp(shape.name, "TooManyRequestsException") == 0) {
        buf_add_text(&out, "\"Reason\":\"ConcurrentInvocationLimitExceeded\",");
        http_reply_header(req, "Retry-After", "1");
    }
    if (shape.message != MESSAGE_BARE) {
        buf_printf(&out, "\"Type\":\"%s\",", shape.status >= 500 ? "Service" : "User");
    }
    buf_add_text(&out, shape.message == MESSAGE_UPPER ? "\"Message\":" : "\"message\":");
    json_quote(&out, text);
    buf_add_char(&out, '}');
    http_reply_header(req, "x-amzn-ErrorType", shape.name);
    reply_buf(req, shape.status, &out);
}
