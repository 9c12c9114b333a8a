// SPDX-License-Identifier: Apache-2.0
// rouse get: an object to a file, or to standard output.
#include "cli/s3_api.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option options[] = {
    {"region", 'r', "REGION", "region"},
    REMOTE_OPTIONS,
};

struct sink {
    int fd;
    uint64_t size;
    int errnum;
};

static int on_piece(void *ctx, struct str piece)
{
    struct sink *sink = ctx;
    sink->size += piece.size;
    while (piece.size) {
        ssize_t put = write(sink->fd, piece.at, piece.size);
        if (put < 0 && errno == EINTR) {
            continue;
        }
        if (put < 0) {
            sink->errnum = errno;
            return ERR_IO;
        }
        piece = str_skip(piece, (size_t)put);
    }
    return 0;
}

static int fetch(struct remote *remote, const struct s3_uri *from, const char *name,
                 struct sink *sink, struct err *err)
{
    int rc = remote_s3_get_to(remote, from->bucket, from->key, on_piece, sink, err);
    return sink->errnum ? err_errno(err, ERR_IO, sink->errnum, "%s", name) : rc;
}

// Written beside and renamed: a file that is there is whole.
static int to_file(const struct args *args, struct remote *remote, const struct s3_uri *from,
                   const char *file, struct err *err)
{
    CLEAN_MEM char *beside = mem_printf("%s.%d.part", file, (int)getpid());
    CLEAN_FD int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return err_errno(err, ERR_IO, errno, "%s", file);
    }
    struct sink sink = {.fd = fd};
    int rc = fetch(remote, from, file, &sink, err);
    if (rc >= 0 && rename(beside, file) < 0) {
        rc = err_errno(err, ERR_IO, errno, "%s", file);
    }
    if (rc < 0) {
        unlink(beside);
        return rc;
    }
    if (args_has(args, "json")) {
        CLEAN_JSON json_t *object = json_object();
        json_put_str(object, "bucket", str_of(from->bucket));
        json_put_str(object, "key", str_of(from->key));
        json_put_str(object, "file", str_of(file));
        json_put_int(object, "size", (int64_t)sink.size);
        cli_print_json(object);
        return 0;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, sink.size);
    printf("s3://%s/%s -> %s %s(%s)%s\n", from->bucket, from->key, file, terminal_on(DIM, false),
           buf_text(&size), terminal_off(false));
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN(remote_s3_uri_done) struct s3_uri from = {0};
    TRY(remote_s3_uri_parse(args->rest[0], &from, err));
    const char *slash = strrchr(from.key, '/');
    const char *name = slash ? slash + 1 : from.key;
    const char *file = args->rest_count > 1 ? args->rest[1] : name;
    if (from.key[0] == 0 || file[0] == 0) {
        return err_set(err, ERR_INVALID, "\"%s\" names no object", args->rest[0]);
    }
    TRY(remote_find(args, args_get(args, "region"), &remote, err));
    if (strcmp(file, "-") == 0) {
        struct sink sink = {.fd = STDOUT_FILENO};
        return fetch(&remote, &from, "standard output", &sink, err);
    }
    struct stat st;
    bool folder = stat(file, &st) == 0 && S_ISDIR(st.st_mode);
    CLEAN_MEM char *within = folder ? mem_printf("%s/%s", file, name) : mem_dup(file);
    return to_file(args, &remote, &from, within, err);
}

const struct verb verb_get = {
    .name = "get",
    .usage = "s3://BUCKET/KEY [FILE | DIR | -]",
    .summary = "copy an object to a file",
    .details =
        "Without a file: to one of the object's name in this folder. \"-\" is standard output.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .least = 1,
    .most = 2,
    .run = run,
};
