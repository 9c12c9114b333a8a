// SPDX-License-Identifier: Apache-2.0
// The settings of `rouse serve`, from one table: it makes the struct below, reads the file, the
// environment and the options, and writes --help, docs/settings.md and the manual page. A new
// setting is one line in SETTINGS.
//
// Sources, later ones win: the default, the file (--config FILE, else ROUSE_CONFIG, else
// rouse/rouse.yml in $XDG_CONFIG_HOME or ~/.config when it is there), the environment (ROUSE_ and the
// key in capitals, '-' as '_': ROUSE_MAX_INSTANCES), the options (--max-instances 4).
//
//     CLEAN(settings_done) struct settings settings = {0};
//     int rc = settings_load(argc, argv, &settings, &err);
//     if (rc == SETTINGS_HELP) { settings_help(&out); … }
#pragma once

#include "base/buf.h"
#include "base/err.h"

// field, kind, key, default, least, most, choices, help.
// Durations are milliseconds, sizes bytes; least and most are in those. Choices are "a|b|c" and give
// the index. A default of "" for data is the folder in settings_data_dir.
#define SETTINGS(X)                                                                                \
    X(listen, ADDRESS, "listen", "127.0.0.1:4566", 0, 0, "",                                       \
      "where to listen; port 0 takes a free one")                                                  \
    X(data, PATH, "data", "", 0, 0, "", "folder of everything that is kept")                       \
    X(insecure, BOOL, "insecure", "false", 0, 0, "", "take requests that are not signed")          \
    X(region, WORD, "region", "us-east-1", 0, 0, "", "the region this server says it is")          \
    X(idle_ms, DURATION, "idle", "60s", 0, 86400000, "",                                           \
      "an instance without work this long is stopped")                                             \
    X(template_idle_ms, DURATION, "template-idle", "15m", 0, 604800000, "",                        \
      "a function's template without work this long is stopped")                                   \
    X(templates_max, COUNT, "templates-max", "32", 1, 4096, "",                                    \
      "templates of functions; the longest unused gives way")                                      \
    X(weights_max, SIZE, "weights-max", "0", 0, 1099511627776, "",                                 \
      "models kept in memory; the longest unused are dropped; 0: as much as there is")             \
    X(max_instances, COUNT, "max-instances", "0", 0, 4096, "",                                     \
      "instances of all functions together; 0: one for each core")                                 \
    X(queue_max, COUNT, "queue-max", "10000", 1, 10000000, "",                                     \
      "waiting calls of one function; more are answered 429")                                      \
    X(hold_ms, DURATION, "hold", "5m", 0, 86400000, "", "a call waits this long for an instance")  \
    X(retry_delay_ms, DURATION, "retry-delay", "60s", 1, 3600000, "",                              \
      "before the first retry of an asynchronous call; twice that before the second")              \
    X(connections_max, COUNT, "connections-max", "0", 0, 1000000, "",                              \
      "open connections; 0: as many as the system allows, at most 10000")                          \
    X(drain_ms, DURATION, "drain", "30s", 0, 3600000, "",                                          \
      "what still runs after SIGTERM may take this long")                                          \
    X(invoke_size_max, SIZE, "invoke-size-max", "6MiB", 1024, 1073741824, "",                      \
      "payload of a synchronous call")                                                             \
    X(event_size_max, SIZE, "event-size-max", "256KiB", 1024, 1073741824, "",                      \
      "payload of an asynchronous call")                                                           \
    X(code_zip_max, SIZE, "code-zip-max", "50MiB", 1024, 4294967296, "",                           \
      "package inside a request; larger ones go by S3")                                            \
    X(code_unpacked_max, SIZE, "code-unpacked-max", "10GiB", 1024, 1099511627776, "",              \
      "package when unpacked")                                                                     \
    X(logs_size_max, SIZE, "logs-size-max", "16MiB", 65536, 1099511627776, "",                     \
      "kept of each function's log")                                                               \
    X(cache, CACHE, "cache", "memory", 0, 0, "",                                                   \
      "where results are kept of functions that ask for it: memory, or redis://… or rediss://…")   \
    X(cache_size_max, SIZE, "cache-size-max", "64MiB", 0, 1099511627776, "",                       \
      "results in memory, of all functions together; 0: none are kept")                            \
    X(sandbox, CHOICE, "sandbox", "auto", 0, 0, "auto|off",                                        \
      "walls around functions; off is for tests of the walls only")                                \
    X(require_sandbox, BOOL, "require-sandbox", "false", 0, 0, "",                                 \
      "refuse to run functions where this machine denies a wall")                                  \
    X(log, CHOICE, "log", "text", 0, 0, "text|json", "form of the server's own log")               \
    X(log_level, CHOICE, "log-level", "info", 0, 0, "debug|info|notice|warn|error",                \
      "least important line that is logged")

enum setting_kind {
    SETTING_ADDRESS,  // char *
    SETTING_PATH,     // char *, absolute
    SETTING_WORD,     // char *, A-Z a-z 0-9 -
    SETTING_CACHE,    // char *, "memory" or what redis_url_parse takes
    SETTING_BOOL,     // bool
    SETTING_DURATION, // int64_t, milliseconds
    SETTING_COUNT,    // int64_t
    SETTING_SIZE,     // uint64_t, bytes
    SETTING_CHOICE    // int, index into the choices
};

#define SETTING_C_ADDRESS  char *
#define SETTING_C_PATH     char *
#define SETTING_C_WORD     char *
#define SETTING_C_CACHE    char *
#define SETTING_C_BOOL     bool
#define SETTING_C_DURATION int64_t
#define SETTING_C_COUNT    int64_t
#define SETTING_C_SIZE     uint64_t
#define SETTING_C_CHOICE   int

enum { SETTINGS_SANDBOX_AUTO, SETTINGS_SANDBOX_OFF };
enum { SETTINGS_LOG_TEXT, SETTINGS_LOG_JSON }; // settings.log; log_level is an enum log_level

struct settings { // born zeroed; strings are its own, never NULL once loaded
#define X(field, kind, ...) SETTING_C_##kind field;
    SETTINGS(X)
#undef X
    char *config; // the file that was read, or NULL
};

#define SETTINGS_HELP 1

// argv[0] is the verb and is not looked at. 0, SETTINGS_HELP for --help or -h, or ERR_INVALID that
// begins with the source: "rouse.yml:3:7: …", "ROUSE_IDLE: …" or "--idle: …". On failure *ret is to
// be released all the same.
MUST_CHECK int settings_load(int argc, char **argv, struct settings *ret, struct err *err);
void settings_done(struct settings *settings);

// $XDG_DATA_HOME/rouse, else ~/.local/share/rouse, else /var/lib/rouse. Heap.
char *settings_data_dir(void);

struct setting { // a row of the table, for those who document it
    const char *key, *fallback, *choices, *help;
    enum setting_kind kind;
    size_t offset; // in struct settings
    uint64_t least, most;
};
extern const struct setting settings_table[];
extern const size_t settings_count;

void settings_env_name(const struct setting *setting, struct buf *out); // "ROUSE_MAX_INSTANCES"
void settings_help(struct buf *out);                                    // for --help
void settings_markdown(struct buf *out);                                // docs/settings.md
void settings_man(struct buf *out); // the paragraphs of rouse(1)
