// SPDX-License-Identifier: Apache-2.0
// Progress, notices and colours of the command line. A signal while a status line stands there takes
// the line away first, so that the prompt comes back clean.
#include "cli/terminal.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR_LINE "\r\033[K"
#define TURN_US    80000 // between two turns of the mark

static struct {
    bool quiet, out_tty, err_tty, colours;
    bool standing; // a status line is on the screen
    char text[256];
    int64_t started_us, drawn_us;
    unsigned turn;
} term;

static void on_signal(int number)
{
    if (term.standing) {
        (void)!write(STDERR_FILENO, CLEAR_LINE, sizeof CLEAR_LINE - 1);
    }
    signal(number, SIG_DFL);
    raise(number);
}

void terminal_setup(bool quiet)
{
    const char *no_color = getenv("NO_COLOR");
    const char *kind = getenv("TERM");
    bool dumb = !kind || strcmp(kind, "dumb") == 0;
    term.quiet = quiet;
    term.out_tty = isatty(STDOUT_FILENO);
    term.err_tty = isatty(STDERR_FILENO) && !dumb;
    term.colours = !(no_color && no_color[0]) && !dumb;
    if (term.err_tty && !quiet) {
        signal(SIGINT, on_signal);
        signal(SIGTERM, on_signal);
    }
    signal(SIGPIPE, SIG_IGN); // a closed pipe is an error of write
}

void terminal_quiet(bool quiet)
{
    terminal_clear();
    term.quiet = quiet;
}

bool terminal_is_tty(void)
{
    return term.out_tty;
}

bool terminal_shows(void)
{
    return term.err_tty && !term.quiet;
}

const char *terminal_on(enum colour colour, bool on_err)
{
    static const char *const codes[] = {
        [PLAIN] = "",        [BOLD] = "\033[1m",     [DIM] = "\033[2m",
        [RED] = "\033[31m",  [GREEN] = "\033[32m",   [YELLOW] = "\033[33m",
        [BLUE] = "\033[34m", [MAGENTA] = "\033[35m", [CYAN] = "\033[36m"};
    return term.colours && (on_err ? term.err_tty : term.out_tty) ? codes[colour] : "";
}

const char *terminal_off(bool on_err)
{
    return term.colours && (on_err ? term.err_tty : term.out_tty) ? "\033[0m" : "";
}

static size_t columns(void)
{
    struct winsize size = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20;
    return known ? size.ws_col : 80;
}

static void draw(void)
{
    static const char *const marks[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧"};
    int64_t seconds = (clock_mono_us() - term.started_us) / 1000000;
    size_t room = columns() - 12; // the mark, the seconds and a space at the end
    size_t shown = strlen(term.text);
    shown = shown < room ? shown : room;
    while (shown > 0 && (term.text[shown] & 0xc0) == 0x80) {
        shown--; // not within a character
    }
    fprintf(stderr, CLEAR_LINE "%s%s%s %.*s", terminal_on(YELLOW, true),
            marks[term.turn % ARRAY_SIZE(marks)], terminal_off(true), (int)shown, term.text);
    if (seconds > 0) {
        fprintf(stderr, " %s(%llds)%s", terminal_on(DIM, true), (long long)seconds,
                terminal_off(true));
    }
    fflush(stderr);
    term.standing = true;
    term.drawn_us = clock_mono_us();
}

static void stand(const char *fmt, va_list args)
{
    vsnprintf(term.text, sizeof term.text, fmt, args);
    term.started_us = clock_mono_us();
    term.turn++;
    if (term.err_tty) {
        draw();
    }
}

void terminal_status(const char *fmt, ...)
{
    if (term.quiet) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    stand(fmt, args);
    va_end(args);
    if (!term.err_tty) {
        fprintf(stderr, "%s\n", term.text);
    }
}

void terminal_glimpse(const char *fmt, ...)
{
    if (term.quiet) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    stand(fmt, args);
    va_end(args);
}

void terminal_tick(void)
{
    if (term.standing && clock_mono_us() - term.drawn_us > TURN_US) {
        term.turn++;
        draw();
    }
}

void terminal_clear(void)
{
    if (term.standing) {
        fputs(CLEAR_LINE, stderr);
        fflush(stderr);
        term.standing = false;
    }
}

static void say(enum colour colour, const char *prefix, const char *fmt, va_list args)
{
    terminal_clear();
    if (prefix) {
        fprintf(stderr, "%s%s%s ", terminal_on(colour, true), prefix, terminal_off(true));
    }
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
}

void terminal_notice(const char *fmt, ...)
{
    if (term.quiet) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    say(PLAIN, NULL, fmt, args);
    va_end(args);
}

void terminal_warning(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(YELLOW, "Warning:", fmt, args);
    va_end(args);
}

void terminal_error(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(RED, "Error:", fmt, args);
    va_end(args);
}
