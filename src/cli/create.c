// SPDX-License-Identifier: Apache-2.0
// rouse create: a small commented project from a template that the program carries.
#include "cli/cli.h"
#include "cli/embedded.h"
#include "config/quantity.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE 40
#define TEMPLATE_MAX  16
#define FILE_SIZE_MAX (256 * 1024)

static const struct option options[] = {
    {"template", 't', "NAME", "onnx-image-classifier (the only one so far)"},
    {"path", 'p', "DIR", "folder to make; its last part is the name unless --name says another"},
    {"name", 'n', "NAME", "name of the service, and of its buckets"},
    {"model", 'm', "FILE", "an ONNX model to copy into the project"},
    {"labels", 'l', "FILE", "names of its classes to copy, one a line"},
    {"json", 0, NULL, "print JSON"},
};

// What {{…}} in a template stands for.
struct project {
    const char *template, *path;
    char *name;
    const char *model_file, *labels_file; // to be copied, or NULL
    const char *model;                    // its name in the project
};

static size_t template_names(const char *names[TEMPLATE_MAX], char *keep[TEMPLATE_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < embedded_count && count < TEMPLATE_MAX; i++) {
        struct str rest = str_of(embedded_files[i].name);
        struct str name = str_cut(&rest, '/');
        if (count == 0 || !str_eq(name, str_of(names[count - 1]))) {
            keep[count] = str_dup(name);
            names[count] = keep[count];
            count++;
        }
    }
    return count;
}

static int check_template(const char *name, struct err *err)
{
    const char *names[TEMPLATE_MAX];
    char *keep[TEMPLATE_MAX] = {0};
    size_t count = template_names(names, keep);
    CLEAN(buf_done) struct buf all = BUF_INIT(4096);
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        known = known || (name && strcmp(names[i], name) == 0);
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    }
    const char *meant = name ? nearest_word(str_of(name), names, count) : NULL;
    int rc = 0;
    if (!name) {
        rc = err_set(err, ERR_INVALID, "--template is missing; there is %s", buf_text(&all));
    } else if (!known) {
        rc = err_set(err, ERR_INVALID, "there is no template \"%s\"%s%s%s; there is %s", name,
                     meant ? ", did you mean \"" : "", meant ? meant : "", meant ? "\"?" : "",
                     buf_text(&all));
    }
    for (size_t i = 0; i < count; i++) {
        free(keep[i]);
    }
    return rc;
}

// The last part of the path in lower case, other characters as '-'.
static char *name_of_path(const char *path)
{
    CLEAN_MEM char *whole = realpath(path, NULL);
    struct str s = str_of(whole ? whole : path);
    while (s.size > 1 && s.at[s.size - 1] == '/') {
        s.size--;
    }
    while (str_find(s, '/') >= 0) {
        s = str_skip(s, (size_t)str_find(s, '/') + 1);
    }
    char *name = str_dup(s);
    for (char *c = name; *c; c++) {
        bool upper = *c >= 'A' && *c <= 'Z';
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9');
        *c = upper ? (char)(*c + ('a' - 'A')) : fine ? *c : '-';
    }
    return name;
}

// It becomes a service, a bucket and a part of a function's name.
static int check_name(const char *name, struct err *err)
{
    struct str s = str_of(name);
    bool fine = s.size > 1 && s.size <= NAME_MAX_SIZE && s.at[0] >= 'a' && s.at[0] <= 'z' &&
                s.at[s.size - 1] != '-';
    for (size_t i = 0; i < s.size; i++) {
        char c = s.at[i];
        fine = fine && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-');
    }
    return fine ? 0
                : err_set(err, ERR_INVALID,
                          "\"%s\" cannot be a name: 2 to %d of a-z, 0-9 and -, "
                          "beginning with a letter; give one with --name",
                          name, NAME_MAX_SIZE);
}

static const char *value_of(const struct project *project, struct str key)
{
    if (str_eq(key, STR("name"))) {
        return project->name;
    }
    if (str_eq(key, STR("model"))) {
        return project->model;
    }
    if (str_eq(key, STR("model-note"))) {
        return project->model_file ? "" : " (yours: it is not there yet)";
    }
    if (str_eq(key, STR("labels-note"))) {
        return project->labels_file ? "" : " (yours; then name it in `model.yaml`)";
    }
    if (str_eq(key, STR("labels"))) {
        return project->labels_file
                   ? "labels: labels.txt     # one name per line, in the order of the "
                     "outputs"
                   : "# labels: labels.txt   # one name per line, in the order of the "
                     "outputs";
    }
    return NULL;
}

static void fill_in(const struct project *project, struct str text, struct buf *out)
{
    for (ptrdiff_t at; (at = str_find_str(text, STR("{{"))) >= 0;) {
        buf_add_str(out, str_head(text, (size_t)at));
        text = str_skip(text, (size_t)at + 2);
        ptrdiff_t end = str_find_str(text, STR("}}"));
        struct str key = str_head(text, end >= 0 ? (size_t)end : 0);
        const char *value = value_of(project, key);
        buf_add_text(out, value ? value : "{{");
        text = value ? str_skip(text, (size_t)end + 2) : text;
    }
    buf_add_str(out, text);
}

static int copy_file(const char *from, const char *to, struct err *err)
{
    CLEAN_FD int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0) {
        return err_errno(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", from);
    }
    CLEAN_FD int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (out < 0) {
        return err_errno(err, errno == EEXIST ? ERR_EXISTS : ERR_IO, errno, "%s", to);
    }
    char piece[64 * 1024];
    for (;;) {
        ssize_t got = read(in, piece, sizeof piece);
        if (got == 0) {
            return 0;
        }
        if (got < 0 || write(out, piece, (size_t)got) != got) {
            return err_errno(err, ERR_IO, errno, "%s", got < 0 ? from : to);
        }
    }
}

static int write_files(const struct project *project, json_t *files, struct err *err)
{
    CLEAN_MEM char *prefix = mem_printf("%s/", project->template);
    for (size_t i = 0; i < embedded_count; i++) {
        struct str name = str_of(embedded_files[i].name);
        if (!str_starts(name, str_of(prefix))) {
            continue;
        }
        name = str_skip(name, strlen(prefix));
        CLEAN_MEM char *path = mem_printf("%s/" STR_FMT, project->path, STR_ARG(name));
        CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
        fill_in(project, str_of(embedded_files[i].text), &text);
        if (access(path, F_OK) == 0) {
            return err_set(err, ERR_EXISTS, "%s is there already and was left as it is", path);
        }
        TRY(file_write(path, buf_str(&text), 0644, err));
        json_array_append_new(files, json_from_str(name));
    }
    const char *const copies[][2] = {{project->model_file, project->model},
                                     {project->labels_file, "labels.txt"}};
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", project->path, copies[i][1]);
        if (copies[i][0]) {
            TRY(copy_file(copies[i][0], path, err));
            json_array_append_new(files, json_from_str(str_of(copies[i][1])));
        }
    }
    return 0;
}

static int check_sources(const struct project *project, struct err *err)
{
    const char *const files[] = {project->model_file, project->labels_file};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        struct stat st;
        if (files[i] && (stat(files[i], &st) < 0 || !S_ISREG(st.st_mode))) {
            return err_set(err, ERR_NOT_FOUND, "there is no file %s", files[i]);
        }
    }
    CLEAN_MEM char *there = mem_printf("%s/serverless.yml", project->path);
    return access(there, F_OK) == 0
               ? err_set(err, ERR_EXISTS, "%s is there already; choose another --path", there)
               : 0;
}

static void print_next_steps(const struct project *project)
{
    printf("%s✔%s Project \"%s\" created in %s from template %s\n", terminal_on(GREEN, false),
           terminal_off(false), project->name, project->path, project->template);
    if (!project->model_file) {
        printf("\nPut your model there as %s/%s and, if it has classes, their names into\n"
               "labels.txt (see model.yaml). Then:\n",
               project->path, project->model);
    }
    printf("\n  cd %s\n  rouse deploy\n", project->path);
}

static int run(const struct args *args, struct err *err)
{
    struct project project = {.template = args_get(args, "template"),
                              .path = args_get(args, "path"),
                              .model_file = args_get(args, "model"),
                              .labels_file = args_get(args, "labels"),
                              .model = "model.onnx"};
    TRY(check_template(project.template, err));
    const char *name = args_get(args, "name");
    project.path = project.path ? project.path : name ? name : project.template;
    CLEAN_MEM char *made = name ? mem_dup(name) : name_of_path(project.path);
    project.name = made;
    TRY(check_name(project.name, err));
    if (project.model_file) {
        const char *slash = strrchr(project.model_file, '/');
        project.model = slash ? slash + 1 : project.model_file;
    }
    TRY(check_sources(&project, err));
    TRY(file_make_dir(project.path, 0755, err));
    CLEAN_JSON json_t *object = json_object();
    json_t *files = json_array();
    json_put_str(object, "service", str_of(project.name));
    json_put_str(object, "path", str_of(project.path));
    json_put(object, "files", files);
    TRY(write_files(&project, files, err));
    if (args_has(args, "json")) {
        cli_print_json(object);
    } else {
        print_next_steps(&project);
    }
    return 0;
}

const struct verb verb_create = {
    .name = "create",
    .usage = "--template NAME --path DIR [--name NAME] [--model FILE] [--labels FILE]",
    .summary = "write a small commented project",
    .details =
        "With --model the project is ready for rouse deploy; without, it says where your model "
        "goes. Files that\nare there already are never overwritten.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
