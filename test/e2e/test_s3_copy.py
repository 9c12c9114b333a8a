# SPDX-License-Identifier: Apache-2.0
"""Copies: whole, of themselves, with another description, under conditions."""
import base64
import hashlib

import pytest

from s3_support import MIB, client, code_of, new_bucket, random_bytes


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


@pytest.mark.parametrize("size", [0, 100, 2 * MIB])
def test_copy_outlives_its_source(s3, bucket, size):
    data, other = random_bytes(size), new_bucket(s3)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, Metadata={"m": "1"}, Tagging="t=1",
                        ContentType="a/b", ChecksumAlgorithm="SHA256")
    copy = s3.copy_object(Bucket=other, Key="c", CopySource=f"/{bucket}/k")["CopyObjectResult"]
    assert copy["ETag"] == put["ETag"] and copy["ChecksumSHA256"] == put["ChecksumSHA256"]
    s3.delete_object(Bucket=bucket, Key="k")
    got = s3.get_object(Bucket=other, Key="c")
    assert got["Body"].read() == data and got["Metadata"] == {"m": "1"}
    assert got["ContentType"] == "a/b" and got["TagCount"] == 1


def test_description_replaced(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"m": "1"}, Tagging="t=1",
                  ContentType="a/b")
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", MetadataDirective="REPLACE",
                   Metadata={"n": "2"}, ContentType="c/d")
    got = s3.head_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {"n": "2"} and got["ContentType"] == "c/d" and got["TagCount"] == 1
    s3.copy_object(Bucket=bucket, Key="k2", CopySource=f"{bucket}/k", TaggingDirective="REPLACE",
                   Tagging="u=2&v=3", StorageClass="GLACIER_IR")
    assert s3.get_object_tagging(Bucket=bucket, Key="k2")["TagSet"] == [
        {"Key": "u", "Value": "2"}, {"Key": "v", "Value": "3"}]
    assert s3.head_object(Bucket=bucket, Key="k2")["StorageClass"] == "GLACIER_IR"
    assert code_of(s3.copy_object, Bucket=bucket, Key="k", CopySource=f"{bucket}/k") == (
        "InvalidRequest", 400)


@pytest.mark.parametrize("size", [100, 300_000])
def test_another_checksum(s3, bucket, size):
    data = random_bytes(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    copy = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", ChecksumAlgorithm="SHA1")
    expected = base64.b64encode(hashlib.sha1(data).digest()).decode()
    assert copy["CopyObjectResult"]["ChecksumSHA1"] == expected
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == data


def test_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    failed = ("PreconditionFailed", 412)

    def copy(**conditions):
        return s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **conditions)

    assert code_of(copy, CopySourceIfMatch='"y"') == failed
    assert code_of(copy, CopySourceIfNoneMatch=etag) == failed
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    assert code_of(copy, CopySourceIfModifiedSince=modified) == failed
    copy(CopySourceIfMatch=etag, CopySourceIfUnmodifiedSince=modified)


def test_sources_that_are_not_there(s3, bucket):
    def copy(source):
        return s3.copy_object(Bucket=bucket, Key="c", CopySource=source)

    assert code_of(copy, source=f"{bucket}/none") == ("NoSuchKey", 404)
    assert code_of(copy, source="none-such/k") == ("NoSuchBucket", 404)
    assert code_of(copy, source="nothing") == ("InvalidArgument", 400)
    assert code_of(copy, source=f"{bucket}/k?versionId=v1") == ("NoSuchVersion", 404)
    assert code_of(s3.copy_object, Bucket="none-such", Key="c", CopySource=f"{bucket}/k") == (
        "NoSuchBucket", 404)
