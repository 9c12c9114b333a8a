// SPDX-License-Identifier: Apache-2.0
// Minting and opening of session tokens.
#include "iam/session.h"
#include "base/buf.h"
#include "base/mem.h"
#include "format/base64.h"
#include "format/sigv4.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <sys/random.h>

static void keyed(struct str root_secret, const char *purpose, struct str text, uint8_t ret[32])
{
    uint8_t key[32];
    CLEAN_MEM char *label = mem_printf("rouse session %s", purpose);
    sigv4_hmac(root_secret, str_of(label), key);
    sigv4_hmac(str_n(key, sizeof key), text, ret);
}

// The letters that AWS makes its keys of.
static void letters(char *to, size_t size, const uint8_t *bytes)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    for (size_t i = 0; i < size; i++) {
        to[i] = alphabet[bytes[i] & 31];
    }
    to[size] = 0;
}

static void access_key_of(struct str root_secret, struct str text, char ret[21])
{
    uint8_t mac[32];
    keyed(root_secret, "access", text, mac);
    memcpy(ret, "ASIA", 4);
    letters(ret + 4, 16, mac);
}

static void secret_key_of(struct str root_secret, struct str text, char ret[41])
{
    uint8_t mac[32];
    keyed(root_secret, "secret", text, mac);
    CLEAN(buf_done) struct buf out = BUF_INIT(64);
    base64_add(&out, mac, 30);
    snprintf(ret, 41, "%.40s", buf_text(&out));
}

int session_mint(struct str root_secret, struct str role, struct str name, int64_t expires_ms,
                 struct session_keys *ret, struct err *err)
{
    uint64_t nonce = 0;
    (void)!getrandom(&nonce, sizeof nonce, 0);
    CLEAN(buf_done) struct buf text = BUF_INIT(SESSION_TOKEN_MAX / 2);
    buf_printf(&text, STR_FMT "\n" STR_FMT "\n%lld\n%016llx", STR_ARG(role), STR_ARG(name),
               (long long)expires_ms, (unsigned long long)nonce);
    struct session fits;
    if (!buf_ok(&text) || role.size >= sizeof fits.role || name.size >= sizeof fits.name) {
        return err_set(err, ERR_LIMIT, "a role or session name is too long");
    }
    uint8_t mac[32];
    keyed(root_secret, "seal", buf_str(&text), mac);
    CLEAN(buf_done) struct buf token = BUF_INIT(SESSION_TOKEN_MAX - 1);
    base64_add(&token, text.at, text.size);
    buf_add_char(&token, '.');
    base64_add(&token, mac, sizeof mac);
    if (!buf_ok(&token)) {
        return err_set(err, ERR_LIMIT, "a session token would be too long");
    }
    access_key_of(root_secret, buf_str(&text), ret->access_key);
    secret_key_of(root_secret, buf_str(&text), ret->secret_key);
    snprintf(ret->token, sizeof ret->token, "%s", token.at);
    return 0;
}

static int sealed_text(struct str root_secret, struct str token, struct buf *text, struct err *err)
{
    CLEAN(buf_done) struct buf seal = BUF_INIT(64);
    uint8_t mac[32];
    struct str head = str_cut(&token, '.');
    if (base64_decode(head, text, err) < 0 || base64_decode(token, &seal, err) < 0) {
        return ERR_DENIED;
    }
    keyed(root_secret, "seal", buf_str(text), mac);
    return seal.size == sizeof mac && CRYPTO_memcmp(seal.at, mac, sizeof mac) == 0 ? 0 : ERR_DENIED;
}

int session_open(struct str root_secret, struct str access_key, struct str token, int64_t now_ms,
                 struct session *ret, struct err *err)
{
    CLEAN(buf_done) struct buf text = BUF_INIT(SESSION_TOKEN_MAX);
    char expected[21] = "";
    struct session s = {0};
    bool ours = token.size && sealed_text(root_secret, token, &text, NULL) >= 0;
    if (ours) {
        access_key_of(root_secret, buf_str(&text), expected);
        struct str rest = buf_str(&text);
        struct str role = str_cut(&rest, '\n'), name = str_cut(&rest, '\n');
        snprintf(s.role, sizeof s.role, STR_FMT, STR_ARG(role));
        snprintf(s.name, sizeof s.name, STR_FMT, STR_ARG(name));
        ours = str_to_i64(str_cut(&rest, '\n'), &s.expires_ms);
    }
    if (!ours || !str_eq(access_key, str_of(expected))) {
        return err_aws(err, ERR_DENIED, "InvalidClientTokenId",
                       "The security token included in the request is invalid.");
    }
    if (now_ms >= s.expires_ms) {
        return err_aws(err, ERR_DENIED, "ExpiredToken",
                       "The security token included in the request is expired");
    }
    secret_key_of(root_secret, buf_str(&text), s.secret_key);
    *ret = s;
    return 0;
}
