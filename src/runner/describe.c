// SPDX-License-Identifier: Apache-2.0
// Models as JSON.
#include "runner/describe.h"
#include "format/json.h"

#include <stdio.h>

json_t *describe_values(const struct model *model, bool inputs)
{
    json_t *list = json_array();
    size_t count = !model ? 0 : inputs ? model->input_count : model->output_count;
    for (size_t i = 0; i < count; i++) {
        const struct engine_value *value = inputs ? &model->inputs[i] : &model->outputs[i];
        json_t *shape = json_array();
        for (size_t d = 0; d < value->rank; d++) {
            json_array_append_new(shape, json_integer(value->dims[d]));
        }
        json_t *one = json_object();
        json_put_str(one, "name", str_of(value->name));
        json_put_str(one, "type", str_of(tensor_type_name(value->type)));
        json_put(one, "shape", shape);
        json_array_append_new(list, one);
    }
    return list;
}

void describe_print(const json_t *report)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(4 * 1024 * 1024);
    json_write(report, &text);
    puts(buf_text(&text));
}
