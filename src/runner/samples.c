// SPDX-License-Identifier: Apache-2.0
// Samples from files, through the same code that requests go through.
#include "runner/samples.h"
#include "base/file.h"
#include "base/map.h"
#include "base/mem.h"
#include "runner/files.h"
#include "runner/package.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define LABELS_FILE "labels.tsv"
#define LABELS_MAX  (16 * 1024 * 1024)
#define TOKENS      128 // of a text, where nothing says how many

static size_t bytes_of(const struct tensor *tensors, size_t count)
{
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        bytes += tensors[i].size;
    }
    return bytes;
}

static void tensors_free(struct tensor *tensors, size_t count)
{
    for (size_t i = 0; tensors && i < count; i++) {
        free(tensors[i].data);
    }
    free(tensors);
}

void samples_done(struct samples *samples)
{
    for (size_t i = 0; i < samples->count; i++) {
        tensors_free(samples->at[i].inputs, samples->input_count);
        tensors_free(samples->at[i].answers, samples->output_count);
        free(samples->at[i].name);
    }
    free(samples->at);
    free(samples->why);
    *samples = (struct samples){0};
}

static struct sample *add_sample(struct samples *samples, const char *name)
{
    samples->at = mem_grow(samples->at, (samples->count + 1) * sizeof *samples->at);
    struct sample *sample = &samples->at[samples->count++];
    *sample = (struct sample){.name = mem_dup(name), .label = -1};
    sample->inputs = mem_alloc(samples->input_count * sizeof *sample->inputs);
    return sample;
}

static void drop_last(struct samples *samples)
{
    struct sample *last = &samples->at[--samples->count];
    tensors_free(last->inputs, samples->input_count);
    tensors_free(last->answers, samples->output_count);
    free(last->name);
}

static void leave_out(struct samples *samples, const char *name, const char *why)
{
    if (samples->left_out++ == 0) {
        samples->why = mem_printf("%s: %s", name, why);
    }
}

// ---- files ----

static int add_item(struct samples *samples, struct package *package, const char *name,
                    struct str bytes)
{
    struct item item = {.source = name, .bytes = bytes};
    struct sample *sample = add_sample(samples, name);
    int rc = package->task->inputs(package, &item, sample->inputs);
    rc = rc < 0 ? rc : model_check(package->model, sample->inputs, &item.err);
    if (rc < 0) {
        leave_out(samples, name, item.err.text);
        drop_last(samples);
        return rc;
    }
    samples->bytes += bytes_of(sample->inputs, samples->input_count);
    return 0;
}

static void take_item(struct samples *samples, struct package *package, const char *name,
                      struct str bytes)
{
    if (samples->count == SAMPLES_MAX || samples->bytes > SAMPLES_SIZE_MAX) {
        leave_out(samples, name, "there are enough without it");
    } else {
        (void)!add_item(samples, package, name, bytes); // counted, if it will not do
    }
}

// A file is a sample, or each line of one that ends in .jsonl.
static void take_file(struct samples *samples, struct package *package, const char *folder,
                      const char *name)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", folder, name);
    CLEAN(files_unmap) struct str bytes = {0};
    struct err why = {0};
    if (files_map(path, &bytes, &why) < 0) {
        leave_out(samples, name, why.text);
        return;
    }
    if (!str_ends(str_of(name), STR(".jsonl"))) {
        take_item(samples, package, name, bytes);
        return;
    }
    size_t number = 0;
    for (struct str rest = bytes; rest.at;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        CLEAN_MEM char *line_name = mem_printf("%s:%zu", name, ++number);
        if (line.size) {
            take_item(samples, package, line_name, line);
        }
    }
}

static int is_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strcmp(entry->d_name, LABELS_FILE) != 0;
}

static int read_folder(struct samples *samples, struct package *package, const char *folder,
                       struct err *err)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, is_wanted, alphasort);
    if (count < 0) {
        return err_errno(err, ERR_NOT_FOUND, errno, "cannot open the folder %s", folder);
    }
    for (int i = 0; i < count; i++) {
        take_file(samples, package, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}

// "name \t class" in each line. One that is missing or no number leaves all unlabelled.
static void read_labels(struct samples *samples, const char *folder)
{
    CLEAN_MEM char *path = mem_printf("%s/" LABELS_FILE, folder);
    CLEAN(buf_done) struct buf text = BUF_INIT(LABELS_MAX);
    CLEAN(map_done) struct map labels = {0}; // class + 1, by name
    if (file_read(path, &text, NULL) < 0) {
        return;
    }
    for (struct str rest = buf_str(&text); rest.at;) {
        struct str line = str_trim(str_cut(&rest, '\n'));
        struct str name = str_cut(&line, '\t');
        uint64_t label = 0;
        if (str_to_u64(str_trim(str_cut(&line, '\t')), &label) && label < INT32_MAX) {
            map_put(&labels, name, (void *)(uintptr_t)(label + 1));
        }
    }
    samples->labelled = samples->count > 0;
    for (size_t i = 0; i < samples->count; i++) {
        struct sample *sample = &samples->at[i];
        sample->label = (int64_t)(uintptr_t)map_get(&labels, str_of(sample->name)) - 1;
        samples->labelled &= sample->label >= 0;
    }
}

int samples_read(struct samples *ret, struct package *package, const char *path, struct err *err)
{
    struct stat st;
    *ret = (struct samples){.input_count = package->model->input_count,
                            .output_count = package->model->output_count};
    if (stat(path, &st) < 0) {
        return err_errno(err, ERR_NOT_FOUND, errno, "cannot read samples from %s", path);
    }
    if (S_ISDIR(st.st_mode)) {
        TRY(read_folder(ret, package, path, err));
        read_labels(ret, path);
    } else {
        const char *slash = strrchr(path, '/');
        CLEAN_MEM char *folder = slash ? mem_dup_n(path, (size_t)(slash - path)) : mem_dup(".");
        take_file(ret, package, folder, slash ? slash + 1 : path);
    }
    if (ret->count == 0) {
        return err_set(err, ERR_INVALID, "%s holds nothing that the model takes%s%s", path,
                       ret->why ? ": " : "", ret->why ? ret->why : "");
    }
    return 0;
}

// ---- random ----

static bool is_float(enum tensor_type type)
{
    return type == TENSOR_FLOAT32 || type == TENSOR_FLOAT16 || type == TENSOR_FLOAT64 ||
           type == TENSOR_BFLOAT16;
}

static int shape_random(const struct engine_value *value, struct tensor *ret, struct err *err)
{
    *ret = (struct tensor){.type = value->type, .rank = value->rank};
    for (size_t d = 0; d < value->rank; d++) {
        int64_t open = d > 0 && !is_float(value->type) ? TOKENS : 1;
        ret->dims[d] = value->dims[d] >= 0 ? value->dims[d] : open;
    }
    int64_t count = tensor_elements(ret->dims, ret->rank);
    size_t size = count < 0 ? SIZE_MAX : (size_t)count * tensor_type_size(ret->type);
    if (size > TENSOR_SIZE_MAX || value->type == TENSOR_STRING) {
        return err_set(err, ERR_UNSUPPORTED,
                       "nothing sensible can be made up for the input \"%s\": give samples",
                       value->name);
    }
    ret->data = mem_alloc(size);
    ret->size = size;
    return 0;
}

static void fill_random(struct tensor *tensor, int64_t rows, uint32_t *state)
{
    size_t count = tensor->size / tensor_type_size(tensor->type);
    for (size_t i = 0; i < count; i++) {
        *state ^= *state << 13; // xorshift
        *state ^= *state >> 17;
        *state ^= *state << 5;
        uint32_t r = *state >> 8;
        double value = is_float(tensor->type)         ? (double)r / (1 << 23) - 1
                       : rows > 0                     ? (double)((int64_t)r % rows)
                       : tensor->type == TENSOR_UINT8 ? r & 0xff
                                                      : 1; // of masks: all of it
        tensor_set(tensor, i, value);
    }
}

int samples_random(struct samples *ret, const struct model *model, const int64_t *rows,
                   size_t count, struct err *err)
{
    uint32_t state = 2463534242u;
    *ret = (struct samples){
        .random = true, .input_count = model->input_count, .output_count = model->output_count};
    for (size_t s = 0; s < count; s++) {
        struct sample *sample = add_sample(ret, "random");
        for (size_t i = 0; i < model->input_count; i++) {
            TRY(shape_random(&model->inputs[i], &sample->inputs[i], err));
            fill_random(&sample->inputs[i], rows[i], &state);
        }
    }
    return 0;
}

// ---- answers ----

int samples_answer(struct samples *samples, struct model *model, struct err *err)
{
    struct tensor outputs[ENGINE_VALUES_MAX];
    size_t bytes = 0;
    for (size_t s = 0; s < samples->count; s++) {
        struct sample *sample = &samples->at[s];
        int rc = model_run(model, sample->inputs, outputs, err);
        if (rc < 0) {
            return err_prefix(err, "%s", sample->name);
        }
        bytes += bytes_of(outputs, model->output_count);
        if (s > 0 && bytes > SAMPLES_SIZE_MAX) {
            while (samples->count > s) {
                leave_out(samples, samples->at[samples->count - 1].name,
                          "there are enough without it");
                drop_last(samples);
            }
            return 0;
        }
        sample->answers = mem_alloc(model->output_count * sizeof *sample->answers);
        for (size_t i = 0; i < model->output_count; i++) {
            sample->answers[i] = outputs[i];
            sample->answers[i].data = mem_dup_n(outputs[i].data, outputs[i].size);
        }
    }
    return 0;
}
