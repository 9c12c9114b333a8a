// SPDX-License-Identifier: Apache-2.0
// External data: each tensor names a file, an offset and a length.
// https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
#include "runner/external.h"
#include "base/mem.h"
#include "format/onnx.h"
#include "quantize/tidy.h"
#include "quantize/weights.h"
#include "runner/files.h"

struct take {
    struct graph *graph;
    const char *folder;
    char *name; // of the file that is mapped: most models have one
    struct str file;
    struct err *err;
};

static struct str entry_of(const Onnx__TensorProto *tensor, const char *key)
{
    for (size_t i = 0; i < tensor->n_external_data; i++) {
        const Onnx__StringStringEntryProto *entry = tensor->external_data[i];
        if (entry->key && strcmp(entry->key, key) == 0) {
            return str_of(entry->value);
        }
    }
    return (struct str){0};
}

static int map_file(struct take *take, struct str name)
{
    if (!files_is_inside(name)) {
        return err_set(take->err, ERR_INVALID,
                       "weights are in \"" STR_FMT "\", which is not a file beside the model",
                       STR_ARG(name));
    }
    if (take->name && str_eq(name, str_of(take->name))) {
        return 0;
    }
    files_unmap(&take->file);
    free(take->name);
    take->name = str_dup(name);
    CLEAN_MEM char *path = mem_printf("%s/%s", take->folder, take->name);
    return files_map(path, &take->file, take->err);
}

static int take_tensor(void *ctx, Onnx__TensorProto *tensor)
{
    struct take *take = ctx;
    if (!tidy_is_external(tensor)) {
        return 0;
    }
    int64_t elements = weight_elements(tensor);
    uint64_t size = (uint64_t)elements * onnx_type_size(tensor->data_type), offset = 0, length = 0;
    struct str offset_text = entry_of(tensor, "offset"), length_text = entry_of(tensor, "length");
    TRY(map_file(take, entry_of(tensor, "location")));
    bool sane = elements >= 0 && (!offset_text.size || str_to_u64(offset_text, &offset)) &&
                (!length_text.size || (str_to_u64(length_text, &length) && length == size)) &&
                offset <= take->file.size && size <= take->file.size - offset;
    if (!sane) {
        return err_set(take->err, ERR_INVALID, "the weight \"%s\" is not whole in %s",
                       tensor->name ? tensor->name : "", take->name);
    }
    tensor->has_data_location = false;
    tensor->data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT;
    tensor->n_external_data = 0;
    tensor->has_raw_data = true;
    tensor->raw_data.len = (size_t)size;
    tensor->raw_data.data = graph_alloc(take->graph, (size_t)size);
    memcpy(tensor->raw_data.data, take->file.at + offset, (size_t)size);
    return 0;
}

int external_take_in(struct graph *graph, const char *folder, struct err *err)
{
    struct take take = {.graph = graph, .folder = folder, .err = err};
    int rc = tidy_each_tensor(graph, take_tensor, &take);
    files_unmap(&take.file);
    free(take.name);
    return rc;
}
