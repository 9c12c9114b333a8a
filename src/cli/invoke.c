// SPDX-License-Identifier: Apache-2.0
// rouse invoke: calls a function and prints its answer.
#include "cli/lambda_api.h"
#include "cli/project.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/base64.h"
#include "format/json.h"

#include <unistd.h>

#define PAYLOAD_MAX (64u * 1024 * 1024)

static const struct option options[] = {
    {"function", 'f', "NAME", "function: its key in serverless.yml here, else its whole name"},
    {"data", 'd', "TEXT", "the payload: JSON or text"},
    {"path", 'p', "FILE", "the payload from a file, an image for example; - is standard input"},
    {"type", 't', "TYPE", "RequestResponse (the default), Event or DryRun"},
    {"qualifier", 'q', "VERSION", "version or alias"},
    {"log", 'l', NULL, "print the end of the function's log too"},
    {"raw", 0, NULL, "print the answer as it is, without layout"},
    SERVICE_OPTIONS,
    {"data-dir", 0, "DIR", "data folder of the local server, for its address and credentials"},
    {"endpoint-url", 0, "URL", "the server (else AWS_ENDPOINT_URL, else the local one)"},
    {"json", 0, NULL, "print JSON: status, tier, duration, answer"},
};

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        char piece[16 * 1024];
        ssize_t got = read(STDIN_FILENO, piece, sizeof piece);
        if (got < 0) {
            return err_set(err, ERR_IO, "standard input could not be read");
        }
        if (got == 0) {
            return 0;
        }
        buf_add(out, piece, (size_t)got);
    }
}

static int read_payload(const struct args *args, struct buf *out, struct err *err)
{
    const char *text = args_get(args, "data");
    const char *path = args_get(args, "path");
    if (text && path) {
        return err_set(err, ERR_INVALID, "either --data or --path, not both");
    }
    if (text) {
        buf_add_text(out, text);
    } else if (path && strcmp(path, "-") == 0) {
        TRY(read_stdin(out, err));
    } else if (path) {
        TRY(file_read(path, out, err));
    }
    return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "the payload is larger than 64 MiB");
}

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
                struct str payload, struct remote_reply *reply, struct err *err)
{
    const char *type = args_get(args, "type") ? args_get(args, "type") : "RequestResponse";
    const char *qualifier = args_get(args, "qualifier");
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "/invocations");
    CLEAN_MEM char *query = qualifier ? mem_printf("Qualifier=%s", qualifier) : NULL;
    TRY(check_type(type, err));
    bool tail =
        (args_has(args, "log") || args_has(args, "json")) && strcmp(type, "RequestResponse") == 0;
    struct remote_request request = {
        .service = "lambda",
        .method = "POST",
        .path = path,
        .query = query,
        .headers = {{"content-type", type_of(payload)},
                    {"x-amz-invocation-type", type},
                    {"x-amz-log-type", tail ? "Tail" : "None"}},
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

// JSON is laid out for people, anything else printed as it is.
static void print_answer(const struct args *args, const struct remote_reply *reply)
{
    CLEAN_JSON json_t *payload = NULL;
    if (args_has(args, "raw") || json_parse(buf_str(&reply->body), &payload, NULL) < 0) {
        fwrite(reply->body.at, 1, reply->body.size, stdout);
        if (!args_has(args, "raw") && reply->body.size) {
            putchar('\n');
        }
        return;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(4 * PAYLOAD_MAX);
    json_write_indented(payload, &text);
    puts(buf_text(&text));
}

static int print_result(const struct args *args, const struct remote_reply *reply, double ms,
                        struct err *err)
{
    if (args_has(args, "json")) {
        print_json(reply, ms);
    } else {
        print_answer(args, reply);
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
    if (reply->function_error) {
        CLEAN_JSON json_t *answer = NULL;
        struct str message = {0};
        if (json_parse(buf_str(&reply->body), &answer, NULL) >= 0) {
            message = json_str(json_object_get(answer, "errorMessage"));
        }
        return err_set(err, ERR_FUNCTION, "the function failed (%s)%s" STR_FMT,
                       reply->function_error, message.size ? ": " : "", STR_ARG(message));
    }
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN_MEM char *name = NULL;
    CLEAN_MEM char *region = NULL;
    CLEAN(buf_done) struct buf payload = BUF_INIT(PAYLOAD_MAX);
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(project_function_name(args, &name, &region, err));
    TRY(read_payload(args, &payload, err));
    TRY(remote_find(args, region, &remote, err));
    int64_t began_us = clock_mono_us();
    TRY(send(args, &remote, name, buf_str(&payload), &reply, err));
    double ms = (double)(clock_mono_us() - began_us) / 1000;
    return print_result(args, &reply, ms, err);
}

const struct verb verb_invoke = {
    .name = "invoke",
    .usage = "-f NAME [-p FILE | -d TEXT] [options]",
    .summary = "call a function and print its answer",
    .details =
        "A failed function prints its error as the answer, and the exit status is that of "
        "\"the function failed\".\nDurationMs of --json is the time of the whole call as seen "
        "from here.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
