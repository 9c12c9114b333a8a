// SPDX-License-Identifier: Apache-2.0
// Prepared models fit one kind of processor and one engine. When the server starts on another machine,
// or with another rouse-runner, than the one that they were prepared on, all are prepared again in the
// background; until then their functions run the original model.
#include "api/lambda.h"
#include "base/file.h"
#include "base/log.h"
#include "format/hex.h"
#include "runtime/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#define CPU_TEXT_MAX 8192 // of /proc/cpuinfo: the first processor is in it

struct refresh { // of one prepared model
    struct prepare_task prepare;
    struct lambda *lambda;
    struct function *version; // a reference
    struct list link;         // in lambda->refreshing
};

// A line that changes with what prepared models depend on.
static int machine_text(struct buf *out, struct err *err)
{
    CLEAN_MEM char *runner = NULL;
    CLEAN_MEM char *cpu = mem_alloc(CPU_TEXT_MAX);
    struct utsname name = {0};
    struct stat st;
    TRY(runner_path(&runner, err));
    if (uname(&name) < 0 || stat(runner, &st) < 0) {
        return err_set(err, ERR_NOT_FOUND, "%s is not there", runner);
    }
    CLEAN_FD int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, cpu, CPU_TEXT_MAX);
    struct checksum sum;
    checksum_init(&sum, CHECKSUM_SHA256);
    for (struct str rest = {cpu, size > 0 ? (size_t)size : 0}; rest.at;) {
        struct str line = str_cut(&rest, '\n');
        if (str_starts(line, STR("flags")) || str_starts(line, STR("Features"))) {
            checksum_add(&sum, line);
            break;
        }
    }
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    (void)checksum_end(&sum, bytes);
    buf_printf(out, "%s %lld %lld ", name.machine, (long long)st.st_size,
               (long long)st.st_mtim.tv_sec);
    hex_add(out, bytes, 16);
    return 0;
}

static void machine_write(const struct lambda *lambda)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(1024);
    CLEAN_MEM char *path = mem_printf("%s/.machine", lambda->packages);
    struct err err = {0};
    if (machine_text(&text, &err) < 0 || file_write(path, buf_str(&text), 0600, &err) < 0) {
        log_debug("what models were prepared on is not noted: %s", err.text);
    }
}

static void refresh_free(struct refresh *refresh)
{
    prepare_cancel(&refresh->prepare);
    list_remove(&refresh->link);
    function_unref(refresh->version);
    free(refresh);
}

static void refresh_done(struct prepare_task *task)
{
    struct refresh *refresh = CONTAINER_OF(task, struct refresh, prepare);
    struct lambda *lambda = refresh->lambda;
    if (task->rc < 0) {
        log_warn("function %s: its model could not be prepared for this machine and runs as it is: "
                 "%s",
                 refresh->version->name, task->err.text);
    }
    refresh_free(refresh);
    lambda_refresh_look(lambda);
}

void lambda_refresh_look(struct lambda *lambda)
{
    if (lambda->machine_changed && list_empty(&lambda->refreshing) &&
        list_empty(&lambda->quantizing)) {
        lambda->machine_changed = false;
        machine_write(lambda);
    }
}

// What was quantized here, or not, was judged by another machine. In memory alone: a restart finds
// that the machine has changed again, until all of it is done.
static struct function *quantize_anew(struct function *version)
{
    if (!version || !version->quantized) {
        return version;
    }
    struct function *fresh = function_copy(version);
    lambda_quantize_forget(fresh);
    function_unref(version);
    return fresh;
}

static void refresh_add(struct lambda *lambda, struct map *seen, struct function *version)
{
    if (!version || !version->prepared || map_put(seen, str_of(version->prepared), lambda)) {
        return;
    }
    struct refresh *refresh = NEW(struct refresh);
    refresh->lambda = lambda;
    refresh->version = function_ref(version);
    refresh->prepare = (struct prepare_task){.package = version->package,
                                             .out = version->prepared,
                                             .handler = version->handler,
                                             .on_done = refresh_done};
    list_push_back(&lambda->refreshing, &refresh->link);
    prepare_submit(lambda->preparer, &refresh->prepare);
}

void lambda_refresh(struct lambda *lambda)
{
    CLEAN(buf_done) struct buf now = BUF_INIT(1024);
    CLEAN(buf_done) struct buf before = BUF_INIT(1024);
    CLEAN_MEM char *path = mem_printf("%s/.machine", lambda->packages);
    struct err err = {0};
    if (machine_text(&now, &err) < 0 ||
        (file_read(path, &before, &err) >= 0 && str_eq(buf_str(&now), buf_str(&before)))) {
        return;
    }
    struct map seen = {0};
    size_t at = 0;
    for (struct lambda_function *f; (f = map_next(&lambda->functions, &at));) {
        f->latest = quantize_anew(f->latest);
        refresh_add(lambda, &seen, f->latest);
        for (size_t i = 0; i < f->version_count; i++) {
            f->versions[i] = quantize_anew(f->versions[i]);
            refresh_add(lambda, &seen, f->versions[i]);
        }
        if (f->latest) {
            lambda_versions_tell(f);
        }
    }
    lambda->machine_changed = true;
    if (seen.count) { // and quantized, where that was asked for
        log_notice("the processor or rouse-runner is another one: %zu models are prepared again",
                   seen.count);
    }
    lambda_refresh_look(lambda);
    map_done(&seen);
}

void lambda_refresh_stop(struct lambda *lambda)
{
    while (!list_empty(&lambda->refreshing)) {
        refresh_free(LIST_FIRST(&lambda->refreshing, struct refresh, link));
    }
}
