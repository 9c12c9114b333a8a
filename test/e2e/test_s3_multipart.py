# SPDX-License-Identifier: Apache-2.0
"""Multipart uploads: parts in any order, replaced, copied, given up; what does not fit is refused."""
import base64
import hashlib
import zlib

import pytest

from s3_support import MIB, client, code_of, new_bucket, plain, random_bytes

PARTS = [random_bytes(5 * MIB, 1), random_bytes(5 * MIB + 3, 2), random_bytes(77, 3)]
WHOLE = b"".join(PARTS)


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


class Upload:
    def __init__(self, s3, bucket, key="k", **options):
        self.s3, self.options = s3, {"Bucket": bucket, "Key": key}
        self.options["UploadId"] = s3.create_multipart_upload(
            Bucket=bucket, Key=key, **options)["UploadId"]

    def put(self, number, body, **options):
        answer = self.s3.upload_part(PartNumber=number, Body=body, **self.options, **options)
        sums = {k: v for k, v in answer.items() if k.startswith("Checksum") and k != "ChecksumType"}
        return {"PartNumber": number, "ETag": answer["ETag"], **sums}

    def complete(self, parts, **options):
        return self.s3.complete_multipart_upload(
            MultipartUpload={"Parts": parts}, **self.options, **options)


def etag_of(parts):
    digests = b"".join(hashlib.md5(part).digest() for part in parts)
    return '"%s-%d"' % (hashlib.md5(digests).hexdigest(), len(parts))


def test_parts_become_an_object(s3, bucket):
    upload = Upload(s3, bucket, Metadata={"m": "1"}, ContentType="image/png", Tagging="t=1",
                    StorageClass="STANDARD_IA")
    upload.put(1, b"to be replaced")
    third, first = upload.put(30, PARTS[2]), upload.put(1, PARTS[0])
    second = upload.put(7, PARTS[1])
    upload.put(8, b"not wanted")
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    listed = s3.list_parts(**upload.options)
    assert [(p["PartNumber"], p["Size"]) for p in listed["Parts"]] == [
        (1, len(PARTS[0])), (7, len(PARTS[1])), (8, 10), (30, 77)]
    page = s3.list_parts(MaxParts=2, PartNumberMarker=1, **upload.options)
    assert [p["PartNumber"] for p in page["Parts"]] == [7, 8] and page["IsTruncated"]
    assert page["NextPartNumberMarker"] == 8
    done = upload.complete([first, second, third])
    assert done["ETag"] == etag_of(PARTS)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == WHOLE and got["ETag"] == done["ETag"]
    assert got["Metadata"] == {"m": "1"} and got["ContentType"] == "image/png"
    assert got["TagCount"] == 1 and got["StorageClass"] == "STANDARD_IA"
    border = len(PARTS[0])
    part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={border - 2}-{border + 1}")
    assert part["Body"].read() == WHOLE[border - 2:border + 2]
    assert code_of(s3.list_parts, **upload.options) == ("NoSuchUpload", 404)


def test_parts_can_be_read(s3, bucket):
    upload = Upload(s3, bucket)
    upload.complete([upload.put(2, PARTS[0]), upload.put(5, PARTS[1]), upload.put(9, PARTS[2])])
    for number, part in enumerate(PARTS, 1):
        got = s3.get_object(Bucket=bucket, Key="k", PartNumber=number)
        assert got["Body"].read() == part and got["PartsCount"] == 3
        assert s3.head_object(Bucket=bucket, Key="k", PartNumber=number)["ContentLength"] == len(part)
    assert code_of(s3.get_object, Bucket=bucket, Key="k", PartNumber=4)[1] == 416
    assert code_of(s3.get_object, Bucket=bucket, Key="k", PartNumber=1, Range="bytes=0-1") == (
        "InvalidRequest", 400)
    s3.put_object(Bucket=bucket, Key="simple", Body=b"abc")
    assert s3.get_object(Bucket=bucket, Key="simple", PartNumber=1)["Body"].read() == b"abc"
    assert code_of(s3.get_object, Bucket=bucket, Key="simple", PartNumber=2)[1] == 416


def test_one_part_is_enough(s3, bucket):
    for body in (b"small", b"", PARTS[0]):
        upload = Upload(s3, bucket)
        assert upload.complete([upload.put(1, body)])["ETag"] == etag_of([body])
        assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == body


def test_what_does_not_fit(s3, bucket):
    upload = Upload(s3, bucket)
    small, second, third = upload.put(1, b"x"), upload.put(2, PARTS[0]), upload.put(3, b"y")
    assert code_of(upload.complete, parts=[small, second]) == ("EntityTooSmall", 400)
    assert code_of(upload.complete, parts=[third, second]) == ("InvalidPartOrder", 400)
    assert code_of(upload.complete, parts=[second, second]) == ("InvalidPartOrder", 400)
    assert code_of(upload.complete, parts=[]) == ("MalformedXML", 400)
    assert code_of(upload.complete, parts=[{"PartNumber": 9, "ETag": '"x"'}]) == ("InvalidPart", 400)
    wrong = {**second, "ETag": small["ETag"]}
    assert code_of(upload.complete, parts=[wrong]) == ("InvalidPart", 400)
    for number in (0, 10001):
        assert code_of(upload.put, number=number, body=b"x") == ("InvalidArgument", 400)
    options = {**upload.options, "UploadId": "none"}
    assert code_of(s3.upload_part, PartNumber=1, Body=b"x", **options) == ("NoSuchUpload", 404)
    other = {**upload.options, "Key": "other"}
    assert code_of(s3.upload_part, PartNumber=1, Body=b"x", **other) == ("NoSuchUpload", 404)
    assert code_of(s3.abort_multipart_upload, **other) == ("NoSuchUpload", 404)
    assert code_of(s3.create_multipart_upload, Bucket="none-such", Key="k") == ("NoSuchBucket", 404)
    assert code_of(upload.complete, parts=[second], MpuObjectSize=5) == ("InvalidRequest", 400)
    upload.complete([second, third])  # all those refusals changed nothing


def test_write_conditions(s3, bucket):
    upload = Upload(s3, bucket)
    part = upload.put(1, b"new")
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    assert code_of(upload.complete, parts=[part], IfNoneMatch="*") == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"
    upload.complete([part])
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"new"


def test_given_up(s3, bucket):
    upload = Upload(s3, bucket)
    part = upload.put(1, b"x")
    s3.abort_multipart_upload(**upload.options)
    assert code_of(upload.complete, parts=[part]) == ("NoSuchUpload", 404)
    assert code_of(s3.abort_multipart_upload, **upload.options) == ("NoSuchUpload", 404)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_uploads_are_listed(s3, bucket):
    made = [Upload(s3, bucket, key) for key in ("a/1", "a/2", "b", "b", "c/d")]
    expected = sorted((u.options["Key"], u.options["UploadId"]) for u in made)
    page = s3.list_multipart_uploads(Bucket=bucket)
    assert [(u["Key"], u["UploadId"]) for u in page["Uploads"]] == expected
    for size in (1, 2, 3):
        pages = s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": size})
        assert [(u["Key"], u["UploadId"]) for p in pages for u in p.get("Uploads", [])] == expected
    rolled = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [u["Key"] for u in rolled["Uploads"]] == ["b", "b"]
    assert [p["Prefix"] for p in rolled["CommonPrefixes"]] == ["a/", "c/"]
    assert [u["Key"] for u in s3.list_multipart_uploads(Bucket=bucket, Prefix="a/")["Uploads"]] == [
        "a/1", "a/2"]
    s3.delete_bucket(Bucket=bucket)  # uploads under way do not hold it


def crc32(data):
    return zlib.crc32(data).to_bytes(4, "big")


def test_checksum_of_checksums(s3, bucket):
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32")
    parts = [upload.put(n, body, ChecksumAlgorithm="CRC32") for n, body in enumerate(PARTS, 1)]
    assert parts[0]["ChecksumCRC32"] == base64.b64encode(crc32(PARTS[0])).decode()
    composite = base64.b64encode(crc32(b"".join(map(crc32, PARTS)))).decode() + "-3"
    done = upload.complete(parts)
    assert done["ChecksumCRC32"] == composite and done["ChecksumType"] == "COMPOSITE"
    attributes = s3.get_object_attributes(
        Bucket=bucket, Key="k", ObjectAttributes=["Checksum", "ObjectParts"], MaxParts=2)
    assert attributes["Checksum"]["ChecksumCRC32"] == composite
    assert attributes["ObjectParts"]["TotalPartsCount"] == 3
    assert attributes["ObjectParts"]["IsTruncated"]
    assert [p["ChecksumCRC32"] for p in attributes["ObjectParts"]["Parts"]] == [
        p["ChecksumCRC32"] for p in parts[:2]]
    # copied in one piece it has a checksum of its bytes, and an MD5 of them
    copy = s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k")["CopyObjectResult"]
    assert copy["ChecksumCRC32"] == base64.b64encode(crc32(WHOLE)).decode()
    assert copy["ETag"] == '"%s"' % hashlib.md5(WHOLE).hexdigest()


def test_checksum_of_the_whole(s3, bucket):
    upload = Upload(s3, bucket, ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = [upload.put(n, body) for n, body in enumerate(PARTS, 1)]
    whole = base64.b64encode(crc32(WHOLE)).decode()
    wrong = base64.b64encode(crc32(b"?")).decode()
    assert code_of(upload.complete, parts=parts, ChecksumCRC32=wrong) == ("BadDigest", 400)
    done = upload.complete(parts, ChecksumCRC32=whole, ChecksumType="FULL_OBJECT")
    assert done["ChecksumCRC32"] == whole and done["ChecksumType"] == "FULL_OBJECT"
    assert s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumCRC32"] == whole


def test_checksums_that_cannot_be(s3, bucket):
    make = s3.create_multipart_upload
    assert code_of(make, Bucket=bucket, Key="k", ChecksumAlgorithm="SHA1",
                   ChecksumType="FULL_OBJECT") == ("InvalidRequest", 400)
    assert code_of(make, Bucket=bucket, Key="k", ChecksumAlgorithm="CRC64NVME",
                   ChecksumType="COMPOSITE") == ("InvalidRequest", 400)
    upload = Upload(s3, bucket, ChecksumAlgorithm="SHA256")
    assert code_of(upload.put, number=1, body=b"x", ChecksumAlgorithm="SHA1") == (
        "InvalidRequest", 400)
    part = upload.put(1, b"x", ChecksumAlgorithm="SHA256")
    wrong = {**part, "ChecksumSHA256": base64.b64encode(b"0" * 32).decode()}
    assert code_of(upload.complete, parts=[wrong]) == ("InvalidPart", 400)


def test_parts_are_copied(s3, bucket):
    s3.put_object(Bucket=bucket, Key="large", Body=WHOLE)
    s3.put_object(Bucket=bucket, Key="small", Body=b"0123456789")
    upload = Upload(s3, bucket)

    def copy(number, source, **options):
        answer = s3.upload_part_copy(
            PartNumber=number, CopySource=f"{bucket}/{source}", **upload.options, **options)
        return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

    size = 5 * MIB
    parts = [copy(1, "large"), copy(2, "large", CopySourceRange=f"bytes=10-{size + 9}"),
             copy(3, "small", CopySourceRange="bytes=2-4")]
    assert parts[2]["ETag"] == '"%s"' % hashlib.md5(b"234").hexdigest()
    refused = ("InvalidRange", 416)
    assert code_of(copy, number=4, source="small", CopySourceRange="bytes=10-11") == refused
    assert code_of(copy, number=4, source="small", CopySourceRange="2-4") == ("InvalidArgument", 400)
    assert code_of(copy, number=4, source="none") == ("NoSuchKey", 404)
    upload.complete(parts)
    expected = WHOLE + WHOLE[10:10 + size] + b"234"
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == expected


def test_presigned_part(server, s3, bucket):
    upload = Upload(s3, bucket)
    for version in ("s3", "s3v4"):
        url = client(server, signature_version=version).generate_presigned_url(
            "upload_part", Params={**upload.options, "PartNumber": 1})
        answer = plain(server, "PUT", url[len(server.url):], b"part")
        assert answer.status == 200
        assert answer.headers["ETag"] == '"%s"' % hashlib.md5(b"part").hexdigest()
