// SPDX-License-Identifier: Apache-2.0
// Runs the project's own commands at their moments. Several of the Framework's moments are one here:
// a deployment has fewer steps.
#include "cli/hooks.h"
#include "cli/spawn.h"
#include "cli/terminal.h"
#include "base/mem.h"

#include <stdint.h>
#include <string.h>

static enum hook_phase phase_of(const char *when)
{
    static const struct {
        const char *when;
        enum hook_phase phase;
    } rows[] = {
        {"before:package:initialize", HOOK_BEFORE_PACKAGE},
        {"before:package:createDeploymentArtifacts", HOOK_BEFORE_PACKAGE},
        {"package:createDeploymentArtifacts", HOOK_BEFORE_PACKAGE},
        {"before:deploy:function:initialize", HOOK_BEFORE_PACKAGE},
        {"before:deploy:function:packageFunction", HOOK_BEFORE_PACKAGE},
        {"after:package:createDeploymentArtifacts", HOOK_BEFORE_DEPLOY},
        {"after:package:finalize", HOOK_BEFORE_DEPLOY},
        {"before:deploy:deploy", HOOK_BEFORE_DEPLOY},
        {"before:deploy:function:deploy", HOOK_BEFORE_DEPLOY},
        {"after:deploy:deploy", HOOK_AFTER_DEPLOY},
        {"after:deploy:finalize", HOOK_AFTER_DEPLOY},
        {"after:deploy:function:deploy", HOOK_AFTER_DEPLOY},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        if (strcmp(rows[i].when, when) == 0) {
            return rows[i].phase;
        }
    }
    return HOOK_UNKNOWN;
}

// The same command is run once, though it stands at two moments that are one here.
static bool is_repeated(const struct serverless *service, size_t index, enum hook_phase phase)
{
    for (size_t i = 0; i < index; i++) {
        if (phase_of(service->hooks[i].when) == phase &&
            strcmp(service->hooks[i].command, service->hooks[index].command) == 0) {
            return true;
        }
    }
    return false;
}

int hooks_run(const struct serverless *service, enum hook_phase phase, struct err *err)
{
    for (size_t i = 0; i < service->hook_count; i++) {
        const struct serverless_hook *hook = &service->hooks[i];
        if (phase_of(hook->when) != phase || is_repeated(service, i, phase)) {
            continue;
        }
        terminal_notice("%s$ %s%s", terminal_on(DIM, true), hook->command, terminal_off(true));
        char *argv[] = {"/bin/sh", "-c", (char *)(uintptr_t)hook->command, NULL};
        CLEAN_MEM char *name = mem_printf("custom.scripts.hooks: \"%s\"", hook->command);
        TRY(spawn_need(argv, service->dir, name, err));
    }
    return 0;
}

void hooks_warn(const struct serverless *service)
{
    for (size_t i = 0; i < service->hook_count; i++) {
        if (phase_of(service->hooks[i].when) == HOOK_UNKNOWN) {
            terminal_warning("custom.scripts.hooks: nothing here happens at \"%s\"",
                             service->hooks[i].when);
        }
    }
}
