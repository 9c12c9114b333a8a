// SPDX-License-Identifier: Apache-2.0
// Logs as people see them: START and END stand back, REPORT and errors stand out, and where several
// functions speak each line says whose it is. For logs and dev.
#pragma once

#include "cli/remote.h"
#include "config/serverless.h"

struct log_view {
    // Instead of printing: each line, its time ("2026-01-02T03:04:05.678Z" or empty) and whose it is.
    void (*on_line)(void *ctx, struct str name, struct str time, struct str line);
    void *ctx;
    const char *filter;               // only lines with this text, or NULL
    bool json;                        // a JSON value a line
    const struct serverless *service; // whose keys stand for names, or NULL
    const char *const *names;         // of the functions
    size_t name_count;
    bool several;    // lines say whose they are
    struct buf line; // of which the end has not come yet
};

// Fetches and prints lines since then; with `follow` also what comes, until the server goes or the
// process ends.
MUST_CHECK int log_view_run(struct log_view *view, struct remote *remote, int64_t since_ms,
                            bool follow, struct err *err);
