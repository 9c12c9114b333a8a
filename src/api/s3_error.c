// SPDX-License-Identifier: Apache-2.0
// Errors as S3 gives them: a code from its list with that code's status, and an XML document.
// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
#include "api/s3.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mem.h"

static const struct {
    const char *code;
    int status;
} codes[] = {
    {"AccessControlListNotSupported", 400},
    {"AccessDenied", 403},
    {"AuthorizationHeaderMalformed", 400},
    {"AuthorizationQueryParametersError", 400},
    {"BadDigest", 400},
    {"BadRequest", 400},
    {"BucketAlreadyExists", 409},
    {"BucketAlreadyOwnedByYou", 409},
    {"BucketNotEmpty", 409},
    {"ConditionalRequestConflict", 409},
    {"EntityTooLarge", 400},
    {"EntityTooSmall", 400},
    {"ExpiredToken", 400},
    {"IllegalLocationConstraintException", 400},
    {"IncompleteBody", 400},
    {"IncorrectNumberOfFilesInPostRequest", 400},
    {"InternalError", 500},
    {"InvalidAccessKeyId", 403},
    {"InvalidArgument", 400},
    {"InvalidBucketName", 400},
    {"InvalidDigest", 400},
    {"InvalidLocationConstraint", 400},
    {"InvalidPart", 400},
    {"InvalidPartNumber", 416},
    {"InvalidPartOrder", 400},
    {"InvalidPolicyDocument", 400},
    {"InvalidRange", 416},
    {"InvalidRequest", 400},
    {"InvalidSecurity", 403},
    {"InvalidStorageClass", 400},
    {"InvalidTag", 400},
    {"InvalidToken", 400},
    {"InvalidURI", 400},
    {"KeyTooLongError", 400},
    {"MalformedPOSTRequest", 400},
    {"MalformedXML", 400},
    {"MaxMessageLengthExceeded", 400},
    {"MaxPostPreDataLengthExceededError", 400},
    {"MetadataTooLarge", 400},
    {"MethodNotAllowed", 405},
    {"MissingContentLength", 411},
    {"MissingRequestBodyError", 400},
    {"MissingSecurityHeader", 400},
    {"NoSuchBucket", 404},
    {"NoSuchBucketPolicy", 404},
    {"NoSuchCORSConfiguration", 404},
    {"NoSuchKey", 404},
    {"NoSuchLifecycleConfiguration", 404},
    {"NoSuchObjectLockConfiguration", 404},
    {"NoSuchPublicAccessBlockConfiguration", 404},
    {"NoSuchTagSet", 404},
    {"NoSuchUpload", 404},
    {"NoSuchVersion", 404},
    {"NoSuchWebsiteConfiguration", 404},
    {"NotImplemented", 501},
    {"ObjectLockConfigurationNotFoundError", 404},
    {"OperationAborted", 409},
    {"PreconditionFailed", 412},
    {"ReplicationConfigurationNotFoundError", 404},
    {"RequestExpired", 400},
    {"RequestTimeTooSkewed", 403},
    {"RequestTimeout", 400},
    {"ServerSideEncryptionConfigurationNotFoundError", 404},
    {"ServiceUnavailable", 503},
    {"SignatureDoesNotMatch", 403},
    {"SlowDown", 503},
    {"TokenRefreshRequired", 400},
    {"UnexpectedContent", 400},
    {"UserKeyMustBeSpecified", 400},
    {"XAmzContentChecksumMismatch", 400},
    {"XAmzContentSHA256Mismatch", 400},
};

static int code_status(const char *code)
{
    for (size_t i = 0; code && i < ARRAY_SIZE(codes); i++) {
        if (strcmp(codes[i].code, code) == 0) {
            return codes[i].status;
        }
    }
    return 0;
}

const char *s3_error_code(const struct err *err)
{
    if (code_status(err->aws)) {
        return err->aws;
    }
    switch (err->code) {
    case ERR_INVALID: return "InvalidArgument";
    case ERR_PROTOCOL: return "InvalidRequest";
    case ERR_DENIED: return "AccessDenied";
    case ERR_LIMIT: return "EntityTooLarge";
    case ERR_BUSY: return "SlowDown";
    case ERR_UNAVAILABLE: return "ServiceUnavailable";
    case ERR_UNSUPPORTED: return "NotImplemented";
    default: return "InternalError";
    }
}

int s3_error_status(const struct err *err)
{
    return code_status(s3_error_code(err));
}

static void error_write(struct s3_request *r, const struct err *err, struct str message,
                        struct buf *out)
{
    const char *code = s3_error_code(err);
    xml_begin(out);
    xml_open(out, "Error");
    xml_text_element(out, "Code", str_of(code));
    xml_text_element(out, "Message", message);
    if (strcmp(code, "NoSuchKey") == 0) {
        xml_text_element(out, "Key", r->key);
    } else if (strncmp(code, "NoSuchBucket", 12) == 0 || strncmp(code, "Bucket", 6) == 0) {
        xml_text_element(out, "BucketName", r->bucket);
    }
    auth_explain(r->req, err, out);
    xml_text_element(out, "Resource", r->req->path);
    xml_text_element(out, "RequestId", str_of(r->id));
    xml_text_element(out, "HostId", str_of(r->id));
    xml_close(out, "Error");
}

void s3_fail(struct s3_request *r, const struct err *err)
{
    CHECK(!r->replied);
    const char *code = s3_error_code(err);
    int status = code_status(code);
    struct str message = str_of(err->text);
    if (status >= 500 && err->code != ERR_UNSUPPORTED) {
        log_error("s3: %s of " STR_FMT "/" STR_FMT " failed: %s", r->op ? r->op->name : "request",
                  STR_ARG(r->bucket), STR_ARG(r->key), err->text);
        message = STR("We encountered an internal error. Please try again.");
    }
    if (!r->req) {
        r->replied = true;
        return;
    }
    if (str_eq(r->req->method, STR("HEAD"))) {
        r->replied = true;
        http_reply_header(r->req, "Content-Type", "application/xml");
        http_reply_head(r->req, status, 0);
        return;
    }
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_DOCUMENT_MAX);
    error_write(r, err, message, &out);
    r->replied = true;
    http_reply_header(r->req, "Content-Type", "application/xml");
    http_reply_buf(r->req, status, &out);
}
