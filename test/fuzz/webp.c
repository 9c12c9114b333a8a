// SPDX-License-Identifier: Apache-2.0
// Fuzzes the decoding of WebP files.
#include "picture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *format = image_format(str_n(data, size));
    if (format && strcmp(format, "WebP") == 0) {
        fuzz_picture(data, size);
    }
    return 0;
}
