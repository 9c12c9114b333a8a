// SPDX-License-Identifier: Apache-2.0
// The table of tasks, and a warming run that fits any of them.
#include "runner/task.h"
#include "base/mem.h"
#include "runner/package.h"

static const struct task_ops *const tasks[] = {
    &task_classify, &task_detect, &task_text, &task_tokens, &task_embed, &task_tensor, &task_echo};

const struct task_ops *task_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_SIZE(tasks); i++) {
        if (str_eq(name, str_of(tasks[i]->name))) {
            return tasks[i];
        }
    }
    return NULL;
}

const char *task_names(void)
{
    return "image-classification, object-detection, text-classification, token-classification, "
           "embedding, tensor or echo";
}

static bool zeros(const struct engine_value *value, struct tensor *ret)
{
    bool fixed = true;
    *ret = (struct tensor){.type = value->type, .rank = value->rank};
    for (size_t i = 0; i < value->rank; i++) {
        fixed = fixed && value->dims[i] >= 0;
        ret->dims[i] = value->dims[i] >= 0 ? value->dims[i] : 1;
    }
    int64_t count = tensor_elements(ret->dims, ret->rank);
    ret->size = count < 0 ? 0 : (size_t)count * tensor_type_size(ret->type);
    ret->data = mem_alloc(ret->size);
    for (size_t i = 0; value->type == TENSOR_STRING && i < (size_t)count; i++) {
        ((struct str *)ret->data)[i] = STR("");
    }
    return fixed;
}

int task_warm_zeros(struct package *package, struct err *err)
{
    struct model *model = package->model;
    struct tensor inputs[ENGINE_VALUES_MAX] = {{0}}, outputs[ENGINE_VALUES_MAX];
    bool fixed = true;
    for (size_t i = 0; i < model->input_count; i++) {
        fixed = zeros(&model->inputs[i], &inputs[i]) && fixed;
    }
    struct err why = {0};
    int rc = model_run(model, inputs, outputs, &why);
    for (size_t i = 0; i < model->input_count; i++) {
        free(inputs[i].data);
    }
    if (rc < 0 && fixed) {
        return err_set(err, rc, "%s", why.text);
    }
    return 0;
}
