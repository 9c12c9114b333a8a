// SPDX-License-Identifier: Apache-2.0
// Any bytes through all of the quantizer but the engine: what it takes it can write again.
#include "base/check.h"
#include "base/mem.h"
#include "format/json.h"
#include "quantize/dynamic.h"
#include "quantize/float16.h"
#include "quantize/report.h"
#include "quantize/static.h"
#include "quantize/tidy.h"
#include "quantize/upgrade.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_written(const struct graph *graph)
{
    CHECK(onnx__model_proto__get_packed_size(graph->model) > 0);
}

static int count_external(void *ctx, Onnx__TensorProto *tensor)
{
    *(size_t *)ctx += tidy_is_external(tensor);
    return 0;
}

static int read_base(const uint8_t *data, size_t size, struct graph *ret, struct err *err)
{
    TRY(graph_read(str_n(data, size), ret, err));
    size_t external = 0;
    CHECK(tidy_each_tensor(ret, count_external, &external) == 0);
    if (float16_is_in(ret)) {
        TRY(float16_widen(ret, err));
    }
    tidy(ret);
    TRY(upgrade(ret, err));
    check_written(ret);
    return 0;
}

static int try_dynamic(const uint8_t *data, size_t size, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN_JSON json_t *report = report_new();
    TRY(read_base(data, size, &graph, err));
    TRY(dynamic_quantize(&graph, 64, report, err));
    CHECK(report_quantized_count(report) > 0);
    check_written(&graph);
    return 0;
}

static int try_static(const uint8_t *data, size_t size, bool probe, struct err *err)
{
    CLEAN(graph_done) struct graph graph = {0};
    CLEAN_JSON json_t *report = report_new();
    CLEAN_MEM const char **names = NULL;
    struct map ranges = {0};
    struct static_options options = {.most = 127, .ranges = &ranges};
    struct probe_list list;
    size_t count = 0, from = 0;
    TRY(read_base(data, size, &graph, err));
    TRY(static_values(&graph, &names, &count, err));
    TRY(probe ? static_probe(&graph, &options, &from, &list, err)
              : static_quantize(&graph, &options, report, err));
    check_written(&graph);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err = {0};
    CHECK(try_dynamic(data, size, &err) == 0 || err.text[0]);
    CHECK(try_static(data, size, false, &err) == 0 || err.text[0]);
    CHECK(try_static(data, size, true, &err) == 0 || err.text[0]);
    return 0;
}
