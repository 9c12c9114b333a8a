// SPDX-License-Identifier: Apache-2.0
// The files that text models come with, beside the graph: the tokenizer, and what config.json,
// tokenizer_config.json and 1_Pooling/config.json say.
#pragma once

#include "text/tokenizer.h"

// Reads a tokenizer.json, or a vocab.txt (any name that ends so), with the tokenizer_config.json
// beside it if there is one. Errors begin with the file's name.
MUST_CHECK int text_tokenizer(const char *path, struct tokenizer **ret, struct err *err);
