// SPDX-License-Identifier: Apache-2.0
// deploy's models: each goes to the server's store by itself, so that a deployment which changes a label
// or a handler does not send 100 MB again, and functions that share a model share its pages.
#include "cli/deploy.h"
#include "cli/model_store.h"
#include "base/mem.h"
#include "config/quantity.h"

#define LEAST (1024 * 1024) // smaller ones stay in the zip

static bool is_model(struct str name)
{
    static const char *const kinds[] = {".onnx", ".ort", ".pt", ".pth", ".safetensors", ".gguf"};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (str_ends(name, str_of(kinds[i]))) {
            return true;
        }
    }
    return false;
}

static int put(struct deploy *deploy, const struct model_file *file, const char *name,
               struct err *err)
{
    CLEAN(buf_done) struct buf size = BUF_INIT(64);
    unsigned kept = 0;
    size_add_human(&size, file->size);
    terminal_status("Pushing %s (%s)", name, buf_text(&size));
    TRY(model_store_make(&deploy->remote, err));
    TRY(model_store_put(&deploy->remote, file, &kept, err));
    deploy_changed(deploy, "pushed model %s (%s)", name, buf_text(&size));
    return 0;
}

static int refer(struct deploy *deploy, struct package_file *entry, struct err *err)
{
    CLEAN_MEM char *path = mem_printf("%s/%s", deploy->service->dir, entry->name);
    struct model_file file = {.path = path};
    terminal_glimpse("Reading %s", entry->name);
    TRY(model_file_read(&file, err));
    int there = model_store_has(&deploy->remote, file.digest, err);
    TRY(there);
    TRY(there ? 0 : put(deploy, &file, entry->name, err));
    entry->instead = model_reference(&file);
    return 0;
}

int deploy_models(struct deploy *deploy, struct package_list *list, struct err *err)
{
    for (size_t i = 0; deploy->remote.endpoint && i < list->count; i++) {
        struct package_file *entry = &list->files[i];
        if (entry->size < LEAST || !is_model(str_of(entry->name))) {
            continue;
        }
        struct err told = {0};
        int rc = refer(deploy, entry, &told);
        if (rc == ERR_DENIED || rc == ERR_UNSUPPORTED) {
            return 0; // whoever may not use the store sends models with the package
        }
        if (rc < 0) {
            return err_aws(err, rc, told.aws, "%s", told.text);
        }
    }
    return 0;
}
