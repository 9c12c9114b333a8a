# SPDX-License-Identifier: Apache-2.0
"""Buckets: made, named, listed, removed; and what tools ask of a bucket that has nothing set."""
import uuid

import pytest
from botocore.exceptions import ClientError

from s3_support import client, code_of, new_bucket, plain, signed


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def test_life_of_a_bucket(s3):
    name = "life-" + uuid.uuid4().hex
    assert code_of(s3.head_bucket, Bucket=name) == ("404", 404)
    assert s3.create_bucket(Bucket=name)["Location"] == "/" + name
    s3.create_bucket(Bucket=name)  # again, in us-east-1
    head = s3.head_bucket(Bucket=name)
    assert head["BucketRegion"] == "us-east-1"
    assert "LocationConstraint" not in s3.get_bucket_location(Bucket=name) or \
        s3.get_bucket_location(Bucket=name)["LocationConstraint"] is None
    assert name in [b["Name"] for b in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=name, Key="k")
    assert code_of(s3.delete_bucket, Bucket=name) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket=name, Key="k")
    s3.delete_bucket(Bucket=name)
    assert code_of(s3.delete_bucket, Bucket=name) == ("NoSuchBucket", 404)


def test_regions(s3):
    name = "region-" + uuid.uuid4().hex
    constraint = {"LocationConstraint": "eu-central-1"}
    s3.create_bucket(Bucket=name, CreateBucketConfiguration=constraint)
    assert s3.get_bucket_location(Bucket=name)["LocationConstraint"] == "eu-central-1"
    assert code_of(s3.create_bucket, Bucket=name, CreateBucketConfiguration=constraint) == (
        "BucketAlreadyOwnedByYou", 409)
    bad = {"LocationConstraint": "<nowhere>"}
    assert code_of(s3.create_bucket, Bucket=name + "x", CreateBucketConfiguration=bad) == (
        "InvalidLocationConstraint", 400)


@pytest.mark.parametrize("name", ["ab", "Upper", "under_score", "-dash", "dash-", "a..b", "1.2.3.4",
                                  "x" * 64, "xn--a"])
def test_names_that_are_none(server, name):
    answer = signed(server, "PUT", "/" + name)
    assert (answer.status, answer.code) == (400, "InvalidBucketName")


def test_list_is_paged(s3):
    prefix = "paged-" + uuid.uuid4().hex[:8] + "-"
    names = [prefix + str(i) for i in range(5)]
    for name in names:
        s3.create_bucket(Bucket=name)
    pages = list(s3.get_paginator("list_buckets").paginate(
        Prefix=prefix, PaginationConfig={"PageSize": 2}))
    assert [[b["Name"] for b in page["Buckets"]] for page in pages] == [
        names[:2], names[2:4], names[4:]]


def test_tags(s3, bucket):
    assert code_of(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)
    tags = [{"Key": "stage", "Value": "dev"}]
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": tags})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == tags
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code_of(s3.get_bucket_tagging, Bucket=bucket) == ("NoSuchTagSet", 404)


UNSET = {
    "get_bucket_policy": "NoSuchBucketPolicy",
    "get_bucket_policy_status": "NoSuchBucketPolicy",
    "get_bucket_cors": "NoSuchCORSConfiguration",
    "get_bucket_lifecycle_configuration": "NoSuchLifecycleConfiguration",
    "get_bucket_encryption": "ServerSideEncryptionConfigurationNotFoundError",
    "get_object_lock_configuration": "ObjectLockConfigurationNotFoundError",
    "get_public_access_block": "NoSuchPublicAccessBlockConfiguration",
    "get_bucket_website": "NoSuchWebsiteConfiguration",
    "get_bucket_replication": "ReplicationConfigurationNotFoundError",
}


@pytest.mark.parametrize("operation", sorted(UNSET))
def test_nothing_is_set(s3, bucket, operation):
    assert code_of(getattr(s3, operation), Bucket=bucket) == (UNSET[operation], 404)
    assert code_of(getattr(s3, operation), Bucket="none-such") == ("NoSuchBucket", 404)


def test_defaults(s3, bucket):
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    assert s3.get_bucket_acl(Bucket=bucket)["Grants"][0]["Permission"] == "FULL_CONTROL"
    s3.put_object(Bucket=bucket, Key="k")
    assert s3.get_object_acl(Bucket=bucket, Key="k")["Owner"]["ID"]
    assert code_of(s3.get_object_acl, Bucket=bucket, Key="no") == ("NoSuchKey", 404)


def test_what_is_not_here_is_said(s3, bucket):
    refused = ("NotImplemented", 501)
    assert code_of(s3.put_bucket_policy, Bucket=bucket, Policy="{}") == refused
    assert code_of(s3.put_bucket_versioning, Bucket=bucket,
                   VersioningConfiguration={"Status": "Enabled"}) == refused
    assert code_of(s3.put_bucket_acl, Bucket=bucket, ACL="public-read") == refused
    assert code_of(s3.list_bucket_metrics_configurations, Bucket=bucket) == refused
    s3.delete_bucket_cors(Bucket=bucket)  # there is none: done
    s3.delete_bucket_policy(Bucket=bucket)
    assert code_of(s3.create_bucket, Bucket=bucket + "x", ObjectLockEnabledForBucket=True) == refused


def test_methods_that_are_none(server, bucket):
    for method, path in (("POST", f"/{bucket}/k"), ("PATCH", f"/{bucket}"), ("PUT", "/")):
        answer = signed(server, method, path)
        assert (answer.status, answer.code) == (405, "MethodNotAllowed"), path


def test_errors_have_the_shape_of_s3(server, bucket):
    answer = signed(server, "GET", f"/{bucket}/no%20key")
    text = answer.body.decode()
    assert answer.status == 404 and answer.headers["Content-Type"] == "application/xml"
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
                           "<Message>The specified key does not exist.</Message>"
                           "<Key>no key</Key>")
    assert f"<Resource>/{bucket}/no%20key</Resource>" in text
    assert f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId><HostId>" in text


def test_virtual_hosts(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"x")
    port = server.url.rsplit(":", 1)[1]
    for host in (f"{bucket}.localhost:{port}", f"{bucket}.s3.localhost.localstack.cloud:{port}",
                 f"{bucket}.s3.us-east-1.localhost.localstack.cloud:{port}",
                 f"{bucket}.127.0.0.1.nip.io:{port}", f"{bucket}.s3.amazonaws.com",
                 f"{bucket}.s3.eu-west-1.amazonaws.com"):
        assert signed(server, "GET", "/a/b", host=host).body == b"x", host
        assert b"<Key>a/b</Key>" in signed(server, "GET", "/", host=host).body, host
    for host in (f"localhost:{port}", f"s3.localhost.localstack.cloud:{port}", "s3.amazonaws.com"):
        assert signed(server, "GET", f"/{bucket}/a/b", host=host).body == b"x", host


# ---- notifications

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:"


def rule(function="f", events=("s3:ObjectCreated:*",), prefix=None, suffix=None, name=None):
    rules = [{"Name": kind, "Value": value}
             for kind, value in (("Prefix", prefix), ("Suffix", suffix)) if value is not None]
    made = {"LambdaFunctionArn": FUNCTION + function, "Events": list(events)}
    if rules:
        made["Filter"] = {"Key": {"FilterRules": rules}}
    if name:
        made["Id"] = name
    return made


def put(s3, bucket, *rules, skip=True, **more):
    s3.put_bucket_notification_configuration(
        Bucket=bucket, SkipDestinationValidation=skip,
        NotificationConfiguration={"LambdaFunctionConfigurations": list(rules), **more})


def test_notifications_are_kept(s3, bucket):
    assert "LambdaFunctionConfigurations" not in \
        s3.get_bucket_notification_configuration(Bucket=bucket)
    rules = [rule(prefix="in/", suffix=".jpg", name="one"),
             rule("g", ("s3:ObjectRemoved:Delete", "s3:ObjectCreated:Put"), prefix="out/", name="two")]
    put(s3, bucket, *rules, EventBridgeConfiguration={})
    got = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert got["LambdaFunctionConfigurations"] == rules and got["EventBridgeConfiguration"] == {}
    put(s3, bucket, rule())
    got = s3.get_bucket_notification_configuration(Bucket=bucket)
    assert len(got["LambdaFunctionConfigurations"]) == 1 and "EventBridgeConfiguration" not in got
    assert got["LambdaFunctionConfigurations"][0]["Id"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert "LambdaFunctionConfigurations" not in \
        s3.get_bucket_notification_configuration(Bucket=bucket)


@pytest.mark.parametrize("rules", [
    [rule(), rule("g")],
    [rule(prefix="a"), rule("g", prefix="ab")],
    [rule(suffix=".jpg"), rule("g", suffix="g")],
    [rule(events=["s3:ObjectCreated:Put"]), rule("g")],
    [rule(prefix="a", name="same"), rule("g", prefix="b", name="same")],
    [rule(events=["s3:ObjectInvented:*"])],
    [rule("bad name!")],
])
def test_notifications_that_are_refused(s3, bucket, rules):
    with pytest.raises(ClientError) as info:
        put(s3, bucket, *rules)
    assert info.value.response["Error"]["Code"] == "InvalidArgument"
    assert "LambdaFunctionConfigurations" not in \
        s3.get_bucket_notification_configuration(Bucket=bucket)


def test_notifications_need_their_function(s3, bucket):
    with pytest.raises(ClientError) as info:
        put(s3, bucket, rule("never-made"), skip=False)
    assert info.value.response["Error"]["Code"] == "InvalidArgument"
    assert "Unable to validate the following destination configurations" in str(info.value)


def test_queues_are_refused(s3, bucket):
    queue = {"QueueArn": "arn:aws:sqs:us-east-1:000000000000:q", "Events": ["s3:ObjectCreated:*"]}
    assert code_of(put, s3=s3, bucket=bucket, QueueConfigurations=[queue]) == ("NotImplemented", 501)


def test_rules_may_share_what_does_not_overlap(s3, bucket):
    put(s3, bucket, rule(prefix="a/"), rule("g", prefix="b/"), rule("h", ["s3:ObjectRemoved:*"]))
    assert len(s3.get_bucket_notification_configuration(Bucket=bucket)[
        "LambdaFunctionConfigurations"]) == 3


def test_not_signed(server, bucket):
    answer = plain(server, "GET", f"/{bucket}")
    assert (answer.status, answer.code) == (403, "AccessDenied")
