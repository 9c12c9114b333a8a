// SPDX-License-Identifier: Apache-2.0
// The steps of rouse deploy. Each compares what is there with what serverless.yml wants and changes only
// the difference, so that a deployment may be repeated after it was cut off anywhere.
#pragma once

#include "cli/package.h"
#include "cli/project.h"

enum deploy_action { DEPLOY_SAME, DEPLOY_CREATED, DEPLOY_UPDATED };

struct deploy_function {
    const struct serverless_function *wanted;
    char *zip;     // path of its package
    char hash[45]; // CodeSha256 of it
    uint64_t size;
    char *arn;        // once the server has it
    bool provisioned; // its events go to the alias of that name
    char *target;     // what they go to, as a function's name is written, and its ARN
    char *target_arn;
    char *dead_letter; // ARN of what the server has for onError, or ""
    enum deploy_action action;
};

struct deploy_layer {
    const struct serverless_layer *wanted;
    char *zip; // path of its package
    char hash[45];
    uint64_t size;
    char *arn; // of the version that functions get
    char *old; // of the one before, to be deleted, or NULL
};

struct deploy {
    const struct args *args;
    const struct serverless *service;
    struct remote remote;
    json_t *endpoints;    // in the end
    json_t *state, *next; // what the last deployment left (project.h), and what this one leaves
    struct deploy_function *functions;
    size_t count;
    struct deploy_layer *layers;
    size_t layer_count;
    const char *only;   // --function, or NULL
    const char *zips;   // the folder of packages; NULL: .serverless
    bool packed;        // they are there already
    bool alone;         // deploy function: code and configuration, nothing beside them
    bool configuration; // deploy function --update-config: not even the code
    json_t *told;       // what deploy_changed was told, in words
    bool force, verbose;
    unsigned changes; // on the server
};

// ---- a whole deployment: begin, build, put, and in any case done

// The struct without a server. deploy_begin begins with it.
MUST_CHECK int deploy_prepare(const struct args *args, const struct serverless *service,
                              struct deploy *ret, struct err *err);
// Finds the server and asks what the last deployment left. `service` is borrowed until deploy_done.
MUST_CHECK int deploy_begin(const struct args *args, const struct serverless *service,
                            struct deploy *ret, struct err *err);
// The project's own commands that come before packaging.
MUST_CHECK int deploy_build(struct deploy *deploy, struct err *err);
// Everything else.
MUST_CHECK int deploy_put(struct deploy *deploy, struct err *err);
void deploy_announce(const struct serverless *service); // "Deploying …", to standard error
// To standard output, as the Framework's version 3 prints it.
void deploy_print(const struct deploy *deploy, int64_t seconds);
void deploy_done(struct deploy *deploy); // survives a zeroed one

// rouse deploy list [functions].
MUST_CHECK int deploy_list(const struct args *args, struct err *err);

// ---- its steps

bool deploy_wants(const struct deploy *deploy, const struct deploy_function *f); // --function
// Counts and, with --verbose, tells.
void deploy_changed(struct deploy *deploy, const char *fmt, ...) PRINTF_LIKE(2, 3);

// Zips below .serverless/, or those in --package DIR; checks that models are there.
MUST_CHECK int deploy_package(struct deploy *deploy, struct err *err);

// Large models of the list go to the server's store, unless they are there, and are left out of the zip;
// their places are held by references.
MUST_CHECK int deploy_models(struct deploy *deploy, struct package_list *list, struct err *err);

// {"ZipFile": …} or, by way of the deployment bucket, {"S3Bucket": …, "S3Key": …}. A new reference.
MUST_CHECK int deploy_code(struct deploy *deploy, const char *zip, const char *hash, uint64_t size,
                           json_t **ret, struct err *err);

// Publishes layers that are new or have changed; then, at the end, deletes the versions before them.
MUST_CHECK int deploy_layers(struct deploy *deploy, struct err *err);
MUST_CHECK int deploy_layers_prune(struct deploy *deploy, struct err *err);
// For rouse remove: the versions that the state names, but for those that are to stay.
MUST_CHECK int layers_remove(struct remote *remote, const json_t *state, struct err *err);
// Takes those that the last deployment left, where none are to be published.
void deploy_layers_known(struct deploy *deploy);
// ARNs of a function's layers, as UpdateFunctionConfiguration takes them. A new reference.
json_t *deploy_layer_arns(const struct deploy *deploy, const struct serverless_function *f);

// The role that the functions run with, unless each names its own.
MUST_CHECK int deploy_role(struct deploy *deploy, struct err *err);

// Creates or changes the functions, their code and what belongs to them.
MUST_CHECK int deploy_functions(struct deploy *deploy, struct err *err);
// Publishes a version for the alias of a function with provisionedConcurrency, and has as many instances
// started; returns when they are there.
MUST_CHECK int deploy_provision(struct deploy *deploy, struct deploy_function *f, struct err *err);
// Before the function's reserved concurrency is set: those that are too many are let go.
MUST_CHECK int deploy_provision_lower(struct deploy *deploy, struct deploy_function *f,
                                      struct err *err);
// Once no event goes there any more: takes the aliases away of functions without provisionedConcurrency.
MUST_CHECK int deploy_provision_end(struct deploy *deploy, struct err *err);
// Whether an earlier deployment made the alias.
bool deploy_provisioned(const struct deploy *deploy, const struct deploy_function *f);

// Deletes functions that an earlier deployment made and the file no longer has.
MUST_CHECK int deploy_prune(struct deploy *deploy, struct err *err);

// The bucket of packages and state, those of events and of destinations.
MUST_CHECK int deploy_buckets(struct deploy *deploy, struct err *err);
// Each bucket's notifications: ours replaced, other functions' kept.
MUST_CHECK int deploy_notifications(struct deploy *deploy, struct err *err);
// For rouse remove: takes away what notifies functions with these names (a JSON array).
MUST_CHECK int notifications_remove(struct remote *remote, const char *bucket, const json_t *names,
                                    struct err *err);

// Function URLs and APIs: routes of http and httpApi events.
MUST_CHECK int deploy_http(struct deploy *deploy, struct err *err);
// For rouse remove: the service's APIs. URLs go with their functions.
MUST_CHECK int http_remove(struct remote *remote, const struct serverless *service,
                           struct err *err);

// Rules and schedules of schedule and eventBridge events: set, and those removed that are not wanted any
// more.
MUST_CHECK int deploy_schedules(struct deploy *deploy, struct err *err);
// For rouse remove: those that the state names.
MUST_CHECK int schedules_remove(struct remote *remote, const json_t *state, struct err *err);
