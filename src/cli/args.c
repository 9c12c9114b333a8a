// SPDX-License-Identifier: Apache-2.0
// Reads the options of a verb by its table: --name value, --name=value, -n value, -nvalue, switches, and
// "--" before arguments that begin with a dash.
#include "cli/cli.h"
#include "config/quantity.h"
#include "base/mem.h"

#define NAMES_MAX 64

static const struct option *by_name(const struct verb *verb, struct str name)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        if (str_eq(name, str_of(verb->options[i].name))) {
            return &verb->options[i];
        }
    }
    return NULL;
}

static const struct option *by_letter(const struct verb *verb, char letter)
{
    for (size_t i = 0; i < verb->option_count; i++) {
        if (letter && verb->options[i].letter == letter) {
            return &verb->options[i];
        }
    }
    return NULL;
}

static int fail_unknown(const struct verb *verb, struct str name, struct err *err)
{
    const char *names[NAMES_MAX] = {"help"};
    size_t count = 1;
    for (size_t i = 0; i < verb->option_count && count < NAMES_MAX; i++) {
        names[count++] = verb->options[i].name;
    }
    const char *meant = nearest_word(name, names, count);
    return err_set(err, ERR_INVALID, "unknown option --" STR_FMT "%s%s%s", STR_ARG(name),
                   meant ? ", did you mean --" : ". See rouse ", meant ? meant : verb->name,
                   meant ? "?" : " --help");
}

static int keep(struct args *args, const struct option *option, const char *value, struct err *err)
{
    if (args->given_count == ARRAY_SIZE(args->given)) {
        return err_set(err, ERR_LIMIT, "too many options");
    }
    args->given[args->given_count].option = option;
    args->given[args->given_count++].value = value;
    return 0;
}

// `inlined` is what stood after '=' or the letter, or NULL. *at moves on when the value is the next word.
static int keep_option(struct args *args, const struct option *option, const char *inlined,
                       int argc, char **argv, int *at, struct err *err)
{
    if (!option->value) {
        return inlined ? err_set(err, ERR_INVALID, "--%s takes no value", option->name)
                       : keep(args, option, "", err);
    }
    if (!inlined) {
        if (*at + 1 >= argc) {
            return err_set(err, ERR_INVALID, "--%s needs a value: %s", option->name, option->value);
        }
        inlined = argv[++*at];
    }
    return keep(args, option, inlined, err);
}

static int read_long(struct args *args, int argc, char **argv, int *at, struct err *err)
{
    struct str value = str_of(argv[*at] + 2);
    struct str name = str_cut(&value, '=');
    const struct option *option = by_name(args->verb, name);
    if (!option) {
        return fail_unknown(args->verb, name, err);
    }
    return keep_option(args, option, value.at, argc, argv, at, err);
}

static int read_short(struct args *args, int argc, char **argv, int *at, struct err *err)
{
    const char *word = argv[*at];
    const struct option *option = by_letter(args->verb, word[1]);
    if (!option) {
        return err_set(err, ERR_INVALID, "unknown option -%c. See rouse %s --help", word[1],
                       args->verb->name);
    }
    return keep_option(args, option, word[2] ? word + 2 : NULL, argc, argv, at, err);
}

static int check_count(const struct args *args, struct err *err)
{
    int count = (int)args->rest_count;
    if (count < args->verb->least || (args->verb->most >= 0 && count > args->verb->most)) {
        const char *what = count < args->verb->least ? "something is missing" : "one too many";
        const char *extra = count > args->verb->least && count > 0 ? args->rest[count - 1] : NULL;
        return err_set(err, ERR_INVALID, "%s%s%s: rouse %s %s", what, extra ? ", " : "",
                       extra ? extra : "", args->verb->name, args->verb->usage);
    }
    return 0;
}

int args_parse(const struct verb *verb, int argc, char **argv, struct args *ret, struct err *err)
{
    *ret = (struct args){.verb = verb};
    bool only_rest = false;
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (!only_rest && (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)) {
            return ARGS_HELP;
        }
        if (!only_rest && strcmp(word, "--") == 0) {
            only_rest = true;
        } else if (!only_rest && word[0] == '-' && word[1] == '-') {
            TRY(read_long(ret, argc, argv, &i, err));
        } else if (!only_rest && word[0] == '-' && word[1]) {
            TRY(read_short(ret, argc, argv, &i, err));
        } else if (ret->rest_count == ARRAY_SIZE(ret->rest)) {
            return err_set(err, ERR_LIMIT, "too many arguments");
        } else {
            ret->rest[ret->rest_count++] = word;
        }
    }
    return check_count(ret, err);
}

const char *args_at(const struct args *args, const char *name, size_t index)
{
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0 && index-- == 0) {
            return args->given[i].value;
        }
    }
    return NULL;
}

const char *args_get(const struct args *args, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < args->given_count; i++) {
        if (strcmp(args->given[i].option->name, name) == 0) {
            value = args->given[i].value;
        }
    }
    return value;
}

bool args_has(const struct args *args, const char *name)
{
    return args_get(args, name) != NULL;
}
