// SPDX-License-Identifier: Apache-2.0
// Calls of the Lambda API for deploy, info, invoke and remove.
#include "cli/lambda_api.h"
#include "format/json.h"
#include "format/uri.h"
#include "base/clock.h"
#include "base/mem.h"

#include <unistd.h>

#define BODY_MAX      (96u * 1024 * 1024)
#define WAIT_FIRST_US 20000
#define WAIT_MOST_US  250000
#define WAIT_TOTAL_US (600 * 1000000LL)

char *remote_lambda_path(const char *version, const char *name, const char *rest)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    buf_printf(&path, "/%s/functions/", version);
    uri_encode(&path, str_of(name), false);
    buf_add_text(&path, rest);
    return buf_steal(&path);
}

// What the server has to say of an answer, unless it has just said the same.
static void notice_take(struct remote *remote, struct remote_reply *reply)
{
    if (reply->notice && (!remote->noticed || strcmp(remote->noticed, reply->notice) != 0)) {
        terminal_warning("%s", reply->notice);
        free(remote->noticed);
        remote->noticed = MOVE(reply->notice);
    }
}

int remote_lambda_call(struct remote *remote, const char *method, const char *path,
                       const json_t *body, json_t **ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(BODY_MAX);
    if (body) {
        json_write(body, &text);
    }
    struct remote_request request = {.service = "lambda",
                                     .method = method,
                                     .path = path,
                                     .headers = {{"content-type", "application/json"}},
                                     .body = buf_str(&text),
                                     .timeout_s = 300};
    CLEAN(remote_reply_done) struct remote_reply reply = {0};
    TRY(remote_call(remote, &request, &reply, err));
    notice_take(remote, &reply);
    *ret = NULL;
    if (reply.body.size == 0) {
        return 0;
    }
    return json_parse(buf_str(&reply.body), ret, err);
}

int remote_lambda_get(struct remote *remote, const char *name, json_t **ret, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "");
    struct err told = {0};
    int rc = remote_lambda_call(remote, "GET", path, NULL, ret, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    return rc < 0 ? err_aws(err, rc, told.aws, "%s", told.text) : 1;
}

static bool is_word(const json_t *json, const char *name, const char *word)
{
    return str_eq(json_str(json_object_get(json, name)), str_of(word));
}

struct waiting {
    int64_t began_us;
    useconds_t pause;
};

// Sleeps, longer each time, with the terminal's mark turning.
static int wait_more(struct waiting *waiting, const char *name, struct err *err)
{
    if (clock_mono_us() - waiting->began_us > WAIT_TOTAL_US) {
        return err_set(err, ERR_TIMEOUT, "%s: not active after 10 minutes", name);
    }
    usleep(waiting->pause);
    terminal_tick();
    waiting->pause = waiting->pause * 2 < WAIT_MOST_US ? waiting->pause * 2 : WAIT_MOST_US;
    return 0;
}

static int wait_failed(const json_t *now, const char *reason, struct err *err)
{
    struct str why = json_str(json_object_get(now, reason));
    return err_set(err, ERR_FUNCTION, STR_FMT,
                   STR_ARG(why.size ? why : STR("the server does not say why")));
}

int remote_lambda_wait(struct remote *remote, const char *name, struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2015-03-31", name, "/configuration");
    struct waiting waiting = {clock_mono_us(), WAIT_FIRST_US};
    for (;;) {
        CLEAN_JSON json_t *now = NULL;
        TRY(remote_lambda_call(remote, "GET", path, NULL, &now, err));
        bool failed = is_word(now, "State", "Failed");
        if (failed || is_word(now, "LastUpdateStatus", "Failed")) {
            return wait_failed(now, failed ? "StateReason" : "LastUpdateStatusReason", err);
        }
        if (!is_word(now, "State", "Pending") && !is_word(now, "LastUpdateStatus", "InProgress")) {
            return 0;
        }
        TRY(wait_more(&waiting, name, err));
    }
}

int remote_lambda_provisioned(struct remote *remote, const char *target, json_t **ret,
                              struct err *err)
{
    CLEAN_MEM char *path = remote_lambda_path("2019-09-30", target, "/provisioned-concurrency");
    struct err told = {0};
    int rc = remote_lambda_call(remote, "GET", path, NULL, ret, &told);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    return rc < 0 ? err_aws(err, rc, told.aws, "%s", told.text) : 1;
}

int remote_lambda_wait_provisioned(struct remote *remote, const char *target, struct err *err)
{
    struct waiting waiting = {clock_mono_us(), WAIT_FIRST_US};
    for (;;) {
        CLEAN_JSON json_t *now = NULL;
        TRY(remote_lambda_provisioned(remote, target, &now, err));
        if (is_word(now, "Status", "FAILED")) {
            return wait_failed(now, "StatusReason", err);
        }
        if (!is_word(now, "Status", "IN_PROGRESS")) {
            return 0;
        }
        TRY(wait_more(&waiting, target, err));
    }
}
