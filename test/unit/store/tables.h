// SPDX-License-Identifier: Apache-2.0
// What the tests of single tables share: a real database in a folder of its own, for each test.
#pragma once

#include "base/mem.h"
#include "store/bucket.h"
#include "store/db.h"
#include "store/function.h"
#include "store/migrations.h"
#include "store/object.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[64];
static struct db *db;
static struct err err;

static inline int tables_remove(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static inline int tables_setup(void **state)
{
    (void)state;
    err = (struct err){0};
    snprintf(dir, sizeof dir, "/tmp/rouse-tables-XXXXXX");
    assert_non_null(mkdtemp(dir));
    CLEAN_MEM char *blobs = mem_printf("%s/blobs", dir);
    assert_int_equal(mkdir(blobs, 0700), 0);
    CLEAN_MEM char *path = mem_printf("%s/rouse.db", dir);
    assert_int_equal(db_open(path, true, &db, &err), 0);
    assert_int_equal(migrations_run(db, &err), 0);
    return 0;
}

static inline int tables_teardown(void **state)
{
    (void)state;
    db_close(db);
    nftw(dir, tables_remove, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static inline void bucket_make(const char *name)
{
    struct bucket bucket = {str_of(name), STR("us-east-1"), 1000};
    assert_int_equal(bucket_create(db, &bucket, &err), 0);
}

static inline void function_make(const char *name, const char *version)
{
    struct function *f = function_new();
    f->name = mem_dup(name);
    f->version = mem_dup(version);
    assert_int_equal(function_version_put(db, "/packages", f, &err), 0);
    function_unref(f);
}

// An object whose bytes are its key.
static inline void object_make(const char *bucket, const char *key)
{
    struct object object = {
        .bucket = str_of(bucket),
        .key = str_of(key),
        .size = strlen(key),
        .data = str_of(key),
        .etag = STR("e"),
        .modified_ms = 5000,
    };
    struct object_change change = {0};
    assert_int_equal(object_put(db, &object, NULL, &change, &err), 0);
    object_change_done(&change);
}

#define assert_str_equal(s, text)                                                                  \
    do {                                                                                           \
        struct str seen_ = (s);                                                                    \
        CLEAN_MEM char *copy_ = str_dup(seen_);                                                    \
        assert_string_equal(copy_, text);                                                          \
        assert_int_equal(seen_.size, strlen(text));                                                \
    } while (0)

#define TEST(f) cmocka_unit_test_setup_teardown(f, tables_setup, tables_teardown)
