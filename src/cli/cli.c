// SPDX-License-Identifier: Apache-2.0
// The command line's entry: finds the verb, reads its options, runs it, and turns what it returns into
// words and an exit status.
#include "cli/cli.h"
#include "config/quantity.h"
#include "format/json.h"
#include "base/mem.h"

#include <unistd.h>

const struct verb *const cli_verbs[] = {
    &verb_serve, &verb_env,    &verb_create, &verb_dev,    &verb_deploy,  &verb_package,
    &verb_print, &verb_remove, &verb_info,   &verb_invoke, &verb_logs,    &verb_metrics,
    &verb_put,   &verb_get,    &verb_ls,     &verb_model,  &verb_version, &verb_help,
};
const size_t cli_verb_count = ARRAY_SIZE(cli_verbs);

#define JSON_TEXT_MAX (64 * 1024 * 1024)

const struct verb *cli_verb(struct str name)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (str_eq(name, str_of(cli_verbs[i]->name))) {
            return cli_verbs[i];
        }
    }
    return NULL;
}

const char *cli_nearest_verb(struct str name)
{
    const char *names[ARRAY_SIZE(cli_verbs)];
    for (size_t i = 0; i < cli_verb_count; i++) {
        names[i] = cli_verbs[i]->name;
    }
    return nearest_word(name, names, cli_verb_count);
}

void cli_print_json(const json_t *json)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(JSON_TEXT_MAX);
    if (terminal_is_tty()) {
        json_write_indented(json, &text);
    } else {
        json_write(json, &text);
    }
    puts(buf_text(&text));
}

void cli_print_json_line(const json_t *json)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(JSON_TEXT_MAX);
    json_write(json, &text);
    puts(buf_text(&text));
}

// With --json an error is JSON too, on standard error, so that standard output stays parseable.
static void print_error(const struct err *err, bool json)
{
    terminal_clear();
    if (!json) {
        terminal_error("%s", err->text);
        return;
    }
    CLEAN_JSON json_t *object = json_object();
    json_put_str(object, "error", str_of(err_aws_name(err)));
    json_put_str(object, "message", str_of(err->text));
    json_put_int(object, "exitStatus", err_exit_status(err->code));
    CLEAN(buf_done) struct buf text = BUF_INIT(JSON_TEXT_MAX);
    json_write(object, &text);
    fprintf(stderr, "%s\n", buf_text(&text));
}

static int run_verb(const struct verb *verb, int argc, char **argv)
{
    struct args args;
    struct err err = {0};
    int rc = args_parse(verb, argc, argv, &args, &err);
    if (rc == ARGS_HELP) {
        CLEAN(buf_done) struct buf text = BUF_INIT(JSON_TEXT_MAX);
        cli_help(verb, &text);
        fputs(buf_text(&text), stdout);
        return 0;
    }
    bool json = rc == 0 && args_has(&args, "json");
    terminal_setup(json);
    if (rc == 0) {
        rc = verb->run(&args, &err);
    }
    terminal_clear();
    if (rc < 0) {
        print_error(&err, json);
    }
    return rc < 0 ? err_exit_status(rc) : rc;
}

// 0 unless what was printed did not get out, to a full disk for example.
static int finish(int status)
{
    if (fflush(stdout) != 0 && status == 0) {
        terminal_error("standard output could not be written");
        return err_exit_status(ERR_IO);
    }
    return status;
}

int cli_main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) {
        name = "help";
    } else if (strcmp(name, "--version") == 0 || strcmp(name, "-v") == 0) {
        name = "version";
    }
    const struct verb *verb = cli_verb(str_of(name));
    if (!verb) {
        terminal_setup(false);
        const char *meant = cli_nearest_verb(str_of(name));
        terminal_error("there is no \"rouse %s\"%s%s%s", name,
                       meant ? ", did you mean \"rouse " : "", meant ? meant : ". See rouse help",
                       meant ? "\"?" : "");
        return err_exit_status(ERR_INVALID);
    }
    char *alone[] = {"help", NULL};
    bool has_words = argc > 1;
    if (verb->raw) {
        return verb->raw(argc - 1, argv + 1);
    }
    return finish(run_verb(verb, has_words ? argc - 1 : 1, has_words ? argv + 1 : alone));
}
