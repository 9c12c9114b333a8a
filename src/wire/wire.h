// SPDX-License-Identifier: Apache-2.0
// The messages between the server and its runners, over AF_UNIX SEQPACKET sockets: one packet a
// message, a fixed header, a packed body, passed file descriptors. Both ends check every size;
// what does not fit is ERR_PROTOCOL and the peer is given up.
//
//     server ──SPAWN+fd──► template        READY: it has loaded and warmed what it holds
//     server ◄─READY────── template        SPAWN: fork; the child serves the passed socket
//     server ◄─SPAWNED+pidfd─ template     SPAWNED: the child's pid, and its pidfd
//     server ◄─WALLS+fd─── the child       WALLS: language runtimes, when their walls are up
//     server ◄─RUNTIME+fd─ instance        RUNTIME: it listens there for the Lambda Runtime API
//     server ◄─EXIT─────── instance        EXIT: the program that it ran has ended
//     server ──STOP──────► instance        STOP: the program is to end; extensions have a moment
//     server ◄─LEARNED──── template        LEARNED: the libraries that its function has loaded
//     server ──JOBS+fds──► instance        JOBS: one batch
//     server ◄─READY────── instance        RESULT: the answer of one job of the batch
//     server ◄─RESULT+fd── instance
//
//     header: | magic u32 | version u16 | kind u16 | body size u32 | fd count u32 |   16 bytes, LE
//     body:   the fields in the order of the structs below; a str is u32 size + bytes
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

#define WIRE_MAGIC          0x45535552u // "RUSE"
#define WIRE_VERSION        1
#define WIRE_BODY_MAX       (128 * 1024)
#define WIRE_FDS_MAX        200
#define WIRE_INLINE_MAX     (16 * 1024)         // payloads above it travel as a file descriptor
#define WIRE_JOBS_MAX       64                  // in one batch
#define WIRE_OBJECTS_MAX    64                  // in one job
#define WIRE_EXTENSIONS_MAX 10                  // as Lambda
#define WIRE_PAYLOAD_MAX    (64u * 1024 * 1024) // of a job or a result, wherever it lies

enum wire_kind {
    WIRE_SPAWN = 1,
    WIRE_SPAWNED,
    WIRE_READY,
    WIRE_JOBS,
    WIRE_RESULT,
    WIRE_WALLS,
    WIRE_RUNTIME,
    WIRE_EXIT,
    WIRE_STOP,
    WIRE_LEARNED
};
enum wire_role {
    WIRE_TEMPLATE = 1, // of a function
    WIRE_INSTANCE,
    WIRE_LIBRARIES // a template of libraries, which functions and instances are forked from
};

// A received or to be sent message. Fds in `fds` are owned by the message when received (closed by
// wire_message_done unless taken with wire_take_fd), borrowed when sending.
struct wire_message {
    enum wire_kind kind;
    struct buf body;
    int fds[WIRE_FDS_MAX];
    size_t fd_count;
    size_t at; // reading position in the body
};

void wire_message_init(struct wire_message *m, enum wire_kind kind);
void wire_message_done(struct wire_message *m); // closes the fds that are there
// Empty again for another message to be sent: memory kept, borrowed fds forgotten, not closed.
void wire_message_reset(struct wire_message *m, enum wire_kind kind);
void wire_message_close(struct wire_message *m);          // its fds, not its body: views stay
int wire_take_fd(struct wire_message *m, uint32_t index); // -1 when there is none

// Non-blocking by flag of the socket. ERR_BUSY: would block; ERR_LOST: the peer is gone.
MUST_CHECK int wire_send(int fd, const struct wire_message *m, struct err *err);
// 1: a message; 0: the peer closed; ERR_BUSY: nothing now; ERR_PROTOCOL: rubbish. What the message
// held before is dropped. Views into the body last until the next wire_recv or wire_message_done.
MUST_CHECK int wire_recv(int fd, struct wire_message *m, struct err *err);

// What a template or an instance is to hold. All strings may be empty in a SPAWN sent to a
// function's template, which holds its function already.
struct wire_spawn {
    uint32_t role;       // enum wire_role
    struct str function; // name, for messages and the process title
    struct str package;  // folder of the unpacked package
    struct str prepared; // folder of the prepared model, or ""
    struct str handler;  // the YAML file in the package, e.g. "model.yaml"
    uint32_t memory_mb;
    uint32_t threads; // 1 unless told otherwise
};
// fd 0: the socket. Language runtimes also: fd 1, the file that takes standard output and error, and
// fd 2, the configuration as JSON (worker/spawn_config.h): the child alone reads it, so that what one
// function is told never lies in the memory that the others are forked from.
void wire_put_spawn(struct wire_message *m, const struct wire_spawn *spawn);
MUST_CHECK int wire_get_spawn(struct wire_message *m, struct wire_spawn *ret, struct err *err);

struct wire_spawned {
    uint32_t pid; // 0: the fork failed, `error` says why; else fd 0 is the pidfd
    struct str error;
};
void wire_put_spawned(struct wire_message *m, const struct wire_spawned *spawned);
MUST_CHECK int wire_get_spawned(struct wire_message *m, struct wire_spawned *ret, struct err *err);

struct wire_ready {
    uint32_t pid;
    uint64_t init_us; // from the fork (or exec) to here
    uint32_t error;   // 0, or: 1 it cannot serve, and ends after this message
    struct str error_type, error_message;
};
void wire_put_ready(struct wire_message *m, const struct wire_ready *ready);
MUST_CHECK int wire_get_ready(struct wire_message *m, struct wire_ready *ret, struct err *err);

// fd 0, when it has a network of its own: a socket that listens there at the endpoint's port.
struct wire_walls {
    struct str missing; // names of walls that the machine denied, "user,root"; "" when all stand
    struct str why;
};
void wire_put_walls(struct wire_message *m, const struct wire_walls *walls);
MUST_CHECK int wire_get_walls(struct wire_message *m, struct wire_walls *ret, struct err *err);

// Instances that run a program (rouse-exec) get no JOBS: the program asks for them itself.
// fd 0: the socket that listens for the Runtime API, in the instance's own network.
struct wire_runtime {
    uint32_t extension_count;                   // external ones, which are about to be started
    struct str extensions[WIRE_EXTENSIONS_MAX]; // their names
};
void wire_put_runtime(struct wire_message *m, const struct wire_runtime *runtime);
MUST_CHECK int wire_get_runtime(struct wire_message *m, struct wire_runtime *ret, struct err *err);

struct wire_exit {
    uint32_t status;          // as waitpid has it
    uint64_t memory_max_kb;   // the program's peak
    struct str type, message; // when there is more to say than the status; else ""
};
void wire_put_exit(struct wire_message *m, const struct wire_exit *ended);
MUST_CHECK int wire_get_exit(struct wire_message *m, struct wire_exit *ret, struct err *err);

// To an instance with extensions: its program is to end, which it then tells by EXIT. It goes itself
// when the last of them has gone, or when its channel is closed.
struct wire_stop {
    uint32_t at_once; // 1: killed; 0: asked to (SIGTERM)
};
void wire_put_stop(struct wire_message *m, const struct wire_stop *stop);
MUST_CHECK int wire_get_stop(struct wire_message *m, struct wire_stop *ret, struct err *err);

// Before its READY, from a template that was asked to tell ("learn" in its configuration).
struct wire_learned {
    struct str modules; // names, one a line, in the order in which they are to be loaded
};
void wire_put_learned(struct wire_message *m, const struct wire_learned *learned);
MUST_CHECK int wire_get_learned(struct wire_message *m, struct wire_learned *ret, struct err *err);

// Bytes that lie in the message, in a passed file descriptor, or nowhere.
enum wire_place { WIRE_INLINE, WIRE_FD, WIRE_MISSING };
struct wire_bytes {
    uint32_t place;    // enum wire_place
    struct str bytes;  // WIRE_INLINE: the bytes; WIRE_MISSING: the reason
    uint32_t fd_index; // WIRE_FD: which of the message's fds, and the part of it
    uint64_t offset, size;
};

struct wire_object {        // of one S3 record in the payload, in the records' order
    struct str bucket, key; // the key is decoded
    struct wire_bytes content;
};

struct wire_job {
    uint64_t id;
    int64_t deadline_us; // CLOCK_MONOTONIC
    struct wire_bytes payload;
    uint32_t object_count;
    struct wire_object objects[WIRE_OBJECTS_MAX];
    struct str request_id; // UUID
    int64_t deadline_ms;   // the same instant as deadline_us, in wall time
    struct str context;    // JSON: client context, identity and trace of the call, or ""
};
// JOBS: u32 count, then the jobs. Put the count, then each job; get likewise.
void wire_put_count(struct wire_message *m, uint32_t count);
void wire_set_count(struct wire_message *m, uint32_t count); // of a message that begins with one
MUST_CHECK int wire_get_count(struct wire_message *m, uint32_t *ret, struct err *err);
void wire_put_job(struct wire_message *m, const struct wire_job *job);
MUST_CHECK int wire_get_job(struct wire_message *m, struct wire_job *ret, struct err *err);

struct wire_result {
    uint64_t id;
    uint32_t failed; // 1: a function error, and no payload; 2: one whose payload is
                     // the whole error document, and no type and message
    struct str error_type, error_message;
    struct wire_bytes payload;  // the answer (JSON or what the task produces)
    uint64_t decode_us, run_us; // spent on reading what came in, and on all the rest
    uint64_t memory_max_kb;     // the instance's peak resident size so far
    struct str log;             // what the run had to say, whole lines, may be empty
};
void wire_put_result(struct wire_message *m, const struct wire_result *result);
MUST_CHECK int wire_get_result(struct wire_message *m, struct wire_result *ret, struct err *err);

// ERR_PROTOCOL when bytes are left in the body: for JOBS after the last job; the others check it.
MUST_CHECK int wire_get_end(struct wire_message *m, struct err *err);

// The bytes, wherever they lie, until wire_view_close (and not longer than the message). A trusted
// fd is mapped: its file must not shrink while it is. Another is mapped only when it is sealed
// against shrinking, else copied. ERR_PROTOCOL when the file is shorter than announced. The reason
// is what one sees of WIRE_MISSING.
enum wire_trust { WIRE_UNTRUSTED, WIRE_TRUSTED };
struct wire_view {
    struct str bytes;
    void *map; // or NULL
    size_t map_size;
    char *heap; // or NULL
};
MUST_CHECK int wire_view_open(struct wire_view *ret, const struct wire_message *m,
                              const struct wire_bytes *bytes, enum wire_trust trust,
                              struct err *err);
void wire_view_close(struct wire_view *view); // survives a zeroed one

// A memfd holding a copy of the bytes, sealed against change. -1 with err set on failure.
MUST_CHECK int wire_memfd(const char *name, struct str bytes, struct err *err);
