// SPDX-License-Identifier: Apache-2.0
// `rouse-runner prepare`: checks a whole package and prepares its model, at deploy. Prints one
// line of JSON:
// {"ok":true,"task":…,"inputs":[…],"outputs":[…],"guessed":[…],"prepared":true,"reason":null} or
// {"ok":false,"error":"model.yaml:3:5: …"}.
// Where quantizing was asked for the report has "quantized" besides:
// {"kept":true,"method":"static","speedup":2.1,"loss":0.01,"size":…,"calibration":…,"metric":…,
//  "reason":null,"samples":64,"made_up":false,"original_size":…}; the whole of it stays in OUT.
// For a model file that is in no package the report says besides what preparing brings: "engine", "size",
// "prepared_size", "load_ms_before", "load_ms_after", "packing" and, where asked for, "bench" (bench.h).
#pragma once

#include "runner/bench.h"
#include "runner/quantize.h"

struct prepare_request {
    const char *package, *out; // folders; or, with `model`, `package` is a model file
    bool model;
    const char *yaml;                  // of a model file: its model.yaml; NULL: the one beside it
    const struct bench_options *bench; // of a model file: it is measured, too; or NULL
    const char *handler;               // a file in the package, or ""
    bool quantize;                     // first
    struct quantize_options options;   // `samples` is in the package; `work` is not looked at
};

// The exit status: 0, or 1 when the package is not usable. A model that cannot be prepared is no
// failure: the original stays in use, and `reason` says why. That a quantized form cannot be made is one.
int prepare_main(const struct prepare_request *request);
