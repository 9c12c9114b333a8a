// SPDX-License-Identifier: Apache-2.0
// The variables of serverless.yml: ${source(params):address, fallback, …}, nested as deep as one likes.
//
//     ${self:custom.bucket}  ${env:HOME, 'nowhere'}  ${opt:stage, self:provider.stage, 'dev'}
//     ${file(./more.yml):a.b}  ${sls:stage}  ${param:key}  ${aws:region}  ${strToBool(…)}
//
// A text that is one variable becomes what the variable is, a tree included; within other text it must be
// a plain value. `\${` is a literal "${", and ${AWS::Region} and ${Name} are left for CloudFormation.
#pragma once

#include "config/tree.h"

struct variables_options {     // all borrowed, all may be NULL
    const char *dir;           // of serverless.yml; NULL: the working folder
    const char *stage;         // --stage
    const char *region;        // --region
    const char *const *params; // "key=value", of --param
    size_t param_count;
};

// Resolves everything below root in place. A source that only AWS has (ssm, cf, s3) leaves the node with
// `unavailable` set; anything else that cannot be resolved is ERR_INVALID naming the variable and,
// where they form a circle, that. *ret_stage and *ret_region live as long as the tree.
MUST_CHECK int variables_resolve(struct tree *tree, struct tree_node *root,
                                 const struct variables_options *options, const char **ret_stage,
                                 const char **ret_region, struct err *err);
