// SPDX-License-Identifier: Apache-2.0
// One write(2) a line, so that lines of several processes do not mix.
#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_LINE_MAX 2048

static enum log_level log_least = LOG_INFO;
static bool log_as_json;

void log_setup(enum log_level least, bool json)
{
    log_least = least;
    log_as_json = json;
}

static size_t json_escape(const char *from, char *to, size_t room)
{
    size_t used = 0;
    for (; *from && used + 7 < room; from++) {
        unsigned char c = (unsigned char)*from;
        if (c == '"' || c == '\\') {
            to[used++] = '\\';
            to[used++] = (char)c;
        } else if (c < 0x20) {
            used += (size_t)snprintf(to + used, room - used, "\\u%04x", c);
        } else {
            to[used++] = (char)c;
        }
    }
    to[used] = 0;
    return used;
}

void log_line(enum log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"debug", "info", "notice", "warn", "error"};
    if (level < log_least) {
        return;
    }
    char text[LOG_LINE_MAX / 2];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);

    char when[CLOCK_TEXT_MAX];
    clock_iso(clock_wall_ms(), when);
    char line[LOG_LINE_MAX];
    int size = 0;
    if (log_as_json) {
        char escaped[LOG_LINE_MAX - 128];
        json_escape(text, escaped, sizeof escaped);
        size =
            snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"message\":\"%s\"}\n",
                     when, names[level], escaped);
    } else {
        size = snprintf(line, sizeof line, "%s %-6s %s\n", when, names[level], text);
    }
    size = size < (int)sizeof line ? size : (int)sizeof line - 1;
    (void)!write(STDERR_FILENO, line, (size_t)size);
}
