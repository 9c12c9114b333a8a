// SPDX-License-Identifier: Apache-2.0
// What tokenizers ask of Unicode, from utf8proc's tables. Characters are code points.
#pragma once

#include "text/chars.h"

#include <stdbool.h>

bool unicode_is_space(uint32_t c);       // the property White_Space
bool unicode_is_punctuation(uint32_t c); // ASCII punctuation and symbols, and categories P…
bool unicode_is_number(uint32_t c);      // categories N…
bool unicode_is_mark(uint32_t c);        // categories M…
bool unicode_is_accent(uint32_t c);      // category Mn
bool unicode_is_word(uint32_t c);        // letters, marks, digits, joiners: \w
bool unicode_is_control(uint32_t c);     // Cc, Cf, Co: what is no character
bool unicode_is_ideograph(uint32_t c);   // the CJK ideographs that BERT sets apart

// One lower-case character, or two (of U+0130 only): returns how many.
size_t unicode_lower(uint32_t c, uint32_t ret[2]);

#define UNICODE_UTF8_MAX 4
size_t unicode_utf8(uint32_t c, char text[UNICODE_UTF8_MAX]); // its bytes

enum unicode_form { UNICODE_NFC, UNICODE_NFD, UNICODE_NFKC, UNICODE_NFKD };

// Appends [begin, end) of `in` in that normal form.
void unicode_normalize(enum unicode_form form, const struct chars *in, size_t begin, size_t end,
                       struct chars *out);

// The end of the grapheme cluster that begins at `begin`.
size_t unicode_grapheme(const struct chars *in, size_t begin, size_t end);
