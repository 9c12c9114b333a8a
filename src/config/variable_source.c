// SPDX-License-Identifier: Apache-2.0
// The sources of variables: one function and one row each. A new source is added at the bottom.
#include "config/variable_source.h"
#include "base/file.h"
#include "base/mem.h"

#include <unistd.h>

#define FILE_SIZE_MAX YAML_SIZE_MAX
#define PATH_SIZE_MAX 4096

#define SOURCE(name)                                                                               \
    static int name(struct variables *v, const struct tree_node *at, struct str params,            \
                    struct str address, struct tree_node **ret, struct err *err)

static int value(struct variables *v, const struct tree_node *at, struct str text,
                 struct tree_node **ret)
{
    *ret = tree_string(v->tree, at, text);
    return 1;
}

static int need_address(const struct tree_node *at, const char *source, struct str address,
                        struct err *err)
{
    return address.size ? 0 : tree_fail(err, at, "${%s:…} needs a name after the colon", source);
}

SOURCE(get_self)
{
    (void)at, (void)params;
    int rc = variables_find(v, v->root, address, ret, err);
    if (rc == 0 && str_eq(address, STR("provider.stage"))) {
        return value(v, at, str_of(v->stage ? v->stage : "dev"), ret);
    }
    if (rc == 0 && str_eq(address, STR("provider.region"))) {
        return value(v, at, str_of(v->region ? v->region : "us-east-1"), ret);
    }
    return rc;
}

SOURCE(get_env)
{
    (void)params;
    TRY(need_address(at, "env", address, err));
    CLEAN_MEM char *name = str_dup(address);
    const char *text = getenv(name);
    text = text ? text : map_get(&v->dotenv, address);
    return text ? value(v, at, str_of(text), ret) : 0;
}

SOURCE(get_opt)
{
    (void)params;
    TRY(need_address(at, "opt", address, err));
    const char *text = str_eq(address, STR("stage"))    ? v->options->stage
                       : str_eq(address, STR("region")) ? v->options->region
                                                        : NULL;
    return text ? value(v, at, str_of(text), ret) : 0;
}

SOURCE(get_sls)
{
    (void)params;
    if (str_eq(address, STR("stage"))) {
        return value(v, at, str_of(v->stage ? v->stage : "dev"), ret);
    }
    if (str_eq(address, STR("instanceId"))) {
        CLEAN_MEM char *id = mem_printf("%d", (int)getpid());
        return value(v, at, str_of(id), ret);
    }
    return tree_fail(err, at, "${sls:" STR_FMT "}: only sls:stage and sls:instanceId are known",
                     STR_ARG(address));
}

SOURCE(get_aws)
{
    (void)params;
    if (str_eq(address, STR("region"))) {
        return value(v, at, str_of(v->region ? v->region : "us-east-1"), ret);
    }
    if (str_eq(address, STR("accountId"))) {
        return value(v, at, STR("000000000000"), ret);
    }
    return tree_fail(err, at, "${aws:" STR_FMT "}: only aws:region and aws:accountId are known",
                     STR_ARG(address));
}

// --param wins over the stage's params, these over the default ones; "stages" is the newer spelling.
SOURCE(get_param)
{
    (void)params;
    TRY(need_address(at, "param", address, err));
    for (size_t i = v->options->param_count; i-- > 0;) {
        struct str text = str_of(v->options->params[i]);
        if (str_eq(str_cut(&text, '='), address)) {
            return value(v, at, text, ret);
        }
    }
    const char *stages[] = {v->stage ? v->stage : "dev", "default"};
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        CLEAN_MEM char *older = mem_printf("params.%s." STR_FMT, stages[i], STR_ARG(address));
        CLEAN_MEM char *newer =
            mem_printf("stages.%s.params." STR_FMT, stages[i], STR_ARG(address));
        int rc = variables_find(v, v->root, str_of(older), ret, err);
        rc = rc ? rc : variables_find(v, v->root, str_of(newer), ret, err);
        if (rc != 0) {
            return rc;
        }
    }
    return 0;
}

SOURCE(get_str_to_bool)
{
    (void)address;
    bool yes = str_eq_nocase(params, STR("true")) || str_eq(params, STR("1"));
    bool no = str_eq_nocase(params, STR("false")) || str_eq(params, STR("0"));
    if (!yes && !no) {
        return tree_fail(err, at, "strToBool(" STR_FMT "): is neither true, false, 1 nor 0",
                         STR_ARG(params));
    }
    *ret = tree_scalar(v->tree, at, YAML_BOOL, yes ? STR("true") : STR("false"));
    return 1;
}

// 1 with the text, 0 when there is no such file.
static int read_file(const char *path, struct buf *out, struct err *err)
{
    int rc = file_read(path, out, err);
    return rc == ERR_NOT_FOUND ? 0 : rc < 0 ? rc : 1;
}

static char *below_dir(const struct variables *v, struct str path)
{
    if (str_starts(path, STR("./"))) {
        path = str_skip(path, 2);
    }
    bool absolute = path.size && path.at[0] == '/';
    return absolute || !v->options->dir ? str_dup(path)
                                        : mem_printf("%s/" STR_FMT, v->options->dir, STR_ARG(path));
}

// The parsed file, read once; other than .yml, .yaml and .json a file is one text.
static int load_file(struct variables *v, const struct tree_node *at, struct str name,
                     struct tree_node **ret, struct err *err)
{
    *ret = map_get(&v->files, name);
    if (*ret) {
        return 1;
    }
    CLEAN_MEM char *path = below_dir(v, name);
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    int rc = read_file(path, &text, err);
    if (rc < 0) {
        return tree_fail(err, at, "${file(" STR_FMT ")}: %s", STR_ARG(name), err ? err->text : "");
    }
    if (rc == 0) {
        return 0;
    }
    bool parsed =
        str_ends(name, STR(".yml")) || str_ends(name, STR(".yaml")) || str_ends(name, STR(".json"));
    struct str shown = str_starts(name, STR("./")) ? str_skip(name, 2) : name;
    CLEAN_MEM char *shown_text = str_dup(shown);
    if (parsed) {
        TRY(tree_parse(v->tree, buf_str(&text), shown_text, ret, err));
    } else {
        *ret = tree_string(v->tree, at, str_trim(buf_str(&text)));
    }
    map_put(&v->files, name, *ret);
    return 1;
}

SOURCE(get_file)
{
    struct str name = params;
    if (name.size >= 2 && (name.at[0] == '\'' || name.at[0] == '"')) {
        name = str_n(name.at + 1, name.size - 2);
    }
    if (name.size == 0 || name.size > PATH_SIZE_MAX) {
        return tree_fail(err, at, "${file(…)} needs a path");
    }
    if (str_ends(name, STR(".js")) || str_ends(name, STR(".cjs")) || str_ends(name, STR(".mjs")) ||
        str_ends(name, STR(".ts"))) {
        return tree_fail(err, at,
                         "${file(" STR_FMT ")}: programs are not run; use a .yml or .json"
                         " file",
                         STR_ARG(name));
    }
    struct tree_node *file = NULL;
    int rc = load_file(v, at, name, &file, err);
    return rc <= 0 ? rc : variables_find(v, file, address, ret, err);
}

#define UNAVAILABLE(name, text)                                                                    \
    SOURCE(name)                                                                                   \
    {                                                                                              \
        (void)at, (void)params, (void)address, (void)ret, (void)err;                               \
        v->unavailable = text;                                                                     \
        return 0;                                                                                  \
    }
UNAVAILABLE(get_ssm, "ssm")
UNAVAILABLE(get_cf, "cf")
UNAVAILABLE(get_s3, "s3")
UNAVAILABLE(get_git, "git")
UNAVAILABLE(get_output, "output")

const struct source source_table[] = {
    {"self", get_self},     {"env", get_env}, {"opt", get_opt},     {"sls", get_sls},
    {"file", get_file},     {"aws", get_aws}, {"param", get_param}, {"strToBool", get_str_to_bool},
    {"ssm", get_ssm},       {"cf", get_cf},   {"s3", get_s3},       {"git", get_git},
    {"output", get_output},
};
const size_t source_count = ARRAY_SIZE(source_table);

// One "NAME=value" line: an optional "export ", quotes, and " #" comments after bare values.
static void add_dotenv_line(struct variables *v, struct str line)
{
    line = str_trim(line);
    if (str_starts(line, STR("export "))) {
        line = str_trim(str_skip(line, 7));
    }
    struct str text = line;
    struct str name = str_trim(str_cut(&text, '='));
    if (!text.at || name.size == 0 || name.at[0] == '#') {
        return;
    }
    text = str_trim(text);
    char first = text.size ? text.at[0] : 0;
    ptrdiff_t close = first ? str_find(str_skip(text, 1), first) : -1;
    if ((first == '"' || first == '\'') && close >= 0) {
        text = str_n(text.at + 1, (size_t)close);
    } else {
        ptrdiff_t comment = str_find_str(text, STR(" #"));
        text = str_trim(comment >= 0 ? str_head(text, (size_t)comment) : text);
    }
    map_put(&v->dotenv, name, (void *)(uintptr_t)tree_text(v->tree, text));
}

int variables_dotenv(struct variables *v, struct err *err)
{
    struct tree_node *wanted = tree_get(v->root, "useDotenv");
    if (!wanted || wanted->yaml.kind != YAML_BOOL || !wanted->yaml.truth) {
        return 0;
    }
    CLEAN_MEM char *named = mem_printf(".env.%s", v->stage);
    const char *names[] = {named, ".env"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        CLEAN_MEM char *path = below_dir(v, str_of(names[i]));
        CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
        int rc = read_file(path, &text, err);
        if (rc < 0) {
            return rc;
        }
        if (rc == 1) {
            struct str rest = buf_str(&text);
            while (rest.at) {
                add_dotenv_line(v, str_cut(&rest, '\n'));
            }
            return 0;
        }
    }
    return 0;
}
