// SPDX-License-Identifier: Apache-2.0
// gRPC's own few bytes around messages, and its few words about calls.
#include "format/grpc.h"

#define RESERVE_MAX ((size_t)1024 * 1024) // of a message that is announced

enum grpc_status grpc_status_of(int code)
{
    switch (code) {
    case ERR_INVALID: return GRPC_INVALID_ARGUMENT;
    case ERR_NOT_FOUND: return GRPC_NOT_FOUND;
    case ERR_EXISTS: return GRPC_FAILED_PRECONDITION; // in the state that it is in
    case ERR_DENIED: return GRPC_PERMISSION_DENIED;
    case ERR_TIMEOUT: return GRPC_DEADLINE_EXCEEDED;
    case ERR_LIMIT:
    case ERR_NO_MEMORY:
    case ERR_BUSY: return GRPC_RESOURCE_EXHAUSTED;
    case ERR_UNSUPPORTED: return GRPC_UNIMPLEMENTED;
    case ERR_LOST:
    case ERR_UNAVAILABLE: return GRPC_UNAVAILABLE;
    default: return code >= 0 ? GRPC_OK : GRPC_INTERNAL; // also a message that is none
    }
}

// ── messages ──

void grpc_reader_init(struct grpc_reader *reader, size_t message_max)
{
    *reader = (struct grpc_reader){0};
    buf_init(&reader->message, message_max);
}

void grpc_reader_done(struct grpc_reader *reader)
{
    buf_done(&reader->message);
}

static int take_prefix(struct grpc_reader *reader, struct str *piece, struct err *err)
{
    while (reader->prefix_size < GRPC_PREFIX_SIZE && piece->size) {
        reader->prefix[reader->prefix_size++] = (unsigned char)piece->at[0];
        *piece = str_skip(*piece, 1);
    }
    if (reader->prefix_size < GRPC_PREFIX_SIZE) {
        return 0;
    }
    const unsigned char *at = reader->prefix;
    reader->compressed = at[0];
    reader->wanted = (uint32_t)at[1] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 8 | at[4];
    if (at[0] > 1) {
        return err_set(err, ERR_PROTOCOL, "a message begins with %u, which is no prefix", at[0]);
    }
    if (reader->wanted > reader->message.max) {
        return err_set(err, ERR_LIMIT, "a message of %u bytes: at most %zu are taken",
                       reader->wanted, reader->message.max);
    }
    return 1;
}

int grpc_read(struct grpc_reader *reader, struct str *piece, struct err *err)
{
    if (reader->prefix_size == GRPC_PREFIX_SIZE && reader->message.size == reader->wanted) {
        buf_clear(&reader->message); // it was seen
        reader->prefix_size = 0;
    }
    if (reader->prefix_size < GRPC_PREFIX_SIZE) {
        int rc = take_prefix(reader, piece, err);
        if (rc != 1) {
            return rc;
        }
    }
    if (reader->message.size == 0) { // no more than what soon comes
        (void)buf_reserve(&reader->message,
                          reader->wanted < RESERVE_MAX ? reader->wanted : RESERVE_MAX);
    }
    struct str part = str_head(*piece, reader->wanted - reader->message.size);
    buf_add_str(&reader->message, part);
    *piece = str_skip(*piece, part.size);
    return reader->message.size == reader->wanted;
}

bool grpc_between(const struct grpc_reader *reader)
{
    return reader->prefix_size == 0 ||
           (reader->prefix_size == GRPC_PREFIX_SIZE && reader->message.size == reader->wanted);
}

void grpc_prefix(char to[GRPC_PREFIX_SIZE], uint32_t size)
{
    to[0] = 0;
    for (int i = 0; i < 4; i++) {
        to[i + 1] = (char)(size >> (24 - 8 * i));
    }
}

// ── words ──

int grpc_timeout(struct str text, int64_t *ret_us, struct err *err)
{
    static const struct {
        char unit;
        int64_t us;
    } units[] = {{'H', 3600000000}, {'M', 60000000}, {'S', 1000000}, {'m', 1000}, {'u', 1}};
    uint64_t count = 0;
    bool number =
        text.size >= 2 && text.size <= 9 && str_to_u64(str_head(text, text.size - 1), &count);
    char unit = number ? text.at[text.size - 1] : 0;
    if (unit == 'n') {
        *ret_us = (int64_t)((count + 999) / 1000);
        return 0;
    }
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (unit == units[i].unit) {
            *ret_us = (int64_t)count * units[i].us;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "grpc-timeout: \"" STR_FMT "\" is no time",
                   STR_ARG(str_head(text, 20)));
}

void grpc_message_write(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= ' ' && c <= '~' && c != '%') {
            buf_add_char(out, (char)c);
        } else {
            buf_printf(out, "%%%02X", c);
        }
    }
}
