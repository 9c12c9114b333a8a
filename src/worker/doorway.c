// SPDX-License-Identifier: Apache-2.0
// The way to the endpoint from inside a function's own network: a socket that listens there, and what
// connects to it is served as any other connection.
#include "base/log.h"
#include "base/mem.h"
#include "wire/wire.h"
#include "worker/template_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

static void doorway_ready(struct watch *watch, uint32_t events)
{
    struct doorway *doorway = CONTAINER_OF(watch, struct doorway, watch);
    const struct template_options *options = &doorway->templates->options;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && options->adopt) {
        options->adopt(options->ctx, fd, &doorway->data);
    } else if (fd >= 0) {
        close(fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        log_warn("a function cannot reach the endpoint any more: %s", strerror(errno));
        doorway_close(doorway);
    }
    (void)events;
}

int doorway_open(struct doorway *doorway, struct templates *owner, struct wire_message *m,
                 struct err *err)
{
    struct wire_walls walls = {0};
    TRY(wire_get_walls(m, &walls, err));
    if (walls.missing.size && !owner->walls_told) {
        owner->walls_told = true;
        log_warn("functions run without these walls: " STR_FMT " (" STR_FMT ")",
                 STR_ARG(walls.missing), STR_ARG(walls.why));
    }
    int fd = wire_take_fd(m, 0);
    if (fd < 0 || doorway->watch.added) {
        fd_clean(&fd);
        return 0;
    }
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    doorway->templates = owner;
    doorway->watch = (struct watch){.fd = fd, .on_ready = doorway_ready};
    return loop_watch(owner->loop, &doorway->watch, EPOLLIN, err);
}

void doorway_close(struct doorway *doorway)
{
    if (doorway->watch.added) {
        const struct template_options *options = &doorway->templates->options;
        loop_unwatch(doorway->templates->loop, &doorway->watch);
        close(doorway->watch.fd);
        if (doorway->data && options->leave) {
            options->leave(options->ctx, doorway->data);
        }
        doorway->data = NULL;
    }
}
