// SPDX-License-Identifier: Apache-2.0
// The result cache in a Redis or Valkey, shared by all servers that name it. Nobody waits for it longer
// than REDIS_WAIT_US: what it has not answered by then is a miss. After what looks like its end it is
// left alone for a while, longer each time, and looked for again by the next one who asks.
#pragma once

#include "cache/cache.h"
#include "format/redis_url.h"
#include "io/pool.h"

#define REDIS_WAIT_US 4000

// Takes over what *url holds. Connects at once, so that a wrong password is told at the start.
struct cache *cache_redis_new(struct loop *loop, struct pool *pool, struct redis_url *url);
