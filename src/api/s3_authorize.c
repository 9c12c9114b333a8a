// SPDX-License-Identifier: Apache-2.0
// Which permission an operation needs, and of what. Source: the Service Authorization Reference,
// "Actions, resources, and condition keys for Amazon S3".
#include "api/authorize.h"
#include "api/s3.h"
#include "base/mem.h"

#include <stdio.h>

// Operations whose permission has another name than "s3:" and their own.
static const char *const actions[][2] = {
    {"ListBuckets", "s3:ListAllMyBuckets"},
    {"ListObjects", "s3:ListBucket"},
    {"ListObjectsV2", "s3:ListBucket"},
    {"HeadBucket", "s3:ListBucket"},
    {"ListObjectVersions", "s3:ListBucketVersions"},
    {"ListMultipartUploads", "s3:ListBucketMultipartUploads"},
    {"GetBucketNotificationConfiguration", "s3:GetBucketNotification"},
    {"PutBucketNotificationConfiguration", "s3:PutBucketNotification"},
    {"DeleteBucketTagging", "s3:PutBucketTagging"},
    {"HeadObject", "s3:GetObject"},
    {"GetObjectAttributes", "s3:GetObject"},
    {"CopyObject", "s3:PutObject"},
    {"PostObject", "s3:PutObject"},
    {"CreateMultipartUpload", "s3:PutObject"},
    {"UploadPart", "s3:PutObject"},
    {"UploadPartCopy", "s3:PutObject"},
    {"CompleteMultipartUpload", "s3:PutObject"},
    {"ListParts", "s3:ListMultipartUploadParts"},
};

int s3_may(struct s3_request *r, const char *action, struct str bucket, struct str key,
           struct err *err)
{
    const struct policy_value more[] = {
        {STR("s3:prefix"), s3_param(r, "prefix")},
        {STR("s3:delimiter"), s3_param(r, "delimiter")},
        {STR("s3:max-keys"), s3_param(r, "max-keys")},
    };
    struct policy_value given[ARRAY_SIZE(more)];
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
        if (more[i].value.at) {
            given[count++] = more[i];
        }
    }
    CLEAN_MEM char *arn = mem_printf("arn:aws:s3:::" STR_FMT "%s" STR_FMT, STR_ARG(bucket),
                                     key.size ? "/" : "", STR_ARG(key));
    return authorize(r->api, r->req, &r->auth, AUTH_STYLE_S3, action,
                     bucket.size ? str_of(arn) : STR("*"), given, count, err);
}

int s3_authorize(struct s3_request *r, struct err *err)
{
    if (!r->auth.role[0] || strcmp(r->op->name, "DeleteObjects") == 0) {
        return 0; // the root; or judged key by key
    }
    for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
        if (strcmp(r->op->name, actions[i][0]) == 0) {
            return s3_may(r, actions[i][1], r->bucket, r->key, err);
        }
    }
    char action[64];
    snprintf(action, sizeof action, "s3:%s", r->op->name);
    return s3_may(r, action, r->bucket, r->key, err);
}
