// SPDX-License-Identifier: Apache-2.0
// Facts about an ONNX file, from a walk over its protobuf. `rouse model inspect` and the deployment of a
// model ask here, before any engine has seen the file.
//
// Messages that nest (graph → node → attribute → graph) are walked with a stack of cursors; the others
// are read where they are met. Every byte is passed a bounded number of times.
#include "format/onnx.h"
#include "base/check.h"
#include "base/map.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t value;   // varints
    struct str bytes; // WIRE_BYTES
};

// What a cursor walks: the messages that may hold graphs.
enum message { M_MODEL, M_GRAPH, M_NODE, M_ATTRIBUTE, M_FUNCTION };

#define STACK_MAX (3 * ONNX_DEPTH_MAX + 2) // a graph within a graph costs three levels

struct level {
    enum message message;
    struct str rest;
    struct str op_type, domain; // M_NODE
};

struct walk {
    struct str file;
    struct onnx_facts *facts;
    struct level levels[STACK_MAX];
    size_t depth;
    struct map ops, initializers, externals;
    bool graph_seen;
    struct err *err;
};

static size_t offset_of(const struct walk *w, const char *at)
{
    return (size_t)(at - w->file.at);
}

static int damaged(const struct walk *w, const char *at, const char *what)
{
    return err_set(w->err, ERR_INVALID, "not an ONNX model: %s at byte %zu", what,
                   offset_of(w, at));
}

static int too_many(const struct walk *w, const char *what, size_t most)
{
    return err_set(w->err, ERR_LIMIT, "the ONNX model has more than %zu %s", most, what);
}

static int take_varint(const struct walk *w, struct str *rest, uint64_t *ret)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 10 && i < rest->size; i++) {
        uint8_t byte = (uint8_t)rest->at[i];
        value |= (uint64_t)(byte & 127) << 7 * i;
        if (byte < 128) {
            *rest = str_skip(*rest, i + 1);
            *ret = value;
            return 0;
        }
    }
    return damaged(w, rest->at, rest->size < 10 ? "a number is cut off" : "a number is too long");
}

static int take_bytes(const struct walk *w, struct str *rest, uint64_t size, struct str *ret)
{
    if (size > rest->size) {
        return damaged(w, rest->at, "a field is longer than what it is in");
    }
    *ret = str_head(*rest, (size_t)size);
    *rest = str_skip(*rest, (size_t)size);
    return 0;
}

static int take_field(const struct walk *w, struct str *rest, struct field *ret)
{
    const char *at = rest->at;
    uint64_t tag = 0, size = 0;
    TRY(take_varint(w, rest, &tag));
    if (tag >> 3 == 0 || tag >> 3 > 0x1fffffff) {
        return damaged(w, at, "a field has no valid number");
    }
    *ret = (struct field){.number = (uint32_t)(tag >> 3), .wire = (enum wire)(tag & 7)};
    switch (tag & 7) {
    case WIRE_VARINT: return take_varint(w, rest, &ret->value);
    case WIRE_64: return take_bytes(w, rest, 8, &ret->bytes);
    case WIRE_32: return take_bytes(w, rest, 4, &ret->bytes);
    case WIRE_BYTES:
        TRY(take_varint(w, rest, &size));
        return take_bytes(w, rest, size, &ret->bytes);
    default: return damaged(w, at, "a field has an unknown wire type");
    }
}

static bool is_bytes(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_BYTES;
}

static bool is_varint(const struct field *f, uint32_t number)
{
    return f->number == number && f->wire == WIRE_VARINT;
}

// Room for one more element: doubles at each power of two.
static void *grown(void *array, size_t count, size_t element_size)
{
    if (count == 0 || (count & (count - 1)) == 0) {
        array = mem_grow(array, (count ? 2 * count : 1) * element_size);
    }
    memset((char *)array + count * element_size, 0, element_size);
    return array;
}

static int read_entry(const struct walk *w, struct str message, struct onnx_entry *ret)
{
    *ret = (struct onnx_entry){0};
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (is_bytes(&f, 1)) {
            ret->key = f.bytes;
        } else if (is_bytes(&f, 2)) {
            ret->value = f.bytes;
        }
    }
    return 0;
}

static int read_opset(struct walk *w, struct str message)
{
    struct onnx_facts *facts = w->facts;
    if (facts->opset_count == ONNX_LIST_MAX) {
        return too_many(w, "operator sets", ONNX_LIST_MAX);
    }
    struct onnx_opset opset = {0};
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (is_bytes(&f, 1)) {
            opset.domain = f.bytes;
        } else if (is_varint(&f, 2)) {
            opset.version = (int64_t)f.value;
        }
    }
    facts->opsets = grown(facts->opsets, facts->opset_count, sizeof opset);
    facts->opsets[facts->opset_count++] = opset;
    return 0;
}

static int read_dim(const struct walk *w, struct str message, struct onnx_dim *ret)
{
    *ret = (struct onnx_dim){.value = -1};
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (is_varint(&f, 1)) {
            ret->value = (int64_t)f.value < 0 ? -1 : (int64_t)f.value;
        } else if (is_bytes(&f, 2)) {
            ret->symbol = f.bytes;
        }
    }
    return 0;
}

static int read_shape(const struct walk *w, struct str message, struct onnx_value *value)
{
    value->has_shape = true;
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (!is_bytes(&f, 1)) {
            continue;
        }
        if (value->rank == ONNX_RANK_MAX) {
            return too_many(w, "dimensions in one value", ONNX_RANK_MAX);
        }
        TRY(read_dim(w, f.bytes, &value->dims[value->rank]));
        value->rank++;
    }
    return 0;
}

// TypeProto: only a tensor's (field 1) says an element type and a shape.
static int read_type(const struct walk *w, struct str message, struct onnx_value *value)
{
    struct str tensor = {0};
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (is_bytes(&f, 1)) {
            tensor = f.bytes;
        }
    }
    while (tensor.size) {
        struct field f;
        TRY(take_field(w, &tensor, &f));
        if (is_varint(&f, 1)) {
            value->type = f.value <= 1000 ? (int)f.value : ONNX_UNDEFINED;
        } else if (is_bytes(&f, 2)) {
            TRY(read_shape(w, f.bytes, value));
        }
    }
    return 0;
}

static int read_value(struct walk *w, struct str message, struct onnx_value **values, size_t *count)
{
    if (*count == ONNX_VALUE_MAX) {
        return too_many(w, "inputs or outputs", ONNX_VALUE_MAX);
    }
    struct onnx_value value = {0};
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        if (is_bytes(&f, 1)) {
            value.name = f.bytes;
        } else if (is_bytes(&f, 2)) {
            TRY(read_type(w, f.bytes, &value));
        }
    }
    *values = grown(*values, *count, sizeof value);
    (*values)[(*count)++] = value;
    return 0;
}

static int add_external(struct walk *w, struct str path)
{
    struct onnx_facts *facts = w->facts;
    if (path.size == 0 || map_get(&w->externals, path)) {
        return 0;
    }
    if (facts->external_count == ONNX_LIST_MAX) {
        return too_many(w, "external files", ONNX_LIST_MAX);
    }
    facts->external = grown(facts->external, facts->external_count, sizeof path);
    facts->external[facts->external_count++] = path;
    map_put(&w->externals, path, w);
    return 0;
}

// TensorProto. `counted`: an initializer, not the value of an attribute.
static int read_tensor(struct walk *w, struct str message, bool counted, bool is_main)
{
    struct str name = {0}, location = {0};
    uint64_t bytes = 0, external_bytes = 0;
    bool external = false;
    while (message.size) {
        struct field f;
        TRY(take_field(w, &message, &f));
        bool is_data = (f.number >= 4 && f.number <= 7) || (f.number >= 9 && f.number <= 11);
        if (is_data) {
            bytes += f.bytes.size;
        } else if (is_bytes(&f, 8)) {
            name = f.bytes;
        } else if (is_varint(&f, 14)) {
            external = f.value == 1;
        } else if (is_bytes(&f, 13)) {
            struct onnx_entry entry;
            uint64_t size = 0;
            TRY(read_entry(w, f.bytes, &entry));
            if (str_eq(entry.key, STR("location"))) {
                location = entry.value;
            } else if (str_eq(entry.key, STR("length")) && str_to_u64(entry.value, &size)) {
                external_bytes = size;
            }
        }
    }
    if (external) {
        TRY(add_external(w, location));
        w->facts->external_bytes += external_bytes;
    }
    if (counted) {
        w->facts->initializer_count++;
        w->facts->initializer_bytes += bytes;
    }
    if (counted && is_main && name.size) {
        map_put(&w->initializers, name, w);
    }
    return 0;
}

static int push(struct walk *w, enum message message, struct str bytes)
{
    if (w->depth == STACK_MAX) {
        return err_set(w->err, ERR_LIMIT, "graphs are nested deeper than %d levels at byte %zu",
                       ONNX_DEPTH_MAX, offset_of(w, bytes.at));
    }
    w->levels[w->depth++] = (struct level){.message = message, .rest = bytes};
    return 0;
}

#define OP_NAME_MAX 200

static int count_node(struct walk *w, const struct level *node)
{
    struct onnx_facts *facts = w->facts;
    char key[2 * OP_NAME_MAX + 1];
    if (node->op_type.size > OP_NAME_MAX || node->domain.size > OP_NAME_MAX) {
        return damaged(w, node->op_type.size ? node->op_type.at : node->domain.at,
                       "an operator's name is too long");
    }
    size_t size = 0;
    for (size_t i = 0; i < node->domain.size; i++) {
        key[size++] = node->domain.at[i];
    }
    key[size++] = 0;
    for (size_t i = 0; i < node->op_type.size; i++) {
        key[size++] = node->op_type.at[i];
    }
    facts->node_count++;
    uintptr_t index = (uintptr_t)map_get(&w->ops, str_n(key, size)); // from 1
    if (index == 0) {
        if (facts->op_count == ONNX_LIST_MAX) {
            return too_many(w, "kinds of operators", ONNX_LIST_MAX);
        }
        facts->ops = grown(facts->ops, facts->op_count, sizeof facts->ops[0]);
        facts->ops[facts->op_count] =
            (struct onnx_op){.type = node->op_type, .domain = node->domain};
        index = ++facts->op_count;
        map_put(&w->ops, str_n(key, size), (void *)index);
    }
    facts->ops[index - 1].count++;
    return 0;
}

static int model_field(struct walk *w, const struct field *f)
{
    struct onnx_facts *facts = w->facts;
    if (is_varint(f, 1)) {
        facts->ir_version = (int64_t)f->value;
    } else if (is_bytes(f, 2)) {
        facts->producer = f->bytes;
    } else if (is_bytes(f, 3)) {
        facts->producer_version = f->bytes;
    } else if (is_bytes(f, 4)) {
        facts->domain = f->bytes;
    } else if (is_varint(f, 5)) {
        facts->model_version = (int64_t)f->value;
    } else if (is_bytes(f, 7)) {
        if (w->graph_seen) {
            return damaged(w, f->bytes.at, "a second graph");
        }
        w->graph_seen = true;
        return push(w, M_GRAPH, f->bytes);
    } else if (is_bytes(f, 8)) {
        return read_opset(w, f->bytes);
    } else if (is_bytes(f, 14)) {
        if (facts->metadata_count == ONNX_LIST_MAX) {
            return too_many(w, "metadata entries", ONNX_LIST_MAX);
        }
        facts->metadata = grown(facts->metadata, facts->metadata_count, sizeof facts->metadata[0]);
        return read_entry(w, f->bytes, &facts->metadata[facts->metadata_count++]);
    } else if (is_bytes(f, 25)) {
        facts->function_count++;
        return push(w, M_FUNCTION, f->bytes);
    }
    return 0;
}

static int graph_field(struct walk *w, const struct field *f, bool is_main)
{
    struct onnx_facts *facts = w->facts;
    if (is_bytes(f, 1)) {
        return push(w, M_NODE, f->bytes);
    }
    if (is_bytes(f, 5)) {
        return read_tensor(w, f->bytes, /* counted */ true, is_main);
    }
    if (!is_main) {
        return 0;
    }
    if (is_bytes(f, 2)) {
        facts->graph_name = f->bytes;
    } else if (is_bytes(f, 11)) {
        return read_value(w, f->bytes, &facts->inputs, &facts->input_count);
    } else if (is_bytes(f, 12)) {
        return read_value(w, f->bytes, &facts->outputs, &facts->output_count);
    }
    return 0;
}

static int node_field(struct walk *w, struct level *node, const struct field *f)
{
    if (is_bytes(f, 4)) {
        node->op_type = f->bytes;
    } else if (is_bytes(f, 7)) {
        node->domain = f->bytes;
    } else if (is_bytes(f, 5)) {
        return push(w, M_ATTRIBUTE, f->bytes);
    }
    return 0;
}

static int attribute_field(struct walk *w, const struct field *f)
{
    if (is_bytes(f, 6) || is_bytes(f, 11)) { // g, graphs
        return push(w, M_GRAPH, f->bytes);
    }
    if (is_bytes(f, 5) || is_bytes(f, 10)) { // t, tensors
        return read_tensor(w, f->bytes, /* counted */ false, /* is_main */ false);
    }
    return 0;
}

static int take_step(struct walk *w)
{
    struct level *level = &w->levels[w->depth - 1];
    if (level->rest.size == 0) {
        w->depth--;
        return level->message == M_NODE ? count_node(w, level) : 0;
    }
    struct field f;
    TRY(take_field(w, &level->rest, &f));
    switch (level->message) {
    case M_MODEL: return model_field(w, &f);
    case M_GRAPH: return graph_field(w, &f, /* is_main */ w->depth == 2);
    case M_NODE: return node_field(w, level, &f);
    case M_ATTRIBUTE: return attribute_field(w, &f);
    case M_FUNCTION: return is_bytes(&f, 7) ? push(w, M_NODE, f.bytes) : 0;
    default: return 0;
    }
}

static int more_frequent_first(const void *left, const void *right)
{
    const struct onnx_op *a = left, *b = right;
    if (a->count != b->count) {
        return a->count > b->count ? -1 : 1;
    }
    int order = str_cmp(a->type, b->type);
    return order ? order : str_cmp(a->domain, b->domain);
}

static int finish(struct walk *w)
{
    struct onnx_facts *facts = w->facts;
    if (!w->graph_seen || facts->ir_version < 1) {
        return err_set(w->err, ERR_INVALID, "not an ONNX model: it has no %s",
                       w->graph_seen ? "IR version" : "graph");
    }
    for (size_t i = 0; i < facts->input_count; i++) {
        facts->inputs[i].is_initializer = map_get(&w->initializers, facts->inputs[i].name) != NULL;
    }
    if (facts->op_count) {
        qsort(facts->ops, facts->op_count, sizeof facts->ops[0], more_frequent_first);
    }
    return 0;
}

static int walk_file(struct walk *w)
{
    TRY(push(w, M_MODEL, w->file));
    while (w->depth) {
        TRY(take_step(w));
    }
    return finish(w);
}

int onnx_inspect(struct str file, struct onnx_facts *ret, struct err *err)
{
    *ret = (struct onnx_facts){0};
    struct walk w = {.file = file, .facts = ret, .err = err};
    int rc = walk_file(&w);
    map_done(&w.ops);
    map_done(&w.initializers);
    map_done(&w.externals);
    return rc;
}

struct str onnx_producer(struct str file)
{
    const struct walk w = {.file = file};
    struct field f;
    for (struct str rest = file; rest.size && take_field(&w, &rest, &f) >= 0;) {
        if (is_bytes(&f, 2)) {
            return f.bytes;
        }
    }
    return (struct str){0};
}

void onnx_facts_done(struct onnx_facts *facts)
{
    free(facts->opsets);
    free(facts->inputs);
    free(facts->outputs);
    free(facts->ops);
    free(facts->external);
    free(facts->metadata);
    *facts = (struct onnx_facts){0};
}

static const struct {
    const char *name;
    size_t size;
} types[] = {
    {"unknown", 0},        {"float32", 4},      {"uint8", 1},          {"int8", 1},
    {"uint16", 2},         {"int16", 2},        {"int32", 4},          {"int64", 8},
    {"string", 0},         {"bool", 1},         {"float16", 2},        {"float64", 8},
    {"uint32", 4},         {"uint64", 8},       {"complex64", 8},      {"complex128", 16},
    {"bfloat16", 2},       {"float8e4m3fn", 1}, {"float8e4m3fnuz", 1}, {"float8e5m2", 1},
    {"float8e5m2fnuz", 1}, {"uint4", 0},        {"int4", 0},           {"float4e2m1", 0},
};

const char *onnx_type_name(int type)
{
    return types[type > 0 && type < (int)ARRAY_SIZE(types) ? type : 0].name;
}

size_t onnx_type_size(int type)
{
    return types[type > 0 && type < (int)ARRAY_SIZE(types) ? type : 0].size;
}

int64_t onnx_opset_version(const struct onnx_facts *facts, struct str domain)
{
    bool is_default = domain.size == 0 || str_eq(domain, STR("ai.onnx"));
    for (size_t i = 0; i < facts->opset_count; i++) {
        struct str have = facts->opsets[i].domain;
        bool have_default = have.size == 0 || str_eq(have, STR("ai.onnx"));
        if (is_default ? have_default : str_eq(have, domain)) {
            return facts->opsets[i].version;
        }
    }
    return 0;
}
