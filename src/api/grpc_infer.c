// SPDX-License-Identifier: Apache-2.0
// Tensors of gRPC's messages: raw bytes are carried, lists of numbers become bytes.
#include "api/grpc_infer.h"
#include "api/proto.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/tensors.h"

typedef Inference__InferTensorContents contents_t;
typedef Inference__ModelInferRequest__InferInputTensor input_t;

// ── lists of numbers ──

static size_t count_of(const contents_t *c)
{
    return c->n_bool_contents + c->n_int_contents + c->n_int64_contents + c->n_uint_contents +
           c->n_uint64_contents + c->n_fp32_contents + c->n_fp64_contents + c->n_bytes_contents;
}

static int add_signed(const contents_t *c, size_t size, struct buf *out, struct err *err)
{
    int32_t most = size < 4 ? (1 << (8 * size - 1)) - 1 : INT32_MAX;
    for (size_t i = 0; i < c->n_int_contents; i++) {
        int32_t value = c->int_contents[i];
        if (value > most || value < -most - 1) {
            return err_set(err, ERR_INVALID, "element %zu, %d, does not fit the datatype", i,
                           value);
        }
        buf_add(out, &value, size); // little-endian, as everywhere Linux servers run today
    }
    return c->n_int_contents == count_of(c);
}

static int add_unsigned(const contents_t *c, size_t size, struct buf *out, struct err *err)
{
    uint32_t most = size < 4 ? (1u << (8 * size)) - 1 : UINT32_MAX;
    for (size_t i = 0; i < c->n_uint_contents; i++) {
        uint32_t value = c->uint_contents[i];
        if (value > most) {
            return err_set(err, ERR_INVALID, "element %zu, %u, does not fit the datatype", i,
                           value);
        }
        buf_add(out, &value, size);
    }
    return c->n_uint_contents == count_of(c);
}

static int add_truths(const contents_t *c, size_t size, struct buf *out, struct err *err)
{
    (void)size, (void)err;
    for (size_t i = 0; i < c->n_bool_contents; i++) {
        buf_add_char(out, c->bool_contents[i] != 0);
    }
    return c->n_bool_contents == count_of(c);
}

static int add_texts(const contents_t *c, size_t size, struct buf *out, struct err *err)
{
    (void)size, (void)err;
    for (size_t i = 0; i < c->n_bytes_contents; i++) {
        tensors_add_bytes(out, str_n(c->bytes_contents[i].data, c->bytes_contents[i].len));
    }
    return c->n_bytes_contents == count_of(c);
}

// Those that are in memory as they are in a tensor.
#define ADD_LIKE(name, field)                                                                      \
    static int name(const contents_t *c, size_t size, struct buf *out, struct err *err)            \
    {                                                                                              \
        (void)err;                                                                                 \
        buf_add(out, c->field, c->n_##field *size);                                                \
        return c->n_##field == count_of(c);                                                        \
    }
ADD_LIKE(add_int64, int64_contents)
ADD_LIKE(add_uint64, uint64_contents)
ADD_LIKE(add_fp32, fp32_contents)
ADD_LIKE(add_fp64, fp64_contents)

static const struct row {
    const char *datatype;
    size_t size;
    // 1: all that there is was of that kind; 0: not all.
    int (*add)(const contents_t *c, size_t size, struct buf *out, struct err *err);
} rows[] = {
    {"BOOL", 1, add_truths},     {"INT8", 1, add_signed},     {"INT16", 2, add_signed},
    {"INT32", 4, add_signed},    {"INT64", 8, add_int64},     {"UINT8", 1, add_unsigned},
    {"UINT16", 2, add_unsigned}, {"UINT32", 4, add_unsigned}, {"UINT64", 8, add_uint64},
    {"FP32", 4, add_fp32},       {"FP64", 8, add_fp64},       {"BYTES", 4, add_texts},
};

static int add_contents(const input_t *input, struct buf *out, struct err *err)
{
    for (size_t i = 0; input->contents && i < ARRAY_SIZE(rows); i++) {
        if (strcmp(rows[i].datatype, input->datatype) == 0) {
            int rc = rows[i].add(input->contents, rows[i].size, out, err);
            return rc != 0
                       ? rc
                       : err_set(err, ERR_INVALID, "input \"%s\": its contents are not those of %s",
                                 input->name, input->datatype);
        }
    }
    return err_set(err, ERR_INVALID, "input \"%s\": %s", input->name,
                   input->contents ? "its datatype can only come in raw_input_contents"
                                   : "it has neither contents nor raw_input_contents");
}

// ── requests ──

static json_t *parameters_of(Inference__ParametersEntry *const *entries, size_t count)
{
    json_t *json = json_object();
    for (size_t i = 0; i < count; i++) {
        const Inference__InferParameter *p = entries[i]->value;
        if (!p) {
            continue;
        }
        switch (p->parameter_choice_case) {
        case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_BOOL_PARAM:
            json_object_set_new(json, entries[i]->key, json_boolean(p->bool_param));
            break;
        case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_INT64_PARAM:
            json_object_set_new(json, entries[i]->key, json_integer(p->int64_param));
            break;
        case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_STRING_PARAM:
            json_object_set_new(json, entries[i]->key, json_from_str(str_of(p->string_param)));
            break;
        case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_DOUBLE_PARAM:
            json_object_set_new(json, entries[i]->key, json_real(p->double_param));
            break;
        case INFERENCE__INFER_PARAMETER__PARAMETER_CHOICE_UINT64_PARAM:
            json_object_set_new(json, entries[i]->key, json_integer((int64_t)p->uint64_param));
            break;
        default: break;
        }
    }
    return json;
}

static json_t *input_json(const input_t *input, size_t size)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < input->n_shape; i++) {
        json_array_append_new(shape, json_integer(input->shape[i]));
    }
    json_t *parameters = parameters_of(input->parameters, input->n_parameters);
    json_put_int(parameters, "binary_data_size", (int64_t)size);
    json_t *json = json_object();
    json_put_str(json, "name", str_of(input->name));
    json_put_str(json, "datatype", str_of(input->datatype));
    json_put(json, "shape", shape);
    json_put(json, "parameters", parameters);
    return json;
}

// The inputs, and the bytes of those that are typed one after the other. Where there are raw contents they
// are all raw.
static int add_inputs(const Inference__ModelInferRequest *r, json_t *inputs, struct buf *raw,
                      struct err *err)
{
    bool is_raw = r->n_raw_input_contents > 0;
    if (is_raw && r->n_raw_input_contents != r->n_inputs) {
        return err_set(err, ERR_INVALID, "%zu raw_input_contents for %zu inputs",
                       r->n_raw_input_contents, r->n_inputs);
    }
    for (size_t i = 0; i < r->n_inputs; i++) {
        const input_t *input = r->inputs[i];
        size_t before = raw->size;
        if (is_raw && input->contents && count_of(input->contents)) {
            return err_set(err, ERR_INVALID,
                           "input \"%s\": it has contents beside raw_input_contents", input->name);
        }
        if (!is_raw) {
            TRY(add_contents(input, raw, err));
        }
        size_t size = is_raw ? r->raw_input_contents[i].len : raw->size - before;
        json_array_append_new(inputs, input_json(input, size));
    }
    return 0;
}

static size_t raw_size(const Inference__ModelInferRequest *r)
{
    size_t size = 0;
    for (size_t i = 0; i < r->n_raw_input_contents; i++) {
        size += r->raw_input_contents[i].len;
    }
    return size;
}

static void add_outputs(const Inference__ModelInferRequest *r, json_t *json)
{
    json_t *outputs = json_array();
    for (size_t i = 0; i < r->n_outputs; i++) {
        json_t *parameters = parameters_of(r->outputs[i]->parameters, r->outputs[i]->n_parameters);
        json_put_bool(parameters, "binary_data", true);
        json_t *output = json_object();
        json_put_str(output, "name", str_of(r->outputs[i]->name));
        json_put(output, "parameters", parameters);
        json_array_append_new(outputs, output);
    }
    json_put(json, "outputs", outputs);
    json_put(json, "parameters", json_pack("{s:b}", "binary_data_output", true));
}

int grpc_infer_payload(const Inference__ModelInferRequest *r, struct buf *out, struct err *err)
{
    CLEAN_JSON json_t *json = json_object();
    CLEAN(buf_done) struct buf raw = BUF_INIT(out->max);
    CLEAN(buf_done) struct buf text = BUF_INIT(out->max);
    char mark[TENSORS_MARK_SIZE];
    if (r->id[0]) {
        json_put_str(json, "id", str_of(r->id));
    }
    json_t *inputs = json_array();
    json_put(json, "inputs", inputs);
    TRY(add_inputs(r, inputs, &raw, err));
    add_outputs(r, json);
    json_write(json, &text);
    tensors_mark(mark, (uint32_t)text.size);
    (void)buf_reserve(out, sizeof mark + text.size + raw_size(r) + raw.size);
    buf_add(out, mark, sizeof mark);
    buf_add_str(out, buf_str(&text));
    buf_add_str(out, buf_str(&raw));
    for (size_t i = 0; i < r->n_raw_input_contents; i++) {
        buf_add_str(out, str_n(r->raw_input_contents[i].data, r->raw_input_contents[i].len));
    }
    bool fits = buf_ok(out) && buf_ok(&raw) && buf_ok(&text);
    return fits ? 0 : err_set(err, ERR_LIMIT, "the request is larger than %zu bytes", out->max);
}

// ── answers ──

int grpc_infer_response(struct str json, struct str raw, const char *model, const char *version,
                        struct buf *out, struct err *err)
{
    enum { RAW_OUTPUT_CONTENTS = 6 };
    CLEAN_JSON json_t *answer = NULL;
    TRY(json_parse_object(json, &answer, err));
    json_put_str(answer, "model_name", str_of(model));
    json_put_str(answer, "model_version", str_of(version));
    (void)buf_reserve(out, json.size + raw.size);
    proto_write(&inference__model_infer_response__descriptor, answer, out);
    const json_t *outputs = json_object_get(answer, "outputs");
    for (size_t i = 0; i < json_array_size(outputs); i++) {
        const json_t *size = json_at(json_array_get(outputs, i), "parameters.binary_data_size");
        size_t bytes = (size_t)json_integer_value(size);
        if (!json_is_integer(size) || bytes > raw.size) {
            return err_set(err, ERR_FUNCTION, "output %zu of the answer is not all there", i);
        }
        proto_write_bytes(RAW_OUTPUT_CONTENTS, str_head(raw, bytes), out);
        raw = str_skip(raw, bytes);
    }
    return buf_ok(out) ? 0 : err_set(err, ERR_LIMIT, "the answer is too large");
}

enum { ERROR_MESSAGE = 1, INFER_RESPONSE = 2 };

void grpc_infer_stream_response(struct str response, struct buf *out)
{
    proto_write_bytes(INFER_RESPONSE, response, out);
}

void grpc_infer_stream_error(const char *text, struct str id, struct buf *out)
{
    CLEAN_JSON json_t *json = json_object();
    CLEAN(buf_done) struct buf response = BUF_INIT(out->max);
    json_put_str(json, "id", id);
    proto_write(&inference__model_infer_response__descriptor, json, &response);
    proto_write_bytes(ERROR_MESSAGE, str_of(text), out);
    proto_write_bytes(INFER_RESPONSE, buf_str(&response), out);
}
