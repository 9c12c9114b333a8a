// SPDX-License-Identifier: Apache-2.0
// The file of a cache that outlives its process. Whole or nothing: what has a wrong checksum is not
// looked at any further, and what has the right one is checked all the same.
#include "cache/dump.h"
#include "base/check.h"
#include "format/checksum.h"

#define MAGIC STR("rouse results 1\n")

void dump_begin(struct buf *out)
{
    buf_add_str(out, MAGIC);
}

static void number_add(struct buf *out, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;) {
        buf_add_char(out, (char)(uint8_t)(value >> (8 * i)));
    }
}

void dump_add(struct buf *out, const struct dump_entry *entry)
{
    CHECK(entry->space.size <= UINT16_MAX && entry->answer.size <= UINT32_MAX);
    buf_add(out, entry->key.bytes, CACHE_KEY_SIZE);
    number_add(out, (uint64_t)entry->expires_ms, 8);
    number_add(out, entry->space.size, 2);
    buf_add_str(out, entry->space);
    number_add(out, entry->answer.size, 4);
    buf_add_str(out, entry->answer);
}

void dump_end(struct buf *out)
{
    uint8_t sum[CHECKSUM_SIZE_MAX];
    size_t size = checksum_of(CHECKSUM_SHA256, buf_str(out), sum);
    buf_add(out, sum, size);
}

// Takes `size` bytes off *rest; false when there are not so many.
static bool take(struct str *rest, size_t size, struct str *ret)
{
    if (rest->size < size) {
        return false;
    }
    *ret = str_head(*rest, size);
    *rest = str_skip(*rest, size);
    return true;
}

static bool take_number(struct str *rest, size_t size, uint64_t *ret)
{
    struct str bytes;
    if (!take(rest, size, &bytes)) {
        return false;
    }
    *ret = 0;
    for (size_t i = 0; i < size; i++) {
        *ret = *ret << 8 | (uint8_t)bytes.at[i];
    }
    return true;
}

static bool take_entry(struct str *rest, struct dump_entry *ret)
{
    struct str key;
    uint64_t expires = 0, space = 0, answer = 0;
    if (!take(rest, CACHE_KEY_SIZE, &key) || !take_number(rest, 8, &expires) ||
        !take_number(rest, 2, &space) || !take(rest, space, &ret->space) ||
        !take_number(rest, 4, &answer) || !take(rest, answer, &ret->answer)) {
        return false;
    }
    memcpy(ret->key.bytes, key.at, CACHE_KEY_SIZE);
    ret->expires_ms = (int64_t)expires;
    return true;
}

static bool walk(struct str rest, void (*each)(void *ctx, const struct dump_entry *entry),
                 void *ctx)
{
    struct dump_entry entry;
    while (rest.size) {
        if (!take_entry(&rest, &entry)) {
            return false;
        }
        if (each) {
            each(ctx, &entry);
        }
    }
    return true;
}

int dump_read(struct str file, void (*each)(void *ctx, const struct dump_entry *entry), void *ctx,
              struct err *err)
{
    uint8_t sum[CHECKSUM_SIZE_MAX];
    size_t sum_size = checksum_size(CHECKSUM_SHA256);
    if (!str_starts(file, MAGIC) || file.size < MAGIC.size + sum_size) {
        return err_set(err, ERR_CORRUPT, "it is not a file of results");
    }
    struct str body = str_head(file, file.size - sum_size);
    checksum_of(CHECKSUM_SHA256, body, sum);
    if (memcmp(sum, body.at + body.size, sum_size) != 0) {
        return err_set(err, ERR_CORRUPT, "its checksum is wrong");
    }
    struct str entries = str_skip(body, MAGIC.size);
    if (!walk(entries, NULL, NULL)) {
        return err_set(err, ERR_CORRUPT, "it ends within an entry");
    }
    (void)walk(entries, each, ctx);
    return 0;
}
