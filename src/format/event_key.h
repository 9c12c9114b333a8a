// SPDX-License-Identifier: Apache-2.0
// What of an event chooses the answer. An HTTP request or an S3 notification is never the same twice:
// it says when it came, by which route and under which id. Those members are known and taken out;
// whatever is not known to be such stays, so that two events that are equal afterwards ask the same.
//
//     HTTP, 2.0 and 1.0 (format/http_event.h)
//         requestContext: requestId, extendedRequestId, time…, requestTime…, sourceIp, userAgent
//         headers: those of the transport and of tracing, and User-Agent, Referer, Sec-…, X-Forwarded-…;
//         an Authorization of SigV4, which is another one each second: who signed stands elsewhere
//     S3 (format/s3event.h), each record
//         eventTime, responseElements, requestParameters.sourceIPAddress, s3.object: eTag, size,
//         sequencer, versionId: what the object holds is known better by who looks at it
#pragma once

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>

enum event_kind { EVENT_OTHER, EVENT_HTTP, EVENT_S3 };

// Takes them out of `event`, but for what `vary` names: names of headers in any case, JSON pointers
// (RFC 6901: "/Records/0/eventTime"). EVENT_OTHER is left as it is.
enum event_kind event_key_strip(json_t *event, const json_t *vary);

// Of an answer to an HTTP event: a status of 2xx, no cookies, and nothing in its Cache-Control that
// says no-store, no-cache or private. An answer without a status is one of 200.
bool event_key_may_keep(struct str answer);

// Is this text something that `vary` may hold?
MUST_CHECK int event_key_vary_check(struct str text, struct err *err);
