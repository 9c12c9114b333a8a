// SPDX-License-Identifier: Apache-2.0
// The verbs of rouse-runner. `--template` is how the server starts it; the others are for
// deploying.
#include "runner/runner.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "runner/channel.h"
#include "runner/devices.h"
#include "runner/inspect.h"
#include "runner/prepare.h"
#include "runner/quantize_main.h"
#include "runner/template.h"
#include "runner/tokenize.h"
#include "sandbox/jail.h"
#include "wire/wire.h"

#include <fcntl.h>
#include <getopt.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char usage[] =
    "usage: rouse-runner --template FD                   serve as the runtime's template\n"
    "       rouse-runner prepare PACKAGE OUT [--handler FILE] [--quantize auto|dynamic|static]\n"
    "                    [--calibrate PATH] [--keep-accuracy LOSS]\n"
    "       rouse-runner prepare --model FILE OUT [--yaml FILE] [--threads N,…] [--batch N,…]\n"
    "                    [--length N] [--ms N]\n"
    "       rouse-runner inspect FILE [--labels N]\n"
    "       rouse-runner tokenize FILE [--max-length N]  JSON texts in, tokens out, line by line\n"
    "       rouse-runner quantize MODEL WORK [--method auto|dynamic|static] [--calibrate PATH]\n"
    "                    [--ranges minmax|percentile|entropy] [--keep-accuracy LOSS]\n"
    "                    [--weight-bits 7|8] [--yaml FILE] [--progress]\n"
    "       rouse-runner devices                         what models can compute on here\n"
    "       rouse-runner --version\n";

// The C library takes huge pages for its heap only when told so before it starts. They make forks
// and first runs cheaper: tensors of a few megabytes are a few page faults instead of a thousand.
static void restart_with_huge_pages(char **argv)
{
    if (!getenv("GLIBC_TUNABLES")) {
        setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 1);
        execv("/proc/self/exe", argv); // if that fails we go on as we are
    }
}

static int run_template(const char *text)
{
    int64_t began_us = clock_mono_us();
    uint64_t fd = 0;
    if (!str_to_u64(str_of(text), &fd) || fd > 1 << 20 || fcntl((int)fd, F_GETFD) < 0) {
        fprintf(stderr, "rouse-runner: %s is no open file descriptor\n", text);
        return 2;
    }
    signal(SIGINT, SIG_IGN); // of a terminal: it means the server, which then closes the sockets
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // the write fails instead
    fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    channel_block((int)fd);
    prctl(PR_SET_NAME, "rouse:template");
    struct template template = {.fd = (int)fd};
    if (engine_start("onnx", &(struct engine_options){0}, &template.engine, &template.engine_err) <
        0) {
        log_warn("%s", template.engine_err.text);
    }
    json_object_seed(0); // here, where there is a /dev/urandom
    jail_prepare(JAIL_MODEL);
    return template_serve(&template, began_us);
}

static int bench_option(struct bench_options *ret, int option, const char *text)
{
    uint64_t number = 0;
    bool is_number = str_to_u64(str_of(text), &number) && number >= 1 && number <= 1000000;
    switch (option) {
    case 't': return bench_list_read(text, 256, &ret->threads);
    case 'b': return bench_list_read(text, 4096, &ret->batches);
    case 'l': ret->length = (int64_t)number; return is_number ? 0 : -1;
    case 's': ret->ms = (int64_t)number; return is_number ? 0 : -1;
    default: return -1;
    }
}

static int read_prepare(int argc, char **argv, struct prepare_request *request,
                        struct bench_options *bench)
{
    static const struct option options[] = {{"handler", required_argument, NULL, 'h'},
                                            {"quantize", required_argument, NULL, 'm'},
                                            {"calibrate", required_argument, NULL, 'c'},
                                            {"keep-accuracy", required_argument, NULL, 'k'},
                                            {"model", no_argument, NULL, 'f'},
                                            {"yaml", required_argument, NULL, 'y'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"length", required_argument, NULL, 'l'},
                                            {"ms", required_argument, NULL, 's'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'h': request->handler = optarg; break;
        case 'f': request->model = true; break;
        case 'y': request->yaml = optarg; break;
        case 'm':
        case 'c':
        case 'k':
            request->quantize = request->quantize || c == 'm';
            TRY(quantize_option(&request->options, c, optarg));
            break;
        default: TRY(bench_option(bench, c, optarg)); request->bench = bench;
        }
    }
    return argc - optind == 2 ? 0 : -1;
}

static int run_prepare(int argc, char **argv)
{
    struct prepare_request request = {.handler = "", .options = QUANTIZE_OPTIONS};
    struct bench_options bench = {
        .threads = {{1}, 1}, .batches = {{1}, 1}, .length = 128, .ms = 500};
    if (read_prepare(argc, argv, &request, &bench) < 0) {
        fputs(usage, stderr);
        return 2;
    }
    request.package = argv[optind];
    request.out = argv[optind + 1];
    int status = prepare_main(&request);
    fflush(NULL);
    _exit(status); // what sanitizers look at when a process ends is outside of its walls
}

static int run_inspect(int argc, char **argv)
{
    uint64_t labels = 0;
    static const struct option options[] = {{"labels", required_argument, NULL, 'l'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'l' || !str_to_u64(str_of(optarg), &labels)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        return 2;
    }
    return inspect_main(argv[optind], (size_t)labels);
}

static int run_tokenize(int argc, char **argv)
{
    uint64_t length_max = 0;
    static const struct option options[] = {{"max-length", required_argument, NULL, 'm'}, {0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'm' || !str_to_u64(str_of(optarg), &length_max)) {
            fputs(usage, stderr);
            return 2;
        }
    }
    if (argc - optind != 1) {
        fputs(usage, stderr);
        return 2;
    }
    return tokenize_main(argv[optind], (size_t)length_max);
}

static int run_quantize(int argc, char **argv)
{
    int status = quantize_main(argc, argv);
    if (status == 2) {
        fputs(usage, stderr);
    }
    fflush(NULL);
    _exit(status); // as above
}

static int show_version(void)
{
    struct engine *engine = NULL;
    struct err err = {0};
    bool have = engine_start("onnx", &(struct engine_options){0}, &engine, &err) == 0;
    printf("rouse-runner " ROUSE_VERSION "\n%s\n", have ? engine->ops->version(engine) : err.text);
    engine_stop(engine);
    return 0;
}

int runner_main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    if (strcmp(verb, "--template") == 0 && argc == 3) {
        restart_with_huge_pages(argv);
        int status = run_template(argv[2]);
        fflush(NULL);
        _exit(status); // forked children must not run what their template registered for its end
    }
    if (strcmp(verb, "prepare") == 0) {
        return run_prepare(argc - 1, argv + 1);
    }
    if (strcmp(verb, "inspect") == 0) {
        return run_inspect(argc - 1, argv + 1);
    }
    if (strcmp(verb, "tokenize") == 0) {
        return run_tokenize(argc - 1, argv + 1);
    }
    if (strcmp(verb, "quantize") == 0) {
        return run_quantize(argc - 1, argv + 1);
    }
    if (strcmp(verb, "devices") == 0 && argc == 2) {
        return devices_main();
    }
    if (strcmp(verb, "--version") == 0) {
        return show_version();
    }
    fputs(usage, stderr);
    return 2;
}
