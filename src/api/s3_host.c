// SPDX-License-Identifier: Apache-2.0
// Which bucket does a request mean? Virtual-hosted style: names of hosts that end in what leads to
// this machine, with the bucket before it.
#include "api/s3.h"
#include "base/mem.h"

// What may stand at the end of a host's name after the bucket.
static const char *const bases[] = {
    "localhost.localstack.cloud",
    "localhost",
    "amazonaws.com",
    "lvh.me",
};

static bool is_number(struct str label)
{
    uint64_t n;
    return str_to_u64(label, &n) && n < 256;
}

// Cuts the last label off *host.
static struct str label_cut_last(struct str *host)
{
    size_t at = host->size;
    while (at > 0 && host->at[at - 1] != '.') {
        at--;
    }
    struct str label = str_skip(*host, at);
    *host = str_head(*host, at ? at - 1 : 0);
    return label;
}

static bool is_address(struct str host)
{
    if (str_starts(host, STR("["))) {
        return true;
    }
    int labels = 0;
    for (struct str rest = host; rest.at; labels++) {
        if (!is_number(str_cut(&rest, '.'))) {
            return false;
        }
    }
    return labels == 4;
}

// "photos.127.0.0.1" of nip.io and the like, or "photos.127-0-0-1".
static struct str before_address(struct str host)
{
    struct str rest = host;
    struct str last = label_cut_last(&rest);
    if (str_find(last, '-') > 0) {
        return rest;
    }
    for (int i = 0; i < 3 && is_number(last); i++) {
        last = label_cut_last(&rest);
    }
    return is_number(last) ? rest : (struct str){0};
}

// What is left of the base: "photos", "photos.s3", "photos.s3.eu-west-1", "s3", "s3.eu-west-1".
static struct str before_service(struct str rest)
{
    if (str_eq(rest, STR("s3")) || str_starts(rest, STR("s3.")) || str_starts(rest, STR("s3-"))) {
        return (struct str){0};
    }
    for (size_t at = rest.size; at > 0; at--) {
        struct str tail = str_skip(rest, at - 1);
        if (str_eq(tail, STR(".s3")) || str_starts(tail, STR(".s3.")) ||
            str_starts(tail, STR(".s3-"))) {
            return str_head(rest, at - 1);
        }
    }
    return rest;
}

struct str s3_host_bucket(struct str host)
{
    struct str rest = host;
    if (!str_starts(host, STR("["))) {
        host = str_cut(&rest, ':');
    }
    if (str_ends(host, STR("."))) {
        host.size--;
    }
    if (!host.size || is_address(host)) {
        return (struct str){0};
    }
    if (str_ends(host, STR(".nip.io")) || str_ends(host, STR(".sslip.io"))) {
        label_cut_last(&host);
        label_cut_last(&host);
        return before_service(before_address(host));
    }
    for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
        struct str base = str_of(bases[i]);
        if (str_ends(host, base) && host.size > base.size &&
            host.at[host.size - base.size - 1] == '.') {
            return before_service(str_head(host, host.size - base.size - 1));
        }
    }
    ptrdiff_t at = str_find_str(host, STR(".s3."));
    return at > 0 ? str_head(host, (size_t)at) : (struct str){0};
}

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
bool s3_bucket_name_ok(struct str name)
{
    if (name.size < 3 || name.size > 63 || is_address(name)) {
        return false;
    }
    for (size_t i = 0; i < name.size; i++) {
        char c = name.at[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        bool edge = i == 0 || i == name.size - 1;
        if (!plain && (edge || (c != '-' && c != '.') || (c == '.' && name.at[i - 1] == '.'))) {
            return false;
        }
    }
    return !str_starts(name, STR("xn--")) && !str_ends(name, STR("-s3alias"));
}
