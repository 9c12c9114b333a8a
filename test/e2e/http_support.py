# SPDX-License-Identifier: Apache-2.0
"""What the tests of function URLs and of APIs share: plain HTTP, with any Host, signed or not."""
import http.client
import json
import uuid

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from conftest import PATIENCE_S, REGION, zip_of

ROLE = "arn:aws:iam::000000000000:role/test"
ECHO = zip_of({"model.yaml": "task: echo\n"})  # answers with the body it was given


class Reply:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.cookies = [value for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        self.body = answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()


def send(server, path, method="GET", body=None, headers=None, host=None):
    """One request; `headers` may be pairs, so that names can come twice."""
    pairs = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_S)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host or f"127.0.0.1:{server.port}")
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders(body)
        return Reply(connection.getresponse())
    finally:
        connection.close()


def send_signed(server, service, path, method="GET", body=b"", host=None, keys=None):
    """As send, with the signature of `keys` (access key, secret, token), else of the root."""
    access, secret, token = keys or (server.access_key, server.secret_key, None)
    host = host or f"127.0.0.1:{server.port}"
    request = AWSRequest(method, f"http://{host}{path}", data=body, headers={"Host": host})
    SigV4Auth(Credentials(access, secret, token), service, REGION).add_auth(request)
    headers = {name: value for name, value in request.headers.items() if name != "Host"}
    return send(server, path, method, body, headers, host)


def make_function(server, code=ECHO, runtime="onnx", handler="model.yaml", **more):
    """The name of a new function, ready."""
    lam = server.client("lambda")
    name = "h-" + uuid.uuid4().hex[:12]
    lam.create_function(FunctionName=name, Runtime=runtime, Role=ROLE, Handler=handler,
                        Code={"ZipFile": code}, **more)
    lam.get_waiter("function_active_v2").wait(
        FunctionName=name, WaiterConfig={"Delay": 0.05, "MaxAttempts": 2000})
    return name


def make_python(server, source, **more):
    return make_function(server, zip_of({"h.py": source}), "python3.11", "h.handler", **more)


def make_role(server, *statements):
    """Credentials of a session of a new role with these rights, and the role's ARN."""
    iam, sts = server.client("iam"), server.client("sts")
    name = "r-" + uuid.uuid4().hex[:12]
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(
        {"Version": "2012-10-17", "Statement": []}))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=json.dumps(
            {"Version": "2012-10-17", "Statement": list(statements)}))
    got = sts.assume_role(RoleArn=arn, RoleSessionName="tester")["Credentials"]
    return (got["AccessKeyId"], got["SecretAccessKey"], got["SessionToken"]), arn
