// SPDX-License-Identifier: Apache-2.0
// Tidying a graph. Nested graphs and the model's functions are looked into for what they use.
#include "quantize/tidy.h"
#include "base/mem.h"
#include "format/onnx.h"

#define IR_LEAST 7 // of operator set 13; the weights need not be inputs since 4

// ---- walking ----

// Nodes in any graph; stops at what is not 0 and returns it.
typedef int each_fn(void *ctx, const Onnx__NodeProto *node);

static int each_node(Onnx__NodeProto *const *nodes, size_t count, each_fn *each, void *ctx)
{
    int rc = 0;
    for (size_t n = 0; rc == 0 && n < count; n++) {
        rc = each(ctx, nodes[n]);
        for (size_t i = 0; i < nodes[n]->n_attribute; i++) {
            const Onnx__AttributeProto *attribute = nodes[n]->attribute[i];
            if (rc == 0 && attribute->g) {
                rc = each_node(attribute->g->node, attribute->g->n_node, each, ctx);
            }
            for (size_t k = 0; rc == 0 && k < attribute->n_graphs; k++) {
                const Onnx__GraphProto *g = attribute->graphs[k];
                rc = each_node(g->node, g->n_node, each, ctx);
            }
        }
    }
    return rc;
}

static int each_of_model(const struct graph *graph, each_fn *each, void *ctx)
{
    int rc = each_node(graph->model->graph->node, graph->model->graph->n_node, each, ctx);
    for (size_t i = 0; rc == 0 && i < graph->model->n_functions; i++) {
        const Onnx__FunctionProto *function = graph->model->functions[i];
        rc = each_node(function->node, function->n_node, each, ctx);
    }
    return rc;
}

struct tensors {
    tidy_tensor_fn *each;
    void *ctx;
};

static int each_weight(const struct tensors *tensors, const Onnx__GraphProto *g)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < g->n_initializer; i++) {
        rc = tensors->each(tensors->ctx, g->initializer[i]);
    }
    return rc;
}

static int each_of_node(void *ctx, const Onnx__NodeProto *node)
{
    const struct tensors *tensors = ctx;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < node->n_attribute; i++) {
        const Onnx__AttributeProto *attribute = node->attribute[i];
        rc = attribute->t ? tensors->each(tensors->ctx, attribute->t) : 0;
        for (size_t k = 0; rc == 0 && k < attribute->n_tensors; k++) {
            rc = tensors->each(tensors->ctx, attribute->tensors[k]);
        }
        rc = rc == 0 && attribute->g ? each_weight(tensors, attribute->g) : rc;
        for (size_t k = 0; rc == 0 && k < attribute->n_graphs; k++) {
            rc = each_weight(tensors, attribute->graphs[k]);
        }
    }
    return rc;
}

int tidy_each_tensor(const struct graph *graph, tidy_tensor_fn *each, void *ctx)
{
    struct tensors tensors = {each, ctx};
    int rc = each_weight(&tensors, graph->model->graph);
    return rc ? rc : each_of_model(graph, each_of_node, &tensors);
}

bool tidy_is_external(const Onnx__TensorProto *tensor)
{
    return tensor->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
}

// ---- tidying ----

static void drop_weight_inputs(Onnx__GraphProto *g)
{
    CLEAN(map_done) struct map weights = {0};
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (g->initializer[i]->name) {
            map_put(&weights, str_of(g->initializer[i]->name), g);
        }
    }
    size_t kept = 0;
    for (size_t i = 0; i < g->n_input; i++) {
        if (!g->input[i]->name || !map_get(&weights, str_of(g->input[i]->name))) {
            g->input[kept++] = g->input[i];
        }
    }
    g->n_input = kept;
}

static struct str domain_of(const char *domain)
{
    bool standard = !domain || strcmp(domain, "ai.onnx") == 0;
    return standard ? STR("") : str_of(domain);
}

static int note_domain(void *ctx, const Onnx__NodeProto *node)
{
    map_put(ctx, domain_of(node->domain), ctx);
    return 0;
}

static void drop_unused_domains(struct graph *graph)
{
    CLEAN(map_done) struct map used = {0};
    map_put(&used, STR(""), &used);
    (void)each_of_model(graph, note_domain, &used);
    size_t kept = 0;
    for (size_t i = 0; i < graph->model->n_opset_import; i++) {
        Onnx__OperatorSetIdProto *opset = graph->model->opset_import[i];
        if (map_get(&used, domain_of(opset->domain))) {
            graph->model->opset_import[kept++] = opset;
        }
    }
    graph->model->n_opset_import = kept;
}

void tidy(struct graph *graph)
{
    drop_weight_inputs(graph->model->graph);
    drop_unused_domains(graph);
    graph->model->has_ir_version = true;
    if (graph->model->ir_version < IR_LEAST) {
        graph->model->ir_version = IR_LEAST;
    }
}

// ---- indices ----

static int64_t rows_of(const struct wiring *w, const struct value *value, bool through_cast)
{
    int64_t least = 0;
    for (size_t u = 0; value && u < value->use_count; u++) {
        const Onnx__NodeProto *reader = w->graph->model->graph->node[value->uses[u].node];
        int64_t rows = 0;
        if (node_is(reader, "Gather") && value->uses[u].input == 1 &&
            node_int(reader, "axis", 0) == 0) {
            const struct value *table = wiring_input(w, reader, 0);
            bool known = table && table->weight && table->weight->n_dims > 0;
            rows = known ? table->weight->dims[0] : 0;
        } else if (node_is(reader, "Cast") && through_cast) {
            rows = rows_of(w, wiring_output(w, reader, 0), false);
        }
        least = rows > 0 && (least == 0 || rows < least) ? rows : least;
    }
    return least;
}

int64_t tidy_rows(const struct wiring *wiring, const char *value)
{
    return rows_of(wiring, wiring_value(wiring, value), true);
}
