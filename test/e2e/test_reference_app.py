# SPDX-License-Identifier: Apache-2.0
"""An application written for AWS, unmodified: pictures put into a bucket, a PyTorch model in a layer. Its answers
are those of the same code run by hand with the same model."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from PIL import Image
from conftest import ROOT, Server
from runtime_support import wait_for
from test_cli import Cli
from torch_support import PYTHON, RUNTIMES, boto3_files, need_torch, write_layer

SHARED = pathlib.Path(os.environ.get("ROUSE_SHARED", ROOT.parent / "shared"))
APP = SHARED / "apps" / "ai-image-classifier"
PHOTOS = SHARED / "data" / "images" / "imagenet"
COUNT = 20
FUNCTION = "ai-image-classifier-dev-classifier"
ROLE = "ai-image-classifier-dev-us-east-1-lambdaRole"

# Makes the model, then calls the handler as it is, for each object of a bucket.
BY_HAND = """
import json, sys, torch
app, model, bucket, *keys = sys.argv[1:]
torch.manual_seed(1)
net = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 7, 4), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(6),
                          torch.nn.Flatten(), torch.nn.Linear(576, 1000)).eval()
net[4].weight.data *= 20
torch.jit.trace(net, torch.zeros(1, 3, 224, 224)).save(model)
sys.path.insert(0, app)
import handler
answers = {}
for key in keys:
    event = {"Records": [{"s3": {"bucket": {"name": bucket}, "object": {"key": key}}}]}
    answers[key] = handler.lambda_handler(event, None)
json.dump(answers, sys.stdout)
"""


@pytest.fixture(scope="module")
def photos():
    need_torch()
    if not APP.is_dir() or not PHOTOS.is_dir():
        pytest.skip(f"{SHARED} is not there")
    found = sorted(p for p in PHOTOS.iterdir() if p.suffix.lower() in (".jpg", ".jpeg"))
    found = [p for p in found if Image.open(p).mode == "RGB"]  # the application takes no other
    return {f"{p.stem}.jpg": p for p in found[:: max(len(found) // COUNT, 1)][:COUNT]}


@pytest.fixture(scope="module")
def server(tmp_path_factory, photos):
    one = Server(tmp_path_factory.mktemp("reference") / "data", env={"ROUSE_RUNTIMES": RUNTIMES}).start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def by_hand(server, photos, tmp_path_factory):
    """(the model's file, {key: answer})"""
    folder = tmp_path_factory.mktemp("hand")
    s3 = server.client("s3")
    s3.create_bucket(Bucket="by-hand")
    for key, path in photos.items():
        s3.upload_file(str(path), "by-hand", key)
    for name, path in boto3_files():
        (folder / "boto3" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "boto3" / name)
    model = folder / "model.pt"
    done = subprocess.run([PYTHON, "-W", "ignore", "-c", BY_HAND, APP, model, "by-hand", *photos], capture_output=True,
                          env={**server.env, "MODEL_PATH": str(model), "PYTHONPATH": str(folder / "boto3")})
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return model, json.loads(done.stdout)


@pytest.fixture(scope="module")
def deployed(server, by_hand, tmp_path_factory):
    folder = tmp_path_factory.mktemp("app") / "ai-image-classifier"
    shutil.copytree(APP, folder)
    cli = Cli(server, folder)
    assert "Service deployed" in cli("deploy").out
    lam, s3, iam = (server.client(name) for name in ("lambda", "s3", "iam"))
    write_layer(folder.parent / "layer.zip", by_hand[0])
    s3.create_bucket(Bucket="answers")
    s3.upload_file(str(folder.parent / "layer.zip"), "answers", "layer.zip")
    layer = lam.publish_layer_version(LayerName="model", Content={"S3Bucket": "answers", "S3Key": "layer.zip"})
    lam.update_function_configuration(FunctionName=FUNCTION, Layers=[layer["LayerVersionArn"]])
    lam.get_waiter("function_updated_v2").wait(FunctionName=FUNCTION, WaiterConfig={"Delay": 1})
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::answers/*"}
    iam.put_role_policy(RoleName=ROLE, PolicyName="answers",
                        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    lam.put_function_event_invoke_config(
        FunctionName=FUNCTION, DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::answers/of/"}})
    return cli


def delivered(server):
    return server.client("s3").list_objects_v2(Bucket="answers", Prefix="of/").get("Contents", [])


def answers(server):
    """{key of the picture: what the function said of it}, of what has been delivered."""
    s3 = server.client("s3")
    found = {}
    for entry in delivered(server):
        result = json.loads(s3.get_object(Bucket="answers", Key=entry["Key"])["Body"].read())
        found[result["requestPayload"]["Records"][0]["s3"]["object"]["key"]] = result["responsePayload"]
    return found


def test_uploads_are_answered_as_by_hand(deployed, server, by_hand, photos):
    expected = by_hand[1]
    assert len(expected) == COUNT and len({answer["body"] for answer in expected.values()}) > COUNT / 2
    s3 = server.client("s3")
    first, *others = photos
    s3.upload_file(str(photos[first]), "image-input-bucket", first)
    wait_for(lambda: len(delivered(server)) == 1, 300)
    for key in others:
        s3.upload_file(str(photos[key]), "image-input-bucket", key)
    s3.put_object(Bucket="image-input-bucket", Key="no-picture.txt", Body=b"rouses nobody")
    wait_for(lambda: len(delivered(server)) == COUNT, 300)
    got_all = answers(server)
    assert set(got_all) == set(photos)
    for key, answer in got_all.items():
        assert answer["statusCode"] == 200
        got, wanted = json.loads(answer["body"]), json.loads(expected[key]["body"])
        assert got["class_id"] == wanted["class_id"], key
        assert got["confidence"] == pytest.approx(wanted["confidence"], rel=1e-5), key
    assert "REPORT RequestId" in deployed("logs", "-f", "classifier").out


def test_least_privilege(deployed, server):
    """Its statements allow reading objects; a bucket that is not there is still refused in S3's words."""
    event = {"Records": [{"s3": {"bucket": {"name": "nowhere"}, "object": {"key": "x.jpg"}}}]}
    answer = deployed.json("invoke", "-f", "classifier", "-d", json.dumps(event), status=14)
    assert answer["FunctionError"] == "Unhandled" and answer["Payload"]["errorType"] in ("NoSuchBucket", "ClientError")
