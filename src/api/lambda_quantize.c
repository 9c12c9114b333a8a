// SPDX-License-Identifier: Apache-2.0
// Quantizing models of functions that ask for it: in the background, after the model was prepared as it
// is, so that the function serves meanwhile. What comes of it is one change: the versions that have this
// code get another prepared folder, or the reason why not.
//
//     nothing yet ──Kept───► prepared = …/quantized-<handler>-<sum>     "InProgress" is nothing yet:
//                 ├─Float──► float stays, it is better here             a restart begins it again
//                 └─Failed─► float stays, it could not be tried
#include "api/lambda.h"
#include "base/clock.h"
#include "base/log.h"
#include "core/uuid.h"
#include "observe/logs.h"

#include <stdio.h>

#define STATUS_MAX    8192
#define CALIBRATE_MAX 1024

struct quantization { // of one package with one handler and one set of options
    struct prepare_task prepare;
    struct lambda_function *function;
    struct function *version; // a reference: the first that asked
    char *out, accuracy[32];
    json_t *options, *status; // what was asked for, and what came of it
    struct lambda_turn turn;  // to write that
    struct list link;         // in lambda->quantizing
};

// ---- what a version asks for

// "Quantize" of its configuration, a new reference; NULL: nothing.
static json_t *options_of(const struct function *version)
{
    CLEAN_JSON json_t *extra = NULL;
    if (!version->extra || !lambda_needs_preparation(version) ||
        json_parse_object(str_of(version->extra), &extra, NULL) < 0) {
        return NULL;
    }
    return json_incref(json_object_get(extra, "Quantize"));
}

static bool waits(const struct function *version)
{
    CLEAN_JSON json_t *options = options_of(version);
    return options && version->state == FUNCTION_ACTIVE && version->prepared && !version->quantized;
}

static bool is_for(const struct quantization *q, const struct function *version)
{
    CLEAN_JSON json_t *options = options_of(version);
    return waits(version) && lambda_same_code(version, q->version) &&
           json_equal(options, q->options);
}

static bool is_wanted(const struct quantization *q)
{
    const struct lambda_function *f = q->function;
    bool wanted = f->latest && is_for(q, f->latest);
    for (size_t i = 0; i < f->version_count; i++) {
        wanted = wanted || is_for(q, f->versions[i]);
    }
    return wanted;
}

void lambda_quantize_forget(struct function *fresh)
{
    lambda_text_set(&fresh->quantized, NULL);
    if (fresh->prepared) {
        free(fresh->prepared);
        fresh->prepared = lambda_prepared_folder(fresh);
    }
}

void lambda_quantize_compare(struct function *fresh, const struct function *was)
{
    CLEAN_JSON json_t *now = options_of(fresh);
    CLEAN_JSON json_t *before = options_of(was);
    bool same = now && before ? json_equal(now, before) : now == before;
    if (!same && fresh->quantized) {
        lambda_quantize_forget(fresh);
    }
}

static int bad_option(struct err *err, const char *member, const char *text)
{
    return err_aws(err, ERR_INVALID, "InvalidParameterValueException", "Quantize.%s %s", member,
                   text);
}

int lambda_quantize_check(const json_t *input, const struct function *f, struct err *err)
{
    static const char *const methods[] = {"auto", "dynamic", "static"};
    json_t *options = NULL;
    struct str method = {0}, samples = {0};
    TRY(json_get_object(input, "Quantize", &options, err));
    if (json_object_size(options) == 0) {
        return 0;
    }
    TRY(json_get_str(input, "Quantize.Method", &method, err));
    TRY(json_get_str(input, "Quantize.Calibrate", &samples, err));
    bool known = false;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        known = known || str_eq(method, str_of(methods[i]));
    }
    const json_t *accuracy = json_object_get(options, "KeepAccuracy");
    double loss = json_number_value(accuracy);
    if (!known) {
        return bad_option(err, "Method", "must be auto, dynamic or static");
    }
    if (accuracy && !(json_is_number(accuracy) && loss >= 0 && loss <= 1)) {
        return bad_option(err, "KeepAccuracy", "must be a number from 0 to 1");
    }
    if (samples.size > CALIBRATE_MAX || str_starts(samples, STR("/")) ||
        str_find_str(samples, STR("..")) >= 0) {
        return bad_option(err, "Calibrate", "must be a folder or a file in the package");
    }
    if (!lambda_needs_preparation(f)) {
        return bad_option(err, "Method", "is for functions of the runtime onnx");
    }
    return 0;
}

// ---- what came of it

json_t *lambda_quantize_status(const struct function *version)
{
    CLEAN_JSON json_t *options = options_of(version);
    json_t *status = NULL;
    if (options &&
        (!version->quantized || json_parse_object(str_of(version->quantized), &status, NULL) < 0)) {
        status = json_object();
        json_put_str(status, "State", STR("InProgress"));
    }
    return status;
}

static void copy_number(json_t *to, const char *name, const json_t *from, const char *member)
{
    const json_t *value = json_object_get(from, member);
    if (json_is_number(value)) {
        json_put(to, name, json_copy((json_t *)(uintptr_t)value));
    }
}

static void copy_text(json_t *to, const char *name, const json_t *from, const char *member)
{
    struct str text = str_head(json_str(json_object_get(from, member)), 1024);
    if (text.size) {
        json_put_str(to, name, text);
    }
}

// The process that reports has opened somebody's model: what it says is taken member by member.
static json_t *status_of(const struct prepare_task *task)
{
    json_t *status = json_object();
    CLEAN_JSON json_t *report = NULL;
    if (task->rc < 0 || json_parse_object(buf_str(&task->report), &report, NULL) < 0) {
        json_put_str(status, "State", STR("Failed"));
        json_put_str(status, "Reason", str_of(task->err.text));
        return status;
    }
    const json_t *facts = json_object_get(report, "quantized");
    bool kept = json_is_true(json_object_get(facts, "kept"));
    json_put_str(status, "State", kept ? STR("Kept") : STR("Float"));
    copy_text(status, "Method", facts, "method");
    copy_text(status, "Metric", facts, "metric");
    copy_text(status, "Reason", facts, "reason");
    copy_number(status, "Speedup", facts, "speedup");
    copy_number(status, "Loss", facts, "loss");
    copy_number(status, "Size", facts, "size");
    copy_number(status, "OriginalSize", facts, "original_size");
    copy_number(status, "Samples", facts, "samples");
    json_put_bool(status, "SamplesMadeUp", json_is_true(json_object_get(facts, "made_up")));
    return status;
}

static void tell(const struct quantization *q)
{
    const json_t *status = q->status;
    struct api *api = q->function->lambda->api;
    CLEAN(buf_done) struct buf line = BUF_INIT(STATUS_MAX);
    struct str state = json_str(json_object_get(status, "State"));
    struct str why = json_str(json_object_get(status, "Reason"));
    if (str_eq(state, STR("Kept"))) {
        buf_printf(&line,
                   "Rouse.Quantized: " STR_FMT " int8, %.2f times as fast, loss %.4g (" STR_FMT
                   "; %lld samples%s)\n",
                   STR_ARG(json_str(json_object_get(status, "Method"))),
                   json_number_value(json_object_get(status, "Speedup")),
                   json_number_value(json_object_get(status, "Loss")),
                   STR_ARG(json_str(json_object_get(status, "Metric"))),
                   (long long)json_integer_value(json_object_get(status, "Samples")),
                   json_is_true(json_object_get(status, "SamplesMadeUp")) ? ", made up" : "");
    } else {
        buf_printf(&line, "Rouse.NotQuantized: " STR_FMT ", the model runs as it is: " STR_FMT "\n",
                   STR_ARG(state), STR_ARG(why));
    }
    log_info("function %s: " STR_FMT, q->function->name,
             STR_ARG(str_trim(str_of(buf_text(&line)))));
    if (api->observe) {
        logs_append(api->observe, str_of(q->function->name), clock_wall_ms(), buf_str(&line));
    }
}

static struct function *version_settled(const struct quantization *q,
                                        const struct function *version)
{
    struct function *settled = function_copy(version);
    CLEAN(buf_done) struct buf text = BUF_INIT(STATUS_MAX);
    json_write(q->status, &text);
    lambda_text_set(&settled->quantized, buf_text(&text));
    if (str_eq(json_str(json_object_get(q->status, "State")), STR("Kept"))) {
        lambda_text_set(&settled->prepared, q->out);
        lambda_text_set(&settled->revision, uuid_new().text);
    }
    return settled;
}

static void quantization_free(struct quantization *q)
{
    prepare_cancel(&q->prepare);
    list_remove(&q->turn.link);
    list_remove(&q->link);
    function_unref(q->version);
    json_decref(q->options);
    json_decref(q->status);
    free(q->out);
    free(q);
}

static void quantize_written(struct lambda_change *c)
{
    struct lambda_function *f = lambda_entry(c->lambda, c->name);
    if (c->task.rc < 0) {
        log_error("function %s: its quantized model cannot be recorded: %s", c->name,
                  c->task.err.text);
    }
    lambda_turn_end(&f->line);
    lambda_refresh_look(c->lambda);
}

static void quantize_on_turn(struct lambda_turn *turn)
{
    struct quantization *q = CONTAINER_OF(turn, struct quantization, turn);
    struct lambda_function *f = q->function;
    struct lambda_change *c = lambda_change_new(f->lambda, f, f->name, NULL);
    if (is_for(q, f->latest)) {
        c->latest = version_settled(q, f->latest);
    }
    for (size_t i = 0; i < f->version_count; i++) {
        if (is_for(q, f->versions[i])) {
            c->replace = mem_grow(c->replace, (c->replace_count + 1) * sizeof *c->replace);
            c->replace[c->replace_count++] = version_settled(q, f->versions[i]);
        }
    }
    tell(q);
    quantization_free(q); // nobody begins another before this is written, since the turn is ours
    c->done = quantize_written;
    lambda_write(c);
}

static void quantize_done(struct prepare_task *task)
{
    struct quantization *q = CONTAINER_OF(task, struct quantization, prepare);
    q->status = status_of(task);
    q->turn.on_turn = quantize_on_turn;
    lambda_turn_take(&q->function->line, &q->turn);
}

// ---- its course

// "…/packages/<sha>/quantized-<sum of handler and options>", beside the prepared model.
static char *folder_of(const struct function *version, const json_t *options)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(STATUS_MAX);
    CLEAN_MEM char *prepared = lambda_prepared_folder(version);
    const char *name = strrchr(prepared, '/');
    json_write(options, &text);
    uint64_t sum = checksum_crc(CHECKSUM_CRC32, 0, buf_str(&text));
    return mem_printf("%.*s/quantized-%s-%08llx", (int)(name - prepared), prepared,
                      name + strlen("/prepared-"), (unsigned long long)sum);
}

static void quantize_begin(struct lambda_function *f, struct function *version)
{
    struct lambda *lambda = f->lambda;
    struct quantization *q = NEW(struct quantization);
    q->function = f;
    q->version = function_ref(version);
    q->options = options_of(version);
    q->out = folder_of(version, q->options);
    list_init(&q->turn.link);
    list_push_back(&lambda->quantizing, &q->link);
    q->prepare = (struct prepare_task){.package = q->version->package,
                                       .out = q->out,
                                       .handler = q->version->handler,
                                       .on_done = quantize_done};
    const char **options = q->prepare.options;
    const char *samples = json_string_value(json_object_get(q->options, "Calibrate"));
    const json_t *accuracy = json_object_get(q->options, "KeepAccuracy");
    *options++ = "--quantize";
    *options++ = json_string_value(json_object_get(q->options, "Method"));
    if (samples && *samples) {
        *options++ = "--calibrate";
        *options++ = samples;
    }
    if (accuracy) {
        snprintf(q->accuracy, sizeof q->accuracy, "%g", json_number_value(accuracy));
        *options++ = "--keep-accuracy";
        *options++ = q->accuracy;
    }
    prepare_submit(lambda->quantizer, &q->prepare);
}

static void quantize_version(struct lambda_function *f, struct function *version)
{
    if (!waits(version)) {
        return;
    }
    LIST_EACH(q, &f->lambda->quantizing, struct quantization, link)
    {
        if (q->function == f && is_for(q, version)) {
            return;
        }
    }
    quantize_begin(f, version);
}

void lambda_quantize(struct lambda_function *f)
{
    LIST_EACH(q, &f->lambda->quantizing, struct quantization, link)
    {
        if (q->function == f && !is_wanted(q)) {
            quantization_free(q);
        }
    }
    if (f->latest) {
        quantize_version(f, f->latest);
    }
    for (size_t i = 0; i < f->version_count; i++) {
        quantize_version(f, f->versions[i]);
    }
}

void lambda_quantize_drop(struct lambda_function *f)
{
    LIST_EACH(q, &f->lambda->quantizing, struct quantization, link)
    {
        if (q->function == f) {
            quantization_free(q);
        }
    }
}
