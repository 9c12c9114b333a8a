// SPDX-License-Identifier: Apache-2.0
// The settings as text: for --help, for docs/settings.md and for the manual page, all from the
// table that parses them, so that they cannot disagree.
#include "config/settings.h"
#include "config/quantity.h"
#include "base/mem.h"

static const char *kind_word(const struct setting *row)
{
    static const char *const words[] = {
        [SETTING_ADDRESS] = "ADDRESS", [SETTING_PATH] = "PATH", [SETTING_WORD] = "NAME",
        [SETTING_CACHE] = "WHERE",     [SETTING_BOOL] = "",     [SETTING_DURATION] = "TIME",
        [SETTING_COUNT] = "N",         [SETTING_SIZE] = "SIZE", [SETTING_CHOICE] = ""};
    return row->kind == SETTING_CHOICE ? row->choices : words[row->kind];
}

static void add_fallback(struct buf *out, const struct setting *row)
{
    buf_add_text(out, row->fallback[0] ? row->fallback : "~/.local/share/rouse");
}

static void add_bounds(struct buf *out, const struct setting *row)
{
    if (row->kind == SETTING_DURATION) {
        duration_add(out, (int64_t)row->least);
        buf_add_text(out, " … ");
        duration_add(out, (int64_t)row->most);
    } else if (row->kind == SETTING_SIZE) {
        size_add(out, row->least);
        buf_add_text(out, " … ");
        size_add(out, row->most);
    } else if (row->kind == SETTING_COUNT) {
        buf_printf(out, "%llu … %llu", (unsigned long long)row->least,
                   (unsigned long long)row->most);
    }
}

void settings_help(struct buf *out)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        CLEAN(buf_done) struct buf left = BUF_INIT(128);
        buf_printf(&left, "  --%s %s", row->key, kind_word(row));
        if (left.size > 28) {
            buf_printf(out, "%s\n%28s %s", buf_text(&left), "", row->help);
        } else {
            buf_printf(out, "%-28s %s", buf_text(&left), row->help);
        }
        if (row->kind != SETTING_BOOL) {
            buf_add_text(out, " (");
            add_fallback(out, row);
            buf_add_text(out, ")");
        }
        buf_add_text(out, "\n");
    }
    buf_printf(out, "%-28s %s\n", "  --config PATH",
               "settings file (~/.config/rouse/rouse.yml when it is there)");
}

void settings_markdown(struct buf *out)
{
    buf_add_text(
        out,
        "# Settings of `rouse serve`\n\n"
        "<!-- Written by `rouse help --settings --markdown`; a test compares. -->\n\n"
        "Sources, later ones win: the default, the settings file, the environment, the options.\n"
        "The file is YAML, one `key: value` a line; it is `--config FILE`, else `$ROUSE_CONFIG`,\n"
        "else `rouse/rouse.yml` below `$XDG_CONFIG_HOME` or `~/.config` when it is there. A bad "
        "value "
        "or an\nunknown key is an error that names its file, line and column, its variable or its "
        "option.\n\n"
        "```yaml\nlisten: 127.0.0.1:4566\nidle: 5m\nmax-instances: 4\n```\n\n"
        "Times are `500ms`, `60s`, `5m`, `2h`, `7d`; sizes `300`, `64KiB`, `6MiB`, `1GB`. Relative "
        "paths in\nthe file are relative to the file.\n\n"
        "| key and option | environment | default | values | what |\n"
        "|---|---|---|---|---|\n");
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        buf_printf(out, "| `%s` | `", row->key);
        settings_env_name(row, out);
        buf_add_text(out, "` | `");
        add_fallback(out, row);
        buf_add_text(out, "` | ");
        if (row->kind == SETTING_CHOICE) {
            struct str rest = str_of(row->choices);
            const char *sep = "";
            while (rest.at) {
                struct str word = str_cut(&rest, '|');
                buf_printf(out, "%s`" STR_FMT "`", sep, STR_ARG(word));
                sep = ", ";
            }
        } else if (row->kind == SETTING_BOOL) {
            buf_add_text(out, "`true`, `false`");
        }
        add_bounds(out, row);
        buf_printf(out, " | %s |\n", row->help);
    }
}

void settings_man(struct buf *out)
{
    for (size_t i = 0; i < settings_count; i++) {
        const struct setting *row = &settings_table[i];
        buf_printf(out, ".TP\n\\fB\\-\\-%s\\fR \\fI%s\\fR\n%s. Default: ", row->key, kind_word(row),
                   row->help);
        add_fallback(out, row);
        buf_add_text(out, ". Environment: ");
        settings_env_name(row, out);
        buf_add_text(out, ".\n");
    }
}
