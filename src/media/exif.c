// SPDX-License-Identifier: Apache-2.0
// Reads the orientation from an EXIF block. A block is an ornament: whatever is wrong with it, the
// picture is shown as it is stored, so nothing here fails.
#include "media/exif.h"

#define TAG_ORIENTATION 0x0112
#define TYPE_SHORT      3
#define TYPE_LONG       4
#define HEADER_SIZE     8
#define ENTRY_SIZE      12

static uint32_t number(const uint8_t *at, size_t size, bool big_endian)
{
    uint32_t value = 0;
    for (size_t i = 0; i < size; i++) {
        value = value << 8 | at[big_endian ? i : size - 1 - i];
    }
    return value;
}

// The entry is ENTRY_SIZE bytes: tag, type, count, and the value (left-justified) when it fits.
static int orientation_of(const uint8_t *entry, bool big_endian)
{
    uint32_t type = number(entry + 2, 2, big_endian);
    if (number(entry + 4, 4, big_endian) != 1 || (type != TYPE_SHORT && type != TYPE_LONG)) {
        return 1;
    }
    uint32_t value = number(entry + 8, type == TYPE_SHORT ? 2 : 4, big_endian);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

int exif_orientation(struct str block)
{
    if (str_starts(block, STR("Exif\0\0"))) {
        block = str_skip(block, 6);
    }
    bool big_endian = str_starts(block, STR("MM\0*"));
    if (block.size < HEADER_SIZE || (!big_endian && !str_starts(block, STR("II*\0")))) {
        return 1;
    }
    const uint8_t *at = (const uint8_t *)block.at;
    size_t directory = number(at + 4, 4, big_endian);
    if (directory > block.size - 2) {
        return 1;
    }
    size_t count = number(at + directory, 2, big_endian);
    size_t fitting = (block.size - directory - 2) / ENTRY_SIZE;
    for (size_t i = 0; i < count && i < fitting; i++) {
        const uint8_t *entry = at + directory + 2 + i * ENTRY_SIZE;
        if (number(entry, 2, big_endian) == TAG_ORIENTATION) {
            return orientation_of(entry, big_endian);
        }
    }
    return 1;
}
