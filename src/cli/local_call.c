// SPDX-License-Identifier: Apache-2.0
// The Lambda Runtime API for one event: next, response, error, init error. A second `next` is never
// answered; by then there is nothing to wait for.
#include "cli/local_call.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/json.h"
#include "http/http.h"
#include "io/loop.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define API        "/2018-06-01/runtime/"
#define ANSWER_MAX (64u * 1024 * 1024)
#define GRACE_US   200000 // what an ended program has sent may still be on its way

extern char **environ;

struct run {
    struct local_call *call;
    struct loop *loop;
    struct http_server *http;
    struct watch child;
    struct timer grace;
    pid_t pid;
    int status;   // of waitpid, once ended
    bool ended;   // the program
    bool given;   // the event
    bool settled; // there is an answer
};

struct ask { // one request
    struct run *run;
    struct http_request *req;
    enum ask_kind { ASK_NEXT, ASK_RESPONSE, ASK_ERROR, ASK_UNKNOWN } kind;
    struct buf body;
};

// ---- the API

static void reply_event(struct ask *ask)
{
    const struct local_call *call = ask->run->call;
    char deadline[32];
    snprintf(deadline, sizeof deadline, "%lld", (long long)call->deadline_ms);
    http_reply_header(ask->req, "Content-Type", "application/json");
    http_reply_header(ask->req, "Lambda-Runtime-Aws-Request-Id", call->request_id);
    http_reply_header(ask->req, "Lambda-Runtime-Deadline-Ms", deadline);
    http_reply_header(ask->req, "Lambda-Runtime-Invoked-Function-Arn", call->arn);
    http_reply_header(ask->req, "Lambda-Runtime-Trace-Id", "Root=1-0-0;Sampled=0");
    if (call->context[0]) {
        http_reply_header(ask->req, "Lambda-Runtime-Client-Context", call->context);
    }
    ask->run->given = true;
    http_reply(ask->req, 200, call->payload.size ? call->payload : STR("{}"));
}

// A streamed answer that failed on the way says so behind its body.
static void take_trailer(struct ask *ask)
{
    struct local_call *call = ask->run->call;
    if (!http_request_trailer(ask->req, "Lambda-Runtime-Function-Error-Type").size) {
        return;
    }
    struct str body = http_request_trailer(ask->req, "Lambda-Runtime-Function-Error-Body");
    call->failed = true;
    buf_clear(&call->answer);
    (void)!base64_decode(body, &call->answer, NULL); // without it, an error that says nothing
}

static void settle(struct ask *ask)
{
    struct run *run = ask->run;
    struct local_call *call = run->call;
    if (run->settled) {
        return;
    }
    run->settled = true;
    call->failed = ask->kind == ASK_ERROR;
    buf_add_str(&call->answer, buf_str(&ask->body));
    take_trailer(ask);
}

static void ask_end(struct http_request *req)
{
    struct ask *ask = req->data;
    switch (ask->kind) {
    case ASK_NEXT:
        if (!ask->run->given) {
            reply_event(ask);
        }
        return;
    case ASK_UNKNOWN: http_reply(req, 404, STR("{\"errorType\":\"NotFound\"}\n")); return;
    case ASK_RESPONSE:
    case ASK_ERROR: break;
    }
    settle(ask);
    http_reply(req, 202, STR("{\"status\":\"OK\"}\n"));
}

static void ask_body(struct http_request *req, struct str piece)
{
    buf_add_str(&((struct ask *)req->data)->body, piece);
}

static void ask_closed(struct http_request *req)
{
    struct ask *ask = req->data;
    if (ask->run->settled && ask->kind != ASK_NEXT) {
        loop_stop(ask->run->loop); // the program has heard that its answer was taken
    }
    buf_done(&ask->body);
    free(ask);
}

static enum ask_kind kind_of(const struct http_request *req)
{
    struct str path = req->path;
    bool get = str_eq(req->method, STR("GET")), post = str_eq(req->method, STR("POST"));
    if (get && str_eq(path, STR(API "invocation/next"))) {
        return ASK_NEXT;
    }
    if (post && str_starts(path, STR(API "invocation/")) && str_ends(path, STR("/response"))) {
        return ASK_RESPONSE;
    }
    bool error = str_ends(path, STR("/error")) &&
                 (str_starts(path, STR(API "invocation/")) || str_eq(path, STR(API "init/error")));
    return post && error ? ASK_ERROR : ASK_UNKNOWN;
}

static const struct http_handler *route(struct http_request *req, void *ctx)
{
    static const struct http_handler handler = {
        .on_body = ask_body, .on_end = ask_end, .on_closed = ask_closed};
    struct ask *ask = NEW(struct ask);
    *ask = (struct ask){.run = ctx, .req = req, .kind = kind_of(req)};
    buf_init(&ask->body, ANSWER_MAX);
    req->data = ask;
    return &handler;
}

// ---- the program

static void on_grace(struct timer *timer)
{
    loop_stop(CONTAINER_OF(timer, struct run, grace)->loop);
}

static void on_ended(struct watch *watch, uint32_t events)
{
    struct run *run = CONTAINER_OF(watch, struct run, child);
    (void)events;
    while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR) {
    }
    run->ended = true;
    loop_unwatch(run->loop, &run->child);
    timer_start(run->loop, &run->grace, GRACE_US);
}

static int start(struct run *run, struct err *err)
{
    char *const *argv = run->call->argv;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_addchdir_np(&actions, run->call->dir);
    int errnum = posix_spawn(&run->pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (errnum) {
        return err_errno(err, ERR_UNAVAILABLE, errnum, "%s", argv[0]);
    }
    run->child =
        (struct watch){.fd = (int)syscall(SYS_pidfd_open, run->pid, 0), .on_ready = on_ended};
    return run->child.fd < 0 ? err_errno(err, ERR_IO, errno, "pidfd_open")
                             : loop_watch(run->loop, &run->child, EPOLLIN, err);
}

// It has answered, or we give up: either way it is of no more use.
static void end(struct run *run)
{
    if (run->pid > 0 && !run->ended) {
        kill(run->pid, SIGKILL);
        while (waitpid(run->pid, &run->status, 0) < 0 && errno == EINTR) {
        }
    }
    timer_stop(run->loop, &run->grace);
    loop_unwatch(run->loop, &run->child);
    fd_clean(&run->child.fd);
}

static void add_how(const struct run *run, struct buf *out)
{
    if (WIFSIGNALED(run->status)) {
        const char *name = sigdescr_np(WTERMSIG(run->status));
        buf_printf(out, "with error: signal: %s", name ? name : "unknown");
    } else if (WEXITSTATUS(run->status)) {
        buf_printf(out, "with error: exit status %d", WEXITSTATUS(run->status));
    } else {
        buf_add_text(out, "without providing a reason");
    }
}

static void answer_exit(const struct run *run)
{
    struct local_call *call = run->call;
    CLEAN(buf_done) struct buf message = BUF_INIT(4096);
    CLEAN_JSON json_t *document = json_object();
    buf_printf(&message, "RequestId: %s Error: Runtime exited ", call->request_id);
    add_how(run, &message);
    json_put_str(document, "errorType", STR("Runtime.ExitError"));
    json_put_str(document, "errorMessage", buf_str(&message));
    json_write(document, &call->answer);
    call->failed = true;
}

static int run_it(struct run *run, struct err *err)
{
    struct http_options options = {.listen = "127.0.0.1:0", .route = route, .ctx = run};
    TRY(http_server_new(run->loop, &options, &run->http, err));
    CLEAN_MEM char *api = mem_printf("127.0.0.1:%d", http_server_port(run->http));
    setenv("AWS_LAMBDA_RUNTIME_API", api, 1);
    TRY(start(run, err));
    loop_run(run->loop);
    if (!run->settled) {
        answer_exit(run);
    }
    return buf_ok(&run->call->answer) ? 0
                                      : err_set(err, ERR_LIMIT, "the answer is larger than 64 MiB");
}

int local_call(struct local_call *call, struct err *err)
{
    struct run run = {.call = call, .child.fd = -1, .grace.on_due = on_grace};
    buf_init(&call->answer, ANSWER_MAX);
    TRY(loop_new(LOOP_REAL, &run.loop, err));
    int rc = run_it(&run, err);
    end(&run);
    run.settled = false; // so that closing does not stop anything any more
    if (run.http) {
        http_server_free(run.http);
    }
    loop_free(run.loop);
    return rc;
}
