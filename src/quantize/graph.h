// SPDX-License-Identifier: Apache-2.0
// An ONNX model in memory, to be changed: protobuf-c's structs of onnx.proto, and an arena that owns
// all of it. What is put into the graph comes from the arena too, so nothing is ever freed singly.
//
//     CLEAN(graph_done) struct graph graph = {0};
//     TRY(graph_read(bytes, &graph, err));
//     … change graph.model …
//     TRY(graph_write(&graph, path, err));
//
// https://github.com/onnx/onnx/blob/main/docs/IR.md
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <onnx.pb-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GRAPH_FILE_MAX  INT32_MAX       // bytes: protobuf holds no more in one message
#define GRAPH_MICROSOFT "com.microsoft" // ONNX Runtime's own operators

struct graph_chunk;

struct graph {
    Onnx__ModelProto *model;    // has a graph
    struct graph_chunk *chunks; // private, as all below
    uint64_t taken, most;       // bytes of the arena
    const void *stack;          // where parsing began, to bound how deep it nests
    bool too_large, too_deep;
};

// ERR_INVALID: not a model; ERR_LIMIT: it nests too deep or needs too much memory. The bytes are
// copied. *ret is to be released in either case.
MUST_CHECK int graph_read(struct str file, struct graph *ret, struct err *err);
void graph_done(struct graph *graph); // survives a zeroed one

// Writes beside and renames. ERR_LIMIT: larger than protobuf can hold; ERR_IO.
MUST_CHECK int graph_write(const struct graph *graph, const char *path, struct err *err);

// ---- memory of the graph's

void *graph_alloc(struct graph *graph, size_t size); // zeroed
char *graph_text(struct graph *graph, const char *fmt, ...) PRINTF_LIKE(2, 3);

// ---- making: everything stays the graph's, names are copied

// A node that is in no graph yet. `domain` NULL: ONNX's own.
Onnx__NodeProto *node_new(struct graph *graph, const char *op, const char *domain,
                          const char *name);
void node_add_input(struct graph *graph, Onnx__NodeProto *node, const char *value);
void node_add_output(struct graph *graph, Onnx__NodeProto *node, const char *value);
void node_set_int(struct graph *graph, Onnx__NodeProto *node, const char *name, int64_t value);

// A tensor among the weights of the model's graph, of zeros: its elements are returned to be written.
// `type`: of format/onnx.h; `dims` NULL: a scalar; `size`: bytes.
void *weight_new(struct graph *graph, const char *name, int type, const int64_t *dims, size_t rank,
                 size_t size);
void weight_add_float(struct graph *graph, const char *name, float value);

// A further output. Its type is for the engine to find out.
void graph_add_output(struct graph *graph, const char *value);
void graph_need_opset(struct graph *graph, const char *domain, int64_t version); // if absent

// ---- asking

const Onnx__AttributeProto *node_attribute(const Onnx__NodeProto *node, const char *name); // NULL
int64_t node_int(const Onnx__NodeProto *node, const char *name, int64_t otherwise);
float node_float(const Onnx__NodeProto *node, const char *name, float otherwise);
bool node_is(const Onnx__NodeProto *node, const char *op); // of ONNX's own operators
// The name of an input; NULL when it is left out.
const char *node_input(const Onnx__NodeProto *node, size_t index);

int64_t graph_opset(const struct graph *graph, const char *domain); // "": ONNX's own; 0: absent

// ---- lists of nodes being made

struct nodes {
    Onnx__NodeProto **at; // heap
    size_t count, room;
};

void nodes_add(struct nodes *nodes, Onnx__NodeProto *node);
void nodes_done(struct nodes *nodes);
// The nodes of `g`, the model's graph or one nested in it, are these from now on.
void graph_set_nodes(struct graph *graph, Onnx__GraphProto *g, const struct nodes *nodes);
