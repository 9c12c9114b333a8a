// SPDX-License-Identifier: Apache-2.0
// Commands of the project that belong to a deployment: custom.scripts.hooks of serverless.yml, as the
// Framework's serverless-plugin-scripts has them. This is where a project says how it is built.
#pragma once

#include "config/serverless.h"

enum hook_phase { HOOK_BEFORE_PACKAGE, HOOK_BEFORE_DEPLOY, HOOK_AFTER_DEPLOY, HOOK_UNKNOWN };

// Runs those of the phase in the file's order, by the shell, in the service's folder; what they print goes
// to standard error. ERR_FUNCTION with the command and its status when one fails.
MUST_CHECK int hooks_run(const struct serverless *service, enum hook_phase phase, struct err *err);
// One warning of those that nothing here ever runs.
void hooks_warn(const struct serverless *service);
