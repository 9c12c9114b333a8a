# SPDX-License-Identifier: Apache-2.0
"""From an upload to its function: every way to make or remove an object tells who asked for it, once,
in S3's words. The function echoes its event; the answer comes to a bucket."""
import hashlib
import json
import time
import types

import pytest

from s3_support import MIB, client, new_bucket, random_bytes
from test_lambda import arn, create
from test_s3_wire import post

PATIENCE_S = 120


@pytest.fixture
def world(server):
    s3, lam = client(server), server.client("lambda")
    name = create(lam)[0]
    bucket, results = new_bucket(s3), new_bucket(s3)
    lam.put_function_event_invoke_config(FunctionName=name, DestinationConfig={
        "OnSuccess": {"Destination": f"arn:aws:s3:::{results}/out/"}})
    rules = [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "LambdaFunctionConfigurations": [{
            "Id": "mine", "LambdaFunctionArn": arn(name), "Filter": {"Key": {"FilterRules": rules}},
            "Events": ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]}]})
    return types.SimpleNamespace(s3=s3, bucket=bucket, results=results, seen=set())


def records(world, count):
    """The next `count` records that the function was given, by the order in which they happened."""
    found, until = {}, time.monotonic() + PATIENCE_S
    while len(found) < count and time.monotonic() < until:
        for one in world.s3.list_objects_v2(Bucket=world.results).get("Contents", []):
            key = one["Key"]
            if key not in world.seen and key not in found:
                body = world.s3.get_object(Bucket=world.results, Key=key)["Body"].read()
                found[key] = json.loads(body)["responsePayload"]["Records"]
        time.sleep(0.02)
    world.seen |= set(found)
    assert len(found) == count and all(len(batch) == 1 for batch in found.values())
    return sorted((batch[0] for batch in found.values()), key=lambda r: r["s3"]["object"]["sequencer"])


def test_record_is_as_s3_writes_it(world):
    answer = world.s3.put_object(Bucket=world.bucket, Key="in/a b+\u00fc.jpg", Body=b"hello")
    record = records(world, 1)[0]
    assert record["eventVersion"].startswith("2.") and record["eventSource"] == "aws:s3"
    assert record["eventName"] == "ObjectCreated:Put" and record["awsRegion"] == "us-east-1"
    assert record["responseElements"]["x-amz-request-id"] == \
        answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-request-id"]
    s3 = record["s3"]
    assert s3["configurationId"] == "mine" and s3["bucket"]["name"] == world.bucket
    assert s3["bucket"]["arn"] == f"arn:aws:s3:::{world.bucket}"
    sequencer = s3["object"].pop("sequencer")
    assert len(sequencer) >= 16 and int(sequencer, 16)
    assert s3["object"] == {"key": "in/a+b%2B%C3%BC.jpg", "size": 5,
                            "eTag": hashlib.md5(b"hello").hexdigest()}


def test_every_way_is_told(server, world):
    s3, bucket, key = world.s3, world.bucket, "in/k.jpg"
    s3.put_object(Bucket=bucket, Key=key, Body=random_bytes(200_000))
    s3.copy_object(Bucket=bucket, Key=key, CopySource=f"{bucket}/{key}", MetadataDirective="REPLACE")
    at = {"Bucket": bucket, "Key": key}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    parts = [{"PartNumber": n, "ETag": s3.upload_part(PartNumber=n, Body=body, **at)["ETag"]}
             for n, body in ((1, random_bytes(5 * MIB)), (2, b"end"))]
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **at)
    made = s3.generate_presigned_post(bucket, key)
    assert post(server, bucket, made["fields"], b"form").status == 204
    s3.delete_object(Bucket=bucket, Key=key)
    s3.put_object(Bucket=bucket, Key=key, Body=b"again")
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": key}, {"Key": "in/none.jpg"}]})
    seen = records(world, 7)
    assert [r["eventName"] for r in seen] == [
        "ObjectCreated:Put", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Post", "ObjectRemoved:Delete", "ObjectCreated:Put", "ObjectRemoved:Delete"]
    assert [r["s3"]["object"].get("size") for r in seen] == [
        200_000, 200_000, 5 * MIB + 3, 4, None, 5, None]
    assert seen[2]["s3"]["object"]["eTag"] == done["ETag"].strip('"')
    assert "eTag" not in seen[4]["s3"]["object"]


def test_others_are_not_told(world):
    s3, bucket = world.s3, world.bucket
    for key in ("other/k.jpg", "in/k.png", "in/k.jpg.txt", "k.jpg"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    s3.delete_object(Bucket=bucket, Key="in/never.jpg")  # nothing happened
    s3.put_object_tagging(Bucket=bucket, Key="k.jpg", Tagging={"TagSet": []})
    s3.put_object(Bucket=bucket, Key="in/last.jpg", Body=b"x")
    assert records(world, 1)[0]["s3"]["object"]["key"] == "in/last.jpg"


def test_many_deletions_are_all_told(world):
    s3, bucket, count = world.s3, world.bucket, 100
    for i in range(count):
        s3.put_object(Bucket=bucket, Key=f"in/{i}.jpg", Body=b"x")
    s3.delete_objects(Bucket=bucket, Delete={
        "Objects": [{"Key": f"in/{i}.jpg"} for i in range(count)]})
    seen = records(world, 2 * count)
    removed = [r["s3"]["object"]["key"] for r in seen if r["eventName"] == "ObjectRemoved:Delete"]
    assert sorted(removed) == sorted(f"in/{i}.jpg" for i in range(count))


def test_told_though_the_server_died(rouse):
    """Acknowledged, killed at once, started again: the object and its event are there."""
    s3, lam = client(rouse), rouse.client("lambda")
    name = create(lam)[0]
    bucket, results = new_bucket(s3), new_bucket(s3)
    lam.put_function_event_invoke_config(FunctionName=name, DestinationConfig={
        "OnSuccess": {"Destination": f"arn:aws:s3:::{results}"}})
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={
        "LambdaFunctionConfigurations": [
            {"LambdaFunctionArn": arn(name), "Events": ["s3:ObjectCreated:*"]}]})
    bodies = {f"k{i}": random_bytes(size, i) for i, size in enumerate((10, 100_000, 0, 70_000))}
    for key, body in bodies.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)
    rouse.kill()
    rouse.start()
    s3 = client(rouse)
    for key, body in bodies.items():
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    told, until = set(), time.monotonic() + PATIENCE_S
    while told != set(bodies) and time.monotonic() < until:
        for one in s3.list_objects_v2(Bucket=results).get("Contents", []):
            body = json.loads(s3.get_object(Bucket=results, Key=one["Key"])["Body"].read())
            told.add(body["responsePayload"]["Records"][0]["s3"]["object"]["key"])
        time.sleep(0.05)
    assert told == set(bodies)


def test_orphans_are_swept(rouse):
    """What a crash left behind is gone after the start; what is in use is not."""
    s3 = client(rouse)
    bucket = new_bucket(s3)
    s3.put_object(Bucket=bucket, Key="k", Body=random_bytes(100_000))
    at = {"Bucket": bucket, "Key": "u"}
    at["UploadId"] = s3.create_multipart_upload(**at)["UploadId"]
    part = s3.upload_part(PartNumber=1, Body=b"part", **at)
    blobs = rouse.data / "blobs"
    orphan = next(p for p in blobs.glob("*/*")).parent / ("0123456789abcdef" * 2)
    orphan.write_bytes(b"half")
    rouse.kill()
    rouse.start()
    assert not orphan.exists() and len(list(blobs.glob("*/*"))) == 2
    s3 = client(rouse)
    assert len(s3.get_object(Bucket=bucket, Key="k")["Body"].read()) == 100_000
    s3.complete_multipart_upload(
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}, **at)
    assert s3.get_object(Bucket=bucket, Key="u")["Body"].read() == b"part"
    s3.delete_object(Bucket=bucket, Key="k")
    s3.delete_object(Bucket=bucket, Key="u")
    until = time.monotonic() + PATIENCE_S
    while list(blobs.glob("*/*")) and time.monotonic() < until:
        time.sleep(0.02)
    assert not list(blobs.glob("*/*"))
