// SPDX-License-Identifier: Apache-2.0
// EventBridge Scheduler: schedules. They fire by themselves (bus/schedule.h).
// https://docs.aws.amazon.com/scheduler/latest/APIReference/Welcome.html
#include "api/scheduler.h"
#include "bus/schedule.h"
#include "core/identity.h"
#include "dispatch/schedules.h"

#include <stdarg.h>
#include <stdio.h>

// ── names ──

int scheduler_invalid(struct err *err, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return err_aws(err, ERR_INVALID, "ValidationException", "%s", text);
}

int scheduler_name(const json_t *input, const char *name, const char *member, struct str *ret,
                   struct err *err)
{
    struct rpc_text text = {.name = name,
                            .member = member,
                            .least = 1,
                            .most = 64,
                            .pattern = "[0-9a-zA-Z-_.]+",
                            .fits = rpc_name_char};
    return rpc_text(input, &text, ret, err);
}

static char *schedule_arn(const struct rpc_call *call, struct str group, struct str name)
{
    return mem_printf("arn:aws:scheduler:%s:" ACCOUNT_ID ":schedule/" STR_FMT "/" STR_FMT,
                      call->api->settings->region, STR_ARG(group), STR_ARG(name));
}

struct place {
    struct str group, name;
};

// The schedule that the path names, in the group that GroupName (body) or groupName (query) does.
static int place_read(struct rpc_call *call, struct place *ret, struct err *err)
{
    CLEAN_JSON json_t *path = json_object();
    json_put_str(path, "Name", str_of(call->segment));
    struct str name;
    TRY(scheduler_name(path, "Name", "name", &name, err));
    ret->name = str_of(call->segment);
    ret->group = STR("default");
    TRY(scheduler_name(call->input, "GroupName", "groupName", &ret->group, err));
    int rc = scheduler_name(call->input, "groupName", "groupName", &ret->group, err);
    return rc < 0 ? rc : 0;
}

static int no_schedule(struct str name, struct err *err)
{
    return err_aws(err, ERR_NOT_FOUND, "ResourceNotFoundException",
                   "Schedule " STR_FMT " does not exist.", STR_ARG(name));
}

// ── writing ──

// What of a schedule is there already.
struct before {
    int64_t created_ms;
    struct buf token; // ClientToken of its making
};

static void before_done(struct before *b)
{
    buf_done(&b->token);
}

static void before_take(void *ctx, const struct schedule_row *row)
{
    struct before *b = ctx;
    CLEAN_JSON json_t *document = NULL;
    b->created_ms = row->created_ms;
    if (json_parse_object(row->document, &document, NULL) >= 0) {
        buf_add_str(&b->token, json_str(json_object_get(document, "ClientToken")));
    }
}

static int write_schedule(struct rpc_call *call, struct db *db, const struct place *place,
                          int64_t created_ms, struct err *err)
{
    CLEAN(buf_done) struct buf document = BUF_INIT(RPC_BODY_MAX);
    struct bus_moment first = {0};
    struct schedule_row row = {.group = place->group,
                               .name = place->name,
                               .created_ms = created_ms,
                               .modified_ms = call->now_ms};
    TRY(scheduler_document(call, &row.state, &document, err));
    row.document = buf_str(&document);
    if (str_eq(row.state, STR("ENABLED"))) {
        struct err why = {0};
        if (bus_schedule_first(row.document, created_ms, call->now_ms, &first, &why) < 0) {
            return scheduler_invalid(err, "%s", why.text);
        }
    }
    row.instant_ms = first.instant_ms;
    row.due_ms = first.due_ms;
    return schedule_put(db, &row, err);
}

static void answer_arn(struct rpc_call *call, const struct place *place)
{
    CLEAN_MEM char *arn = schedule_arn(call, place->group, place->name);
    json_put_str(call->output, "ScheduleArn", str_of(arn));
}

// Asking again with the same ClientToken is not a second schedule.
static int create_schedule(struct rpc_call *call, struct db *db, struct err *err)
{
    struct place place;
    CLEAN(before_done) struct before before = {.token = BUF_INIT(256)};
    TRY(place_read(call, &place, err));
    TRY(scheduler_group_need(db, place.group, err));
    int there = schedule_get(db, place.group, place.name, before_take, &before, err);
    TRY(there);
    struct str token = json_str(json_object_get(call->input, "ClientToken"));
    if (there && !(token.size && str_eq(token, buf_str(&before.token)))) {
        return err_aws(err, ERR_EXISTS, "ConflictException", "Schedule " STR_FMT " already exists.",
                       STR_ARG(place.name));
    }
    if (!there) {
        TRY(write_schedule(call, db, &place, call->now_ms, err));
    }
    answer_arn(call, &place);
    return 0;
}

static int update_schedule(struct rpc_call *call, struct db *db, struct err *err)
{
    struct place place;
    CLEAN(before_done) struct before before = {.token = BUF_INIT(256)};
    TRY(place_read(call, &place, err));
    TRY(scheduler_group_need(db, place.group, err));
    int there = schedule_get(db, place.group, place.name, before_take, &before, err);
    TRY(there);
    if (!there) {
        return no_schedule(place.name, err);
    }
    TRY(write_schedule(call, db, &place, before.created_ms, err));
    answer_arn(call, &place);
    return 0;
}

static int delete_schedule(struct rpc_call *call, struct db *db, struct err *err)
{
    struct place place;
    TRY(place_read(call, &place, err));
    TRY(scheduler_group_need(db, place.group, err));
    int there = schedule_delete(db, place.group, place.name, err);
    return there == 0 ? no_schedule(place.name, err) : there < 0 ? there : 0;
}

// ── reading ──

void scheduler_put_dates(json_t *json, int64_t created_ms, int64_t modified_ms)
{
    json_put(json, "CreationDate", json_real((double)created_ms / 1000));
    json_put(json, "LastModificationDate", json_real((double)modified_ms / 1000));
}

static void head_write(json_t *json, const struct rpc_call *call, const struct schedule_row *row)
{
    CLEAN_MEM char *arn = schedule_arn(call, row->group, row->name);
    json_put_str(json, "Arn", str_of(arn));
    json_put_str(json, "GroupName", row->group);
    json_put_str(json, "Name", row->name);
    json_put_str(json, "State", row->state);
    scheduler_put_dates(json, row->created_ms, row->modified_ms);
}

static void schedule_show(void *ctx, const struct schedule_row *row)
{
    struct rpc_call *call = ctx;
    CLEAN_JSON json_t *document = NULL;
    if (json_parse_object(row->document, &document, NULL) >= 0) {
        json_object_update(call->output, document);
    }
    json_object_del(call->output, "ClientToken");
    head_write(call->output, call, row);
}

static int get_schedule(struct rpc_call *call, struct db *db, struct err *err)
{
    struct place place;
    TRY(place_read(call, &place, err));
    TRY(scheduler_group_need(db, place.group, err));
    int there = schedule_get(db, place.group, place.name, schedule_show, call, err);
    return there == 0 ? no_schedule(place.name, err) : there < 0 ? there : 0;
}

struct listing {
    struct rpc_call *call;
    struct rpc_page page;
    struct err *err;
};

static void listing_done(struct listing *l)
{
    rpc_page_done(&l->page);
}

static int list_each(void *ctx, const struct schedule_row *row)
{
    struct listing *l = ctx;
    CLEAN_JSON json_t *document = NULL;
    CLEAN_MEM char *token =
        mem_printf(STR_FMT "/" STR_FMT, STR_ARG(row->group), STR_ARG(row->name));
    TRY(json_parse_object(row->document, &document, l->err));
    json_t *json = json_object();
    json_t *target = json_object();
    head_write(json, l->call, row);
    json_put_str(target, "Arn", str_not_null(json_str(json_at(document, "Target.Arn"))));
    json_put(json, "Target", target);
    return rpc_page_add(&l->page, json, str_of(token));
}

static int list_schedules(struct rpc_call *call, struct db *db, struct err *err)
{
    CLEAN(listing_done) struct listing l = {.call = call, .err = err};
    struct schedule_filter filter = {0};
    TRY(scheduler_name(call->input, "ScheduleGroup", "groupName", &filter.group, err));
    TRY(scheduler_name(call->input, "NamePrefix", "namePrefix", &filter.prefix, err));
    TRY(rpc_choice(call->input, "State", "state", "ENABLED, DISABLED", &filter.state, err));
    TRY(rpc_page_begin(call, "MaxResults", "Schedules", &l.page, err));
    if (filter.group.size) {
        TRY(scheduler_group_need(db, filter.group, err));
    }
    filter.after_name = buf_str(&l.page.after);
    filter.after_group = str_cut(&filter.after_name, '/');
    TRY(schedule_each(db, &filter, list_each, &l, err));
    rpc_page_end(call, &l.page);
    return 0;
}

// ── the service ──

static const struct rpc_op ops[] = {
    {"CreateSchedule", "POST", "schedules/*", create_schedule},
    {"UpdateSchedule", "PUT", "schedules/*", update_schedule},
    {"GetSchedule", "GET", "schedules/*", get_schedule},
    {"DeleteSchedule", "DELETE", "schedules/*", delete_schedule},
    {"ListSchedules", "GET", "schedules", list_schedules},
    {"CreateScheduleGroup", "POST", "schedule-groups/*", scheduler_create_group},
    {"GetScheduleGroup", "GET", "schedule-groups/*", scheduler_get_group},
    {"DeleteScheduleGroup", "DELETE", "schedule-groups/*", scheduler_delete_group},
    {"ListScheduleGroups", "GET", "schedule-groups", scheduler_list_groups},
    {"TagResource", "POST", "tags/*", scheduler_tag},
    {"UntagResource", "DELETE", "tags/*", scheduler_untag},
    {"ListTagsForResource", "GET", "tags/*", scheduler_list_tags},
};

static int may(struct rpc_call *call, struct err *err)
{
    struct str role = json_str(json_at(call->input, "Target.RoleArn"));
    struct place place;
    CLEAN_MEM char *arn = NULL;
    if (str_starts(str_of(call->op->path), STR("schedules/"))) {
        TRY(place_read(call, &place, err));
        arn = schedule_arn(call, place.group, place.name);
    } else if (str_starts(str_of(call->op->path), STR("schedule-groups/"))) {
        arn = scheduler_group_arn(call, str_of(call->segment));
    } else {
        arn = mem_dup(call->segment ? call->segment : "*");
    }
    TRY(rpc_authorize(call, call->op->name, str_of(arn), err));
    return role.size ? rpc_pass_role(call, role, err) : 0;
}

static void after(struct rpc_call *call)
{
    schedules_look(call->api->schedules);
}

const struct http_handler *scheduler_route(struct http_request *req, struct api *api)
{
    static const struct rpc_service service = {.name = "scheduler",
                                               .internal_error = "InternalServerException",
                                               .ops = ops,
                                               .op_count = ARRAY_SIZE(ops),
                                               .may = may,
                                               .after = after};
    return rpc_route(req, api, &service);
}
