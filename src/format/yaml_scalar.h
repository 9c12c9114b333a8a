// SPDX-License-Identifier: Apache-2.0
// What a YAML scalar means: its type by its looks or its tag, and the long names of CloudFormation's
// short tags. Used by yaml.c.
#pragma once

#include "format/yaml.h"

// Sets kind and values of a new node from its text. `tag` may be NULL; `plain`: without quotes. -1 when
// the tag demands a type that the text is not.
int yaml_scalar_resolve(struct yaml_node *node, const char *tag, bool plain);

// A tag of YAML itself, such as "!!str"?
bool yaml_scalar_tag_is_core(const char *tag);

// "!Sub" → "Fn::Sub", "!Ref" → "Ref"; NULL for a tag that CloudFormation does not have.
const char *yaml_scalar_tag_name(const char *tag);
