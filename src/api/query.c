// SPDX-License-Identifier: Apache-2.0
// The query protocol's frame around operations: the form, the signature, the transaction, the XML.
#include "api/query.h"
#include "api/authorize.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/uri.h"

int query_param(const struct query_call *call, const char *name, struct buf *out, struct err *err)
{
    int rc = uri_query_get(buf_str(&call->body), str_of(name), out, err);
    return rc < 0 ? err_aws(err, ERR_INVALID, "ValidationError", "%s cannot be decoded", name) : rc;
}

int query_need(const struct query_call *call, const char *name, struct buf *out, struct err *err)
{
    int rc = query_param(call, name, out, err);
    if (rc == 0 || (rc > 0 && out->size == 0)) {
        return err_aws(err, ERR_INVALID, "ValidationError",
                       "1 validation error detected: Value at '%s' failed to satisfy constraint: "
                       "Member must not be null",
                       name);
    }
    return rc;
}

static void call_free(struct query_call *call)
{
    buf_done(&call->body);
    buf_done(&call->result);
    free(call);
}

static void reply(struct query_call *call, int status, struct buf *xml)
{
    if (call->req) {
        http_reply_header(call->req, "Content-Type", "text/xml");
        http_reply_header(call->req, "x-amzn-RequestId", call->req->id);
        http_reply_buf(call->req, status, xml);
    }
}

static void reply_fail(struct query_call *call, const struct err *err)
{
    int status = err_http_status(err->code);
    if (status >= 500) {
        log_error("%s: %s", call->service->name, err->text);
    }
    CLEAN(buf_done) struct buf xml = BUF_INIT(QUERY_REPLY_MAX);
    buf_printf(&xml, "<ErrorResponse xmlns=\"%s\">", call->service->namespace);
    xml_open(&xml, "Error");
    xml_text_element(&xml, "Type", status < 500 ? STR("Sender") : STR("Receiver"));
    xml_text_element(&xml, "Code", str_of(err_aws_name(err)));
    xml_text_element(&xml, "Message",
                     status < 500 ? str_of(err->text) : STR("The request could not be served."));
    xml_close(&xml, "Error");
    xml_text_element(&xml, "RequestId", str_of(call->req ? call->req->id : ""));
    xml_close(&xml, "ErrorResponse");
    reply(call, status, &xml);
}

static void reply_result(struct query_call *call)
{
    CLEAN(buf_done) struct buf xml = BUF_INIT(QUERY_REPLY_MAX + 4096);
    buf_printf(&xml, "<%sResponse xmlns=\"%s\">", call->op->action, call->service->namespace);
    if (call->result.size) {
        buf_printf(&xml, "<%sResult>", call->op->action);
        buf_add_str(&xml, buf_str(&call->result));
        buf_printf(&xml, "</%sResult>", call->op->action);
    }
    xml_open(&xml, "ResponseMetadata");
    xml_text_element(&xml, "RequestId", str_of(call->req ? call->req->id : ""));
    xml_close(&xml, "ResponseMetadata");
    buf_printf(&xml, "</%sResponse>", call->op->action);
    reply(call, 200, &xml);
}

static int call_run(struct store_task *task, struct db *db, struct err *err)
{
    struct query_call *call = CONTAINER_OF(task, struct query_call, task);
    return call->op->run(call, db, err);
}

static void call_done(struct store_task *task)
{
    struct query_call *call = CONTAINER_OF(task, struct query_call, task);
    call->submitted = false;
    authorize_changed();
    if (task->rc < 0) {
        reply_fail(call, &task->err);
    } else {
        reply_result(call);
    }
    if (!call->req) {
        call_free(call);
    }
}

static int signature_check(struct query_call *call, struct err *err)
{
    struct checksum sum;
    uint8_t hash[CHECKSUM_SIZE_MAX];
    char hex[2 * CHECKSUM_SIZE_MAX + 1];
    checksum_init(&sum, CHECKSUM_SHA256);
    checksum_add(&sum, buf_str(&call->body));
    hex_write(hash, checksum_end(&sum, hash), hex);
    return auth_body(call->api, call->req, AUTH_STYLE_JSON, &call->auth, hex, err);
}

static int op_find(struct query_call *call, struct err *err)
{
    CLEAN(buf_done) struct buf action = BUF_INIT(128);
    TRY(query_need(call, "Action", &action, err));
    for (size_t i = 0; i < call->service->op_count; i++) {
        if (strcmp(buf_text(&action), call->service->ops[i].action) == 0) {
            call->op = &call->service->ops[i];
            return 0;
        }
    }
    return err_aws(err, ERR_INVALID, "InvalidAction", "The action %s is not served here.",
                   action.at);
}

// Everybody may ask who they are; STS judges AssumeRole itself.
static int rights_check(struct query_call *call, struct err *err)
{
    if (strcmp(call->service->name, "sts") == 0) {
        return 0;
    }
    CLEAN_MEM char *action = mem_printf("%s:%s", call->service->name, call->op->action);
    return authorize(call->api, call->req, &call->auth, AUTH_STYLE_S3, action, STR("*"), NULL, 0,
                     err);
}

static void on_body(struct http_request *req, struct str piece)
{
    struct query_call *call = req->data;
    buf_add_str(&call->body, piece);
}

static void on_end(struct http_request *req)
{
    struct query_call *call = req->data;
    struct err err = {0};
    int rc = buf_ok(&call->body) ? 0 : err_set(&err, ERR_LIMIT, "The request is too large.");
    rc = rc < 0 ? rc : signature_check(call, &err);
    if (rc >= 0 && call->body.size == 0) {
        buf_add_str(&call->body, req->query); // GET /?Action=…
    }
    rc = rc < 0 ? rc : op_find(call, &err);
    rc = rc < 0 ? rc : rights_check(call, &err);
    if (rc < 0) {
        reply_fail(call, &err);
        return;
    }
    call->now_ms = clock_wall_ms();
    call->task.run = call_run;
    call->task.on_done = call_done;
    call->submitted = true;
    store_submit(call->api->store, &call->task);
}

static void on_closed(struct http_request *req)
{
    struct query_call *call = req->data;
    call->req = NULL;
    if (!call->submitted) {
        call_free(call);
    }
}

static const struct http_handler query_handler = {
    .on_body = on_body, .on_end = on_end, .on_closed = on_closed};

const struct http_handler *query_route(struct http_request *req, struct api *api,
                                       const struct query_service *service)
{
    struct query_call *call = NEW(struct query_call);
    call->req = req;
    call->api = api;
    call->service = service;
    buf_init(&call->body, QUERY_BODY_MAX);
    buf_init(&call->result, QUERY_REPLY_MAX);
    req->data = call;
    struct err err = {0};
    if (auth_headers(api, req, AUTH_STYLE_JSON, &call->auth, &err) < 0) {
        reply_fail(call, &err);
    }
    return &query_handler;
}
