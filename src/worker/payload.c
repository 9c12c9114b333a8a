// SPDX-License-Identifier: Apache-2.0
// From job to message. Only payloads that look like S3 events are parsed; all others are carried.
#include "worker/payload.h"
#include "base/check.h"
#include "base/clock.h"
#include "format/json.h"
#include "format/tensors.h"
#include "format/uri.h"
#include "store/object.h"

#include <unistd.h>

void payload_fds_close(struct payload_fds *opened)
{
    for (size_t i = 0; i < opened->count; i++) {
        close(opened->fds[i]);
    }
    opened->count = 0;
}

// The message borrows the descriptor; `opened` owns it.
static int fd_put(struct wire_message *m, struct payload_fds *opened, int fd, uint64_t size,
                  struct wire_bytes *ret, struct err *err)
{
    if (m->fd_count == WIRE_FDS_MAX) {
        close(fd);
        return err_set(err, ERR_LIMIT, "a batch names more than %d objects", WIRE_FDS_MAX);
    }
    opened->fds[opened->count++] = fd;
    *ret = (struct wire_bytes){.place = WIRE_FD, .fd_index = (uint32_t)m->fd_count, .size = size};
    m->fds[m->fd_count++] = fd;
    return 0;
}

static int bytes_put(struct wire_message *m, struct payload_fds *opened, struct str bytes,
                     struct wire_bytes *ret, struct err *err)
{
    if (bytes.size <= WIRE_INLINE_MAX && m->body.size + bytes.size < WIRE_BODY_MAX / 2) {
        *ret = (struct wire_bytes){.place = WIRE_INLINE, .bytes = bytes};
        return 0;
    }
    int fd = wire_memfd("payload", bytes, err);
    TRY(fd);
    return fd_put(m, opened, fd, bytes.size, ret, err);
}

// What a record of the event names; its strings live in the parsed event.
struct named_object {
    struct str bucket, key; // the key decoded, in `decoded`
    struct buf decoded;
    struct object_content content;
    struct err missing;
};

struct named_objects {
    uint32_t count;
    struct named_object at[WIRE_OBJECTS_MAX];
};

static void named_done(struct named_objects *named)
{
    for (uint32_t i = 0; i < named->count; i++) {
        buf_done(&named->at[i].decoded);
        buf_done(&named->at[i].content.data);
    }
}

static int object_resolve(struct wire_message *m, struct payload_fds *opened, struct store *store,
                          const json_t *record, struct named_object *n, struct wire_object *ret,
                          struct err *err)
{
    n->bucket = json_str(json_at(record, "s3.bucket.name"));
    buf_init(&n->decoded, 4 * OBJECT_KEY_MAX);
    uri_decode_lenient(json_str(json_at(record, "s3.object.key")), URI_QUERY, &n->decoded);
    n->key = buf_str(&n->decoded);
    n->content.fd = -1;
    ret->bucket = n->bucket;
    ret->key = n->key;
    if (object_open(store_reader(store), store_dir(store), n->bucket, n->key, &n->content,
                    &n->missing) < 0) {
        ret->content = (struct wire_bytes){.place = WIRE_MISSING, .bytes = str_of(n->missing.text)};
        return 0;
    }
    if (n->content.fd >= 0) {
        return fd_put(m, opened, n->content.fd, n->content.size, &ret->content, err);
    }
    return bytes_put(m, opened, buf_str(&n->content.data), &ret->content, err);
}

// An S3 event has "Records" near its start; whatever else says so is parsed in vain, not wrongly.
json_t *payload_s3_records(struct str payload, json_t **ret_event)
{
    if (tensors_is(payload) || str_find_str(payload, STR("\"Records\"")) < 0 ||
        str_find_str(payload, STR("\"s3\"")) < 0 || json_parse(payload, ret_event, NULL) < 0) {
        return NULL;
    }
    json_t *records = json_object_get(*ret_event, "Records");
    return json_is_array(records) && json_object_get(json_array_get(records, 0), "s3") ? records
                                                                                       : NULL;
}

size_t payload_files(const struct job *job)
{
    struct str payload = bytes_str(job->payload);
    size_t count = 1;
    if (payload.size == 0 || payload.at[0] != '{') {
        return count;
    }
    for (ssize_t at; (at = str_find_str(payload, STR("\"s3\""))) >= 0; count++) {
        payload = str_skip(payload, (size_t)at + 4);
    }
    return count;
}

int payload_put(struct wire_message *m, struct store *store, const struct job *job,
                struct payload_fds *opened, struct err *err)
{
    struct str payload = bytes_str(job->payload);
    CLEAN_JSON json_t *event = NULL;
    const json_t *records = payload_s3_records(payload, &event);
    if (json_array_size(records) > WIRE_OBJECTS_MAX) {
        return err_set(err, ERR_LIMIT, "the event has %zu records, at most %d are served at once",
                       json_array_size(records), WIRE_OBJECTS_MAX);
    }
    struct wire_job wire = {
        .id = job->id,
        .deadline_us = job->deadline_us,
        .request_id = str_of(job->request_id.text),
        .deadline_ms = clock_wall_ms() + (job->deadline_us - clock_mono_us()) / 1000,
        .context = str_of(job->context ? job->context : ""),
    };
    CLEAN(named_done) struct named_objects named = {0};
    TRY(bytes_put(m, opened, payload, &wire.payload, err));
    for (size_t i = 0; i < json_array_size(records); i++) {
        named.count++;
        TRY(object_resolve(m, opened, store, json_array_get(records, i), &named.at[i],
                           &wire.objects[wire.object_count], err));
        wire.object_count++;
    }
    wire_put_job(m, &wire);
    return 0;
}
