// SPDX-License-Identifier: Apache-2.0
// The messages between server and runner: what is packed comes out again, with its descriptors, and
// whatever was shortened, lengthened or forged is refused.
#include "wire/wire.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    int fds[2];
    struct wire_message out, in;
    struct err err;
};

static int pair_setup(void **state)
{
    struct pair *p = NEW(struct pair);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, p->fds),
                     0);
    wire_message_init(&p->out, WIRE_SPAWN);
    wire_message_init(&p->in, WIRE_SPAWN);
    *state = p;
    return 0;
}

static int pair_teardown(void **state)
{
    struct pair *p = *state;
    p->out.fd_count = 0; // borrowed
    wire_message_done(&p->out);
    wire_message_done(&p->in);
    close(p->fds[0]);
    close(p->fds[1]);
    free(p);
    return 0;
}

static void pass(struct pair *p)
{
    assert_int_equal(wire_send(p->fds[0], &p->out, &p->err), 0);
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), 1);
}

static void assert_str(struct str s, const char *text)
{
    assert_int_equal(s.size, strlen(text));
    assert_memory_equal(s.at, text, s.size);
}

static void spawn_comes_through(void **state)
{
    struct pair *p = *state;
    struct wire_spawn spawn = {.role = WIRE_INSTANCE,
                               .function = STR("digits"),
                               .package = STR("/p"),
                               .handler = STR("model.yaml"),
                               .memory_mb = 512,
                               .threads = 1};
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_put_spawn(&p->out, &spawn);
    pass(p);
    struct wire_spawn got;
    assert_int_equal(wire_get_spawn(&p->in, &got, &p->err), 0);
    assert_int_equal(got.role, WIRE_INSTANCE);
    assert_str(got.function, "digits");
    assert_str(got.package, "/p");
    assert_str(got.prepared, "");
    assert_str(got.handler, "model.yaml");
    assert_int_equal(got.memory_mb, 512);
    int fd = wire_take_fd(&p->in, 0);
    assert_true(fd >= 0 && fd != p->fds[0]);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_int_equal(wire_take_fd(&p->in, 0), -1);
    assert_int_equal(wire_take_fd(&p->in, 1), -1);
}

static void walls_come_through(void **state)
{
    struct pair *p = *state;
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_message_reset(&p->out, WIRE_WALLS);
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_put_walls(&p->out, &(struct wire_walls){STR("user,root"), STR("no")});
    pass(p);
    struct wire_walls walls;
    assert_int_equal(wire_get_walls(&p->in, &walls, &p->err), 0);
    assert_str(walls.missing, "user,root");
    assert_str(walls.why, "no");

    wire_message_reset(&p->out, WIRE_WALLS);
    p->out.fds[p->out.fd_count++] = p->fds[0];
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_put_walls(&p->out, &(struct wire_walls){STR(""), STR("")});
    pass(p);
    assert_int_equal(wire_get_walls(&p->in, &walls, &p->err), ERR_PROTOCOL);
}

static void runtimes_come_through(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_RUNTIME);
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_put_runtime(&p->out, &(struct wire_runtime){2, {STR("telemetry"), STR("secrets")}});
    pass(p);
    struct wire_runtime runtime;
    assert_int_equal(wire_get_runtime(&p->in, &runtime, &p->err), 0);
    assert_int_equal(runtime.extension_count, 2);
    assert_str(runtime.extensions[1], "secrets");

    wire_message_reset(&p->out, WIRE_RUNTIME); // without its socket
    wire_put_runtime(&p->out, &(struct wire_runtime){0});
    pass(p);
    assert_int_equal(wire_get_runtime(&p->in, &runtime, &p->err), ERR_PROTOCOL);

    wire_message_reset(&p->out, WIRE_EXIT);
    wire_put_exit(&p->out, &(struct wire_exit){.status = 256,
                                               .memory_max_kb = 4096,
                                               .type = STR("Extension.Crash"),
                                               .message = STR("exit status 1")});
    pass(p);
    struct wire_exit ended;
    assert_int_equal(wire_get_exit(&p->in, &ended, &p->err), 0);
    assert_int_equal(ended.status, 256);
    assert_int_equal(ended.memory_max_kb, 4096);
    assert_str(ended.type, "Extension.Crash");

    struct wire_stop stop;
    wire_message_reset(&p->out, WIRE_STOP);
    wire_put_stop(&p->out, &(struct wire_stop){1});
    pass(p);
    assert_int_equal(wire_get_stop(&p->in, &stop, &p->err), 0);
    assert_int_equal(stop.at_once, 1);
    wire_message_reset(&p->out, WIRE_STOP);
    wire_put_stop(&p->out, &(struct wire_stop){2});
    pass(p);
    assert_int_equal(wire_get_stop(&p->in, &stop, &p->err), ERR_PROTOCOL);
    assert_int_equal(wire_get_walls(&p->in, &(struct wire_walls){0}, &p->err), ERR_PROTOCOL);
}

static void libraries_come_through(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_LEARNED);
    wire_put_learned(&p->out, &(struct wire_learned){STR("decimal\nurllib.request")});
    pass(p);
    struct wire_learned learned;
    assert_int_equal(wire_get_learned(&p->in, &learned, &p->err), 0);
    assert_str(learned.modules, "decimal\nurllib.request");
    assert_int_equal(wire_get_ready(&p->in, &(struct wire_ready){0}, &p->err), ERR_PROTOCOL);

    wire_message_reset(&p->out, WIRE_SPAWN);
    p->out.fds[p->out.fd_count++] = p->fds[0];
    wire_put_spawn(&p->out, &(struct wire_spawn){.role = WIRE_LIBRARIES + 1});
    pass(p);
    assert_int_equal(wire_get_spawn(&p->in, &(struct wire_spawn){0}, &p->err), ERR_PROTOCOL);
}

static void spawned_and_ready_come_through(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_SPAWNED);
    wire_put_spawned(&p->out, &(struct wire_spawned){.error = STR("no more processes")});
    pass(p);
    struct wire_spawned spawned;
    assert_int_equal(wire_get_spawned(&p->in, &spawned, &p->err), 0);
    assert_int_equal(spawned.pid, 0);
    assert_str(spawned.error, "no more processes");

    wire_message_reset(&p->out, WIRE_READY);
    wire_put_ready(&p->out, &(struct wire_ready){.pid = 7,
                                                 .init_us = 1ull << 40,
                                                 .error = 1,
                                                 .error_type = STR("ModelError"),
                                                 .error_message = STR("bad")});
    pass(p);
    struct wire_ready ready;
    assert_int_equal(wire_get_ready(&p->in, &ready, &p->err), 0);
    assert_int_equal(ready.pid, 7);
    assert_true(ready.init_us == 1ull << 40);
    assert_str(ready.error_type, "ModelError");
}

static void a_pid_without_its_pidfd_is_refused(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_SPAWNED);
    wire_put_spawned(&p->out, &(struct wire_spawned){.pid = 12});
    pass(p);
    struct wire_spawned spawned;
    assert_int_equal(wire_get_spawned(&p->in, &spawned, &p->err), ERR_PROTOCOL);
}

static void jobs_come_through(void **state)
{
    struct pair *p = *state;
    int fd = wire_memfd("test", STR("0123456789"), &p->err);
    assert_true(fd >= 0);
    wire_message_reset(&p->out, WIRE_JOBS);
    p->out.fds[p->out.fd_count++] = fd;
    wire_put_count(&p->out, 2);
    struct wire_job job = {.id = 1,
                           .deadline_us = -5,
                           .payload = {.place = WIRE_INLINE, .bytes = STR("{}")},
                           .object_count = 2};
    job.objects[0] =
        (struct wire_object){STR("b"), STR("k"), {.place = WIRE_MISSING, .bytes = STR("gone")}};
    job.objects[1] =
        (struct wire_object){STR("b"), STR("l"), {.place = WIRE_FD, .offset = 3, .size = 4}};
    wire_put_job(&p->out, &job);
    wire_put_job(&p->out, &(struct wire_job){.id = 2});
    pass(p);
    uint32_t count;
    struct wire_job got;
    assert_int_equal(wire_get_count(&p->in, &count, &p->err), 0);
    assert_int_equal(count, 2);
    assert_int_equal(wire_get_job(&p->in, &got, &p->err), 0);
    assert_true(got.id == 1 && got.deadline_us == -5 && got.object_count == 2);
    assert_str(got.payload.bytes, "{}");
    assert_str(got.objects[0].content.bytes, "gone");
    struct wire_view view;
    assert_int_equal(wire_view_open(&view, &p->in, &got.objects[1].content, WIRE_TRUSTED, &p->err),
                     0);
    assert_str(view.bytes, "3456");
    wire_view_close(&view);
    assert_int_equal(wire_get_end(&p->in, &p->err), ERR_PROTOCOL); // one is left
    assert_int_equal(wire_get_job(&p->in, &got, &p->err), 0);
    assert_int_equal(wire_get_end(&p->in, &p->err), 0);
    close(fd);
}

static void results_come_through(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_RESULT);
    wire_put_result(
        &p->out, &(struct wire_result){
                     .id = 9, .payload = {.bytes = STR("[1]")}, .run_us = 5, .log = STR("line\n")});
    pass(p);
    struct wire_result got;
    assert_int_equal(wire_get_result(&p->in, &got, &p->err), 0);
    assert_true(got.id == 9 && got.run_us == 5 && got.failed == 0);
    assert_str(got.payload.bytes, "[1]");
    assert_str(got.log, "line\n");

    wire_message_reset(&p->out, WIRE_RESULT);
    wire_put_result(&p->out, &(struct wire_result){.failed = 1, .payload = {.bytes = STR("x")}});
    pass(p);
    assert_int_equal(wire_get_result(&p->in, &got, &p->err), ERR_PROTOCOL);
}

static void every_shortened_job_is_refused(void **state)
{
    struct pair *p = *state;
    wire_message_reset(&p->out, WIRE_JOBS);
    wire_put_count(&p->out, 1);
    struct wire_job job = {.payload = {.bytes = STR("{\"a\":1}")}, .object_count = 1};
    job.objects[0] = (struct wire_object){STR("bucket"), STR("key"), {.bytes = STR("body")}};
    wire_put_job(&p->out, &job);
    size_t whole = p->out.body.size;
    for (size_t size = 0; size < whole; size++) {
        p->out.body.size = size;
        pass(p);
        uint32_t count;
        struct wire_job got;
        int rc = wire_get_count(&p->in, &count, &p->err);
        rc = rc < 0 ? rc : wire_get_job(&p->in, &got, &p->err);
        assert_int_equal(rc, ERR_PROTOCOL);
    }
    p->out.body.size = whole;
}

static void bytes_outside_are_refused(void **state)
{
    struct pair *p = *state;
    CLEAN_FD int fd = wire_memfd("test", STR("0123456789"), &p->err);
    static const struct wire_bytes forged[] = {
        {.place = WIRE_FD, .fd_index = 1, .size = 1},
        {.place = WIRE_FD, .size = WIRE_PAYLOAD_MAX + 1ull},
        {.place = WIRE_FD, .offset = UINT64_MAX, .size = 2},
        {.place = 9},
    };
    for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
        wire_message_reset(&p->out, WIRE_JOBS);
        p->out.fds[p->out.fd_count++] = fd;
        wire_put_count(&p->out, 1);
        wire_put_job(&p->out, &(struct wire_job){.payload = forged[i]});
        pass(p);
        uint32_t count;
        struct wire_job got;
        assert_int_equal(wire_get_count(&p->in, &count, &p->err), 0);
        assert_int_equal(wire_get_job(&p->in, &got, &p->err), ERR_PROTOCOL);
    }
    // In bounds as far as the message can tell, but the file is shorter.
    struct wire_bytes beyond = {.place = WIRE_FD, .offset = 8, .size = 3};
    struct wire_view view;
    assert_int_equal(wire_view_open(&view, &p->in, &beyond, WIRE_TRUSTED, &p->err), ERR_PROTOCOL);
}

static void untrusted_bytes_that_may_shrink_are_copied(void **state)
{
    struct pair *p = *state;
    CLEAN_FD int fd = memfd_create("loose", MFD_CLOEXEC);
    assert_int_equal(write(fd, "hello", 5), 5);
    p->in.fds[0] = dup(fd);
    p->in.fd_count = 1;
    struct wire_view view;
    struct wire_bytes bytes = {.place = WIRE_FD, .offset = 1, .size = 4};
    assert_int_equal(wire_view_open(&view, &p->in, &bytes, WIRE_UNTRUSTED, &p->err), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_null(view.map);
    assert_str(view.bytes, "ello");
    wire_view_close(&view);
    assert_int_equal(wire_view_open(&view, &p->in, &bytes, WIRE_UNTRUSTED, &p->err), ERR_PROTOCOL);
}

static void forged_headers_are_refused(void **state)
{
    struct pair *p = *state;
    struct {
        uint32_t magic;
        uint16_t version, kind;
        uint32_t body_size, fd_count;
        char body[4];
    } good = {WIRE_MAGIC, WIRE_VERSION, WIRE_JOBS, 4, 0, {1, 0, 0, 0}}, bad;
    assert_int_equal(send(p->fds[0], &good, 20, 0), 20);
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), 1);
    for (int i = 0; i < 7; i++) {
        bad = good;
        size_t size = 20;
        switch (i) {
        case 0: bad.magic++; break;
        case 1: bad.version++; break;
        case 2: bad.kind = 0; break;
        case 3: bad.kind = WIRE_LEARNED + 1; break;
        case 4: bad.body_size++; break;
        case 5: bad.fd_count++; break;
        default: size = 3; break;
        }
        assert_int_equal(send(p->fds[0], &bad, size, 0), size);
        assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), ERR_PROTOCOL);
    }
}

static void an_oversized_message_is_refused_whole(void **state)
{
    struct pair *p = *state;
    size_t size = WIRE_BODY_MAX + 17;
    CLEAN_MEM char *big = mem_alloc(size);
    int room = 1 << 20;
    assert_int_equal(setsockopt(p->fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)), 0);
    assert_int_equal(send(p->fds[0], big, size, 0), size);
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), ERR_PROTOCOL);
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), ERR_BUSY); // nothing is left of it
}

static void what_does_not_fit_is_not_sent(void **state)
{
    struct pair *p = *state;
    CLEAN_MEM char *big = mem_alloc(WIRE_BODY_MAX + 1);
    wire_message_reset(&p->out, WIRE_JOBS);
    wire_put_count(&p->out, 1);
    wire_put_job(&p->out, &(struct wire_job){.payload = {.bytes = {big, WIRE_BODY_MAX + 1}}});
    assert_int_equal(wire_send(p->fds[0], &p->out, &p->err), ERR_LIMIT);
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), ERR_BUSY);
}

static void a_closed_peer_is_seen(void **state)
{
    struct pair *p = *state;
    close(p->fds[0]);
    p->fds[0] = -1;
    assert_int_equal(wire_recv(p->fds[1], &p->in, &p->err), 0);
    assert_int_equal(wire_send(p->fds[1], &p->out, &p->err), ERR_LOST);
}

static int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void descriptors_do_not_leak(void **state)
{
    struct pair *p = *state;
    int before = open_fds();
    for (int i = 0; i < 10; i++) {
        wire_message_reset(&p->out, WIRE_SPAWN);
        for (int k = 0; k < WIRE_FDS_MAX; k++) {
            p->out.fds[p->out.fd_count++] = p->fds[0];
        }
        pass(p);
        assert_int_equal(p->in.fd_count, WIRE_FDS_MAX);
    }
    p->out.fd_count = 0;
    wire_message_done(&p->in);
    assert_int_equal(open_fds(), before);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)
    const struct CMUnitTest tests[] = {
        T(spawn_comes_through),
        T(spawned_and_ready_come_through),
        T(walls_come_through),
        T(runtimes_come_through),
        T(libraries_come_through),
        T(a_pid_without_its_pidfd_is_refused),
        T(jobs_come_through),
        T(results_come_through),
        T(every_shortened_job_is_refused),
        T(bytes_outside_are_refused),
        T(untrusted_bytes_that_may_shrink_are_copied),
        T(forged_headers_are_refused),
        T(an_oversized_message_is_refused_whole),
        T(what_does_not_fit_is_not_sent),
        T(a_closed_peer_is_seen),
        T(descriptors_do_not_leak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
