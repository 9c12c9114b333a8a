// SPDX-License-Identifier: Apache-2.0
// Preparing models at deployment: `rouse-runner prepare PACKAGE OUT --handler H …`, one at a time and
// at low priority, so that serving comes first. Its last line on standard output is a report,
// {"ok": true, …} or {"ok": false, "error": "…"}. Core thread only.
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/list.h"
#include "io/loop.h"

struct preparer;

#define PREPARE_OPTIONS_MAX 6

// Caller-owned and zeroed but for the first fields; the texts stay until on_done or prepare_cancel.
struct prepare_task {
    const char *package, *out, *handler; // folders, absolute; `out` is made, its parent exists
    // More of them, ended by NULL: "--quantize", "auto". Without a package they are the whole command.
    const char *options[PREPARE_OPTIONS_MAX + 1];
    void (*on_done)(struct prepare_task *task); // never from inside a call
    // Filled in before on_done:
    int rc;            // 0; ERR_INVALID: the model cannot be used; else: it could not be tried
    struct err err;    // in words for the user
    struct buf report; // the JSON of a success; freed after on_done returned

    struct preparer *preparer; // private, as all below
    struct list link;
};

// `runner` NULL: found as runner_path does, when the first task comes.
struct preparer *preparer_new(struct loop *loop, const char *runner, int64_t time_limit_us);
void preparer_free(struct preparer *preparer); // kills what runs; on_done is not called any more

void prepare_submit(struct preparer *preparer, struct prepare_task *task);
void prepare_cancel(struct prepare_task *task); // no on_done; safe when not submitted
