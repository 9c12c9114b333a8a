// SPDX-License-Identifier: Apache-2.0
// The process that quantizes: reads its arguments, goes behind walls with what it needs, and prints a
// report. A model is somebody's file, so it is opened where it can do no harm.
#include "runner/quantize_main.h"
#include "base/mem.h"
#include "format/json.h"
#include "quantize/ranges.h"
#include "runner/describe.h"
#include "runner/files.h"
#include "runner/package.h"
#include "runner/quantize.h"
#include "sandbox/jail.h"

#include <getopt.h>
#include <stdio.h>

struct request {
    const char *model, *yaml;
    struct quantize_options options;
};

static int find_word(const char *text, const char *const *words, int *ret)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *ret = i;
            return 0;
        }
    }
    return -1;
}

int quantize_option(struct quantize_options *ret, int option, const char *text)
{
    const char *const calibrations[] = {range_method_name(RANGE_MINMAX),
                                        range_method_name(RANGE_PERCENTILE),
                                        range_method_name(RANGE_ENTROPY), NULL};
    int method = 0;
    uint64_t bits = 0;
    switch (option) {
    case 'm':
        TRY(find_word(text, quantize_methods, &method));
        ret->method = (enum quantize_method)method;
        return 0;
    case 'r': return find_word(text, calibrations, &ret->calibration);
    case 'b':
        ret->weight_bits = str_to_u64(str_of(text), &bits) ? (int)bits : 0;
        return bits == 7 || bits == 8 ? 0 : -1;
    case 'k': return str_to_double(str_of(text), &ret->bound) ? 0 : -1;
    case 'c': ret->samples = text; return 0;
    case 'p': ret->progress = true; return 0;
    default: return -1;
    }
}

static int read_arguments(int argc, char **argv, struct request *ret)
{
    static const struct option options[] = {{"method", required_argument, NULL, 'm'},
                                            {"ranges", required_argument, NULL, 'r'},
                                            {"weight-bits", required_argument, NULL, 'b'},
                                            {"calibrate", required_argument, NULL, 'c'},
                                            {"keep-accuracy", required_argument, NULL, 'k'},
                                            {"yaml", required_argument, NULL, 'y'},
                                            {"progress", no_argument, NULL, 'p'},
                                            {0}};
    *ret = (struct request){.options = QUANTIZE_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 'y') {
            ret->yaml = optarg;
        } else {
            TRY(quantize_option(&ret->options, c, optarg));
        }
    }
    if (argc - optind != 2) {
        return -1;
    }
    ret->model = argv[optind];
    ret->options.work = argv[optind + 1];
    return 0;
}

static int enter(const struct request *r, struct err *err)
{
    struct jail jail = {
        .readable = {files_folder(r->model), files_folder(r->yaml), str_of(r->options.samples)},
        .readable_count = 3,
        .writable = str_of(r->options.work),
        .file_size_max = UINT64_MAX};
    struct jail_report report;
    jail_prepare(JAIL_MODEL);
    return jail_enter(&jail, &report, err);
}

static int quantize(const struct request *r, json_t *report, struct err *err)
{
    struct engine *engine = NULL;
    struct package *package = NULL;
    TRY(engine_start("onnx", &(struct engine_options){0}, &engine, err));
    int rc = enter(r, err);
    rc = rc < 0 ? rc : package_check_file(r->model, err);
    rc = rc < 0 ? rc : package_of_model(r->model, r->yaml, &package, err);
    rc = rc < 0 ? rc : package_load(package, engine, NULL, 1, err);
    rc = rc < 0 ? rc : quantize_package(package, engine, &r->options, report, err);
    package_free(package);
    engine_stop(engine);
    return rc;
}

int quantize_main(int argc, char **argv)
{
    struct request request;
    if (read_arguments(argc, argv, &request) < 0) {
        return 2;
    }
    CLEAN_JSON json_t *report = json_object();
    struct err err = {0};
    int rc = quantize(&request, report, &err);
    json_put_bool(report, "ok", rc >= 0);
    if (rc < 0) {
        json_put_str(report, "error", str_of(err.text));
        json_put_int(report, "code", rc);
    }
    describe_print(report);
    return rc < 0 ? 1 : 0;
}
