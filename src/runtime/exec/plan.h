// SPDX-License-Identifier: Apache-2.0
// What an instance of rouse-exec is to run, from the configuration of worker/spawn_config.h: walls,
// environment, program.
#pragma once

#include "base/err.h"
#include "base/mem.h"
#include "sandbox/jail.h"

#include <jansson.h>

#define PLAN_ARGV_MAX 64

struct plan {
    json_t *config; // the views below look into it
    struct jail jail;
    char **env; // heap, NULL-terminated "NAME=value"
    size_t env_count;
    char *argv[PLAN_ARGV_MAX]; // heap; argv[0] NULL: the package's own bootstrap
};

MUST_CHECK int plan_read(int config_fd, struct plan *ret, struct err *err);
void plan_done(struct plan *plan);

// Sets a variable, whatever it was.
void plan_set(struct plan *plan, const char *name, const char *value);
const char *plan_get(const struct plan *plan, const char *name); // "" when it is not set

// Behind the walls: where the function's folder is now, and what of the program depends on that.
// ERR_NOT_FOUND when the package has no bootstrap.
MUST_CHECK int plan_settle(struct plan *plan, bool own_root, struct err *err);
