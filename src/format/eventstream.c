// SPDX-License-Identifier: Apache-2.0
// Event stream messages: sizes and checksums are filled in where they belong once all is written.
#include "format/eventstream.h"
#include "base/check.h"
#include "format/checksum.h"

#include <endian.h>

#define PRELUDE_SIZE  12
#define HEADER_STRING 7

static void u32_put(char *at, uint32_t value)
{
    uint32_t be = htobe32(value);
    memcpy(at, &be, sizeof be);
}

static uint32_t crc32_of(const char *at, size_t size)
{
    return (uint32_t)checksum_crc(CHECKSUM_CRC32, 0, str_n(at, size));
}

static void header_add(struct buf *out, const char *name, const char *value)
{
    size_t name_size = strlen(name), value_size = strlen(value);
    CHECK(name_size <= UINT8_MAX && value_size <= UINT16_MAX);
    uint16_t be = htobe16((uint16_t)value_size);
    buf_add_char(out, (char)name_size);
    buf_add(out, name, name_size);
    buf_add_char(out, HEADER_STRING);
    buf_add(out, &be, sizeof be);
    buf_add(out, value, value_size);
}

void eventstream_event(struct buf *out, const char *type, const char *content_type,
                       struct str payload)
{
    static const char zeroes[PRELUDE_SIZE];
    CHECK(payload.size <= EVENTSTREAM_SIZE_MAX);
    size_t start = out->size;
    buf_add(out, zeroes, PRELUDE_SIZE);
    header_add(out, ":event-type", type);
    header_add(out, ":content-type", content_type);
    header_add(out, ":message-type", "event");
    size_t headers_size = out->size - start - PRELUDE_SIZE;
    buf_add_str(out, payload);
    buf_add(out, zeroes, sizeof(uint32_t));
    if (!buf_ok(out)) {
        return;
    }
    char *at = out->at + start;
    size_t size = out->size - start;
    u32_put(at, (uint32_t)size);
    u32_put(at + 4, (uint32_t)headers_size);
    u32_put(at + 8, crc32_of(at, 8));
    u32_put(at + size - 4, crc32_of(at, size - 4));
}
