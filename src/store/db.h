// SPDX-License-Identifier: Apache-2.0
// SQLite, behind the little that the tables in this folder need. Only files in store/ use this.
// A query is written once as a string constant; its compiled form is cached by that constant's
// address for the life of the connection.
//
//     struct query *q = NULL;
//     TRY(db_query(db, "SELECT size FROM object WHERE bucket = ? AND key = ?", &q, err));
//     query_bind_str(q, 1, bucket);
//     query_bind_str(q, 2, key);
//     int rc = query_step(q, err);   // 1: a row; 0: no (more) row; < 0: failed
//     if (rc == 1) { size = query_u64(q, 0); }
//     query_end(q);                  // always; views of columns are gone after it or a step
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <stdint.h>

struct db;
struct query;

MUST_CHECK int db_open(const char *path, bool writer, struct db **ret, struct err *err);
void db_close(struct db *db);
MUST_CHECK int db_exec(struct db *db, const char *sql, struct err *err); // no parameters
MUST_CHECK int db_query(struct db *db, const char *sql, struct query **ret, struct err *err);
bool db_in_transaction(struct db *db); // SQLite may have given it up by itself: a full disk
int64_t db_last_id(struct db *db);     // rowid of the last INSERT
int db_changes(struct db *db);         // rows changed by the last statement

// Parameters count from 1, columns from 0. A str with at == NULL binds NULL. The bytes must stay
// until query_end.
void query_bind_str(struct query *q, int i, struct str text);
void query_bind_text(struct query *q, int i, const char *text); // NULL binds NULL
void query_bind_blob(struct query *q, int i, struct str bytes);
void query_bind_i64(struct query *q, int i, int64_t value);
void query_bind_real(struct query *q, int i, double value);
MUST_CHECK int query_step(struct query *q, struct err *err);
MUST_CHECK int query_run(struct query *q, struct err *err); // step to the end, then query_end
// A statement whose parameters are texts, run to its end. How many rows it has changed.
MUST_CHECK int db_run(struct db *db, const char *sql, const struct str *texts, int count,
                      struct err *err);
// The number in the first row of a query without parameters; 0 when there is none.
MUST_CHECK int db_number(struct db *db, const char *sql, int64_t *ret, struct err *err);
struct str query_str(struct query *q, int column); // text or blob; at == NULL for NULL
int64_t query_i64(struct query *q, int column);
uint64_t query_u64(struct query *q, int column);
double query_real(struct query *q, int column);
void query_end(struct query *q);
