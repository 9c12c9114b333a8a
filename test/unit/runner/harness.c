// SPDX-License-Identifier: Apache-2.0
// Drives a real rouse-runner over its sockets, as the server does.
#include "harness.h"
#include "base/file.h"
#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

extern char **environ;

// ---- files ----

char *folder_new(void)
{
    char *folder = mem_dup("/tmp/rouse-runner-XXXXXX");
    assert_non_null(mkdtemp(folder));
    return folder;
}

void folder_put(const char *folder, const char *name, struct str bytes)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", folder, name);
    struct err err = {0};
    assert_int_equal(file_write(path, bytes, 0644, &err), 0);
}

struct str file_whole(const char *path)
{
    struct buf buf = BUF_INIT(512u * 1024 * 1024);
    struct err err = {0};
    if (file_read(path, &buf, &err) < 0) {
        buf_done(&buf);
        return (struct str){0};
    }
    size_t size = buf.size;
    return str_n(buf_steal(&buf), size);
}

void folder_copy(const char *folder, const char *name, const char *from)
{
    struct str bytes = file_whole(from);
    assert_non_null(bytes.at);
    folder_put(folder, name, bytes);
    free((char *)bytes.at);
}

void folder_remove(char *folder)
{
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        CLEAN_MEM char *path = mem_printf("%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (dir) {
        closedir(dir);
    }
    rmdir(folder);
    free(folder);
}

char *repository_path(const char *below)
{
    const char *cases = getenv("ROUSE_CASES");
    return mem_printf("%s/../../%s", cases ? cases : "test/cases", below);
}

char *shared_path(const char *below)
{
    const char *shared = getenv("ROUSE_SHARED");
    char *path = mem_printf("%s/%s", shared ? shared : "../shared", below);
    if (access(path, R_OK) != 0) {
        free(path);
        return NULL;
    }
    return path;
}

// ---- the program ----

// Beside the tests in the build folder.
static char *runner_path(void)
{
    char exe[PATH_MAX];
    ssize_t size = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(size > 0);
    exe[size] = 0;
    *strrchr(exe, '/') = 0;
    return mem_printf("%s/../src/rouse-runner", exe);
}

static pid_t start(char *const args[], int keep_fd, int out_fd)
{
    CLEAN_MEM char *path = runner_path();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (keep_fd >= 0) {
            fcntl(keep_fd, F_SETFD, 0);
        }
        if (out_fd >= 0) {
            dup2(out_fd, 1);
        }
        execv(path, args);
        _exit(127);
    }
    return pid;
}

char *runner_output(char *const args[], int *ret_status)
{
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    pid_t pid = start(args, -1, fds[1]);
    close(fds[1]);
    struct buf out = BUF_INIT(16 * 1024 * 1024);
    char piece[4096];
    for (ssize_t n; (n = read(fds[0], piece, sizeof(piece))) > 0;) {
        buf_add(&out, piece, (size_t)n);
    }
    close(fds[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return buf_steal(&out);
}

bool have_engine(void)
{
    int status = 0;
    CLEAN_MEM char *out = runner_output((char *[]){"rouse-runner", "--version", NULL}, &status);
    assert_int_equal(status, 0);
    bool have = strstr(out, "\nonnxruntime ") != NULL;
    if (!have) {
        print_message("skipped: this machine has no ONNX Runtime\n");
    }
    return have;
}

// ---- processes ----

static int receive(int fd, struct wire_message *m)
{
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 60000), 1); // a hang is a failure, not a wait for ever
    struct err err = {0};
    return wire_recv(fd, m, &err);
}

static bool receive_ready(int fd, char why[512])
{
    struct wire_message m;
    struct wire_ready ready;
    struct err err = {0};
    wire_message_init(&m, WIRE_READY);
    assert_int_equal(receive(fd, &m), 1);
    assert_int_equal(wire_get_ready(&m, &ready, &err), 0);
    why[0] = 0;
    if (ready.error) {
        snprintf(why, 512, STR_FMT ": " STR_FMT, STR_ARG(ready.error_type),
                 STR_ARG(ready.error_message));
    }
    wire_message_done(&m);
    return !ready.error;
}

struct process template_start(void)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    CLEAN_MEM char *fd = mem_printf("%d", fds[1]);
    struct process p = {.socket = fds[0], .pidfd = -1};
    p.pid = start((char *[]){"rouse-runner", "--template", fd, NULL}, fds[1], -1);
    close(fds[1]);
    char why[512];
    assert_true(receive_ready(p.socket, why));
    return p;
}

struct process process_spawn(struct process *from, enum wire_role role, const char *package,
                             const char *prepared, char why[512])
{
    int fds[2];
    struct err err = {0};
    // As the server makes them: not blocking, which the runner undoes at its end.
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    struct wire_message m;
    wire_message_init(&m, WIRE_SPAWN);
    m.fds[m.fd_count++] = fds[1];
    wire_put_spawn(&m, &(struct wire_spawn){.role = role,
                                            .function = STR("test"),
                                            .package = str_of(package),
                                            .prepared = str_of(prepared),
                                            .threads = 1});
    assert_int_equal(wire_send(from->socket, &m, &err), 0);
    m.fd_count = 0;
    close(fds[1]);
    struct wire_spawned spawned;
    assert_int_equal(receive(from->socket, &m), 1);
    assert_int_equal(wire_get_spawned(&m, &spawned, &err), 0);
    struct process p = {.pid = (pid_t)spawned.pid, .socket = fds[0], .pidfd = wire_take_fd(&m, 0)};
    snprintf(why, 512, STR_FMT, STR_ARG(spawned.error));
    wire_message_done(&m);
    if (!spawned.pid || !receive_ready(p.socket, why)) {
        close(p.socket);
        p.socket = -1;
    }
    return p;
}

void process_end(struct process *p)
{
    if (p->socket >= 0) {
        close(p->socket);
    }
    if (p->pidfd >= 0) {
        struct pollfd poll_fd = {.fd = p->pidfd, .events = POLLIN};
        assert_int_equal(poll(&poll_fd, 1, 60000), 1);
        close(p->pidfd);
    } else if (p->pid > 0) {
        int status = 0;
        assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    *p = (struct process){.socket = -1, .pidfd = -1};
}

// ---- jobs ----

static struct wire_bytes place(struct wire_message *m, struct str bytes)
{
    if (!bytes.at) {
        return (struct wire_bytes){.place = WIRE_MISSING, .bytes = STR("there is no such object")};
    }
    if (bytes.size <= WIRE_INLINE_MAX) {
        return (struct wire_bytes){.place = WIRE_INLINE, .bytes = bytes};
    }
    struct err err = {0};
    int fd = wire_memfd("test", bytes, &err);
    assert_true(fd >= 0);
    m->fds[m->fd_count] = fd;
    return (struct wire_bytes){
        .place = WIRE_FD, .fd_index = (uint32_t)m->fd_count++, .size = bytes.size};
}

void ask_send(struct process *instance, uint64_t id, struct str payload,
              const struct object *objects, size_t count)
{
    struct wire_message m;
    struct err err = {0};
    wire_message_init(&m, WIRE_JOBS);
    wire_put_count(&m, 1);
    struct wire_job *job = NEW(struct wire_job);
    job->id = id;
    job->payload = place(&m, payload);
    for (size_t i = 0; i < count; i++) {
        job->objects[job->object_count++] = (struct wire_object){
            STR("bucket"), str_of(objects[i].key), place(&m, objects[i].bytes)};
    }
    wire_put_job(&m, job);
    assert_int_equal(wire_send(instance->socket, &m, &err), 0);
    free(job);
    wire_message_done(&m);
}

struct answer ask_receive(struct process *instance, uint64_t id)
{
    struct answer answer = {.payload = BUF_INIT(WIRE_PAYLOAD_MAX)};
    struct wire_message m;
    struct wire_result result;
    struct err err = {0};
    wire_message_init(&m, WIRE_RESULT);
    if (receive(instance->socket, &m) <= 0) {
        answer.lost = true;
        wire_message_done(&m);
        return answer;
    }
    assert_int_equal(wire_get_result(&m, &result, &err), 0);
    assert_true(result.id == id);
    answer.failed = result.failed;
    answer.memory_kb = result.memory_max_kb;
    snprintf(answer.type, sizeof(answer.type), STR_FMT, STR_ARG(result.error_type));
    snprintf(answer.message, sizeof(answer.message), STR_FMT, STR_ARG(result.error_message));
    struct wire_view view;
    assert_int_equal(wire_view_open(&view, &m, &result.payload, WIRE_UNTRUSTED, &err), 0);
    buf_add_str(&answer.payload, view.bytes);
    wire_view_close(&view);
    wire_message_done(&m);
    return answer;
}

struct answer ask(struct process *instance, struct str payload, const struct object *objects,
                  size_t count)
{
    static uint64_t id;
    ask_send(instance, ++id, payload, objects, count);
    return ask_receive(instance, id);
}

void answer_done(struct answer *answer)
{
    buf_done(&answer->payload);
}

#if defined(__has_feature)
#define WATCHED_THREADS __has_feature(thread_sanitizer)
#define WATCHED_MEMORY  (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_THREAD__)
#define WATCHED_THREADS 1
#define WATCHED_MEMORY  1
#elif defined(__SANITIZE_ADDRESS__)
#define WATCHED_THREADS 0
#define WATCHED_MEMORY  1
#else
#define WATCHED_THREADS 0
#define WATCHED_MEMORY  0
#endif

bool memory_is_watched(void)
{
    return WATCHED_MEMORY;
}

int thread_count(pid_t pid)
{
    CLEAN_MEM char *path = mem_printf("/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    int count = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        count += entry->d_name[0] != '.';
    }
    if (dir) {
        closedir(dir);
    }
    return count > 1 ? count - WATCHED_THREADS : count;
}
