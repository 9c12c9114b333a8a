// SPDX-License-Identifier: Apache-2.0
// The Lambda API inside: one call, the functions as they are known here, and what its operations
// (lambda_*.c) share. The table of operations is in lambda_route.c; the outside sees only what api.h
// says.
//
//     route: find operation and function ─► authenticate ─► body ─► op->run ─► reply
//                                                                     │
//                                 lambda_pool (unpacking) and lambda_write (rows) in between
//
// Functions live in memory and in the store alike. A change is written first; when it is durable the
// memory, then the dispatcher are told, then the caller. While one change of a function is under way
// further ones wait in line, so that each sees what the one before did.
#pragma once

#include "api/api.h"
#include "api/auth.h"
#include "api/reply.h"
#include "base/list.h"
#include "base/map.h"
#include "core/function.h"
#include "core/job.h"
#include "format/arn.h"
#include "format/base64.h"
#include "format/checksum.h"
#include "format/json.h"
#include "iam/policy.h"
#include "store/function.h"
#include "store/object.h"
#include "worker/prepare.h"

#define LAMBDA_DOCUMENT_MAX ((size_t)1024 * 1024) // of a request that is no code and no payload
#define LAMBDA_REPLY_MAX    ((size_t)16 * 1024 * 1024)
#define LAMBDA_ENV_MAX      4096 // bytes of names and values
#define LAMBDA_PREPARE_S    600
#define LAMBDA_QUANTIZE_S   3600
#define LAMBDA_CONCURRENCY  1000 // of an account, as Lambda has it unless it is asked for more

struct lambda_call;

enum lambda_body { LAMBDA_BODY_NONE, LAMBDA_BODY_JSON, LAMBDA_BODY_CODE, LAMBDA_BODY_PAYLOAD };

struct lambda_op {
    const char *name; // "CreateFunction"
    const char *method;
    // After the date: "functions/*/code". '*' is the function, '%' a layer, '+' any other segment.
    const char *path;
    int body;     // enum lambda_body
    bool changes; // run waits for its function's turn, or that of all layers
    // Answers, or starts what will. A failure is answered by the caller of run.
    int (*run)(struct lambda_call *call, struct err *err);
    const char *query;  // "List=ALL": only with this; NULL: whatever
    const char *action; // of IAM, where that has another name; NULL: the operation's
    bool named_later;   // its path does not tell what it is about: run authorises it
};

// Those who want to change one thing, one after the other.
struct lambda_line {
    struct loop *loop;
    bool busy;                                  // somebody has the turn
    struct list waiting;                        // struct lambda_turn
    struct timer next;                          // gives the turn
    void (*on_empty)(struct lambda_line *line); // nobody has it any more, nobody waits; may be NULL
};
struct lambda_turn {
    struct list link;
    void (*on_turn)(struct lambda_turn *turn); // never from inside a call
};
void lambda_line_init(struct lambda_line *line, struct loop *loop);
void lambda_turn_take(struct lambda_line *line, struct lambda_turn *turn);
void lambda_turn_end(struct lambda_line *line);

#define LAMBDA_SEGMENTS_MAX 2

struct lambda_call {
    struct http_request *req; // NULL once the client has gone
    struct api *api;
    const struct lambda_op *op;
    int refs;
    struct auth auth;
    struct buf body;
    uint64_t body_max;
    struct checksum sum; // of a large body, while it arrives
    bool summing, replied;

    char name[FUNCTION_NAME_MAX + 1]; // of the function, empty when the operation has none
    char *qualifier;                  // as given; NULL: none
    char layer[ARN_LAYER_NAME_MAX + 1];
    int64_t layer_version;               // -1: none
    char *segments[LAMBDA_SEGMENTS_MAX]; // of the path, where it has '+'; decoded, never NULL there
    json_t *input;                       // the body, when it is JSON

    const json_t *code;             // where in input the code is told of
    struct lambda_package *package; // of operations with code
    struct function *draft;         // what the function is to be
    struct pool_work work;
    int (*pool_run)(struct lambda_call *call, struct err *err);
    int (*pool_done)(struct lambda_call *call, struct err *err);
    int (*on_brought)(struct lambda_call *call, struct err *err); // see lambda_code_bring
    struct err err;
    int rc;
    struct lambda_turn turn; // at changing what it is about
    int (*on_turn)(struct lambda_call *call, struct err *err);
    struct lambda_line *turn_in; // where it has the turn; NULL: nowhere
    struct job *streaming;       // whose answer is being passed on; NULL: none
};

// ---- life and replies (lambda_route.c); replies are no-ops when the client has gone
struct lambda_call *lambda_call_ref(struct lambda_call *call);
void lambda_call_unref(struct lambda_call *call);
void lambda_reply(struct lambda_call *call, int status, const json_t *json); // takes no reference
void lambda_reply_empty(struct lambda_call *call, int status);
void lambda_fail(struct lambda_call *call, const struct err *err);
MUST_CHECK int lambda_authorize(struct lambda_call *call, struct err *err); // while req is there
// run on a pool thread, then done on the core thread. A failure of either is answered.
void lambda_pool(struct lambda_call *call, int (*run)(struct lambda_call *call, struct err *err),
                 int (*done)(struct lambda_call *call, struct err *err));
// A query parameter, decoded, appended to out; false when absent.
bool lambda_param(const struct lambda_call *call, const char *name, struct buf *out);
// An integer parameter; absent: *ret untouched.
MUST_CHECK int lambda_param_int(const struct lambda_call *call, const char *name, int64_t least,
                                int64_t most, int64_t *ret, struct err *err);

// 1 and *ret when the member is there and within its bounds, 0 when it is absent (lambda_settings.c).
// `member` is what Lambda calls it in messages.
MUST_CHECK int lambda_read_bounded(const json_t *input, const char *name, const char *member,
                                   int64_t least, int64_t most, int64_t *ret, struct err *err);
int lambda_null_member(struct err *err, const char *member); // one that must be there is not

// ---- lists (lambda_list.c)
#define LAMBDA_LIST_ITEMS 50 // of a page, unless MaxItems says otherwise
struct lambda_listing {
    const char *member; // of the answer: "Aliases"
    size_t count;
    int64_t items_max;                                  // that MaxItems may ask for
    void (*mark)(void *ctx, size_t i, struct buf *out); // what Marker calls the item
    json_t *(*item)(void *ctx, size_t i);               // a new reference
    void *ctx;
};
// Answers with the page that the call asks for.
MUST_CHECK int lambda_list(struct lambda_call *call, const struct lambda_listing *list,
                           struct err *err);

// ---- functions (lambda_registry.c)
struct lambda_invoke_config {
    char *qualifier;
    int64_t retries, event_age_s;  // -1: not set
    char *on_success, *on_failure; // NULL: none
    int64_t modified_ms;
};

struct lambda_provision { // PutProvisionedConcurrencyConfig's
    char *qualifier;
    int64_t count, modified_ms;
};

struct lambda_function {
    struct lambda *lambda;
    char *name;
    struct function *latest;    // NULL: being created
    struct function *update;    // new code that is being prepared while `latest` serves; or NULL
    struct function **versions; // published, ascending
    size_t version_count;
    struct alias **aliases; // by name
    size_t alias_count;
    int64_t last_version;
    char *tags, *policy; // JSON objects or NULL
    int64_t reserved;
    int update_status; // enum function_update
    char *update_reason, *update_code;
    struct lambda_invoke_config *configs;
    size_t config_count; // by qualifier
    struct lambda_provision *provisions;
    size_t provision_count; // by qualifier

    struct lambda_line line;
    struct prepare_task prepare;
    struct function *preparing;      // a reference: what `prepare` is about
    struct lambda_turn prepare_turn; // to write what came of it
    char *prepare_out;
};

struct lambda {
    struct api *api;
    struct map functions;                  // struct lambda_function by name
    struct preparer *preparer, *quantizer; // two, since quantizing takes minutes
    struct list quantizing;                // of lambda_quantize.c
    char *packages;                        // DIR/packages
    struct list refreshing;                // of lambda_refresh.c
    bool machine_changed;                  // since what is prepared was prepared
    struct map layers;                     // struct lambda_layer by name
    struct lambda_line layer_line;         // to change any of them
    struct lambda_sweep *sweep;
    struct lambda_urls *urls;
};

struct lambda_function *lambda_find(struct api *api, struct str name); // NULL also while created
// The function of the call; ERR_NOT_FOUND as Lambda says it.
MUST_CHECK int lambda_need(struct lambda_call *call, struct lambda_function **ret, struct err *err);
// What a qualifier names (NULL: $LATEST): a version, or an alias and the version that it leads to; by
// chance, where it leads to two and `pick` is set, else the first. Borrowed. False: nothing.
struct lambda_target {
    struct function *version;
    struct alias *alias; // NULL: a version was named
};
bool lambda_resolve(const struct lambda_function *f, const char *qualifier, bool pick,
                    struct lambda_target *ret);
// The same for the call's qualifier.
MUST_CHECK int lambda_need_target(struct lambda_call *call, struct lambda_function *f, bool pick,
                                  struct lambda_target *ret, struct err *err);
MUST_CHECK int lambda_need_version(struct lambda_call *call, struct lambda_function *f,
                                   struct function **ret, struct err *err); // without `pick`
struct function *lambda_version_find(const struct lambda_function *f, const char *version);
struct alias *lambda_alias_find(const struct lambda_function *f, const char *name);
struct lambda_invoke_config *lambda_config_find(const struct lambda_function *f,
                                                struct str qualifier);
int lambda_not_found(const struct lambda_call *call, struct err *err); // for the name and qualifier

// Inside: the entry of that name, made when there is none; what it is of a function that is gone.
struct lambda_function *lambda_entry(struct lambda *lambda, const char *name);
void lambda_entry_clear(struct lambda_function *f);

// Waits until nobody else changes the function that the call names (which need not exist), or any
// layer when it names none; then calls on_turn. The turn ends with the reply.
void lambda_take_turn(struct lambda_call *call,
                      int (*on_turn)(struct lambda_call *call, struct err *err));
void lambda_end_turn(struct lambda_call *call); // safe without one; called by the replies

// A change: fill in what is to be written (NULL or false: left as it is), then lambda_write. All of it
// is one transaction. When that is durable memory is changed alike, the dispatcher is told, and done
// is called; it is called with rc < 0 when nothing was changed.
struct lambda_change {
    struct store_task task;
    struct lambda *lambda;
    struct lambda_call *call; // a reference; NULL: nobody waits
    char *name;
    struct function *latest; // references
    struct function *update;
    bool update_drop;          // the update is over
    struct function *publish;  // a new version
    struct function **replace; // published versions that changed state
    size_t replace_count;
    char *drop_version;
    bool drop;                           // the whole function
    struct lambda_invoke_config *config; // put
    char *config_drop;                   // qualifier
    struct alias *alias;                 // put; a reference
    char *alias_drop;                    // name
    struct lambda_provision *provision;  // put
    char *provision_drop;                // qualifier
    int dropped;                         // events that waited for what went, afterwards
    // What the head becomes; begins as it is.
    char *tags, *policy, *update_reason, *update_code;
    int64_t reserved, last_version;
    int update_status;
    void (*done)(struct lambda_change *change); // may be NULL: the call is answered elsewhere
    int status;                                 // for lambda_change_answer
    json_t *answer;
};
struct lambda_change *lambda_change_new(struct lambda *lambda, struct lambda_function *f,
                                        const char *name, struct lambda_call *call);
// The same for a call that is answered with `status`, and change->answer when there is one.
struct lambda_change *lambda_change_begin(struct lambda_call *call, struct lambda_function *f,
                                          int status);
void lambda_write(struct lambda_change *change);
void lambda_change_free(struct lambda_change *change); // instead of lambda_write
// `done` for changes whose answer is known before: change->status and change->answer (NULL: empty).
void lambda_change_answer(struct lambda_change *change);
void lambda_text_set(char **field, const char *value); // copies
// The dispatcher is told of all versions again: something that belongs to them all has changed.
void lambda_versions_tell(struct lambda_function *f);
void lambda_invoke_config_put(struct lambda_function *f, struct lambda_invoke_config *config);

// Begins preparing what needs it: a latest that is PENDING, or an update. When it has ended the states
// change as they should.
void lambda_prepare(struct lambda_function *f);
bool lambda_needs_preparation(const struct function *f);
char *lambda_prepared_folder(const struct function *f); // of the model as it is; heap
// Published versions are made of the same package in the same way.
bool lambda_same_code(const struct function *a, const struct function *b);
// At start: prepares models again that were prepared on another machine.
void lambda_refresh(struct lambda *lambda);
void lambda_refresh_look(struct lambda *lambda); // something of it has ended
void lambda_refresh_stop(struct lambda *lambda);

// ---- quantizing (lambda_quantize.c): "Quantize" of a configuration, after the model was prepared
// Begins what its versions ask for and ends what none does any more. After each change.
void lambda_quantize(struct lambda_function *f);
void lambda_quantize_drop(struct lambda_function *f); // ends all of it
// Checks the member of a request.
MUST_CHECK int lambda_quantize_check(const json_t *input, const struct function *f,
                                     struct err *err);
// `fresh` is `was` with another configuration: when that asks for other quantizing all begins anew.
void lambda_quantize_compare(struct function *fresh, const struct function *was);
// As if it had never been tried: for another machine.
void lambda_quantize_forget(struct function *fresh);
// "QuantizeStatus" of a FunctionConfiguration, a new reference; NULL: nobody asked for it.
json_t *lambda_quantize_status(const struct function *version);
// A new published version of `from`.
struct function *lambda_version_make(const struct function *from, int64_t number);

// ---- invocations (lambda_invoke.c)
#define LAMBDA_LOG_TAIL 4096 // bytes of a job's log that its caller may see
// A job of the call's payload and context, which are taken. To be submitted.
MUST_CHECK int lambda_job_new(struct lambda_call *call, struct function *version, struct job **ret,
                              struct err *err);
void lambda_job_headers(struct http_request *req, const struct job *job, const char *content_type);
// The end of the log in Base64, when the caller has asked for it; "" else.
void lambda_log_tail(const struct http_request *req, const struct job *job,
                     char out[BASE64_SIZE(LAMBDA_LOG_TAIL) + 1]);

// ---- what a configuration is (lambda_config.c)
// Appends to the members of *f those of a CreateFunction or UpdateFunctionConfiguration request.
MUST_CHECK int lambda_config_read(struct api *api, const json_t *input, bool create,
                                  struct function *f, struct err *err);
// FunctionConfiguration, a new reference. `qualified`: the ARN ends in the version.
json_t *lambda_config_json(const struct lambda_function *f, const struct function *version,
                           bool qualified);
// version->dead_letter, from what is kept of its configuration.
void lambda_dead_letter_set(struct function *version);
// A place that events and results can be sent to from here. `what`: "destination".
MUST_CHECK int lambda_destination_check(struct api *api, struct str arn, const char *what,
                                        struct err *err);
// A qualifier as texts of requests have it: "$LATEST" or a number.
bool lambda_is_version(struct str qualifier);
char *lambda_arn(const struct lambda *lambda, const char *name, const char *qualifier);
void lambda_put_time(json_t *json, const char *name,
                     int64_t wall_ms); // "2026-01-02T03:04:05.678+0000"
MUST_CHECK int lambda_tags_check(const json_t *tags, struct err *err);
MUST_CHECK int lambda_check_revision(const json_t *input, const char *revision, struct err *err);

// ---- code (lambda_package.c)
struct lambda_package {
    struct buf zip; // the bytes, or
    int fd;         // a file with them, from offset 0; -1
    const char *packages;
    uint64_t unpacked_max;
    // Made by lambda_package_unpack:
    char sha256_hex[65], sha256_base64[45];
    uint64_t size, referred;     // of the zip; of the models
    char *folder;                // DIR/packages/<hex>/code
    char *temporary;             // where it is made; NULL: not begun, or done
    struct lambda_model *models; // of the store, that its files stand for
    size_t model_count;
};
struct lambda_package *lambda_package_new(const char *packages, uint64_t unpacked_max);
void lambda_package_free(struct lambda_package *package);
// Pool thread: checks, unpacks and makes durable; what is there already is left as it is. When
// package->models come out of it, they are to be opened by the core thread, and lambda_package_complete
// is to follow on a pool thread, whatever was found.
MUST_CHECK int lambda_package_unpack(struct lambda_package *package, struct err *err);
MUST_CHECK int lambda_package_complete(struct lambda_package *package, struct err *err);
// Pool thread: how many bytes are in an unpacked package.
MUST_CHECK int lambda_package_unpacked(const char *folder, uint64_t *ret, struct err *err);
// Removes the packages that are not in `used`, and what a crash left behind. At start.
void lambda_package_sweep(const char *packages, const struct map *used);
void lambda_folder_remove(const char *path); // with all that is in it; blocks
// Where a request tells of its code: the members ZipFile, or S3Bucket and S3Key. `code` is part of
// call->input, of which call->package is to be made,
MUST_CHECK int lambda_code_find(struct lambda_call *call, const json_t *code, struct err *err);
// all of which, and what it needs of the core thread, is lambda_code_bring. `done` as of lambda_pool.
void lambda_code_bring(struct lambda_call *call,
                       int (*done)(struct lambda_call *call, struct err *err));
// A URL that this server answers for ten minutes: the zip of an unpacked package, signed with our key.
MUST_CHECK int lambda_location_write(struct lambda_call *call, const char *package, struct buf *out,
                                     struct err *err);

// ---- models of the store (lambda_model.c)
//
// A model is an object of the bucket LAMBDA_MODEL_BUCKET, its key the SHA-256 of its bytes. A file of a
// package may be a reference instead of the model: the line "rouse-model sha256:<64 digits> <size>".
// When the package is unpacked the model takes its place, by a link where the file system can.
#define LAMBDA_MODEL_BUCKET "rouse-models"
#define LAMBDA_MODEL_LEAST  86 // bytes of a reference
#define LAMBDA_MODEL_MOST   128
#define LAMBDA_MODEL_LIST   "models" // beside the package's code/: its digests, a line each
struct lambda_model {
    char *name; // of the file in the package
    char digest[65];
    uint64_t size;
    struct object_content content; // once it is open; fd -1 and no data: it is not in the store
};
// Whether the bytes are a reference; *ret without a name then.
bool lambda_model_refers(struct str bytes, struct lambda_model *ret);
void lambda_model_add(struct lambda_package *package, const char *name,
                      const struct lambda_model *model);
// Core thread: opens those that are in the store.
void lambda_models_open(struct api *api, struct lambda_package *package);
// Pool thread: puts them in their places below `code`, and checks that they are what they are called.
MUST_CHECK int lambda_models_place(const struct lambda_package *package, const char *code,
                                   struct err *err);
void lambda_models_free(struct lambda_package *package);
// {"<digest>": ["function", "function:3", …], …}: those of functions' packages. A new reference.
json_t *lambda_models_used(const struct lambda *lambda);

// ---- packages that nobody uses any more (lambda_sweep.c)
void lambda_sweep_start(struct lambda *lambda); // after functions and layers are known
void lambda_sweep_stop(struct lambda *lambda);
// The package may have lost its last user: it is looked at soon, and removed when nobody uses it.
void lambda_sweep_suspect(struct lambda *lambda, const char *package);          // NULL is fine
void lambda_sweep_suspect_all(struct lambda *lambda, const struct function *f); // NULL is fine
// While a request brings code nothing is removed: it may bring what is there already. In the end it
// says what it has brought (NULL: nothing), since that may have come to nothing.
void lambda_sweep_hold(struct lambda *lambda);
void lambda_sweep_release(struct lambda *lambda, const char *package);

// ---- layers (lambda_layer.c)
struct lambda_layer_version {
    int64_t version;
    char *description, *license;    // NULL: none
    char *runtimes, *architectures; // JSON arrays; NULL: not said
    char *sha256, *package;         // as of a function
    uint64_t code_size;
    int64_t created_ms;
    char *policy, *policy_revision; // JSON document; NULL: none
};
struct lambda_layer {
    char *name;
    int64_t last_version;                   // number given last, deleted ones included
    struct lambda_layer_version **versions; // ascending
    size_t count;
};
MUST_CHECK int lambda_layers_load(struct lambda *lambda, struct err *err);
void lambda_layers_free(struct lambda *lambda);
bool lambda_layers_use(const struct lambda *lambda, const char *package);
uint64_t lambda_layers_code_size(const struct lambda *lambda); // of all versions
char *lambda_layer_arn(const struct lambda *lambda, const char *name, int64_t version); // < 0: none
// The call is about the layer, and perhaps its version, that `text` names: a name or an ARN.
MUST_CHECK int lambda_layer_take(struct lambda_call *call, struct str text, const char *member,
                                 struct err *err);
// The version that the call names; ERR_NOT_FOUND as Lambda says it.
MUST_CHECK int lambda_layer_need(struct lambda_call *call, struct lambda_layer_version **ret,
                                 struct err *err);
// "Layers" of a request become f->layers; nothing when there is no such member.
MUST_CHECK int lambda_layers_read(struct lambda_call *call, struct function *f, struct err *err);
// As GetLayerVersion shows it, a new reference; NULL with err set.
json_t *lambda_layer_json(struct lambda_call *call, const struct lambda_layer *layer,
                          const struct lambda_layer_version *version, struct err *err);
struct lambda_layer_version *lambda_layer_version_copy(const struct lambda_layer_version *version);
// Writes the version of call->layer, which it takes over as it does the answer; NULL: removes the
// version of the number `drop`. When that is durable the answer is given (NULL: an empty one).
void lambda_layer_write(struct lambda_call *call, struct lambda_layer_version *version,
                        int64_t drop, int status, json_t *answer);

// ---- provisioned concurrency (lambda_provision.c)
struct lambda_provision *lambda_provision_find(const struct lambda_function *f,
                                               const char *qualifier);
int64_t lambda_provision_total(const struct lambda_function *f);
void lambda_provision_put(struct lambda_function *f,
                          struct lambda_provision *provision); // moves it
void lambda_provision_remove(struct lambda_function *f, const char *qualifier);
void lambda_provision_free(struct lambda_provision *provision); // NULL is fine
void lambda_provisions_clear(struct lambda_function *f);
// The dispatcher is told how many instances each version is to have.
void lambda_provision_tell(struct lambda_function *f);
// An alias with provisioned concurrency cannot lead everywhere.
MUST_CHECK int lambda_provision_check(const struct lambda_function *f, const struct alias *alias,
                                      struct err *err);

// ---- resource policies (lambda_policy.c)
// The policy of a version or alias goes with it.
void lambda_policy_forget(struct lambda_change *change, const struct lambda_function *f,
                          const char *qualifier);
json_t *lambda_statement_find(const json_t *policy, struct str sid, size_t *ret_at); // borrowed
json_t *lambda_principal_json(struct str principal); // "*", an account, an ARN or a service
MUST_CHECK int lambda_sid_check(struct str sid, struct err *err);
MUST_CHECK int lambda_policy_check(size_t size, struct err *err); // of a document, in bytes
// A member that must be there; `member` is what Lambda calls it in messages.
MUST_CHECK int lambda_need_member(const json_t *input, const char *name, const char *member,
                                  struct str *ret, struct err *err);

// ---- policies of functions (lambda_policy.c)
// What the function's policy for that qualifier (NULL: none) says of whoever asks.
enum policy_answer lambda_policy_ask(const struct lambda_function *f, const char *qualifier,
                                     const char *action, const struct policy_principal *principal,
                                     const struct policy_value *context, size_t context_count);

// ---- function URLs (lambda_url.c)
MUST_CHECK int lambda_urls_start(struct lambda *lambda, struct err *err);
void lambda_urls_stop(struct lambda *lambda);
// The function, or the alias of it that `qualifier` (NULL: all of it) names, was deleted.
void lambda_urls_forget(struct lambda *lambda, const char *function, const char *qualifier);

// ---- operations
int lambda_create_function(struct lambda_call *call, struct err *err);
int lambda_update_code(struct lambda_call *call, struct err *err);
int lambda_update_configuration(struct lambda_call *call, struct err *err);
int lambda_get_function(struct lambda_call *call, struct err *err);
int lambda_get_configuration(struct lambda_call *call, struct err *err);
int lambda_list_functions(struct lambda_call *call, struct err *err);
int lambda_delete_function(struct lambda_call *call, struct err *err);
int lambda_publish_version(struct lambda_call *call, struct err *err);
int lambda_list_versions(struct lambda_call *call, struct err *err);
int lambda_invoke(struct lambda_call *call, struct err *err);
int lambda_invoke_stream(struct lambda_call *call, struct err *err);
int lambda_put_concurrency(struct lambda_call *call, struct err *err);
int lambda_get_concurrency(struct lambda_call *call, struct err *err);
int lambda_delete_concurrency(struct lambda_call *call, struct err *err);
int lambda_put_invoke_config(struct lambda_call *call, struct err *err);
int lambda_update_invoke_config(struct lambda_call *call, struct err *err);
int lambda_get_invoke_config(struct lambda_call *call, struct err *err);
int lambda_delete_invoke_config(struct lambda_call *call, struct err *err);
int lambda_list_invoke_configs(struct lambda_call *call, struct err *err);
int lambda_add_permission(struct lambda_call *call, struct err *err);
int lambda_remove_permission(struct lambda_call *call, struct err *err);
int lambda_get_policy(struct lambda_call *call, struct err *err);
int lambda_create_url(struct lambda_call *call, struct err *err);
int lambda_update_url(struct lambda_call *call, struct err *err);
int lambda_get_url(struct lambda_call *call, struct err *err);
int lambda_delete_url(struct lambda_call *call, struct err *err);
int lambda_list_urls(struct lambda_call *call, struct err *err);
int lambda_tag_resource(struct lambda_call *call, struct err *err);
int lambda_untag_resource(struct lambda_call *call, struct err *err);
int lambda_list_tags(struct lambda_call *call, struct err *err);
int lambda_account_settings(struct lambda_call *call, struct err *err);
int lambda_put_provision(struct lambda_call *call, struct err *err);
int lambda_get_provision(struct lambda_call *call, struct err *err);
int lambda_list_provisions(struct lambda_call *call, struct err *err);
int lambda_delete_provision(struct lambda_call *call, struct err *err);
int lambda_create_alias(struct lambda_call *call, struct err *err);
int lambda_get_alias(struct lambda_call *call, struct err *err);
int lambda_list_aliases(struct lambda_call *call, struct err *err);
int lambda_update_alias(struct lambda_call *call, struct err *err);
int lambda_delete_alias(struct lambda_call *call, struct err *err);
int lambda_publish_layer(struct lambda_call *call, struct err *err);
int lambda_get_layer(struct lambda_call *call, struct err *err);
int lambda_get_layer_by_arn(struct lambda_call *call, struct err *err);
int lambda_list_layers(struct lambda_call *call, struct err *err);
int lambda_list_layer_versions(struct lambda_call *call, struct err *err);
int lambda_delete_layer(struct lambda_call *call, struct err *err);
int lambda_add_layer_permission(struct lambda_call *call, struct err *err);
int lambda_remove_layer_permission(struct lambda_call *call, struct err *err);
int lambda_get_layer_policy(struct lambda_call *call, struct err *err);
