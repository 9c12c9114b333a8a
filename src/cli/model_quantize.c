// SPDX-License-Identifier: Apache-2.0
// rouse model quantize: hands the work to rouse-runner, in a folder beside the output, and shows what came
// of it. The output appears by a rename, whole or not at all.
#include "cli/cli.h"
#include "cli/model.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MADE "model.onnx" // by the runner, in its folder

// ---- the folder

static int remove_each(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

void model_remove_folder(const char *path)
{
    (void)nftw(path, remove_each, 8, FTW_DEPTH | FTW_PHYS);
}

static void work_clean(char **work)
{
    if (*work) {
        model_remove_folder(*work);
        free(*work);
    }
}

static int make_work(const char *out, char **ret, struct err *err)
{
    struct stat st;
    if (stat(out, &st) == 0 && S_ISDIR(st.st_mode)) {
        return err_set(err, ERR_INVALID, "%s is a folder", out);
    }
    CLEAN_MEM char *beside = mem_printf("%s.work-XXXXXX", out);
    if (!mkdtemp(beside)) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "cannot write %s",
                         out);
    }
    char *work = realpath(beside, NULL);
    if (!work) {
        rmdir(beside);
        return err_errno(err, ERR_IO, errno, "cannot write %s", out);
    }
    *ret = work;
    return 0;
}

// Absolute, since the runner looks from within its walls. NULL stays NULL.
static int make_absolute(const char *path, char **ret, struct err *err)
{
    if (path) {
        *ret = realpath(path, NULL);
        if (!*ret) {
            return err_errno(err, ERR_NOT_FOUND, errno, "%s", path);
        }
    }
    return 0;
}

// ---- for people

static void print_head(const json_t *report, const char *file)
{
    const json_t *samples = json_object_get(report, "samples");
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, (uint64_t)json_integer_value(json_at(report, "original.size")));
    printf("%smodel:%s   %s, " STR_FMT ", %s\n", terminal_on(DIM, false), terminal_off(false), file,
           STR_ARG(json_str(json_object_get(report, "task"))), buf_text(&size));
    printf("%ssamples:%s %lld%s\n", terminal_on(DIM, false), terminal_off(false),
           (long long)json_integer_value(json_object_get(samples, "count")),
           json_is_true(json_object_get(samples, "random"))     ? ", made up: give real ones with "
                                                                  "--calibrate"
           : json_is_true(json_object_get(samples, "labelled")) ? ", labelled"
                                                                : "");
    struct str why = json_str(json_object_get(samples, "why"));
    if (why.size) {
        printf("         %lld left out, the first for: " STR_FMT "\n",
               (long long)json_integer_value(json_object_get(samples, "left_out")), STR_ARG(why));
    }
    struct str metric = json_str(json_object_get(report, "metric"));
    if (metric.size) {
        printf("%sloss of:%s " STR_FMT ", at most %g\n", terminal_on(DIM, false),
               terminal_off(false), STR_ARG(metric),
               json_real_value(json_object_get(report, "bound")));
    }
    long long bits = (long long)json_integer_value(json_object_get(report, "weight_bits"));
    printf("%sweights:%s of %lld bits%s\n\n", terminal_on(DIM, false), terminal_off(false), bits,
           bits == 7 ? ", since sums of larger ones saturate on processors without VNNI" : "");
}

static void print_row(const json_t *row, bool kept)
{
    CLEAN(buf_done) struct buf name = BUF_INIT(256);
    buf_add_str(&name, json_str(json_object_get(row, "method")));
    struct str ranges = json_str(json_object_get(row, "calibration"));
    if (ranges.size) {
        buf_printf(&name, " (" STR_FMT ")", STR_ARG(ranges));
    }
    struct str why = json_str(json_object_get(row, "why"));
    if (why.size) {
        printf("%-22s " STR_FMT "\n", buf_text(&name), STR_ARG(why));
        return;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, (uint64_t)json_integer_value(json_object_get(row, "size")));
    printf("%-22s %10s %9.2f %8.2f %8.4f%s%s%s\n", buf_text(&name), buf_text(&size),
           json_real_value(json_object_get(row, "ms")),
           json_real_value(json_object_get(row, "speedup")),
           json_real_value(json_object_get(row, "loss")), terminal_on(GREEN, false),
           kept ? "  kept" : "", terminal_off(false));
}

static void print_rows(const json_t *report)
{
    const json_t *rows = json_object_get(report, "candidates"),
                 *kept = json_object_get(report, "kept");
    double original_ms = 0;
    size_t i;
    json_t *row;
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        double ms = json_real_value(json_object_get(row, "original_ms"));
        original_ms = ms > 0 && (original_ms == 0 || ms < original_ms) ? ms : original_ms;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, (uint64_t)json_integer_value(json_at(report, "original.size")));
    printf("%s%-22s %10s %9s %8s %8s%s\n", terminal_on(DIM, false), "", "size", "ms", "faster",
           "loss", terminal_off(false));
    printf("%-22s %10s %9.2f\n", "original", buf_text(&size), original_ms);
    json_array_foreach((json_t *)(uintptr_t)rows, i, row)
    {
        print_row(row, json_is_integer(kept) && (size_t)json_integer_value(kept) == i);
    }
}

static void print_pairs(const char *title, const json_t *counts)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    if (json_object_size(counts)) {
        model_add_pairs(&text, counts);
        printf("%s%s%s %s\n", terminal_on(DIM, false), title, terminal_off(false), buf_text(&text));
    }
}

static bool is_alike(const json_t *a, const json_t *b)
{
    return json_equal(json_object_get(a, "op"), json_object_get(b, "op")) &&
           json_equal(json_object_get(a, "why"), json_object_get(b, "why"));
}

// Those that could have been quantized, a line for each reason.
static void print_left(const json_t *left)
{
    size_t count = json_array_size(left);
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(left, i);
        size_t before = 0, more = 0;
        for (size_t k = 0; k < count; k++) {
            bool alike = k != i && is_alike(one, json_array_get(left, k));
            before += alike && k < i;
            more += alike && k > i;
        }
        if (before == 0) {
            struct str name = json_str(json_object_get(one, "node"));
            printf("  - %zu " STR_FMT " (" STR_FMT "%s): " STR_FMT "\n", more + 1,
                   STR_ARG(json_str(json_object_get(one, "op"))), STR_ARG(name), more ? ", …" : "",
                   STR_ARG(json_str(json_object_get(one, "why"))));
        }
    }
}

static void print_report(const json_t *report, const char *file)
{
    print_head(report, file);
    print_rows(report);
    puts("");
    print_pairs("quantized:", json_object_get(report, "quantized"));
    print_pairs("float:    ", json_object_get(report, "float"));
    print_left(json_object_get(report, "left"));
}

// ---- the word

// Options that go to the runner as they are.
static size_t pass_on(const struct args *args, const char **argv, size_t count)
{
    static const char *const names[] = {"method", "keep-accuracy", "ranges", "weight-bits"};
    static const char *const options[] = {"--method", "--keep-accuracy", "--ranges",
                                          "--weight-bits"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (args_has(args, names[i])) {
            argv[count++] = options[i];
            argv[count++] = args_get(args, names[i]);
        }
    }
    return count;
}

static int check_options(const struct args *args, struct err *err)
{
    static const struct {
        const char *name, *words; // between bars
    } options[] = {{"method", "|auto|dynamic|static|"},
                   {"ranges", "|minmax|percentile|entropy|"},
                   {"weight-bits", "|7|8|"}};
    for (size_t i = 0; i < ARRAY_SIZE(options); i++) {
        const char *value = args_get(args, options[i].name);
        CLEAN_MEM char *barred = mem_printf("|%s|", value ? value : "");
        if (value && str_find_str(str_of(options[i].words), str_of(barred)) < 0) {
            return err_set(err, ERR_INVALID, "--%s must be one of %s, not %s", options[i].name,
                           options[i].words, value);
        }
    }
    const char *text = args_get(args, "keep-accuracy");
    double loss = 0;
    if (text && (!str_to_double(str_of(text), &loss) || !(loss >= 0 && loss <= 1))) {
        return err_set(err, ERR_INVALID, "--keep-accuracy must be a number from 0 to 1, not %s",
                       text);
    }
    return 0;
}

static int run_quantize(const struct args *args, const char *work, json_t **ret, struct err *err)
{
    CLEAN_MEM char *model = NULL, *samples = NULL, *yaml = NULL;
    TRY(make_absolute(args->rest[1], &model, err));
    TRY(make_absolute(args_get(args, "calibrate"), &samples, err));
    TRY(make_absolute(args_get(args, "yaml"), &yaml, err));
    const char *argv[24] = {"quantize", model, work};
    size_t count = pass_on(args, argv, 3);
    if (samples) {
        argv[count++] = "--calibrate";
        argv[count++] = samples;
    }
    if (yaml) {
        argv[count++] = "--yaml";
        argv[count++] = yaml;
    }
    if (!args_has(args, "json")) {
        argv[count++] = "--progress";
    }
    return model_run_runner(argv, args->rest[1], ret, err);
}

int model_quantize(const struct args *args, struct err *err)
{
    const char *out = args->rest[2];
    CLEAN(work_clean) char *work = NULL;
    CLEAN_JSON json_t *report = NULL;
    TRY(check_options(args, err));
    TRY(make_work(out, &work, err));
    TRY(run_quantize(args, work, &report, err));
    if (args_has(args, "json")) {
        cli_print_json(report);
    } else {
        print_report(report, args->rest[1]);
    }
    if (!json_is_integer(json_object_get(report, "kept"))) {
        return err_set(err, ERR_LIMIT, "float stays, nothing was written: " STR_FMT,
                       STR_ARG(json_str(json_object_get(report, "reason"))));
    }
    CLEAN_MEM char *made = mem_printf("%s/" MADE, work);
    if (rename(made, out) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", out);
    }
    terminal_notice("Wrote %s.", out);
    return 0;
}
