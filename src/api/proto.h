// SPDX-License-Identifier: Apache-2.0
// Protocol Buffers and the rest of us: messages that come in are read into the structs that protobuf-c
// makes of api/inference.proto, within bounds; documents that go out are written as messages by the names
// of their members.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>

#define PROTO_MEMORY_MAX ((size_t)256 * 1024 * 1024) // that a message may become

// ERR_PROTOCOL: no message of that kind; ERR_LIMIT. To be freed with proto_free.
MUST_CHECK int proto_read(const ProtobufCMessageDescriptor *kind, struct str bytes,
                          ProtobufCMessage **ret, struct err *err);
void proto_free(ProtobufCMessage **message); // NULL is fine

// Of a message that was read: a string field by its name; empty where there is none of that name.
struct str proto_text(const ProtobufCMessage *message, const char *field);
bool proto_truth(const ProtobufCMessage *message, const char *field);

// Appends the message whose fields are the members of `json` that it has names for. Enumerations are
// their names. Members of another kind than their field are left out.
void proto_write(const ProtobufCMessageDescriptor *kind, const json_t *json, struct buf *out);
// A field of bytes (a string, a message), as it is.
void proto_write_bytes(uint32_t field, struct str bytes, struct buf *out);
