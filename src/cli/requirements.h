// SPDX-License-Identifier: Apache-2.0
// custom.pythonRequirements: the packages of requirements.txt, installed by this machine's pip into a
// folder that becomes a layer.
#pragma once

#include "config/serverless.h"

// The folder, heap, with "python" in it. It is kept below ~/.cache/rouse (XDG_CACHE_HOME) by what it is made of:
// the interpreter, the files and pip's arguments; pip is asked only for what is not there.
MUST_CHECK int requirements_install(const struct serverless *service,
                                    const struct serverless_requirements *requirements,
                                    char **ret_dir, struct err *err);
