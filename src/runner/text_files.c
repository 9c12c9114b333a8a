// SPDX-License-Identifier: Apache-2.0
// Files of text models.
#include "runner/text_files.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"
#include "runner/files.h"

#define CONFIG_MAX (4 * 1024 * 1024)

// A word that begins with a capital, other than [CLS] and its like: the vocabulary is cased.
static bool has_capitals(struct str lines)
{
    for (struct str rest = lines; rest.size;) {
        struct str line = str_cut(&rest, '\n');
        if (line.size > 1 && line.at[0] >= 'A' && line.at[0] <= 'Z') {
            return true;
        }
    }
    return false;
}

static int read_config(const char *path, json_t **ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(CONFIG_MAX);
    struct err why = {0};
    int rc = file_read(path, &text, &why);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    rc = rc < 0 ? err_set(err, rc, "%s", why.text) : json_parse_object(buf_str(&text), ret, err);
    return rc < 0 ? rc : 1;
}

static int read_vocab(struct str lines, const char *path, struct tokenizer **ret, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEAN_MEM char *beside =
        mem_printf("%.*stokenizer_config.json", slash ? (int)(slash + 1 - path) : 0, path);
    CLEAN_JSON json_t *config = NULL;
    int rc = read_config(beside, &config, err);
    struct tokenizer_bert bert = {.lowercase = !has_capitals(lines), .ideographs = true};
    rc = rc < 0 ? rc : json_get_bool(config, "do_lower_case", &bert.lowercase, err);
    bert.accents = bert.lowercase;
    rc = rc < 0 ? rc : json_get_bool(config, "strip_accents", &bert.accents, err);
    rc = rc < 0 ? rc : json_get_bool(config, "tokenize_chinese_chars", &bert.ideographs, err);
    if (rc < 0) {
        return err_prefix(err, "tokenizer_config.json");
    }
    return tokenizer_read_lines(lines, &bert, ret, err);
}

int text_tokenizer(const char *path, struct tokenizer **ret, struct err *err)
{
    const char *slash = strrchr(path, '/');
    CLEAN(files_unmap) struct str map = {0};
    TRY(files_map(path, &map, err));
    bool lines = str_ends(str_of(path), STR(".txt"));
    int rc = lines ? read_vocab(map, path, ret, err) : tokenizer_read(map, ret, err);
    return rc < 0 ? err_prefix(err, "%s", slash ? slash + 1 : path) : 0;
}

int text_open(const char *folder, const char *file, struct tokenizer **ret, struct err *err)
{
    static const char *const names[] = {"tokenizer.json", "vocab.txt"};
    for (size_t i = 0; i < (file ? 1 : ARRAY_SIZE(names)); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", folder, file ? file : names[i]);
        int rc = text_tokenizer(path, ret, err);
        if (rc != ERR_NOT_FOUND) {
            return rc;
        }
    }
    return file ? ERR_NOT_FOUND
                : err_set(err, ERR_INVALID,
                          "there is no tokenizer.json and no vocab.txt in the package");
}

static int add_labels(struct spec *spec, const json_t *labels, struct err *err)
{
    size_t count = json_object_size(labels);
    if (spec->label_count || count == 0) {
        return 0;
    }
    if (count > SPEC_LABELS_MAX) {
        return err_set(err, ERR_LIMIT, "id2label: more than %d", SPEC_LABELS_MAX);
    }
    spec->labels = mem_alloc(count * sizeof(*spec->labels));
    for (size_t i = 0; i < count; i++) {
        CLEAN_MEM char *id = mem_printf("%zu", i);
        struct str label = json_str(json_object_get(labels, id));
        if (!label.at) {
            return err_set(err, ERR_INVALID, "id2label: has no text for \"%s\"", id);
        }
        spec->labels[spec->label_count++] = str_dup(label);
    }
    return 0;
}

static void take_length(int64_t length, size_t *most)
{
    if (length > 0 && length <= CHARS_MAX && (*most == 0 || (size_t)length < *most)) {
        *most = (size_t)length;
    }
}

static int read_model_config(const json_t *config, struct spec *spec, size_t *most, struct err *err)
{
    json_t *labels = NULL;
    struct str problem = {0}, type = {0};
    TRY(json_get_object(config, "id2label", &labels, err));
    TRY(add_labels(spec, labels, err));
    TRY(json_get_str(config, "problem_type", &problem, err));
    TRY(json_get_str(config, "model_type", &type, err));
    if (str_eq(problem, STR("multi_label_classification")) && spec->scores == SPEC_OPEN) {
        spec->scores = SCORES_SIGMOID;
    }
    // RoBERTa counts positions from behind its padding token's number.
    int64_t lost = str_ends(type, STR("roberta")) || str_eq(type, STR("camembert")) ? 2 : 0;
    const json_t *length = json_object_get(config, "max_position_embeddings");
    take_length(json_is_integer(length) ? json_integer_value(length) - lost : 0, most);
    return 0;
}

static int read_pooling(const json_t *config, struct spec *spec)
{
    if (spec->pooling == SPEC_OPEN && config) {
        spec->pooling =
            json_is_true(json_object_get(config, "pooling_mode_cls_token"))   ? POOLING_CLS
            : json_is_true(json_object_get(config, "pooling_mode_lasttoken")) ? POOLING_LAST
                                                                              : POOLING_MEAN;
    }
    return 0;
}

int text_config(const char *folder, struct spec *spec, size_t *ret_length_max, struct err *err)
{
    static const char *const names[] = {"config.json", "tokenizer_config.json",
                                        "1_Pooling/config.json"};
    size_t most = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", folder, names[i]);
        CLEAN_JSON json_t *config = NULL;
        int rc = read_config(path, &config, err);
        if (rc > 0 && i == 0) {
            rc = read_model_config(config, spec, &most, err);
        } else if (rc > 0 && i == 1) { // where there is no limit it is a one with thirty zeros
            const json_t *length = json_object_get(config, "model_max_length");
            take_length(json_is_integer(length) ? json_integer_value(length) : 0, &most);
        } else if (rc > 0) {
            rc = read_pooling(config, spec);
        }
        if (rc < 0) {
            return err_prefix(err, "%s", names[i]);
        }
    }
    *ret_length_max = most;
    return 0;
}
