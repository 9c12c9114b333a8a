// SPDX-License-Identifier: Apache-2.0
// Sends one request at a time through libcurl and gives out the reply piece by piece. The command line
// speaks to the server with it.
#include "http/client.h"
#include "base/mem.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 5

// ---- libcurl, loaded with the first client: merely being linked to it would cost the server, which
// is the same program, 5 ms of its start and 6 MB

#define CURL_FUNCTIONS(X)                                                                          \
    X(curl_global_init)                                                                            \
    X(curl_easy_init)                                                                              \
    X(curl_easy_reset)                                                                             \
    X(curl_easy_setopt)                                                                            \
    X(curl_easy_perform)                                                                           \
    X(curl_easy_getinfo)                                                                           \
    X(curl_easy_cleanup)                                                                           \
    X(curl_easy_strerror)                                                                          \
    X(curl_slist_append)                                                                           \
    X(curl_slist_free_all)

// curl.h has macros of these names that check types; the table needs the functions themselves.
#undef curl_easy_setopt
#undef curl_easy_getinfo

static struct {
#define X(name) __typeof__(name) *name;
    CURL_FUNCTIONS(X)
#undef X
    char why[200]; // it could not be loaded
} lib;

static void lib_load(void)
{
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *library = NULL;
    for (size_t i = 0; i < ARRAY_SIZE(names) && !library; i++) {
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    }
    if (!library) {
        snprintf(lib.why, sizeof lib.why, "%s", dlerror());
        return;
    }
#define X(name)                                                                                    \
    lib.name = (__typeof__(name) *)dlsym(library, #name);                                          \
    if (!lib.name) {                                                                               \
        snprintf(lib.why, sizeof lib.why, "it lacks %s", #name);                                   \
        return;                                                                                    \
    }
    CURL_FUNCTIONS(X)
#undef X
    if (lib.curl_global_init(CURL_GLOBAL_DEFAULT) != 0) {
        snprintf(lib.why, sizeof lib.why, "it does not start");
    }
}

static int lib_need(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, lib_load);
    return lib.why[0]
               ? err_set(err, ERR_UNSUPPORTED, "cannot use libcurl (package libcurl4): %s", lib.why)
               : 0;
}

// ---- a transfer

struct http_client {
    CURL *curl;
};

struct transfer { // of one call
    struct http_call *call;
    CURL *curl;
    struct str left; // of a body in memory
    bool stopped;    // on_piece wanted no more, or the file could not be read
    char error[CURL_ERROR_SIZE];
};

static size_t on_read(char *to, size_t one, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    size_t room = one * count;
    if (t->call->body_in_fd) {
        ssize_t got = read(t->call->body_fd, to, room);
        t->stopped = t->stopped || got < 0;
        return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
    }
    struct str part = str_head(t->left, room);
    if (part.size) {
        memcpy(to, part.at, part.size);
    }
    t->left = str_skip(t->left, part.size);
    return part.size;
}

// A kept connection was closed meanwhile and the body has to be sent again.
static int on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;
    if (origin != SEEK_SET) {
        return CURL_SEEKFUNC_CANTSEEK;
    }
    if (t->call->body_in_fd) {
        return lseek(t->call->body_fd, offset, SEEK_SET) < 0 ? CURL_SEEKFUNC_FAIL
                                                             : CURL_SEEKFUNC_OK;
    }
    t->left = str_skip(t->call->body, (size_t)offset);
    return CURL_SEEKFUNC_OK;
}

static size_t on_write(char *at, size_t one, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    long status = 0;
    lib.curl_easy_getinfo(t->curl, CURLINFO_RESPONSE_CODE, &status);
    struct str piece = str_n(at, one * count);
    if (t->call->on_piece && t->call->on_piece(t->call->ctx, (int)status, piece) < 0) {
        t->stopped = true;
        return 0;
    }
    return piece.size;
}

static size_t on_header(char *at, size_t one, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct str value = str_n(at, one * count);
    struct str name = str_trim(str_cut(&value, ':'));
    if (value.at && t->call->on_header) {
        t->call->on_header(t->call->ctx, name, str_trim(value));
    }
    return one * count;
}

static int on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    struct transfer *t = ctx;
    (void)down_all, (void)down, (void)up_all, (void)up;
    if (t->call->on_tick) {
        t->call->on_tick(t->call->ctx);
    }
    return 0;
}

static struct curl_slist *make_headers(const struct http_call *call)
{
    // No Expect: the server is near, and waiting for its 100 costs more than a refused body.
    struct curl_slist *list = lib.curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; i < call->header_count; i++) {
        const struct http_header *h = &call->headers[i];
        CLEAN_MEM char *line =
            h->value.size
                ? mem_printf(STR_FMT ": " STR_FMT, STR_ARG(h->name), STR_ARG(h->value))
                : mem_printf(STR_FMT ";", STR_ARG(h->name)); // libcurl's form of an empty one
        list = lib.curl_slist_append(list, line);
    }
    return list;
}

static void set_body(struct transfer *t)
{
    const char *method = t->call->method;
    if (strcmp(method, "HEAD") == 0) {
        lib.curl_easy_setopt(t->curl, CURLOPT_NOBODY, 1L);
        return;
    }
    if (strcmp(method, "PUT") == 0 || strcmp(method, "POST") == 0 || strcmp(method, "PATCH") == 0) {
        uint64_t size = t->call->body_in_fd ? t->call->body_size : t->call->body.size;
        lib.curl_easy_setopt(t->curl, CURLOPT_UPLOAD, 1L);
        lib.curl_easy_setopt(t->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)size);
        lib.curl_easy_setopt(t->curl, CURLOPT_READFUNCTION, on_read);
        lib.curl_easy_setopt(t->curl, CURLOPT_READDATA, t);
        lib.curl_easy_setopt(t->curl, CURLOPT_SEEKFUNCTION, on_seek);
        lib.curl_easy_setopt(t->curl, CURLOPT_SEEKDATA, t);
    }
    lib.curl_easy_setopt(t->curl, CURLOPT_CUSTOMREQUEST, method);
}

static void set_options(struct transfer *t, struct curl_slist *headers)
{
    lib.curl_easy_reset(t->curl); // the connection stays
    lib.curl_easy_setopt(t->curl, CURLOPT_URL, t->call->url);
    lib.curl_easy_setopt(t->curl, CURLOPT_PATH_AS_IS, 1L);
    lib.curl_easy_setopt(t->curl, CURLOPT_NOSIGNAL, 1L);
    lib.curl_easy_setopt(t->curl, CURLOPT_PROXY, "");
    lib.curl_easy_setopt(t->curl, CURLOPT_USERAGENT, "rouse/" ROUSE_VERSION);
    lib.curl_easy_setopt(t->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_TIMEOUT_S);
    lib.curl_easy_setopt(t->curl, CURLOPT_TIMEOUT, (long)t->call->timeout_s);
    lib.curl_easy_setopt(t->curl, CURLOPT_HTTPHEADER, headers);
    lib.curl_easy_setopt(t->curl, CURLOPT_WRITEFUNCTION, on_write);
    lib.curl_easy_setopt(t->curl, CURLOPT_WRITEDATA, t);
    lib.curl_easy_setopt(t->curl, CURLOPT_HEADERFUNCTION, on_header);
    lib.curl_easy_setopt(t->curl, CURLOPT_HEADERDATA, t);
    lib.curl_easy_setopt(t->curl, CURLOPT_NOPROGRESS, 0L);
    lib.curl_easy_setopt(t->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    lib.curl_easy_setopt(t->curl, CURLOPT_XFERINFODATA, t);
    lib.curl_easy_setopt(t->curl, CURLOPT_ERRORBUFFER, t->error);
    set_body(t);
}

static int translate(const struct transfer *t, CURLcode code, struct err *err)
{
    const char *why = t->error[0] ? t->error : lib.curl_easy_strerror(code);
    if (t->stopped) {
        return err_set(err, ERR_IO, "the transfer was stopped here");
    }
    if (code == CURLE_COULDNT_CONNECT) {
        return err_set(err, ERR_UNAVAILABLE, "nobody answers at %s", t->call->url);
    }
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
        return err_set(err, ERR_INVALID, "%s: %s", t->call->url, why);
    }
    int kind = code == CURLE_OPERATION_TIMEDOUT ? ERR_TIMEOUT : ERR_UNAVAILABLE;
    return err_set(err, kind, "%s: %s", t->call->url, why);
}

int http_client_send(struct http_client *client, struct http_call *call, struct err *err)
{
    struct transfer t = {.call = call, .curl = client->curl, .left = call->body};
    struct curl_slist *headers = make_headers(call);
    set_options(&t, headers);
    CURLcode code = lib.curl_easy_perform(client->curl);
    lib.curl_slist_free_all(headers);
    long status = 0;
    lib.curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    // An upload that was refused before all of it was read has an answer all the same.
    if (code != CURLE_OK && !(code == CURLE_SEND_ERROR && status >= 400)) {
        return translate(&t, code, err);
    }
    call->status = (int)status;
    return 0;
}

int http_client_new(struct http_client **ret, struct err *err)
{
    TRY(lib_need(err));
    CLEAN(http_client_clean) struct http_client *client = NEW(struct http_client);
    client->curl = lib.curl_easy_init();
    if (!client->curl) {
        return err_set(err, ERR_NO_MEMORY, "libcurl could not be started");
    }
    *ret = MOVE(client);
    return 0;
}

void http_client_free(struct http_client *client)
{
    if (client) {
        if (client->curl) {
            lib.curl_easy_cleanup(client->curl);
        }
        free(client);
    }
}

void http_client_clean(struct http_client **client)
{
    http_client_free(*client);
}
