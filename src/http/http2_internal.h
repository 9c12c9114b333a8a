// SPDX-License-Identifier: Apache-2.0
// Private to http/: an HTTP/2 connection as the server keeps it.
#pragma once

#include "http/request.h"

struct http2;

// Serves the connection; the descriptor is its own, and non-blocking.
void http2_open(struct http_server *server, int fd, const char remote[64]);
void http2_quiesce(
    struct http_server *server); // no new streams; each closes when its last one ends
void http2_close_all(struct http_server *server);
