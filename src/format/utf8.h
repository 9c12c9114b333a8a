// SPDX-License-Identifier: Apache-2.0
// UTF-8, for the writers that must not pass on what is not.
#pragma once

#include "base/str.h"

#define UTF8_REPLACEMENT "\xef\xbf\xbd" // U+FFFD

// Bytes of the character at the start of s, 1 to 4. 0 when there is none that is valid (overlong
// forms, surrogates and what is beyond U+10FFFF are not) or s is empty.
size_t utf8_next(struct str s);
bool utf8_ok(struct str s);
