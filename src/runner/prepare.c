// SPDX-License-Identifier: Apache-2.0
// placeholder
#include "runner/prepare.h"
int prepare_main(const char *package, const char *out, const char *handler) { (void)package; (void)out; (void)handler; return 1; }
