// SPDX-License-Identifier: Apache-2.0
// One connection to a Redis, on the loop: TCP, or TLS over it, commands out, replies in. hiredis makes
// and reads the messages; the sockets are ours, because the hiredis of Debian 12 knows no TLS.
// Everything is told by callback, never from inside a call.
#pragma once

#include "base/str.h"
#include "format/redis_url.h"
#include "io/loop.h"
#include "io/pool.h"

#include <hiredis/hiredis.h>

struct redis_link;

struct redis_link_events {
    void *ctx;
    void (*on_reply)(void *ctx, const redisReply *reply); // in the order of the commands
    void (*on_down)(void *ctx, const char *reason);       // last: frees the link
};

// Begins to connect. Names are looked up on the pool; `url` is borrowed for the link's life.
struct redis_link *redis_link_new(struct loop *loop, struct pool *pool, const struct redis_url *url,
                                  const struct redis_link_events *events);
void redis_link_free(struct redis_link *link); // NULL is fine

// Commands may be sent at once; they leave when the connection is there, all of one turn together.
// False: too many bytes wait already, and this one is not sent.
bool redis_link_send(struct redis_link *link, const struct str *words, size_t count);
// It is of no use: on_down is called with that reason.
void redis_link_fail(struct redis_link *link, const char *reason);
// Reads what has come, which is told before this returns: for who is about to give up waiting.
void redis_link_look(struct redis_link *link);
