// SPDX-License-Identifier: Apache-2.0
// IAM policy documents: who may do what to what. A document is parsed once and then asked; the
// answer is an explicit denial when any statement denies, else a permission when any allows.
// Source: the IAM User Guide's "JSON policy element reference" and "Policy evaluation logic".
//
// Honoured: Version, Statement (object or list), Sid, Effect, Action, NotAction, Resource,
// NotResource, Principal (judged when the question names one: identity policies have none),
// Condition with the String, Numeric, Date, Bool, Null, IpAddress and Arn operators, IfExists, ForAnyValue and
// ForAllValues, and variables such as ${aws:username} in resources and condition values.
#pragma once

#include "base/err.h"
#include "base/str.h"

struct policy;

enum policy_answer { POLICY_SILENT, POLICY_ALLOWS, POLICY_DENIES };

// One value of the request's context: {"aws:SourceIp", "127.0.0.1"}. Names compare without case.
struct policy_value {
    struct str name, value;
};

// Whoever asks, for the policy of a resource: by every name that a Principal may have for them.
struct policy_principal {
    const char *kind;    // "AWS", "Service"
    struct str names[4]; // ARNs or the service's name; none: nobody is known, only "*" means them
};

struct policy_question {
    struct str action;   // "s3:GetObject"
    struct str resource; // an ARN, or "*"
    const struct policy_value *context;
    size_t context_count;
    const struct policy_principal *principal; // NULL: Principal is not judged
};

// ERR_INVALID as MalformedPolicyDocument, naming the statement and the element. A document is
// {"Statement": …}, or, as in serverless.yml, the list of statements alone.
MUST_CHECK int policy_parse(struct str json, struct policy **ret, struct err *err);
void policy_free(struct policy *policy); // NULL is fine

enum policy_answer policy_ask(const struct policy *policy, const struct policy_question *question);

// '*' is any run of characters, '?' any one. Linear in both, whatever the pattern.
bool policy_match(struct str pattern, struct str text, bool ignore_case);
