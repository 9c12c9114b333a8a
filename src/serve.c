// SPDX-License-Identifier: Apache-2.0
// `rouse serve`: the one place where all parts meet. Reads top to bottom as the life of a server:
// settings, store, fleet, dispatcher, functions, HTTP; then the loop, until a signal drains it.
#include "api/api.h"
#include "api/grpc.h"
#include "api/runtime.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bus/bus.h"
#include "cache/memory.h"
#include "cache/redis.h"
#include "cli/cli.h"
#include "config/settings.h"
#include "core/identity.h"
#include "dispatch/dispatch.h"
#include "dispatch/schedules.h"
#include "iam/session.h"
#include "io/pressure.h"
#include "observe/logs.h"
#include "sandbox/cgroup.h"
#include "sandbox/jail.h"
#include "store/object.h"
#include "worker/devices.h"
#include "worker/runner_fleet.h"
#include "runtime/runtime.h"
#include "worker/spawn_config.h"
#include "worker/template.h"
#include "worker/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define LARGE_MEMORY (256 * 1024)
#define POOL_THREADS 4
#define LOG_FILES    4

struct server {
    struct settings settings;
    struct api_settings api_settings;
    struct jail_probe probe;
    struct watch probe_watch;
    char *walls; // see api_settings; NULL until the probe is over
    struct api api;
    struct templates *templates;
    struct cgroups *cgroups;  // NULL: rlimits instead
    struct session_keys keys; // of the process that is being started
    struct http_server *http;
    char *url; // what clients reach it by
    struct runtime_server *runtime;
    struct watch signals;
    struct timer drain_limit;
    struct pressure pressure;
    bool drained;
};

static int cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

// ── credentials and endpoint: two small files in the data directory, for the CLI ──

static void random_text(char *to, size_t size, const char *alphabet)
{
    unsigned char bytes[64];
    (void)!getrandom(bytes, size, 0);
    size_t letters = strlen(alphabet);
    for (size_t i = 0; i < size; i++) {
        to[i] = alphabet[bytes[i] % letters];
    }
    to[size] = 0;
}

// Written beside and renamed, so that nobody ever reads half of it.
static int file_replace(const char *path, mode_t mode, const char *text, struct err *err)
{
    CLEAN_MEM char *beside = mem_printf("%s.new", path);
    CLEAN_FD int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    ssize_t size = (ssize_t)strlen(text);
    if (fd < 0 || write(fd, text, (size_t)size) != size || fsync(fd) < 0 ||
        rename(beside, path) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot write %s", path);
    }
    return 0;
}

static int credentials_make(const char *path, struct err *err)
{
    char access[21] = "AKIA";
    char secret[41];
    random_text(access + 4, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
    random_text(secret, 40, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    CLEAN_MEM char *text = mem_printf(
        "[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", access, secret);
    return file_replace(path, 0600, text, err);
}

// The AWS CLI's own format, so that AWS_SHARED_CREDENTIALS_FILE can point at it.
static int credentials_load(struct server *s, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/credentials", s->settings.data);
    if (access(path, F_OK) < 0) {
        TRY(credentials_make(path, err));
    }
    FILE *file = fopen(path, "re");
    if (!file) {
        return err_errno(err, ERR_IO, errno, "cannot read %s", path);
    }
    char line[512];
    while (fgets(line, sizeof line, file)) {
        struct str value = str_of(line);
        struct str name = str_trim(str_cut(&value, '='));
        value = str_trim(value);
        if (str_eq(name, STR("aws_access_key_id"))) {
            snprintf(s->api.access_key, sizeof s->api.access_key, STR_FMT, STR_ARG(value));
        } else if (str_eq(name, STR("aws_secret_access_key"))) {
            snprintf(s->api.secret_key, sizeof s->api.secret_key, STR_FMT, STR_ARG(value));
        }
    }
    fclose(file);
    if (!s->api.access_key[0] || !s->api.secret_key[0]) {
        return err_set(err, ERR_CORRUPT, "%s has no aws_access_key_id and aws_secret_access_key",
                       path);
    }
    return 0;
}

// What clients reach us by: the address that was asked for, with the port that was got.
static void endpoint_find(struct server *s)
{
    struct str host = str_of(s->settings.listen);
    while (host.size && host.at[host.size - 1] != ':') {
        host.size--;
    }
    host.size -= host.size > 0;
    bool any = str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]")) || host.size == 0;
    host = any ? STR("127.0.0.1") : host;
    s->url = mem_printf("http://" STR_FMT ":%d", STR_ARG(host), http_server_port(s->http));
    templates_endpoint(s->templates, s->url);
}

static int endpoint_write(const struct server *s, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/endpoint", s->settings.data);
    CLEAN_MEM char *text = mem_printf("%s\n", s->url);
    return file_replace(path, 0644, text, err);
}

// ── the parts, in order ──

static void on_memory_short(struct pressure *pressure)
{
    dispatch_relieve(CONTAINER_OF(pressure, struct server, pressure)->api.dispatch);
}

// Temporary credentials of a function's process: its role's, named after the function.
static void identify(void *ctx, const struct function *f, struct spawn_identity *ret)
{
    struct server *s = ctx;
    struct err err = {0};
    if (!f->role || session_mint(str_of(s->api.secret_key), str_of(f->role), str_of(f->name),
                                 clock_wall_ms() + CREDENTIALS_MS, &s->keys, &err) < 0) {
        log_warn("%s runs without credentials: %s", f->name, f->role ? err.text : "it has no role");
        return;
    }
    ret->access_key = s->keys.access_key;
    ret->secret_key = s->keys.secret_key;
    ret->session_token = s->keys.token;
}

// Connections from inside the network of one process of a function.
struct guest {
    struct http_origin base;
    bool left; // the process is gone
};

static void guest_unused(struct http_origin *base)
{
    struct guest *guest = CONTAINER_OF(base, struct guest, base);
    if (guest->left) {
        free(guest);
    }
}

static void adopt(void *ctx, int fd, void **data)
{
    struct server *s = ctx;
    struct guest *guest = *data;
    struct err err = {0};
    if (!guest) {
        guest = NEW(struct guest);
        guest->base = (struct http_origin){.front = true, .on_unused = guest_unused};
        *data = guest;
    }
    if (!s->http) {
        close(fd);
    } else if (http_server_adopt(s->http, fd, &guest->base, &err) < 0) {
        log_debug("a function's connection is refused: %s", err.text);
    }
}

static void leave(void *ctx, void *data)
{
    struct server *s = ctx;
    struct guest *guest = data;
    guest->left = true;
    if (guest->base.connections == 0) {
        free(guest);
    } else {
        http_origin_close(s->http, &guest->base);
    }
}

static void say(void *ctx, const struct function *f, struct str line)
{
    struct server *s = ctx;
    logs_append(s->api.observe, str_of(f->name), clock_wall_ms(), line);
}

static int64_t used_ms(void *ctx, const struct function *f)
{
    const struct server *s = ctx;
    return logs_written_ms(s->api.observe, str_of(f->name)); // each job writes lines
}

static bool unload(void *ctx, const struct function *f)
{
    const struct server *s = ctx;
    CLEAN_MEM char *key = dispatch_key(f);
    return dispatch_unload(s->api.dispatch, str_of(key), NULL) >= 0;
}

static void names_write(struct buf *out, const char *member, const char *names)
{
    buf_printf(out, "\"%s\":[", member);
    for (struct str rest = str_of(names); rest.at && rest.size;) {
        struct str name = str_cut(&rest, ',');
        buf_printf(out, "\"" STR_FMT "\"%s", STR_ARG(name), rest.at ? "," : "");
    }
    buf_add_text(out, "],");
}

static void walls_write(struct server *s, const char *standing, const char *missing,
                        const char *why)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(4096);
    buf_add_char(&out, '{');
    names_write(&out, "standing", standing);
    names_write(&out, "missing", missing);
    buf_printf(&out, "\"limits\":\"%s\",", s->cgroups ? cgroups_kind(s->cgroups) : "rlimits");
    buf_add_text(&out, "\"why\":\"");
    for (const char *c = why; *c; c++) {
        buf_add_char(&out, *c == '"' || *c == '\\' || (unsigned char)*c < 32 ? '\'' : *c);
    }
    buf_add_text(&out, "\"}");
    s->walls = buf_steal(&out);
}

// What the probe found is said and kept, once.
static void walls_known(struct server *s)
{
    const struct jail_report *report = &s->probe.report;
    char standing[256], missing[256];
    jail_names(JAIL_ALL & ~report->missing, standing, sizeof standing);
    jail_names(report->missing, missing, sizeof missing);
    if (report->missing) {
        log_warn("functions run without the walls %s: %s", missing, report->why);
    }
    log_info("functions run behind the walls %s", *standing ? standing : "none");
    if (s->settings.sandbox != SETTINGS_SANDBOX_OFF && !s->settings.require_sandbox && *standing) {
        templates_walls(s->templates, standing); // what can stand has to, from now on
    }
    walls_write(s, standing, missing, report->why);
}

static void probe_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct server *s = CONTAINER_OF(watch, struct server, probe_watch);
    if (jail_probe_turn(&s->probe)) {
        loop_unwatch(s->api.loop, watch);
        walls_known(s);
    }
}

// For /rouse/info, which may be asked before the probe is over.
static const char *walls_text(void *ctx)
{
    struct server *s = ctx;
    if (!s->walls) {
        loop_unwatch(s->api.loop, &s->probe_watch);
        jail_probe_end(&s->probe);
        walls_known(s);
    }
    return s->walls;
}

static int walls_required(struct server *s, struct err *err)
{
    char missing[256];
    jail_probe_end(&s->probe);
    jail_names(s->probe.report.missing, missing, sizeof missing);
    if (!s->probe.report.missing) {
        return 0;
    }
    return err_set(err, ERR_UNSUPPORTED,
                   "--require-sandbox, but this machine denies the walls %s: "
                   "%s",
                   missing, s->probe.report.why);
}

// Tries once which walls this machine grants, and tells what will fork instances what is wanted of
// them. Only --require-sandbox waits for the outcome. Groups first: in version 2 they cannot be made
// beside a process that stands where the server stood.
static int walls_up(struct server *s, struct err *err)
{
    s->probe.report = (struct jail_report){.missing = JAIL_ALL, .why = "--sandbox off"};
    if (s->settings.sandbox == SETTINGS_SANDBOX_OFF) {
        setenv("ROUSE_SANDBOX", "off", 1);
        return s->settings.require_sandbox ? walls_required(s, err) : 0;
    }
    setenv("ROUSE_SANDBOX", s->settings.require_sandbox ? "required" : "auto", 1);
    struct err no_groups = {0};
    if (cgroups_new(&s->cgroups, &no_groups) < 0) {
        log_info("memory of functions is bounded by rlimits, their processor is not: %s",
                 no_groups.text);
    }
    jail_probe_start(&s->probe);
    return s->settings.require_sandbox ? walls_required(s, err) : 0;
}

static int probe_follow(struct server *s, struct err *err)
{
    if (s->probe.fd < 0) { // over already, or never begun
        (void)walls_text(s);
        return 0;
    }
    s->probe_watch = (struct watch){.fd = s->probe.fd, .on_ready = probe_ready};
    return loop_watch(s->api.loop, &s->probe_watch, EPOLLIN, err);
}

static int store_up(struct server *s, struct err *err)
{
    TRY(store_open(s->api.loop, s->settings.data, &s->api.store, err));
    uint64_t orphans = 0;
    TRY(object_sweep(s->settings.data, store_reader(s->api.store), &orphans, err));
    if (orphans) {
        log_notice("%llu blobs that a crash left behind were removed", (unsigned long long)orphans);
    }
    return 0;
}

static int cache_up(struct server *s, struct err *err)
{
    CLEAN(redis_url_done) struct redis_url url = {0};
    CLEAN_MEM char *file = mem_printf("%s/results", s->settings.data);
    if (strcmp(s->settings.cache, "memory") != 0) {
        TRY(redis_url_parse(str_of(s->settings.cache), &url, err));
        s->api.cache = cache_redis_new(s->api.loop, s->api.pool, &url);
    } else if (s->settings.cache_size_max > 0) {
        s->api.cache = cache_memory_new(s->api.loop, s->api.pool, file, s->settings.cache_size_max);
    }
    return 0;
}

static void dispatch_up(struct server *s)
{
    CLEAN_MEM char *runner = NULL;
    struct err no_runner = {0};
    if (runner_path(&runner, &no_runner) < 0) {
        log_warn("%s; model functions cannot run", no_runner.text);
    }
    struct weights_options weights = {
        .bytes_max = s->settings.weights_max, .used_ms = used_ms, .unload = unload, .ctx = s};
    s->api.weights = weights_new(s->api.loop, s->api.pool, &weights);
    struct template_options templates = {
        .adopt = adopt,
        .leave = leave,
        .say = say,
        .store = s->api.store,
        .cgroups = s->cgroups,
        .runner = runner,
        .idle_us = s->settings.template_idle_ms * 1000,
        .functions_max = (int)s->settings.templates_max,
        .weights = s->api.weights,
        .region = s->settings.region,
        .identify = identify,
        .ctx = s,
    };
    s->templates = s->api.templates = templates_new(s->api.loop, &templates);
    s->api.devices = device_table_new(s->api.loop, runner);
    s->api.fleet = runner_fleet_new(s->api.loop, s->api.store, s->templates);
    CLEAN_MEM char *logs = mem_printf("%s/logs", s->settings.data);
    s->api.observe =
        observe_new(s->api.loop, logs, s->settings.logs_size_max / LOG_FILES, LOG_FILES);
    int64_t most = s->settings.max_instances;
    struct dispatch_options options = {
        .idle_us = s->settings.idle_ms * 1000,
        .instances_max = most > 0 ? (int)most : cores(),
        .queue_max = (size_t)s->settings.queue_max,
        .hold_us = s->settings.hold_ms * 1000,
        .retry_us = s->settings.retry_delay_ms * 1000,
        .warm_ms = s->settings.template_idle_ms,
        .region = s->settings.region,
        .cache = s->api.cache,
    };
    s->api.dispatch =
        dispatch_new(s->api.loop, s->api.store, s->api.fleet, s->api.observe, &options);
    s->pressure.on_short = on_memory_short;
    s->pressure.watch.fd = -1;
    pressure_start(&s->pressure, s->api.loop);
}

// What connects meanwhile waits for the loop to run.
static int http_up(struct server *s, struct err *err)
{
    s->api_settings = (struct api_settings){
        .region = s->settings.region,
        .insecure = s->settings.insecure,
        .invoke_size_max = s->settings.invoke_size_max,
        .event_size_max = s->settings.event_size_max,
        .code_zip_max = s->settings.code_zip_max,
        .code_unpacked_max = s->settings.code_unpacked_max,
        .walls = walls_text,
        .ctx = s,
    };
    s->api.settings = &s->api_settings;
    s->api.started_ms = clock_wall_ms();
    struct http_options options = {.listen = s->settings.listen,
                                   .route = api_route,
                                   .route2 = grpc_route,
                                   .ctx = &s->api,
                                   .connections_max = (int)s->settings.connections_max};
    TRY(http_server_new(s->api.loop, &options, &s->http, err));
    s->runtime = runtime_server_new(&s->api, s->http);
    runner_fleet_serve(s->api.fleet, runtime_server_api(s->runtime));
    endpoint_find(s);
    return 0;
}

// Events that waited for us start instances at once, which are told of the endpoint.
static int services_up(struct server *s, struct err *err)
{
    TRY(lambda_start(&s->api, err));
    TRY(http_apis_start(&s->api, err));
    TRY(dispatch_resume(s->api.dispatch, err));
    TRY(schedules_new(s->api.loop, s->api.store, s->api.dispatch, s->settings.region,
                      &s->api.schedules, err));
    schedules_look(s->api.schedules);
    return endpoint_write(s, err);
}

// ── signals ──

static void on_drained(void *ctx)
{
    struct server *s = ctx;
    s->drained = true;
    loop_stop(s->api.loop);
}

static void drain_limit_due(struct timer *timer)
{
    struct server *s = CONTAINER_OF(timer, struct server, drain_limit);
    log_warn("what still runs is given up: --drain has passed");
    loop_stop(s->api.loop);
}

// The first signal drains; the second one does not wait.
static void signals_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct server *s = CONTAINER_OF(watch, struct server, signals);
    struct signalfd_siginfo info;
    if (read(watch->fd, &info, sizeof info) != sizeof info) {
        return;
    }
    if (s->api.draining) {
        loop_stop(s->api.loop);
        return;
    }
    log_notice("draining: no new connections; what runs is finished");
    s->api.draining = true;
    http_server_quiesce(s->http);
    s->drain_limit.on_due = drain_limit_due;
    timer_start(s->api.loop, &s->drain_limit, s->settings.drain_ms * 1000);
    schedules_stop(s->api.schedules);
    dispatch_drain(s->api.dispatch, on_drained, s);
}

static int signals_up(struct server *s, struct err *err)
{
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signals = (struct watch){.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK),
                                .on_ready = signals_ready};
    return loop_watch(s->api.loop, &s->signals, EPOLLIN, err);
}

// Connections and instances are descriptors: as many as we may have.
static void descriptors_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int server_up(struct server *s, struct err *err)
{
    descriptors_raise();
    TRY(loop_new(LOOP_REAL, &s->api.loop, err));
    TRY(walls_up(s, err));
    TRY(probe_follow(s, err));
    TRY(signals_up(s, err));
    TRY(store_up(s, err));
    TRY(credentials_load(s, err));
    s->api.pool = pool_new(s->api.loop, POOL_THREADS);
    TRY(cache_up(s, err));
    dispatch_up(s);
    TRY(http_up(s, err));
    return services_up(s, err);
}

// The reverse order of server_up; each part survives not having come up.
static void server_down(struct server *s)
{
    if (!s->api.loop) {
        return;
    }
    timer_stop(s->api.loop, &s->drain_limit);
    bool served = s->http;
    schedules_stop(s->api.schedules);
    runtime_server_quiet(s->runtime);
    http_server_free(MOVE(s->http)); // what instances still want finds nobody
    pool_free(s->api.pool);
    if (s->api.store) {
        CLEAN_MEM char *path = mem_printf("%s/endpoint", s->settings.data);
        if (served) {
            unlink(path);
        }
    }
    store_close(s->api.store);
    http_apis_stop(&s->api);
    schedules_free(s->api.schedules);
    lambda_stop(&s->api);
    device_table_free(s->api.devices);
    dispatch_free(s->api.dispatch);
    if (s->api.cache) {
        s->api.cache->ops->close(s->api.cache, /* keep */ s->drained);
    }
    runner_fleet_free(s->api.fleet);
    runtime_server_free(s->runtime);
    templates_free(s->templates);
    weights_free(s->api.weights);
    cgroups_free(s->cgroups);
    observe_free(s->api.observe);
    if (s->pressure.loop) {
        pressure_stop(&s->pressure);
    }
    loop_unwatch(s->api.loop, &s->probe_watch);
    jail_probe_end(&s->probe);
    loop_unwatch(s->api.loop, &s->signals);
    fd_clean(&s->signals.fd);
    loop_free(s->api.loop);
}

static int fail(const struct err *err)
{
    fprintf(stderr, "rouse serve: %s\n", err->text);
    return err_exit_status(err->code);
}

// What is large, a package or a model on its way, is mapped and unmapped: the C library would otherwise
// learn from the first that is freed to keep all that are as large, in each thread's heap.
static void memory_is_returned(void)
{
    mallopt(M_MMAP_THRESHOLD, LARGE_MEMORY);
    mallopt(M_TRIM_THRESHOLD, 2 * LARGE_MEMORY);
}

int cli_serve(int argc, char **argv)
{
    memory_is_returned();
    struct server s = {.signals.fd = -1, .probe.fd = -1, .probe_watch.fd = -1};
    struct err err = {0};
    int64_t began_us = clock_mono_us();
    int rc = settings_load(argc, argv, &s.settings, &err);
    if (rc == SETTINGS_HELP) {
        CLEAN(buf_done) struct buf help = BUF_INIT(64 * 1024);
        settings_help(&help);
        fputs(buf_text(&help), stdout);
        settings_done(&s.settings);
        return 0;
    }
    if (rc >= 0) {
        log_setup((enum log_level)s.settings.log_level, s.settings.log == SETTINGS_LOG_JSON);
        rc = server_up(&s, &err);
    }
    if (rc >= 0) {
        log_notice("ready on %s after %.1f ms, data in %s%s", s.url,
                   (double)(clock_mono_us() - began_us) / 1000, s.settings.data,
                   s.settings.insecure ? ", requests need not be signed" : "");
        loop_run(s.api.loop);
        log_notice("stopped");
    }
    int status = rc < 0 ? fail(&err) : 0;
    server_down(&s);
    free(s.walls);
    free(s.url);
    settings_done(&s.settings);
    return status;
}
