// SPDX-License-Identifier: Apache-2.0
// An instance: answers the jobs that come over its socket, one batch at a time, until the server
// closes it.
#pragma once

#include "runner/package.h"

// Takes over the socket, which must be blocking. The exit status of the process.
int instance_serve(int fd, struct package *package);
