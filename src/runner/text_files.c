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
