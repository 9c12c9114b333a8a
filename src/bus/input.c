// SPDX-License-Identifier: Apache-2.0
// InputTransformer's template is text with <names> in it. Between quotes a value's text is put in, else
// its JSON; what the event does not have is nothing there, and null here.
#include "bus/input.h"
#include "base/clock.h"
#include "format/json.h"
#include "format/json_path.h"

#define VARIABLES_MAX 100
#define VALUE_MAX     ((size_t)1024 * 1024)

// ── checking ──

static int check_paths(const json_t *paths, struct err *err)
{
    const char *name = NULL;
    json_t *path = NULL;
    if (paths && !json_is_object(paths)) {
        return err_set(err, ERR_INVALID, "InputPathsMap is not a map");
    }
    json_object_foreach((json_t *)(uintptr_t)paths, name, path)
    {
        if (strncmp(name, "AWS", 3) == 0 || strncmp(name, "aws", 3) == 0) {
            return err_set(err, ERR_INVALID, "InputPathsMap.%.64s: names cannot begin with AWS",
                           name);
        }
        TRY(json_path_check(str_not_null(json_str(path)), err));
    }
    return json_object_size(paths) <= VARIABLES_MAX
               ? 0
               : err_set(err, ERR_INVALID, "InputPathsMap has more than %d paths", VARIABLES_MAX);
}

static int check_template(const json_t *transformer, struct err *err)
{
    struct str text = {0};
    TRY(json_need_str(transformer, "InputTemplate", &text, err));
    if (text.size == 0 || text.size > 8192) {
        return err_set(err, ERR_INVALID, "InputTemplate has 1 to 8192 bytes");
    }
    return check_paths(json_object_get(transformer, "InputPathsMap"), err);
}

int bus_input_check(const json_t *target, struct err *err)
{
    static const char *const names[] = {"Input", "InputPath", "InputTransformer"};
    const json_t *given = NULL;
    int count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const json_t *member = json_object_get(target, names[i]);
        given = member && !json_is_null(member) ? member : given;
        count += given == member && given;
    }
    if (count > 1) {
        return err_set(err, ERR_INVALID,
                       "only one of Input, InputPath, or InputTransformer must be provided");
    }
    const json_t *path = json_object_get(target, "InputPath");
    if (given && given == path) {
        return json_path_check(str_not_null(json_str(path)), err);
    }
    return given && given == json_object_get(target, "InputTransformer")
               ? check_template(given, err)
               : 0;
}

// ── writing ──

static void value_write(struct buf *out, const json_t *value, bool quoted)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(VALUE_MAX);
    if (!quoted) {
        if (value) {
            json_write(value, out);
        } else {
            buf_add_text(out, "null");
        }
        return;
    }
    if (value && !json_is_string(value)) {
        json_write(value, &text);
    }
    CLEAN(buf_done) struct buf quoted_text = BUF_INIT(VALUE_MAX);
    json_quote(&quoted_text, json_is_string(value) ? json_str(value) : buf_str(&text));
    struct str inner = buf_str(&quoted_text);
    buf_add_str(out, str_head(str_skip(inner, 1), inner.size - 2));
}

static struct str rule_name(struct str arn)
{
    while (str_find(arn, '/') >= 0) {
        (void)str_cut(&arn, '/');
    }
    return arn;
}

// EventBridge's own names. A new reference, or NULL.
static json_t *own_variable(const struct bus_input *input, const json_t *event, struct str name)
{
    char when[CLOCK_TEXT_MAX];
    if (str_eq(name, STR("aws.events.rule-arn"))) {
        return json_from_str(input->rule_arn);
    }
    if (str_eq(name, STR("aws.events.rule-name"))) {
        return json_from_str(rule_name(input->rule_arn));
    }
    if (str_eq(name, STR("aws.events.event.ingestion-time"))) {
        return json_string(clock_iso(input->now_ms, when));
    }
    if (str_eq(name, STR("aws.events.event.json"))) {
        return json_incref((json_t *)(uintptr_t)event);
    }
    if (str_eq(name, STR("aws.events.event"))) {
        json_t *without = json_copy((json_t *)(uintptr_t)event);
        json_object_del(without, "detail");
        return without;
    }
    return NULL;
}

// Writes what a name in the template stands for. False when it is none, but text.
static bool variable_write(struct buf *out, const struct bus_input *input, const json_t *event,
                           struct str name, bool quoted)
{
    const json_t *paths = json_at(input->target, "InputTransformer.InputPathsMap");
    CLEAN_MEM char *key = str_dup(name);
    const json_t *path = json_object_get(paths, key);
    if (path) {
        value_write(out, json_path_get(event, json_str(path)), quoted);
        return true;
    }
    CLEAN_JSON json_t *own = own_variable(input, event, name);
    if (own) {
        value_write(out, own, quoted);
    }
    return own != NULL;
}

static void transform(struct buf *out, const struct bus_input *input, const json_t *event)
{
    struct str rest = json_str(json_at(input->target, "InputTransformer.InputTemplate"));
    bool quoted = false;
    while (rest.size) {
        ptrdiff_t end = rest.at[0] == '<' ? str_find(rest, '>') : -1;
        struct str name = end > 0 ? str_head(str_skip(rest, 1), (size_t)end - 1) : STR("");
        if (end > 0 && variable_write(out, input, event, name, quoted)) {
            rest = str_skip(rest, (size_t)end + 1);
            continue;
        }
        size_t size = rest.at[0] == '\\' && rest.size > 1 ? 2 : 1;
        quoted = quoted != (rest.at[0] == '"');
        buf_add_str(out, str_head(rest, size));
        rest = str_skip(rest, size);
    }
}

void bus_input_write(struct buf *out, const struct bus_input *input)
{
    struct str constant = json_str(json_object_get(input->target, "Input"));
    struct str path = json_str(json_object_get(input->target, "InputPath"));
    bool template = json_object_get(input->target, "InputTransformer") != NULL;
    CLEAN_JSON json_t *event = NULL;
    if (constant.at) {
        buf_add_str(out, constant);
    } else if ((!path.at && !template) || json_parse(input->event, &event, NULL) < 0) {
        buf_add_str(out, input->event);
    } else if (path.at) {
        value_write(out, json_path_get(event, path), /* quoted */ false);
    } else {
        transform(out, input, event);
    }
}
