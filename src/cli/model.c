// SPDX-License-Identifier: Apache-2.0
// rouse model inspect: what is in a model file. The runner, which has the engine, looks; this lays out what
// it found for people. The other words of `rouse model` have files of their own.
#include "cli/model.h"
#include "cli/model_store.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

#include <sys/stat.h>

static const struct option options[] = {
    {"labels", 0, "N", "inspect: how many classes there are, when known"},
    MODEL_QUANTIZE_OPTIONS,
    MODEL_BENCH_OPTIONS,
    MODEL_STORE_OPTIONS,
    REMOTE_OPTIONS,
};

// ---- for people

static void add_shape(struct buf *out, const json_t *shape)
{
    size_t i;
    json_t *dim;
    buf_add_char(out, '[');
    json_array_foreach((json_t *)(uintptr_t)shape, i, dim)
    {
        buf_add_text(out, i ? ", " : "");
        if (json_is_string(dim)) {
            buf_add_str(out, json_str(dim));
        } else if (json_integer_value(dim) < 0) {
            buf_add_text(out, "any");
        } else {
            buf_printf(out, "%lld", (long long)json_integer_value(dim));
        }
    }
    buf_add_char(out, ']');
}

static void print_values(const char *title, const json_t *values)
{
    size_t i, widest = 0;
    json_t *value;
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        size_t size = json_str(json_object_get(value, "name")).size;
        widest = size > widest ? size : widest;
    }
    widest = widest < 40 ? widest : 40;
    printf("%s%s:%s\n", terminal_on(DIM, false), title, terminal_off(false));
    json_array_foreach((json_t *)(uintptr_t)values, i, value)
    {
        CLEAN(buf_done) struct buf shape = BUF_INIT(64 * 1024);
        struct str name = json_str(json_object_get(value, "name"));
        struct str type = json_str(json_object_get(value, "type"));
        add_shape(&shape, json_object_get(value, "shape"));
        printf("  " STR_FMT "%*s  %-8.*s %s\n", STR_ARG(name),
               (int)(widest > name.size ? widest - name.size : 0), "", STR_ARG(type),
               buf_text(&shape));
    }
}

// {"Relu": 3, "Conv": 2} as "Relu 3, Conv 2".
void model_add_pairs(struct buf *out, const json_t *object)
{
    const char *key;
    json_t *value;
    const char *comma = "";
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        buf_printf(out, "%s%s ", comma, key);
        if (json_is_string(value)) {
            buf_add_str(out, json_str(value));
        } else {
            json_write(value, out);
        }
        comma = ", ";
    }
}

static bool is_values(const json_t *value)
{
    const json_t *first = json_array_get(value, 0);
    return json_is_array(value) && json_object_get(first, "name") &&
           json_object_get(first, "shape");
}

static void print_member(const char *key, const json_t *value)
{
    const char *dim = terminal_on(DIM, false), *off = terminal_off(false);
    size_t i;
    json_t *one;
    if (is_values(value)) {
        print_values(key, value);
        return;
    }
    if (json_is_array(value) && json_is_string(json_array_get(value, 0))) {
        printf("%s%s:%s\n", dim, key, off);
        json_array_foreach((json_t *)(uintptr_t)value, i, one)
        {
            printf("  - " STR_FMT "\n", STR_ARG(json_str(one)));
        }
        return;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(MODEL_REPORT_MAX);
    bool bytes =
        (strcmp(key, "size") == 0 || strcmp(key, "weight_bytes") == 0) && json_is_integer(value);
    if (bytes) {
        size_add_human(&text, (uint64_t)json_integer_value(value));
    } else if (json_is_object(value)) {
        model_add_pairs(&text, value);
    } else if (json_is_string(value)) {
        buf_add_str(&text, json_str(value));
    } else {
        json_write(value, &text);
    }
    printf("%s%s:%s %s\n", dim, key, off, buf_text(&text));
}

static void print_report(const json_t *report)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)report, key, value)
    {
        bool empty = json_is_null(value) || (json_is_array(value) && json_array_size(value) == 0) ||
                     (json_is_object(value) && json_object_size(value) == 0);
        if (!empty && strcmp(key, "yaml") != 0 && strcmp(key, "ok") != 0) {
            print_member(key, value);
        }
    }
    struct str yaml = json_str(json_object_get(report, "yaml"));
    if (yaml.size) {
        printf("\n%s# A model.yaml to start from:%s\n" STR_FMT, terminal_on(DIM, false),
               terminal_off(false), STR_ARG(yaml));
    }
}

int model_inspect(const char *file, const char *labels, json_t **ret, struct err *err)
{
    struct stat st;
    if (stat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", file);
    }
    const char *argv[] = {"inspect", file, labels ? "--labels" : NULL, labels, NULL};
    return model_run_runner(argv, file, ret, err);
}

static int inspect(const struct args *args, struct err *err)
{
    CLEAN_JSON json_t *report = NULL;
    TRY(model_inspect(args->rest[1], args_get(args, "labels"), &report, err));
    if (args_has(args, "json")) {
        cli_print_json(report);
    } else {
        print_report(report);
    }
    return 0;
}

static const struct {
    const char *name, *usage;
    size_t arguments; // its own name included
    int (*run)(const struct args *args, struct err *err);
} words[] = {
    {"inspect", "FILE", 2, inspect},
    {"quantize", "IN.onnx OUT.onnx", 3, model_quantize},
    {"prepare", "FILE", 2, model_prepare},
    {"bench", "FILE", 2, model_bench},
    {"push", "FILE | http(s)://… --sha256 DIGEST | s3://BUCKET/KEY", 2, model_push},
    {"ls", "", 1, model_ls},
    {"rm", "DIGEST | NAME", 2, model_rm},
};

static int run(const struct args *args, struct err *err)
{
    const char *names[ARRAY_SIZE(words)];
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        names[i] = words[i].name;
        if (strcmp(args->rest[0], words[i].name) != 0) {
            continue;
        }
        if (args->rest_count != words[i].arguments) {
            bool few = args->rest_count < words[i].arguments;
            return err_set(err, ERR_INVALID, "%s: rouse model %s %s",
                           few ? "something is missing" : "one too many", words[i].name,
                           words[i].usage);
        }
        return words[i].run(args, err);
    }
    const char *meant = nearest_word(str_of(args->rest[0]), names, ARRAY_SIZE(names));
    return err_set(err, ERR_INVALID, "there is no \"rouse model %s\"%s%s%s", args->rest[0],
                   meant ? ", did you mean \"" : "; see rouse model --help", meant ? meant : "",
                   meant ? "\"?" : "");
}

const struct verb verb_model = {
    .name = "model",
    .usage = "inspect FILE | quantize IN.onnx OUT.onnx | prepare FILE | bench FILE | push SOURCE | "
             "ls | rm MODEL",
    .summary = "say what is in a model file, make it faster, keep it on the server",
    .details =
        "inspect: its inputs and outputs, opset and size, what Rouse guesses of it and why, and a "
        "model.yaml to start from.\n"
        "quantize: computes with bytes (int8) where that is faster here and keeps the answers. "
        "Pictures or payloads to calibrate with come from a folder; where it holds a labels.tsv "
        "(name, tab, class index) right answers are counted, else what the two models agree on. "
        "How pictures become inputs is read from model.yaml, as in a package. When float is best, "
        "nothing is written and the exit status is 7. See docs/quantize.md.\n"
        "prepare: what deploying does to a model: optimised for this processor, mapped, compared "
        "with "
        "the original; and what that brings.\n"
        "bench: how many answers a second, how late, and how much memory, by threads and batch; "
        "each "
        "pair in a process of its own, as an instance is.\n"
        "push: brings a model into the server's store, once; deployments that have it send "
        "nothing. "
        "From a file, from the web (with the SHA-256 that it must have), or from a bucket. A push "
        "that was cut off goes on where it was.\n"
        "ls, rm: what is in the store, and who uses it; what a function uses is not removed. See "
        "docs/models.md.",
    .words = "inspect quantize prepare bench push ls rm",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .least = 1,
    .most = 3,
    .run = run,
};
