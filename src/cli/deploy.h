// SPDX-License-Identifier: Apache-2.0
// The steps of rouse deploy. Each compares what is there with what serverless.yml wants and changes only
// the difference, so that a deployment may be repeated after it was cut off anywhere.
#pragma once

#include "cli/project.h"

enum deploy_action { DEPLOY_SAME, DEPLOY_CREATED, DEPLOY_UPDATED };

struct deploy_function {
    const struct serverless_function *wanted;
    char *zip;     // path of its package
    char hash[45]; // CodeSha256 of it
    uint64_t size;
    char *arn; // once the server has it
    enum deploy_action action;
};

struct deploy {
    const struct args *args;
    const struct serverless *service;
    struct remote remote;
    json_t *state, *next; // what the last deployment left (project.h), and what this one leaves
    struct deploy_function *functions;
    size_t count;
    const char *only; // --function, or NULL
    bool force, verbose;
    unsigned changes; // on the server
};

bool deploy_wants(const struct deploy *deploy, const struct deploy_function *f); // --function
// Counts and, with --verbose, tells.
void deploy_changed(struct deploy *deploy, const char *fmt, ...) PRINTF_LIKE(2, 3);

// Zips below .serverless/, or those in --package DIR; checks that models are there.
MUST_CHECK int deploy_package(struct deploy *deploy, struct err *err);

// The role that the functions run with, unless each names its own.
MUST_CHECK int deploy_role(struct deploy *deploy, struct err *err);

// Creates or changes the functions, their code and what belongs to them.
MUST_CHECK int deploy_functions(struct deploy *deploy, struct err *err);
// Deletes functions that an earlier deployment made and the file no longer has.
MUST_CHECK int deploy_prune(struct deploy *deploy, struct err *err);

// The bucket of packages and state, those of events and of destinations.
MUST_CHECK int deploy_buckets(struct deploy *deploy, struct err *err);
// Each bucket's notifications: ours replaced, other functions' kept.
MUST_CHECK int deploy_notifications(struct deploy *deploy, struct err *err);
// For rouse remove: takes away what notifies functions with these names (a JSON array).
MUST_CHECK int notifications_remove(struct remote *remote, const char *bucket, const json_t *names,
                                    struct err *err);
