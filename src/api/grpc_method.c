// SPDX-License-Identifier: Apache-2.0
// The methods of the inference service: each but inference is a document of models.c, written as a
// message.
#include "api/grpc_method.h"
#include "api/proto.h"
#include "format/json.h"

#define SERVICE "/inference.GRPCInferenceService/"

static int truth(json_t **ret, const char *name, bool yes)
{
    *ret = json_pack("{s:b}", name, yes);
    return 0;
}

static int server_live(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                       json_t **ret, struct err *err)
{
    (void)api, (void)ref, (void)asked, (void)err;
    return truth(ret, "live", true);
}

static int server_ready(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                        json_t **ret, struct err *err)
{
    (void)ref, (void)asked, (void)err;
    return truth(ret, "ready", models_server_ready(api));
}

static int model_ready(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                       json_t **ret, struct err *err)
{
    (void)asked;
    bool ready = false;
    TRY(models_ready(api, ref, &ready, err));
    return truth(ret, "ready", ready);
}

static int server_metadata(struct api *api, const struct model_ref *ref,
                           const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)api, (void)ref, (void)asked, (void)err;
    *ret = models_server();
    return 0;
}

static int model_metadata(struct api *api, const struct model_ref *ref,
                          const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)asked;
    return models_metadata(api, ref, ret, err);
}

static int model_config(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                        json_t **ret, struct err *err)
{
    (void)asked;
    json_t *config = NULL;
    TRY(models_config(api, ref, &config, err));
    *ret = json_pack("{s:o}", "config", config);
    return 0;
}

static int model_statistics(struct api *api, const struct model_ref *ref,
                            const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)asked;
    return models_statistics(api, ref, ret, err);
}

static int repository_index(struct api *api, const struct model_ref *ref,
                            const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)ref, (void)err;
    *ret = json_pack("{s:o}", "models", models_index(api, proto_truth(asked, "ready")));
    return 0;
}

static int repository_load(struct api *api, const struct model_ref *ref,
                           const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)asked;
    *ret = json_object();
    return models_load(api, ref, err);
}

static int repository_unload(struct api *api, const struct model_ref *ref,
                             const ProtobufCMessage *asked, json_t **ret, struct err *err)
{
    (void)asked;
    *ret = json_object();
    return models_unload(api, ref, err);
}

static int unsupported(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                       json_t **ret, struct err *err)
{
    (void)api, (void)ref, (void)asked, (void)ret;
    return err_set(err, ERR_UNSUPPORTED,
                   "trace settings, log settings and shared memory are not supported");
}

static int health_check(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                        json_t **ret, struct err *err)
{
    (void)ref;
    enum { SERVING = 1, NOT_SERVING = 2 };
    struct str service = proto_text(asked, "service");
    if (service.size && !str_eq(service, STR("inference.GRPCInferenceService"))) {
        return err_set(err, ERR_NOT_FOUND, "there is no such service");
    }
    *ret = json_pack("{s:i}", "status", models_server_ready(api) ? SERVING : NOT_SERVING);
    return 0;
}

#define EMPTY &inference__empty__descriptor
#define MODEL &inference__model_request__descriptor
#define READY &inference__ready_response__descriptor
#define NAMED &inference__repository_model_request__descriptor

static const struct grpc_method methods[] = {
    {SERVICE "ModelInfer", GRPC_MODEL, false, &inference__model_infer_request__descriptor,
     &inference__model_infer_response__descriptor, NULL},
    {SERVICE "ModelStreamInfer", GRPC_MODEL, true, &inference__model_infer_request__descriptor,
     &inference__model_stream_infer_response__descriptor, NULL},
    {SERVICE "ServerLive", GRPC_KEYED, false, EMPTY, &inference__server_live_response__descriptor,
     server_live},
    {SERVICE "ServerReady", GRPC_KEYED, false, EMPTY, READY, server_ready},
    {SERVICE "ServerMetadata", GRPC_KEYED, false, EMPTY,
     &inference__server_metadata_response__descriptor, server_metadata},
    {SERVICE "ModelReady", GRPC_MODEL, false, MODEL, READY, model_ready},
    {SERVICE "ModelMetadata", GRPC_MODEL, false, MODEL,
     &inference__model_metadata_response__descriptor, model_metadata},
    {SERVICE "ModelConfig", GRPC_MODEL, false, MODEL, &inference__model_config_response__descriptor,
     model_config},
    {SERVICE "ModelStatistics", GRPC_MODEL, false, MODEL,
     &inference__model_statistics_response__descriptor, model_statistics},
    {SERVICE "RepositoryIndex", GRPC_MODEL, false, &inference__repository_index_request__descriptor,
     &inference__repository_index_response__descriptor, repository_index},
    {SERVICE "RepositoryModelLoad", GRPC_MODEL, false, NAMED, EMPTY, repository_load},
    {SERVICE "RepositoryModelUnload", GRPC_MODEL, false, NAMED, EMPTY, repository_unload},
    {"/grpc.health.v1.Health/Check", GRPC_ANYBODY, false,
     &inference__health_check_request__descriptor, &inference__health_check_response__descriptor,
     health_check},
};

// Those that Triton has and Rouse has not, so that they are told apart from what nobody has.
static const char *const others[] = {
    "TraceSetting",
    "LogSettings",
    "SystemSharedMemoryStatus",
    "SystemSharedMemoryRegister",
    "SystemSharedMemoryUnregister",
    "CudaSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "CudaSharedMemoryUnregister",
};

const struct grpc_method *grpc_method_find(struct str path)
{
    static const struct grpc_method other = {SERVICE, GRPC_KEYED, false, EMPTY, EMPTY, unsupported};
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        if (str_eq(path, str_of(methods[i].path))) {
            return &methods[i];
        }
    }
    struct str name = str_skip(path, strlen(SERVICE));
    for (size_t i = 0; str_starts(path, STR(SERVICE)) && i < ARRAY_SIZE(others); i++) {
        if (str_eq(name, str_of(others[i]))) {
            return &other;
        }
    }
    return NULL;
}
