// SPDX-License-Identifier: Apache-2.0
// Fuzzes the reading of EXIF blocks.
#include "base/check.h"
#include "media/exif.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int orientation = exif_orientation(str_n(data, size));
    CHECK(orientation >= 1 && orientation <= 8);
    return 0;
}
