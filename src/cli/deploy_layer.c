// SPDX-License-Identifier: Apache-2.0
// deploy's layers: a version is published when its content or what is said of it differs from the one
// that the last deployment left, which is deleted then, unless it is to be retained.
#include "cli/deploy.h"
#include "cli/lambda_api.h"
#include "base/mem.h"
#include "format/json.h"
#include "format/uri.h"

#define LAYERS_PATH "/2018-10-31/layers"

// ---- the server's side

static void add_path(struct buf *out, struct str name)
{
    buf_add_text(out, LAYERS_PATH "/");
    uri_encode(out, name, false);
    buf_add_text(out, "/versions");
}

// "arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION"
static void add_version_path(struct buf *out, struct str arn)
{
    struct str version = {0};
    for (size_t i = arn.size; i > 0 && !version.at; i--) {
        if (arn.at[i - 1] == ':') {
            version = str_skip(arn, i);
            arn = str_head(arn, i - 1);
        }
    }
    while (str_find(arn, ':') >= 0) {
        arn = str_skip(arn, (size_t)str_find(arn, ':') + 1);
    }
    add_path(out, arn);
    buf_printf(out, "/" STR_FMT, STR_ARG(version));
}

// 1 when the version is still there.
static int find_version(struct remote *remote, struct str arn, struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    CLEAN_JSON json_t *reply = NULL;
    struct err told = {0};
    add_version_path(&path, arn);
    int rc = remote_lambda_call(remote, "GET", buf_text(&path), NULL, &reply, &told);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return err_aws(err, rc, told.aws, "%s", told.text);
    }
    return rc >= 0;
}

static int delete_version(struct remote *remote, const char *arn, struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    CLEAN_JSON json_t *reply = NULL;
    add_version_path(&path, str_of(arn));
    return remote_lambda_call(remote, "DELETE", buf_text(&path), NULL, &reply, err);
}

// ---- what is wanted

static json_t *description_of(const struct serverless_layer *wanted)
{
    json_t *object = json_object();
    json_put_str(object, "Description", str_of(wanted->description ? wanted->description : ""));
    if (wanted->license) {
        json_put_str(object, "LicenseInfo", str_of(wanted->license));
    }
    if (json_array_size(wanted->runtimes)) {
        json_put(object, "CompatibleRuntimes", json_incref(wanted->runtimes));
    }
    if (json_array_size(wanted->architectures)) {
        json_put(object, "CompatibleArchitectures", json_incref(wanted->architectures));
    }
    return object;
}

// What the state keeps of a layer: all that a new version is published for, and where the last one is.
static json_t *row_of(const struct deploy_layer *layer, const json_t *description)
{
    json_t *row = json_object();
    json_put_str(row, "name", str_of(layer->wanted->name));
    json_put_str(row, "codeSha256", str_of(layer->hash));
    json_put(row, "said", json_deep_copy(description));
    json_put_bool(row, "retain", layer->wanted->retain);
    json_put_str(row, "arn", str_of(layer->arn));
    return row;
}

static bool is_same(const json_t *row, const struct deploy_layer *layer, const json_t *description)
{
    return str_eq(json_str(json_object_get(row, "name")), str_of(layer->wanted->name)) &&
           str_eq(json_str(json_object_get(row, "codeSha256")), str_of(layer->hash)) &&
           json_equal(json_object_get(row, "said"), description);
}

static int publish(struct deploy *deploy, struct deploy_layer *layer, json_t *description,
                   struct err *err)
{
    CLEAN(buf_done) struct buf path = BUF_INIT(4096);
    CLEAN_JSON json_t *body = json_deep_copy(description);
    CLEAN_JSON json_t *reply = NULL;
    json_t *content = NULL;
    terminal_status("Publishing layer %s", layer->wanted->name);
    TRY(deploy_code(deploy, layer->zip, layer->hash, layer->size, &content, err));
    json_put(body, "Content", content);
    add_path(&path, str_of(layer->wanted->name));
    TRY(remote_lambda_call(&deploy->remote, "POST", buf_text(&path), body, &reply, err));
    struct str arn = {0};
    TRY(json_need_str(reply, "LayerVersionArn", &arn, err));
    layer->arn = str_dup(arn);
    deploy_changed(deploy, "published layer %s", layer->arn);
    return 0;
}

static int deploy_one(struct deploy *deploy, struct deploy_layer *layer, json_t *rows,
                      struct err *err)
{
    CLEAN_JSON json_t *description = description_of(layer->wanted);
    const json_t *row =
        json_object_get(json_object_get(deploy->state, "layers"), layer->wanted->key);
    struct str arn = json_str(json_object_get(row, "arn"));
    bool same = !deploy->force && arn.size && is_same(row, layer, description);
    int there = same ? find_version(&deploy->remote, arn, err) : 0;
    TRY(there);
    if (there) {
        layer->arn = str_dup(arn);
    } else {
        TRY(publish(deploy, layer, description, err));
        bool stays = json_is_true(json_object_get(row, "retain"));
        layer->old = arn.size && !stays ? str_dup(arn) : NULL;
    }
    json_put(rows, layer->wanted->key, row_of(layer, description));
    return 0;
}

int deploy_layers(struct deploy *deploy, struct err *err)
{
    CLEAN_JSON json_t *rows = json_object();
    for (size_t i = 0; i < deploy->layer_count; i++) {
        if (deploy_one(deploy, &deploy->layers[i], rows, err) < 0) {
            return err_prefix(err, "layers.%s", deploy->layers[i].wanted->key);
        }
    }
    const char *key;
    json_t *row;
    json_object_foreach(json_object_get(deploy->state, "layers"), key, row)
    {
        if (!json_object_get(rows, key) && deploy->only) {
            json_put(rows, key, json_incref(row)); // its time is the next whole deployment
        }
    }
    if (json_object_size(rows) || json_object_get(deploy->next, "layers")) {
        json_put(deploy->next, "layers", json_incref(rows));
    }
    return 0;
}

void deploy_layers_known(struct deploy *deploy)
{
    for (size_t i = 0; i < deploy->layer_count; i++) {
        struct deploy_layer *layer = &deploy->layers[i];
        const json_t *row =
            json_object_get(json_object_get(deploy->state, "layers"), layer->wanted->key);
        struct str arn = json_str(json_object_get(row, "arn"));
        layer->arn = arn.size ? str_dup(arn) : NULL;
    }
}

int deploy_layers_prune(struct deploy *deploy, struct err *err)
{
    for (size_t i = 0; i < deploy->layer_count; i++) {
        if (deploy->layers[i].old) { // functions that have it still keep what they have
            TRY(delete_version(&deploy->remote, deploy->layers[i].old, err));
        }
    }
    CLEAN_JSON json_t *gone = json_object();
    CLEAN_JSON json_t *gone_rows = json_object();
    const char *key;
    json_t *row;
    json_object_foreach(json_object_get(deploy->state, "layers"), key, row)
    {
        if (!json_object_get(json_object_get(deploy->next, "layers"), key)) {
            json_put(gone_rows, key, json_incref(row));
            deploy_changed(deploy, "deleted layer %s",
                           json_string_value(json_object_get(row, "arn")));
        }
    }
    json_put(gone, "layers", json_incref(gone_rows));
    return layers_remove(&deploy->remote, gone, err);
}

int layers_remove(struct remote *remote, const json_t *state, struct err *err)
{
    const char *key;
    json_t *row;
    json_object_foreach(json_object_get(state, "layers"), key, row)
    {
        struct str arn = json_str(json_object_get(row, "arn"));
        if (arn.size && !json_is_true(json_object_get(row, "retain"))) {
            TRY(delete_version(remote, arn.at, err));
        }
    }
    return 0;
}

json_t *deploy_layer_arns(const struct deploy *deploy, const struct serverless_function *f)
{
    json_t *arns = json_array();
    for (size_t i = 0; i < f->layer_count; i++) {
        const struct serverless_layer_use *use = &f->layers[i];
        const char *arn = use->arn;
        for (size_t j = 0; j < deploy->layer_count && use->layer; j++) {
            arn = deploy->layers[j].wanted == use->layer ? deploy->layers[j].arn : arn;
        }
        if (arn) { // else it was never published, which a whole deployment would do
            json_array_append_new(arns, json_string(arn));
        }
    }
    return arns;
}
