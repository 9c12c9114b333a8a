// SPDX-License-Identifier: Apache-2.0
// EventBridge Scheduler: groups of schedules, which are what tags hang on.
#include "api/scheduler.h"
#include "core/identity.h"

#define TAGS_TEXT_MAX ((size_t)64 * 1024)

static int group_named(struct rpc_call *call, struct str *ret, struct err *err)
{
    CLEAN_JSON json_t *path = json_object();
    struct str name;
    json_put_str(path, "Name", str_of(call->segment));
    TRY(scheduler_name(path, "Name", "name", &name, err));
    *ret = str_of(call->segment);
    return 0;
}

char *scheduler_group_arn(const struct rpc_call *call, struct str group)
{
    return mem_printf("arn:aws:scheduler:%s:" ACCOUNT_ID ":schedule-group/" STR_FMT,
                      call->api->settings->region, STR_ARG(group));
}

// Walks to the one group of that name. 1 when `each` was told of it.
struct finding {
    struct str name;
    int (*each)(void *ctx, const struct schedule_group *group); // < 0: failed
    void *ctx;
};

static int finding_each(void *ctx, const struct schedule_group *group)
{
    struct finding *f = ctx;
    if (!str_eq(group->name, f->name)) {
        return 0;
    }
    int rc = f->each ? f->each(f->ctx, group) : 0;
    return rc < 0 ? rc : 1;
}

static int find(struct db *db, struct finding *finding, struct err *err)
{
    return schedule_group_each(db, finding->name, (struct str){0}, finding_each, finding, err);
}

static int no_group(struct str name, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   "Schedule group " STR_FMT " does not exist.", STR_ARG(name));
}

static int need(struct db *db, struct finding *finding, struct err *err)
{
    int there = find(db, finding, err);
    return there == 0 ? no_group(finding->name, err) : there < 0 ? there : 0;
}

int scheduler_group_need(struct db *db, struct str group, struct err *err)
{
    struct finding finding = {.name = group};
    return need(db, &finding, err);
}

// ── life ──

int scheduler_create_group(struct rpc_call *call, struct db *db, struct err *err)
{
    const json_t *tags = json_object_get(call->input, "Tags");
    CLEAN(buf_done) struct buf text = BUF_INIT(TAGS_TEXT_MAX);
    struct schedule_group group = {.created_ms = call->now_ms, .modified_ms = call->now_ms};
    TRY(group_named(call, &group.name, err));
    TRY(rpc_tags_check(tags, err));
    struct finding finding = {.name = group.name};
    int there = find(db, &finding, err);
    TRY(there);
    if (there) {
        return err_aws(err, ERR_EXISTS, "ConflictException",
                       "Schedule group " STR_FMT " already exists.", STR_ARG(group.name));
    }
    if (tags) {
        json_write(tags, &text);
        group.tags = buf_str(&text);
    }
    CLEAN_MEM char *arn = scheduler_group_arn(call, group.name);
    json_put_str(call->output, "ScheduleGroupArn", str_of(arn));
    return schedule_group_put(db, &group, err);
}

int scheduler_delete_group(struct rpc_call *call, struct db *db, struct err *err)
{
    struct str name;
    TRY(group_named(call, &name, err));
    if (str_eq(name, STR("default"))) {
        return scheduler_invalid(err, "The default schedule group cannot be deleted.");
    }
    int there = schedule_group_delete(db, name, err);
    return there == 0 ? no_group(name, err) : there < 0 ? there : 0;
}

static void group_write(json_t *json, const struct rpc_call *call,
                        const struct schedule_group *group)
{
    CLEAN_MEM char *arn = scheduler_group_arn(call, group->name);
    json_put_str(json, "Arn", str_of(arn));
    json_put_str(json, "Name", group->name);
    json_put_str(json, "State", STR("ACTIVE"));
    scheduler_put_dates(json, group->created_ms, group->modified_ms);
}

static int group_show(void *ctx, const struct schedule_group *group)
{
    struct rpc_call *call = ctx;
    group_write(call->output, call, group);
    return 0;
}

int scheduler_get_group(struct rpc_call *call, struct db *db, struct err *err)
{
    struct finding finding = {.each = group_show, .ctx = call};
    TRY(group_named(call, &finding.name, err));
    return need(db, &finding, err);
}

struct listing {
    struct rpc_call *call;
    struct rpc_page page;
};

static void listing_done(struct listing *l)
{
    rpc_page_done(&l->page);
}

static int list_each(void *ctx, const struct schedule_group *group)
{
    struct listing *l = ctx;
    json_t *json = json_object();
    group_write(json, l->call, group);
    return rpc_page_add(&l->page, json, group->name);
}

int scheduler_list_groups(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(listing_done) struct listing l = {.call = call};
    struct str prefix = {0};
    TRY(scheduler_name(call->input, "NamePrefix", "namePrefix", &prefix, err));
    TRY(rpc_page_begin(call, "MaxResults", "ScheduleGroups", &l.page, err));
    TRY(schedule_group_each(db, prefix, buf_str(&l.page.after), list_each, &l, err));
    rpc_page_end(call, &l.page);
    return 0;
}

// ── tags ──

struct tagging {
    struct rpc_call *call;
    struct db *db;
    const json_t *more, *keys;
    json_t *tags; // what they are then, a reference
    struct err *err;
};

static void tagging_done(struct tagging *t)
{
    json_decref(t->tags);
}

static int tags_set(void *ctx, const struct schedule_group *before)
{
    struct tagging *t = ctx;
    CLEAN(buf_done) struct buf text = BUF_INIT(TAGS_TEXT_MAX);
    CLEAN_JSON json_t *was = NULL;
    if (before->tags.size) {
        TRY(json_parse(before->tags, &was, t->err));
    }
    t->tags = rpc_tags_merge(was, t->more, t->keys);
    if (!t->more && !t->keys) {
        return 0;
    }
    TRY(rpc_tags_check(t->tags, t->err));
    struct schedule_group group = *before;
    json_write(t->tags, &text);
    group.tags = buf_str(&text);
    group.modified_ms = t->call->now_ms;
    return schedule_group_put(t->db, &group, t->err);
}

static int tags_of(struct tagging *t, struct err *err)
{
    struct finding finding = {.name = str_of(t->call->segment), .each = tags_set, .ctx = t};
    ptrdiff_t at = str_find_str(finding.name, STR(":schedule-group/"));
    if (!str_starts(finding.name, STR("arn:aws:scheduler:")) || at < 0) {
        return rpc_violation(err, finding.name, "resourceArn",
                             "Member must satisfy regular expression pattern: "
                             "^arn:aws[a-z-]*:scheduler:[a-z0-9\\-]+:\\d{12}:schedule-group\\/"
                             "[0-9a-zA-Z-_.]+$");
    }
    finding.name = str_skip(finding.name, (size_t)at + strlen(":schedule-group/"));
    return need(t->db, &finding, err);
}

int scheduler_tag(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done)
    struct tagging t = {.call = call, .db = db, .err = err};
    t.more = json_object_get(call->input, "Tags");
    TRY(rpc_tags_check(t.more, err));
    return t.more ? tags_of(&t, err)
                  : rpc_violation(err, (struct str){0}, "tags", "Member must not be null");
}

int scheduler_untag(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done)
    struct tagging t = {.call = call, .db = db, .err = err};
    t.keys = json_object_get(call->input, "TagKeys");
    return t.keys ? tags_of(&t, err)
                  : rpc_violation(err, (struct str){0}, "tagKeys", "Member must not be null");
}

int scheduler_list_tags(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(tagging_done) struct tagging t = {.call = call, .db = db, .err = err};
    TRY(tags_of(&t, err));
    json_put(call->output, "Tags", MOVE(t.tags));
    return 0;
}
