// SPDX-License-Identifier: Apache-2.0
// Time zones, from the system's own database (TZif, RFC 9636), each an immutable struct of its own:
// the process's TZ is neither read nor set, and any thread may ask.
//
//     struct zone *zone = NULL;
//     TRY(zone_open(STR("Europe/Berlin"), &zone, err));
//     struct zone_span span = zone_at(zone, now_s);    // local time is now_s + span.offset_s,
//     span = zone_at(zone, span.until_s);              // until then; and then?
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define ZONE_DIR "/usr/share/zoneinfo" // unless TZDIR names another
#define ZONE_MAX ((size_t)256 * 1024)  // of a file

struct zone;

// A stretch of time without a change. For all of time: INT64_MIN to INT64_MAX.
struct zone_span {
    int64_t from_s, until_s; // seconds since 1970, UTC; `until` is not part of it
    int32_t offset_s;        // east of UTC
    int32_t before_s;        // the offset before `from`
};

// By its name in the database; "UTC" needs none. ERR_NOT_FOUND for a name that is not there or is no
// zone, ERR_CORRUPT for a file that cannot be understood.
MUST_CHECK int zone_open(struct str name, struct zone **ret, struct err *err);
// The same from a file's bytes.
MUST_CHECK int zone_parse(struct str tzif, struct zone **ret, struct err *err);
void zone_free(struct zone *zone); // NULL is fine
void zone_clean(struct zone **zone);

struct zone_span zone_at(const struct zone *zone, int64_t utc_s); // of NULL: UTC
