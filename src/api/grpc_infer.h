// SPDX-License-Identifier: Apache-2.0
// Inference by gRPC: its messages become the form in which tensors travel (format/tensors.h), and
// answers in that form its messages.
#pragma once

#include "base/buf.h"
#include "base/err.h"

#include <inference.pb-c.h>

// All outputs are asked for in binary. ERR_INVALID, ERR_LIMIT.
MUST_CHECK int grpc_infer_payload(const Inference__ModelInferRequest *request, struct buf *out,
                                  struct err *err);

// A ModelInferResponse: the two parts of an answer, and who gave it.
MUST_CHECK int grpc_infer_response(struct str json, struct str raw, const char *model,
                                   const char *version, struct buf *out, struct err *err);
// A ModelStreamInferResponse: one of those, or what went wrong instead with the request of that id.
void grpc_infer_stream_response(struct str response, struct buf *out);
void grpc_infer_stream_error(const char *text, struct str id, struct buf *out);
