// SPDX-License-Identifier: Apache-2.0
// Every wire message: whatever the body holds, reading it ends in a value or an error, all views
// lie inside the body, and what was read can be written and read again.
#include "wire/wire.h"
#include "base/check.h"
#include "base/mem.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_message *message;

static void check_str(struct str s)
{
    const char *from = message->body.at, *to = from + message->body.size;
    CHECK(s.size == 0 || (s.at >= from && s.at + s.size <= to));
}

static void check_bytes(const struct wire_bytes *bytes)
{
    check_str(bytes->bytes);
    CHECK(bytes->place != WIRE_FD || bytes->fd_index < message->fd_count);
    CHECK(bytes->size <= WIRE_PAYLOAD_MAX);
}

static void read_jobs(struct wire_message *m, struct err *err)
{
    uint32_t count = 0;
    if (wire_get_count(m, &count, err) < 0) {
        return;
    }
    struct wire_job *job = NEW(struct wire_job);
    for (uint32_t i = 0; i < count && wire_get_job(m, job, err) == 0; i++) {
        check_bytes(&job->payload);
        CHECK(job->object_count <= WIRE_OBJECTS_MAX);
        for (uint32_t k = 0; k < job->object_count; k++) {
            check_str(job->objects[k].bucket);
            check_str(job->objects[k].key);
            check_bytes(&job->objects[k].content);
        }
    }
    free(job);
}

static void read_result(struct wire_message *m, struct err *err)
{
    struct wire_result result, again;
    if (wire_get_result(m, &result, err) < 0) {
        return;
    }
    check_bytes(&result.payload);
    struct wire_message copy;
    wire_message_init(&copy, WIRE_RESULT);
    wire_put_result(&copy, &result);
    copy.fd_count = m->fd_count;
    CHECK(wire_get_result(&copy, &again, err) == 0);
    CHECK(again.id == result.id && str_eq(again.log, result.log));
    copy.fd_count = 0;
    wire_message_done(&copy);
}

// The first byte is the kind, the second how many descriptors came along; the rest is the body.
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > WIRE_BODY_MAX) {
        return 0;
    }
    struct wire_message m;
    struct err err = {0};
    wire_message_init(&m, (enum wire_kind)(WIRE_SPAWN + data[0] % WIRE_STOP));
    buf_add(&m.body, data + 2, size - 2);
    m.fd_count = data[1] % 4;
    message = &m;
    struct wire_spawn spawn;
    struct wire_spawned spawned;
    struct wire_ready ready;
    struct wire_walls walls;
    struct wire_runtime runtime;
    struct wire_exit ended;
    struct wire_stop stop;
    struct wire_learned learned;
    switch (m.kind) {
    case WIRE_SPAWN:
        if (wire_get_spawn(&m, &spawn, &err) == 0) {
            check_str(spawn.function);
            check_str(spawn.handler);
        }
        break;
    case WIRE_SPAWNED:
        if (wire_get_spawned(&m, &spawned, &err) == 0) {
            check_str(spawned.error);
        }
        break;
    case WIRE_READY:
        if (wire_get_ready(&m, &ready, &err) == 0) {
            check_str(ready.error_message);
        }
        break;
    case WIRE_JOBS: read_jobs(&m, &err); break;
    case WIRE_RESULT: read_result(&m, &err); break;
    case WIRE_WALLS:
        if (wire_get_walls(&m, &walls, &err) == 0) {
            check_str(walls.why);
        }
        break;
    case WIRE_RUNTIME:
        if (wire_get_runtime(&m, &runtime, &err) == 0) {
            for (uint32_t i = 0; i < runtime.extension_count; i++) {
                check_str(runtime.extensions[i]);
            }
        }
        break;
    case WIRE_LEARNED:
        if (wire_get_learned(&m, &learned, &err) == 0) {
            check_str(learned.modules);
        }
        break;
    case WIRE_EXIT:
        if (wire_get_exit(&m, &ended, &err) == 0) {
            check_str(ended.message);
        }
        break;
    case WIRE_STOP: (void)!wire_get_stop(&m, &stop, &err); break;
    }
    m.fd_count = 0; // there never were any
    wire_message_done(&m);
    return 0;
}
