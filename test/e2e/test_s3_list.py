# SPDX-License-Identifier: Apache-2.0
"""Listings, page by page and rolled up, in all versions."""
import pytest

from s3_support import client, code_of, new_bucket, signed

KEYS = ["a", "a/1", "a/2/x", "a/2/y", "b/1", "c", "d e/f", "\u00fc/1", "z&<>"]


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    name = new_bucket(s3)
    for key in KEYS:
        s3.put_object(Bucket=name, Key=key, Body=key.encode())
    return name


def keys_of(page):
    return [o["Key"] for o in page.get("Contents", [])]


def prefixes_of(page):
    return [p["Prefix"] for p in page.get("CommonPrefixes", [])]


def in_order(keys):
    return sorted(keys, key=lambda key: key.encode())


def test_all(s3, bucket):
    page = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)
    assert keys_of(page) == in_order(KEYS)
    assert page["KeyCount"] == len(KEYS) and not page["IsTruncated"] and page["MaxKeys"] == 1000
    first = page["Contents"][0]
    assert first["Size"] == 1 and first["StorageClass"] == "STANDARD" and first["Owner"]["ID"]
    assert first["ChecksumAlgorithm"] == ["CRC32"]
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("options", [
    {}, {"Delimiter": "/"}, {"Prefix": "a/"}, {"Prefix": "a/", "Delimiter": "/"},
    {"Delimiter": "2/"}, {"Prefix": "none"}, {"Delimiter": " "}])
def test_pages_join(s3, bucket, size, options):
    whole = s3.list_objects_v2(Bucket=bucket, **options)
    for operation in ("list_objects_v2", "list_objects"):
        pages = list(s3.get_paginator(operation).paginate(
            Bucket=bucket, PaginationConfig={"PageSize": size}, **options))
        assert sum((keys_of(page) for page in pages), []) == keys_of(whole)
        assert sum((prefixes_of(page) for page in pages), []) == prefixes_of(whole)
        assert all(len(keys_of(page)) + len(prefixes_of(page)) <= size for page in pages)


def test_rolled_up(s3, bucket):
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert keys_of(page) == ["a", "c", "z&<>"]
    assert prefixes_of(page) == ["a/", "b/", "d e/", "\u00fc/"]
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="a/")
    assert keys_of(page) == ["a/1"] and prefixes_of(page) == ["a/2/"]


def test_keys_are_encoded_when_asked(s3, bucket):
    page = s3.list_objects_v2(Bucket=bucket, EncodingType="url", Delimiter="/")
    assert keys_of(page) == ["a", "c", "z%26%3C%3E"] and page["EncodingType"] == "url"
    assert prefixes_of(page) == ["a/", "b/", "d+e/", "%C3%BC/"]


def test_places_to_begin(s3, bucket):
    ordered = in_order(KEYS)
    assert keys_of(s3.list_objects_v2(Bucket=bucket, StartAfter="a/2")) == ordered[2:]
    assert keys_of(s3.list_objects(Bucket=bucket, Marker="c")) == ordered[ordered.index("c") + 1:]
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert keys_of(page) == [] and not page["IsTruncated"]
    page = s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    token = page["NextContinuationToken"]
    page = s3.list_objects_v2(Bucket=bucket, ContinuationToken=token)
    assert keys_of(page) == ordered[2:] and page["ContinuationToken"] == token


def test_bad_questions(server, s3, bucket):
    assert code_of(s3.list_objects_v2, Bucket=bucket, ContinuationToken="?") == (
        "InvalidArgument", 400)
    assert code_of(s3.list_objects_v2, Bucket="none-such") == ("NoSuchBucket", 404)
    for query in ("list-type=3", "max-keys=-1", "max-keys=many", "encoding-type=xml"):
        answer = signed(server, "GET", f"/{bucket}?{query}")
        assert (answer.status, answer.code) == (400, "InvalidArgument"), query


def test_versions_of_a_bucket_that_has_none(s3, bucket):
    page = s3.list_object_versions(Bucket=bucket, Prefix="a")
    assert [(v["Key"], v["VersionId"], v["IsLatest"]) for v in page["Versions"]] == [
        (key, "null", True) for key in ("a", "a/1", "a/2/x", "a/2/y")]
    pages = s3.get_paginator("list_object_versions").paginate(
        Bucket=bucket, PaginationConfig={"PageSize": 2})
    assert [v["Key"] for page in pages for v in page["Versions"]] == in_order(KEYS)
    s3.delete_object(Bucket=bucket, Key="a", VersionId="null")
    assert code_of(s3.get_object, Bucket=bucket, Key="c", VersionId="v1") == ("NoSuchVersion", 404)
