// SPDX-License-Identifier: Apache-2.0
// Reading, changing and writing ONNX models with protobuf-c. Its parser trusts its input with memory
// and stack, so both are bounded where it asks for them: in the allocator.
#include "quantize/graph.h"
#include "base/check.h"
#include "base/mem.h"
#include "format/onnx.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK_SIZE    ((size_t)256 * 1024)
#define PARSE_SPARE   ((uint64_t)64 * 1024 * 1024) // a parsed model takes at most this, and
#define PARSE_FACTOR  8                            // so many times its file
#define NESTING_BYTES (512 * 1024)                 // of stack: some hundred messages in messages
#define WRITE_BUFFER  (1024 * 1024)

// ---- the arena ----

struct graph_chunk {
    struct graph_chunk *next;
    size_t used, room;
    _Alignas(16) char bytes[];
};

// NULL when the system has no more.
static void *arena_take(struct graph *graph, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct graph_chunk *chunk = graph->chunks;
    if (!chunk || chunk->room - chunk->used < size) {
        size_t room = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;
        chunk = calloc(1, sizeof *chunk + room);
        if (!chunk) {
            return NULL;
        }
        chunk->room = room;
        bool behind = room == size && graph->chunks; // a full one must not hide the one in use
        chunk->next = behind ? graph->chunks->next : graph->chunks;
        *(behind ? &graph->chunks->next : &graph->chunks) = chunk;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += size;
    graph->taken += size;
    return at;
}

void *graph_alloc(struct graph *graph, size_t size)
{
    void *at = arena_take(graph, size);
    CHECK(at != NULL);
    return at;
}

char *graph_text(struct graph *graph, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, fmt, args);
    CHECK(size >= 0);
    char *text = graph_alloc(graph, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, fmt, again);
    va_end(again);
    va_end(args);
    return text;
}

void graph_done(struct graph *graph)
{
    while (graph->chunks) {
        struct graph_chunk *chunk = graph->chunks;
        graph->chunks = chunk->next;
        free(chunk);
    }
    *graph = (struct graph){0};
}

// ---- reading ----

// Every message that is parsed asks for memory, also those in others: what the parser has taken of
// the stack by then tells how deep it is.
static void *parse_alloc(void *ctx, size_t size)
{
    struct graph *graph = ctx;
    const char *here = __builtin_frame_address(0), *from = graph->stack;
    graph->too_deep |= (here < from ? from - here : here - from) > NESTING_BYTES;
    graph->too_large |= size > graph->most - graph->taken;
    void *at = graph->too_deep || graph->too_large ? NULL : arena_take(graph, size);
    graph->too_large |= !at && !graph->too_deep;
    return at;
}

static void parse_free(void *ctx, void *at)
{
    (void)ctx, (void)at; // with all the rest, in graph_done
}

int graph_read(struct str file, struct graph *ret, struct err *err)
{
    *ret = (struct graph){.most = PARSE_SPARE + PARSE_FACTOR * (uint64_t)file.size,
                          .stack = __builtin_frame_address(0)};
    if (file.size > GRAPH_FILE_MAX) {
        return err_set(err, ERR_LIMIT, "the model is larger than 2 GB, which no ONNX file can be");
    }
    ProtobufCAllocator allocator = {parse_alloc, parse_free, ret};
    ret->model = onnx__model_proto__unpack(&allocator, file.size, (const uint8_t *)file.at);
    if (ret->too_deep) {
        return err_set(err, ERR_LIMIT, "the ONNX model nests too deep");
    }
    if (ret->too_large) {
        return err_set(err, ERR_LIMIT, "the ONNX model takes too much memory to be read");
    }
    if (!ret->model || !ret->model->graph) {
        return err_set(err, ERR_INVALID, "not an ONNX model: %s",
                       ret->model ? "it has no graph" : "it is no protobuf of one");
    }
    return 0;
}

// ---- writing ----

struct sink {
    ProtobufCBuffer base;
    FILE *file;
    bool failed;
};

static void sink_append(ProtobufCBuffer *base, size_t size, const uint8_t *bytes)
{
    struct sink *sink = CONTAINER_OF(base, struct sink, base);
    sink->failed |= size && !sink->failed && fwrite(bytes, 1, size, sink->file) != size;
}

static int write_all(const struct graph *graph, const char *path, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!file) {
        fd_clean(&fd);
        return err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    CLEAN_MEM char *buffer = mem_alloc(WRITE_BUFFER);
    setvbuf(file, buffer, _IOFBF, WRITE_BUFFER);
    struct sink sink = {.base = {sink_append}, .file = file};
    onnx__model_proto__pack_to_buffer(graph->model, &sink.base);
    bool failed = sink.failed || fflush(file) != 0 || fsync(fileno(file)) < 0;
    int errnum = errno;
    failed |= fclose(file) != 0;
    return failed ? err_errno(err, ERR_IO, errnum, "cannot write %s", path) : 0;
}

int graph_write(const struct graph *graph, const char *path, struct err *err)
{
    if (onnx__model_proto__get_packed_size(graph->model) > GRAPH_FILE_MAX) {
        return err_set(err, ERR_LIMIT,
                       "the model would take more than 2 GB, which no ONNX file can");
    }
    CLEAN_MEM char *draft = mem_printf("%s.part", path);
    int rc = write_all(graph, draft, err);
    if (rc == 0 && rename(draft, path) < 0) {
        rc = err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    if (rc < 0) {
        unlink(draft);
    }
    return rc;
}

// ---- making ----

// A copy of the list of pointers with one more. Lists are short, or made by nodes_add.
static void *list_with(struct graph *graph, void *list, size_t count, void *item)
{
    void **longer = graph_alloc(graph, (count + 1) * sizeof *longer);
    if (count) {
        memcpy(longer, list, count * sizeof *longer);
    }
    longer[count] = item;
    return longer;
}

#define LIST_ADD(graph, list, count, item)                                                         \
    do {                                                                                           \
        (list) = list_with((graph), (list), (count), (item));                                      \
        (count)++;                                                                                 \
    } while (0)

Onnx__NodeProto *node_new(struct graph *graph, const char *op, const char *domain, const char *name)
{
    Onnx__NodeProto *node = graph_alloc(graph, sizeof *node);
    onnx__node_proto__init(node);
    node->op_type = graph_text(graph, "%s", op);
    node->name = graph_text(graph, "%s", name);
    node->domain = domain ? graph_text(graph, "%s", domain) : NULL;
    return node;
}

void node_add_input(struct graph *graph, Onnx__NodeProto *node, const char *value)
{
    LIST_ADD(graph, node->input, node->n_input, graph_text(graph, "%s", value));
}

void node_add_output(struct graph *graph, Onnx__NodeProto *node, const char *value)
{
    LIST_ADD(graph, node->output, node->n_output, graph_text(graph, "%s", value));
}

void node_set_int(struct graph *graph, Onnx__NodeProto *node, const char *name, int64_t value)
{
    Onnx__AttributeProto *attribute = graph_alloc(graph, sizeof *attribute);
    onnx__attribute_proto__init(attribute);
    attribute->name = graph_text(graph, "%s", name);
    attribute->has_type = true;
    attribute->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
    attribute->has_i = true;
    attribute->i = value;
    LIST_ADD(graph, node->attribute, node->n_attribute, attribute);
}

void *weight_new(struct graph *graph, const char *name, int type, const int64_t *dims, size_t rank,
                 size_t size)
{
    Onnx__TensorProto *weight = graph_alloc(graph, sizeof *weight);
    onnx__tensor_proto__init(weight);
    weight->name = graph_text(graph, "%s", name);
    weight->has_data_type = true;
    weight->data_type = type;
    weight->n_dims = rank;
    weight->dims = graph_alloc(graph, rank * sizeof *weight->dims);
    if (rank) {
        memcpy(weight->dims, dims, rank * sizeof *dims);
    }
    weight->has_raw_data = true;
    weight->raw_data.len = size;
    weight->raw_data.data = graph_alloc(graph, size);
    Onnx__GraphProto *g = graph->model->graph;
    LIST_ADD(graph, g->initializer, g->n_initializer, weight);
    return weight->raw_data.data;
}

void weight_add_float(struct graph *graph, const char *name, float value)
{
    float *at = weight_new(graph, name, ONNX_FLOAT, NULL, 0, sizeof value);
    *at = value;
}

void graph_add_output(struct graph *graph, const char *value)
{
    Onnx__GraphProto *g = graph->model->graph;
    Onnx__ValueInfoProto *output = graph_alloc(graph, sizeof *output);
    onnx__value_info_proto__init(output);
    output->name = graph_text(graph, "%s", value);
    LIST_ADD(graph, g->output, g->n_output, output);
}

void graph_need_opset(struct graph *graph, const char *domain, int64_t version)
{
    if (graph_opset(graph, domain) > 0) {
        return;
    }
    Onnx__OperatorSetIdProto *opset = graph_alloc(graph, sizeof *opset);
    onnx__operator_set_id_proto__init(opset);
    opset->domain = graph_text(graph, "%s", domain);
    opset->has_version = true;
    opset->version = version;
    LIST_ADD(graph, graph->model->opset_import, graph->model->n_opset_import, opset);
}

void nodes_add(struct nodes *nodes, Onnx__NodeProto *node)
{
    if (nodes->count == nodes->room) {
        nodes->room = nodes->room ? 2 * nodes->room : 64;
        nodes->at = mem_grow(nodes->at, nodes->room * sizeof(Onnx__NodeProto *));
    }
    nodes->at[nodes->count++] = node;
}

void nodes_done(struct nodes *nodes)
{
    free(nodes->at);
    *nodes = (struct nodes){0};
}

void graph_set_nodes(struct graph *graph, Onnx__GraphProto *g, const struct nodes *nodes)
{
    g->node = graph_alloc(graph, nodes->count * sizeof(Onnx__NodeProto *));
    g->n_node = nodes->count;
    if (nodes->count) {
        memcpy(g->node, nodes->at, nodes->count * sizeof(Onnx__NodeProto *));
    }
}

// ---- asking ----

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool node_is(const Onnx__NodeProto *node, const char *op)
{
    return same(node->op_type, op) && (same(node->domain, "") || same(node->domain, "ai.onnx"));
}

const Onnx__AttributeProto *node_attribute(const Onnx__NodeProto *node, const char *name)
{
    for (size_t i = 0; i < node->n_attribute; i++) {
        if (same(node->attribute[i]->name, name)) {
            return node->attribute[i];
        }
    }
    return NULL;
}

int64_t node_int(const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
    const Onnx__AttributeProto *attribute = node_attribute(node, name);
    return attribute && attribute->has_i ? attribute->i : otherwise;
}

float node_float(const Onnx__NodeProto *node, const char *name, float otherwise)
{
    const Onnx__AttributeProto *attribute = node_attribute(node, name);
    return attribute && attribute->has_f ? attribute->f : otherwise;
}

const char *node_input(const Onnx__NodeProto *node, size_t index)
{
    return index < node->n_input && *node->input[index] ? node->input[index] : NULL;
}

int64_t graph_opset(const struct graph *graph, const char *domain)
{
    for (size_t i = 0; i < graph->model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *opset = graph->model->opset_import[i];
        bool ours = same(domain, "") && same(opset->domain, "ai.onnx");
        if (same(opset->domain, domain) || ours) {
            return opset->version;
        }
    }
    return 0;
}
