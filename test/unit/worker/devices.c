// SPDX-License-Identifier: Apache-2.0
// The device table as the server keeps it, with scripts in the place of rouse-runner.
#include "worker/devices.h"
#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char script[64], mark[80];
    struct loop *loop;
    struct device_table *table;
};

struct asker {
    struct device_ask ask;
    int told;
    char json[256];
};

static int setup(void **state)
{
    struct fixture *f = NEW(struct fixture);
    struct err err = {0};
    snprintf(f->script, sizeof f->script, "/tmp/rouse-devices-%d", (int)getpid());
    snprintf(f->mark, sizeof f->mark, "%s.runs", f->script);
    unlink(f->mark);
    assert_int_equal(loop_new(LOOP_REAL, &f->loop, &err), 0);
    f->table = device_table_new(f->loop, f->script);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    device_table_free(f->table);
    loop_free(f->loop);
    unlink(f->script);
    unlink(f->mark);
    free(f);
    return 0;
}

static void script(struct fixture *f, const char *text)
{
    struct err err = {0};
    CLEAN_MEM char *all = mem_printf("#!/bin/sh\necho \"$*\" >> %s\n%s\n", f->mark, text);
    assert_int_equal(file_write(f->script, str_of(all), 0700, &err), 0);
}

static void on_known(struct device_ask *ask, struct str json)
{
    struct asker *asker = CONTAINER_OF(ask, struct asker, ask);
    asker->told++;
    snprintf(asker->json, sizeof asker->json, STR_FMT, STR_ARG(json));
}

static void ask(struct fixture *f, struct asker *asker)
{
    *asker = (struct asker){.ask = {.on_known = on_known}};
    device_table_ask(f->table, &asker->ask);
    assert_int_equal(asker->told, 0); // never from inside
}

static void run_until_told(struct fixture *f, const struct asker *asker)
{
    for (int i = 0; i < 2000 && !asker->told; i++) {
        loop_turn(f->loop, 10);
    }
    assert_int_equal(asker->told, 1);
}

static void is_looked_for_once(void **state)
{
    struct fixture *f = *state;
    struct asker first, second, late;
    struct err err = {0};
    script(f, "echo '{\"ok\": true, \"devices\": [{\"name\": \"cpu\"}]}'");
    assert_int_equal(access(f->mark, F_OK), -1); // nothing before somebody asks
    assert_int_equal(device_table_known(f->table).size, 0);
    ask(f, &first);
    ask(f, &second);
    run_until_told(f, &first);
    run_until_told(f, &second);
    ask(f, &late);
    run_until_told(f, &late);
    assert_string_equal(first.json, "{\"devices\":[{\"name\":\"cpu\"}]}");
    assert_string_equal(late.json, first.json);
    assert_true(str_eq(device_table_known(f->table), str_of(first.json)));
    CLEAN(buf_done) struct buf runs = BUF_INIT(1024);
    assert_true(file_read(f->mark, &runs, &err) >= 0);
    assert_string_equal(buf_text(&runs), "devices\n");
}

static void failures_are_told_and_tried_again(void **state)
{
    struct fixture *f = *state;
    struct asker first, second;
    script(f, "echo '{\"ok\": false, \"error\": \"no library\"}'; exit 1");
    ask(f, &first);
    run_until_told(f, &first);
    assert_string_equal(first.json, "{\"error\":\"no library\"}");
    assert_int_equal(device_table_known(f->table).size, 0);
    script(f, "echo '{\"ok\": true}'");
    ask(f, &second);
    run_until_told(f, &second);
    assert_string_equal(second.json, "{}");
}

static void a_runner_that_is_not_there_is_told(void **state)
{
    struct fixture *f = *state;
    struct asker one;
    ask(f, &one); // there is no script
    run_until_told(f, &one);
    assert_non_null(strstr(one.json, "cannot start"));
}

static void who_has_gone_is_not_told(void **state)
{
    struct fixture *f = *state;
    struct asker gone, stays;
    script(f, "echo '{\"ok\": true}'");
    ask(f, &gone);
    ask(f, &stays);
    device_table_cancel(&gone.ask);
    run_until_told(f, &stays);
    assert_int_equal(gone.told, 0);
    device_table_cancel(&stays.ask); // harmless
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(is_looked_for_once),
        TEST(failures_are_told_and_tried_again),
        TEST(a_runner_that_is_not_there_is_told),
        TEST(who_has_gone_is_not_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
