// SPDX-License-Identifier: Apache-2.0
// The server's own log: one line an event, to standard error, as text or as JSON. Libraries and
// pure code do not log: they return errors. (Logs of functions are observe/'s.)
#pragma once

#include <stdbool.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR };

void log_setup(enum log_level least, bool json);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_debug(...)  log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)   log_line(LOG_INFO, __VA_ARGS__)
#define log_notice(...) log_line(LOG_NOTICE, __VA_ARGS__)
#define log_warn(...)   log_line(LOG_WARN, __VA_ARGS__)
#define log_error(...)  log_line(LOG_ERROR, __VA_ARGS__)
