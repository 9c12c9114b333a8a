// SPDX-License-Identifier: Apache-2.0
// Random identifiers (RFC 9562 version 4), for requests and revisions.
#pragma once

#define UUID_SIZE 36
struct uuid {
    char text[UUID_SIZE + 1];
};
struct uuid uuid_new(void);
