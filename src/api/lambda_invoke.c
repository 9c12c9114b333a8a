// SPDX-License-Identifier: Apache-2.0
// Invoke: a payload becomes a job, or a row in the outbox, and passes through unread. The hot path of
// the API.
#include "api/lambda.h"
#include "base/clock.h"
#include "dispatch/dispatch.h"
#include "format/json.h"
#include "store/job.h"

#define CLIENT_CONTEXT_MAX 3583 // bytes, decoded, as Lambda

// ── synchronous ──

static void bytes_free(void *arg)
{
    bytes_unref(arg);
}

void lambda_log_tail(const struct http_request *req, const struct job *job,
                     char out[BASE64_SIZE(LAMBDA_LOG_TAIL) + 1])
{
    struct str text = bytes_str(job->result.log);
    if (!str_eq_nocase(http_request_header(req, "X-Amz-Log-Type"), STR("Tail"))) {
        text.size = 0;
    } else if (text.size > LAMBDA_LOG_TAIL) {
        text = str_skip(text, text.size - LAMBDA_LOG_TAIL);
    }
    base64_write(text.at, text.size, out);
}

void lambda_job_headers(struct http_request *req, const struct job *job, const char *content_type)
{
    http_reply_header(req, "x-amzn-RequestId", job->request_id.text);
    http_reply_header(req, "Content-Type", content_type);
    http_reply_header(req, "X-Amz-Executed-Version", job->function->version);
    if (job->result.tier != TIER_NONE) {
        http_reply_header(req, "X-Rouse-Tier", tier_name(job->result.tier));
    }
}

static void reply_headers(struct http_request *req, const struct job *job)
{
    char number[32], log[BASE64_SIZE(LAMBDA_LOG_TAIL) + 1];
    lambda_job_headers(req, job, "application/json");
    if (job->result.status != JOB_OK) {
        http_reply_header(req, "X-Amz-Function-Error", "Unhandled");
    }
    snprintf(number, sizeof number, "%lld.%03lld", (long long)job->result.duration_us / 1000,
             (long long)job->result.duration_us % 1000);
    http_reply_header(req, "X-Rouse-Duration-Ms", number);
    lambda_log_tail(req, job, log);
    if (*log) {
        http_reply_header(req, "X-Amz-Log-Result", log);
    }
}

static void invoke_settled(struct job *job)
{
    struct lambda_call *call = job->data;
    struct http_request *req = call->req;
    if (job->result.status == JOB_REFUSED) {
        lambda_fail(call, &job->result.err);
    } else if (req) {
        call->replied = true;
        reply_headers(req, job);
        struct bytes *payload = job->result.payload;
        http_reply_borrowed(req, 200, bytes_str(payload), bytes_free,
                            payload ? bytes_ref(payload) : NULL);
    }
    lambda_call_unref(call);
}

static struct bytes *payload_take(struct lambda_call *call)
{
    return call->body.size ? bytes_take(&call->body) : NULL;
}

static void request_id_put(struct uuid *id, const struct lambda_call *call)
{
    _Static_assert(sizeof id->text == sizeof call->req->id, "both are UUIDs");
    memcpy(id->text, call->req->id, sizeof id->text);
}

// Under which name the function was called, where its version does not tell.
static char *invoked_arn(const struct lambda_call *call)
{
    bool told = !call->qualifier || (lambda_is_version(str_of(call->qualifier)) &&
                                     strcmp(call->qualifier, "$LATEST") != 0);
    return told ? NULL : lambda_arn(call->api->lambda, call->name, call->qualifier);
}

// What the caller says of itself and of its trace goes along with the event.
static int context_read(struct lambda_call *call, char **ret, struct err *err)
{
    struct str given = http_request_header(call->req, "X-Amz-Client-Context");
    struct str trace = http_request_header(call->req, "X-Amzn-Trace-Id");
    CLEAN_MEM char *arn = invoked_arn(call);
    if (given.size == 0 && trace.size == 0 && !arn) {
        return 0;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(CLIENT_CONTEXT_MAX);
    CLEAN_JSON json_t *context = json_object();
    json_t *client = NULL;
    struct err why = {0};
    if (given.size && (base64_decode(given, &text, &why) < 0 ||
                       json_parse_object(buf_str(&text), &client, &why) < 0)) {
        return err_aws(err, ERR_INVALID, "InvalidRequestContentException",
                       "Client context must be a valid Base64-encoded JSON object.");
    }
    if (client) {
        json_put(context, "client", client);
    }
    if (trace.size) {
        json_put_str(context, "trace", str_head(trace, 200));
    }
    if (arn) {
        json_put_str(context, "arn", str_of(arn));
    }
    CLEAN(buf_done) struct buf out = BUF_INIT(4 * CLIENT_CONTEXT_MAX);
    json_write(context, &out);
    *ret = buf_steal(&out);
    return 0;
}

int lambda_job_new(struct lambda_call *call, struct function *version, struct job **ret,
                   struct err *err)
{
    char *context = NULL;
    TRY(context_read(call, &context, err));
    struct bytes *payload = payload_take(call);
    struct job *job = job_new(version, payload);
    bytes_unref(payload);
    job->context = context;
    request_id_put(&job->request_id, call);
    *ret = job;
    return 0;
}

static int invoke_sync(struct lambda_call *call, struct function *version, struct err *err)
{
    struct job *job = NULL;
    TRY(lambda_job_new(call, version, &job, err));
    job->on_settled = invoke_settled;
    job->data = lambda_call_ref(call);
    job->at_once =
        true; // saves a turn, in which the connection would be put aside and taken up again
    dispatch_submit(call->api->dispatch, job);
    return 0;
}

// ── asynchronous ──

struct event_write {
    struct store_task task;
    struct lambda_call *call; // a reference
    struct bytes *payload;    // a reference
    char *key;                // of the function, as the dispatcher knows it
    struct uuid request_id;
    int64_t now_ms;
};

static int event_run(struct store_task *task, struct db *db, struct err *err)
{
    struct event_write *w = CONTAINER_OF(task, struct event_write, task);
    struct job_row row = {
        .function = str_of(w->key),
        .payload = w->payload ? bytes_str(w->payload) : STR(""),
        .request_id = str_of(w->request_id.text),
        .created_ms = w->now_ms,
        .due_ms = w->now_ms,
        .attempt = 1,
    };
    int64_t id = job_row_add(db, &row, err);
    return id == 0 ? lambda_not_found(w->call, err) : id < 0 ? (int)id : 0;
}

static void event_done(struct store_task *task)
{
    struct event_write *w = CONTAINER_OF(task, struct event_write, task);
    if (task->rc < 0) {
        lambda_fail(w->call, &task->err);
    } else {
        lambda_reply_empty(w->call, 202);
        dispatch_wake(w->call->api->dispatch, str_of(w->key));
    }
    lambda_call_unref(w->call);
    bytes_unref(w->payload);
    free(w->key);
    free(w);
}

static int invoke_event(struct lambda_call *call, const struct lambda_target *target)
{
    struct event_write *w = NEW(struct event_write);
    w->call = lambda_call_ref(call);
    w->payload = payload_take(call);
    w->key = target->alias ? mem_printf("%s:%s", call->name, target->alias->name)
                           : dispatch_key(target->version);
    w->now_ms = clock_wall_ms();
    request_id_put(&w->request_id, call);
    w->task.run = event_run;
    w->task.on_done = event_done;
    store_submit(call->api->store, &w->task);
    return 0;
}

// ── entry point ──

int lambda_invoke(struct lambda_call *call, struct err *err)
{
    struct lambda_function *f = NULL;
    struct lambda_target target;
    TRY(lambda_need(call, &f, err));
    TRY(lambda_need_target(call, f, /* pick */ true, &target, err));
    struct str type = http_request_header(call->req, "X-Amz-Invocation-Type");
    if (type.size == 0 || str_eq(type, STR("RequestResponse"))) {
        return invoke_sync(call, target.version, err);
    }
    if (str_eq(type, STR("Event"))) {
        return invoke_event(call, &target);
    }
    if (str_eq(type, STR("DryRun"))) {
        lambda_reply_empty(call, 204);
        return 0;
    }
    return err_aws(err, ERR_INVALID, "ValidationException",
                   "1 validation error detected: Value '" STR_FMT
                   "' at 'invocationType' failed to satisfy constraint: Member must satisfy enum "
                   "value set: [Event, DryRun, RequestResponse]",
                   STR_ARG(str_head(type, 40)));
}
