// SPDX-License-Identifier: Apache-2.0
// gRPC on the server's one port: the Open Inference Protocol's service (inference.proto) and
// grpc.health.v1.Health. Everything else that comes by HTTP/2 is told to use HTTP/1.1.
//
//     /inference.GRPCInferenceService/METHOD   with the bearer key (format/bearer.h) as REST, or --insecure
//     /grpc.health.v1.Health/Check             by whoever asks
//
// Messages are at most MODELS_BODY_MAX, compressed ones (gzip, deflate) also when they are expanded;
// answers are not compressed. A call that is cancelled, or whose deadline has passed, takes the job that
// waits with it.
#pragma once

#include "api/api.h"
#include "http/http2.h"

const struct http2_handler *grpc_route(struct http2_stream *stream, void *api);
