// SPDX-License-Identifier: Apache-2.0
// The parts of an HTTP request target: percent-encoding (RFC 3986) and query strings.
//
//     struct str rest = query, name, value;
//     while (uri_query_next(&rest, &name, &value)) { … }   // raw, not decoded
#pragma once

#include "base/buf.h"
#include "base/err.h"

enum uri_form {
    URI_PATH, // '+' is a plus
    URI_QUERY // '+' is a space
};

// Appends the decoded bytes. ERR_INVALID, with out as before, for a '%' without two digits.
// The result may hold any byte, NUL included.
MUST_CHECK int uri_decode(struct str text, enum uri_form form, struct buf *out, struct err *err);

// As uri_decode, but a '%' without two digits stays as it is. Never fails (but out may overflow).
void uri_decode_lenient(struct str text, enum uri_form form, struct buf *out);

// Everything but A-Z a-z 0-9 - . _ ~ (and '/' when kept) becomes %XX, upper case: SigV4's UriEncode.
void uri_encode(struct buf *out, struct str raw, bool keep_slash);

// As S3 encodes keys in event records and in `encoding-type=url` listings: A-Z a-z 0-9 - . _ * and '/'
// are kept, a space becomes '+', all else ('~' too) %XX.
void uri_encode_key(struct buf *out, struct str raw);

// Takes the next parameter off *rest (a query without '?'). Empty parameters ("&&") are skipped. A
// parameter without '=' has an empty value with at == NULL. False when there is no more.
bool uri_query_next(struct str *rest, struct str *ret_name, struct str *ret_value);

// The raw value of the first parameter whose decoded name is `name`. False, with *ret_value
// untouched, when absent. For sub-resources such as "?acl" ask with ret_value NULL.
bool uri_query_find(struct str query, struct str name, struct str *ret_value);

// Appends the decoded value of the parameter. 1 when present, 0 when absent, ERR_INVALID when it
// cannot be decoded, naming the parameter.
MUST_CHECK int uri_query_get(struct str query, struct str name, struct buf *out, struct err *err);

// Cuts a request target into path and query (empty when there is no '?').
void uri_split(struct str target, struct str *ret_path, struct str *ret_query);
