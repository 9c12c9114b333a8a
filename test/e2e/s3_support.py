# SPDX-License-Identifier: Apache-2.0
"""What the tests of S3 share: clients, and requests signed by hand for what no client would send."""
import datetime
import hashlib
import hmac
import http.client
import os
import random
import urllib.parse
import uuid

import boto3
import pytest
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

MIB = 1024 * 1024
REGION = "us-east-1"


def client(server, **config):
    """A boto3 client as its users have it, but that it does not hide errors behind retries."""
    config.setdefault("retries", {"max_attempts": 0})
    return boto3.client(
        "s3", endpoint_url=server.url, aws_access_key_id=server.access_key,
        aws_secret_access_key=server.secret_key, region_name=REGION, config=Config(**config))


def new_bucket(s3):
    name = "bucket-" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=name)
    return name


def random_bytes(size, seed=1):
    return random.Random(seed).randbytes(size)


def code_of(call, **arguments):
    """The error that the call must end in: (code, status)."""
    with pytest.raises(ClientError) as info:
        call(**arguments)
    response = info.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


class Answer:
    def __init__(self, response, body):
        self.status, self.headers, self.body = response.status, response.headers, body

    @property
    def code(self):
        text = self.body.decode()
        return text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else None


def plain(server, method, path, body=None, headers=None, host=None):
    """One request, not signed."""
    address = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    headers = dict(headers or {})
    headers.setdefault("Host", host or address.netloc)
    if body is not None and "Content-Length" not in headers:
        headers["Content-Length"] = str(len(body))
    for name, value in headers.items():
        connection.putheader(name, value)
    try:
        connection.endheaders(body)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before all was sent: the answer is there
    response = connection.getresponse()
    answer = Answer(response, response.read())
    connection.close()
    return answer


def signed_headers(server, method, path, headers=None, payload="UNSIGNED-PAYLOAD", host=None,
                   secret=None):
    url = "http://" + (host or urllib.parse.urlsplit(server.url).netloc) + path
    request = AWSRequest(method=method, url=url, headers=dict(headers or {}))
    credentials = Credentials(server.access_key, secret or server.secret_key)
    auth = S3SigV4Auth(credentials, "s3", REGION)
    auth.payload = lambda _: payload
    auth.add_auth(request)
    return dict(request.headers.items())


def signed(server, method, path, body=b"", headers=None, payload=None, host=None, secret=None):
    if payload is None:
        payload = hashlib.sha256(body).hexdigest()
    headers = signed_headers(server, method, path, headers, payload, host, secret)
    return plain(server, method, path, body, headers, host)


def chunk_signer(server, headers):
    """Signs chunk after chunk, beginning with the signature of the request."""
    now = headers["X-Amz-Date"]
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    key = ("AWS4" + server.secret_key).encode()
    for part in (now[:8], REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    state = {"previous": headers["Authorization"].rsplit("Signature=", 1)[1]}

    def sign(data, trailer=False):
        lines = ["AWS4-HMAC-SHA256-TRAILER" if trailer else "AWS4-HMAC-SHA256-PAYLOAD", now, scope,
                 state["previous"]]
        if not trailer:
            lines.append(hashlib.sha256(b"").hexdigest())
        lines.append(hashlib.sha256(data).hexdigest())
        state["previous"] = hmac.new(key, "\n".join(lines).encode(), hashlib.sha256).hexdigest()
        return state["previous"]

    return sign


def utc_now():
    return datetime.datetime.now(datetime.timezone.utc)


def environment(server):
    """For command line clients: nothing of the user's own, but where programs are."""
    keep = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH", "PYENV_ROOT")
            if name in os.environ}
    return {**keep, "AWS_ACCESS_KEY_ID": server.access_key,
            "AWS_SECRET_ACCESS_KEY": server.secret_key, "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": server.url, "AWS_EC2_METADATA_DISABLED": "true"}
