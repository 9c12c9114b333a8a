// SPDX-License-Identifier: Apache-2.0
// The device table as the server knows it: looked for by `rouse-runner devices` when somebody first
// asks, and kept. Core thread only.
#pragma once

#include "base/list.h"
#include "base/str.h"
#include "io/loop.h"

struct device_table;

// Caller-owned, zeroed but for on_known.
struct device_ask {
    // Never from inside a call. `json`: {"engine", "devices", "missing"} as in runner/devices.h or,
    // where it could not be found out, {"error"}; that is not kept. The caller's view until it returns.
    void (*on_known)(struct device_ask *ask, struct str json);
    struct list link; // private
};

// `runner` NULL: found as runner_path does.
struct device_table *device_table_new(struct loop *loop, const char *runner);
void device_table_free(struct device_table *table); // takes NULL; nobody is called any more
void device_table_ask(struct device_table *table, struct device_ask *ask);
void device_table_cancel(struct device_ask *ask); // which was asked; also when it was told
struct str device_table_known(const struct device_table *table); // empty: nobody has asked yet
