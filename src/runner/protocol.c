// SPDX-License-Identifier: Apache-2.0
// The inference protocol inside the runner: bytes become tensors without a detour, and back.
#include "runner/protocol.h"
#include "base/check.h"
#include "format/json.h"
#include "format/tensors.h"
#include "runner/task.h"
#include "runner/tensor_json.h"

#define ANSWER "answer" // the output of tasks that answer with a payload

#define BAD(...) err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, __VA_ARGS__)

// ---- requests ----

int protocol_open(struct str bytes, struct protocol *ret, struct err *err)
{
    struct protocol protocol = {0};
    struct str text;
    TRY(tensors_cut(bytes, &text, &protocol.raw, err));
    TRY(json_parse_object(text, &protocol.root, err));
    if (!json_is_array(json_object_get(protocol.root, "inputs"))) {
        json_decref(protocol.root);
        return BAD("inputs: must be a list of tensors");
    }
    *ret = protocol;
    return 0;
}

void protocol_done(struct protocol *protocol)
{
    json_decref(protocol->root);
    *protocol = (struct protocol){0};
}

// What is asked of an input or output and is not to be had.
static int refuse_parameters(const json_t *tensor, struct err *err)
{
    static const char *const names[] = {"shared_memory_region", "classification"};
    const json_t *parameters = json_object_get(tensor, "parameters");
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (json_object_get(parameters, names[i])) {
            return BAD("the parameter \"%s\" is not supported", names[i]);
        }
    }
    return 0;
}

int protocol_next(const struct protocol *protocol, struct protocol_walk *walk,
                  const json_t **ret_input, struct str *ret_raw, struct err *err)
{
    const json_t *inputs = json_object_get(protocol->root, "inputs");
    const json_t *input = json_array_get(inputs, walk->next);
    if (walk->next == 0) {
        walk->raw = protocol->raw;
    }
    if (!input) {
        return walk->raw.size == 0
                   ? 0
                   : BAD("%zu bytes of binary data belong to no input", walk->raw.size);
    }
    walk->next++;
    TRY(refuse_parameters(input, err));
    const json_t *size = json_at(input, "parameters.binary_data_size");
    *ret_input = input;
    *ret_raw = (struct str){0};
    if (size) {
        json_int_t bytes = json_integer_value(size);
        if (!json_is_integer(size) || bytes < 0 || (uint64_t)bytes > walk->raw.size) {
            return BAD("input %zu: binary_data_size: %zu bytes are left", walk->next,
                       walk->raw.size);
        }
        *ret_raw = str_not_null(str_head(walk->raw, (size_t)bytes));
        walk->raw = str_skip(walk->raw, (size_t)bytes);
    }
    return 1;
}

// ---- tensors of bytes ----

static int make_room(struct tensor *tensor, size_t size, struct err *err)
{
    tensor->data = calloc(1, size + 1);
    return tensor->data ? 0 : err_aws(err, ERR_LIMIT, TASK_BAD_REQUEST, "is too large");
}

// The elements and, behind them, their bytes with a NUL after each.
static int take_strings(struct str raw, size_t count, struct tensor *tensor, struct err *err)
{
    if (count > raw.size / 4) {
        return BAD("its %zu bytes are not %zu elements with their sizes", raw.size, count);
    }
    tensor->size = count * sizeof(struct str);
    TRY(make_room(tensor, tensor->size + raw.size, err)); // a size is longer than a NUL
    struct str *elements = tensor->data, text;
    char *to = (char *)(elements + count);
    for (size_t i = 0; i < count; i++) {
        if (!tensors_take_bytes(&raw, &text)) {
            return BAD("element %zu is not all there", i);
        }
        if (text.size && memchr(text.at, 0, text.size)) {
            return BAD("element %zu must be a string without \\u0000", i);
        }
        memcpy(to, text.at, text.size);
        to[text.size] = 0;
        elements[i] = str_n(to, text.size);
        to += text.size + 1;
    }
    return raw.size ? BAD("%zu bytes are left after its %zu elements", raw.size, count) : 0;
}

static int take_numbers(struct str raw, size_t count, struct tensor *tensor, struct err *err)
{
    size_t each = tensor_type_size(tensor->type);
    if (raw.size / each != count || raw.size % each) {
        return BAD("has %zu bytes, the shape wants %zu elements of %zu", raw.size, count, each);
    }
    tensor->size = raw.size;
    TRY(make_room(tensor, raw.size, err));
    memcpy(tensor->data, raw.at, raw.size);
    for (size_t i = 0; tensor->type == TENSOR_BOOL && i < count; i++) {
        ((unsigned char *)tensor->data)[i] = ((unsigned char *)tensor->data)[i] != 0;
    }
    return 0;
}

int protocol_tensor(const json_t *input, struct str raw, enum tensor_type type, struct tensor *ret,
                    struct err *err)
{
    if (!raw.at) {
        return tensor_from_json(input, type, ret, err);
    }
    struct tensor tensor = {.type = type};
    TRY(tensor_head_from_json(input, &tensor, err));
    int64_t count = tensor_elements(tensor.dims, tensor.rank);
    if (count < 0) {
        return BAD("its shape is too large");
    }
    int rc = type == TENSOR_STRING ? take_strings(raw, (size_t)count, &tensor, err)
                                   : take_numbers(raw, (size_t)count, &tensor, err);
    if (rc < 0) {
        free(tensor.data);
        return rc;
    }
    *ret = tensor;
    return 0;
}

static size_t raw_size(const struct tensor *tensor)
{
    const struct str *elements = tensor->data;
    size_t size = tensor->size;
    if (tensor->type == TENSOR_STRING) {
        size_t count = tensor->size / sizeof *elements;
        size = 4 * count;
        for (size_t i = 0; i < count; i++) {
            size += elements[i].size;
        }
    }
    return size;
}

static void add_raw(const struct tensor *tensor, struct buf *out)
{
    if (tensor->type != TENSOR_STRING) {
        buf_add(out, tensor->data, tensor->size);
        return;
    }
    const struct str *elements = tensor->data;
    for (size_t i = 0; i < tensor->size / sizeof *elements; i++) {
        tensors_add_bytes(out, elements[i]);
    }
}

// ---- answers ----

static bool binary_is(const struct protocol *protocol, const json_t *asked)
{
    const json_t *own = json_at(asked, "parameters.binary_data");
    return json_is_true(own ? own : json_at(protocol->root, "parameters.binary_data_output"));
}

static bool wanted(const struct protocol *protocol, const char *name, bool *ret_binary)
{
    const json_t *outputs = json_object_get(protocol->root, "outputs");
    size_t i;
    json_t *asked;
    json_array_foreach(outputs, i, asked)
    {
        if (str_eq(json_str(json_object_get(asked, "name")), str_of(name))) {
            *ret_binary = binary_is(protocol, asked);
            return true;
        }
    }
    *ret_binary = binary_is(protocol, NULL);
    return json_array_size(outputs) == 0;
}

static bool has_output(const struct model *model, struct str name)
{
    for (size_t i = 0; i < model->output_count; i++) {
        if (str_eq(name, str_of(model->outputs[i].name))) {
            return true;
        }
    }
    return false;
}

int protocol_check(const struct protocol *protocol, const struct model *model, struct err *err)
{
    const json_t *outputs = json_object_get(protocol->root, "outputs");
    size_t i;
    json_t *asked;
    if (outputs && !json_is_array(outputs)) {
        return BAD("outputs: must be a list");
    }
    json_array_foreach(outputs, i, asked)
    {
        struct str name = json_str(json_object_get(asked, "name"));
        TRY(refuse_parameters(asked, err));
        if (!has_output(model, name)) {
            return BAD("the model has no output \"" STR_FMT "\"", STR_ARG(str_head(name, 100)));
        }
    }
    return 0;
}

static void head_begin(const struct protocol *protocol, struct buf *head)
{
    const json_t *id = json_object_get(protocol->root, "id");
    buf_add_char(head, '{');
    if (json_is_string(id)) {
        buf_add_text(head, "\"id\":");
        json_quote(head, json_str(id));
        buf_add_char(head, ',');
    }
    buf_add_text(head, "\"outputs\":[");
}

static void head_add(struct buf *head, const char *name, const struct tensor *tensor)
{
    buf_add_text(head, "{\"name\":");
    json_quote(head, str_of(name));
    buf_printf(head, ",\"datatype\":\"%s\",\"shape\":[", tensor_type_kserve(tensor->type));
    for (size_t i = 0; i < tensor->rank; i++) {
        buf_printf(head, "%s%lld", i ? "," : "", (long long)tensor->dims[i]);
    }
    buf_printf(head, "],\"parameters\":{\"binary_data_size\":%zu}}", raw_size(tensor));
}

static void head_end(struct buf *head, struct buf *out)
{
    char mark[TENSORS_MARK_SIZE];
    buf_add_text(head, "]}");
    tensors_mark(mark, (uint32_t)head->size);
    buf_add(out, mark, sizeof mark);
    buf_add_str(out, buf_str(head));
    out->overflowed = out->overflowed || !buf_ok(head);
}

void protocol_answer(const struct protocol *protocol, const struct model *model,
                     const struct tensor *outputs, struct buf *out)
{
    CLEAN(buf_done) struct buf head = BUF_INIT(out->max);
    bool binary[ENGINE_VALUES_MAX] = {false};
    const char *comma = "";
    head_begin(protocol, &head);
    for (size_t i = 0; i < model->output_count; i++) {
        const char *name = model->outputs[i].name;
        if (!wanted(protocol, name, &binary[i])) {
            binary[i] = false;
            continue;
        }
        buf_add_text(&head, comma);
        comma = ",";
        if (binary[i]) {
            head_add(&head, name, &outputs[i]);
        } else {
            tensor_to_json(&outputs[i], name, &head);
        }
    }
    head_end(&head, out);
    for (size_t i = 0; i < model->output_count; i++) {
        if (binary[i]) {
            add_raw(&outputs[i], out);
        }
    }
}

// ---- tasks that have a payload ----

int protocol_payload(const struct protocol *protocol, struct str *ret, struct err *err)
{
    struct protocol_walk walk = {0};
    const json_t *input = NULL;
    struct str raw, payload = {0};
    int rc = protocol_next(protocol, &walk, &input, &raw, err);
    TRY(rc);
    const json_t *data = json_object_get(input, "data");
    bool bytes = rc == 1 && str_eq(json_str(json_object_get(input, "datatype")), STR("BYTES")) &&
                 json_array_size(json_object_get(protocol->root, "inputs")) == 1;
    bool one = raw.at ? bytes && tensors_take_bytes(&raw, &payload) && raw.size == 0
                      : bytes && json_array_size(data) == 1;
    if (one && data) {
        payload = json_str(json_array_get(data, 0));
    }
    if (!one || !payload.at) {
        return BAD("this model has one input, BYTES of one element: the payload");
    }
    TRY(protocol_next(protocol, &walk, &input, &raw, err)); // no bytes are left
    *ret = payload;
    return 0;
}

void protocol_wrap(const struct protocol *protocol, struct str answer, struct buf *out)
{
    CLEAN(buf_done) struct buf head = BUF_INIT(out->max);
    struct tensor tensor = {
        .type = TENSOR_STRING, .rank = 1, .dims = {1}, .data = &answer, .size = sizeof answer};
    bool binary = false;
    (void)wanted(protocol, ANSWER, &binary);
    head_begin(protocol, &head);
    if (binary) {
        head_add(&head, ANSWER, &tensor);
    } else {
        tensor_to_json(&tensor, ANSWER, &head);
    }
    head_end(&head, out);
    if (binary) {
        add_raw(&tensor, out);
    }
}
