// SPDX-License-Identifier: Apache-2.0
// rouse help: for people at a terminal, and, from the same tables, docs/cli.md, docs/settings.md and the
// manual page (a test holds them to what is printed here).
#include "cli/cli.h"
#include "config/settings.h"
#include "base/mem.h"

#define HELP_MAX (1024 * 1024)

static const struct option options[] = {
    {"markdown", 0, NULL, "print docs/cli.md"},
    {"settings", 0, NULL, "with --markdown: print docs/settings.md"},
    {"man", 0, NULL, "print the manual page rouse(1)"},
    {"completion", 0, NULL, "print what makes bash complete: source <(rouse help --completion)"},
};

static void add_option(const struct option *option, struct buf *out)
{
    CLEAN(buf_done) struct buf left = BUF_INIT(256);
    char letter[8] = "    ";
    if (option->letter) {
        snprintf(letter, sizeof letter, "-%c, ", option->letter);
    }
    buf_printf(&left, "  %s--%s%s%s", letter, option->name, option->value ? " " : "",
               option->value ? option->value : "");
    buf_printf(out, "%-30s %s\n", buf_text(&left), option->help);
}

static const struct option help_option = {"help", 'h', NULL, "print this"};

static void verb_help_text(const struct verb *verb, struct buf *out)
{
    buf_printf(out, "rouse %s: %s\n\nUsage: rouse %s %s\n", verb->name, verb->summary, verb->name,
               verb->usage);
    if (verb->details) {
        buf_printf(out, "\n%s\n", verb->details);
    }
    buf_add_text(out, "\nOptions:\n");
    if (verb->raw) {
        settings_help(out);
    }
    for (size_t i = 0; i < verb->option_count; i++) {
        add_option(&verb->options[i], out);
    }
    add_option(&help_option, out);
}

// cli_verbs is in this order; a group begins with its first verb.
static void add_title(const struct verb *verb, struct buf *out)
{
    static const struct {
        const struct verb *first;
        const char *title;
    } groups[] = {{&verb_serve, "The server"},
                  {&verb_create, "A project (a folder with a serverless.yml)"},
                  {&verb_invoke, "Functions"},
                  {&verb_put, "Objects"},
                  {&verb_model, "Else"}};
    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        if (verb == groups[i].first) {
            buf_printf(out, "\n%s\n", groups[i].title);
        }
    }
}

void cli_help(const struct verb *verb, struct buf *out)
{
    if (verb) {
        verb_help_text(verb, out);
        return;
    }
    buf_add_text(out, "Rouse: a serverless AI platform in one program\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        add_title(cli_verbs[i], out);
        buf_printf(out, "  rouse %-10s %s\n", cli_verbs[i]->name, cli_verbs[i]->summary);
    }
    buf_add_text(out, "\nrouse VERB --help says more of each. A first round:\n\n"
                      "  rouse serve &\n"
                      "  eval \"$(rouse env)\"\n"
                      "  rouse create --template aws-python3 --path hello\n"
                      "  cd hello && rouse deploy && rouse invoke -f hello\n");
}

// ---- docs/cli.md

static void add_exit_statuses(struct buf *out, const char *format)
{
#define X(name, value, aws, http, status, retry, text) buf_printf(out, format, status, text);
    ERR_TABLE(X)
#undef X
}

static void verb_markdown(const struct verb *verb, struct buf *out)
{
    buf_printf(out, "\n## rouse %s\n\n`rouse %s %s`\n\n%c%s.\n", verb->name, verb->name,
               verb->usage, verb->summary[0] - ('a' - 'A'), verb->summary + 1);
    if (verb->details) {
        buf_printf(out, "\n%s\n", verb->details);
    }
    if (verb->raw) {
        buf_add_text(out, "\nIts options are in [settings.md](settings.md).\n");
    }
    if (verb->option_count == 0) {
        return;
    }
    buf_add_text(out, "\n| option | what |\n|---|---|\n");
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct option *o = &verb->options[i];
        buf_add_text(out, "| `");
        if (o->letter) {
            buf_printf(out, "-%c`, `", o->letter);
        }
        buf_printf(out, "--%s%s%s` | %s |\n", o->name, o->value ? " " : "",
                   o->value ? o->value : "", o->help);
    }
}

void cli_markdown(struct buf *out)
{
    buf_add_text(
        out,
        "# The command line\n\n"
        "<!-- Written by `rouse help --markdown`; a test compares. -->\n\n"
        "A verb that needs a server is an HTTP client like any other. Where it finds the server: "
        "`--endpoint-url`, else\n`AWS_ENDPOINT_URL`, else the address that `rouse serve` left in "
        "its data "
        "folder (`--data`, `ROUSE_DATA`, or\n`~/.local/share/rouse`), else "
        "`http://127.0.0.1:4566`. "
        "Credentials come from `AWS_ACCESS_KEY_ID` and\n`AWS_SECRET_ACCESS_KEY` when the address "
        "was "
        "given, else from the data folder.\n\n"
        "With `--json` standard output is one JSON value (`logs`: one a line) and an error is JSON "
        "on "
        "standard error.\nResults go to standard output, progress and warnings to standard error. "
        "Colours appear on a terminal only,\nand not with `NO_COLOR`. "
        "`source <(rouse help --completion)` makes bash complete; an installed Rouse has it "
        "already.\n\n"
        "| exit status | meaning |\n|---|---|\n| 0 | done |\n");
    add_exit_statuses(out, "| %d | %s |\n");
    buf_add_text(out, "| 130 | interrupted (Ctrl-C) |\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        verb_markdown(cli_verbs[i], out);
    }
}

// ---- rouse(1)

// Text for roff: backslashes and leading dots are protected, '-' is a hyphen-minus.
static void add_roff(struct buf *out, const char *text)
{
    bool line_start = true;
    for (const char *c = text; *c; c++) {
        if (line_start && (*c == '.' || *c == '\'')) {
            buf_add_text(out, "\\&");
        }
        line_start = *c == '\n';
        if (*c == '\\') {
            buf_add_text(out, "\\e");
        } else if (*c == '-') {
            buf_add_text(out, "\\-");
        } else {
            buf_add_char(out, *c);
        }
    }
}

static void verb_man(const struct verb *verb, struct buf *out)
{
    buf_printf(out, ".SS rouse %s\n", verb->name);
    add_roff(out, verb->usage);
    buf_printf(out, "\n.PP\n%c", verb->summary[0] - ('a' - 'A'));
    add_roff(out, verb->summary + 1);
    buf_add_text(out, ".\n");
    if (verb->details) {
        buf_add_text(out, ".PP\n");
        add_roff(out, verb->details);
        buf_add_text(out, "\n");
    }
    if (verb->raw) {
        settings_man(out);
    }
    for (size_t i = 0; i < verb->option_count; i++) {
        const struct option *o = &verb->options[i];
        buf_add_text(out, ".TP\n\\fB");
        if (o->letter) {
            buf_printf(out, "\\-%c\\fR, \\fB", o->letter);
        }
        buf_add_text(out, "\\-\\-");
        add_roff(out, o->name);
        buf_printf(out, "\\fR \\fI%s\\fR\n", o->value ? o->value : "");
        add_roff(out, o->help);
        buf_add_text(out, "\n");
    }
}

void cli_man(struct buf *out)
{
    buf_add_text(out,
                 ".\\\" Written by rouse help --man; a test compares.\n"
                 ".TH ROUSE 1 \"\" \"rouse " ROUSE_VERSION "\" \"User commands\"\n"
                 ".SH NAME\nrouse \\- a serverless AI platform in one program\n"
                 ".SH SYNOPSIS\n\\fBrouse\\fR \\fIverb\\fR [\\fIoptions\\fR]\n"
                 ".SH DESCRIPTION\nEvents rouse functions, functions run models, and when nothing "
                 "happens nothing runs.\nTools written for AWS work unchanged against "
                 "AWS_ENDPOINT_URL.\n.SH VERBS\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        verb_man(cli_verbs[i], out);
    }
    buf_add_text(out, ".SH EXIT STATUS\n.TP\n0\ndone\n");
    add_exit_statuses(out, ".TP\n%d\n%s\n");
    buf_add_text(out, ".TP\n130\ninterrupted\n.SH ENVIRONMENT\n.TP\nAWS_ENDPOINT_URL, "
                      "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION\n"
                      "the server and how to sign\n.TP\nROUSE_DATA\nthe data folder of the local "
                      "server\n.TP\nNO_COLOR\nno colours\n");
}

// ---- completion

static void add_words(const struct verb *verb, struct buf *out)
{
    buf_printf(out, "    %s) words='%s%s--help", verb->name, verb->words ? verb->words : "",
               verb->words ? " " : "");
    for (size_t i = 0; i < verb->option_count; i++) {
        buf_printf(out, " --%s", verb->options[i].name);
    }
    for (size_t i = 0; i < settings_count && verb->raw; i++) {
        buf_printf(out, " --%s", settings_table[i].key);
    }
    buf_add_text(out, "' ;;\n");
}

void cli_completion(struct buf *out)
{
    buf_add_text(out, "# Written by rouse help --completion.\n"
                      "_rouse() {\n"
                      "    local words='' verbs='");
    for (size_t i = 0; i < cli_verb_count; i++) {
        buf_printf(out, "%s%s", i ? " " : "", cli_verbs[i]->name);
    }
    buf_add_text(out, "'\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        add_words(cli_verbs[i], out);
    }
    buf_add_text(out, "    esac\n"
                      "    [ \"$COMP_CWORD\" -eq 1 ] && words=$verbs\n"
                      "    [ \"${COMP_WORDS[1]}\" = help ] && words=\"$verbs $words\"\n"
                      "    COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n"
                      "}\n"
                      "complete -o default -F _rouse rouse\n");
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(HELP_MAX);
    if (args_has(args, "completion")) {
        cli_completion(&text);
    } else if (args_has(args, "man")) {
        cli_man(&text);
    } else if (args_has(args, "settings")) {
        settings_markdown(&text);
    } else if (args_has(args, "markdown")) {
        cli_markdown(&text);
    } else if (args->rest_count == 0) {
        cli_help(NULL, &text);
    } else {
        struct str name = str_of(args->rest[0]);
        const struct verb *verb = cli_verb(name);
        if (!verb) {
            const char *meant = cli_nearest_verb(name);
            return err_set(err, ERR_INVALID, "there is no \"rouse %s\"%s%s%s", args->rest[0],
                           meant ? ", did you mean \"" : "", meant ? meant : "",
                           meant ? "\"?" : "");
        }
        cli_help(verb, &text);
    }
    fputs(buf_text(&text), stdout);
    return 0;
}

const struct verb verb_help = {
    .name = "help",
    .usage = "[VERB]",
    .summary = "say what there is, or more about one verb",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .most = 1,
    .run = run,
};
