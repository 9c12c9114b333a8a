// SPDX-License-Identifier: Apache-2.0
// Calls that have a safe form here do not compile. The build force-includes this header.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#undef sprintf // a macro where clang fortifies
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf strtok atoi atol atoll atof
#pragma GCC poison gets system popen
