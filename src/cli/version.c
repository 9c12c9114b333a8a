// SPDX-License-Identifier: Apache-2.0
// rouse version: which Rouse this is.
#include "cli/cli.h"
#include "format/json.h"

static const struct option options[] = {{"json", 0, NULL, "print JSON"}};

static int run(const struct args *args, struct err *err)
{
    (void)err;
    if (args_has(args, "json")) {
        CLEAN_JSON json_t *object = json_object();
        json_put_str(object, "version", STR(ROUSE_VERSION));
        cli_print_json(object);
    } else {
        puts("rouse " ROUSE_VERSION);
    }
    return 0;
}

const struct verb verb_version = {
    .name = "version",
    .usage = "[--json]",
    .summary = "print the version",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
