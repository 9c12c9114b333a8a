// SPDX-License-Identifier: Apache-2.0
// `rouse-runner quantize MODEL WORK`: a quantized form of a model, in the folder WORK. Prints one line of
// JSON: what quantize_package reports, with {"ok": true}, or {"ok": false, "error": "…", "code": -1}.
#pragma once

struct quantize_options;

// The exit status: 0 also when float stays; 1 when it could not be tried; 2: the arguments are wrong.
int quantize_main(int argc, char **argv);

// An option as the command line has it: 'm' method, 'c' calibrate, 'k' keep-accuracy, 'r' ranges,
// 'b' weight-bits, 'p' progress. -1: it is not one, or its value is none. `text` is kept.
int quantize_option(struct quantize_options *ret, int option, const char *text);
