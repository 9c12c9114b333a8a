// SPDX-License-Identifier: Apache-2.0
// The messages between the server and its runners. Writing appends little-endian fields to the
// body; reading walks it with every step bounded, since either side may be broken or hostile.
#include "wire/wire.h"
#include "base/check.h"
#include "base/mem.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct wire_header {
    uint32_t magic;
    uint16_t version, kind;
    uint32_t body_size, fd_count;
};

union wire_control { // cmsghdr wants its alignment
    struct cmsghdr first;
    char room[CMSG_SPACE(WIRE_FDS_MAX * sizeof(int))];
};

void wire_message_init(struct wire_message *m, enum wire_kind kind)
{
    m->kind = kind;
    buf_init(&m->body, WIRE_BODY_MAX);
    m->fd_count = 0;
    m->at = 0;
}

void wire_message_close(struct wire_message *m)
{
    for (size_t i = 0; i < m->fd_count; i++) {
        if (m->fds[i] >= 0) {
            close(m->fds[i]);
        }
    }
    m->fd_count = 0;
}

void wire_message_done(struct wire_message *m)
{
    wire_message_close(m);
    buf_done(&m->body);
}

void wire_message_reset(struct wire_message *m, enum wire_kind kind)
{
    buf_clear(&m->body);
    m->kind = kind;
    m->fd_count = 0;
    m->at = 0;
}

int wire_take_fd(struct wire_message *m, uint32_t index)
{
    if (index >= m->fd_count) {
        return -1;
    }
    int fd = m->fds[index];
    m->fds[index] = -1;
    return fd;
}

// ---- sending and receiving ----

int wire_send(int fd, const struct wire_message *m, struct err *err)
{
    if (!buf_ok(&m->body) || m->fd_count > WIRE_FDS_MAX) {
        return err_set(err, ERR_LIMIT,
                       "a message to a runner would be larger than %d bytes or %d "
                       "file descriptors",
                       WIRE_BODY_MAX, WIRE_FDS_MAX);
    }
    struct wire_header header = {.magic = htole32(WIRE_MAGIC),
                                 .version = htole16(WIRE_VERSION),
                                 .kind = htole16((uint16_t)m->kind),
                                 .body_size = htole32((uint32_t)m->body.size),
                                 .fd_count = htole32((uint32_t)m->fd_count)};
    struct iovec parts[2] = {{&header, sizeof(header)}, {m->body.at, m->body.size}};
    struct msghdr msg = {.msg_iov = parts, .msg_iovlen = m->body.size ? 2 : 1};
    union wire_control control;
    if (m->fd_count) {
        size_t size = m->fd_count * sizeof(int);
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(size);
        memset(&control, 0, msg.msg_controllen);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(c), m->fds, size);
    }
    ssize_t sent;
    do {
        sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent >= 0) {
        return 0;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
        return err_set(err, ERR_BUSY, "the other end does not read");
    }
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) {
        return err_set(err, ERR_LOST, "the other end is gone");
    }
    return err_errno(err, ERR_IO, errno, "cannot send a message of %zu bytes and %zu descriptors",
                     m->body.size, m->fd_count);
}

static void take_control(struct wire_message *m, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        CHECK(m->fd_count + count <= WIRE_FDS_MAX + 1); // the room for control data bounds it
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (m->fd_count < WIRE_FDS_MAX) {
                m->fds[m->fd_count++] = fd;
            } else {
                close(fd); // padding of the control room may let one too many through
            }
        }
    }
}

static int check_header(struct wire_message *m, const struct wire_header *header, size_t size,
                        int flags, struct err *err)
{
    if (flags & (MSG_TRUNC | MSG_CTRUNC)) {
        return err_set(err, ERR_PROTOCOL, "a message is larger than its bound");
    }
    if (size < sizeof(*header) || le32toh(header->magic) != WIRE_MAGIC) {
        return err_set(err, ERR_PROTOCOL, "what came is no message of ours");
    }
    if (le16toh(header->version) != WIRE_VERSION) {
        return err_set(err, ERR_PROTOCOL, "the other end speaks version %d, this one %d",
                       le16toh(header->version), WIRE_VERSION);
    }
    uint32_t kind = le16toh(header->kind);
    if (kind < WIRE_SPAWN || kind > WIRE_LEARNED) {
        return err_set(err, ERR_PROTOCOL, "a message has the unknown kind %u", kind);
    }
    if (le32toh(header->body_size) != size - sizeof(*header) ||
        le32toh(header->fd_count) != m->fd_count) {
        return err_set(err, ERR_PROTOCOL, "a message is not as long as its header says");
    }
    m->kind = (enum wire_kind)kind;
    return 0;
}

int wire_recv(int fd, struct wire_message *m, struct err *err)
{
    wire_message_close(m);
    buf_clear(&m->body);
    m->at = 0;
    struct wire_header header;
    char *room = buf_reserve(&m->body, WIRE_BODY_MAX);
    CHECK(room != NULL);
    struct iovec parts[2] = {{&header, sizeof(header)}, {room, WIRE_BODY_MAX}};
    union wire_control control;
    struct msghdr msg = {.msg_iov = parts,
                         .msg_iovlen = 2,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t got;
    do {
        got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        return 0;
    }
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return err_set(err, ERR_BUSY, "no message yet");
    }
    if (got < 0) {
        return err_errno(err, ERR_IO, errno, "cannot receive a message");
    }
    take_control(m, &msg);
    int rc = check_header(m, &header, (size_t)got, msg.msg_flags, err);
    if (rc < 0) {
        wire_message_close(m);
        return rc;
    }
    buf_took(&m->body, (size_t)got - sizeof(header));
    return 1;
}

// ---- fields ----

static void put_u32(struct wire_message *m, uint32_t value)
{
    uint32_t le = htole32(value);
    buf_add(&m->body, &le, sizeof(le));
}

static void put_u64(struct wire_message *m, uint64_t value)
{
    uint64_t le = htole64(value);
    buf_add(&m->body, &le, sizeof(le));
}

static void put_str(struct wire_message *m, struct str s)
{
    put_u32(m, (uint32_t)(s.size <= WIRE_BODY_MAX ? s.size : WIRE_BODY_MAX));
    buf_add_str(&m->body, s); // what is larger overflows the body, which wire_send refuses
}

static int get_bytes(struct wire_message *m, void *ret, size_t size, struct err *err)
{
    if (size > m->body.size - m->at) {
        return err_set(err, ERR_PROTOCOL, "a message of kind %d ends early", (int)m->kind);
    }
    memcpy(ret, m->body.at + m->at, size);
    m->at += size;
    return 0;
}

static int get_u32(struct wire_message *m, uint32_t *ret, struct err *err)
{
    uint32_t le = 0;
    TRY(get_bytes(m, &le, sizeof(le), err));
    *ret = le32toh(le);
    return 0;
}

static int get_u64(struct wire_message *m, uint64_t *ret, struct err *err)
{
    uint64_t le = 0;
    TRY(get_bytes(m, &le, sizeof(le), err));
    *ret = le64toh(le);
    return 0;
}

static int get_str(struct wire_message *m, struct str *ret, struct err *err)
{
    uint32_t size = 0;
    TRY(get_u32(m, &size, err));
    if (size > m->body.size - m->at) {
        return err_set(err, ERR_PROTOCOL, "a message of kind %d ends early", (int)m->kind);
    }
    *ret = str_n(m->body.at + m->at, size);
    m->at += size;
    return 0;
}

int wire_get_end(struct wire_message *m, struct err *err)
{
    if (m->at != m->body.size) {
        return err_set(err, ERR_PROTOCOL, "a message of kind %d has %zu bytes too many",
                       (int)m->kind, m->body.size - m->at);
    }
    return 0;
}

static void put_place(struct wire_message *m, const struct wire_bytes *bytes)
{
    put_u32(m, bytes->place);
    if (bytes->place == WIRE_FD) {
        put_u32(m, bytes->fd_index);
        put_u64(m, bytes->offset);
        put_u64(m, bytes->size);
    } else {
        put_str(m, bytes->bytes);
    }
}

static int get_place(struct wire_message *m, struct wire_bytes *ret, struct err *err)
{
    *ret = (struct wire_bytes){0};
    TRY(get_u32(m, &ret->place, err));
    if (ret->place == WIRE_INLINE || ret->place == WIRE_MISSING) {
        TRY(get_str(m, &ret->bytes, err));
        ret->size = ret->bytes.size;
        return 0;
    }
    if (ret->place != WIRE_FD) {
        return err_set(err, ERR_PROTOCOL, "bytes lie at the unknown place %u", ret->place);
    }
    TRY(get_u32(m, &ret->fd_index, err));
    TRY(get_u64(m, &ret->offset, err));
    TRY(get_u64(m, &ret->size, err));
    if (ret->fd_index >= m->fd_count || ret->size > WIRE_PAYLOAD_MAX ||
        ret->offset > INT64_MAX - ret->size) {
        return err_set(err, ERR_PROTOCOL, "bytes lie outside what was passed");
    }
    return 0;
}

static int want_kind(const struct wire_message *m, enum wire_kind kind, struct err *err)
{
    if (m->kind != kind) {
        return err_set(err, ERR_PROTOCOL, "a message of kind %d came where %d was due",
                       (int)m->kind, (int)kind);
    }
    return 0;
}

// ---- messages ----

void wire_put_spawn(struct wire_message *m, const struct wire_spawn *spawn)
{
    put_u32(m, spawn->role);
    put_str(m, spawn->function);
    put_str(m, spawn->package);
    put_str(m, spawn->prepared);
    put_str(m, spawn->handler);
    put_u32(m, spawn->memory_mb);
    put_u32(m, spawn->threads);
}

int wire_get_spawn(struct wire_message *m, struct wire_spawn *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_SPAWN, err));
    struct wire_spawn spawn = {0};
    TRY(get_u32(m, &spawn.role, err));
    TRY(get_str(m, &spawn.function, err));
    TRY(get_str(m, &spawn.package, err));
    TRY(get_str(m, &spawn.prepared, err));
    TRY(get_str(m, &spawn.handler, err));
    TRY(get_u32(m, &spawn.memory_mb, err));
    TRY(get_u32(m, &spawn.threads, err));
    TRY(wire_get_end(m, err));
    if (spawn.role < WIRE_TEMPLATE || spawn.role > WIRE_LIBRARIES || m->fd_count < 1 ||
        m->fd_count > 3) {
        return err_set(err, ERR_PROTOCOL, "a spawn with role %u and %zu descriptors", spawn.role,
                       m->fd_count);
    }
    *ret = spawn;
    return 0;
}

void wire_put_spawned(struct wire_message *m, const struct wire_spawned *spawned)
{
    put_u32(m, spawned->pid);
    put_str(m, spawned->error);
}

int wire_get_spawned(struct wire_message *m, struct wire_spawned *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_SPAWNED, err));
    struct wire_spawned spawned = {0};
    TRY(get_u32(m, &spawned.pid, err));
    TRY(get_str(m, &spawned.error, err));
    TRY(wire_get_end(m, err));
    if (m->fd_count != (spawned.pid ? 1 : 0)) {
        return err_set(err, ERR_PROTOCOL, "a spawned process %u came with %zu descriptors",
                       spawned.pid, m->fd_count);
    }
    *ret = spawned;
    return 0;
}

void wire_put_ready(struct wire_message *m, const struct wire_ready *ready)
{
    put_u32(m, ready->pid);
    put_u64(m, ready->init_us);
    put_u32(m, ready->error);
    put_str(m, ready->error_type);
    put_str(m, ready->error_message);
}

int wire_get_ready(struct wire_message *m, struct wire_ready *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_READY, err));
    struct wire_ready ready = {0};
    TRY(get_u32(m, &ready.pid, err));
    TRY(get_u64(m, &ready.init_us, err));
    TRY(get_u32(m, &ready.error, err));
    TRY(get_str(m, &ready.error_type, err));
    TRY(get_str(m, &ready.error_message, err));
    TRY(wire_get_end(m, err));
    *ret = ready;
    return 0;
}

void wire_put_walls(struct wire_message *m, const struct wire_walls *walls)
{
    put_str(m, walls->missing);
    put_str(m, walls->why);
}

int wire_get_walls(struct wire_message *m, struct wire_walls *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_WALLS, err));
    struct wire_walls walls = {0};
    TRY(get_str(m, &walls.missing, err));
    TRY(get_str(m, &walls.why, err));
    TRY(wire_get_end(m, err));
    if (m->fd_count > 1) {
        return err_set(err, ERR_PROTOCOL, "walls came with %zu descriptors", m->fd_count);
    }
    *ret = walls;
    return 0;
}

void wire_put_runtime(struct wire_message *m, const struct wire_runtime *runtime)
{
    put_u32(m, runtime->extension_count);
    for (uint32_t i = 0; i < runtime->extension_count; i++) {
        put_str(m, runtime->extensions[i]);
    }
}

int wire_get_runtime(struct wire_message *m, struct wire_runtime *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_RUNTIME, err));
    struct wire_runtime runtime = {0};
    TRY(get_u32(m, &runtime.extension_count, err));
    if (runtime.extension_count > WIRE_EXTENSIONS_MAX || m->fd_count != 1) {
        return err_set(err, ERR_PROTOCOL, "a runtime with %u extensions and %zu descriptors",
                       runtime.extension_count, m->fd_count);
    }
    for (uint32_t i = 0; i < runtime.extension_count; i++) {
        TRY(get_str(m, &runtime.extensions[i], err));
    }
    TRY(wire_get_end(m, err));
    *ret = runtime;
    return 0;
}

void wire_put_exit(struct wire_message *m, const struct wire_exit *ended)
{
    put_u32(m, ended->status);
    put_u64(m, ended->memory_max_kb);
    put_str(m, ended->type);
    put_str(m, ended->message);
}

int wire_get_exit(struct wire_message *m, struct wire_exit *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_EXIT, err));
    struct wire_exit ended = {0};
    TRY(get_u32(m, &ended.status, err));
    TRY(get_u64(m, &ended.memory_max_kb, err));
    TRY(get_str(m, &ended.type, err));
    TRY(get_str(m, &ended.message, err));
    TRY(wire_get_end(m, err));
    *ret = ended;
    return 0;
}

void wire_put_stop(struct wire_message *m, const struct wire_stop *stop)
{
    put_u32(m, stop->at_once);
}

int wire_get_stop(struct wire_message *m, struct wire_stop *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_STOP, err));
    struct wire_stop stop = {0};
    TRY(get_u32(m, &stop.at_once, err));
    TRY(wire_get_end(m, err));
    if (stop.at_once > 1) {
        return err_set(err, ERR_PROTOCOL, "a stop of kind %u", stop.at_once);
    }
    *ret = stop;
    return 0;
}

void wire_put_learned(struct wire_message *m, const struct wire_learned *learned)
{
    put_str(m, learned->modules);
}

int wire_get_learned(struct wire_message *m, struct wire_learned *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_LEARNED, err));
    struct wire_learned learned = {0};
    TRY(get_str(m, &learned.modules, err));
    TRY(wire_get_end(m, err));
    *ret = learned;
    return 0;
}

void wire_put_count(struct wire_message *m, uint32_t count)
{
    put_u32(m, count);
}

void wire_set_count(struct wire_message *m, uint32_t count)
{
    CHECK(m->body.size >= sizeof count);
    uint32_t value = htole32(count);
    memcpy(m->body.at, &value, sizeof value);
}

int wire_get_count(struct wire_message *m, uint32_t *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_JOBS, err));
    uint32_t count = 0;
    TRY(get_u32(m, &count, err));
    if (count == 0 || count > WIRE_JOBS_MAX) {
        return err_set(err, ERR_PROTOCOL, "a batch of %u jobs", count);
    }
    *ret = count;
    return 0;
}

void wire_put_job(struct wire_message *m, const struct wire_job *job)
{
    CHECK(job->object_count <= WIRE_OBJECTS_MAX);
    put_u64(m, job->id);
    put_u64(m, (uint64_t)job->deadline_us);
    put_place(m, &job->payload);
    put_u32(m, job->object_count);
    for (uint32_t i = 0; i < job->object_count; i++) {
        put_str(m, job->objects[i].bucket);
        put_str(m, job->objects[i].key);
        put_place(m, &job->objects[i].content);
    }
    put_str(m, job->request_id);
    put_u64(m, (uint64_t)job->deadline_ms);
    put_str(m, job->context);
}

int wire_get_job(struct wire_message *m, struct wire_job *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_JOBS, err));
    uint64_t deadline = 0;
    TRY(get_u64(m, &ret->id, err));
    TRY(get_u64(m, &deadline, err));
    ret->deadline_us = (int64_t)deadline;
    TRY(get_place(m, &ret->payload, err));
    TRY(get_u32(m, &ret->object_count, err));
    if (ret->object_count > WIRE_OBJECTS_MAX) {
        return err_set(err, ERR_PROTOCOL, "a job with %u objects", ret->object_count);
    }
    for (uint32_t i = 0; i < ret->object_count; i++) {
        TRY(get_str(m, &ret->objects[i].bucket, err));
        TRY(get_str(m, &ret->objects[i].key, err));
        TRY(get_place(m, &ret->objects[i].content, err));
    }
    TRY(get_str(m, &ret->request_id, err));
    TRY(get_u64(m, &deadline, err));
    ret->deadline_ms = (int64_t)deadline;
    return get_str(m, &ret->context, err);
}

void wire_put_result(struct wire_message *m, const struct wire_result *result)
{
    put_u64(m, result->id);
    put_u32(m, result->failed);
    put_str(m, result->error_type);
    put_str(m, result->error_message);
    put_place(m, &result->payload);
    put_u64(m, result->decode_us);
    put_u64(m, result->run_us);
    put_u64(m, result->memory_max_kb);
    put_str(m, result->log);
}

int wire_get_result(struct wire_message *m, struct wire_result *ret, struct err *err)
{
    TRY(want_kind(m, WIRE_RESULT, err));
    struct wire_result result = {0};
    TRY(get_u64(m, &result.id, err));
    TRY(get_u32(m, &result.failed, err));
    TRY(get_str(m, &result.error_type, err));
    TRY(get_str(m, &result.error_message, err));
    TRY(get_place(m, &result.payload, err));
    TRY(get_u64(m, &result.decode_us, err));
    TRY(get_u64(m, &result.run_us, err));
    TRY(get_u64(m, &result.memory_max_kb, err));
    TRY(get_str(m, &result.log, err));
    TRY(wire_get_end(m, err));
    if (result.failed > 2 || (result.failed == 1 && result.payload.size) ||
        result.payload.place == WIRE_MISSING) {
        return err_set(err, ERR_PROTOCOL, "a result that is neither an answer nor a failure");
    }
    *ret = result;
    return 0;
}

// ---- bytes outside the message ----

int wire_memfd(const char *name, struct str bytes, struct err *err)
{
    CLEAN_FD int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "cannot make an anonymous file");
    }
    for (size_t done = 0; done < bytes.size;) {
        ssize_t n = write(fd, bytes.at + done, bytes.size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return err_errno(err, ERR_IO, errno, "cannot write %zu bytes of memory", bytes.size);
        }
        done += (size_t)n;
    }
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot seal an anonymous file");
    }
    int out = fd;
    fd = -1;
    return out;
}

// The bytes as a private copy, for what somebody else might still shorten: a mapping of it would
// then kill whoever looks.
static int copy_fd(int fd, const struct wire_bytes *bytes, struct wire_view *ret, struct err *err)
{
    CLEAN_MEM char *copy = malloc(bytes->size ? bytes->size : 1);
    if (!copy) {
        return err_set(err, ERR_NO_MEMORY, "no memory for %llu bytes",
                       (unsigned long long)bytes->size);
    }
    for (uint64_t done = 0; done < bytes->size;) {
        ssize_t n = pread(fd, copy + done, bytes->size - done, (off_t)(bytes->offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return err_set(err, ERR_PROTOCOL, "passed bytes are shorter than announced");
        }
        done += (uint64_t)n;
    }
    ret->heap = MOVE(copy);
    ret->bytes = str_n(ret->heap, bytes->size);
    return 0;
}

int wire_view_open(struct wire_view *ret, const struct wire_message *m,
                   const struct wire_bytes *bytes, enum wire_trust trust, struct err *err)
{
    *ret = (struct wire_view){0};
    if (bytes->place != WIRE_FD) {
        ret->bytes = bytes->bytes;
        return 0;
    }
    CHECK(bytes->fd_index < m->fd_count);
    int fd = m->fds[bytes->fd_index];
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0) {
        return err_errno(err, ERR_IO, errno, "cannot look at a passed file");
    }
    if (!S_ISREG(st.st_mode) || bytes->offset + bytes->size > (uint64_t)st.st_size) {
        return err_set(err, ERR_PROTOCOL, "passed bytes are shorter than announced");
    }
    if (bytes->size == 0) {
        ret->bytes = STR("");
        return 0;
    }
    int seals = trust == WIRE_TRUSTED ? 0 : fcntl(fd, F_GET_SEALS);
    if (trust != WIRE_TRUSTED && (seals < 0 || !(seals & F_SEAL_SHRINK))) {
        return copy_fd(fd, bytes, ret, err);
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t start = bytes->offset / page * page;
    size_t size = (size_t)(bytes->offset - start + bytes->size);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, (off_t)start);
    if (map == MAP_FAILED) {
        return err_errno(err, ERR_IO, errno, "cannot map %zu passed bytes", size);
    }
    ret->map = map;
    ret->map_size = size;
    ret->bytes = str_n((char *)map + (bytes->offset - start), bytes->size);
    return 0;
}

void wire_view_close(struct wire_view *view)
{
    if (view->map) {
        munmap(view->map, view->map_size);
    }
    free(view->heap);
    *view = (struct wire_view){0};
}
