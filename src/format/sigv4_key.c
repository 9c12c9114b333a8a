// SPDX-License-Identifier: Apache-2.0
// The cryptography of Signature Version 4: HMAC, signing keys (remembered, as they change daily), and
// the chain of chunk signatures.
#include "base/check.h"
#include "base/mem.h"
#include "format/checksum.h"
#include "format/hex.h"
#include "format/sigv4.h"

#include <openssl/crypto.h>
#include <stdio.h>

#define BLOCK_SIZE 64 // of SHA-256

void sigv4_sha256(struct str data, uint8_t ret[32])
{
    (void)checksum_of(CHECKSUM_SHA256, data, ret);
}

static void hash_two(const uint8_t block[BLOCK_SIZE], struct str data, uint8_t ret[32])
{
    struct checksum sum;
    checksum_init(&sum, CHECKSUM_SHA256);
    checksum_add(&sum, str_n(block, BLOCK_SIZE));
    checksum_add(&sum, data);
    (void)checksum_end(&sum, ret);
}

// RFC 2104, by hand: OpenSSL 3 looks its MACs up by name on each call, which costs more than they do.
void sigv4_hmac(struct str key, struct str data, uint8_t ret[32])
{
    uint8_t block[BLOCK_SIZE] = {0};
    if (key.size > BLOCK_SIZE) {
        sigv4_sha256(key, block);
    } else if (key.size) {
        memcpy(block, key.at, key.size);
    }
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        block[i] ^= 0x36;
    }
    uint8_t inner[32];
    hash_two(block, data, inner);
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        block[i] ^= 0x36 ^ 0x5c;
    }
    hash_two(block, str_n(inner, sizeof inner), ret);
    OPENSSL_cleanse(block, sizeof block);
}

bool sigv4_same(struct str a, struct str b)
{
    return a.size == b.size && CRYPTO_memcmp(a.at, b.at, a.size) == 0;
}

void sigv4_key_derive(struct str secret, const struct sigv4_scope *scope, struct sigv4_key *ret)
{
    CHECK(secret.size < 4096);
    char first[4 + 4096] = "AWS4";
    memcpy(first + 4, secret.at ? secret.at : "", secret.size);
    uint8_t key[32];
    sigv4_hmac(str_n(first, 4 + secret.size), scope->date, key);
    OPENSSL_cleanse(first, sizeof first);
    sigv4_hmac(str_n(key, sizeof key), scope->region, key);
    sigv4_hmac(str_n(key, sizeof key), scope->service, key);
    sigv4_hmac(str_n(key, sizeof key), STR("aws4_request"), ret->at);
    OPENSSL_cleanse(key, sizeof key);
}

#define CACHE_ROWS     64
#define CACHE_NAME_MAX 256

struct cache_row {
    size_t name_size; // 0: empty
    char name[CACHE_NAME_MAX];
    struct sigv4_key key;
};

// Direct-mapped: two scopes that fall on one row take turns, which costs time and nothing else.
struct sigv4_key_cache {
    struct cache_row rows[CACHE_ROWS];
};

struct sigv4_key_cache *sigv4_key_cache_new(void)
{
    return NEW(struct sigv4_key_cache);
}

void sigv4_key_cache_free(struct sigv4_key_cache *cache)
{
    if (cache) {
        OPENSSL_cleanse(cache, sizeof *cache);
        free(cache);
    }
}

void sigv4_key_get(struct sigv4_key_cache *cache, struct str secret,
                   const struct sigv4_scope *scope, struct sigv4_key *ret)
{
    const struct str parts[] = {secret, scope->date, scope->region, scope->service};
    char name[CACHE_NAME_MAX];
    size_t size = 0;
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i].size >= sizeof name - size) {
            sigv4_key_derive(secret, scope, ret);
            return;
        }
        if (parts[i].size) {
            memcpy(name + size, parts[i].at, parts[i].size);
        }
        size += parts[i].size;
        name[size++] = '\n';
    }
    struct str wanted = str_n(name, size);
    struct cache_row *row = &cache->rows[str_hash(wanted) % CACHE_ROWS];
    if (!str_eq(wanted, str_n(row->name, row->name_size))) {
        sigv4_key_derive(secret, scope, &row->key);
        memcpy(row->name, name, wanted.size);
        row->name_size = wanted.size;
    }
    *ret = row->key;
    OPENSSL_cleanse(name, sizeof name);
}

void sigv4_signature(const struct sigv4_key *key, struct str string_to_sign, char ret[SIGV4_HEX])
{
    uint8_t mac[32];
    sigv4_hmac(str_n(key->at, sizeof key->at), string_to_sign, mac);
    hex_write(mac, sizeof mac, ret);
}

void sigv4_policy_signature(const struct sigv4_key *key, struct str policy_base64,
                            char ret[SIGV4_HEX])
{
    sigv4_signature(key, policy_base64, ret);
}

int sigv4_chain_init(struct sigv4_chain *chain, const struct sigv4_auth *auth,
                     const struct sigv4_key *key, struct err *err)
{
    *chain = (struct sigv4_chain){.key = *key};
    const struct sigv4_scope *s = &auth->scope;
    int size =
        snprintf(chain->scope, sizeof chain->scope, STR_FMT "/" STR_FMT "/" STR_FMT "/aws4_request",
                 STR_ARG(s->date), STR_ARG(s->region), STR_ARG(s->service));
    if (size < 0 || (size_t)size >= sizeof chain->scope) {
        return err_set(err, ERR_INVALID, "the credential scope is longer than %zu characters",
                       sizeof chain->scope - 1);
    }
    if (auth->timestamp.size != sizeof chain->timestamp - 1 ||
        auth->signature.size != SIGV4_HEX - 1) {
        return err_set(err, ERR_INVALID, "the request has no signature that chunks could follow");
    }
    memcpy(chain->timestamp, auth->timestamp.at, auth->timestamp.size);
    memcpy(chain->previous, auth->signature.at, auth->signature.size);
    return 0;
}

static void chain_step(struct sigv4_chain *chain, const char *algorithm, const char *middle,
                       const uint8_t sha256[32], char ret[SIGV4_HEX])
{
    char hex[SIGV4_HEX];
    hex_write(sha256, 32, hex);
    char text[512];
    int size = snprintf(text, sizeof text, "%s\n%s\n%s\n%s\n%s%s", algorithm, chain->timestamp,
                        chain->scope, chain->previous, middle, hex);
    CHECK(size > 0 && (size_t)size < sizeof text);
    sigv4_signature(&chain->key, str_n(text, (size_t)size), chain->previous);
    memcpy(ret, chain->previous, SIGV4_HEX);
}

void sigv4_chain_chunk(struct sigv4_chain *chain, const uint8_t data_sha256[32],
                       char ret[SIGV4_HEX])
{
    chain_step(chain, "AWS4-HMAC-SHA256-PAYLOAD", SIGV4_EMPTY_SHA256 "\n", data_sha256, ret);
}

void sigv4_chain_trailer(struct sigv4_chain *chain, const uint8_t trailers_sha256[32],
                         char ret[SIGV4_HEX])
{
    chain_step(chain, "AWS4-HMAC-SHA256-TRAILER", "", trailers_sha256, ret);
}
