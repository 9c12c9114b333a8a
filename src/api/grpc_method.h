// SPDX-License-Identifier: Apache-2.0
// Private to grpc.c and grpc_method.c: what can be called, as a table.
#pragma once

#include "api/models.h"

#include <inference.pb-c.h>

enum grpc_may { GRPC_ANYBODY, GRPC_KEYED, GRPC_MODEL }; // models_authorize for the last

struct grpc_method {
    const char *path;
    enum grpc_may may;
    bool streams; // messages both ways until the client ends; ModelStreamInfer
    const ProtobufCMessageDescriptor *asks, *answers;
    // The answer as a document. NULL: inference, whose answer comes later.
    int (*document)(struct api *api, const struct model_ref *ref, const ProtobufCMessage *asked,
                    json_t **ret, struct err *err);
};

const struct grpc_method *grpc_method_find(struct str path); // NULL
