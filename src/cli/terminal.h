// SPDX-License-Identifier: Apache-2.0
// What people see: colours only on a terminal without NO_COLOR, progress as one line that is rewritten on
// a terminal and as plain lines in a pipe. Results go to standard output, all else to standard error.
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum colour { PLAIN, BOLD, DIM, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN };

void terminal_setup(bool quiet); // quiet: no progress and no notices (for --json)
void terminal_quiet(bool quiet); // from now on
bool terminal_is_tty(void);      // standard output is one
bool terminal_shows(void);       // there is a status line that is rewritten

// The codes to begin and end a colour on standard output or error; "" where there are none.
const char *terminal_on(enum colour colour, bool on_err);
const char *terminal_off(bool on_err);

// What is being done now. On a terminal one line with a turning mark, else a line each.
void terminal_status(const char *fmt, ...) PRINTF_LIKE(1, 2);
// The same on a terminal, nothing in a pipe: for what is not worth a line there.
void terminal_glimpse(const char *fmt, ...) PRINTF_LIKE(1, 2);
void terminal_tick(void);  // turns the mark; call it while waiting
void terminal_clear(void); // takes the status line away, before results and errors

void terminal_notice(const char *fmt, ...) PRINTF_LIKE(1, 2);  // a line to standard error
void terminal_warning(const char *fmt, ...) PRINTF_LIKE(1, 2); // "Warning: …"
void terminal_error(const char *fmt, ...) PRINTF_LIKE(1, 2);   // "Error: …"
