// SPDX-License-Identifier: Apache-2.0
// rouse create: a small commented project from a template that the program carries.
#include "cli/cli.h"
#include "cli/embedded.h"
#include "cli/model.h"
#include "config/quantity.h"
#include "base/file.h"
#include "base/mem.h"
#include "format/json.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_SIZE 40
#define FILE_SIZE_MAX (256 * 1024)
#define LABELS_MAX    (16 * 1024 * 1024)

static const struct option options[] = {
    {"template", 't', "NAME", "one of those above"},
    {"path", 'p', "DIR", "folder to make; its last part is the name unless --name says another"},
    {"name", 'n', "NAME", "name of the service, and of its buckets"},
    {"model", 'm', "FILE", "a model to copy into the project (templates of models)"},
    {"labels", 'l', "FILE", "names of its classes to copy, one a line (templates of models)"},
    {"json", 0, NULL, "print JSON"},
};

struct create_template {
    const char *name;   // its folder in the embedded files
    const char *invoke; // what follows "rouse invoke "
    const char *model;  // where --model FILE goes, "" for its own name; NULL: it has no model
};

static const struct create_template templates[] = {
    {"aws-python3", "-f hello -d '{\"name\": \"you\"}'", NULL},
    {"aws-nodejs", "-f hello -d '{\"name\": \"you\"}'", NULL},
    {"aws-provided-c", "-f hello -d '{\"name\": \"you\"}'", NULL},
    {"aws-go", "-f hello -d '{\"name\": \"you\"}'", NULL},
    {"onnx-image-classifier", "-f classify -p picture.jpg", ""},
    {"torch-image-classifier", "-f classify -p event.json", "layer/ml/model/model.pt"},
};

// What a template is filled in with: its own name stands for the project's, {{…}} for the rest.
struct project {
    const struct create_template *template;
    const char *path;
    char *name;
    const char *model_file, *labels_file; // to be copied, or NULL
    const char *model;                    // its name in the project
    char *python;                         // runtime of functions in Python
};

static int find_template(const char *name, const struct create_template **ret, struct err *err)
{
    const char *names[ARRAY_SIZE(templates)];
    CLEAN(buf_done) struct buf all = BUF_INIT(4096);
    for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
        names[i] = templates[i].name;
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
        if (name && strcmp(names[i], name) == 0) {
            *ret = &templates[i];
            return 0;
        }
    }
    const char *meant = name ? nearest_word(str_of(name), names, ARRAY_SIZE(names)) : NULL;
    return !name ? err_set(err, ERR_INVALID, "--template is missing; there are %s", buf_text(&all))
                 : err_set(err, ERR_INVALID, "there is no template \"%s\"%s%s%s; there are %s",
                           name, meant ? ", did you mean \"" : "", meant ? meant : "",
                           meant ? "\"?" : "", buf_text(&all));
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

// The system's own Python, so that the function runs with what it asks for: /usr/bin/python3 is a link
// to python3.N.
static char *python_runtime(void)
{
    char target[64];
    ssize_t size = readlink("/usr/bin/python3", target, sizeof target);
    struct str name = str_n(target, size > 0 && size < (ssize_t)sizeof target ? (size_t)size : 0);
    return str_starts(name, STR("python3.")) ? str_dup(name) : mem_dup("python3.12");
}

static const char *value_of(const struct project *project, struct str key)
{
    if (str_eq(key, STR("python"))) {
        return project->python;
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

static void put_name(const struct project *project, struct str text, struct buf *out)
{
    struct str own = str_of(project->template->name);
    for (ptrdiff_t at; (at = str_find_str(text, own)) >= 0;) {
        buf_add_str(out, str_head(text, (size_t)at));
        buf_add_text(out, project->name);
        text = str_skip(text, (size_t)at + own.size);
    }
    buf_add_str(out, text);
}

static void put_values(const struct project *project, struct str text, struct buf *out)
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

static int write_file(const struct project *project, struct str name, const char *text,
                      struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/" STR_FMT, project->path, STR_ARG(name));
    CLEAN(buf_done) struct buf named = BUF_INIT(FILE_SIZE_MAX);
    CLEAN(buf_done) struct buf whole = BUF_INIT(FILE_SIZE_MAX);
    put_name(project, str_of(text), &named);
    put_values(project, buf_str(&named), &whole);
    if (access(path, F_OK) == 0) {
        return err_set(err, ERR_EXISTS, "%s is there already and was left as it is", path);
    }
    return file_write(path, buf_str(&whole), 0644, err);
}

static char *count_labels(const struct project *project)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(LABELS_MAX);
    size_t count = 0;
    if (!project->labels_file || file_read(project->labels_file, &text, NULL) < 0) {
        return NULL;
    }
    for (struct str rest = str_trim(buf_str(&text)); rest.at && rest.size; count++) {
        str_cut(&rest, '\n');
    }
    return mem_printf("%zu", count);
}

// Of an ONNX model its model.yaml is written by what is in it. 1 when it was, 0 when it cannot be read,
// which is told.
static int write_description(const struct project *project, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/model.yaml", project->path);
    CLEAN_MEM char *labels = count_labels(project);
    CLEAN_JSON json_t *report = NULL;
    struct err why = {0};
    if (model_inspect(project->model_file, labels, &report, &why) < 0) {
        terminal_warning("%s; model.yaml is a guess", why.text);
        return 0;
    }
    struct str yaml = json_str(json_object_get(report, "yaml"));
    ptrdiff_t at = labels ? str_find_str(yaml, STR("# labels:")) : -1;
    CLEAN(buf_done) struct buf text = BUF_INIT(FILE_SIZE_MAX);
    buf_add_str(&text, str_head(yaml, at >= 0 ? (size_t)at : 0));
    buf_add_str(&text, str_skip(yaml, at >= 0 ? (size_t)at + 2 : 0)); // ours are there
    size_t i;
    json_t *note;
    json_array_foreach(json_object_get(report, "guessed"), i, note)
    {
        if (str_starts(json_str(note), STR("labels:"))) {
            terminal_warning("%s", json_string_value(note));
        }
    }
    TRY(yaml.size ? file_write(path, buf_str(&text), 0644, err) : 0);
    return yaml.size > 0;
}

static int write_files(const struct project *project, json_t *files, struct err *err)
{
    bool onnx = project->model_file && !project->template->model[0];
    int described = onnx ? write_description(project, err) : 0;
    TRY(described);
    CLEAN_MEM char *prefix = mem_printf("%s/", project->template->name);
    for (size_t i = 0; i < embedded_count; i++) {
        struct str name = str_of(embedded_files[i].name);
        bool ours = str_starts(name, str_of(prefix));
        name = str_skip(name, strlen(prefix));
        bool given = project->labels_file && str_eq(name, STR("labels.txt"));
        bool written = described && str_eq(name, STR("model.yaml"));
        if (ours && !given) {
            TRY(written ? 0 : write_file(project, name, embedded_files[i].text, err));
            json_array_append_new(files, json_from_str(name));
        }
    }
    const char *const copies[][2] = {{project->model_file, project->model},
                                     {project->labels_file, "labels.txt"}};
    for (size_t i = 0; i < ARRAY_SIZE(copies); i++) {
        CLEAN_MEM char *path = mem_printf("%s/%s", project->path, copies[i][1]);
        if (copies[i][0]) {
            TRY(file_make_parent(path, 0755, err));
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
        if (files[i] && !project->template->model) {
            return err_set(err, ERR_INVALID, "%s has no model: --model and --labels are for others",
                           project->template->name);
        }
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
           terminal_off(false), project->name, project->path, project->template->name);
    if (!project->model_file && project->template->model && !project->template->model[0]) {
        printf("\nPut your model there as %s/%s and, if it has classes, their names into\n"
               "labels.txt (see model.yaml). Then:\n",
               project->path, project->model);
    }
    printf("\n  cd %s\n  rouse deploy\n  rouse invoke %s\n", project->path,
           project->template->invoke);
}

static void project_done(struct project *project)
{
    free(project->name);
    free(project->python);
}

static int run(const struct args *args, struct err *err)
{
    CLEAN(project_done)
    struct project project = {.path = args_get(args, "path"),
                              .model_file = args_get(args, "model"),
                              .labels_file = args_get(args, "labels"),
                              .model = "model.onnx"};
    TRY(find_template(args_get(args, "template"), &project.template, err));
    const char *name = args_get(args, "name");
    project.path = project.path ? project.path : name ? name : project.template->name;
    project.name = name ? mem_dup(name) : name_of_path(project.path);
    project.python = python_runtime();
    TRY(check_name(project.name, err));
    if (project.template->model && project.template->model[0]) {
        project.model = project.template->model;
    } else if (project.model_file) {
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
        "Templates:\n\n"
        "- aws-python3: a function in Python\n"
        "- aws-nodejs: a function in JavaScript\n"
        "- aws-provided-c: a function in C, with nothing but libc\n"
        "- aws-go: a function in Go\n"
        "- onnx-image-classifier: an ONNX model that classifies pictures, no code\n"
        "- torch-image-classifier: a PyTorch model behind a few lines of Python\n\n"
        "With --model a model's project is ready for rouse deploy, its model.yaml written by "
        "what is in the model;\nwithout, it says where your model goes. Files that are there "
        "already are never overwritten.",
    .options = options,
    .option_count = ARRAY_SIZE(options),
    .run = run,
};
