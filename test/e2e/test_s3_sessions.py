# SPDX-License-Identifier: Apache-2.0
"""Temporary credentials at S3, presigned and in forms too: what the role may and what it may not."""
import json
import types
import uuid

import boto3
import pytest

from s3_support import client, code_of, new_bucket, plain
from test_s3_wire import post


@pytest.fixture(scope="module")
def world(server):
    """A role that may read and write below shared/ of one bucket, and nothing else."""
    s3 = client(server)
    bucket, other, name = new_bucket(s3), new_bucket(s3), "role-" + uuid.uuid4().hex[:8]
    keys = {"endpoint_url": server.url, "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret_key, "region_name": "us-east-1"}
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    may = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
         "Resource": f"arn:aws:s3:::{bucket}/shared/*"}]}
    iam = boto3.client("iam", **keys)
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=json.dumps(may))
    made = boto3.client("sts", **keys).assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    session = made["Credentials"]

    def signer(version):
        return boto3.client(
            "s3", endpoint_url=server.url, region_name="us-east-1",
            aws_access_key_id=session["AccessKeyId"], aws_session_token=session["SessionToken"],
            aws_secret_access_key=session["SecretAccessKey"],
            config=boto3.session.Config(signature_version=version, retries={"max_attempts": 0}))

    for place in (bucket, other):
        s3.put_object(Bucket=place, Key="shared/k", Body=b"shared")
        s3.put_object(Bucket=place, Key="private", Body=b"private")
    return types.SimpleNamespace(bucket=bucket, other=other, signer=signer, s3=s3)


DENIED = ("AccessDenied", 403)


def test_requests(world):
    s3, bucket = world.signer("s3v4"), world.bucket
    assert s3.get_object(Bucket=bucket, Key="shared/k")["Body"].read() == b"shared"
    s3.put_object(Bucket=bucket, Key="shared/new", Body=b"x")
    assert code_of(s3.get_object, Bucket=bucket, Key="private") == DENIED
    assert code_of(s3.get_object, Bucket=world.other, Key="shared/k") == DENIED
    assert code_of(s3.put_object, Bucket=bucket, Key="private", Body=b"x") == DENIED
    assert code_of(s3.list_objects_v2, Bucket=bucket) == DENIED
    assert code_of(s3.list_buckets) == DENIED
    assert code_of(s3.delete_bucket, Bucket=bucket) == DENIED
    assert code_of(s3.copy_object, Bucket=bucket, Key="shared/c",
                   CopySource=f"{world.other}/shared/k") == DENIED
    s3.copy_object(Bucket=bucket, Key="shared/c", CopySource=f"{bucket}/shared/k")
    assert world.s3.get_object(Bucket=bucket, Key="private")["Body"].read() == b"private"


def test_deletions_are_judged_one_by_one(world):
    s3, bucket = world.signer("s3v4"), world.bucket
    world.s3.put_object(Bucket=bucket, Key="shared/gone", Body=b"x")
    done = s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": "shared/gone"}, {"Key": "private"}]})
    assert [o["Key"] for o in done["Deleted"]] == ["shared/gone"]
    assert [(e["Key"], e["Code"]) for e in done["Errors"]] == [("private", "AccessDenied")]
    assert world.s3.get_object(Bucket=bucket, Key="private")["Body"].read() == b"private"


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned(server, world, version):
    def get(bucket, key, change=lambda path: path):
        url = world.signer(version).generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key})
        return plain(server, "GET", change(url[len(server.url):]))

    assert get(world.bucket, "shared/k").body == b"shared"
    for bucket, key in ((world.bucket, "private"), (world.other, "shared/k")):
        answer = get(bucket, key)
        assert (answer.status, answer.code) == (403, "AccessDenied")
    spoilt = get(world.bucket, "shared/k", lambda path: path.replace("oken=", "oken=x"))
    assert spoilt.status in (400, 403)
    without = get(world.bucket, "shared/k", lambda path: "&".join(
        part for part in path.split("&") if "oken=" not in part))
    assert without.status in (400, 403)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_forms(server, world, version):
    def send(key):
        made = world.signer(version).generate_presigned_post(world.bucket, key)
        return post(server, world.bucket, made["fields"], b"form")

    assert send("shared/form").status == 204
    assert world.s3.get_object(Bucket=world.bucket, Key="shared/form")["Body"].read() == b"form"
    answer = send("private")
    assert (answer.status, answer.code) == (403, "AccessDenied")
