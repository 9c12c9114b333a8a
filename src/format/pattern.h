// SPDX-License-Identifier: Apache-2.0
// EventBridge's event patterns: a JSON object whose leaves are lists of what a field may be.
//
//     {"source": ["aws.s3"], "detail": {"object": {"size": [{"numeric": [">", 0]}]}}}
//
// A list holds strings, numbers, true, false, null, and objects of one of
//
//     prefix, suffix            text, or {"equals-ignore-case": text}
//     equals-ignore-case        text
//     wildcard                  text; * is anything, \* a star
//     anything-but              a value, values of one kind, or {"prefix" | "suffix" |
//                               "equals-ignore-case" | "wildcard": text or texts}
//     numeric                   ["=", 5], [">", 0, "<=", 10]
//     cidr                      "10.0.0.0/8", "2001:db8::/32"
//     exists                    true, false; of fields that are not objects
//
// and "$or" is a list of two patterns or more. Where the event has an array, one of its elements must
// match; where that is an object, it must match as a whole.
// https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
#pragma once

#include "format/json.h"

#define PATTERN_SIZE_MAX  4096
#define PATTERN_DEPTH_MAX 32

// ERR_INVALID with the reason. The pattern may be matched then.
MUST_CHECK int pattern_parse(struct str text, json_t **ret, struct err *err);
bool pattern_matches(const json_t *pattern, const json_t *event);
