// SPDX-License-Identifier: Apache-2.0
// The row of rouse serve in the table of verbs. What it does is in cli/serve.c; its options are the
// settings (config/settings.h).
#include "cli/cli.h"

const struct verb verb_serve = {
    .name = "serve",
    .usage = "[options]",
    .summary = "run the server",
    .details =
        "Listens on one address for everything: S3, Lambda and /rouse/. Ctrl-C or SIGTERM stops it "
        "once what\nruns is done. The first start makes root credentials in the data folder.",
    .raw = cli_serve,
};
