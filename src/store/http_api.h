// SPDX-License-Identifier: Apache-2.0
// The table of HTTP APIs and of what belongs to them: integrations, routes, stages, deployments. Each is a
// JSON document, as API Gateway shows it; who writes knows what is in it.
#pragma once

#include "store/db.h"

extern const char *const http_api_ddl[];

struct http_api_row { // views
    struct str api;   // the id of the API
    struct str kind;  // "api", "integration", "route", "stage", "deployment"
    struct str id;    // within the API and kind; of the API itself its own
    struct str document;
};

MUST_CHECK int http_api_put(struct db *db, const struct http_api_row *row, struct err *err);
// Without a kind: the API and all that belongs to it.
MUST_CHECK int http_api_delete(struct db *db, const struct http_api_row *row, struct err *err);
// APIs first, in the order of their ids. `each` returns 0 to go on.
MUST_CHECK int http_api_each(struct db *db, int (*each)(void *ctx, const struct http_api_row *row),
                             void *ctx, struct err *err);
