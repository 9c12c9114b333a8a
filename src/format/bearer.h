// SPDX-License-Identifier: Apache-2.0
// The key of clients that cannot sign: "Authorization: Bearer rouse-…". It is made of the root's
// secret and gives the secret not away; it serves to run models, and for nothing else.
#pragma once

#include "base/str.h"

#define BEARER_KEY_SIZE 47 // "rouse-", 40 hexadecimal digits, NUL

void bearer_key(struct str secret, char ret[BEARER_KEY_SIZE]);
