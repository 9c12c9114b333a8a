// SPDX-License-Identifier: Apache-2.0
// CloudFormation's functions, where the answer is known without CloudFormation: Ref and Fn::Sub of the
// pseudo parameters (AWS::Region, AWS::AccountId, AWS::Partition, AWS::StackName, AWS::URLSuffix)
// and Fn::Join of plain texts.
#pragma once

#include "config/tree.h"

struct intrinsic_facts {
    const char *region, *stack;
};

// Puts the answers in the place of the functions everywhere below root; what cannot be known stays.
void intrinsic_resolve(struct tree *tree, struct tree_node *root,
                       const struct intrinsic_facts *facts);
