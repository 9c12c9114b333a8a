// SPDX-License-Identifier: Apache-2.0
// Finds the server, signs requests and sends them through http/client.c.
#include "cli/remote.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "config/settings.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/json.h"
#include "format/sigv4.h"
#include "format/xml.h"
#include "http/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_ENDPOINT  "http://127.0.0.1:4566"
#define SMALL_FILE_MAX    (64 * 1024)
#define DEFAULT_TIMEOUT_S 60
#define READ_SIZE         (64 * 1024)

// ---- where the server is

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && value[0] ? value : NULL;
}

// --data DIR (not invoke's, which is a payload) or --data-dir DIR.
char *remote_data_dir(const struct args *args)
{
    const char *dir = environment("ROUSE_DATA");
    for (size_t i = 0; i < args->given_count; i++) {
        const struct option *option = args->given[i].option;
        bool named = strcmp(option->name, "data") == 0 || strcmp(option->name, "data-dir") == 0;
        dir = named && strcmp(option->value, "DIR") == 0 ? args->given[i].value : dir;
    }
    return dir ? mem_dup(dir) : settings_data_dir();
}

static void set(char **field, struct str value)
{
    free(*field);
    *field = str_dup(value);
}

// DIR/endpoint: the line that rouse serve wrote. 1, or 0 when there is none.
static int read_endpoint(const char *dir, struct remote *ret, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/endpoint", dir);
    CLEAN(buf_done) struct buf text = BUF_INIT(SMALL_FILE_MAX);
    int rc = file_read(path, &text, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    set(&ret->endpoint, str_trim(buf_str(&text)));
    return 1;
}

// DIR/credentials, in the form of ~/.aws/credentials: the section [default]. 1, or 0 without the file.
static int read_credentials(const char *dir, struct remote *ret, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/credentials", dir);
    CLEAN(buf_done) struct buf text = BUF_INIT(SMALL_FILE_MAX);
    int rc = file_read(path, &text, err);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    struct str rest = buf_str(&text);
    bool ours = false;
    while (rest.at) {
        struct str value = str_trim(str_cut(&rest, '\n'));
        if (value.size && value.at[0] == '[') {
            ours = str_eq(value, STR("[default]"));
            continue;
        }
        struct str name = str_trim(str_cut(&value, '='));
        if (ours && str_eq(name, STR("aws_access_key_id"))) {
            set(&ret->access_key, str_trim(value));
        } else if (ours && str_eq(name, STR("aws_secret_access_key"))) {
            set(&ret->secret, str_trim(value));
        }
    }
    return 1;
}

static void set_defaults(struct remote *ret, const char *region)
{
    const char *known = region                              ? region
                        : environment("AWS_REGION")         ? environment("AWS_REGION")
                        : environment("AWS_DEFAULT_REGION") ? environment("AWS_DEFAULT_REGION")
                                                            : "us-east-1";
    set(&ret->region, str_of(known));
    set(&ret->endpoint, STR(DEFAULT_ENDPOINT));
    set(&ret->access_key, STR(""));
    set(&ret->secret, STR(""));
    set(&ret->token, STR(""));
}

static bool read_environment_keys(struct remote *ret)
{
    const char *key = environment("AWS_ACCESS_KEY_ID");
    const char *secret = environment("AWS_SECRET_ACCESS_KEY");
    const char *token = environment("AWS_SESSION_TOKEN");
    if (!key || !secret) {
        return false;
    }
    set(&ret->access_key, str_of(key));
    set(&ret->secret, str_of(secret));
    set(&ret->token, str_of(token ? token : ""));
    return true;
}

static int check_endpoint(struct remote *ret, struct err *err)
{
    struct str url = str_of(ret->endpoint);
    if (!str_starts(url, STR("http://")) && !str_starts(url, STR("https://"))) {
        return err_set(err, ERR_INVALID, "the server's address \"%s\" does not begin with http://",
                       ret->endpoint);
    }
    while (url.size && url.at[url.size - 1] == '/') {
        url.size--;
    }
    CLEAN_MEM char *trimmed = str_dup(url);
    set(&ret->endpoint, str_of(trimmed));
    return 0;
}

int remote_find(const struct args *args, const char *region, struct remote *ret, struct err *err)
{
    const char *given = args_get(args, "endpoint-url");
    given = given ? given : environment("AWS_ENDPOINT_URL");
    CLEAN_MEM char *dir = remote_data_dir(args);
    set_defaults(ret, region ? region : args_get(args, "region"));
    // Keys in the environment belong to the address that was given with them; whoever has keys of AWS there
    // still reaches the local server with the local ones.
    if (given) {
        set(&ret->endpoint, str_of(given));
        if (!read_environment_keys(ret)) {
            TRY(read_credentials(dir, ret, err));
        }
    } else {
        TRY(read_endpoint(dir, ret, err));
        int rc = read_credentials(dir, ret, err);
        TRY(rc);
        if (rc == 0) {
            read_environment_keys(ret);
        }
    }
    return check_endpoint(ret, err);
}

int remote_find_local(const struct args *args, struct remote *ret, struct err *err)
{
    const char *given = args_get(args, "endpoint-url");
    CLEAN_MEM char *dir = remote_data_dir(args);
    set_defaults(ret, args_get(args, "region"));
    int keys = read_credentials(dir, ret, err);
    TRY(keys);
    int rc = read_endpoint(dir, ret, err);
    TRY(rc);
    if (!keys || (!rc && !given)) {
        return err_set(err, ERR_NOT_FOUND,
                       "no server has run with the data folder %s yet; start one: "
                       "rouse serve --data %s",
                       dir, dir);
    }
    if (given) {
        set(&ret->endpoint, str_of(given));
    }
    return check_endpoint(ret, err);
}

void remote_done(struct remote *remote)
{
    free(remote->endpoint);
    free(remote->access_key);
    free(remote->secret);
    free(remote->token);
    free(remote->region);
    free(remote->noticed);
    http_client_free(remote->client);
    *remote = (struct remote){0};
}

// ---- one request

struct call {
    struct remote *remote;
    const struct remote_request *request;
    struct remote_reply *reply;
    int fd;        // of a body in a file, or -1
    uint64_t size; // of that file
    bool stopped;  // the request's on_piece wanted no more
    struct http_header headers[REMOTE_HEADERS_MAX + 5];
    size_t header_count;
    char hash[SIGV4_HEX], date[CLOCK_TEXT_MAX];
    struct buf authorization;
};

static int on_piece(void *ctx, int status, struct str piece)
{
    struct call *call = ctx;
    if (call->request->on_piece && status < 300) {
        int rc = call->request->on_piece(call->request->ctx, piece);
        call->stopped = rc < 0;
        return rc;
    }
    buf_add_str(&call->reply->body, piece);
    return buf_ok(&call->reply->body) ? 0 : ERR_LIMIT;
}

static void on_header(void *ctx, struct str name, struct str value)
{
    struct remote_reply *reply = ((struct call *)ctx)->reply;
    const struct {
        const char *name;
        char **field;
    } rows[] = {{"x-amz-function-error", &reply->function_error},
                {"x-rouse-tier", &reply->tier},
                {"x-amz-executed-version", &reply->version},
                {"x-amz-log-result", &reply->log},
                {"x-amzn-errortype", &reply->error_type},
                {"etag", &reply->etag},
                {"x-rouse-notice", &reply->notice}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (str_eq_nocase(name, str_of(rows[i].name))) {
            set(rows[i].field, value);
        }
    }
}

static void on_tick(void *ctx)
{
    (void)ctx;
    terminal_tick();
}

static int open_body(struct call *call, struct err *err)
{
    const char *path = call->request->body_path;
    struct stat st;
    if (!path) {
        return 0;
    }
    call->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (call->fd < 0 || fstat(call->fd, &st) < 0) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
    }
    call->size = (uint64_t)st.st_size;
    return 0;
}

// SHA-256 of the body as hexadecimal digits; a file is read for it once more.
static int hash_body(struct call *call, struct err *err)
{
    CLEAN(checksum_done) struct checksum sum = {0};
    CLEAN_MEM char *piece = mem_alloc(READ_SIZE);
    uint8_t bytes[CHECKSUM_SIZE_MAX];
    checksum_init(&sum, CHECKSUM_SHA256);
    if (call->fd < 0) {
        checksum_add(&sum, call->request->body);
    }
    for (off_t at = 0; call->fd >= 0;) {
        ssize_t got = pread(call->fd, piece, READ_SIZE, at);
        if (got < 0) {
            return err_errno(err, ERR_IO, errno, "%s", call->request->body_path);
        }
        if (got == 0) {
            break;
        }
        checksum_add(&sum, str_n(piece, (size_t)got));
        at += got;
    }
    hex_write(bytes, checksum_end(&sum, bytes), call->hash);
    return 0;
}

static void add_header(struct call *call, const char *name, const char *value)
{
    call->headers[call->header_count++] = (struct http_header){str_of(name), str_of(value)};
}

// "127.0.0.1:4566" of the endpoint, as libcurl sends it: without a port that is the scheme's own.
static struct str host_of(const struct remote *remote)
{
    struct str url = str_of(remote->endpoint);
    bool tls = str_starts(url, STR("https://"));
    struct str host = str_skip(url, tls ? 8 : 7);
    host = str_head(host, str_find(host, '/') >= 0 ? (size_t)str_find(host, '/') : host.size);
    struct str usual = tls ? STR(":443") : STR(":80");
    return str_ends(host, usual) ? str_head(host, host.size - usual.size) : host;
}

static int sign(struct call *call, struct err *err)
{
    const struct remote *remote = call->remote;
    const struct remote_request *request = call->request;
    int64_t now_ms = clock_wall_ms();
    TRY(hash_body(call, err));
    add_header(call, "x-amz-content-sha256", call->hash);
    add_header(call, "x-amz-date", clock_amz(now_ms, call->date));
    if (remote->token[0]) {
        add_header(call, "x-amz-security-token", remote->token);
    }
    struct sigv4_header headers[ARRAY_SIZE(call->headers) + 1] = {{STR("host"), host_of(remote)}};
    for (size_t i = 0; i < call->header_count; i++) {
        headers[i + 1] = (struct sigv4_header){call->headers[i].name, call->headers[i].value};
    }
    bool s3 = strcmp(request->service, "s3") == 0;
    struct sigv4_request to_sign = {.flavour = s3 ? SIGV4_S3 : SIGV4_SERVICE,
                                    .method = str_of(request->method),
                                    .path = str_of(request->path),
                                    .query = str_of(request->query ? request->query : ""),
                                    .headers = headers,
                                    .header_count = call->header_count + 1,
                                    .payload_hash = str_of(call->hash)};
    struct sigv4_credentials keys = {.access_key = str_of(remote->access_key),
                                     .secret = str_of(remote->secret),
                                     .session_token = str_of(remote->token)};
    TRY(sigv4_sign(&to_sign, &keys, str_of(remote->region), str_of(request->service), now_ms,
                   &call->authorization, err));
    add_header(call, "Authorization", buf_text(&call->authorization));
    return 0;
}

static int prepare(struct call *call, struct err *err)
{
    const struct remote_request *request = call->request;
    if (!call->remote->client) {
        TRY(http_client_new(&call->remote->client, err));
    }
    TRY(open_body(call, err));
    for (size_t i = 0; i < REMOTE_HEADERS_MAX && request->headers[i].name; i++) {
        add_header(call, request->headers[i].name, request->headers[i].value);
    }
    return call->remote->access_key[0] ? sign(call, err) : 0;
}

static int perform(struct call *call, struct err *err)
{
    const struct remote_request *request = call->request;
    const char *endpoint = call->remote->endpoint;
    CLEAN_MEM char *url = mem_printf("%s%s%s%s", endpoint, request->path, request->query ? "?" : "",
                                     request->query ? request->query : "");
    struct http_call http = {.method = request->method,
                             .url = url,
                             .headers = call->headers,
                             .header_count = call->header_count,
                             .body = request->body,
                             .body_fd = call->fd,
                             .body_in_fd = call->fd >= 0,
                             .body_size = call->size,
                             .timeout_s =
                                 request->timeout_s ? request->timeout_s : DEFAULT_TIMEOUT_S,
                             .on_header = on_header,
                             .on_piece = on_piece,
                             .on_tick = on_tick,
                             .ctx = call};
    struct err told = {0};
    int rc = http_client_send(call->remote->client, &http, &told);
    call->reply->status = http.status;
    if (rc >= 0) {
        return 0;
    }
    if (call->stopped) {
        return err_set(err, ERR_IO, "the output could not be written");
    }
    if (!buf_ok(&call->reply->body)) {
        return err_set(err, ERR_LIMIT, "the answer is larger than 256 MiB");
    }
    if (rc == ERR_UNAVAILABLE && str_starts(str_of(told.text), STR("nobody answers"))) {
        return err_set(err, rc, "no server answers at %s. Start one: rouse serve", endpoint);
    }
    return err_set(err, rc, "%s", told.text);
}

int remote_send(struct remote *remote, const struct remote_request *request,
                struct remote_reply *reply, struct err *err)
{
    struct call call = {.remote = remote, .request = request, .reply = reply, .fd = -1};
    buf_init(&reply->body, REMOTE_BODY_MAX);
    buf_init(&call.authorization, 8192);
    int rc = prepare(&call, err);
    if (rc >= 0) {
        rc = perform(&call, err);
    }
    buf_done(&call.authorization);
    fd_clean(&call.fd);
    return rc;
}

void remote_reply_done(struct remote_reply *reply)
{
    buf_done(&reply->body);
    free(reply->function_error);
    free(reply->tier);
    free(reply->version);
    free(reply->log);
    free(reply->etag);
    free(reply->error_type);
    free(reply->notice);
    *reply = (struct remote_reply){0};
}

// ---- errors, as JSON services and as S3 write them

static int code_of_status(int status)
{
    switch (status) {
    case 401:
    case 403: return ERR_DENIED;
    case 404: return ERR_NOT_FOUND;
    case 408: return ERR_TIMEOUT;
    case 409: return ERR_EXISTS;
    case 413: return ERR_LIMIT;
    case 429: return ERR_BUSY;
    case 501: return ERR_UNSUPPORTED;
    case 502: return ERR_LOST;
    case 503: return ERR_UNAVAILABLE;
    default: return status >= 500 ? ERR_IO : ERR_INVALID;
    }
}

static struct str json_message(const json_t *body)
{
    struct str message = json_str(json_object_get(body, "message"));
    return message.size ? message : json_str(json_object_get(body, "Message"));
}

int remote_error(const struct remote_reply *reply, struct err *err)
{
    if (reply->status < 400) {
        return 0;
    }
    CLEAN_JSON json_t *json = NULL;
    CLEAN(xml_clean) struct xml_node *xml = NULL;
    struct str name = str_of(reply->error_type), message = {0};
    name = str_cut(&name, ':'); // "Name:http://…" has a link after it
    if (reply->body.size && json_parse(buf_str(&reply->body), &json, NULL) >= 0) {
        message = json_message(json);
    } else if (reply->body.size && xml_parse(buf_str(&reply->body), &xml, NULL) >= 0) {
        const struct xml_node *error = xml_child(xml, "Error"); // IAM wraps it, S3 does not
        message = xml_child_text(error ? error : xml, "Message");
        name = xml_child_text(error ? error : xml, "Code");
    }
    static char last_name[128]; // err.aws has to outlive this call
    int code = code_of_status(reply->status);
    snprintf(last_name, sizeof last_name, STR_FMT, STR_ARG(name));
    const char *aws = name.size ? last_name : NULL;
    while (message.size && message.at[message.size - 1] == '.') {
        message.size--; // the name follows in brackets
    }
    if (message.size == 0) {
        return err_aws(err, code, aws, "the server answered %d%s" STR_FMT, reply->status,
                       name.size ? " " : "", STR_ARG(name));
    }
    return err_aws(err, code, aws, STR_FMT "%s" STR_FMT "%s%s", STR_ARG(message),
                   name.size ? " (" : "", STR_ARG(name), name.size ? ")" : "",
                   code == ERR_DENIED ? ". Credentials: eval \"$(rouse env)\"" : "");
}

int remote_call(struct remote *remote, const struct remote_request *request,
                struct remote_reply *reply, struct err *err)
{
    TRY(remote_send(remote, request, reply, err));
    return remote_error(reply, err);
}
