// SPDX-License-Identifier: Apache-2.0
// Reading with protobuf-c and a budget; writing from JSON by protobuf-c's descriptors.
#include "api/proto.h"
#include "base/mem.h"
#include "format/json.h"

#include <stdlib.h>

// ── reading ──

// A piece costs its allocator something, too: a message of many small ones is large.
#define PIECE_COST 32

struct budget {
    size_t left;
    bool spent;
};

static void *budget_alloc(void *ctx, size_t size)
{
    struct budget *budget = ctx;
    if (size > budget->left || PIECE_COST > budget->left - size) {
        budget->spent = true;
        return NULL;
    }
    budget->left -= size + PIECE_COST;
    return malloc(size);
}

static void budget_free(void *ctx, void *at)
{
    (void)ctx;
    free(at);
}

int proto_read(const ProtobufCMessageDescriptor *kind, struct str bytes, ProtobufCMessage **ret,
               struct err *err)
{
    struct budget budget = {.left = PROTO_MEMORY_MAX};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    ProtobufCMessage *message =
        protobuf_c_message_unpack(kind, &allocator, bytes.size, (const uint8_t *)bytes.at);
    if (!message) {
        return budget.spent ? err_set(err, ERR_LIMIT, "the message has too many parts")
                            : err_set(err, ERR_PROTOCOL, "the message is no %s", kind->short_name);
    }
    *ret = message;
    return 0;
}

void proto_free(ProtobufCMessage **message)
{
    struct budget none = {0};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &none};
    if (*message) {
        protobuf_c_message_free_unpacked(*message, &allocator);
    }
    *message = NULL;
}

static const void *member(const ProtobufCMessage *message, const char *name, ProtobufCType type)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(message->descriptor, name);
    return field && field->type == type ? (const char *)message + field->offset : NULL;
}

struct str proto_text(const ProtobufCMessage *message, const char *field)
{
    const void *at = member(message, field, PROTOBUF_C_TYPE_STRING);
    const char *text = NULL;
    if (at) {
        memcpy(&text, at, sizeof text);
    }
    return str_not_null(str_of(text));
}

bool proto_truth(const ProtobufCMessage *message, const char *field)
{
    const void *at = member(message, field, PROTOBUF_C_TYPE_BOOL);
    protobuf_c_boolean truth = 0;
    if (at) {
        memcpy(&truth, at, sizeof truth);
    }
    return truth;
}

// ── writing ──

enum tag { TAG_NUMBER = 0, TAG_BYTES = 2 };

static void add_varint(uint64_t value, struct buf *out)
{
    char bytes[10];
    size_t size = 0;
    do {
        bytes[size++] = (char)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));
        value >>= 7;
    } while (value);
    buf_add(out, bytes, size);
}

static void add_tag(uint32_t field, enum tag tag, struct buf *out)
{
    add_varint((uint64_t)field << 3 | tag, out);
}

void proto_write_bytes(uint32_t field, struct str bytes, struct buf *out)
{
    add_tag(field, TAG_BYTES, out);
    add_varint(bytes.size, out);
    buf_add_str(out, bytes);
}

// What a number field holds.
static uint64_t number_of(const ProtobufCFieldDescriptor *field, const json_t *value)
{
    if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const char *name = json_string_value(value);
        const ProtobufCEnumValue *known =
            name ? protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, name) : NULL;
        return known ? (uint64_t)known->value : 0;
    }
    return json_is_boolean(value) ? json_is_true(value) : (uint64_t)json_integer_value(value);
}

static void add_value(const ProtobufCFieldDescriptor *field, const json_t *value, struct buf *out)
{
    bool is_text = field->type == PROTOBUF_C_TYPE_STRING;
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && json_is_object(value)) {
        CLEAN(buf_done) struct buf inner = BUF_INIT(out->max);
        proto_write(field->descriptor, value, &inner); // as deep as the kinds of messages nest
        proto_write_bytes(field->id, buf_str(&inner), out);
    } else if (is_text && json_is_string(value)) {
        proto_write_bytes(field->id, json_str(value), out);
    } else if (!is_text && field->type != PROTOBUF_C_TYPE_MESSAGE) {
        add_tag(field->id, TAG_NUMBER, out);
        add_varint(number_of(field, value), out);
    }
}

static void add_list(const ProtobufCFieldDescriptor *field, const json_t *list, struct buf *out)
{
    bool packed = field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE;
    CLEAN(buf_done) struct buf inner = BUF_INIT(out->max);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        if (packed) {
            add_varint(number_of(field, value), &inner);
        } else {
            add_value(field, value, out);
        }
    }
    if (packed && inner.size) {
        proto_write_bytes(field->id, buf_str(&inner), out);
    }
}

void proto_write(const ProtobufCMessageDescriptor *kind, const json_t *json, struct buf *out)
{
    for (unsigned i = 0; i < kind->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &kind->fields[i];
        const json_t *value = json_object_get(json, field->name);
        if (!value || json_is_null(value)) {
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            add_list(field, value, out);
        } else {
            add_value(field, value, out);
        }
    }
}
