// SPDX-License-Identifier: Apache-2.0
// The walls, tried from inside by processes that enter them. Where this machine denies one, what it
// would prevent is not asserted; that it is reported as missing always is.
#include "sandbox/jail.h"
#include "base/mem.h"
#include "sandbox/calls.h"
#include "sandbox/lib.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PORT       4566
#define FAIL(text) (fprintf(stderr, "%d: %s\n", __LINE__, text), 1)
#define WANT(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            return FAIL(#condition);                                                               \
        }                                                                                          \
    } while (0)

#define PATH_SIZE 384
// Two layers' paths are more than an option of a mount may have, and a colon would divide them.
#define LONG                                                                                       \
    "a-name-that-is-long-and-has:a-colon-and-yet-is-one-that-somebody-might-give-to-a-folder-of-"  \
    "a-project-of-theirs-in-which-they-keep-all-their-data-whatever-that-is,and-there-is-more-and" \
    "-more-until-nothing-fits"

struct place { // a function's folders, made by the setup
    char dir[64], package[PATH_SIZE], lower[PATH_SIZE], upper[PATH_SIZE], out[PATH_SIZE],
        secret[PATH_SIZE];
};

static void file_make(const char *dir, const char *name, const char *text)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", dir, name);
    CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (int)strlen(text));
}

static int setup(void **state)
{
    struct place *p = NEW(struct place);
    snprintf(p->dir, sizeof p->dir, "/tmp/rouse-jail-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    assert_int_equal(chmod(p->dir, 0755), 0);
    const struct {
        char *at;
        const char *name;
    } folders[] = {{p->package, "package"},
                   {p->lower, "lower"},
                   {p->upper, LONG},
                   {p->out, "out"},
                   {p->secret, "secret"}};
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(folders[i].at, PATH_SIZE, "%s/%s", p->dir, folders[i].name);
        assert_int_equal(mkdir(folders[i].at, 0755), 0);
    }
    file_make(p->package, "code.py", "code");
    file_make(p->lower, "both", "lower");
    file_make(p->lower, "low", "lower");
    file_make(p->upper, "both", "upper");
    file_make(p->secret, "secret", "secret");
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    static const char *const files[] = {
        "package/code.py", "lower/both", "lower/low", LONG "/both", "secret/secret", "out/made",
        "package",         "lower",      LONG,        "out",        "secret"};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", p->dir, files[i]);
        remove(path);
    }
    assert_int_equal(rmdir(p->dir), 0);
    free(p);
    return 0;
}

static struct jail language(const struct place *p, enum jail_role role)
{
    return (struct jail){.kind = JAIL_LANGUAGE,
                         .role = role,
                         .package = str_of(p->package),
                         .tmp_size = 1 << 20,
                         .port = PORT};
}

// Runs `body` in a child, which says by its exit status whether all was well.
static void in_child(int (*body)(const struct place *p), const struct place *p)
{
    pid_t pid = fork();
    if (pid == 0) {
        _exit(body(p));
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static bool stands(const struct jail_report *report, int walls)
{
    return (report->missing & walls) == 0;
}

static bool can_read(const char *path)
{
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

static bool can_write(const char *path)
{
    CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    return fd >= 0;
}

static char first_of(const char *path)
{
    char c = 0;
    CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, &c, 1) == 1 ? c : 0;
}

// ---- from inside ----

static int files_are_the_functions(const struct place *p, const struct jail_report *report)
{
    if (!stands(report, JAIL_ROOT)) {
        return 0;
    }
    WANT(report->root);
    CLEAN_MEM char *secret = mem_printf("%s/secret", p->secret);
    WANT(first_of("/var/task/code.py") == 'c');
    WANT(can_read("/usr/bin/env") && can_read("/etc/passwd"));
    WANT(!can_read("/etc/shadow") && !can_read(secret) && !can_read(p->package));
    WANT(!can_write("/var/task/code.py") && !can_write("/x") && !can_write("/usr/x"));
    WANT(access("/home", F_OK) < 0 && access("/root", F_OK) < 0);
    WANT(can_write("/tmp/file") && can_write("/dev/null") && can_read("/dev/urandom"));
    return 0;
}

static int tmp_is_bounded(const struct jail_report *report)
{
    static char piece[64 * 1024];
    CLEAN_FD int fd = open("/tmp/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    size_t size = 0;
    while (stands(report, JAIL_ROOT) && size < 4 << 20) {
        ssize_t took = write(fd, piece, sizeof piece);
        if (took <= 0) {
            break;
        }
        size += (size_t)took;
    }
    WANT(size <= 1 << 20);
    return unlink("/tmp/big") < 0 && stands(report, JAIL_ROOT);
}

static int calls_are_refused(const struct jail_report *report)
{
    if (!stands(report, JAIL_CALLS)) {
        return 0;
    }
    WANT(ptrace(PTRACE_ATTACH, -1, NULL, NULL) < 0 && errno == EPERM);
    WANT(syscall(SYS_keyctl, 0, -3, 0) < 0 && errno == EPERM);
    WANT(syscall(SYS_bpf, 0, NULL, 0) < 0 && errno == EPERM);
    WANT(syscall(SYS_io_uring_setup, 1, NULL) < 0 && errno == EPERM);
    WANT(syscall(SYS_userfaultfd, 1) < 0 && errno == EPERM);
    WANT(unshare(CLONE_NEWUSER) < 0 && errno == EPERM);
    WANT(syscall(SYS_mount, "x", "/tmp", "tmpfs", 0, NULL) < 0 && errno == EPERM);
    WANT(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, 0) < 0 && errno == ENOSYS);
    WANT(syscall(1 << 20) < 0 && errno == ENOSYS);
    WANT(socket(AF_PACKET, SOCK_RAW, 0) < 0);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(7);
    }
    int status = 0;
    WANT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7);
    return 0;
}

static int network_is_the_doorway(const struct jail_report *report)
{
    if (!stands(report, JAIL_NETWORK)) {
        return 0;
    }
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(report->listen_fd >= 0);
    WANT(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CLEAN_FD int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons(PORT + 1);
    WANT(connect(other, (struct sockaddr *)&at, sizeof at) < 0 && errno == ECONNREFUSED);
    at.sin_addr.s_addr = htonl(0xc0000201); // 192.0.2.1
    WANT(connect(other, (struct sockaddr *)&at, sizeof at) < 0 && errno == ENETUNREACH);
    return 0;
}

static int privileges_are_gone(const struct jail_report *report)
{
    struct rlimit limit;
    WANT(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max <= 1024);
    WANT(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
    WANT(setuid(0) < 0 || !stands(report, JAIL_USER));
    WANT(!stands(report, JAIL_USER) || getuid() == 993);
    WANT(!stands(report, JAIL_PROCESSES) || kill(getppid(), 0) < 0 || getppid() == 0);
    return 0;
}

static int inside(const struct place *p, const struct jail_report *report)
{
    return files_are_the_functions(p, report) || tmp_is_bounded(report) ||
           network_is_the_doorway(report) || privileges_are_gone(report) ||
           calls_are_refused(report);
}

// ---- languages ----

static int waited(pid_t pid)
{
    int status = 1;
    return pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ? 1
                                                                            : WEXITSTATUS(status);
}

static int instance_enters(const struct place *p, const char *marker)
{
    struct jail jail = language(p, JAIL_INSTANCE);
    struct jail_report report;
    struct err err = {0};
    WANT(jail_enter(&jail, &report, &err) == 0);
    WANT(!stands(&report, JAIL_PROCESSES) || getpid() == 1);
    WANT(!stands(&report, JAIL_ROOT) || access(marker, F_OK) < 0);
    WANT((report.missing == 0) == (report.why[0] == 0));
    return inside(p, &report);
}

static int run_instance(const struct place *p)
{
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        _exit(instance_enters(p, "/tmp/marker"));
    }
    return waited(pid);
}

static int template_enters(const struct place *p)
{
    struct jail jail = language(p, JAIL_TEMPLATE);
    struct jail_report report;
    struct err err = {0};
    WANT(jail_enter(&jail, &report, &err) == 0);
    WANT(!stands(&report, JAIL_PROCESSES) || getpid() == 2);
    WANT(!report.root || can_write("/tmp/marker"));
    for (int i = 0; i < 3; i++) { // each has a /tmp, a network and a process tree of its own
        pid_t pid = jail_fork(JAIL_INSTANCE);
        if (pid == 0) {
            _exit(instance_enters(p, "/tmp/marker"));
        }
        WANT(waited(pid) == 0);
    }
    return 0;
}

static int run_template(const struct place *p)
{
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_TEMPLATE);
    if (pid == 0) {
        _exit(template_enters(p));
    }
    return waited(pid);
}

// Loads libraries, then functions are forked from it.
static int libraries_enter(const struct place *p)
{
    struct err err = {0};
    int rc = jail_libraries(/* network_open */ false, &err);
    WANT(rc == 1 || rc == ERR_DENIED);
    CLEAN_MEM char *made = mem_printf("%s/made", p->out);
    if (rc == 1) {
        WANT(!can_write(made) && !can_write(p->package) && !can_write("/usr/rouse-test"));
        WANT(can_read("/usr/bin/env") && can_write("/dev/null"));
        WANT(can_write("/tmp/marker") && access(p->package, F_OK) < 0);
    }
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        _exit(instance_enters(p, "/tmp/marker"));
    }
    WANT(waited(pid) == 0);
    pid = jail_fork(JAIL_TEMPLATE);
    if (pid == 0) {
        _exit(template_enters(p));
    }
    return waited(pid);
}

static int run_libraries(const struct place *p)
{
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = fork();
    if (pid == 0) {
        _exit(libraries_enter(p));
    }
    return waited(pid);
}

static void libraries_only_read_and_their_forks_are_walled_in(void **state)
{
    in_child(run_libraries, *state);
}

static void instances_are_walled_in(void **state)
{
    in_child(run_instance, *state);
}

static void templates_and_their_instances_are_walled_in(void **state)
{
    in_child(run_template, *state);
}

static int run_layers(const struct place *p)
{
    struct jail jail = language(p, JAIL_INSTANCE);
    jail.layers[0] = str_of(p->lower);
    jail.layers[1] = str_of(p->upper);
    jail.layer_count = 2;
    struct jail_report report;
    struct err err = {0};
    jail_prepare(JAIL_LANGUAGE);
    WANT(jail_enter(&jail, &report, &err) == 0);
    if (stands(&report, JAIL_ROOT)) {
        WANT(first_of("/opt/both") == 'u' && first_of("/opt/low") == 'l');
        WANT(!can_write("/opt/low") && !can_write("/opt/x"));
    }
    return 0;
}

static void layers_lie_over_each_other(void **state)
{
    in_child(run_layers, *state);
}

static int run_open_network(const struct place *p)
{
    struct jail jail = language(p, JAIL_INSTANCE);
    jail.network_open = true;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    CLEAN_FD int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(bind(server, (struct sockaddr *)&at, size) == 0 && listen(server, 1) == 0);
    WANT(getsockname(server, (struct sockaddr *)&at, &size) == 0);
    struct jail_report report;
    struct err err = {0};
    jail_prepare(JAIL_LANGUAGE);
    WANT(jail_enter(&jail, &report, &err) == 0);
    WANT(stands(&report, JAIL_NETWORK) && report.listen_fd < 0);
    CLEAN_FD int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    WANT(connect(fd, (struct sockaddr *)&at, sizeof at) == 0);
    return 0;
}

static void an_open_network_is_the_hosts(void **state)
{
    in_child(run_open_network, *state);
}

static int run_missing_package(const struct place *p)
{
    struct jail jail = language(p, JAIL_INSTANCE);
    jail.package = STR("/nowhere/at/all");
    struct jail_report report;
    struct err err = {0};
    jail_prepare(JAIL_LANGUAGE);
    int rc = jail_enter(&jail, &report, &err);
    WANT(stands(&report, JAIL_ROOT) ? rc == ERR_NOT_FOUND && strstr(err.text, "/nowhere/at/all")
                                    : rc == 0);
    return 0;
}

static void a_package_that_is_gone_is_said(void **state)
{
    in_child(run_missing_package, *state);
}

static int run_suicide(const struct place *p)
{
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        struct jail jail = language(p, JAIL_INSTANCE);
        struct jail_report report;
        struct err err = {0};
        if (jail_enter(&jail, &report, &err) < 0 || !stands(&report, JAIL_CALLS)) {
            _exit(55);
        }
        kill(getpid(), SIGKILL); // which the kernel keeps from the first process of a namespace
        _exit(1);
    }
    int status = 0;
    WANT(waitpid(pid, &status, 0) == pid);
    WANT(WIFSIGNALED(status) || WEXITSTATUS(status) == 55);
    return 0;
}

static void whoever_kills_itself_dies(void **state)
{
    in_child(run_suicide, *state);
}

static int run_orphans(const struct place *p)
{
    int ends[2];
    WANT(pipe(ends) == 0);
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_TEMPLATE);
    if (pid == 0) {
        struct jail jail = language(p, JAIL_TEMPLATE);
        struct jail_report report;
        struct err err = {0};
        if (jail_enter(&jail, &report, &err) < 0 || !stands(&report, JAIL_PROCESSES)) {
            _exit(0);
        }
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                pause(); // a daemon: holds the pipe open for as long as it lives
            }
            _exit(0);
        }
        _exit(0);
    }
    close(ends[1]);
    WANT(waited(pid) == 0);
    char c;
    WANT(read(ends[0], &c, 1) == 0); // else it would wait here for ever
    return 0;
}

static void nothing_outlives_the_first_process(void **state)
{
    in_child(run_orphans, *state);
}

// ---- models ----

static int run_model(const struct place *p)
{
    struct jail jail = {.kind = JAIL_MODEL,
                        .role = JAIL_INSTANCE,
                        .readable = {str_of(p->package), STR("")},
                        .readable_count = 2,
                        .writable = str_of(p->out),
                        .file_size_max = 1 << 20};
    CLEAN_MEM char *code = mem_printf("%s/code.py", p->package);
    CLEAN_MEM char *made = mem_printf("%s/made", p->out);
    CLEAN_MEM char *secret = mem_printf("%s/secret", p->secret);
    struct jail_report report;
    struct err err = {0};
    jail_prepare(JAIL_MODEL);
    WANT(jail_enter(&jail, &report, &err) == 0);
    WANT(first_of(code) == 'c' && can_write(made));
    if (stands(&report, JAIL_FILES)) {
        WANT(!can_read("/etc/passwd") && !can_read(secret) && !can_write(code));
    }
    if (stands(&report, JAIL_ROOT)) {
        WANT(access("/etc", F_OK) < 0 && access("/usr", F_OK) < 0);
    }
    if (stands(&report, JAIL_CALLS)) {
        WANT(socket(AF_INET, SOCK_STREAM, 0) < 0 && errno == EPERM);
        WANT(jail_compute_only(&err) == 0);
        WANT(!can_read(code) && errno == EPERM);
        WANT(fork() < 0 && errno == EPERM);
    }
    return 0;
}

static void models_see_their_folders_only(void **state)
{
    in_child(run_model, *state);
}

// ---- machines that deny ----

static const struct {
    const char *calls[4];
    int missing; // at least
} denials[] = {
    {{"unshare"}, JAIL_ROOT | JAIL_IPC | JAIL_NETWORK},
    {{"clone", "unshare"}, JAIL_PROCESSES},
    {{"open_tree"}, JAIL_ROOT},
    {{"fsopen"}, JAIL_ROOT},
    {{"fsmount"}, JAIL_ROOT},
    {{"move_mount"}, JAIL_ROOT},
    {{"mount_setattr"}, JAIL_ROOT},
    {{"mount"}, JAIL_ROOT},
    {{"pivot_root", "chroot"}, JAIL_ROOT},
    {{"landlock_create_ruleset"}, JAIL_FILES},
    {{"landlock_restrict_self"}, JAIL_FILES},
    {{"socket"}, JAIL_NETWORK},
    {{"listen"}, JAIL_NETWORK},
};
static size_t denied;

// As containers do it. clone only with the flags of namespaces, since all else needs it.
static bool deny(void)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc = 0;
    for (size_t i = 0; i < 4 && denials[denied].calls[i] && rc == 0; i++) {
        int call = seccomp_syscall_resolve_name(denials[denied].calls[i]);
        bool clone = call == SCMP_SYS(clone);
        rc = clone ? seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 1,
                                      SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWPID, CLONE_NEWPID))
                   : seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), call, 0);
    }
    rc = rc ? rc : seccomp_load(ctx);
    seccomp_release(ctx);
    return rc == 0;
}

static int run_denied(const struct place *p)
{
    jail_prepare(JAIL_LANGUAGE);
    WANT(deny());
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        struct jail jail = language(p, JAIL_INSTANCE);
        struct jail_report report;
        struct err err = {0};
        int rc = jail_enter(&jail, &report, &err);
        bool told = (report.missing & denials[denied].missing) == denials[denied].missing;
        if (rc < 0 || !told || !report.why[0]) {
            fprintf(stderr, "%s: rc %d, missing %d: %s%s\n", denials[denied].calls[0], rc,
                    report.missing, report.why, err.text);
            _exit(1);
        }
        _exit(report.root || can_read("/usr/bin/env") ? 0 : 2); // it can still work
    }
    return waited(pid);
}

static void what_is_denied_is_told_and_the_rest_stands(void **state)
{
    for (denied = 0; denied < ARRAY_SIZE(denials); denied++) {
        in_child(run_denied, *state);
    }
}

static const char *required;

static int run_required(const struct place *p)
{
    denied = 2;
    setenv("ROUSE_SANDBOX", required, 1);
    jail_prepare(JAIL_LANGUAGE);
    WANT(deny());
    struct jail jail = language(p, JAIL_INSTANCE);
    struct jail_report report;
    struct err err = {0};
    WANT(jail_enter(&jail, &report, &err) == ERR_DENIED);
    WANT(strstr(err.text, "required"));
    return 0;
}

static int run_not_required(const struct place *p)
{
    char others[256];
    denied = 2;
    jail_names(JAIL_ALL & ~denials[denied].missing, others, sizeof others);
    setenv("ROUSE_SANDBOX", others, 1);
    jail_prepare(JAIL_LANGUAGE);
    WANT(deny());
    struct jail jail = language(p, JAIL_INSTANCE);
    struct jail_report report;
    struct err err = {0};
    int rc = jail_enter(&jail, &report, &err);
    bool others_stand = (report.missing & ~denials[denied].missing) == 0; // not so in a chroot
    WANT(others_stand ? rc == 0 : rc == ERR_DENIED);
    WANT(report.missing & denials[denied].missing);
    return 0;
}

static void required_walls_must_stand(void **state)
{
    char names[256];
    jail_names(denials[2].missing, names, sizeof names);
    required = "required";
    in_child(run_required, *state);
    required = names;
    in_child(run_required, *state);
    in_child(run_not_required, *state);
}

static int run_off(const struct place *p)
{
    setenv("ROUSE_SANDBOX", "off", 1);
    jail_prepare(JAIL_LANGUAGE);
    pid_t pid = jail_fork(JAIL_INSTANCE);
    if (pid == 0) {
        struct jail jail = language(p, JAIL_INSTANCE);
        struct jail_report report;
        struct err err = {0};
        int rc = jail_enter(&jail, &report, &err);
        CLEAN_MEM char *secret = mem_printf("%s/secret", p->secret);
        _exit(rc < 0 || report.root || getpid() == 1 || !can_read(secret));
    }
    return waited(pid);
}

static void walls_can_be_switched_off(void **state)
{
    in_child(run_off, *state);
}

// ---- the rest ----

static void probing_tells_what_stands(void **state)
{
    (void)state;
    struct jail_probe probe;
    jail_probe_start(&probe);
    jail_probe_end(&probe);
    assert_true((probe.report.missing == 0) == (probe.report.why[0] == 0));
    assert_int_equal(probe.report.listen_fd, -1);
    assert_int_equal(probe.fd, -1);
    assert_true(can_read("/usr/bin/env")); // and changes nothing here
    char names[256], cut[8];
    jail_names(JAIL_ALL, names, sizeof names);
    assert_string_equal(names, "user,processes,root,network,ipc,host,cgroups,files,calls,"
                               "privileges,limits");
    jail_names(0, names, sizeof names);
    assert_string_equal(names, "");
    jail_names(JAIL_FILES | JAIL_CALLS, cut, sizeof cut);
    assert_string_equal(cut, "files,c");
}

static int run_library(const struct place *p)
{
    static const char *const bad[] = {"role",
                                      "package=relative",
                                      "package=",
                                      "layer=x",
                                      "tmp=-1",
                                      "port=65536",
                                      "port=x",
                                      "memory=1e9",
                                      "what=ever",
                                      "=x",
                                      "layer=/1\nlayer=/2\nlayer=/3\nlayer=/4\nlayer=/5\nlayer=/6"};
    char report[1024];
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        WANT(rouse_jail_enter(bad[i], report, sizeof report) == -1);
        WANT(strstr(report, "the walls cannot be: "));
    }
    rouse_jail_prepare();
    int pid = rouse_jail_fork(0);
    if (pid == 0) {
        CLEAN_MEM char *config = mem_printf("role=instance\npackage=%s\ntmp=1048576\nmemory=0\n"
                                            "port=4566\nnetwork=closed\nread=/etc\n",
                                            p->package);
        int rc = rouse_jail_enter(config, report, sizeof report);
        _exit(rc != 0 || strncmp(report, "missing=", 8) != 0 || !strstr(report, "\nwhy=") ||
              !strstr(report, "\nroot=") || !strstr(report, "\nlisten="));
    }
    return waited(pid);
}

static void the_library_speaks_lines(void **state)
{
    in_child(run_library, *state);
}

// A thread sanitizer's own thread is a thread too: no process of one thread is left to be walled.
#if defined(__SANITIZE_THREAD__)
#define HAS_OTHER_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_OTHER_THREADS 1
#endif
#endif
#ifndef HAS_OTHER_THREADS
#define HAS_OTHER_THREADS 0
#endif
#define SKIPPED 77 // meson's status for a test that is skipped

int main(void)
{
    if (HAS_OTHER_THREADS) {
        puts("skipped: walls are for processes of one thread, the thread sanitizer has its own");
        return SKIPPED;
    }
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(instances_are_walled_in),
        T(templates_and_their_instances_are_walled_in),
        T(libraries_only_read_and_their_forks_are_walled_in),
        T(layers_lie_over_each_other),
        T(an_open_network_is_the_hosts),
        T(a_package_that_is_gone_is_said),
        T(whoever_kills_itself_dies),
        T(nothing_outlives_the_first_process),
        T(models_see_their_folders_only),
        T(what_is_denied_is_told_and_the_rest_stands),
        T(required_walls_must_stand),
        T(walls_can_be_switched_off),
        T(probing_tells_what_stands),
        T(the_library_speaks_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
