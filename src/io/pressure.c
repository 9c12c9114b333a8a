// SPDX-License-Identifier: Apache-2.0
// One trigger on /proc/pressure/memory: 200 ms of stall within two seconds, the shortest window
// that an ordinary user may ask for.
#include "io/pressure.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

static uint64_t number_of(const char *root, const char *file)
{
    CLEAN_MEM char *path = mem_printf("%s%s", root, file);
    CLEAN(buf_done) struct buf text = BUF_INIT(4096);
    struct err ignored = {0};
    uint64_t number = 0;
    bool known =
        file_read(path, &text, &ignored) == 0 && str_to_u64(str_trim(buf_str(&text)), &number);
    return known ? number : 0;
}

static uint64_t kb_of(struct str meminfo, struct str name)
{
    uint64_t kb = 0;
    while (meminfo.at && meminfo.size) {
        struct str value = str_cut(&meminfo, '\n');
        if (str_eq(str_cut(&value, ':'), name)) {
            value = str_trim(value);
            (void)!str_to_u64(str_cut(&value, ' '), &kb);
        }
    }
    return kb;
}

static bool machine_short(const char *root)
{
    CLEAN_MEM char *path = mem_printf("%s/proc/meminfo", root);
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    struct err ignored = {0};
    if (file_read(path, &text, &ignored) < 0) {
        return true; // whatever it says, tasks stall
    }
    uint64_t total = kb_of(buf_str(&text), STR("MemTotal"));
    return kb_of(buf_str(&text), STR("MemAvailable")) < total / 8;
}

// As a container sees its own limit, by version 2 and 1 of control groups. "max" is no number.
static bool container_short(const char *root)
{
    static const char *const files[][2] = {
        {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
        {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory/memory.usage_in_bytes"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        uint64_t limit = number_of(root, files[i][0]);
        if (limit && number_of(root, files[i][1]) > limit - limit / 8) {
            return true;
        }
    }
    return false;
}

bool pressure_little_left(const char *root)
{
    return machine_short(root) || container_short(root);
}

static void pressure_ready(struct watch *watch, uint32_t events)
{
    struct pressure *p = CONTAINER_OF(watch, struct pressure, watch);
    if (events & EPOLLERR) {
        pressure_stop(p);
    } else if (pressure_little_left("")) {
        p->on_short(p);
    }
}

bool pressure_start(struct pressure *p, struct loop *loop)
{
    static const char trigger[] = "some 200000 2000000";
    p->loop = loop;
    p->watch.on_ready = pressure_ready;
    p->watch.fd = open("/proc/pressure/memory", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (p->watch.fd < 0) {
        return false;
    }
    if (write(p->watch.fd, trigger, sizeof trigger) < 0 ||
        loop_watch(loop, &p->watch, EPOLLPRI, NULL) < 0) {
        pressure_stop(p);
        return false;
    }
    return true;
}

void pressure_stop(struct pressure *p)
{
    if (p->watch.fd >= 0 && p->loop) {
        loop_unwatch(p->loop, &p->watch);
        close(p->watch.fd);
    }
    p->watch.fd = -1;
}
