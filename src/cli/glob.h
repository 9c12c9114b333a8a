// SPDX-License-Identifier: Apache-2.0
// File patterns as package.patterns has them: "*" and "?" within one name, "**" across folders, "[a-z]",
// "{a,b}". A leading dot is nothing special; "./" in front is ignored.
#pragma once

#include "base/str.h"

bool glob_match(struct str pattern, struct str path);
