// SPDX-License-Identifier: Apache-2.0
// rouse dev: deploys, then deploys again whatever of the project changes, and shows what its functions say
// until Ctrl-C. The logs are another process's work, so that they go on while a deployment does.
#include "cli/deploy.h"
#include "cli/hooks.h"
#include "cli/log_view.h"
#include "cli/watch_tree.h"
#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUIET_MS    100     // without a change before one is acted upon: editors write in steps
#define PATIENCE_US 1000000 // but no longer than this
#define RETRY_S     1       // of the logs, while the server is away
#define ROOTS_MAX   64

static const struct option options[] = {
    SERVICE_OPTIONS,
    {"endpoint-url", 0, "URL", "the server (else AWS_ENDPOINT_URL, else the local one)"},
    {"data", 0, "DIR", "data folder of the local server, for its address and credentials"},
};

struct dev {
    const struct args *args;
    struct serverless *service; // as last understood
    struct watch_tree tree;
    char *roots[ROOTS_MAX + 1]; // what is watched, NULL-terminated
    pid_t logs;                 // of the process that shows them, or 0
    char *shown;                // names of the functions whose logs those are
    bool deployed;              // at least once
};

// ---- Ctrl-C

static int stop_pipe[2] = {-1, -1}; // written by the handler, so that poll returns

static void on_stop(int number)
{
    (void)!write(stop_pipe[1], "", 1);
    signal(number, SIG_DFL); // the second one does not wait for what is under way
}

static int catch_signals(struct err *err)
{
    if (pipe2(stop_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        return err_errno(err, ERR_IO, errno, "pipe");
    }
    signal(SIGINT, on_stop);
    signal(SIGTERM, on_stop);
    return 0;
}

// ---- logs

static _Noreturn void show_logs(const struct dev *dev, struct log_view *view, int64_t since_ms,
                                pid_t parent)
{
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    bool told = false;
    while (getppid() == parent) {
        CLEAN(remote_done) struct remote remote = {0};
        struct err err = {0};
        int rc = remote_find(dev->args, dev->service->region, &remote, &err);
        rc = rc < 0 ? rc : log_view_run(view, &remote, since_ms, true, &err);
        if (rc < 0 && !told) {
            terminal_warning("%s", err.text);
        }
        told = rc < 0;
        since_ms = clock_wall_ms();
        sleep(RETRY_S);
    }
    _exit(0);
}

static void stop_logs(struct dev *dev)
{
    if (dev->logs > 0) {
        kill(dev->logs, SIGTERM);
        while (waitpid(dev->logs, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    dev->logs = 0;
}

static void start_logs(struct dev *dev, int64_t since_ms)
{
    size_t count = dev->service->function_count;
    CLEAN_MEM const char **names = mem_alloc((count + 1) * sizeof *names);
    CLEAN(buf_done) struct buf all = BUF_INIT(1024 * 1024);
    for (size_t i = 0; i < count; i++) {
        names[i] = dev->service->functions[i].name;
        buf_printf(&all, "%s %s\n", names[i], dev->service->functions[i].key);
    }
    if (count == 0 || (dev->logs > 0 && strcmp(dev->shown, buf_text(&all)) == 0)) {
        return;
    }
    stop_logs(dev);
    free(dev->shown);
    dev->shown = buf_steal(&all);
    fflush(stdout);
    pid_t parent = getpid();
    dev->logs = fork();
    if (dev->logs == 0) {
        struct log_view view = {
            .service = dev->service, .names = names, .name_count = count, .several = true};
        show_logs(dev, &view, since_ms, parent);
    }
    if (dev->logs < 0) {
        terminal_warning("the logs cannot be shown: %s", strerror(errno));
    }
}

// ---- a deployment

// The service's folder, and folders of layers, which may lie elsewhere.
static void set_roots(struct dev *dev)
{
    size_t count = 0;
    for (size_t i = 0; i < ROOTS_MAX; i++) {
        free(MOVE(dev->roots[i]));
    }
    dev->roots[count++] = mem_dup(dev->service->dir);
    for (size_t i = 0; i < dev->service->layer_count && count < ROOTS_MAX; i++) {
        const char *path = dev->service->layers[i].path;
        if (path && (path[0] == '/' || strncmp(path, "..", 2) == 0)) {
            dev->roots[count++] =
                path[0] == '/' ? mem_dup(path) : mem_printf("%s/%s", dev->service->dir, path);
        }
    }
}

static const char *noted(const struct serverless *service)
{
    return service->unknown ? service->unknown : service->ignored ? service->ignored : "";
}

static int load(struct dev *dev, struct err *err)
{
    struct serverless *service = NULL;
    TRY(project_find(dev->args, &service, err));
    if (!service) {
        return project_load(dev->args, &service, err); // there is none, and it says so
    }
    bool same = dev->service && strcmp(noted(dev->service), noted(service)) == 0;
    if (!same) {
        project_warn(service);
    }
    serverless_free(dev->service);
    dev->service = service;
    set_roots(dev);
    return 0;
}

static void print_changes(const struct deploy *deploy, int64_t took_us)
{
    CLEAN(buf_done) struct buf names = BUF_INIT(4096);
    for (size_t i = 0; i < deploy->count; i++) {
        if (deploy->functions[i].action != DEPLOY_SAME) {
            buf_printf(&names, "%s%s", names.size ? ", " : "", deploy->functions[i].wanted->key);
        }
    }
    const char *what = names.size ? buf_text(&names) : deploy->changes ? "the service" : "nothing";
    terminal_notice("%s✔%s %s%s %s(%.1fs)%s", terminal_on(GREEN, true), terminal_off(true), what,
                    names.size || deploy->changes ? " updated" : " to update",
                    terminal_on(DIM, true), (double)took_us / 1e6, terminal_off(true));
}

// What the project's own commands write is part of what is deployed, and no change of it.
static int build(struct dev *dev, struct deploy *deploy, struct err *err)
{
    CLEAN_MEM char *changed = NULL;
    int rc = deploy_build(deploy, err);
    TRY(watch_tree_look(&dev->tree, dev->roots, &changed, rc < 0 ? NULL : err));
    return rc;
}

static int deploy_once(struct dev *dev, struct err *err)
{
    int64_t began_us = clock_mono_us(), began_ms = clock_wall_ms();
    CLEAN(deploy_done) struct deploy deploy = {0};
    TRY(load(dev, err));
    if (!dev->deployed) {
        deploy_announce(dev->service);
    }
    TRY(deploy_begin(dev->args, dev->service, &deploy, err));
    TRY(build(dev, &deploy, err));
    terminal_quiet(dev->deployed); // afterwards lines of the logs come in between
    int rc = deploy_put(&deploy, err);
    terminal_quiet(false);
    TRY(rc);
    if (dev->deployed) {
        print_changes(&deploy, clock_mono_us() - began_us);
    } else {
        deploy_print(&deploy, (clock_mono_us() - began_us + 500000) / 1000000);
    }
    dev->deployed = true;
    start_logs(dev, began_ms);
    return 0;
}

// ---- waiting

// 1 when something may have changed, 0 when it is time to end.
static int wait_for_change(struct dev *dev)
{
    struct pollfd fds[2] = {{.fd = stop_pipe[0], .events = POLLIN},
                            {.fd = dev->tree.fd, .events = POLLIN}};
    int64_t began_us = 0;
    for (;;) {
        int rc = poll(fds, 2, began_us ? QUIET_MS : -1);
        if (fds[0].revents) {
            return 0;
        }
        if (rc == 0 || (began_us && clock_mono_us() - began_us > PATIENCE_US)) {
            return 1;
        }
        if (rc > 0) {
            began_us = began_us ? began_us : clock_mono_us();
            watch_tree_drain(&dev->tree);
        }
    }
}

static int watch(struct dev *dev, struct err *err)
{
    while (wait_for_change(dev)) {
        CLEAN_MEM char *changed = NULL;
        struct err told = {0};
        int rc = watch_tree_look(&dev->tree, dev->roots, &changed, err);
        TRY(rc);
        if (rc == 0) {
            continue;
        }
        const char *name = changed && strncmp(changed, "./", 2) == 0 ? changed + 2 : changed;
        terminal_notice("%s%s changed%s", terminal_on(DIM, true), name ? name : "something",
                        terminal_off(true));
        if (deploy_once(dev, &told) < 0) {
            terminal_quiet(false);
            terminal_error("%s", told.text); // the next change may mend it
        }
    }
    return 0;
}

static void dev_done(struct dev *dev)
{
    stop_logs(dev);
    watch_tree_done(&dev->tree);
    serverless_free(dev->service);
    free(dev->shown);
    for (size_t i = 0; i < ROOTS_MAX; i++) {
        free(dev->roots[i]);
    }
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(dev_done) struct dev dev = {.args = args};
    watch_tree_init(&dev.tree);
    TRY(deploy_once(&dev, err));
    TRY(catch_signals(err));
    hooks_warn(dev.service);
    if (dev.tree.incomplete) {
        terminal_warning("not all folders can be watched: raise fs.inotify.max_user_watches");
    }
    terminal_notice("\nWatching for changes. Ctrl-C ends this; what is deployed stays.\n");
    TRY(watch(&dev, err));
    stop_logs(&dev);
    terminal_notice("\nStopped. rouse remove takes away what is deployed.");
    return 0;
}

const struct verb verb_dev = {
    .name = "dev",
    .usage = "[--stage STAGE] [options]",
    .summary = "deploy what changes, and show the logs",
    .details =
        "Deploys the project of this folder, then again whenever one of its files changes: what "
        "has to be built is\nbuilt, and only functions and layers that differ are updated, in "
        "place. What the functions write\nis shown as it comes. Ctrl-C ends it.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
