// SPDX-License-Identifier: Apache-2.0
// The project in this folder: its serverless.yml, as the options --config, --stage, --region and
// --param want it, and where its names meet the server.
#pragma once

#include "cli/remote.h"
#include "config/serverless.h"

// Loads it and prints one warning of what is not honoured.
MUST_CHECK int project_load(const struct args *args, struct serverless **ret, struct err *err);
void project_warn(const struct serverless *service); // the warnings of project_load
// As project_load when there is a serverless.yml (or --config); else 0 with *ret NULL, and no warnings.
MUST_CHECK int project_find(const struct args *args, struct serverless **ret, struct err *err);

// The function of the project that -f NAME names, or an error that suggests one.
MUST_CHECK int project_function(const struct args *args, const struct serverless *service,
                                const struct serverless_function **ret, struct err *err);

// What -f NAME stands for: a function of the project by its key, else NAME itself. Heap.
MUST_CHECK int project_function_name(const struct args *args, char **ret_name, char **ret_region,
                                     struct err *err);

// The alias by which events reach a function with provisionedConcurrency, called as the Framework does.
#define PROVISIONED_ALIAS "provisioned"
// Of that alias, or of the function itself: "NAME[:provisioned]". Heap.
char *project_target(const struct serverless_function *f, bool provisioned);

// "SERVICE-STAGE": what the Framework calls the stack.
char *project_stack(const struct serverless *service);

// Of the role that deploy makes for the functions, and the policy in it. Heap.
char *project_role(const struct serverless *service);
char *project_policy(const struct serverless *service);

// What a deployment left behind, kept as an object in its bucket: which functions and buckets are its
// own, so that the next one and `rouse remove` know. {"service","stage","region","functions":{key:
// {"name","codeSha256","codeSize","provisioned"}},"buckets":[…],"notified":[…],"role":…}
char *project_state_bucket(const struct serverless *service); // heap
char *project_state_key(const struct serverless *service);    // heap
// *ret is an object, empty before the first deployment. A new reference.
MUST_CHECK int project_state_get(struct remote *remote, const struct serverless *service,
                                 json_t **ret, struct err *err);
MUST_CHECK int project_state_put(struct remote *remote, const struct serverless *service,
                                 const json_t *state, struct err *err);
