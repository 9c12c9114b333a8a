// SPDX-License-Identifier: Apache-2.0
// Facts about an ONNX file that can be read without an engine: a bounded walk over the protobuf of
// ModelProto (onnx.proto3). Nothing is copied: names are views into the file, which the caller keeps
// (mapped, usually). Sizes in the file are checked against the file before they are believed.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define ONNX_RANK_MAX  16
#define ONNX_VALUE_MAX 16384 // graph inputs or outputs
#define ONNX_LIST_MAX  4096  // opsets, metadata, operator types, external files
#define ONNX_DEPTH_MAX 16    // graphs within graphs

// TensorProto.DataType
enum onnx_type {
    ONNX_UNDEFINED = 0,
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_STRING = 8,
    ONNX_BOOL = 9,
    ONNX_FLOAT16 = 10,
    ONNX_DOUBLE = 11,
    ONNX_UINT32 = 12,
    ONNX_UINT64 = 13,
    ONNX_COMPLEX64 = 14,
    ONNX_COMPLEX128 = 15,
    ONNX_BFLOAT16 = 16
};

struct onnx_dim {
    int64_t value;     // -1 when unknown or symbolic
    struct str symbol; // "batch"; empty
};

struct onnx_value { // a graph input or output
    struct str name;
    int type; // enum onnx_type; ONNX_UNDEFINED when it is not a tensor
    bool has_shape;
    bool is_initializer; // an input that the file itself fills (IR before 4): not for the caller
    size_t rank;
    struct onnx_dim dims[ONNX_RANK_MAX];
};

struct onnx_opset {
    struct str domain; // empty is ai.onnx
    int64_t version;
};

struct onnx_op {
    struct str type, domain;
    uint64_t count; // nodes, those of nested graphs and model-local functions included
};

struct onnx_entry {
    struct str key, value;
};

struct onnx_facts {
    int64_t ir_version, model_version;
    struct str producer, producer_version, domain, graph_name;
    struct onnx_opset *opsets;
    size_t opset_count;
    struct onnx_value *inputs, *outputs;
    size_t input_count, output_count;
    struct onnx_op *ops; // most frequent first
    size_t op_count;
    uint64_t node_count;
    uint64_t initializer_count, initializer_bytes; // bytes in this file
    struct str *external; // distinct paths of external data, relative to the file
    size_t external_count;
    uint64_t external_bytes; // as far as the file says
    struct onnx_entry *metadata;
    size_t metadata_count;
    uint64_t function_count; // model-local functions
};

// ERR_INVALID in words that name the byte offset, ERR_LIMIT for the bounds above. *ret is zeroed
// first and to be released with onnx_facts_done in either case.
MUST_CHECK int onnx_inspect(struct str file, struct onnx_facts *ret, struct err *err);
void onnx_facts_done(struct onnx_facts *facts);

// Only what made the file ("pytorch"), without a look at the graph. Empty when it does not say.
struct str onnx_producer(struct str file);

const char *onnx_type_name(int type); // "float32", "int64", …; "unknown"
size_t onnx_type_size(int type);      // bytes of an element; 0 when not fixed
int64_t onnx_opset_version(const struct onnx_facts *facts, struct str domain); // 0 when absent
