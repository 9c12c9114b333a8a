// SPDX-License-Identifier: Apache-2.0
// A key derived from the secret by HMAC-SHA256.
#include "format/bearer.h"
#include "base/check.h"
#include "format/hex.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static const char purpose[] = "rouse: run models";

void bearer_key(struct str secret, char ret[BEARER_KEY_SIZE])
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    CHECK(HMAC(EVP_sha256(), secret.at, (int)secret.size, (const unsigned char *)purpose,
               sizeof purpose - 1, hash, &size));
    memcpy(ret, "rouse-", 6);
    hex_write(hash, 20, ret + 6);
    ret[BEARER_KEY_SIZE - 1] = 0;
}
