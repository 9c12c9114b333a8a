// SPDX-License-Identifier: Apache-2.0
// Reads the server's settings: defaults, then the file, the environment and the options, each
// through the same row of the table, so that a bad value is refused in the same words wherever it
// was written. `rouse serve` calls it before anything else.
#include "config/settings.h"
#include "config/quantity.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/redis_url.h"
#include "format/yaml.h"

#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#define X(field, kind_, key_, fallback_, least_, most_, choices_, help_)                           \
    {.key = key_,                                                                                  \
     .fallback = fallback_,                                                                        \
     .choices = choices_,                                                                          \
     .help = help_,                                                                                \
     .kind = SETTING_##kind_,                                                                      \
     .offset = offsetof(struct settings, field),                                                   \
     .least = least_,                                                                              \
     .most = most_},
const struct setting settings_table[] = {SETTINGS(X)};
#undef X
const size_t settings_count = ARRAY_SIZE(settings_table);

#define FILE_SIZE_MAX (1024 * 1024)

static void *field_of(struct settings *settings, const struct setting *row)
{
    return (char *)settings + row->offset;
}

static bool is_text(enum setting_kind kind)
{
    return kind == SETTING_ADDRESS || kind == SETTING_PATH || kind == SETTING_WORD ||
           kind == SETTING_CACHE;
}

static void keep_text(struct settings *settings, const struct setting *row, char *text)
{
    char **field = field_of(settings, row);
    free(*field);
    *field = text;
}

// Joins a relative path to `folder` (NULL: the working folder); "~/x" is below the home folder.
static char *absolute(struct str path, const char *folder)
{
    const char *home = getenv("HOME");
    if (path.size && path.at[0] == '/') {
        return str_dup(path);
    }
    if (home && path.size >= 2 && path.at[0] == '~' && path.at[1] == '/') {
        return mem_printf("%s" STR_FMT, home, STR_ARG(str_skip(path, 1)));
    }
    CLEAN_MEM char *cwd = folder ? NULL : getcwd(NULL, 0);
    const char *base = folder ? folder : cwd ? cwd : ".";
    if (str_eq(path, STR("."))) {
        return mem_dup(base);
    }
    return mem_printf("%s/" STR_FMT, base, STR_ARG(path));
}

static int check_word(struct str text, struct err *err)
{
    for (size_t i = 0; i < text.size; i++) {
        char c = text.at[i];
        bool fine =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!fine) {
            return err_set(err, ERR_INVALID, "\"" STR_FMT "\" may hold letters, digits and - only",
                           STR_ARG(text));
        }
    }
    if (text.size == 0 || text.size > 63) {
        return err_set(err, ERR_INVALID, "must have 1 to 63 characters");
    }
    return 0;
}

static int check_cache(struct str text, struct err *err)
{
    CLEAN(redis_url_done) struct redis_url url = {0};
    if (str_eq(text, STR("memory"))) {
        return 0;
    }
    return redis_url_parse(text, &url, err) < 0 ? err_prefix(err, "is not \"memory\"") : 0;
}

static int set_text(struct settings *settings, const struct setting *row, struct str text,
                    const char *folder, struct err *err)
{
    if (row->kind == SETTING_ADDRESS) {
        TRY(address_parse(text, err));
    } else if (row->kind == SETTING_WORD) {
        TRY(check_word(text, err));
    } else if (row->kind == SETTING_CACHE) {
        TRY(check_cache(text, err));
    } else if (text.size == 0) {
        return err_set(err, ERR_INVALID, "is empty, must be a path");
    }
    char *kept = row->kind == SETTING_PATH ? absolute(text, folder) : str_dup(text);
    keep_text(settings, row, kept);
    return 0;
}

// Sets the error for a number outside the row's bounds, in the row's unit.
static int out_of_range(const struct setting *row, struct str text, struct err *err)
{
    CLEAN(buf_done) struct buf least = BUF_INIT(64);
    CLEAN(buf_done) struct buf most = BUF_INIT(64);
    struct buf *both[] = {&least, &most};
    uint64_t bounds[] = {row->least, row->most};
    for (size_t i = 0; i < 2; i++) {
        if (row->kind == SETTING_DURATION) {
            duration_add(both[i], (int64_t)bounds[i]);
        } else if (row->kind == SETTING_SIZE) {
            size_add(both[i], bounds[i]);
        } else {
            buf_printf(both[i], "%llu", (unsigned long long)bounds[i]);
        }
    }
    return err_set(err, ERR_INVALID, STR_FMT " is not between %s and %s", STR_ARG(text),
                   buf_text(&least), buf_text(&most));
}

static int set_number(struct settings *settings, const struct setting *row, struct str text,
                      struct err *err)
{
    uint64_t value = 0;
    if (row->kind == SETTING_DURATION) {
        int64_t ms = 0;
        TRY(duration_parse(text, &ms, err));
        value = (uint64_t)ms;
    } else if (row->kind == SETTING_SIZE) {
        TRY(size_parse(text, &value, err));
    } else if (!str_to_u64(text, &value)) {
        return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not a whole number", STR_ARG(text));
    }
    if (value < row->least || value > row->most) {
        return out_of_range(row, text, err);
    }
    if (row->kind == SETTING_SIZE) {
        *(uint64_t *)field_of(settings, row) = value;
    } else {
        *(int64_t *)field_of(settings, row) = (int64_t)value;
    }
    return 0;
}

static int set_choice(struct settings *settings, const struct setting *row, struct str text,
                      struct err *err)
{
    struct str rest = str_of(row->choices);
    for (int i = 0; rest.at; i++) {
        if (str_eq(str_cut(&rest, '|'), text)) {
            *(int *)field_of(settings, row) = i;
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "\"" STR_FMT "\" is not one of %s", STR_ARG(text),
                   row->choices);
}

// One value from any source; `folder` is what a relative path is relative to (NULL: here).
static int set(struct settings *settings, const struct setting *row, struct str text,
               const char *folder, struct err *err)
{
    if (is_text(row->kind)) {
        return set_text(settings, row, text, folder, err);
    }
    if (row->kind == SETTING_BOOL) {
        return bool_parse(text, field_of(settings, row), err);
    }
    if (row->kind == SETTING_CHOICE) {
        return set_choice(settings, row, text, err);
    }
    return set_number(settings, row, text, err);
}

static const struct setting *row_of(struct str key)
{
    for (size_t i = 0; i < settings_count; i++) {
        if (str_eq(key, str_of(settings_table[i].key))) {
            return &settings_table[i];
        }
    }
    return NULL;
}

static const char *near_key(struct str key)
{
    const char *keys[ARRAY_SIZE(settings_table) + 2] = {"config", "help"};
    for (size_t i = 0; i < settings_count; i++) {
        keys[i + 2] = settings_table[i].key;
    }
    return nearest_word(key, keys, ARRAY_SIZE(keys));
}

char *settings_data_dir(void)
{
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (data && data[0] == '/') {
        return mem_printf("%s/rouse", data);
    }
    return home && home[0] == '/' ? mem_printf("%s/.local/share/rouse", home)
                                  : mem_dup("/var/lib/rouse");
}

static int load_defaults(struct settings *settings, struct err *err)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        if (row->kind == SETTING_PATH && row->fallback[0] == 0) {
            keep_text(settings, row, settings_data_dir());
            continue;
        }
        TRY(set(settings, row, str_of(row->fallback), NULL, err));
    }
    return 0;
}

static int load_node(struct settings *settings, const struct yaml_node *node, const char *path,
                     const char *folder, struct err *err)
{
    const struct setting *row = row_of(node->key);
    if (!row) {
        const char *meant = near_key(node->key);
        return err_set(err, ERR_INVALID, "%s:%d:%d: unknown setting \"" STR_FMT "\"%s%s%s", path,
                       node->key_line, node->key_column, STR_ARG(node->key),
                       meant ? ", did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "");
    }
    if (!yaml_is_scalar(node) || node->kind == YAML_NULL) {
        return err_set(err, ERR_INVALID, "%s:%d:%d: %s: must be one value, is %s", path, node->line,
                       node->column, row->key, yaml_kind_name(node->kind));
    }
    if (set(settings, row, node->text, folder, err) < 0) {
        return err_prefix(err, "%s:%d:%d: %s", path, node->line, node->column, row->key);
    }
    return 0;
}

static int load_file(struct settings *settings, const char *path, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(yaml_node_clean) struct yaml_node *root = NULL;
    TRY(file_read(path, &text, err));
    TRY(yaml_parse(buf_str(&text), path, &root, err));
    if (root->kind == YAML_NULL) {
        return 0; // an empty file, or comments only
    }
    if (root->kind != YAML_MAP) {
        return err_set(err, ERR_INVALID, "%s:%d:%d: must be a map of settings, is %s", path,
                       root->line, root->column, yaml_kind_name(root->kind));
    }
    CLEAN_MEM char *whole = absolute(str_of(path), NULL);
    *strrchr(whole, '/') = 0; // it is absolute, so there is one
    for (const struct yaml_node *n = root->child; n; n = n->next) {
        TRY(load_node(settings, n, path, whole, err));
    }
    return 0;
}

// The file that is there without being asked for, or NULL.
static char *usual_file(void)
{
    const char *config = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    CLEAN_MEM char *path = config && config[0] == '/' ? mem_printf("%s/rouse/rouse.yml", config)
                           : home && home[0] == '/' ? mem_printf("%s/.config/rouse/rouse.yml", home)
                                                    : NULL;
    struct stat st;
    return path && stat(path, &st) == 0 ? MOVE(path) : NULL;
}

void settings_env_name(const struct setting *setting, struct buf *out)
{
    buf_add_text(out, "ROUSE_");
    for (const char *c = setting->key; *c; c++) {
        buf_add_char(out, *c == '-' ? '_' : (char)(*c - ('a' - 'A')));
    }
}

static int load_environment(struct settings *settings, struct err *err)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        CLEAN(buf_done) struct buf name = BUF_INIT(128);
        settings_env_name(row, &name);
        const char *value = getenv(buf_text(&name));
        if (value && value[0] && set(settings, row, str_of(value), NULL, err) < 0) {
            return err_prefix(err, "%s", buf_text(&name));
        }
    }
    return 0;
}

struct option {            // one argument taken apart
    struct str key, value; // value.at is NULL when there was none
    bool negated;
};

static int read_option(int argc, char **argv, int *at, struct option *ret, struct err *err)
{
    struct str arg = str_of(argv[*at]);
    if (!str_starts(arg, STR("--")) || arg.size == 2) {
        return err_set(err, ERR_INVALID, "unexpected argument \"" STR_FMT "\"", STR_ARG(arg));
    }
    struct option option = {.value = str_skip(arg, 2)};
    option.key = str_cut(&option.value, '=');
    const struct setting *row = row_of(option.key);
    if (str_starts(option.key, STR("no-")) && !option.value.at) {
        row = row_of(str_skip(option.key, 3));
        option.negated = row && row->kind == SETTING_BOOL;
        row = option.negated ? row : NULL;
    }
    bool is_config = str_eq(option.key, STR("config"));
    if (!row && !is_config) {
        const char *meant = near_key(option.key);
        return err_set(err, ERR_INVALID, "unknown option --" STR_FMT "%s%s%s", STR_ARG(option.key),
                       meant ? ", did you mean --" : "", meant ? meant : "", meant ? "?" : "");
    }
    if (option.negated) {
        option.key = str_skip(option.key, 3);
        option.value = STR("false");
    } else if (row && row->kind == SETTING_BOOL && !option.value.at) {
        option.value = STR("true");
    } else if (!option.value.at) {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INVALID, "--" STR_FMT ": needs a value", STR_ARG(option.key));
        }
        option.value = str_of(argv[++*at]);
    }
    *ret = option;
    return 0;
}

// Two passes over the options: the first finds --config and --help and that all is known, the
// second (settings given) applies the others, after the file and the environment.
static int walk_options(int argc, char **argv, struct settings *settings, char **ret_config,
                        struct err *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return SETTINGS_HELP;
        }
        struct option option;
        TRY(read_option(argc, argv, &i, &option, err));
        if (str_eq(option.key, STR("config"))) {
            free(*ret_config);
            *ret_config = str_dup(option.value);
        } else if (settings && set(settings, row_of(option.key), option.value, NULL, err) < 0) {
            return err_prefix(err, "--" STR_FMT, STR_ARG(option.key));
        }
    }
    return 0;
}

int settings_load(int argc, char **argv, struct settings *ret, struct err *err)
{
    CLEAN_MEM char *config = NULL;
    int rc = walk_options(argc, argv, NULL, &config, err);
    if (rc != 0) {
        return rc;
    }
    const char *named = getenv("ROUSE_CONFIG");
    if (!config) {
        config = named && named[0] ? mem_dup(named) : usual_file();
    }
    TRY(load_defaults(ret, err));
    if (config) {
        TRY(load_file(ret, config, err));
        ret->config = mem_dup(config);
    }
    TRY(load_environment(ret, err));
    return walk_options(argc, argv, ret, &config, err);
}

void settings_done(struct settings *settings)
{
    for (size_t i = 0; i < settings_count; i++) {
        if (is_text(settings_table[i].kind)) {
            keep_text(settings, &settings_table[i], NULL);
        }
    }
    free(MOVE(settings->config));
}
