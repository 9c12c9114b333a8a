# SPDX-License-Identifier: Apache-2.0
"""Jobs of a model function that run together: as asked for, and without anybody noticing."""
import base64
import concurrent.futures
import json
import pathlib
import re
import time
import uuid

import pytest

from conftest import zip_of
from runtime_support import ROLE

MODELS = pathlib.Path(__file__).parents[1] / "corpus" / "models"
ENGINE = pathlib.Path(__file__).parents[2] / "build/deps/onnxruntime/lib/libonnxruntime.so.1"

pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")


@pytest.fixture(scope="module")
def lam(server):
    return server.client("lambda", max_pool_connections=32)


def deploy(lam, batching):
    """A function that adds; `Batching` is a member that the SDK does not know and would refuse."""
    def add(params, **_):
        params["body"] = json.dumps({**json.loads(params["body"]), "Batching": batching}).encode()

    name = "batch-" + uuid.uuid4().hex[:8]
    lam.meta.events.register("before-call.lambda.CreateFunction", add)
    try:
        lam.create_function(
            FunctionName=name, Runtime="onnx", Handler="model.yaml", Role=ROLE, MemorySize=512, Timeout=20,
            Code={"ZipFile": zip_of({"model.yaml": "task: tensor\n",
                                     "model.onnx": (MODELS / "add.onnx").read_bytes()})})
    finally:
        lam.meta.events.unregister("before-call.lambda.CreateFunction", add)
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return name


def ask(lam, name, a, b):
    """(the sum or the error's words, how many jobs ran together)"""
    got = lam.invoke(FunctionName=name, LogType="Tail",
                     Payload=json.dumps({"inputs": {"a": a, "b": b}}).encode())
    answer = json.loads(got["Payload"].read())
    log = base64.b64decode(got["LogResult"]).decode()
    size = re.search(r"\tBatch Size: (\d+)\t", log)
    return (answer["errorMessage"] if "FunctionError" in got else answer["outputs"]["sum"]["data"],
            int(size.group(1)) if size else 1)


def ask_all(lam, name, pairs):
    with concurrent.futures.ThreadPoolExecutor(len(pairs)) as pool:
        return list(pool.map(lambda pair: ask(lam, name, *pair), pairs))


def test_a_full_batch_does_not_wait(lam):
    name = deploy(lam, {"MaxSize": 4, "MaxDelayMs": 10000})
    began = time.monotonic()
    answers = ask_all(lam, name, [([i], [1]) for i in range(4)])
    assert [answer for answer, _ in answers] == [[1], [2], [3], [4]]
    assert {size for _, size in answers} == {4}
    assert time.monotonic() - began < 10  # the window would have been that long


def test_the_window_ends(lam):
    name = deploy(lam, {"MaxSize": 64, "MaxDelayMs": 300})
    began = time.monotonic()
    answers = ask_all(lam, name, [([i], [i]) for i in range(3)])
    assert time.monotonic() - began >= 0.3
    assert [answer for answer, _ in answers] == [[0], [2], [4]]


def test_one_bad_member_fails_alone(lam):
    name = deploy(lam, {"MaxSize": 4, "MaxDelayMs": 2000})
    for _ in range(2):  # the first batch is the trial
        answers = ask_all(lam, name, [([1], [1]), ([1, 2], [1, 2, 3]), ([5], [5]), ([7, 8], [1, 1])])
        assert answers[0][0] == [2] and answers[2][0] == [10] and answers[3][0] == [8, 9]
        assert "the model failed" in answers[1][0]


@pytest.mark.parametrize("batching", [{"MaxSize": 1}, {}, {"MaxSize": 8, "MaxDelayMs": 20}],
                         ids=["off", "learned", "asked"])
def test_answers_are_the_same_however_they_ran(lam, batching):
    name = deploy(lam, batching)
    pairs = [([i, i + 1][: 1 + i % 2], [2 * i, 3 * i][: 1 + i % 2]) for i in range(200)]
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda pair: ask(lam, name, *pair), pairs))
    assert [answer for answer, _ in answers] == [[x + y for x, y in zip(*pair)] for pair in pairs]
    if batching.get("MaxSize") == 1:
        assert {size for _, size in answers} == {1}


@pytest.mark.parametrize("batching, word", [
    ({"MaxSize": 0}, "greater than or equal to 1"), ({"MaxSize": 65}, "less than or equal to 64"),
    ({"MaxDelayMs": 10001}, "less than or equal to 10000"), ({"MaxSize": "4"}, "MaxSize")])
def test_what_cannot_be_is_refused(lam, batching, word):
    with pytest.raises(lam.exceptions.ClientError) as caught:
        deploy(lam, batching)
    assert word in str(caught.value)
