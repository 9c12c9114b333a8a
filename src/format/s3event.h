// SPDX-License-Identifier: Apache-2.0
// S3 event notifications: the record a function receives (version 2.1), and the rule that decides
// whether it does.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
#pragma once

#include "base/buf.h"
#include "base/err.h"

// What happened. Empty strings are written as "" unless said otherwise.
struct s3event {
    struct str event_name; // "ObjectCreated:Put", without "s3:"
    struct str region;
    int64_t time_ms;
    struct str principal_id; // who did it, e.g. "AWS:AIDA…"
    struct str source_ip;
    struct str request_id;       // x-amz-request-id
    struct str host_id;          // x-amz-id-2
    struct str configuration_id; // the notification's Id
    struct str bucket;
    struct str owner_id; // the bucket owner's principal id
    struct str key;      // raw bytes; written URL-encoded, '+' for a space
    bool removed;        // no size and no eTag (ObjectRemoved:*)
    uint64_t size;
    struct str etag;       // without quotes
    struct str version_id; // left out when empty
    struct str sequencer;  // 16+ hexadecimal digits, rising per key
};

void s3event_write(struct buf *out, const struct s3event *event);        // {"Records":[{…}]}
void s3event_write_record(struct buf *out, const struct s3event *event); // {…} alone

// "%016X" of a number that rises.
#define S3EVENT_SEQUENCER_MAX 24
const char *s3event_sequencer(uint64_t number, char text[S3EVENT_SEQUENCER_MAX]);

// A notification's filter. Views, borrowed.
struct s3event_rule {
    const struct str
        *types; // "s3:ObjectCreated:*", "s3:ObjectRemoved:Delete"; "s3:" may be missing
    size_t type_count;
    struct str prefix, suffix; // of the raw key; empty matches all
};

// One of the event types S3 knows (with "s3:", a final "*" allowed)? Else ERR_INVALID as
// InvalidArgument.
MUST_CHECK int s3event_type_check(struct str type, struct err *err);
// `name` with or without "s3:".
bool s3event_type_matches(struct str type, struct str name);
bool s3event_rule_matches(const struct s3event_rule *rule, struct str event_name, struct str key);
// Could one event match both? S3 refuses such a pair of configurations.
bool s3event_rules_overlap(const struct s3event_rule *a, const struct s3event_rule *b);
