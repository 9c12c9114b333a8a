// SPDX-License-Identifier: Apache-2.0
// The end of a process that has found itself wrong. Writes one line and aborts: no allocation, no
// locks, so that it also works when memory is what is broken.
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *cond, const char *file, int line, const char *func)
{
    fprintf(stderr, "rouse: %s:%d: %s: this must hold and does not: %s\n", file, line, func, cond);
    abort();
}
