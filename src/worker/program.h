// SPDX-License-Identifier: Apache-2.0
// Which program serves one function, as opposed to any function of its runtime.
#pragma once

#include "core/function.h"
#include "runtime/runtime.h"

// As runtime_find; but a runtime whose instances are forks serves a function with extensions, or with
// AWS_LAMBDA_EXEC_WRAPPER, by executing its interpreter: extensions start before it, and a wrapper
// starts it.
MUST_CHECK int program_find(const struct function *f, struct runtime_program *ret, struct err *err);
