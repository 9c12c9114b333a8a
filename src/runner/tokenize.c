// SPDX-License-Identifier: Apache-2.0
// Tokens as JSON, line by line.
#include "runner/tokenize.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/text_files.h"

#include <stdio.h>

#define LINE_MAX_BYTES (64 * 1024 * 1024)

static int read_line(struct str line, json_t **root, struct tokenizer_request *request,
                     struct err *err)
{
    TRY(json_parse(line, root, err));
    bool pair = json_is_array(*root);
    request->text = json_str(pair ? json_array_get(*root, 0) : *root);
    request->second = pair ? json_str(json_array_get(*root, 1)) : (struct str){0};
    return request->text.at && (!pair || request->second.at)
               ? 0
               : err_set(err, ERR_INVALID, "must be a text or [text, text]");
}

static void add_column(struct buf *out, const char *name, const struct tokens *tokens,
                       void (*add)(struct buf *out, const struct token *token))
{
    buf_printf(out, "\"%s\":[", name);
    for (size_t i = 0; i < tokens->count; i++) {
        buf_add_text(out, i ? "," : "");
        add(out, &tokens->at[i]);
    }
    buf_add_char(out, ']');
}

static void add_id(struct buf *out, const struct token *token)
{
    buf_printf(out, "%u", token->id);
}

static void add_type(struct buf *out, const struct token *token)
{
    buf_printf(out, "%u", token->type);
}

static void add_offsets(struct buf *out, const struct token *token)
{
    buf_printf(out, "[%u,%u]", token->from, token->to);
}

static void add_special(struct buf *out, const struct token *token)
{
    buf_add_char(out, token->special ? '1' : '0');
}

static void answer(struct tokenizer *tokenizer, struct str line, size_t length_max,
                   struct tokens *tokens, struct buf *out)
{
    CLEAN_JSON json_t *root = NULL;
    struct tokenizer_request request = {.length_max = length_max};
    struct err err = {0};
    if (read_line(line, &root, &request, &err) < 0 ||
        tokenizer_encode(tokenizer, &request, tokens, &err) < 0) {
        buf_add_text(out, "{\"error\":");
        json_quote(out, str_of(err.text));
        buf_add_text(out, "}\n");
        return;
    }
    buf_add_char(out, '{');
    add_column(out, "ids", tokens, add_id);
    buf_add_char(out, ',');
    add_column(out, "types", tokens, add_type);
    buf_add_char(out, ',');
    add_column(out, "offsets", tokens, add_offsets);
    buf_add_char(out, ',');
    add_column(out, "special", tokens, add_special);
    buf_add_text(out, "}\n");
}

int tokenize_main(const char *path, size_t length_max)
{
    struct tokenizer *tokenizer = NULL;
    struct tokens tokens = {0};
    struct err err = {0};
    if (text_tokenizer(path, &tokenizer, &err) < 0) {
        fprintf(stderr, "rouse-runner: %s\n", err.text);
        return 1;
    }
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, stdin)) > 0;) {
        CLEAN(buf_done) struct buf out = BUF_INIT(LINE_MAX_BYTES);
        answer(tokenizer, str_n(line, (size_t)size), length_max, &tokens, &out);
        fputs(buf_text(&out), stdout);
    }
    free(line);
    tokens_done(&tokens);
    tokenizer_free(tokenizer);
    return 0;
}
