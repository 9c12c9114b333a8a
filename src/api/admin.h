// SPDX-License-Identifier: Apache-2.0
// Parts of the server's own administration that have files of their own.
#pragma once

#include "api/api.h"

// GET /rouse/cache: templates and weights in memory; ?format=prometheus: as metrics.
const struct http_handler *admin_cache(struct http_request *req, struct api *api);

// GET /rouse/logs/NAME, or /rouse/logs?function=NAME&function=…: lines of one function, or of several in
// the order of their times, each of those after its function's name and a tab. ?since=MS: not older;
// ?follow=1: and what comes, until the client goes. `function` is the NAME, or empty.
MUST_CHECK int admin_logs(struct http_request *req, struct api *api, struct str function,
                          const struct http_handler **ret, struct err *err);
