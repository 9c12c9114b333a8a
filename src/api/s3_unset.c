// SPDX-License-Identifier: Apache-2.0
// Sub-resources that tools ask about and that are never configured here: reading one answers as S3
// does for a bucket that never heard of it, removing it succeeds, setting it is refused plainly.
#include "api/s3.h"
#include "base/mem.h"
#include "format/uri.h"

struct unset {
    const char *sub;
    const char *code, *message; // the error of a GET, or
    const char *root, *inside;  // its document
};

#define ACL_GRANT                                                                                  \
    "<Owner><ID>" S3_OWNER_ID "</ID><DisplayName>" S3_OWNER_NAME "</DisplayName></Owner>"          \
    "<AccessControlList><Grant><Grantee xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" "  \
    "xsi:type=\"CanonicalUser\"><ID>" S3_OWNER_ID "</ID><DisplayName>" S3_OWNER_NAME               \
    "</DisplayName></Grantee><Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"

static const struct unset unsets[] = {
    {"acl", NULL, NULL, "AccessControlPolicy", ACL_GRANT},
    {"versioning", NULL, NULL, "VersioningConfiguration", ""},
    {"policy", "NoSuchBucketPolicy", "The bucket policy does not exist", NULL, NULL},
    {"policyStatus", "NoSuchBucketPolicy", "The bucket policy does not exist", NULL, NULL},
    {"cors", "NoSuchCORSConfiguration", "The CORS configuration does not exist", NULL, NULL},
    {"lifecycle", "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist",
     NULL, NULL},
    {"encryption", "ServerSideEncryptionConfigurationNotFoundError",
     "The server side encryption configuration was not found", NULL, NULL},
    {"object-lock", "ObjectLockConfigurationNotFoundError",
     "Object Lock configuration does not exist for this bucket", NULL, NULL},
    {"ownershipControls", NULL, NULL, "OwnershipControls",
     "<Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule>"},
    {"publicAccessBlock", "NoSuchPublicAccessBlockConfiguration",
     "The public access block configuration was not found", NULL, NULL},
    {"requestPayment", NULL, NULL, "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>"},
    {"website", "NoSuchWebsiteConfiguration",
     "The specified bucket does not have a website configuration", NULL, NULL},
    {"logging", NULL, NULL, "BucketLoggingStatus", ""},
    {"accelerate", NULL, NULL, "AccelerateConfiguration", ""},
    {"replication", "ReplicationConfigurationNotFoundError",
     "The replication configuration was not found", NULL, NULL},
    {"retention", "NoSuchObjectLockConfiguration",
     "The specified object does not have a ObjectLock configuration", NULL, NULL},
    {"legal-hold", "NoSuchObjectLockConfiguration",
     "The specified object does not have a ObjectLock configuration", NULL, NULL},
    // Not even to be read:
    {"analytics", NULL, NULL, NULL, NULL},
    {"inventory", NULL, NULL, NULL, NULL},
    {"metrics", NULL, NULL, NULL, NULL},
    {"intelligent-tiering", NULL, NULL, NULL, NULL},
    {"metadataTable", NULL, NULL, NULL, NULL},
    {"select", NULL, NULL, NULL, NULL},
    {"restore", NULL, NULL, NULL, NULL},
    {"torrent", NULL, NULL, NULL, NULL},
    {"session", NULL, NULL, NULL, NULL},
    {"renameObject", NULL, NULL, NULL, NULL},
};

static const struct unset *unset_find(const struct s3_request *r)
{
    for (size_t i = 0; r->req->query.size && i < ARRAY_SIZE(unsets); i++) {
        if (uri_query_find(r->req->query, str_of(unsets[i].sub), NULL)) {
            return &unsets[i];
        }
    }
    return NULL;
}

bool s3_unset_named(const struct s3_request *r)
{
    return unset_find(r) != NULL;
}

int s3_unset(struct s3_request *r, struct err *err)
{
    const struct unset *unset = unset_find(r);
    bool read = str_eq(r->req->method, STR("GET")) || str_eq(r->req->method, STR("HEAD"));
    bool removal = str_eq(r->req->method, STR("DELETE")) && (unset->code || unset->root);
    if (r->key.size && (read || removal)) {
        struct object object = {0};
        TRY(s3_object_need(r, r->bucket, r->key, false, &object, err));
        object_done(&object);
    }
    if (removal) {
        s3_reply_empty(r, 204);
        return 0;
    }
    if (read && unset->code) {
        return err_aws(err, ERR_NOT_FOUND, unset->code, "%s", unset->message);
    }
    if (!read || !unset->root) {
        return err_aws(err, ERR_UNSUPPORTED, "NotImplemented",
                       "%s of %s is not implemented by this server", unset->sub,
                       r->key.size ? "an object" : "a bucket");
    }
    CLEAN(buf_done) struct buf out = BUF_INIT(S3_REPLY_MAX);
    xml_begin(&out);
    xml_open_ns(&out, unset->root, XML_NS_S3);
    buf_add_text(&out, unset->inside);
    xml_close(&out, unset->root);
    s3_reply_xml(r, 200, &out);
    return 0;
}
