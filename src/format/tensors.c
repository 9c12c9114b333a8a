// SPDX-License-Identifier: Apache-2.0
// The mark before tensors in their binary form, and the elements of those of texts.
#include "format/tensors.h"

static const char mark[8] = {'\x93', 'T', 'E', 'N', 'S', 'O', 'R', 'S'};

static uint32_t number_at(const char *at)
{
    const unsigned char *byte = (const unsigned char *)at;
    return (uint32_t)byte[0] | (uint32_t)byte[1] << 8 | (uint32_t)byte[2] << 16 |
           (uint32_t)byte[3] << 24;
}

static void number_write(char to[4], uint32_t number)
{
    for (int i = 0; i < 4; i++) {
        to[i] = (char)(number >> (8 * i));
    }
}

bool tensors_is(struct str bytes)
{
    return bytes.size >= TENSORS_MARK_SIZE && memcmp(bytes.at, mark, sizeof mark) == 0;
}

void tensors_mark(char to[TENSORS_MARK_SIZE], uint32_t json_size)
{
    memcpy(to, mark, sizeof mark);
    number_write(to + sizeof mark, json_size);
}

int tensors_cut(struct str bytes, struct str *ret_json, struct str *ret_raw, struct err *err)
{
    if (!tensors_is(bytes)) {
        return err_set(err, ERR_INVALID, "these are no tensors in their binary form");
    }
    uint32_t size = number_at(bytes.at + sizeof mark);
    struct str rest = str_skip(bytes, TENSORS_MARK_SIZE);
    if (size > rest.size) {
        return err_set(err, ERR_INVALID, "the JSON before the tensors has %zu bytes, not %u",
                       rest.size, size);
    }
    *ret_json = str_head(rest, size);
    *ret_raw = str_skip(rest, size);
    return 0;
}

bool tensors_take_bytes(struct str *raw, struct str *ret)
{
    uint32_t size = raw->size >= 4 ? number_at(raw->at) : 0;
    if (raw->size < 4 || size > raw->size - 4) {
        return false;
    }
    *ret = str_n(raw->at + 4, size);
    *raw = str_skip(*raw, 4 + (size_t)size);
    return true;
}

void tensors_add_bytes(struct buf *raw, struct str element)
{
    char size[4];
    number_write(size, (uint32_t)element.size);
    buf_add(raw, size, sizeof size);
    buf_add_str(raw, element);
}
