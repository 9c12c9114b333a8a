# SPDX-License-Identifier: Apache-2.0
"""What clients send that boto3 would not: every kind of body, tampered ones, forms of browsers."""
import base64
import datetime
import hashlib
import json
import socket
import urllib.parse
import zlib

import pytest

from s3_support import (MIB, chunk_signer, client, code_of, new_bucket, plain, random_bytes, signed,
                        signed_headers, utc_now)


@pytest.fixture
def s3(server):
    return client(server)


@pytest.fixture
def bucket(s3):
    return new_bucket(s3)


def read(s3, bucket, key="k"):
    return s3.get_object(Bucket=bucket, Key=key)["Body"].read()


# ---- signatures

def test_signed_body(server, s3, bucket):
    assert signed(server, "PUT", f"/{bucket}/k", b"right").status == 200
    headers = signed_headers(server, "PUT", f"/{bucket}/k", None, hashlib.sha256(b"right").hexdigest())
    answer = plain(server, "PUT", f"/{bucket}/k", b"wrong", headers)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    large = random_bytes(200_000)
    headers = signed_headers(server, "PUT", f"/{bucket}/k", None, hashlib.sha256(large).hexdigest())
    assert plain(server, "PUT", f"/{bucket}/k", large[:-1] + b"?", headers).status == 400
    assert read(s3, bucket) == b"right"
    answer = signed(server, "PUT", f"/{bucket}/k", b"x", secret="another")
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert b"<StringToSign>" in answer.body


def test_unsigned_body(server, s3, bucket):
    assert signed(server, "PUT", f"/{bucket}/k", b"x", payload="UNSIGNED-PAYLOAD").status == 200
    assert read(s3, bucket) == b"x"


# ---- aws-chunked

def chunks_of(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)] + [b""]


def send_signed_chunks(server, path, data, size, trailer=None, spoil=None, headers=None):
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    headers = {"x-amz-decoded-content-length": str(len(data)), "Content-Encoding": "aws-chunked",
               **(headers or {})}
    if trailer:
        headers["x-amz-trailer"] = trailer[0]
    headers = signed_headers(server, "PUT", path, headers, kind)
    sign = chunk_signer(server, headers)
    body = b""
    for chunk in chunks_of(data, size):
        body += b"%x;chunk-signature=%s\r\n" % (len(chunk), sign(chunk).encode())
        body += chunk + (b"\r\n" if chunk else b"")
    if trailer:
        body += f"{trailer[0]}:{trailer[1]}\r\n".encode()
        signature = sign(f"{trailer[0]}:{trailer[1]}\n".encode(), trailer=True)
        body += f"x-amz-trailer-signature:{signature}\r\n".encode()
    body += b"\r\n"
    return plain(server, "PUT", path, spoil(body) if spoil else body, headers)


@pytest.mark.parametrize("size", [0, 10, 100_000])
def test_signed_chunks(server, s3, bucket, size):
    data = random_bytes(size)
    answer = send_signed_chunks(server, f"/{bucket}/k", data, 8192, headers={
        "Content-Encoding": "gzip,aws-chunked"})
    assert answer.status == 200, answer.body
    assert read(s3, bucket) == data
    assert s3.head_object(Bucket=bucket, Key="k")["ContentEncoding"] == "gzip"


def test_signed_chunks_with_trailer(server, s3, bucket):
    data = random_bytes(100_000)
    sum_ = base64.b64encode(hashlib.sha256(data).digest()).decode()
    path = f"/{bucket}/k"
    answer = send_signed_chunks(server, path, data, 65536, ("x-amz-checksum-sha256", sum_))
    assert answer.status == 200 and answer.headers["x-amz-checksum-sha256"] == sum_
    other = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    answer = send_signed_chunks(server, path, b"x", 65536, ("x-amz-checksum-sha256", other))
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert read(s3, bucket) == data


def test_spoilt_chunks(server, s3, bucket):
    path, data = f"/{bucket}/k", b"x" * 1000
    answer = send_signed_chunks(server, path, data, 100, spoil=lambda b: b.replace(b"xxx", b"xyx", 1))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    answer = send_signed_chunks(server, path, data, 100, spoil=lambda b: b[:-100])
    assert (answer.status, answer.code) == (400, "IncompleteBody")
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)


def test_unsigned_chunks_with_trailer(server, s3, bucket):
    path = f"/{bucket}/k"
    for data, right in ((b"hello", True), (random_bytes(300_000), True), (b"hello", False)):
        crc = base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode() if right else "AAAAAA=="
        headers = signed_headers(server, "PUT", path, {
            "x-amz-decoded-content-length": str(len(data)), "x-amz-trailer": "x-amz-checksum-crc32",
            "Content-Encoding": "aws-chunked"}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        body = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in chunks_of(data, 70_000)[:-1])
        body += b"0\r\nx-amz-checksum-crc32:" + crc.encode() + b"\r\n\r\n"
        answer = plain(server, "PUT", path, body, headers)
        if right:
            assert answer.status == 200 and read(s3, bucket) == data
        else:
            assert (answer.status, answer.code) == (400, "BadDigest")


@pytest.mark.parametrize("name, value", [("crc32", 0xcbf43926), ("crc32c", 0xe3069283),
                                         ("crc64nvme", 0xae8b14860a799888)])
def test_check_values(server, bucket, name, value):
    sum_ = base64.b64encode(value.to_bytes(8 if "64" in name else 4, "big")).decode()
    header = "x-amz-checksum-" + name
    answer = signed(server, "PUT", f"/{bucket}/k", b"123456789", {header: sum_})
    assert answer.status == 200 and answer.headers[header] == sum_
    answer = signed(server, "PUT", f"/{bucket}/k", b"123456780", {header: sum_})
    assert (answer.status, answer.code) == (400, "BadDigest")
    answer = signed(server, "HEAD", f"/{bucket}/k", headers={"x-amz-checksum-mode": "ENABLED"})
    assert answer.headers[header] == sum_


# ---- lengths

def raw(server, head, body=b""):
    """Sends bytes as they are and returns all that comes until the server has nothing more."""
    address = urllib.parse.urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(head.replace(b"\n", b"\r\n"))
        first = connection.recv(65536)
        if first.startswith(b"HTTP/1.1 100"):
            connection.sendall(body)
            first = first.split(b"\r\n\r\n", 1)[1] or connection.recv(65536)
            return True, first
        return False, first


def head_of(method, path, headers):
    lines = [f"{method} {path} HTTP/1.1"] + [f"{k}: {v}" for k, v in headers.items()] + ["", ""]
    return "\n".join(lines).encode()


def test_expect_continue(server, s3, bucket):
    path, netloc = f"/{bucket}/k", urllib.parse.urlsplit(server.url).netloc
    headers = {"Host": netloc, **signed_headers(server, "PUT", path), "Content-Length": "5",
               "Expect": "100-continue"}
    asked, answer = raw(server, head_of("PUT", path, headers), b"hello")
    assert asked and answer.startswith(b"HTTP/1.1 200") and read(s3, bucket) == b"hello"
    # a refusal spares the sending
    path = "/none-such-bucket/k"
    headers = {"Host": netloc, **signed_headers(server, "PUT", path), "Content-Length": "5000000",
               "Expect": "100-continue"}
    asked, answer = raw(server, head_of("PUT", path, headers))
    assert not asked and answer.startswith(b"HTTP/1.1 404")


def test_lengths(server, s3, bucket):
    path = f"/{bucket}/k"
    headers = {"Content-Length": str(6 * 1024 ** 3), **signed_headers(server, "PUT", path)}
    answer = plain(server, "PUT", path, b"", headers)
    assert (answer.status, answer.code) == (400, "EntityTooLarge")
    netloc = urllib.parse.urlsplit(server.url).netloc
    headers = {"Host": netloc, "Transfer-Encoding": "chunked", **signed_headers(server, "PUT", path)}
    _, answer = raw(server, head_of("PUT", path, headers) + b"0\n\n")
    assert answer.startswith(b"HTTP/1.1 411") and b"MissingContentLength" in answer


def test_client_that_goes_away(server, s3, bucket):
    path, address = f"/{bucket}/k", urllib.parse.urlsplit(server.url)
    headers = {"Host": address.netloc, **signed_headers(server, "PUT", path),
               "Content-Length": "1000000"}
    for sent in (0, 10, 500_000):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.sendall(head_of("PUT", path, headers).replace(b"\n", b"\r\n") + b"x" * sent)
    assert code_of(s3.get_object, Bucket=bucket, Key="k") == ("NoSuchKey", 404)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")  # and the server goes on


def test_bad_documents(server, bucket):
    for body in (b"<Delete>", b"<Other/>", b"", b"\xff\xfe", b"<Delete><Object/></Delete>",
                 b"<!DOCTYPE d [<!ENTITY e 'x'>]><Delete><Object><Key>&e;</Key></Object></Delete>"):
        answer = signed(server, "POST", f"/{bucket}?delete", body)
        assert (answer.status, answer.code) == (400, "MalformedXML"), body
    large = b"<Delete>" + b" " * 5_000_000 + b"</Delete>"
    answer = signed(server, "POST", f"/{bucket}?delete", large)
    assert (answer.status, answer.code) == (400, "MaxMessageLengthExceeded")
    for path in ("/%", "/a%zz", f"/{bucket}/%00", f"/{bucket}/%ff"):
        assert plain(server, "GET", path).status in (400, 403)


# ---- forms

def form_of(fields, data, name="photo.jpg", boundary="----frontier"):
    parts = []
    for key, value in fields.items():
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n'
                     f"{value}\r\n".encode())
    parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
                 "Content-Type: image/jpeg\r\n\r\n".encode() + data + b"\r\n")
    parts.append(f"--{boundary}\r\nContent-Disposition: form-data; name=\"submit\"\r\n\r\nGo\r\n"
                 f"--{boundary}--\r\n".encode())
    return b"".join(parts), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


def post(server, bucket, fields, data, **options):
    body, headers = form_of(fields, data, **options)
    return plain(server, "POST", f"/{bucket}", body, headers)


@pytest.mark.parametrize("version", ["s3", "s3v4"])
@pytest.mark.parametrize("size", [0, 10, 2 * MIB])
def test_form(server, s3, bucket, version, size):
    data = b"\r\n----frontie\r\n--" + random_bytes(size) + b"\r\n--"
    made = client(server, signature_version=version).generate_presigned_post(
        bucket, "up/${filename}", Fields={"Content-Type": "image/jpeg", "x-amz-meta-m": "1"},
        Conditions=[{"Content-Type": "image/jpeg"}, {"x-amz-meta-m": "1"},
                    ["starts-with", "$key", "up/"], ["content-length-range", 0, 4 * MIB]])
    answer = post(server, bucket, made["fields"], data)
    assert answer.status == 204, answer.body
    assert answer.headers["ETag"] == '"%s"' % hashlib.md5(data).hexdigest()
    got = s3.get_object(Bucket=bucket, Key="up/photo.jpg")
    assert got["Body"].read() == data and got["ContentType"] == "image/jpeg"
    assert got["Metadata"] == {"m": "1"}


def test_form_answers(server, s3, bucket):
    def ask(extra):
        made = s3.generate_presigned_post(bucket, "k", Fields=extra,
                                          Conditions=[{k: v} for k, v in extra.items()])
        return post(server, bucket, made["fields"], b"data")

    answer = ask({"success_action_status": "201"})
    assert answer.status == 201 and b"<PostResponse><Location>" in answer.body
    assert f"<Bucket>{bucket}</Bucket><Key>k</Key>".encode() in answer.body
    assert ask({"success_action_status": "200"}).status == 200
    answer = ask({"success_action_redirect": "http://example.com/done?a=b"})
    etag = hashlib.md5(b"data").hexdigest()
    assert answer.status == 303
    assert answer.headers["Location"] == (
        f"http://example.com/done?a=b&bucket={bucket}&key=k&etag=%22{etag}%22")


def policy_of(conditions, seconds=100):
    until = utc_now() + datetime.timedelta(seconds=seconds)
    document = {"expiration": until.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "conditions": conditions}
    return base64.b64encode(json.dumps(document).encode()).decode()


def test_forms_that_are_refused(server, s3, bucket):
    def refused(change=None, data=b"data", conditions=()):
        made = s3.generate_presigned_post(bucket, "k", Conditions=list(conditions))["fields"]
        if change:
            change(made)
        answer = post(server, bucket, made, data)
        return answer.status, answer.code

    denied = (403, "AccessDenied")
    assert refused(lambda f: f.update(key="other")) == denied
    assert refused(lambda f: f.update(extra="1")) == denied
    assert refused(lambda f: f.update({"x-ignore-me": "1"})) == (204, None)
    assert refused(lambda f: f.pop("policy")) == denied
    assert refused(lambda f: f.pop("key")) == (400, "InvalidArgument")
    assert refused(lambda f: f.update(policy=policy_of([]))) == (403, "SignatureDoesNotMatch")
    assert refused(conditions=[["content-length-range", 5, 9]]) == (400, "EntityTooSmall")
    assert refused(conditions=[["content-length-range", 0, 3]]) == (400, "EntityTooLarge")
    assert refused(lambda f: f.update(junk="x" * 30_000)) == (
        400, "MaxPostPreDataLengthExceededError")
    expired = s3.generate_presigned_post(bucket, "k", ExpiresIn=-10)["fields"]
    answer = post(server, bucket, expired, b"x")
    assert (answer.status, answer.code) == denied and b"Policy expired" in answer.body
    answer = plain(server, "POST", f"/{bucket}", b"x=1",
                   {"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.code) == (412, "PreconditionFailed")
    body, headers = form_of(s3.generate_presigned_post(bucket, "k")["fields"], b"x" * 1000)
    answer = plain(server, "POST", f"/{bucket}", body[:-600], headers)
    assert (answer.status, answer.code) == (400, "MalformedPOSTRequest")
    assert code_of(s3.get_object, Bucket=bucket, Key="other") == ("NoSuchKey", 404)
