// SPDX-License-Identifier: Apache-2.0
// One trigger on /proc/pressure/memory: 200 ms of stall within two seconds, the shortest window
// that an ordinary user may ask for.
#include "io/pressure.h"
#include "base/mem.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

static void pressure_ready(struct watch *watch, uint32_t events)
{
    struct pressure *p = CONTAINER_OF(watch, struct pressure, watch);
    if (events & EPOLLERR) {
        pressure_stop(p);
    } else {
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
