// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json, and after its first NUL a text for it: one that is read makes tokens whose offsets
// lie in the text and go forward, and no more of them than were asked for.
#include "text/tokenizer.h"
#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_of(struct str text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.at[i] & 0xc0) != 0x80;
    }
    return count;
}

static void check_tokens(const struct tokens *tokens, size_t count, size_t length_max)
{
    CHECK(tokens->count <= length_max);
    for (size_t i = 0; i < tokens->count; i++) {
        const struct token *token = &tokens->at[i];
        CHECK(token->from <= token->to && token->to <= count);
        CHECK(!token->special || token->to == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_n(data, size), json = str_cut(&text, 0);
    struct tokenizer *tokenizer = NULL;
    struct tokens tokens = {0};
    struct err err = {0};
    text = str_not_null(str_head(text, 4096));
    if (tokenizer_read(json, &tokenizer, &err) < 0) {
        CHECK(err.text[0] && !tokenizer);
        return 0;
    }
    struct tokenizer_request request = {.text = text, .length_max = 256};
    if (tokenizer_encode(tokenizer, &request, &tokens, &err) == 0) {
        check_tokens(&tokens, count_of(text), request.length_max);
        request.second = text;
    }
    if (request.second.at && tokenizer_encode(tokenizer, &request, &tokens, &err) == 0) {
        check_tokens(&tokens, count_of(text), request.length_max);
    }
    tokens_done(&tokens);
    tokenizer_free(tokenizer);
    return 0;
}
