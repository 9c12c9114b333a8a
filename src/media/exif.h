// SPDX-License-Identifier: Apache-2.0
// EXIF (CIPA DC-008): a TIFF directory inside a picture, of which one entry matters here, the
// orientation.
#pragma once

#include "base/str.h"

// 1…8, and 1 when the block is damaged, says nothing or says nonsense. `block` may start with
// "Exif\0\0" or with the TIFF header itself.
int exif_orientation(struct str block);
