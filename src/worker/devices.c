// SPDX-License-Identifier: Apache-2.0
// One child process, when it is first needed; then a text.
#include "worker/devices.h"
#include "base/mem.h"
#include "format/json.h"
#include "worker/prepare.h"

#define LIMIT_US (20 * 1000000ll) // a driver may take seconds to wake its GPUs

struct device_table {
    struct loop *loop;
    struct preparer *preparer; // runs the child
    struct prepare_task task;
    struct timer tell; // to those who ask when it is known already
    char *json;        // NULL: not known yet
    struct list asks;  // struct device_ask
};

static void tell_all(struct device_table *table, struct str json)
{
    struct list asks; // who asks from inside of on_known waits for the next turn
    list_init(&asks);
    while (!list_empty(&table->asks)) {
        struct device_ask *ask = LIST_FIRST(&table->asks, struct device_ask, link);
        list_remove(&ask->link);
        list_push_back(&asks, &ask->link);
    }
    while (!list_empty(&asks)) {
        struct device_ask *ask = LIST_FIRST(&asks, struct device_ask, link);
        list_remove(&ask->link);
        ask->on_known(ask, json);
    }
}

static void tell_due(struct timer *timer)
{
    struct device_table *table = CONTAINER_OF(timer, struct device_table, tell);
    tell_all(table, str_of(table->json));
}

static void task_done(struct prepare_task *task)
{
    struct device_table *table = CONTAINER_OF(task, struct device_table, task);
    CLEAN(buf_done) struct buf text = BUF_INIT(128 * 1024);
    CLEAN_JSON json_t *json = NULL;
    if (task->rc == 0 && json_parse_object(buf_str(&task->report), &json, NULL) == 0) {
        json_object_del(json, "ok");
    } else {
        json = json_object();
        json_put_str(json, "error", str_of(task->err.text));
    }
    json_write(json, &text);
    if (task->rc == 0) {
        table->json = str_dup(buf_str(&text));
    }
    tell_all(table, buf_str(&text));
}

struct device_table *device_table_new(struct loop *loop, const char *runner)
{
    struct device_table *table = NEW(struct device_table);
    table->loop = loop;
    table->preparer = preparer_new(loop, runner, LIMIT_US);
    table->tell.on_due = tell_due;
    list_init(&table->asks);
    return table;
}

void device_table_free(struct device_table *table)
{
    if (table) {
        prepare_cancel(&table->task);
        preparer_free(table->preparer);
        timer_stop(table->loop, &table->tell);
        free(table->json);
        free(table);
    }
}

void device_table_ask(struct device_table *table, struct device_ask *ask)
{
    list_push_back(&table->asks, &ask->link);
    if (table->json) {
        timer_start(table->loop, &table->tell, 0);
    } else if (!table->task.preparer) {
        table->task = (struct prepare_task){.options = {"devices"}, .on_done = task_done};
        prepare_submit(table->preparer, &table->task);
    }
}

struct str device_table_known(const struct device_table *table)
{
    return str_of(table->json ? table->json : "");
}

void device_table_cancel(struct device_ask *ask)
{
    list_remove(&ask->link);
}
