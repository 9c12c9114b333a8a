// SPDX-License-Identifier: Apache-2.0
// Any text, through one of a few tokenizers that between them have every step: tokens lie in the text;
// and normal forms are what they are said to be.
#include "base/check.h"
#include "base/mem.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WORDS "\"vocab\":{\"[UNK]\":0,\"a\":1,\"##b\":2,\"1\":3}"
#define SCORES                                                                                     \
    "\"vocab\":[[\"<unk>\",0],[\"\xe2\x96\x81\",-2],[\"\xe2\x96\x81"                               \
    "a\",-3],[\"b\",-3.5],[\"ab\",-4]]"

static const char *const tokenizers[] = {
    "{\"normalizer\":{\"type\":\"BertNormalizer\"},\"pre_tokenizer\":{\"type\":"
    "\"BertPreTokenizer\"},"
    "\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\"," WORDS "},\"added_tokens\":["
    "{\"id\":9,\"content\":\"[M]\",\"lstrip\":true,\"normalized\":false},"
    "{\"id\":8,\"content\":\"\xc3\xa9\",\"rstrip\":true,\"single_word\":true}]}",
    "{\"normalizer\":{\"type\":\"NFC\"},\"pre_tokenizer\":{\"type\":\"ByteLevel\"},"
    "\"post_processor\":{\"type\":\"ByteLevel\"},\"model\":{\"type\":\"BPE\",\"merges\":[\"a a\","
    "\"aa a\"],\"vocab\":{\"a\":0,\"aa\":1,\"aaa\":2,\"\xc4\xa0\":3,\"\xc3\xa9\":4}}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"NFKC\"},{\"type\":"
    "\"Strip\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"Regex\":\" {2,}\"},\"content\":\"\xe2\x96\x81\"}]},"
    "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xe2\x96\x81\"},"
    "\"model\":{\"type\":\"Unigram\",\"unk_id\":0," SCORES "}}",
    "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Nmt\"},{\"type\":\"NFKD\"}"
    ","
    "{\"type\":\"StripAccents\"},{\"type\":\"Lowercase\"},{\"type\":\"Prepend\",\"prepend\":\"<\"}]"
    "},"
    "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Whitespace\"},"
    "{\"type\":\"Digits\",\"individual_digits\":true},{\"type\":\"Punctuation\",\"behavior\":"
    "\"MergedWithNext\"},{\"type\":\"Split\",\"pattern\":{\"Regex\":\"x*\"},\"behavior\":"
    "\"MergedWithPrevious\"}]},\"model\":{\"type\":\"WordPiece\",\"unk_token\":\"[UNK]\"," WORDS
    "}}",
};

static struct tokenizer *tokenizer_of(size_t which)
{
    static struct tokenizer *made[ARRAY_SIZE(tokenizers)];
    struct err err = {0};
    if (!made[which]) {
        CHECK(tokenizer_read(str_of(tokenizers[which]), &made[which], &err) == 0);
    }
    return made[which];
}

static void check_equal(const struct chars *a, const struct chars *b)
{
    CHECK(a->count == b->count);
    CHECK(a->count == 0 || memcmp(a->at, b->at, a->count * sizeof(*a->at)) == 0);
}

// A form of a form is the form; the composed decomposes into what the text decomposes into.
static void check_forms(struct str text)
{
    CLEAN(chars_done) struct chars in = {0}, c = {0}, cc = {0}, d = {0}, dc = {0};
    struct err err = {0};
    if (chars_read(&in, text, &err) < 0) {
        return;
    }
    unicode_normalize(UNICODE_NFC, &in, 0, in.count, &c);
    unicode_normalize(UNICODE_NFC, &c, 0, c.count, &cc);
    unicode_normalize(UNICODE_NFD, &in, 0, in.count, &d);
    unicode_normalize(UNICODE_NFD, &c, 0, c.count, &dc);
    check_equal(&c, &cc);
    check_equal(&d, &dc);
    for (size_t i = 0; i < c.count; i++) {
        CHECK(c.from[i] < c.to[i] && c.to[i] <= in.count);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tokens tokens = {0};
    struct err err = {0};
    if (size == 0) {
        return 0;
    }
    struct str text = str_n(data + 1, size - 1);
    check_forms(text);
    struct tokenizer_request request = {.text = text};
    if (tokenizer_encode(tokenizer_of(data[0] % ARRAY_SIZE(tokenizers)), &request, &tokens, &err) <
        0) {
        CHECK(err.text[0]);
    }
    for (size_t i = 0; i < tokens.count; i++) {
        CHECK(tokens.at[i].from <= tokens.at[i].to && tokens.at[i].to <= text.size);
    }
    tokens_done(&tokens);
    return 0;
}
