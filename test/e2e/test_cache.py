# SPDX-License-Identifier: Apache-2.0
"""The result cache: who gets an answer that was given before, and who must not."""
import concurrent.futures
import json
import pathlib
import time
import uuid

import pytest

from cache_support import SOURCE, active, context, deploy, report, with_member
from conftest import zip_of
from http_support import send, send_signed
from runtime_support import wait_for
from test_cli import Cli

MODELS = pathlib.Path(__file__).parents[1] / "corpus" / "models"
ENGINE = pathlib.Path(__file__).parents[2] / "build/deps/onnxruntime/lib/libonnxruntime.so.1"


@pytest.fixture(scope="module")
def lam(server):
    return server.client("lambda", max_pool_connections=32)


@pytest.fixture(scope="module")
def asker(lam):
    return deploy(lam, {"TtlSeconds": 600})


def at_once(calls):
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def test_the_same_question_has_the_same_answer(asker):
    first, tier = asker({"a": 1})
    assert tier in ("cold", "cool", "warm", "hot")
    second, tier = asker({"a": 1})
    assert (second, tier) == (first, "cached")
    other, tier = asker({"a": 2})
    assert other != first and tier != "cached"


def test_what_is_logged_of_a_hit(asker):
    asker({"logged": 1})
    whole = asker.whole({"logged": 1})
    said = report(whole)
    assert said["Tier"] == "cached" and said["Billed Duration"] == "0 ms" and "Init Duration" not in said
    assert whole.lines[0].startswith(f"START RequestId: {whole.request_id}")
    assert whole.lines[1] == f"END RequestId: {whole.request_id}"


def test_without_asking_for_it_nothing_is_kept(lam):
    asker = deploy(lam, {})
    assert asker({"a": 1})[0] != asker({"a": 1})[0]
    assert "Cache" not in lam.get_function_configuration(FunctionName=asker.name)


def test_who_asks_is_part_of_the_question(asker):
    mine, _ = asker({"c": 1}, ClientContext=context("me"))
    assert asker({"c": 1}, ClientContext=context("me")) == (mine, "cached")
    assert asker({"c": 1}, ClientContext=context("you"))[0] != mine
    assert asker({"c": 1})[0] != mine


def test_whoever_asked_for_a_stream_is_given_it_too(asker, lam):
    first, _ = asker({"stream": 1})
    reply = lam.invoke_with_response_stream(FunctionName=asker.name, Payload=json.dumps({"stream": 1}))
    assert reply["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"] == "cached"
    pieces = [event["PayloadChunk"]["Payload"] for event in reply["EventStream"] if "PayloadChunk" in event]
    assert json.loads(b"".join(pieces)) == first


def test_an_error_is_never_kept(asker):
    errors = {asker.whole({"raise": 1}).json["errorMessage"] for _ in range(3)}
    assert len(errors) == 3


def test_its_time_ends(lam):
    asker = deploy(lam, {"TtlSeconds": 1})
    first, _ = asker({})
    time.sleep(1.1)
    again, tier = asker({})
    assert again != first and tier != "cached"


def test_a_change_makes_new_answers(server, lam):
    asker = deploy(lam, {"TtlSeconds": 600})
    first, _ = asker({})
    with_member(lam, "UpdateFunctionConfiguration", "Cache", {"TtlSeconds": 300, "MaxEntries": 5}, lambda:
                lam.update_function_configuration(FunctionName=asker.name, Timeout=19, MemorySize=512))
    active(lam, asker.name)
    assert asker({}) == (first, "cached")  # nothing that shapes an answer
    lam.update_function_configuration(FunctionName=asker.name, Environment={"Variables": {"MINE": "1"}})
    active(lam, asker.name)
    second, tier = asker({})
    assert tier != "cached" and second["env"] == "1"
    lam.update_function_code(FunctionName=asker.name, ZipFile=zip_of({"app.py": SOURCE + "# new\n"}))
    active(lam, asker.name)
    third, tier = asker({})
    assert tier != "cached" and third["new"] not in (first["new"], second["new"])
    version = lam.publish_version(FunctionName=asker.name)["Version"]
    active(lam, asker.name)
    assert asker({}, Qualifier=version)[1] != "cached"
    assert asker({}, Qualifier=version)[1] == "cached"
    assert asker({}) == (third, "cached")


def test_bounds_of_a_function(lam):
    asker = deploy(lam, {"MaxEntries": 2})
    for i in (1, 2, 3):
        asker({"i": i})
    assert [asker({"i": i})[1] == "cached" for i in (3, 2)] == [True, True]
    assert asker({"i": 1})[1] != "cached"


def test_twins_wait_for_one_answer(lam):
    asker = deploy(lam, {"TtlSeconds": 600})
    asker({})
    answers = at_once([lambda: asker({"sleep": 1})] * 8)
    assert len({answer["new"] for answer, _ in answers}) == 1
    assert sorted(tier for _, tier in answers)[:7] == ["cached"] * 7


def test_nobody_is_given_another_ones_failure(lam):
    asker = deploy(lam, {"TtlSeconds": 600})
    answers = at_once([lambda: asker.whole({"sleep": 0.3, "raise": 1})] * 4)
    assert len({answer.json["errorMessage"] for answer in answers}) == 4
    assert all(answer.error == "Unhandled" and answer.tier != "cached" for answer in answers)


# ---- objects


@pytest.fixture(scope="module")
def s3(server):
    return server.client("s3")


def subscribe(server, s3, asker):
    """A bucket whose uploads are the function's, and answers land in another one."""
    source, results = ("cache-" + uuid.uuid4().hex[:8] for _ in range(2))
    s3.create_bucket(Bucket=source)
    s3.create_bucket(Bucket=results)
    asker.client.put_function_event_invoke_config(
        FunctionName=asker.name, DestinationConfig={"OnSuccess": {"Destination": f"arn:aws:s3:::{results}"}})
    arn = asker.client.get_function_configuration(FunctionName=asker.name)["FunctionArn"]
    asker.client.add_permission(FunctionName=asker.name, StatementId="s3", Action="lambda:InvokeFunction",
                                Principal="s3.amazonaws.com", SourceArn=f"arn:aws:s3:::{source}")
    s3.put_bucket_notification_configuration(Bucket=source, NotificationConfiguration={
        "LambdaFunctionConfigurations": [{"LambdaFunctionArn": arn, "Events": ["s3:ObjectCreated:*"]}]})
    seen = set()

    def upload(put, count=1):
        """Calls put(bucket), then waits for the one new answer, or so many, and returns one."""
        put(source)

        def new():
            listed = s3.list_objects_v2(Bucket=results).get("Contents", [])
            keys = [entry["Key"] for entry in listed if entry["Key"] not in seen]
            return keys if len(keys) == count else None

        keys = wait_for(new)
        seen.update(keys)
        key = keys[0]
        document = json.loads(s3.get_object(Bucket=results, Key=key)["Body"].read())
        return document["responsePayload"]

    return upload


def cached_of(server, name):
    import urllib.request

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    request = AWSRequest("GET", f"{server.url}/rouse/info")
    SigV4Auth(Credentials(server.access_key, server.secret_key), "lambda", "us-east-1").add_auth(request)
    with urllib.request.urlopen(urllib.request.Request(request.url, headers=dict(request.headers))) as reply:
        info = json.load(reply)
    return next(f["cached"] for f in info["functions"] if f["name"] == name), info["cache"]


@pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")
def test_a_model_knows_a_picture_by_any_name(server, lam, s3):
    asker = deploy(lam, {"TtlSeconds": 600}, files={"model.yaml": "task: tensor\n",
                                                    "model.onnx": (MODELS / "add.onnx").read_bytes()})
    upload = subscribe(server, s3, asker)
    body = json.dumps({"inputs": {"a": [1, 2], "b": [3, 4]}}).encode()
    first = upload(lambda bucket: s3.put_object(Bucket=bucket, Key="one", Body=body))
    assert first["outputs"]["sum"]["data"] == [4, 6] and cached_of(server, asker.name)[0] == 0
    assert upload(lambda bucket: s3.put_object(Bucket=bucket, Key="two", Body=body)) == first
    assert cached_of(server, asker.name)[0] == 1
    other = json.dumps({"inputs": {"a": [1, 2], "b": [3, 5]}}).encode()
    assert upload(lambda bucket: s3.put_object(Bucket=bucket, Key="one", Body=other)) != first
    assert upload(lambda bucket: s3.put_object(Bucket=bucket, Key="one", Body=body)) == first
    assert cached_of(server, asker.name)[0] == 2

    def in_parts(bucket):  # its entity tag is no digest of the bytes: another question, the same answer
        made = s3.create_multipart_upload(Bucket=bucket, Key="three")
        part = s3.upload_part(Bucket=bucket, Key="three", UploadId=made["UploadId"], PartNumber=1, Body=body)
        s3.complete_multipart_upload(Bucket=bucket, Key="three", UploadId=made["UploadId"], MultipartUpload={
            "Parts": [{"ETag": part["ETag"], "PartNumber": 1}]})

    assert upload(in_parts) == first
    assert cached_of(server, asker.name)[0] == 2
    assert upload(in_parts) == first
    assert cached_of(server, asker.name)[0] == 3


@pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")
@pytest.mark.parametrize("cache, batching", [({}, {}), ({"TtlSeconds": 600}, {}), ({"TtlSeconds": 600}, {"MaxSize": 8}),
                                             ({"MaxEntries": 3}, {"MaxSize": 8, "MaxDelayMs": 5})])
def test_answers_are_the_same_with_and_without(server, lam, cache, batching):
    asker = with_member(lam, "CreateFunction", "Batching", batching, lambda: deploy(
        lam, cache, files={"model.yaml": "task: tensor\n", "model.onnx": (MODELS / "add.onnx").read_bytes()}))
    asked = [[i * i % 13, i % 3] for i in range(200)]  # 39 different ones
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda pair: asker({"inputs": {"a": [pair[0]], "b": [pair[1]]}}), asked))
    assert [answer["outputs"]["sum"]["data"] for answer, _ in answers] == [[a + b] for a, b in asked]
    told = sum(tier == "cached" for _, tier in answers)
    counted, _ = cached_of(server, asker.name)
    stats = send_signed(server, "lambda", f"/v2/models/{asker.name}/stats").json["model_stats"][0]
    assert told == counted == stats["inference_stats"]["cache_hit"]["count"]
    assert stats["inference_count"] == 200 - told and stats["inference_stats"]["success"]["count"] == 200
    different = len({tuple(pair) for pair in asked})
    assert told == (200 - different if cache.get("TtlSeconds") else 0 if not cache else told)


def test_an_answer_with_the_event_in_it_is_of_that_event(server, lam, s3):
    asker = deploy(lam, {"TtlSeconds": 600}, files={"model.yaml": "task: echo\n"})
    upload = subscribe(server, s3, asker)
    for key in ("one", "two"):
        answer = upload(lambda bucket: s3.put_object(Bucket=bucket, Key=key, Body=b"same"))
        assert answer["Records"][0]["s3"]["object"]["key"] == key


def test_code_is_told_names(server, lam, s3):
    asker = deploy(lam, {"TtlSeconds": 600})
    upload = subscribe(server, s3, asker)
    answers = {}
    for key in ("one", "two", "one"):
        answer = upload(lambda bucket: s3.put_object(Bucket=bucket, Key=key, Body=b"same"))
        assert answer["event"]["Records"][0]["s3"]["object"]["key"] == key
        assert answers.setdefault(key, answer) == answer
    changed = upload(lambda bucket: s3.put_object(Bucket=bucket, Key="one", Body=b"other"))
    assert changed != answers["one"]
    typed = upload(lambda bucket: s3.put_object(Bucket=bucket, Key="one", Body=b"same", Metadata={"a": "1"}))
    assert typed not in (changed, answers["one"])


def test_what_changes_meanwhile_is_not_kept(server, lam, s3):
    slow = "import time\n" + SOURCE.replace('    return {"new"', '    time.sleep(1)\n    return {"new"')
    asker = deploy(lam, {"TtlSeconds": 600}, source=slow)
    upload = subscribe(server, s3, asker)

    def put(body):
        return lambda bucket: s3.put_object(Bucket=bucket, Key="k", Body=body)

    def changed(bucket):
        put(b"one")(bucket)
        time.sleep(0.3)
        s3.put_object(Bucket=bucket, Key="k", Body=b"two", Metadata={"a": "b"})

    upload(changed, count=2)
    first = upload(put(b"one"))
    assert cached_of(server, asker.name)[0] == 0
    assert upload(put(b"one")) == first
    assert cached_of(server, asker.name)[0] == 1


# ---- HTTP

PAGE = """
import json, uuid

def handler(event, context):
    asked = event.get("queryStringParameters") or {}
    answer = {"statusCode": int(asked.get("status", 200)), "body": uuid.uuid4().hex}
    if "control" in asked:
        answer["headers"] = {"Cache-Control": asked["control"]}
    if "cookie" in asked:
        answer["cookies"] = ["a=" + uuid.uuid4().hex]
    return answer
"""


@pytest.fixture(scope="module")
def page(server, lam):
    asker = deploy(lam, {"TtlSeconds": 600, "Vary": ["Referer"]}, source=PAGE)
    url = lam.create_function_url_config(FunctionName=asker.name, AuthType="NONE")["FunctionUrl"]
    lam.add_permission(FunctionName=asker.name, StatementId="all", Action="lambda:InvokeFunctionUrl",
                       Principal="*", FunctionUrlAuthType="NONE")
    host = url.split("/")[2]

    def ask(path="/", method="GET", body=None, **headers):
        return send(server, path, method, body, {k.replace("_", "-"): v for k, v in headers.items()}, host)

    return ask


def test_a_page_is_the_same_for_all_browsers(page):
    first = page("/a?x=1", User_Agent="one")
    again = page("/a?x=1", User_Agent="two", X_Forwarded_For="10.0.0.1")
    assert again.body == first.body and again.headers["x-rouse-tier"] == "cached"
    for other in (page("/a?x=2"), page("/b?x=1"), page("/a?x=1", "POST", b"x"), page("/a?x=1", Accept="text/plain"),
                  page("/a?x=1", Authorization="Bearer me"), page("/a?x=1", X_Api_Key="me"),
                  page("/a?x=1", Cookie="me=1"), page("/a?x=1", Referer="there")):
        assert other.body != first.body and other.headers["x-rouse-tier"] != "cached"
    assert page("/a?x=1", Referer="there").headers["x-rouse-tier"] == "cached"


@pytest.mark.parametrize("query", ["status=500", "status=404", "status=302", "cookie=1", "control=no-store",
                                   "control=private,max-age=1"])
def test_a_page_that_is_not_for_all_is_not_kept(page, query):
    assert page(f"/n?{query}").body != page(f"/n?{query}").body


# ---- a server of their own


def test_answers_outlive_a_clean_stop(rouse):
    asker = deploy(rouse.client("lambda"), {"TtlSeconds": 600})
    first, _ = asker({"kept": 1})
    for _ in range(2):
        assert rouse.stop() == 0
        rouse.start()
        asker.client = rouse.client("lambda")
        assert asker({"kept": 1}) == (first, "cached")
    assert rouse.stop() == 0
    file = rouse.data / "results"
    damaged = bytearray(file.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    file.write_bytes(damaged)
    rouse.start()
    asker.client = rouse.client("lambda")
    assert asker({"kept": 1})[1] != "cached"
    assert f"{file} is not used, answers are computed again: its checksum is wrong" in rouse.log


def test_a_server_that_keeps_none(make_server):
    server = make_server("--cache-size-max", "0")
    asker = deploy(server.client("lambda"), {"TtlSeconds": 600})
    assert asker({})[0] != asker({})[0]
    assert cached_of(server, asker.name)[1]["kind"] == "none"


# ---- serverless.yml


def test_deployed_changed_and_ended(server, tmp_path):
    cli = Cli(server, tmp_path)
    service = "svc-" + uuid.uuid4().hex[:8]
    name = f"{service}-dev-echo"
    cli.write("model.yaml", "task: echo\n")

    def deploy_with(cache):
        cli.write("serverless.yml", f"service: {service}\nprovider: {{name: aws}}\nfunctions:\n  echo:\n"
                                    f"    handler: model.yaml\n{cache}")
        action = cli.json("deploy")["functions"]["echo"]["action"]
        path = f"/2015-03-31/functions/{name}/configuration"  # boto3 would leave out what it does not know
        return action, send_signed(server, "lambda", path).json.get("Cache")

    asked = "    cache: {ttl: 2m, vary: [Accept]}\n"
    assert deploy_with(asked) == ("created", {"TtlSeconds": 120, "Vary": ["Accept"]})
    assert deploy_with(asked)[0] == "unchanged"
    assert deploy_with("    cache: {ttl: 2m}\n") == ("updated", {"TtlSeconds": 120})
    assert deploy_with("") == ("updated", None)


# ---- what cannot be


@pytest.mark.parametrize("cache, word", [
    ({"TtlSeconds": 0}, "'cache.ttlSeconds' failed to satisfy constraint: Member must have value greater than"),
    ({"TtlSeconds": 31536001}, "less than or equal to 31536000"), ({"TtlSeconds": "1h"}, "TtlSeconds"),
    ({"MaxEntries": 0}, "cache.maxEntries"), ({"MaxBytes": -1}, "cache.maxBytes"), ([], "Cache"),
    ({"Vary": "Accept"}, "Vary"), ({"Vary": ["a b"]}, "Value 'a b' at 'cache.vary'"), ({"Vary": [1]}, "cache.vary"),
    ({"Vary": ["a"] * 21}, "length less than or equal to 20"), ({"Ttl": 5}, "not known here")])
def test_what_cannot_be_is_refused(lam, cache, word):
    with pytest.raises(lam.exceptions.ClientError) as caught:
        deploy(lam, cache)
    assert word in str(caught.value)
