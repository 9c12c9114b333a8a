// SPDX-License-Identifier: Apache-2.0
// Where a Redis is: redis://[[user:]password@]host[:port][/db], or rediss:// for TLS. User and
// password may be percent-encoded. As registered with IANA and as redis-cli -u takes it.
#pragma once

#include "base/err.h"
#include "base/str.h"

struct redis_url {
    char *host;            // a name or an address, without brackets
    char *user, *password; // NULL: none
    int port;              // 6379 unless given
    int db;
    bool tls;
};

// ERR_INVALID says what is wrong, and never the password. *ret is to be released in any case.
MUST_CHECK int redis_url_parse(struct str text, struct redis_url *ret, struct err *err);
void redis_url_done(struct redis_url *url);
