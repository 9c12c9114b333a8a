// SPDX-License-Identifier: Apache-2.0
// redis:// and rediss:// taken apart.
#include "format/redis_url.h"
#include "base/mem.h"
#include "format/uri.h"

#define PORT     6379
#define PART_MAX 1024
#define DB_MAX   65535
#define HOST_MAX 253

static int decode(struct str text, const char *what, char **ret, struct err *err)
{
    CLEAN(buf_done) struct buf out = BUF_INIT(PART_MAX);
    struct err ignored = {0};
    if (uri_decode(text, URI_PATH, &out, &ignored) < 0 || !buf_ok(&out) ||
        memchr(buf_text(&out), 0, out.size)) {
        return err_set(err, ERR_INVALID, "the %s is not percent-encoded as it must be", what);
    }
    *ret = mem_dup(buf_text(&out));
    return 0;
}

static int read_who(struct str who, struct redis_url *ret, struct err *err)
{
    struct str password = who, user = str_cut(&password, ':');
    if (!password.at) {
        password = user;
        user.size = 0;
    }
    if (password.size == 0) {
        return err_set(err, ERR_INVALID, "there is no password before the @");
    }
    if (user.size) {
        TRY(decode(user, "user", &ret->user, err));
    }
    return decode(password, "password", &ret->password, err);
}

// What is wrong is not shown: where it stands may be part of a password that is not encoded.
static int read_number(struct str text, const char *what, uint64_t least, uint64_t most, int *ret,
                       struct err *err)
{
    uint64_t value = 0;
    if (!str_to_u64(text, &value) || value < least || value > most) {
        return err_set(err, ERR_INVALID, "the %s is not a number from %d to %d", what, (int)least,
                       (int)most);
    }
    *ret = (int)value;
    return 0;
}

static bool host_ok(struct str host, bool brackets)
{
    for (size_t i = 0; i < host.size; i++) {
        char c = host.at[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.' || c == '_' || (brackets && c == ':');
        if (!fine) {
            return false;
        }
    }
    return host.size > 0 && host.size <= HOST_MAX;
}

static int read_where(struct str where, struct redis_url *ret, struct err *err)
{
    bool brackets = str_starts(where, STR("["));
    struct str port = where;
    struct str host = str_cut(&port, brackets ? ']' : ':');
    if (brackets) {
        host = str_skip(host, 1);
        if (!port.at || (port.size && port.at[0] != ':')) {
            return err_set(err, ERR_INVALID, "an address in brackets has to end with ]");
        }
        port = port.size ? str_skip(port, 1) : (struct str){0};
    }
    if (!host_ok(host, brackets)) {
        return err_set(err, ERR_INVALID, "the host is neither a name nor an address");
    }
    ret->host = str_dup(host);
    ret->port = PORT;
    return port.at ? read_number(port, "port", 1, 65535, &ret->port, err) : 0;
}

int redis_url_parse(struct str text, struct redis_url *ret, struct err *err)
{
    ret->tls = str_starts(text, STR("rediss://"));
    if (!ret->tls && !str_starts(text, STR("redis://"))) {
        return err_set(err, ERR_INVALID, "must begin with redis:// or rediss://");
    }
    struct str rest = str_skip(text, ret->tls ? 9 : 8);
    if (str_find(rest, '?') >= 0 || str_find(rest, '#') >= 0) {
        return err_set(err, ERR_INVALID, "nothing may follow the number of the database");
    }
    struct str db = rest, where = str_cut(&db, '/');
    ptrdiff_t at = -1;
    for (size_t i = 0; i < where.size; i++) { // the last one: a password may have some
        at = where.at[i] == '@' ? (ptrdiff_t)i : at;
    }
    if (at >= 0) {
        TRY(read_who(str_head(where, (size_t)at), ret, err));
        where = str_skip(where, (size_t)at + 1);
    }
    TRY(read_where(where, ret, err));
    return db.size ? read_number(db, "database", 0, DB_MAX, &ret->db, err) : 0;
}

void redis_url_done(struct redis_url *url)
{
    free(url->host);
    free(url->user);
    free(url->password);
    *url = (struct redis_url){0};
}
