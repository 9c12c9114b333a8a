# SPDX-License-Identifier: Apache-2.0
"""Models and the key, for the tests of the inference protocol over HTTP and over gRPC."""

import hmac
import io
import pathlib
import uuid

import numpy as np
import pytest
from onnx import TensorProto, helper
from PIL import Image

from conftest import ROOT, zip_of

ENGINE = pathlib.Path(__file__).parents[2] / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
needs_engine = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")


def identity(kind, shape):
    value = [helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", value[:1], value[1:])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def sum_and_difference():
    """As the model "simple" of Triton's examples."""
    values = [helper.make_tensor_value_info(name, TensorProto.INT32, ["n", 16])
              for name in ("INPUT0", "INPUT1", "OUTPUT0", "OUTPUT1")]
    nodes = [helper.make_node(op, ["INPUT0", "INPUT1"], [out])
             for op, out in (("Add", "OUTPUT0"), ("Sub", "OUTPUT1"))]
    graph = helper.make_graph(nodes, "g", values[:2], values[2:])
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def model_create(client, kind, model, task="tensor"):
    name = f"triton-{kind}-{uuid.uuid4().hex[:8]}"
    client.create_function(FunctionName=name, Runtime="onnx", Handler="model.yaml",
                           Role="arn:aws:iam::000000000000:role/none", Timeout=60,
                           Code={"ZipFile": zip_of({"model.yaml": f"task: {task}\n",
                                                    "model.onnx": model})})
    return name


@pytest.fixture(scope="module")
def models(server):
    """{"numbers": name, …}. `picture` takes a tensor, `photo` a file: it says which colour is brightest."""
    client = server.client("lambda")
    brightness = (ROOT / "test/corpus/models/brightness.onnx").read_bytes()
    made = {
        "numbers": model_create(client, "numbers", identity(TensorProto.FLOAT, ["n", 4])),
        "picture": model_create(client, "picture", identity(TensorProto.FLOAT, [1, 3, 32, 32])),
        "texts": model_create(client, "texts", identity(TensorProto.STRING, ["n"])),
        "simple": model_create(client, "simple", sum_and_difference()),
        "photo": model_create(client, "photo", brightness, "image-classification"),
    }
    for name in made.values():
        client.get_waiter("function_active_v2").wait(FunctionName=name)
    yield made
    for name in made.values():
        client.delete_function(FunctionName=name)


def png_of(colour):
    out = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def key(server):
    digest = hmac.new(server.secret_key.encode(), b"rouse: run models", "sha256").hexdigest()
    return {"Authorization": f"Bearer rouse-{digest[:40]}"}


def ask_simple(module, client, model, headers, outputs=("OUTPUT0", "OUTPUT1"), **more):
    """As Triton's examples do: what they were given, and the result."""
    given = [np.arange(16, dtype=np.int32).reshape(1, 16), np.ones((1, 16), np.int32)]
    inputs = []
    for i, data in enumerate(given):
        inputs.append(module.InferInput(f"INPUT{i}", [1, 16], "INT32"))
        inputs[i].set_data_from_numpy(data)
    wanted = [module.InferRequestedOutput(name) for name in outputs]
    return *given, client.infer(model, inputs, outputs=wanted, headers=dict(headers), **more)
