# SPDX-License-Identifier: Apache-2.0
"""The Open Inference Protocol with the client that it was made for: Triton's, over HTTP."""

import hmac
import pathlib
import uuid

import numpy as np
import pytest
from onnx import TensorProto, helper

from conftest import zip_of

tritonclient = pytest.importorskip("tritonclient.http")
from tritonclient.utils import InferenceServerException  # noqa: E402

ENGINE = pathlib.Path(__file__).parents[2] / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")


def identity(kind, shape):
    value = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


@pytest.fixture(scope="module")
def models(server):
    """{"numbers": name, "picture": name, "texts": name}"""
    client, made = server.client("lambda"), {}
    for key, kind, shape in (("numbers", TensorProto.FLOAT, ["n", 4]),
                             ("picture", TensorProto.FLOAT, [1, 3, 32, 32]),
                             ("texts", TensorProto.STRING, ["n"])):
        made[key] = f"triton-{uuid.uuid4().hex[:8]}"
        client.create_function(FunctionName=made[key], Runtime="onnx", Handler="model.yaml",
                               Role="arn:aws:iam::000000000000:role/none", Timeout=60,
                               Code={"ZipFile": zip_of({"model.yaml": "task: tensor\n",
                                                        "model.onnx": identity(kind, shape)})})
    for name in made.values():
        client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield made
    for name in made.values():
        client.delete_function(FunctionName=name)


@pytest.fixture(scope="module")
def triton(server):
    client = tritonclient.InferenceServerClient(server.url.removeprefix("http://"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def key(server):
    digest = hmac.new(server.secret_key.encode(), b"rouse: run models", "sha256").hexdigest()
    return {"Authorization": f"Bearer rouse-{digest[:40]}"}


def infer(triton, key, model, data, binary_in=True, binary_out=True):
    kinds = {"f": "FP32", "O": "BYTES"}
    tensor = tritonclient.InferInput("x", list(data.shape), kinds[data.dtype.kind])
    tensor.set_data_from_numpy(data, binary_data=binary_in)
    wanted = [tritonclient.InferRequestedOutput("y", binary_data=binary_out)]
    return triton.infer(model, [tensor], outputs=wanted, request_id="7",
                        headers=dict(key))  # it writes into what it is given


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_infer(triton, key, models, binary_in, binary_out):
    rng = np.random.default_rng(1)
    for model, shape in (("numbers", (5, 4)), ("picture", (1, 3, 32, 32))):
        data = rng.standard_normal(shape).astype("f4")
        got = infer(triton, key, models[model], data, binary_in, binary_out)
        np.testing.assert_allclose(got.as_numpy("y"), data, rtol=1e-6)
        assert got.get_response()["model_name"] == models[model]
        assert got.get_response()["id"] == "7"
    texts = np.array(["a", "grüße", ""], dtype=object)
    got = infer(triton, key, models["texts"], texts, binary_in, binary_out).as_numpy("y")
    assert [t.decode() if isinstance(t, bytes) else t for t in got] == list(texts)


def test_health_and_metadata(triton, key, models):
    assert triton.is_server_live(headers=key) and triton.is_server_ready(headers=key)
    assert triton.is_model_ready(models["numbers"], headers=key)
    assert triton.get_server_metadata(headers=key)["name"] == "rouse"
    metadata = triton.get_model_metadata(models["numbers"], headers=key)
    assert metadata["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
    index = triton.get_model_repository_index(headers=key)
    assert models["texts"] in [model["name"] for model in index]


def test_errors(triton, key, models):
    with pytest.raises(InferenceServerException, match="there is no model"):
        infer(triton, key, "nothing", np.zeros((1, 4), "f4"))
    with pytest.raises(InferenceServerException):
        infer(triton, key, models["numbers"], np.zeros((1, 5), "f4"))
    with pytest.raises(InferenceServerException):
        infer(triton, {"Authorization": "Bearer rouse-0"}, models["numbers"], np.zeros((1, 4), "f4"))
    assert not triton.is_model_ready("nothing", headers=key)
