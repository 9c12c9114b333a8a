// SPDX-License-Identifier: Apache-2.0
// Of serverless.yml: top-level layers, custom.pythonRequirements, which makes one more, and which of
// them each function names.
#pragma once

#include "config/serverless.h"
#include "config/tree.h"

// {Ref: ModelLambdaLayer} in lists of layers becomes "layers.model", before the schema is asked:
// CloudFormation is not needed for it.
void layers_resolve(struct tree *tree, struct tree_node *root);

MUST_CHECK int layers_read(struct serverless *service, const struct tree_node *root,
                           struct err *err);
// Those of the function, else the provider's; and the requirements' when it is in Python.
MUST_CHECK int layers_read_function(struct serverless *service, const struct tree_node *provider,
                                    const struct tree_node *node, struct serverless_function *ret,
                                    struct err *err);
void layers_free(struct serverless *service);
