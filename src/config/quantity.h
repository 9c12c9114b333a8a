// SPDX-License-Identifier: Apache-2.0
// Quantities and words as people write them: "500ms", "64MiB", "yes", "did you mean …".
#pragma once

#include "base/buf.h"
#include "base/err.h"

// "500ms", "60s", "1.5m", "2h", "7d"; a bare number is seconds. Milliseconds out. ERR_INVALID.
MUST_CHECK int duration_parse(struct str text, int64_t *ret_ms, struct err *err);
// "300", "64KiB", "6MiB", "1.5GiB", "2TiB" (powers of 1024), "64kB", "5MB", "1GB" (of 1000).
MUST_CHECK int size_parse(struct str text, uint64_t *ret_bytes, struct err *err);
// A time: how long before now ("10m"), when ("2026-01-02T03:04:05", shorter forms too; UTC), or
// milliseconds since 1970. Milliseconds since 1970 out. ERR_INVALID.
MUST_CHECK int since_parse(struct str text, int64_t now_ms, int64_t *ret_ms, struct err *err);
// "true", "yes", "on", "1" and "false", "no", "off", "0", in any case. ERR_INVALID.
MUST_CHECK int bool_parse(struct str text, bool *ret, struct err *err);
// "host:port", "[::1]:4566", ":4566", "0.0.0.0:0". Only the form is checked. ERR_INVALID.
MUST_CHECK int address_parse(struct str text, struct err *err);

// The shortest exact form: "1m", "90s", "500ms"; "6MiB", "1500B" (0: "0").
void duration_add(struct buf *out, int64_t ms);
void size_add(struct buf *out, uint64_t bytes);

// As the Serverless Framework shows sizes of packages: "132 kB", "1.2 MB" (powers of 1000).
void size_add_human(struct buf *out, uint64_t bytes);

// The word of a list that was most likely meant, or NULL when none is near: edit distance (a swap of
// neighbours counts one), upper and lower case alike. Words longer than 63 bytes are not near.
const char *nearest_word(struct str word, const char *const *words, size_t count);
