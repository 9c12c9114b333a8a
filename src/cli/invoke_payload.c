// SPDX-License-Identifier: Apache-2.0
// Events as people give them on a command line, and answers as they read them.
#include "cli/invoke.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/utf8.h"
#include "format/yaml.h"

#include <unistd.h>

static int read_stdin(struct buf *out, struct err *err)
{
    for (;;) {
        char piece[16 * 1024];
        ssize_t got = read(STDIN_FILENO, piece, sizeof piece);
        if (got < 0) {
            return err_set(err, ERR_IO, "standard input could not be read");
        }
        if (got == 0) {
            return 0;
        }
        buf_add(out, piece, (size_t)got);
    }
}

static int read_path(const char *path, struct buf *out, struct err *err)
{
    struct str name = str_of(path);
    if (strcmp(path, "-") == 0) {
        return read_stdin(out, err);
    }
    if (!str_ends(name, STR(".yml")) && !str_ends(name, STR(".yaml"))) {
        return file_read(path, out, err);
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(YAML_SIZE_MAX);
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    TRY(file_read(path, &text, err));
    TRY(yaml_parse(buf_str(&text), path, &root, err));
    CLEAN_JSON json_t *json = yaml_to_json(root);
    json_write(json, out);
    return 0;
}

// One of two options, whichever was given. 1, or 0 when neither was.
static int read_either(const struct args *args, const char *text_option, const char *path_option,
                       struct buf *out, struct err *err)
{
    const char *text = args_get(args, text_option);
    const char *path = args_get(args, path_option);
    if (text && path) {
        return err_set(err, ERR_INVALID, "either --%s or --%s, not both", text_option, path_option);
    }
    if (text) {
        buf_add_text(out, text);
    } else if (path) {
        TRY(read_path(path, out, err));
    }
    return text || path;
}

int invoke_payload(const struct args *args, struct buf *out, struct err *err)
{
    CLEAN(buf_done) struct buf given = BUF_INIT(INVOKE_PAYLOAD_MAX);
    CLEAN_JSON json_t *json = NULL;
    int rc = read_either(args, "data", "path", &given, err);
    TRY(rc);
    struct str text = buf_str(&given);
    bool is_text = utf8_ok(text) && (text.size == 0 || !memchr(text.at, 0, text.size));
    bool raw = args_has(args, "raw");
    if (rc && is_text && (raw || json_parse(text, &json, NULL) < 0)) {
        json_quote(out, text);
    } else {
        buf_add_str(out, text);
    }
    return buf_ok(&given) && buf_ok(out)
               ? 0
               : err_set(err, ERR_LIMIT, "the payload is larger than 64 MiB");
}

int invoke_context(const struct args *args, struct buf *out, struct err *err)
{
    CLEAN_JSON json_t *json = NULL;
    int rc = read_either(args, "context", "contextPath", out, err);
    TRY(rc);
    if (rc && json_parse(buf_str(out), &json, err) < 0) {
        return err_prefix(err, "--%s", args_has(args, "context") ? "context" : "contextPath");
    }
    return 0;
}

void invoke_print_answer(struct str answer)
{
    CLEAN_JSON json_t *payload = NULL;
    if (json_parse(answer, &payload, NULL) < 0) {
        fwrite(str_not_null(answer).at, 1, answer.size, stdout);
        if (answer.size && terminal_is_tty()) {
            putchar('\n');
        }
        return;
    }
    CLEAN(buf_done) struct buf text = BUF_INIT(4 * INVOKE_PAYLOAD_MAX);
    json_write_indented(payload, &text);
    puts(buf_text(&text));
}

int invoke_failed(struct str answer, const char *kind, struct err *err)
{
    CLEAN_JSON json_t *document = NULL;
    struct str message = {0};
    if (json_parse(answer, &document, NULL) >= 0) {
        message = json_str(json_object_get(document, "errorMessage"));
    }
    return err_set(err, ERR_FUNCTION, "the function failed (%s)%s" STR_FMT, kind,
                   message.size ? ": " : "", STR_ARG(message));
}
