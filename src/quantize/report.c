// SPDX-License-Identifier: Apache-2.0
// Counting operators.
#include "quantize/report.h"
#include "format/json.h"

static const char *op_of(const Onnx__NodeProto *node)
{
    return node->op_type && *node->op_type ? node->op_type : "?";
}

static void count(json_t *report, const char *list, const Onnx__NodeProto *node)
{
    json_t *counts = json_object_get(report, list);
    CLEAN_JSON json_t *op = json_from_str(str_of(op_of(node))); // as UTF-8, whatever it is
    const char *key = json_string_value(op);
    json_put_int(counts, key, json_integer_value(json_object_get(counts, key)) + 1);
}

json_t *report_new(void)
{
    json_t *report = json_object();
    json_put(report, "quantized", json_object());
    json_put(report, "float", json_object());
    json_put(report, "left", json_array());
    return report;
}

void report_quantized(json_t *report, const Onnx__NodeProto *node)
{
    count(report, "quantized", node);
}

void report_float(json_t *report, const Onnx__NodeProto *node)
{
    count(report, "float", node);
}

void report_left(json_t *report, const Onnx__NodeProto *node, const char *why)
{
    json_t *left = json_object_get(report, "left");
    count(report, "float", node);
    if (json_array_size(left) == REPORT_LEFT_MAX) {
        return;
    }
    const char *name = node->name && *node->name ? node->name
                       : node->n_output          ? node->output[0]
                                                 : "";
    json_t *one = json_object();
    json_put_str(one, "node", str_of(name));
    json_put_str(one, "op", str_of(op_of(node)));
    json_put_str(one, "why", str_of(why));
    json_array_append_new(left, one);
}

size_t report_quantized_count(const json_t *report)
{
    size_t total = 0;
    const char *op;
    json_t *number;
    json_object_foreach(json_object_get(report, "quantized"), op, number)
    {
        total += (size_t)json_integer_value(number);
    }
    return total;
}
