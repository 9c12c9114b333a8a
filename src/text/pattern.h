// SPDX-License-Identifier: Apache-2.0
// Regular expressions over code points, by PCRE2. Tokenizers are written for Oniguruma: its classes
// \s and \w are translated, and what the two understand differently is refused.
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct pattern;

enum pattern_kind { PATTERN_REGEX, PATTERN_LITERAL };

// ERR_INVALID: it is none, or has something that is not supported.
MUST_CHECK int pattern_new(enum pattern_kind kind, struct str source, struct pattern **ret,
                           struct err *err);
void pattern_free(struct pattern *pattern); // takes NULL

// The first match in at[0, count) that begins at `start` or later; what lies before `start` is
// seen by look-behind. 1, or 0: there is none. ERR_LIMIT: it takes too long to find out.
MUST_CHECK int pattern_find(const struct pattern *pattern, const uint32_t *at, size_t count,
                            size_t start, size_t *ret_begin, size_t *ret_end, struct err *err);
