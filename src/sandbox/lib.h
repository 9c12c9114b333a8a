// SPDX-License-Identifier: Apache-2.0
// The walls as a shared library, librouse-jail.so, for language runtimes that are not C: text in,
// text out. The runtime's template loads it once; what it forks has it already.
#pragma once

#include <stddef.h>

#define ROUSE_PUBLIC __attribute__((visibility("default")))

// As jail_prepare.
ROUSE_PUBLIC void rouse_jail_prepare(void);

// As jail_fork; the caller does what its runtime wants done around a fork. template: 1 or 0.
ROUSE_PUBLIC int rouse_jail_fork(int template);

// As jail_libraries: 1, 0, or -1 and the report is why not.
ROUSE_PUBLIC int rouse_jail_libraries(int network_open, char *report, size_t report_size);

// As jail_enter. The configuration is lines NAME=VALUE:
//     role=template|instance   package=FOLDER   layer=FOLDER (may repeat)   read=PATH (may repeat)
//     tmp=BYTES   memory=BYTES   port=NUMBER   network=closed|open
// The report is lines, too:
//     missing=NAME,NAME…   why=TEXT   root=1|0   listen=FD (the caller's, or -1)
// 0, or -1 and the report is why not.
ROUSE_PUBLIC int rouse_jail_enter(const char *config, char *report, size_t report_size);
