// SPDX-License-Identifier: Apache-2.0
// rouse ls: buckets, or what is in one.
#include "cli/s3_api.h"
#include "base/mem.h"
#include "config/quantity.h"
#include "format/json.h"

static const struct option options[] = {
    {"recursive", 'R', NULL, "also what is in folders"},
    {"region", 'r', "REGION", "region"},
    REMOTE_OPTIONS,
};

struct listing {
    bool json;
    const char *bucket;
    json_t *rows;
    size_t count;
};

// "2026-01-02T03:04:05.678Z" as "2026-01-02 03:04:05".
static void print_time(struct str iso)
{
    struct str day = str_cut(&iso, 'T');
    printf("%s" STR_FMT " " STR_FMT "%s", terminal_on(DIM, false), STR_ARG(day),
           STR_ARG(str_head(iso, 8)), terminal_off(false));
}

static int on_entry(void *ctx, const struct s3_entry *entry, struct err *err)
{
    struct listing *listing = ctx;
    (void)err;
    listing->count++;
    if (listing->json) {
        json_t *row = json_object();
        json_put_str(row, entry->is_prefix ? "prefix" : "key", entry->key);
        if (!entry->is_prefix) {
            json_put_int(row, "size", (int64_t)entry->size);
            json_put_str(row, "modified", entry->modified);
        }
        json_array_append_new(listing->rows, row);
        return 0;
    }
    if (entry->is_prefix) {
        printf("%-19s %9s  " STR_FMT "\n", "", "", STR_ARG(entry->key));
        return 0;
    }
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    size_add_human(&size, entry->size);
    print_time(entry->modified);
    printf(" %9s  " STR_FMT "\n", buf_text(&size), STR_ARG(entry->key));
    return 0;
}

static int list_buckets(struct remote *remote, struct listing *listing, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(remote_s3_list_buckets(remote, &root, err));
    const struct xml_node *b = xml_child(xml_child(root, "Buckets"), "Bucket");
    for (; b; b = xml_next(b)) {
        struct str name = xml_child_text(b, "Name");
        struct str created = xml_child_text(b, "CreationDate");
        listing->count++;
        if (listing->json) {
            json_t *row = json_object();
            json_put_str(row, "bucket", name);
            json_put_str(row, "created", created);
            json_array_append_new(listing->rows, row);
        } else {
            print_time(created);
            printf("  s3://" STR_FMT "\n", STR_ARG(name));
        }
    }
    return 0;
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    CLEAN(remote_s3_uri_done) struct s3_uri at = {0};
    CLEAN_JSON json_t *rows = json_array();
    struct listing listing = {.json = args_has(args, "json"), .rows = rows};
    if (args->rest_count) {
        TRY(remote_s3_uri_parse(args->rest[0], &at, err));
    }
    TRY(remote_find(args, args_get(args, "region"), &remote, err));
    const char *delimiter = args_has(args, "recursive") ? NULL : "/";
    TRY(args->rest_count
            ? remote_s3_list(&remote, at.bucket, at.key, delimiter, on_entry, &listing, err)
            : list_buckets(&remote, &listing, err));
    if (listing.json) {
        cli_print_json(rows);
    } else if (listing.count == 0) {
        terminal_notice(args->rest_count ? "Nothing there." : "There are no buckets.");
    }
    return 0;
}

const struct verb verb_ls = {
    .name = "ls",
    .usage = "[s3://BUCKET/PREFIX]",
    .summary = "list buckets, or the objects in one",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .most = 1,
    .run = run,
};
