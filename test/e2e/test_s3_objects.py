# SPDX-License-Identifier: Apache-2.0
"""Objects through boto3: what is put comes back, and what may not be is refused as S3 refuses it."""
import base64
import datetime
import hashlib
import time
import zlib

import pytest

from s3_support import MIB, client, code_of, new_bucket, plain, random_bytes


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


@pytest.mark.parametrize("size", [0, 1, 1000, 64 * 1024, 64 * 1024 + 1, 3 * MIB + 7])
def test_bytes_come_back(s3, bucket, size):
    data = random_bytes(size)
    put = s3.put_object(Bucket=bucket, Key="k", Body=data)
    assert put["ETag"] == '"%s"' % hashlib.md5(data).hexdigest()
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == data
    assert got["ContentLength"] == size and got["ETag"] == put["ETag"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size
    assert head["ContentType"] == "binary/octet-stream"
    # over it, across the border between row and file, and back
    for other in (b"small", random_bytes(100_000, 2), b"small again"):
        s3.put_object(Bucket=bucket, Key="k", Body=other)
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == other


@pytest.mark.parametrize("key", [
    "a", "a/b/c", "a//b", "/leading", "trailing/", "../up", "./here", "a/../b", "sp ace", "plus+plus",
    "per%cent", "per%2Fcent", "amp&=?#", "quote\"'<>", "\u00fcml\u00e4ut/\u65e5\u672c/\U0001f431",
    "x" * 1024, "~-_.!*()", "ta\tb", "semi;colon:at@"])
def test_keys_are_kept_as_they_are(s3, bucket, key):
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [o["Key"] for o in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": key})
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "copy"}]})
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_key_too_long(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="x" * 1025, Body=b"") == ("KeyTooLongError", 400)


def test_what_is_not_there(s3, bucket):
    assert code_of(s3.get_object, Bucket=bucket, Key="no") == ("NoSuchKey", 404)
    assert code_of(s3.head_object, Bucket=bucket, Key="no") == ("404", 404)
    assert code_of(s3.get_object, Bucket="none-such", Key="no") == ("NoSuchBucket", 404)
    assert code_of(s3.put_object, Bucket="none-such", Key="no", Body=b"x") == ("NoSuchBucket", 404)
    s3.delete_object(Bucket=bucket, Key="no")  # succeeds


def test_description_is_kept(s3, bucket):
    expires = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    s3.put_object(
        Bucket=bucket, Key="k", Body=b"{}", ContentType="application/json",
        CacheControl="max-age=5", ContentDisposition='attachment; filename="a b"',
        ContentEncoding="gzip", ContentLanguage="de", Expires=expires, StorageClass="STANDARD_IA",
        Metadata={"One": "1", "two": "a, b"}, Tagging="t=1&u=2%203")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentType"] == "application/json" and head["CacheControl"] == "max-age=5"
    assert head["ContentDisposition"] == 'attachment; filename="a b"'
    assert head["ContentEncoding"] == "gzip" and head["ContentLanguage"] == "de"
    assert head["ExpiresString"] == "Fri, 02 Jan 2031 03:04:05 GMT" or \
        head["Expires"] == expires
    assert head["StorageClass"] == "STANDARD_IA" and head["Metadata"] == {"one": "1", "two": "a, b"}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [
        {"Key": "t", "Value": "1"}, {"Key": "u", "Value": "2 3"}]
    # a new object of that name has nothing of the old one
    s3.put_object(Bucket=bucket, Key="k", Body=b"{}")
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["Metadata"] == {} and "CacheControl" not in head and "StorageClass" not in head


def test_description_limits(s3, bucket):
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Metadata={"m": "x" * 2048}) == (
        "MetadataTooLarge", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", StorageClass="FLOPPY") == (
        "InvalidStorageClass", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", ACL="public-read") == (
        "AccessControlListNotSupported", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", ServerSideEncryption="AES256") == (
        "NotImplemented", 501)
    tags = "&".join(f"k{i}=v" for i in range(11))
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Tagging=tags) == ("BadRequest", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Tagging="a=1&a=2") == ("InvalidTag", 400)
    assert code_of(s3.head_object, Bucket=bucket, Key="k") == ("404", 404)  # nothing was stored
    s3.put_object(Bucket=bucket, Key="k", ACL="private")


def test_tags(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k")
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b <&>", "Value": ""}]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": tags})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == tags
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 2
    long = [{"Key": "x" * 129, "Value": "v"}]
    assert code_of(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging={"TagSet": long}) == (
        "InvalidTag", 400)
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert code_of(s3.get_object_tagging, Bucket=bucket, Key="no") == ("NoSuchKey", 404)
    assert code_of(s3.put_object_tagging, Bucket=bucket, Key="no", Tagging={"TagSet": []}) == (
        "NoSuchKey", 404)


@pytest.mark.parametrize("size", [10, 200_000])
def test_ranges(s3, bucket, size):
    data = random_bytes(size)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    for text, first, last in [("0-0", 0, 0), ("2-5", 2, 5), ("3-", 3, size - 1),
                              ("-4", size - 4, size - 1), (f"-{size * 2}", 0, size - 1),
                              (f"5-{size + 9}", 5, size - 1)]:
        got = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={text}")
        assert got["Body"].read() == data[first:last + 1]
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
        assert got["ContentRange"] == f"bytes {first}-{last}/{size}"
    head = s3.head_object(Bucket=bucket, Key="k", Range="bytes=1-2")
    assert head["ContentLength"] == 2
    for text in ("bytes=4-2", "bytes=1-2,4-5", "octets=1-2", "bytes=x-", "bytes=-"):
        got = s3.get_object(Bucket=bucket, Key="k", Range=text)
        assert got["ResponseMetadata"]["HTTPStatusCode"] == 200 and got["Body"].read() == data
    for text in (f"bytes={size}-", "bytes=-0"):
        assert code_of(s3.get_object, Bucket=bucket, Key="k", Range=text) == ("InvalidRange", 416)


def test_read_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    early, late = modified - datetime.timedelta(hours=1), modified + datetime.timedelta(hours=1)

    def get(**conditions):
        return s3.get_object(Bucket=bucket, Key="k", **conditions)["Body"].read()

    def refused(**conditions):
        return code_of(s3.get_object, Bucket=bucket, Key="k", **conditions)[1]

    assert get(IfMatch=etag) == b"x" and get(IfMatch="*") == b"x"
    assert get(IfMatch=f'"other", {etag}') == b"x"
    assert refused(IfMatch='"other"') == 412
    assert get(IfNoneMatch='"other"') == b"x"
    assert refused(IfNoneMatch=etag) == 304
    assert get(IfModifiedSince=early) == b"x" and refused(IfModifiedSince=modified) == 304
    assert get(IfUnmodifiedSince=modified) == b"x" and refused(IfUnmodifiedSince=early) == 412
    # entity tags win over dates
    assert get(IfMatch=etag, IfUnmodifiedSince=early) == b"x"
    assert refused(IfNoneMatch=etag, IfModifiedSince=early) == 304
    assert get(IfNoneMatch='"other"', IfModifiedSince=late) == b"x"
    assert code_of(s3.head_object, Bucket=bucket, Key="k", IfMatch='"other"') == ("412", 412)


def test_write_conditions(s3, bucket):
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    failed = ("PreconditionFailed", 412)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*") == failed
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfMatch='"x"') == failed
    assert code_of(s3.put_object, Bucket=bucket, Key="no", Body=b"2", IfMatch=etag) == (
        "NoSuchKey", 404)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch=etag) == (
        "NotImplemented", 501)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert code_of(s3.delete_object, Bucket=bucket, Key="k", IfMatch=etag) == failed
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


def test_answers_can_be_overridden(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain", CacheControl="a")
    got = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="image/png",
                        ResponseContentDisposition="attachment; filename=x.png")
    assert got["ContentType"] == "image/png" and got["CacheControl"] == "a"
    assert got["ContentDisposition"] == "attachment; filename=x.png"
    bad = s3.get_object(Bucket=bucket, Key="k", ResponseContentType="a\r\nX-Evil: 1")
    assert "x-evil" not in bad["ResponseMetadata"]["HTTPHeaders"]


SUMS = {
    "CRC32": lambda d: base64.b64encode(zlib.crc32(d).to_bytes(4, "big")).decode(),
    "SHA1": lambda d: base64.b64encode(hashlib.sha1(d).digest()).decode(),
    "SHA256": lambda d: base64.b64encode(hashlib.sha256(d).digest()).decode(),
}


@pytest.mark.parametrize("size", [9, 300_000])
@pytest.mark.parametrize("name", sorted(SUMS))
def test_checksums(s3, bucket, name, size):
    data, field = random_bytes(size), "Checksum" + name
    put = s3.put_object(Bucket=bucket, Key="k", Body=data, ChecksumAlgorithm=name)
    assert put[field] == SUMS[name](data) and put["ChecksumType"] == "FULL_OBJECT"
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")[field] == put[field]
    assert field not in s3.head_object(Bucket=bucket, Key="k")
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ETag", "ObjectSize", "StorageClass"])
    assert attributes["Checksum"][field] == put[field]
    assert attributes["ETag"] == put["ETag"].strip('"') and attributes["ObjectSize"] == size
    assert attributes["StorageClass"] == "STANDARD" and "ObjectParts" not in attributes
    # named in a header: right, wrong, malformed
    s3.put_object(Bucket=bucket, Key="k2", Body=data, **{field: SUMS[name](data)})
    wrong = SUMS[name](data + b"!")
    assert code_of(s3.put_object, Bucket=bucket, Key="k2", Body=b"other", **{field: wrong}) == (
        "BadDigest", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k2", Body=b"other", **{field: "AA"}) == (
        "InvalidRequest", 400)
    assert s3.get_object(Bucket=bucket, Key="k2")["Body"].read() == data


def test_content_md5(s3, bucket):
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=right)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5=right) == (
        "BadDigest", 400)
    assert code_of(s3.put_object, Bucket=bucket, Key="k", Body=b"y", ContentMD5="eA==") == (
        "InvalidDigest", 400)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_attributes_must_be_named(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert code_of(s3.get_object_attributes, Bucket=bucket, Key="k", ObjectAttributes=["Colour"]) == (
        "InvalidArgument", 400)
    assert code_of(s3.get_object_attributes, Bucket=bucket, Key="no", ObjectAttributes=["ETag"]) == (
        "NoSuchKey", 404)


def test_delete_many(s3, bucket):
    keys = [f"k{i}" for i in range(50)]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    etag = s3.head_object(Bucket=bucket, Key="k0")["ETag"]
    objects = [{"Key": key} for key in keys[1:]] + [{"Key": "never"}]
    objects.append({"Key": "k0", "ETag": '"other"'})
    result = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects})
    assert [o["Key"] for o in result["Deleted"]] == keys[1:] + ["never"]
    assert [(e["Key"], e["Code"]) for e in result["Errors"]] == [("k0", "PreconditionFailed")]
    last = {"Objects": [{"Key": "k0", "ETag": etag}], "Quiet": True}
    assert "Deleted" not in s3.delete_objects(Bucket=bucket, Delete=last)
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)
    many = {"Objects": [{"Key": f"k{i}"} for i in range(1001)]}
    assert code_of(s3.delete_objects, Bucket=bucket, Delete=many) == ("MalformedXML", 400)


def test_reading_survives_removal(s3, bucket):
    data = random_bytes(8 * MIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    body = s3.get_object(Bucket=bucket, Key="k")["Body"]
    first = body.read(1000)
    s3.delete_object(Bucket=bucket, Key="k")
    assert first + body.read() == data


def test_last_modified_is_told_everywhere_alike(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]["LastModified"]
    assert s3.head_object(Bucket=bucket, Key="k")["LastModified"] == listed
    assert abs(listed.timestamp() - time.time()) < 3600


def test_presigned(server, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"x")
    for version in ("s3", "s3v4"):
        signer = client(server, signature_version=version)

        def ask(operation, method, body=None, headers=None, change=None, **parameters):
            parameters = {"Bucket": bucket, "Key": "a b", **parameters}
            url = signer.generate_presigned_url(operation, Params=parameters, ExpiresIn=100)
            path = url[len(server.url):]
            return plain(server, method, change(path) if change else path, body, headers)

        assert ask("get_object", "GET").body == b"x"
        assert ask("put_object", "PUT", b"new").status == 200
        assert ask("get_object", "GET", ResponseContentType="a/b").headers["Content-Type"] == "a/b"
        other = ask("get_object", "GET", change=lambda path: path.replace("a%20b", "other"))
        assert (other.status, other.code) == (403, "SignatureDoesNotMatch")
        assert ask("get_object", "PUT", b"y").status == 403  # another method
        typed = {"Content-Type": "text/html"}
        assert ask("put_object", "PUT", b"y", typed, ContentType="text/html").status == 200
        assert s3.head_object(Bucket=bucket, Key="a b")["ContentType"] == "text/html"
        assert ask("put_object", "PUT", b"x").status == 200
    expired = client(server, signature_version="s3").generate_presigned_url(
        "get_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=-10)
    answer = plain(server, "GET", expired[len(server.url):])
    assert (answer.status, answer.code) == (403, "AccessDenied")
