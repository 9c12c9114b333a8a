// SPDX-License-Identifier: Apache-2.0
// The command line. A verb is one file and one row of cli_verbs; its options are a table that is parser,
// --help, docs/cli.md and manual page at once. Verbs print results to standard output and progress to
// standard error; --json prints one JSON value and nothing else. The exit status is err_exit_status
// of what a verb returns (docs/cli.md has the table).
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "cli/terminal.h"

#include <jansson.h>

struct option {
    const char *name;  // "stage"
    char letter;       // 's', or 0
    const char *value; // "STAGE", or NULL for a switch
    const char *help;
};

struct args;

struct verb {
    const char *name, *usage; // usage: what follows the name, "[options] FILE…"
    const char *summary;      // one line
    const char *details;      // paragraphs for --help and docs, or NULL
    const char *words;        // that may follow the name, for completion: "function list", or NULL
    const struct option *options;
    size_t option_count;
    int least, most; // arguments that are no options; most -1: any number
    int (*run)(const struct args *args, struct err *err);
    int (*raw)(int argc, char **argv); // instead of run: reads its own options (serve)
};
extern const struct verb *const cli_verbs[];
extern const size_t cli_verb_count;

// Of every verb that speaks to the server.
#define REMOTE_OPTIONS                                                                             \
    {"endpoint-url", 0, "URL", "the server (else AWS_ENDPOINT_URL, else the local one)"},          \
        {"data", 0, "DIR", "data folder of the local server, for its address and credentials"},    \
    {                                                                                              \
        "json", 0, NULL, "print JSON"                                                              \
    }
#define SERVICE_OPTIONS                                                                            \
    {"config", 'c', "FILE", "the service's file (serverless.yml)"},                                \
        {"stage", 's', "STAGE", "stage (else the file's, else dev)"},                              \
        {"region", 'r', "REGION", "region (else the file's, else us-east-1)"},                     \
    {                                                                                              \
        "param", 0, "KEY=VALUE", "a value for ${param:KEY}; may be repeated"                       \
    }

// ---- parsed options; borrowed from argv

#define ARGS_HELP 1

struct args {
    const struct verb *verb;
    struct {
        const struct option *option;
        const char *value; // "" of a switch
    } given[64];
    size_t given_count;
    const char *rest[1024]; // arguments that are no options
    size_t rest_count;
};

// argv[0] is the verb. 0, ARGS_HELP, or ERR_INVALID in words that suggest the nearest option.
MUST_CHECK int args_parse(const struct verb *verb, int argc, char **argv, struct args *ret,
                          struct err *err);
const char *args_get(const struct args *args, const char *name); // the last value, or NULL
bool args_has(const struct args *args, const char *name);
// Values of a repeated option in order: index 0, 1, … until NULL.
const char *args_at(const struct args *args, const char *name, size_t index);

// ---- entry points

int cli_main(int argc, char **argv);
int cli_serve(int argc, char **argv); // cli/serve.c

const struct verb *cli_verb(struct str name);
// "did you mean …": the nearest verb's name, or NULL.
const char *cli_nearest_verb(struct str name);
void cli_help(const struct verb *verb, struct buf *out); // NULL: of the whole program
void cli_markdown(struct buf *out);                      // docs/cli.md
void cli_man(struct buf *out);                           // docs/rouse.1
void cli_completion(struct buf *out);                    // for bash

// Prints JSON with a newline, indented on a terminal.
void cli_print_json(const json_t *json);
void cli_print_json_line(const json_t *json); // one line, also on a terminal

extern const struct verb verb_create, verb_deploy, verb_dev, verb_env, verb_get, verb_help,
    verb_info, verb_invoke, verb_logs, verb_ls, verb_metrics, verb_model, verb_package, verb_print,
    verb_put, verb_remove, verb_serve, verb_version;
