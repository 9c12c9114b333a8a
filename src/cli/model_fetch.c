// SPDX-License-Identifier: Apache-2.0
// Models from elsewhere on the web: into a file of the user's cache, from where an interrupted fetch goes
// on, and only those bytes that were asked for by their digest.
#include "cli/model_store.h"
#include "base/file.h"
#include "base/mem.h"
#include "http/client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define REDIRECTS_MAX 8

struct fetch {
    char *url, *next; // next: where a redirect leads
    int fd;
    uint64_t at, length; // in the file; of what comes
    bool begun;          // the first piece of this answer has come
    struct model_progress progress;
    struct err err;
};

static void on_header(void *ctx, struct str name, struct str value)
{
    struct fetch *f = ctx;
    uint64_t size = 0;
    if (str_eq_nocase(name, STR("location"))) {
        free(f->next);
        f->next = str_dup(str_trim(value));
    } else if (str_eq_nocase(name, STR("content-length")) && str_to_u64(str_trim(value), &size)) {
        f->length = size;
    }
}

static int on_piece(void *ctx, int status, struct str piece)
{
    struct fetch *f = ctx;
    if (status != 200 && status != 206) {
        return 0; // the page that tells of an error
    }
    if (!f->begun && status == 200) {
        f->at = 0; // it gives the whole, whatever was asked for
        if (ftruncate(f->fd, 0) < 0) {
            return err_errno(&f->err, ERR_IO, errno, "cannot write the fetched model");
        }
    }
    f->progress.total = f->begun ? f->progress.total : f->at + f->length;
    f->begun = true;
    while (piece.size) {
        ssize_t n = pwrite(f->fd, piece.at, piece.size, (off_t)f->at);
        if (n < 0 && errno != EINTR) {
            return err_errno(&f->err, ERR_IO, errno, "cannot write the fetched model");
        }
        piece = str_skip(piece, n > 0 ? (size_t)n : 0);
        f->at += n > 0 ? (uint64_t)n : 0;
    }
    model_progress_tell(&f->progress, f->at);
    return 0;
}

static void on_tick(void *ctx)
{
    (void)ctx;
    terminal_tick();
}

// "https://host/a/b" and "/c" make "https://host/c".
static char *resolve(const char *url, const char *location)
{
    struct str host = str_of(url);
    if (location[0] != '/') {
        return mem_dup(location);
    }
    ptrdiff_t at = str_find_str(host, STR("://"));
    size_t begin = at < 0 ? 0 : (size_t)at + 3;
    ptrdiff_t slash = str_find(str_skip(host, begin), '/');
    host = slash < 0 ? host : str_head(host, begin + (size_t)slash);
    return mem_printf(STR_FMT "%s", STR_ARG(host), location);
}

static bool is_web(const char *url)
{
    return str_starts(str_of(url), STR("http://")) || str_starts(str_of(url), STR("https://"));
}

static int fetch_once(struct http_client *client, struct fetch *f, int *ret_status, struct err *err)
{
    CLEAN_MEM char *range = mem_printf("bytes=%llu-", (unsigned long long)f->at);
    struct http_header header = {STR("Range"), str_of(range)};
    struct http_call call = {.method = "GET",
                             .url = f->url,
                             .headers = &header,
                             .header_count = f->at ? 1 : 0,
                             .on_header = on_header,
                             .on_piece = on_piece,
                             .on_tick = on_tick,
                             .ctx = f};
    free(MOVE(f->next));
    f->begun = false;
    int rc = http_client_send(client, &call, err);
    *ret_status = call.status;
    return f->err.code ? err_set(err, f->err.code, "%s", f->err.text) : rc;
}

static int fetch(struct http_client *client, struct fetch *f, struct err *err)
{
    for (int i = 0; i < REDIRECTS_MAX; i++) {
        int status = 0;
        TRY(fetch_once(client, f, &status, err));
        if (status == 200 || status == 206 || status == 416) { // 416: all of it was there
            return 0;
        }
        if (status < 300 || status >= 400 || !f->next) {
            return err_set(err, status == 404 ? ERR_NOT_FOUND : ERR_UNAVAILABLE,
                           "the server answers %d", status);
        }
        char *next = resolve(f->url, f->next);
        free(f->url);
        f->url = next;
        if (!is_web(f->url)) {
            break;
        }
    }
    return err_set(err, ERR_UNAVAILABLE, "it is redirected too often, or to nowhere");
}

static char *cache_path(const char *digest)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    return cache && cache[0] == '/' ? mem_printf("%s/rouse/models/%s", cache, digest)
                                    : mem_printf("%s/.cache/rouse/models/%s",
                                                 home && home[0] == '/' ? home : "/tmp", digest);
}

static int check(const char *path, const char *digest, struct err *err)
{
    struct model_file file = {.path = path};
    TRY(model_file_read(&file, err));
    if (strcmp(file.digest, digest) != 0) {
        unlink(path);
        return err_set(err, ERR_INVALID, "the SHA-256 of its bytes is %s", file.digest);
    }
    return 0;
}

static void fetch_done(struct fetch *f)
{
    fd_clean(&f->fd);
    free(f->url);
    free(f->next);
}

int model_fetch(const char *url, const char *digest, char **ret_path, struct err *err)
{
    CLEAN(http_client_clean) struct http_client *client = NULL;
    CLEAN_MEM char *path = cache_path(digest);
    CLEAN(fetch_done)
    struct fetch f = {.url = mem_dup(url), .fd = -1, .progress = {.what = "fetching"}};
    struct stat st;
    TRY(file_make_parent(path, 0700, err));
    f.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f.fd < 0 || fstat(f.fd, &st) < 0) {
        return err_errno(err, ERR_IO, errno, "%s", path);
    }
    f.at = (uint64_t)st.st_size;
    TRY(http_client_new(&client, err));
    int rc = fetch(client, &f, err);
    rc = rc < 0 ? rc : check(path, digest, err);
    if (rc < 0) {
        return err_prefix(err, "%s", url);
    }
    *ret_path = MOVE(path);
    return 0;
}
