// SPDX-License-Identifier: Apache-2.0
// rouse put: files to objects.
#include "cli/s3_api.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

#include <sys/stat.h>

static const struct option options[] = {
    {"region", 'r', "REGION", "region"},
    REMOTE_OPTIONS,
};

// s3://bucket, s3://bucket/folder/ and several files take the files' names; else the key is as given.
static char *key_of(const struct s3_uri *to, const char *file, bool several)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash ? slash + 1 : file;
    struct str key = str_of(to->key);
    bool folder = key.size == 0 || key.at[key.size - 1] == '/';
    if (folder) {
        return mem_printf("%s%s", to->key, name);
    }
    return several ? mem_printf("%s/%s", to->key, name) : mem_dup(to->key);
}

static int put_one(const struct args *args, struct remote *remote, const struct s3_uri *to,
                   const char *file, json_t *rows, struct err *err)
{
    CLEAN_MEM char *key = key_of(to, file, args->rest_count > 2);
    CLEAN_MEM char *etag = NULL;
    struct stat st;
    if (stat(file, &st) < 0 || !S_ISREG(st.st_mode)) {
        return err_set(err, ERR_NOT_FOUND, "there is no file %s", file);
    }
    terminal_glimpse("%s", file);
    TRY(remote_s3_put_file(remote, to->bucket, key, file, &etag, err));
    terminal_clear();
    if (args_has(args, "json")) {
        json_t *row = json_object();
        json_put_str(row, "file", str_of(file));
        json_put_str(row, "bucket", str_of(to->bucket));
        json_put_str(row, "key", str_of(key));
        json_put_int(row, "size", (int64_t)st.st_size);
        json_put(row, "etag", etag ? json_string(etag) : json_null());
        json_array_append_new(rows, row);
        return 0;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, (uint64_t)st.st_size);
    printf("%s -> s3://%s/%s %s(%s)%s\n", file, to->bucket, key, terminal_on(DIM, false),
           buf_text(&size), terminal_off(false));
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN(remote_s3_uri_done) struct s3_uri to = {0};
    CLEAN_JSON json_t *rows = json_array();
    TRY(remote_s3_uri_parse(args->rest[args->rest_count - 1], &to, err));
    TRY(remote_find(args, args_get(args, "region"), &remote, err));
    for (size_t i = 0; i + 1 < args->rest_count; i++) {
        TRY(put_one(args, &remote, &to, args->rest[i], rows, err));
    }
    if (args_has(args, "json")) {
        cli_print_json(rows);
    }
    return 0;
}

const struct verb verb_put = {
    .name = "put",
    .usage = "FILE… s3://BUCKET/KEY",
    .summary = "copy files to a bucket",
    .details =
        "The key is the one given; with several files, or when it ends in \"/\" or is left out, "
        "the files' names follow.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .least = 2,
    .most = -1,
    .run = run,
};
