// SPDX-License-Identifier: Apache-2.0
// Who is told: PutBucketNotificationConfiguration and its reading. Functions are told directly;
// queues and topics are refused, since nothing here would deliver to them.
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketNotificationConfiguration.html
#include "api/s3.h"
#include "base/mem.h"
#include "core/uuid.h"
#include "dispatch/dispatch.h"
#include "format/arn.h"
#include "format/s3event.h"
#include "store/notification.h"

#define CONFIGURATIONS_MAX 64 // of a bucket
#define TYPES_MAX          32 // events of one configuration

struct configuration {
    struct notification stored;
    struct str types[TYPES_MAX];
    size_t type_count;
};

struct configurations {
    struct configuration at[CONFIGURATIONS_MAX];
    size_t count;
    bool eventbridge;
};

static int filter_rule_read(struct s3_request *r, struct configuration *c,
                            const struct xml_node *rule, struct err *err)
{
    struct str name, value;
    TRY(xml_need(rule, "Name", &name, err));
    TRY(xml_need(rule, "Value", &value, err));
    bool prefix = str_eq_nocase(name, STR("prefix"));
    if (!prefix && !str_eq_nocase(name, STR("suffix"))) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "filter rule name must be either prefix or suffix");
    }
    struct str *place = prefix ? &c->stored.prefix : &c->stored.suffix;
    if (place->at) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Cannot specify more than one %s rule in a filter.",
                       prefix ? "prefix" : "suffix");
    }
    if (value.size > OBJECT_KEY_MAX) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Size of filter rule value cannot exceed %d bytes in UTF-8 representation",
                       OBJECT_KEY_MAX);
    }
    *place = s3_keep_str(r, value);
    return 0;
}

static int events_read(struct s3_request *r, struct configuration *c, const struct xml_node *node,
                       struct err *err)
{
    CLEAN(buf_done) struct buf events = BUF_INIT(8192);
    for (struct xml_node *event = xml_child(node, "Event"); event; event = xml_next(event)) {
        struct str type = str_trim(xml_text(event));
        if (c->type_count == TYPES_MAX) {
            return err_aws(err, ERR_INVALID, "InvalidArgument",
                           "A configuration has more than %d events", TYPES_MAX);
        }
        TRY(s3event_type_check(type, err));
        c->types[c->type_count++] = s3_keep_str(r, type);
        buf_printf(&events, "%s" STR_FMT, events.size ? "," : "", STR_ARG(type));
    }
    if (!c->type_count) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
    }
    c->stored.events = s3_keep_str(r, buf_str(&events));
    return 0;
}

static int function_check(struct s3_request *r, struct str arn_text, struct err *err)
{
    struct arn arn;
    struct arn_function function;
    if (arn_parse(arn_text, &arn, NULL) < 0 || !str_eq(arn.service, STR("lambda")) ||
        arn_function_parse(arn_text, &function, NULL) < 0) {
        return err_aws(err, ERR_INVALID, "InvalidArgument", "The ARN is not well formed: " STR_FMT,
                       STR_ARG(arn_text));
    }
    struct str skip = s3_header(r, "x-amz-skip-destination-validation");
    CLEAN_MEM char *key = bus_function_key(&function);
    if (str_eq_nocase(skip, STR("true")) || dispatch_knows(r->api->dispatch, str_of(key))) {
        return 0;
    }
    return err_aws(err, ERR_INVALID, "InvalidArgument",
                   "Unable to validate the following destination configurations: " STR_FMT
                   " (there is no such function, version or alias)",
                   STR_ARG(arn_text));
}

static int configuration_read(struct s3_request *r, struct configuration *c,
                              const struct xml_node *node, struct err *err)
{
    struct str arn = str_trim(xml_child_text(node, "CloudFunction"));
    if (!arn.size) {
        arn = str_trim(xml_child_text(node, "LambdaFunctionArn"));
    }
    TRY(function_check(r, arn, err));
    c->stored.function = s3_keep_str(r, arn);
    struct str id = xml_child_text(node, "Id");
    struct uuid fresh = uuid_new();
    c->stored.id = s3_keep_str(r, id.size ? id : str_of(fresh.text));
    TRY(events_read(r, c, node, err));
    struct xml_node *key = xml_child(xml_child(node, "Filter"), "S3Key");
    struct xml_node *rule = xml_child(key, "FilterRule");
    for (; rule; rule = xml_next(rule)) {
        TRY(filter_rule_read(r, c, rule, err));
    }
    return 0;
}

static int configuration_compare(const struct configuration *a, const struct configuration *b,
                                 struct err *err)
{
    if (str_eq(a->stored.id, b->stored.id)) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Same ID used for multiple configurations. IDs must be unique.");
    }
    struct s3event_rule left = {a->types, a->type_count, a->stored.prefix, a->stored.suffix};
    struct s3event_rule right = {b->types, b->type_count, b->stored.prefix, b->stored.suffix};
    if (s3event_rules_overlap(&left, &right)) {
        return err_aws(err, ERR_INVALID, "InvalidArgument",
                       "Configuration is ambiguously defined. Cannot have overlapping suffixes in "
                       "two rules if the prefixes are overlapping for the same event type.");
    }
    return 0;
}

static int configurations_read(struct s3_request *r, struct configurations *all,
                               const struct xml_node *root, struct err *err)
{
    if (strcmp(root->name, "NotificationConfiguration") != 0) {
        return err_aws(err, ERR_INVALID, "MalformedXML",
                       "The XML you provided was not well-formed or did not validate against our "
                       "published schema");
    }
    if (xml_child(root, "QueueConfiguration") || xml_child(root, "TopicConfiguration")) {
        return err_aws(err, ERR_UNSUPPORTED, "NotImplemented",
                       "Queues and topics cannot be notified by this server: use a "
                       "LambdaFunctionConfiguration");
    }
    all->eventbridge = xml_child(root, "EventBridgeConfiguration") != NULL;
    for (struct xml_node *node = root->child; node; node = node->next) {
        if (strcmp(node->name, "CloudFunctionConfiguration") != 0 &&
            strcmp(node->name, "LambdaFunctionConfiguration") != 0) {
            continue;
        }
        if (all->count == CONFIGURATIONS_MAX) {
            return err_aws(err, ERR_INVALID, "InvalidArgument",
                           "A bucket has at most %d notification configurations",
                           CONFIGURATIONS_MAX);
        }
        struct configuration *c = &all->at[all->count];
        TRY(configuration_read(r, c, node, err));
        for (size_t i = 0; i < all->count; i++) {
            TRY(configuration_compare(&all->at[i], c, err));
        }
        all->count++;
    }
    return 0;
}

static int notification_commit(struct s3_request *r, struct db *db, struct err *err)
{
    const struct configurations *all = r->data;
    struct notification list[CONFIGURATIONS_MAX];
    for (size_t i = 0; i < all->count; i++) {
        list[i] = all->at[i].stored;
    }
    return notification_replace(db, r->bucket, list, all->count, all->eventbridge, err);
}

static void notification_done(struct s3_request *r)
{
    s3_reply_empty(r, 200);
}

int s3_put_notification(struct s3_request *r, struct err *err)
{
    CLEAN(xml_clean) struct xml_node *root = NULL;
    TRY(xml_parse(buf_str(&r->body.memory), &root, err));
    r->data = s3_keep(r, NEW(struct configurations));
    TRY(configurations_read(r, r->data, root, err));
    s3_commit(r, notification_commit, notification_done);
    return 0;
}

static void filter_rule_write(struct buf *out, const char *name, struct str value)
{
    if (value.at) {
        xml_open(out, "FilterRule");
        xml_text_element(out, "Name", str_of(name));
        xml_text_element(out, "Value", value);
        xml_close(out, "FilterRule");
    }
}

static int notification_write(void *ctx, const struct notification *n)
{
    struct buf *out = ctx;
    xml_open(out, "CloudFunctionConfiguration");
    xml_text_element(out, "Id", n->id);
    xml_text_element(out, "CloudFunction", n->function);
    struct str rest = n->events;
    while (rest.at) {
        xml_text_element(out, "Event", str_cut(&rest, ','));
    }
    if (n->prefix.at || n->suffix.at) {
        xml_open(out, "Filter");
        xml_open(out, "S3Key");
        filter_rule_write(out, "Prefix", n->prefix);
        filter_rule_write(out, "Suffix", n->suffix);
        xml_close(out, "S3Key");
        xml_close(out, "Filter");
    }
    xml_close(out, "CloudFunctionConfiguration");
    return 0;
}

int s3_get_notification(struct s3_request *r, struct err *err)
{
    struct db *db = store_reader(r->api->store);
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, "NotificationConfiguration", XML_NS_S3);
    TRY(notification_each(db, r->bucket, notification_write, &out, err));
    int eventbridge = notification_eventbridge(db, r->bucket, err);
    TRY(eventbridge);
    if (eventbridge) {
        xml_empty(&out, "EventBridgeConfiguration");
    }
    xml_close(&out, "NotificationConfiguration");
    s3_reply_xml(r, 200, &out);
    return 0;
}
