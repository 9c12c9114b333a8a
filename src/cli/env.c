// SPDX-License-Identifier: Apache-2.0
// rouse env: the lines that make every AWS tool in this shell speak to the local server.
//
//     eval "$(rouse env)"
#include "cli/remote.h"
#include "format/bearer.h"
#include "format/json.h"
#include "base/mem.h"

static const struct option options[] = {
    {"data", 0, "DIR", "the server's data folder"},
    {"endpoint-url", 0, "URL", "another address than the server left there"},
    {"region", 'r', "REGION", "region"},
    {"openai", 0, NULL, "also OPENAI_BASE_URL and OPENAI_API_KEY, for embedding functions"},
    {"json", 0, NULL, "print JSON"},
};

// Quoted so that any POSIX shell reads it back as it is.
static void add_export(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "export %s='", name);
    for (const char *c = value; *c; c++) {
        if (*c == '\'') {
            buf_add_text(out, "'\\''");
        } else {
            buf_add_char(out, *c);
        }
    }
    buf_add_text(out, "'\n");
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(remote_done) struct remote remote = {0};
    TRY(remote_find_local(args, &remote, err));
    char key[BEARER_KEY_SIZE];
    bearer_key(str_of(remote.secret), key);
    CLEAN_MEM char *openai = mem_printf("%s/v1", remote.endpoint);
    const struct {
        const char *name, *value;
    } rows[] = {
        {"AWS_ENDPOINT_URL", remote.endpoint},
        {"AWS_ACCESS_KEY_ID", remote.access_key},
        {"AWS_SECRET_ACCESS_KEY", remote.secret},
        {"AWS_REGION", remote.region},
        {"AWS_DEFAULT_REGION", remote.region},
        {"OPENAI_BASE_URL", openai},
        {"OPENAI_API_KEY", key},
    };
    CLEAN(buf_done) struct buf text = BUF_INIT(64 * 1024);
    CLEAN_JSON json_t *object = json_object();
    size_t count = ARRAY_SIZE(rows) - (args_has(args, "openai") ? 0 : 2);
    for (size_t i = 0; i < count; i++) {
        add_export(&text, rows[i].name, rows[i].value);
        json_put_str(object, rows[i].name, str_of(rows[i].value));
    }
    if (args_has(args, "json")) {
        cli_print_json(object);
    } else {
        fputs(buf_text(&text), stdout);
    }
    return 0;
}

const struct verb verb_env = {
    .name = "env",
    .usage = "[--data DIR]",
    .summary = "print the export lines for this shell",
    .details =
        "eval \"$(rouse env)\" makes the AWS CLI, boto3 and other SDKs in this shell speak to the "
        "local server.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
