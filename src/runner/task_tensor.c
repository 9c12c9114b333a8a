// SPDX-License-Identifier: Apache-2.0
// task: tensor. Tensors in, tensors out, as JSON, as numpy's .npy or as the inference protocol has them;
// names, types and shapes come from the graph.
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/tensors.h"
#include "runner/npy.h"
#include "runner/package.h"
#include "runner/protocol.h"
#include "runner/tensor_json.h"
#include "runner/together.h"

struct request {
    json_t *root; // what strings point into

    struct tensor inputs[ENGINE_VALUES_MAX];
    void *heap[ENGINE_VALUES_MAX]; // their data
    struct protocol protocol;      // of whom the JSON is; zeroed: another form
    bool named_list;               // the answer has the list form too
    bool npy;
};

static void request_done(struct request *request, size_t count)
{
    json_decref(request->root);
    protocol_done(&request->protocol);
    for (size_t i = 0; i < count; i++) {
        free(request->heap[i]);
    }
}

static int setup(struct package *package, struct err *err)
{
    (void)package;
    (void)err;
    return 0; // any model will do
}

static void done(struct package *package)
{
    (void)package;
}

static int find_input(const struct model *model, struct str name, size_t *ret, struct err *err)
{
    CLEAN(buf_done) struct buf list = BUF_INIT(8192);
    for (size_t i = 0; i < model->input_count; i++) {
        if (str_eq(name, str_of(model->inputs[i].name))) {
            *ret = i;
            return 0;
        }
        buf_printf(&list, "%s\"%s\"", i ? ", " : "", model->inputs[i].name);
    }
    return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST,
                   "the model has no input \"" STR_FMT "\"; it "
                   "has %s",
                   STR_ARG(name), buf_text(&list));
}

// `raw`: its bytes, if it is not in the JSON.
static int take_input(struct request *request, const struct model *model, struct str name,
                      const json_t *value, struct str raw, struct err *err)
{
    size_t at = 0;
    TRY(find_input(model, name, &at, err));
    if (request->heap[at]) {
        return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST,
                       "the input \"" STR_FMT "\" is there "
                       "twice",
                       STR_ARG(name));
    }
    struct tensor *tensor = &request->inputs[at];
    int rc = protocol_tensor(value, raw, model->inputs[at].type, tensor, err);
    if (rc < 0) {
        return err_prefix(err, "input \"%s\"", model->inputs[at].name);
    }
    request->heap[at] = tensor->data;
    return 0;
}

static int take_json(struct request *request, const struct model *model, struct str name,
                     const json_t *value, struct err *err)
{
    return take_input(request, model, name, value, (struct str){0}, err);
}

static int read_protocol(struct request *request, const struct model *model, struct str bytes,
                         struct err *err)
{
    struct protocol_walk walk = {0};
    const json_t *input = NULL;
    struct str raw;
    int rc = protocol_open(bytes, &request->protocol, err);
    TRY(rc);
    TRY(protocol_check(&request->protocol, model, err));
    while ((rc = protocol_next(&request->protocol, &walk, &input, &raw, err)) > 0) {
        struct str name = json_str(json_object_get(input, "name"));
        TRY(take_input(request, model, name, input, raw, err));
    }
    return rc;
}

static int read_json(struct request *request, const struct model *model, struct str bytes,
                     struct err *err)
{
    TRY(json_parse(bytes, &request->root, err));
    const json_t *root = request->root;
    json_t *inputs = json_object_get(root, "inputs");
    if (json_is_object(inputs)) {
        const char *name;
        json_t *value;
        json_object_foreach(inputs, name, value)
        {
            TRY(take_json(request, model, str_of(name), value, err));
        }
        return 0;
    }
    if (json_is_array(inputs)) {
        request->named_list = true;
        size_t i;
        json_t *value;
        json_array_foreach(inputs, i, value)
        {
            TRY(take_json(request, model, json_str(json_object_get(value, "name")), value, err));
        }
        return 0;
    }
    if (json_is_array(root) && model->input_count == 1) {
        return take_json(request, model, str_of(model->inputs[0].name), root, err);
    }
    return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, "must be {\"inputs\": {name: numbers, …}}");
}

static int read_npy(struct request *request, const struct model *model, struct str bytes,
                    struct err *err)
{
    if (model->input_count != 1) {
        return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST,
                       "an .npy array is one input, the model "
                       "has %zu; send JSON",
                       model->input_count);
    }
    struct tensor *tensor = &request->inputs[0];
    TRY(npy_read(bytes, tensor, err));
    request->heap[0] = mem_dup_n(tensor->data, tensor->size); // aligned, unlike where it came from
    tensor->data = request->heap[0];
    request->npy = true;
    return 0;
}

static int read_request(struct request *request, const struct model *model, struct str bytes,
                        struct err *err)
{
    if (bytes.size == 0) {
        return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, "it is empty");
    }
    TRY(npy_is(bytes)       ? read_npy(request, model, bytes, err)
        : tensors_is(bytes) ? read_protocol(request, model, bytes, err)
                            : read_json(request, model, bytes, err));
    for (size_t i = 0; i < model->input_count; i++) {
        if (!request->heap[i]) {
            return err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, "the input \"%s\" is missing",
                           model->inputs[i].name);
        }
    }
    return 0;
}

static int write_answer(const struct request *request, const struct model *model,
                        const struct tensor *outputs, struct item *item, struct err *err)
{
    if (request->npy && model->output_count == 1) {
        item->raw = true;
        return npy_write(&outputs[0], &item->answer, err);
    }
    if (request->protocol.root) {
        item->raw = true;
        protocol_answer(&request->protocol, model, outputs, &item->answer);
        return 0;
    }
    struct buf *out = &item->answer;
    buf_add_text(out, request->named_list ? "{\"outputs\":[" : "{\"outputs\":{");
    for (size_t i = 0; i < model->output_count; i++) {
        buf_add_text(out, i ? "," : "");
        if (!request->named_list) {
            json_quote(out, str_of(model->outputs[i].name));
            buf_add_char(out, ':');
        }
        tensor_to_json(&outputs[i], request->named_list ? model->outputs[i].name : NULL, out);
    }
    buf_add_text(out, request->named_list ? "]}" : "}}");
    return 0;
}

struct part {
    struct together_part together;
    struct request request;
    struct item *item;
    struct tensor outputs[ENGINE_VALUES_MAX];
};

static void blame(struct err *err)
{
    if (!err->aws) {
        err->aws = err->code == ERR_FUNCTION ? TASK_BAD_MODEL : TASK_BAD_REQUEST;
    }
}

static void part_done(void *ctx, struct together_part *together)
{
    const struct package *package = ctx;
    struct part *part = CONTAINER_OF(together, struct part, together);
    struct err *err = &part->item->err;
    *err = together->err;
    if (err->code < 0 ||
        write_answer(&part->request, package->model, part->outputs, part->item, err) < 0) {
        blame(err);
    }
}

static void run(struct package *package, struct item *items, size_t count)
{
    CLEAN_MEM struct part *parts = mem_alloc(count * sizeof *parts);
    CLEAN_MEM struct together_part **together = mem_alloc(count * sizeof(struct together_part *));
    size_t ready = 0;
    for (size_t i = 0; i < count; i++) {
        struct part *part = &parts[i];
        int64_t began = clock_mono_us();
        int rc = read_request(&part->request, package->model, items[i].bytes, &items[i].err);
        items[i].decode_us = (uint64_t)(clock_mono_us() - began);
        if (rc < 0) {
            blame(&items[i].err);
            continue;
        }
        part->item = &items[i];
        part->together =
            (struct together_part){.inputs = part->request.inputs, .outputs = part->outputs};
        together[ready++] = &part->together;
    }
    together_run(package, together, ready, part_done, package);
    for (size_t i = 0; i < count; i++) {
        request_done(&parts[i].request, package->model->input_count);
    }
}

static int make_inputs(struct package *package, struct item *item, struct tensor *ret)
{
    const struct model *model = package->model;
    struct request request = {.npy = false};
    int rc = read_request(&request, model, item->bytes, &item->err);
    for (size_t i = 0; rc == 0 && i < model->input_count; i++) {
        if (request.inputs[i].type == TENSOR_STRING) { // they point into the request
            rc = err_set(&item->err, ERR_UNSUPPORTED, "the input \"%s\" is text",
                         model->inputs[i].name);
        }
    }
    for (size_t i = 0; rc == 0 && i < model->input_count; i++) {
        ret[i] = request.inputs[i];
        request.heap[i] = NULL;
    }
    request_done(&request, model->input_count);
    return rc;
}

const struct task_ops task_tensor = {
    .name = "tensor",
    .needs_model = true,
    .speaks_protocol = true,
    .setup = setup,
    .done = done,
    .run = run,
    .warm = task_warm_zeros,
    .inputs = make_inputs,
};
