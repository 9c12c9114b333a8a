// SPDX-License-Identifier: Apache-2.0
// rouse invoke: calls a function and prints its answer.
#include "cli/invoke.h"
#include "cli/lambda_api.h"
#include "cli/project.h"
#include "base/clock.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/base64.h"
#include "format/json.h"

static const struct option options[] = {
    {"function", 'f', "NAME", "function: its key in serverless.yml here, else its whole name"},
    {"data", 'd', "TEXT", "the event: JSON, or text, which is sent as a JSON string"},
    {"path", 'p', "FILE",
     "the event from a file: JSON, YAML, text, a picture; - is standard input"},
    {"raw", 0, NULL, "send the text as a string even if it is JSON"},
    {"context", 0, "JSON", "client context"},
    {"contextPath", 'x', "FILE", "client context from a file"},
    {"type", 't', "TYPE", "RequestResponse (the default), Event or DryRun"},
    {"qualifier", 'q', "VERSION", "version or alias"},
    {"log", 'l', NULL, "print the end of the function's log too"},
    {"env", 'e', "NAME=VALUE", "local: a variable of its environment; may be repeated"},
    {"skip-package", 0, NULL, "local: do not run the project's build commands before"},
    SERVICE_OPTIONS,
    {"data-dir", 0, "DIR", "data folder of the local server, for its address and credentials"},
    {"endpoint-url", 0, "URL", "the server (else AWS_ENDPOINT_URL, else the local one)"},
    {"json", 0, NULL, "print JSON: status, tier, duration, answer"},
};

static int check_type(const char *type, struct err *err)
{
    static const char *const types[] = {"RequestResponse", "Event", "DryRun"};
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (strcmp(types[i], type) == 0) {
            return 0;
        }
    }
    const char *meant = nearest_word(str_of(type), types, ARRAY_SIZE(types));
    return err_set(err, ERR_INVALID, "--type %s: must be RequestResponse, Event or DryRun%s%s%s",
                   type, meant ? ", did you mean " : "", meant ? meant : "", meant ? "?" : "");
}

// What the server is told of the payload's form: an image may be sent as it is.
static const char *type_of(struct str payload)
{
    static const struct {
        struct str magic;
        const char *type;
    } rows[] = {{{"\xff\xd8\xff", 3}, "image/jpeg"},
                {{"\x89PNG", 4}, "image/png"},
                {{"RIFF", 4}, "image/webp"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (str_starts(payload, rows[i].magic)) {
            return rows[i].type;
        }
    }
    return "application/json";
}

static int send(const struct args *args, struct remote *remote, const char *name,
                struct str payload, struct str context, struct remote_reply *reply, struct err *err)
{
    const char *type = args_get(args, "type") ? args_get(args, "type") : "RequestResponse";
    const char *qualifier = args_get(args, "qualifier");
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "/invocations");
    CLEAN_MEM char *query = qualifier ? mem_printf("Qualifier=%s", qualifier) : NULL;
    TRY(check_type(type, err));
    bool tail =
        (args_has(args, "log") || args_has(args, "json")) && strcmp(type, "RequestResponse") == 0;
    CLEAN(buf_done) struct buf client = BUF_INIT(BASE64_SIZE(INVOKE_PAYLOAD_MAX) + 1);
    base64_add(&client, context.at, context.size);
    struct remote_request request = {
        .service = "lambda",
        .method = "POST",
        .path = path,
        .query = query,
        .headers = {{"content-type", type_of(payload)},
                    {"x-amz-invocation-type", type},
                    {"x-amz-log-type", tail ? "Tail" : "None"},
                    {context.size ? "x-amz-client-context" : NULL, buf_text(&client)}},
        .body = payload,
        .timeout_s = 960,
    };
    return remote_call(remote, &request, reply, err);
}

static char *decoded_log(const struct remote_reply *reply)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    if (!reply->log || base64_decode(str_of(reply->log), &text, NULL) < 0) {
        return NULL;
    }
    return mem_dup(buf_text(&text));
}

static void print_json(const struct remote_reply *reply, double ms)
{
    CLEAN_JSON json_t *object = json_object();
    CLEAN_JSON json_t *payload = NULL;
    CLEAN_MEM char *log = decoded_log(reply);
    json_put_int(object, "StatusCode", reply->status);
    json_put(object, "ExecutedVersion", reply->version ? json_string(reply->version) : json_null());
    json_put(object, "Tier", reply->tier ? json_string(reply->tier) : json_null());
    json_put(object, "DurationMs", json_real((double)(int64_t)(ms * 1000 + 0.5) / 1000));
    json_put(object, "FunctionError",
             reply->function_error ? json_string(reply->function_error) : json_null());
    bool parsed = reply->body.size && json_parse(buf_str(&reply->body), &payload, NULL) >= 0;
    json_put(object, "Payload",
             parsed             ? json_incref(payload)
             : reply->body.size ? json_from_str(buf_str(&reply->body))
                                : json_null());
    if (log) {
        json_put_str(object, "Log", str_of(log));
    }
    cli_print_json(object);
}

static int print_result(const struct args *args, const struct remote_reply *reply, double ms,
                        struct err *err)
{
    if (args_has(args, "json")) {
        print_json(reply, ms);
    } else {
        invoke_print_answer(buf_str(&reply->body));
        CLEAN_MEM char *log = args_has(args, "log") ? decoded_log(reply) : NULL;
        if (log) {
            fflush(stdout);
            fprintf(stderr, "%s--------------------------------------------------%s\n%s",
                    terminal_on(DIM, true), terminal_off(true), log);
        }
        if (reply->status == 202) {
            terminal_notice("%s✔%s Accepted: the function will run", terminal_on(GREEN, true),
                            terminal_off(true));
        }
    }
    return reply->function_error ? invoke_failed(buf_str(&reply->body), reply->function_error, err)
                                 : 0;
}

static int check_words(const struct args *args, struct err *err)
{
    static const char *const words[] = {"local"};
    if (args->rest_count && strcmp(args->rest[0], words[0]) != 0) {
        const char *meant = nearest_word(str_of(args->rest[0]), words, ARRAY_SIZE(words));
        return err_set(err, ERR_INVALID, "there is no \"rouse invoke %s\"%s", args->rest[0],
                       meant ? ", did you mean \"rouse invoke local\"?"
                             : "; the function's name follows -f");
    }
    static const char *const local_only[] = {"env", "skip-package"};
    static const char *const remote_only[] = {"type", "qualifier", "log", "json"};
    bool local = args->rest_count > 0;
    const char *const *not_here = local ? remote_only : local_only;
    size_t count = local ? ARRAY_SIZE(remote_only) : ARRAY_SIZE(local_only);
    for (size_t i = 0; i < count; i++) {
        if (args_has(args, not_here[i])) {
            return err_set(err, ERR_INVALID, "--%s is of rouse invoke%s", not_here[i],
                           local ? ", not of rouse invoke local" : " local");
        }
    }
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN_MEM char *name = NULL;
    CLEAN_MEM char *region = NULL;
    CLEAN(buf_done) struct buf payload = BUF_INIT(INVOKE_PAYLOAD_MAX);
    CLEAN(buf_done) struct buf context = BUF_INIT(INVOKE_PAYLOAD_MAX);
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(check_words(args, err));
    if (args->rest_count) {
        return invoke_local(args, err);
    }
    TRY(project_function_name(args, &name, &region, err));
    TRY(invoke_payload(args, &payload, err));
    TRY(invoke_context(args, &context, err));
    TRY(remote_find(args, region, &remote, err));
    int64_t began_us = clock_mono_us();
    TRY(send(args, &remote, name, buf_str(&payload), buf_str(&context), &reply, err));
    double ms = (double)(clock_mono_us() - began_us) / 1000;
    return print_result(args, &reply, ms, err);
}

const struct verb verb_invoke = {
    .name = "invoke",
    .usage = "[local] -f NAME [-d TEXT | -p FILE] [options]",
    .summary = "call a function and print its answer",
    .details =
        "A failed function prints its error as the answer, and the exit status is that of "
        "\"the function failed\".\nDurationMs of --json is the time of the whole call as seen "
        "from here.\n\nrouse invoke local runs the function here instead, from the files in this "
        "folder, as an ordinary program of\nyours with the environment it would have: no server is "
        "needed and no walls stand. What it prints goes to\nstandard error. If a local server has "
        "run, AWS_ENDPOINT_URL and credentials lead there.",
    .words = "local",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .most = 1,
    .run = run,
};
