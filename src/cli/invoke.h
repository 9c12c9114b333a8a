// SPDX-License-Identifier: Apache-2.0
// What rouse invoke and rouse invoke local share: the event they are given, and how an answer is shown.
#pragma once

#include "cli/cli.h"

#define INVOKE_PAYLOAD_MAX (64u * 1024 * 1024)

// --data or --path ("-": standard input). JSON goes as it is, YAML of a file that ends so as JSON, bytes
// that are no text (a picture) as they are; any other text, and with --raw every one, as a JSON string.
// Nothing given: nothing added.
MUST_CHECK int invoke_payload(const struct args *args, struct buf *out, struct err *err);
// --context or --contextPath in the same way; it must be JSON.
MUST_CHECK int invoke_context(const struct args *args, struct buf *out, struct err *err);

// JSON laid out for people, anything else byte for byte.
void invoke_print_answer(struct str answer);
// "the function failed (KIND): …", ERR_FUNCTION, with what the answer says of it.
int invoke_failed(struct str answer, const char *kind, struct err *err);

// rouse invoke local.
MUST_CHECK int invoke_local(const struct args *args, struct err *err);
