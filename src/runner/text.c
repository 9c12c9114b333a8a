// SPDX-License-Identifier: Apache-2.0
// Texts on their way through a model.
#include "runner/text.h"
#include "base/clock.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/text_files.h"
#include "runner/together.h"

#define LENGTH_OPEN 512 // tokens, where nothing says how many the model takes
#define BUCKET      16  // texts of nearly the same length go together, padded to a multiple of it
#define RESULT_MAX  (64 * 1024 * 1024)
#define BAD(...)    err_aws(err, ERR_INVALID, TASK_BAD_REQUEST, __VA_ARGS__)

// ---- setting up ----

static int check_input(struct text_model *text, const struct engine_value *in, size_t index,
                       struct err *err)
{
    static const char *const names[] = {"input_ids", "attention_mask", "token_type_ids",
                                        "position_ids"};
    size_t which = 0;
    while (which < ARRAY_SIZE(names) && strcmp(in->name, names[which]) != 0) {
        which++;
    }
    bool whole = in->type == TENSOR_INT64 || in->type == TENSOR_INT32;
    if (which == ARRAY_SIZE(names) || !whole || in->rank != 2) {
        return err_set(err, ERR_INVALID,
                       "the model's input \"%s\" is none that a tokenizer fills: input_ids, "
                       "attention_mask, token_type_ids and position_ids are, of [batch, tokens]",
                       in->name);
    }
    text->inputs[index] = (enum text_input)which;
    text->pads = text->pads || which == TEXT_MASK;
    text->fixed = in->dims[1] >= 0 ? in->dims[1] : text->fixed;
    return 0;
}

static int check_length(struct text_model *text, const struct spec *spec, size_t files,
                        struct err *err)
{
    size_t most = tokenizer_facts(text->tokenizer)->length_max;
    most = most && files ? (most < files ? most : files) : most ? most : files;
    text->length_max = spec->length_max > 0 ? (size_t)spec->length_max : most ? most : LENGTH_OPEN;
    if (text->fixed >= 0 && text->length_max > (size_t)text->fixed) {
        text->length_max = (size_t)text->fixed;
    }
    size_t added = tokenizer_added(text->tokenizer, true);
    return text->length_max > added
               ? 0
               : spec_fail(spec, err, "maxLength", "%zu tokens have no room for %zu special ones",
                           text->length_max, added);
}

int text_setup(struct text_model *text, struct package *package, struct err *err)
{
    size_t files_max = 0;
    *text = (struct text_model){.fixed = -1};
    TRY(text_open(package->folder, package->spec.tokenizer, &text->tokenizer, err));
    TRY(text_config(package->folder, &package->spec, &files_max, err));
    for (size_t i = 0; i < package->model->input_count; i++) {
        TRY(check_input(text, &package->model->inputs[i], i, err));
    }
    return check_length(text, &package->spec, files_max, err);
}

void text_drop(struct package *package)
{
    struct text_model *text = package->state;
    tokenizer_free(text->tokenizer);
    free(text);
    package->state = NULL;
}

// ---- requests ----

struct text_request {
    json_t *root; // what the texts point into
    enum text_shape shape;
    bool base64;
    size_t first, count; // its texts among all
    struct item *item;
};

struct texts {
    struct text_one *at;
    size_t count, room;
};

static struct text_one *texts_add(struct texts *texts)
{
    if (texts->count == texts->room) {
        texts->room = texts->room ? 2 * texts->room : 16;
        texts->at = mem_grow(texts->at, texts->room * sizeof(*texts->at));
    }
    struct text_one *one = &texts->at[texts->count++];
    *one = (struct text_one){0};
    buf_init(&one->result, RESULT_MAX);
    return one;
}

static void texts_done(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++) {
        tokens_done(&texts->at[i].tokens);
        buf_done(&texts->at[i].result);
    }
    free(texts->at);
}

static int add_text(struct text_model *text, struct texts *texts, struct str first,
                    struct str second, struct err *err)
{
    struct text_one *one = texts_add(texts);
    one->text = first;
    struct tokenizer_request request = {
        .text = first, .second = second, .length_max = text->length_max};
    int rc = tokenizer_encode(text->tokenizer, &request, &one->tokens, err);
    if (rc < 0) {
        err->aws = TASK_BAD_REQUEST;
    }
    return rc;
}

// Numbers of tokens, as OpenAI's clients may send them: special tokens are theirs to put.
static int add_ids(const struct text_model *text, struct texts *texts, const json_t *ids,
                   struct err *err)
{
    struct text_one *one = texts_add(texts);
    size_t count = json_array_size(ids);
    if (count > text->length_max) {
        return BAD("%zu tokens are more than the model takes, %zu", count, text->length_max);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *id = json_array_get(ids, i);
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) >= VOCAB_COUNT_MAX) {
            return BAD("input: token %zu must be a number of the vocabulary", i);
        }
        struct token token = {.id = (uint32_t)json_integer_value(id)};
        tokens_add(&one->tokens, &token);
    }
    return 0;
}

static int add_value(struct text_model *text, struct texts *texts, const json_t *value,
                     struct err *err)
{
    struct str first = json_str(value), second = {0};
    if (json_is_object(value)) {
        TRY(json_need_str(value, "text", &first, err));
        TRY(json_get_str(value, "text_pair", &second, err));
    }
    return first.at ? add_text(text, texts, first, second, err)
                    : BAD("a text must be a string or {\"text\": …}, is %s", json_kind_name(value));
}

static int add_list(struct text_model *text, struct texts *texts, const json_t *list, bool ids,
                    struct err *err)
{
    if (json_array_size(list) == 0 || json_array_size(list) > TEXT_COUNT_MAX) {
        return BAD("a list must be of 1 to %d texts", TEXT_COUNT_MAX);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *value = json_array_get(list, i);
        bool numbers = ids && json_is_array(value);
        TRY(numbers ? add_ids(text, texts, value, err) : add_value(text, texts, value, err));
    }
    return 0;
}

static int read_openai(struct text_model *text, struct texts *texts, struct text_request *request,
                       const json_t *input, struct err *err)
{
    struct str format = STR("float");
    request->shape = TEXT_OPENAI;
    TRY(json_get_str(request->root, "encoding_format", &format, err));
    request->base64 = str_eq(format, STR("base64"));
    if (!request->base64 && !str_eq(format, STR("float"))) {
        return BAD("encoding_format: must be float or base64");
    }
    if (json_object_get(request->root, "dimensions")) {
        return BAD("dimensions: this model's embeddings have one size, and cannot be cut");
    }
    if (!json_is_array(input)) {
        return add_value(text, texts, input, err);
    }
    return json_is_integer(json_array_get(input, 0)) ? add_ids(text, texts, input, err)
                                                     : add_list(text, texts, input, true, err);
}

static int read_request(struct text_model *text, struct texts *texts, struct text_request *request,
                        bool openai, struct err *err)
{
    struct str bytes = request->item->bytes, trimmed = str_trim(bytes);
    struct err why = {0};
    bool maybe = trimmed.size && (trimmed.at[0] == '{' || trimmed.at[0] == '"');
    if (bytes.size == 0) {
        return BAD("it is empty");
    }
    if (maybe && json_parse(trimmed, &request->root, &why) == 0 && json_is_string(request->root)) {
        return add_value(text, texts, request->root, err);
    }
    const json_t *inputs = json_object_get(request->root, "inputs");
    const json_t *input = json_object_get(request->root, "input");
    if (openai && input) {
        return read_openai(text, texts, request, input, err);
    }
    if (json_is_array(inputs)) {
        request->shape = TEXT_LIST;
        return add_list(text, texts, inputs, false, err);
    }
    if (inputs || json_object_get(request->root, "text")) {
        return add_value(text, texts, inputs ? inputs : request->root, err);
    }
    return json_object_get(request->root, "Records")
               ? BAD("the event's records name no objects")
               : add_text(text, texts, bytes, (struct str){0}, err);
}

// ---- tensors ----

struct part { // of one text
    struct together_part base;
    struct tensor inputs[ENGINE_VALUES_MAX], outputs[ENGINE_VALUES_MAX];
    struct text_one *one;
};

static int64_t value_of(const struct text_model *text, const struct text_one *one,
                        enum text_input input, size_t at)
{
    const struct tokenizer_facts *facts = tokenizer_facts(text->tokenizer);
    bool inside = at >= one->before && at < one->before + one->tokens.count;
    const struct token *token = inside ? &one->tokens.at[at - one->before] : NULL;
    switch (input) {
    case TEXT_IDS: return token ? token->id : facts->pad_id;
    case TEXT_MASK: return inside;
    case TEXT_TYPES: return token ? token->type : facts->pad_type;
    default: return inside ? (int64_t)(at - one->before) : 0;
    }
}

static void fill_part(const struct text_model *text, const struct model *model, struct part *part)
{
    for (size_t i = 0; i < model->input_count; i++) {
        struct tensor *t = &part->inputs[i];
        size_t count = part->one->padded;
        *t = (struct tensor){.type = model->inputs[i].type,
                             .rank = 2,
                             .dims = {1, (int64_t)count},
                             .size = count * tensor_type_size(model->inputs[i].type)};
        t->data = mem_alloc(t->size + 1);
        for (size_t k = 0; k < count; k++) {
            tensor_set(t, k, (double)value_of(text, part->one, text->inputs[i], k));
        }
    }
    part->base = (struct together_part){.inputs = part->inputs, .outputs = part->outputs};
}

// Texts that may go with others are padded to a common length; one alone is not.
static void pad(const struct text_model *text, struct text_one *one, bool alone)
{
    size_t count = one->tokens.count;
    one->padded = count;
    if (text->fixed >= 0) {
        one->padded = (size_t)text->fixed;
    } else if (!alone && text->pads) {
        size_t up = (count + BUCKET - 1) / BUCKET * BUCKET;
        one->padded = up < text->length_max ? up : text->length_max;
    }
    one->padded = one->padded < count ? count : one->padded;
    one->padded = one->padded ? one->padded : 1; // an empty text, where nothing is put around it
    one->before = tokenizer_facts(text->tokenizer)->pad_left ? one->padded - count : 0;
}

// ---- running ----

struct run {
    struct package *package;
    const struct text_model *text;
    text_read *read;
};

static void on_answer(void *ctx, struct together_part *base)
{
    struct run *run = ctx;
    struct part *part = CONTAINER_OF(base, struct part, base);
    struct text_one *one = part->one;
    one->err = base->err;
    if (one->err.code == 0) {
        (void)!run->read(run->package, run->text, one, base->outputs, &one->err);
    }
    if (one->err.code < 0 && !one->err.aws) {
        one->err.aws = TASK_BAD_MODEL;
    }
}

static void run_texts(struct run *run, struct texts *texts)
{
    const struct model *model = run->package->model;
    struct part *parts = mem_alloc((texts->count + 1) * sizeof(*parts));
    CLEAN_MEM struct together_part **bases = mem_alloc((texts->count + 1) * sizeof(void *));
    size_t count = 0;
    for (size_t i = 0; i < texts->count; i++) {
        if (texts->at[i].err.code < 0) {
            continue;
        }
        pad(run->text, &texts->at[i], texts->count == 1);
        parts[count].one = &texts->at[i];
        fill_part(run->text, model, &parts[count]);
        bases[count] = &parts[count].base;
        count++;
    }
    together_run(run->package, bases, count, on_answer, run);
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < model->input_count; k++) {
            free(parts[i].inputs[k].data);
        }
    }
    free(parts);
}

// ---- answers ----

static void add_openai(const struct text_request *request, const struct text_one *ones,
                       const char *function, struct buf *out)
{
    size_t tokens = 0;
    buf_add_text(out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < request->count; i++) {
        buf_printf(out, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":", i ? "," : "",
                   i);
        buf_add_str(out, buf_str(&ones[i].result));
        buf_add_char(out, '}');
        tokens += ones[i].tokens.count;
    }
    buf_add_text(out, "],\"model\":");
    json_quote(out, str_of(function));
    buf_printf(out, ",\"usage\":{\"prompt_tokens\":%zu,\"total_tokens\":%zu}}", tokens, tokens);
}

static void add_results(const struct text_request *request, const struct text_one *ones,
                        const char *name, struct buf *out)
{
    bool list = request->shape == TEXT_LIST;
    if (name) {
        buf_printf(out, "{\"%s%s\":", name, list ? "s" : "");
    }
    buf_add_text(out, list ? "[" : "");
    for (size_t i = 0; i < request->count; i++) {
        buf_add_text(out, i ? "," : "");
        buf_add_str(out, buf_str(&ones[i].result));
    }
    buf_add_text(out, list ? "]" : "");
    buf_add_text(out, name ? "}" : "");
}

// The first text that failed is what is said; its number, where there are several.
static void answer(const struct package *package, const struct text_request *request,
                   const struct texts *texts, const char *name)
{
    const struct text_one *ones = texts->at + request->first;
    struct item *item = request->item;
    for (size_t i = 0; i < request->count; i++) {
        if (ones[i].err.code < 0) {
            item->err = ones[i].err;
            if (request->count > 1) {
                err_prefix(&item->err, "text %zu", i);
            }
            return;
        }
    }
    if (request->shape == TEXT_OPENAI) {
        add_openai(request, ones, package->function, &item->answer);
    } else {
        add_results(request, ones, name, &item->answer);
    }
}

void text_run(struct package *package, struct item *items, size_t count, const char *name,
              text_read *read)
{
    struct text_model *text = package->state;
    struct texts texts = {0};
    struct run run = {package, text, read};
    CLEAN_MEM struct text_request *requests = mem_alloc((count + 1) * sizeof(*requests));
    for (size_t i = 0; i < count; i++) {
        struct text_request *request = &requests[i];
        int64_t began = clock_mono_us();
        *request = (struct text_request){.item = &items[i], .first = texts.count};
        if (read_request(text, &texts, request, name != NULL, &items[i].err) < 0) {
            items[i].err.aws = items[i].err.aws ? items[i].err.aws : TASK_BAD_REQUEST;
            for (size_t k = request->first; k < texts.count; k++) {
                texts.at[k].err = items[i].err;
            }
        }
        request->count = texts.count - request->first;
        for (size_t k = request->first; k < texts.count; k++) {
            texts.at[k].base64 = request->base64;
        }
        items[i].decode_us = (uint64_t)(clock_mono_us() - began);
    }
    run_texts(&run, &texts);
    for (size_t i = 0; i < count; i++) {
        if (items[i].err.code == 0) {
            answer(package, &requests[i], &texts, name);
        }
        json_decref(requests[i].root);
    }
    texts_done(&texts);
}

int text_inputs(struct package *package, struct item *item, struct tensor *ret)
{
    struct text_model *text = package->state;
    CLEAN(texts_done) struct texts texts = {0};
    struct text_request request = {.item = item};
    int rc = read_request(text, &texts, &request, false, &item->err);
    json_decref(request.root);
    TRY(rc);
    CLEAN_MEM struct part *part = NEW(struct part);
    part->one = &texts.at[0];
    pad(text, part->one, true);
    fill_part(text, package->model, part);
    memcpy(ret, part->inputs, package->model->input_count * sizeof *ret);
    return 0;
}
