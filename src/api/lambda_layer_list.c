// SPDX-License-Identifier: Apache-2.0
// Layers as answers show them, one or many.
#include "api/lambda.h"

static void names_put(json_t *json, const char *name, const char *names)
{
    json_t *list = NULL;
    if (names && json_parse(str_of(names), &list, NULL) == 0) {
        json_put(json, name, list);
    }
}

static json_t *version_json(const struct lambda *lambda, const struct lambda_layer *layer,
                            const struct lambda_layer_version *version)
{
    CLEAN_MEM char *arn = lambda_layer_arn(lambda, layer->name, version->version);
    json_t *json = json_object();
    json_put_str(json, "LayerVersionArn", str_of(arn));
    json_put_int(json, "Version", version->version);
    json_put_str(json, "Description", str_of(version->description ? version->description : ""));
    lambda_put_time(json, "CreatedDate", version->created_ms);
    names_put(json, "CompatibleRuntimes", version->runtimes);
    names_put(json, "CompatibleArchitectures", version->architectures);
    if (version->license) {
        json_put_str(json, "LicenseInfo", str_of(version->license));
    }
    return json;
}

json_t *lambda_layer_json(struct lambda_call *call, const struct lambda_layer *layer,
                          const struct lambda_layer_version *version, struct err *err)
{
    struct lambda *lambda = call->api->lambda;
    CLEAN(buf_done) struct buf location = BUF_INIT(16 * 1024);
    if (lambda_location_write(call, version->package, &location, err) < 0) {
        return NULL;
    }
    CLEAN_MEM char *arn = lambda_layer_arn(lambda, layer->name, /* version */ -1);
    json_t *json = version_json(lambda, layer, version);
    json_put_str(json, "LayerArn", str_of(arn));
    json_put(json, "Content",
             json_pack("{s:s, s:s, s:I}", "Location", buf_text(&location), "CodeSha256",
                       version->sha256, "CodeSize", (json_int_t)version->code_size));
    return json;
}

// ── lists ──

struct shown {
    const struct lambda_layer *layer;
    const struct lambda_layer_version *version;
};

struct listing {
    struct lambda_call *call;
    struct shown *at; // heap
    size_t count;
    struct buf runtime, architecture; // what is asked for; empty: anything
};

static void listing_done(struct listing *listing)
{
    free(listing->at);
    buf_done(&listing->runtime);
    buf_done(&listing->architecture);
}

static bool names_hold(const char *names, struct str wanted)
{
    CLEAN_JSON json_t *list = NULL;
    size_t i = 0;
    json_t *item = NULL;
    if (!wanted.size) {
        return true;
    }
    if (!names || json_parse(str_of(names), &list, NULL) < 0) {
        return false;
    }
    json_array_foreach(list, i, item)
    {
        if (str_eq(json_str(item), wanted)) {
            return true;
        }
    }
    return false;
}

// Adds the layer's versions that match, the newest first.
static void listing_add(struct listing *listing, const struct lambda_layer *layer, size_t most)
{
    for (size_t i = layer->count; i > 0 && most > 0; i--) {
        const struct lambda_layer_version *version = layer->versions[i - 1];
        if (names_hold(version->runtimes, buf_str(&listing->runtime)) &&
            names_hold(version->architectures, buf_str(&listing->architecture))) {
            listing->at = mem_grow(listing->at, (listing->count + 1) * sizeof *listing->at);
            listing->at[listing->count++] = (struct shown){layer, version};
            most--;
        }
    }
}

static void listing_begin(struct listing *listing, struct lambda_call *call)
{
    *listing = (struct listing){.call = call};
    buf_init(&listing->runtime, 1024);
    buf_init(&listing->architecture, 1024);
    (void)lambda_param(call, "CompatibleRuntime", &listing->runtime);
    (void)lambda_param(call, "CompatibleArchitecture", &listing->architecture);
}

static void layer_mark(void *ctx, size_t i, struct buf *out)
{
    const struct listing *listing = ctx;
    buf_add_text(out, listing->at[i].layer->name);
}

static json_t *layer_json(void *ctx, size_t i)
{
    const struct listing *listing = ctx;
    const struct lambda *lambda = listing->call->api->lambda;
    const struct shown *shown = &listing->at[i];
    CLEAN_MEM char *arn = lambda_layer_arn(lambda, shown->layer->name, /* version */ -1);
    json_t *json = json_object();
    json_put_str(json, "LayerName", str_of(shown->layer->name));
    json_put_str(json, "LayerArn", str_of(arn));
    json_put(json, "LatestMatchingVersion", version_json(lambda, shown->layer, shown->version));
    return json;
}

static int by_name(const void *left, const void *right)
{
    const struct shown *a = left, *b = right;
    return strcmp(a->layer->name, b->layer->name);
}

int lambda_list_layers(struct lambda_call *call, struct err *err)
{
    CLEAN(listing_done) struct listing listing;
    listing_begin(&listing, call);
    size_t at = 0;
    for (struct lambda_layer *layer; (layer = map_next(&call->api->lambda->layers, &at));) {
        listing_add(&listing, layer, 1);
    }
    if (listing.count) {
        qsort(listing.at, listing.count, sizeof *listing.at, by_name);
    }
    const struct lambda_listing list = {.member = "Layers",
                                        .count = listing.count,
                                        .items_max = LAMBDA_LIST_ITEMS,
                                        .mark = layer_mark,
                                        .item = layer_json,
                                        .ctx = &listing};
    return lambda_list(call, &list, err);
}

static void version_mark(void *ctx, size_t i, struct buf *out)
{
    const struct listing *listing = ctx;
    buf_printf(out, "%lld", (long long)listing->at[i].version->version);
}

static json_t *version_item(void *ctx, size_t i)
{
    const struct listing *listing = ctx;
    return version_json(listing->call->api->lambda, listing->at[i].layer, listing->at[i].version);
}

// A layer that is not there has no versions.
int lambda_list_layer_versions(struct lambda_call *call, struct err *err)
{
    CLEAN(listing_done) struct listing listing;
    listing_begin(&listing, call);
    const struct lambda_layer *layer = map_get(&call->api->lambda->layers, str_of(call->layer));
    if (layer) {
        listing_add(&listing, layer, layer->count);
    }
    const struct lambda_listing list = {.member = "LayerVersions",
                                        .count = listing.count,
                                        .items_max = LAMBDA_LIST_ITEMS,
                                        .mark = version_mark,
                                        .item = version_item,
                                        .ctx = &listing};
    return lambda_list(call, &list, err);
}
