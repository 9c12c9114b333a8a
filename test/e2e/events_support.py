# SPDX-License-Identifier: Apache-2.0
"""What the tests of EventBridge and Scheduler share: a function that keeps each event it is given as an
object, and sessions that may only so much."""
import json
import uuid

import boto3

from runtime_support import wait_for
from test_lambda import create

ROLE = "arn:aws:iam::000000000000:role/test"


def fresh(prefix):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


class Keeper:
    """A function (the echo task) whose events become objects: its destination is a bucket."""

    def __init__(self, server):
        self.s3, lam = server.client("s3"), server.client("lambda")
        self.bucket = fresh("kept")
        self.s3.create_bucket(Bucket=self.bucket)
        self.name, made = create(lam)
        self.arn = made["FunctionArn"]
        lam.put_function_event_invoke_config(
            FunctionName=self.name, DestinationConfig={
                "OnSuccess": {"Destination": f"arn:aws:s3:::{self.bucket}"}})

    def events(self):
        keys = [o["Key"] for o in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])]
        return [json.loads(self.s3.get_object(Bucket=self.bucket, Key=k)["Body"].read())
                ["requestPayload"] for k in keys]

    def wait(self, count=1):
        """Exactly so many events, once they are there."""
        wait_for(lambda: len(self.events()) >= count)
        events = self.events()
        assert len(events) == count, events
        return events


def session(server, service, *statements):
    """A client whose role allows what the statements do: (actions, resource)."""
    keys = {"endpoint_url": server.url, "region_name": "us-east-1"}
    root = {**keys, "aws_access_key_id": server.access_key,
            "aws_secret_access_key": server.secret_key}
    iam, name = boto3.client("iam", **root), fresh("role")
    document = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": actions, "Resource": resource}
        for actions, resource in statements]}
    trust = {"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="may", PolicyDocument=json.dumps(document))
    made = boto3.client("sts", **root).assume_role(RoleArn=role["Arn"], RoleSessionName="test")
    given = made["Credentials"]
    return boto3.client(service, **keys, aws_access_key_id=given["AccessKeyId"],
                        aws_secret_access_key=given["SecretAccessKey"],
                        aws_session_token=given["SessionToken"])
