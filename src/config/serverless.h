// SPDX-License-Identifier: Apache-2.0
// serverless.yml (Serverless Framework, version 3) as one immutable struct: variables resolved, keys
// checked, defaults filled in, names made. What AWS needs and Rouse does not yet honour is kept out
// of the struct and named in `ignored`.
//
//     CLEAN(serverless_free_clean) struct serverless *service = NULL;
//     struct serverless_options options = {.path = "serverless.yml", .stage = "prod"};
//     TRY(serverless_load(&options, &service, err));
//     for (size_t i = 0; i < service->function_count; i++) { service->functions[i].name … }
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "config/events.h"
#include "config/http.h"

#include <jansson.h>

struct serverless_options { // borrowed; NULL where not given
    const char *path;       // NULL: serverless.yml, .yaml or .json in the working folder
    const char *stage, *region;
    const char *const *params; // "key=value"
    size_t param_count;
};

struct serverless_package {
    const char *artifact;  // a zip to take as it is, relative to the service, or NULL
    const char **patterns; // in order; "!x" takes away; include is put first, then patterns
    size_t pattern_count;
    bool individually;
    bool individually_given;
    bool keep_dev_dependencies; // excludeDevDependencies: false
};

struct serverless_requirements { // custom.pythonRequirements
    const char *file;            // relative to the service
    const char *python;          // the interpreter whose pip is asked, or NULL: the runtime's
    json_t *pip_args;            // array of texts
};

struct serverless_layer {
    const char *key, *name;                       // in the file; of the Lambda layer
    const char *path;                             // the folder that becomes /opt, or NULL
    const char *description, *license;            // NULL where not given
    json_t *runtimes, *architectures;             // arrays of texts, never NULL
    bool retain;                                  // old versions stay
    struct serverless_package package;            // patterns relative to path
    struct serverless_requirements *requirements; // instead of a path; else NULL
};

struct serverless_layer_use { // either
    const char *arn;          // of a version
    const struct serverless_layer *layer;
};

struct serverless_bucket {       // functions.*.events[].s3
    const char *bucket, *event;  // "s3:ObjectCreated:*"
    const char *prefix, *suffix; // NULL: any
    bool existing;               // the bucket is there already and is not ours to make
};

struct serverless_quantize {   // of a model, when it is deployed
    const char *method;        // NULL: it stays as it is
    const char *calibrate;     // a folder or file in the package, or NULL
    const char *keep_accuracy; // a number, or NULL
};

struct serverless_function {
    const char *key;  // in the file
    const char *name; // of the Lambda function: service-stage-key unless given
    const char *runtime, *handler, *description, *role; // the last two may be NULL
    int64_t memory_mb, timeout_s, ephemeral_mb;
    bool device_cpu;   // asked for; else auto
    bool network_open; // the host's; else the endpoint alone
    int64_t batch_max,
        batch_delay_ms; // jobs of a model that run together, and the wait for them; -1: not said
    struct serverless_quantize quantize;
    json_t *cache;                // {"TtlSeconds", …} as Lambda's API here takes it, never NULL
    int64_t reserved_concurrency; // -1: none
    int64_t provisioned_concurrency; // 0: none
    int64_t event_age_max_s;         // -1: not given
    int64_t retries_max;             // -1: not given
    json_t *environment, *tags;      // objects of strings, never NULL; the provider's are merged in
    const char *on_success, *on_failure; // ARN, or name of a function, or NULL
    const char *on_error;                // the same, for the events themselves
    struct serverless_bucket *buckets;
    size_t bucket_count;
    struct serverless_layer_use *layers; // in the order in which they are laid over each other
    size_t layer_count;
    struct serverless_route *routes; // events: http and httpApi
    size_t route_count;
    struct serverless_url url;
    struct serverless_event *events; // schedule and eventBridge
    size_t event_count;
    struct serverless_package package;
};

struct
    serverless_hook { // custom.scripts.hooks: a command of the shell, run in the service's folder
    const char *when; // "before:package:createDeploymentArtifacts"
    const char *command;
};

struct serverless {
    const char *path, *dir; // of the file; dir is "." or a path
    const char *service, *stage, *region;
    const char *deployment_bucket;         // NULL: one is made
    json_t *statements;                    // provider.iam.role.statements, an array, never NULL
    struct serverless_function *functions; // in the file's order
    size_t function_count;
    struct serverless_package package;
    struct serverless_layer *layers;
    size_t layer_count;
    bool requirements_by_name; // only functions that name the layer of requirements get it
    struct serverless_api apis[SERVERLESS_API_KINDS]; // see serverless_api_wanted
    struct serverless_hook *hooks;
    size_t hook_count;
    bool use_dotenv;
    char *ignored;     // "functions.a.vpc (line 12), provider.tracing (line 4)", or NULL
    char *unknown;     // unknown keys where configValidationMode says warn, one a line, or NULL
    struct tree *tree; // owns all texts above
};

// ERR_INVALID begins with file, line and column; ERR_NOT_FOUND when there is no file.
MUST_CHECK int serverless_load(const struct serverless_options *options, struct serverless **ret,
                               struct err *err);
// As serverless_load, from a text that options->path (needed) names in errors; ${file(…)} is relative to it.
MUST_CHECK int serverless_parse(const struct serverless_options *options, struct str text,
                                struct serverless **ret, struct err *err);
void serverless_free(struct serverless *service); // takes NULL
void serverless_free_clean(struct serverless **service);

// By key in the file or by full name; NULL when there is none.
const struct serverless_function *serverless_function(const struct serverless *service,
                                                      struct str name);
// Everything, for --json and tests. A new reference.
json_t *serverless_to_json(const struct serverless *service);

// ---- for the files that read parts of it

struct tree_node;
// *ret is zeroed; NULL and null leave it so.
void serverless_read_package(struct tree *tree, const struct tree_node *node,
                             struct serverless_package *ret);
