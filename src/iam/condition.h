// SPDX-License-Identifier: Apache-2.0
// The Condition element of a statement: {"StringLike": {"s3:prefix": ["a/*", "b/*"]}, …}. All
// operators and keys must hold; of a key's values one (for the negated operators: none) must match.
#pragma once

#include "base/buf.h"
#include "iam/policy.h"

#include <jansson.h>

// `condition` may be NULL: no condition.
MUST_CHECK int condition_check(const json_t *condition, size_t statement, struct err *err);
bool condition_holds(const json_t *condition, const struct policy_question *question);

// Appends `text` with ${name} replaced by the context's value, ${*}, ${?} and ${$} by the character.
// A variable without a value becomes text that matches nothing.
void condition_expand(struct str text, const struct policy_question *question, struct buf *out);
