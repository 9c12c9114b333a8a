// SPDX-License-Identifier: Apache-2.0
// Tensors as they go into a model and come out of it: a type, a shape, and bytes that belong to
// somebody else, dense and row-major, in the machine's byte order. An element of a tensor of
// strings is a struct str whose bytes are followed by a NUL.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TENSOR_RANK_MAX 8
#define TENSOR_SIZE_MAX (256u * 1024 * 1024) // of one that a request may ask for

// The numbers are those of ONNX's TensorProto.DataType. The names are what we print, what the
// inference protocol (KServe, Triton) calls them, and numpy's type code; NULL where there is none.
#define TENSOR_TYPES(X)                                                                            \
    X(TENSOR_FLOAT32, 1, 4, "float32", "FP32", "f4")                                               \
    X(TENSOR_UINT8, 2, 1, "uint8", "UINT8", "u1")                                                  \
    X(TENSOR_INT8, 3, 1, "int8", "INT8", "i1")                                                     \
    X(TENSOR_UINT16, 4, 2, "uint16", "UINT16", "u2")                                               \
    X(TENSOR_INT16, 5, 2, "int16", "INT16", "i2")                                                  \
    X(TENSOR_INT32, 6, 4, "int32", "INT32", "i4")                                                  \
    X(TENSOR_INT64, 7, 8, "int64", "INT64", "i8")                                                  \
    X(TENSOR_STRING, 8, sizeof(struct str), "string", "BYTES", NULL)                               \
    X(TENSOR_BOOL, 9, 1, "bool", "BOOL", "b1")                                                     \
    X(TENSOR_FLOAT16, 10, 2, "float16", "FP16", "f2")                                              \
    X(TENSOR_FLOAT64, 11, 8, "float64", "FP64", "f8")                                              \
    X(TENSOR_UINT32, 12, 4, "uint32", "UINT32", "u4")                                              \
    X(TENSOR_UINT64, 13, 8, "uint64", "UINT64", "u8")                                              \
    X(TENSOR_BFLOAT16, 16, 2, "bfloat16", "BF16", NULL)

enum tensor_type {
    TENSOR_NONE = 0,
#define X(name, value, size, text, kserve, numpy) name = (value),
    TENSOR_TYPES(X)
#undef X
};

struct tensor {
    enum tensor_type type;
    size_t rank;
    int64_t dims[TENSOR_RANK_MAX];
    void *data;  // borrowed
    size_t size; // bytes
};

size_t tensor_type_size(enum tensor_type type);        // bytes of an element; 0: not fixed
const char *tensor_type_name(enum tensor_type type);   // "float32"; "unknown"
const char *tensor_type_kserve(enum tensor_type type); // "FP32"; "unknown"
const char *tensor_type_numpy(enum tensor_type type);  // "f4"; NULL
enum tensor_type tensor_type_of(struct str name);      // by any of the names; TENSOR_NONE

// The product of the dims; -1 when one is negative or it passes TENSOR_SIZE_MAX elements.
int64_t tensor_elements(const int64_t *dims, size_t rank);
// "[1,3,224,224]", unknown dims as "?". Returns text.
#define TENSOR_SHAPE_TEXT_MAX 192
const char *tensor_shape_text(const int64_t *dims, size_t rank, char text[TENSOR_SHAPE_TEXT_MAX]);

// One element of a number type as a double, and back (rounded and held to the type's range).
double tensor_get(const struct tensor *tensor, size_t index);
void tensor_set(struct tensor *tensor, size_t index, double value);
// `count` elements from `first` on, as floats.
void tensor_floats(const struct tensor *tensor, size_t first, size_t count, float *ret);
// The index of the largest element of a number type, the first of equals; 0 when there is none.
size_t tensor_largest(const struct tensor *tensor);
