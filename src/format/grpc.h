// SPDX-License-Identifier: Apache-2.0
// What gRPC puts into HTTP/2: messages with their sizes before them, deadlines, statuses and their texts.
// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md and statuscodes.md
//
//     message:  | compressed u8 | size u32, big-endian | bytes |
#pragma once

#include "base/buf.h"
#include "base/err.h"

#define GRPC_PREFIX_SIZE 5

enum grpc_status {
    GRPC_OK = 0,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

enum grpc_status grpc_status_of(int code); // of an ERR_*

// Messages as they come in pieces. Born with grpc_reader_init.
struct grpc_reader {
    unsigned char prefix[GRPC_PREFIX_SIZE];
    size_t prefix_size; // that is there
    uint32_t wanted;    // size of the message, when the prefix is there
    bool compressed;
    struct buf message;
};
void grpc_reader_init(struct grpc_reader *reader, size_t message_max);
void grpc_reader_done(struct grpc_reader *reader); // survives a zeroed one

// Takes from *piece what belongs to the message at hand. 1: it is complete, in reader->message, until the
// next call; 0: the piece is used up. ERR_LIMIT: larger than message_max; ERR_PROTOCOL: no prefix.
MUST_CHECK int grpc_read(struct grpc_reader *reader, struct str *piece, struct err *err);
bool grpc_between(const struct grpc_reader *reader); // no message has begun and is not complete

void grpc_prefix(char to[GRPC_PREFIX_SIZE], uint32_t size); // of a message that is not compressed

// "10S", "500m": hours H, minutes M, seconds S, m, u and n below. Rounded up to microseconds.
MUST_CHECK int grpc_timeout(struct str text, int64_t *ret_us, struct err *err);

// For grpc-message: what is not printable ASCII, and '%', becomes %XX.
void grpc_message_write(struct buf *out, struct str text);
