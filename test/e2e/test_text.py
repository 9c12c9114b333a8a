# SPDX-License-Identifier: Apache-2.0
"""Functions that read texts: labels, entities and embeddings of tiny encoders made here, against what
numpy and the reference tokenizer say."""

import base64
import hmac
import json
import pathlib
import subprocess
import urllib.error
import urllib.request
import uuid

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import BUILD, zip_of

tokenizers = pytest.importorskip("tokenizers")
import text_support  # noqa: E402 (it wants the reference, too)

ENGINE = pathlib.Path(__file__).parents[2] / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")
I64, F32 = TensorProto.INT64, TensorProto.FLOAT
LABELS = {"0": "O", "1": "B-PER", "2": "I-PER"}


def encoder(table, output, pooled):
    """A row of the table for each token; `pooled`: their mean over what the mask has."""
    inputs = [helper.make_tensor_value_info(name, I64, ["batch", "tokens"])
              for name in ("input_ids", "attention_mask", "token_type_ids")]
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["rows" if pooled else output])]
    weights = [numpy_helper.from_array(table, "table")]
    if pooled:
        weights += [numpy_helper.from_array(np.array([2], np.int64), "last"),
                    numpy_helper.from_array(np.array([1], np.int64), "middle")]
        nodes += [helper.make_node("Cast", ["attention_mask"], ["mask"], to=F32),
                  helper.make_node("Unsqueeze", ["mask", "last"], ["wide"]),
                  helper.make_node("Mul", ["rows", "wide"], ["kept"]),
                  helper.make_node("ReduceSum", ["kept", "middle"], ["sum"], keepdims=0),
                  helper.make_node("ReduceSum", ["wide", "middle"], ["count"], keepdims=0),
                  helper.make_node("Div", ["sum", "count"], [output])]
    shape = ["batch", table.shape[1]] if pooled else ["batch", "tokens", table.shape[1]]
    graph = helper.make_graph(nodes, "g", inputs,
                              [helper.make_tensor_value_info(output, F32, shape)], weights)
    return helper.make_model(graph, ir_version=8,
                             opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


@pytest.fixture(scope="module")
def reference():
    one = text_support.bert(text_support.lines(800))
    one.no_padding()
    return one


@pytest.fixture(scope="module")
def make(server, reference):
    """make("embedding", table): the name of a function of that task."""
    client = server.client("lambda")
    names = []

    def function(task, table, yaml="", **files):
        name = f"text-{uuid.uuid4().hex[:8]}"
        output = "last_hidden_state" if task == "embedding" else "logits"
        package = {"model.yaml": f"task: {task}\n{yaml}", "tokenizer.json": reference.to_str(),
                   "model.onnx": encoder(table, output, task == "text-classification"), **files}
        client.create_function(FunctionName=name, Runtime="onnx", Handler="model.yaml",
                               Role="arn:aws:iam::000000000000:role/none", Timeout=60,
                               Code={"ZipFile": zip_of({k: v for k, v in package.items() if v})})
        client.get_waiter("function_active_v2").wait(FunctionName=name)
        names.append(name)
        return name

    yield function
    for name in names:
        client.delete_function(FunctionName=name)


def invoke(server, name, payload):
    bytes_ = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    answer = server.client("lambda").invoke(FunctionName=name, Payload=bytes_)
    document = json.loads(answer["Payload"].read())
    return document, answer.get("FunctionError")


def table_of(reference, size):
    return np.random.default_rng(5).standard_normal((reference.get_vocab_size(), size)).astype("f4")


def test_labels_with_scores(server, make, reference):
    table = table_of(reference, 3)
    name = make("text-classification", table, **{
        "config.json": json.dumps({"id2label": {"0": "bad", "1": "fair", "2": "good"}})})

    def want(*texts):
        logits = table[reference.encode(*texts).ids].mean(0)
        shares = np.exp(logits - logits.max())
        return shares / shares.sum()

    texts = ["the model of a function", "Zürich, naïve café!", ""]
    got, error = invoke(server, name, {"text": texts[0]})
    assert not error
    scores = want(texts[0])
    best = int(scores.argmax())
    assert got["label"] == ["bad", "fair", "good"][best] and got["class_id"] == best
    assert got["score"] == pytest.approx(scores[best], abs=1e-4)
    assert [t["class_id"] for t in got["top"]] == list(np.argsort(-scores))
    many, _ = invoke(server, name, {"inputs": texts})
    assert [one["score"] for one in many] == pytest.approx([want(t).max() for t in texts], abs=1e-4)
    pair, _ = invoke(server, name, {"text": "the model", "text_pair": "of events"})
    assert pair["score"] == pytest.approx(want("the model", "of events").max(), abs=1e-4)
    plain, _ = invoke(server, name, texts[1].encode())
    assert plain["score"] == pytest.approx(want(texts[1]).max(), abs=1e-4)


def test_entities_have_their_place_in_the_text(server, make, reference):
    table = np.full((reference.get_vocab_size(), 3), [4.0, 0.0, 0.0], "f4")
    text = "é the function and of a model, the"
    encoded = reference.encode(text)
    for word, label in (("function", 1), ("and", 2), ("model", 2)):
        start = text.index(word)
        for number, (begin, end) in zip(encoded.ids, encoded.offsets):
            if start <= begin < end <= start + len(word):
                table[number] = np.eye(3)[label] * 8
    name = make("token-classification", table,
                **{"config.json": json.dumps({"id2label": LABELS})})
    got, error = invoke(server, name, {"text": text})
    assert not error
    # Tokens that the words share have the last one's label, so only whole words are certain.
    for entity in got["entities"]:
        assert text[entity["start"]:entity["end"]] == entity["word"]
        assert entity["entity_group"] == "PER" and 0.5 < entity["score"] <= 1
    assert any(e["word"].startswith("model") or e["word"].endswith("model") for e in got["entities"])


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_embeddings(server, make, reference, pooling):
    table = table_of(reference, 8)
    name = make("embedding", table, f"pooling: {pooling}\nmaxLength: 12")

    def want(text):
        ids = reference.encode(text).ids
        ids = ids if len(ids) <= 12 else ids[:11] + ids[-1:]
        rows = table[ids]
        vector = {"mean": rows.mean(0), "cls": rows[0], "last": rows[-1]}[pooling]
        return vector / np.linalg.norm(vector)

    texts = ["a model", "weights of the function in a bucket " * 9, "", "naïve"]
    many, error = invoke(server, name, {"inputs": texts})
    assert not error
    np.testing.assert_allclose(many["embeddings"], [want(t) for t in texts], atol=1e-5)
    one, _ = invoke(server, name, {"text": texts[0]})
    np.testing.assert_allclose(one["embedding"], want(texts[0]), atol=1e-5)
    openai, _ = invoke(server, name, {"input": texts, "encoding_format": "base64"})
    vectors = [np.frombuffer(base64.b64decode(d["embedding"]), "<f4") for d in openai["data"]]
    np.testing.assert_allclose(vectors, [want(t) for t in texts], atol=1e-5)
    assert openai["usage"]["prompt_tokens"] == sum(min(len(reference.encode(t).ids), 12)
                                                   for t in texts)


@pytest.mark.parametrize("payload, message", [
    (b"", "it is empty"),
    (b"\xff\xfe", "not UTF-8"),
    ({"inputs": []}, "a list must be of 1 to 2048 texts"),
    ({"inputs": ["a", 7]}, "a text must be a string"),
    ({"inputs": {"no": "text"}}, "text"),
    ({"text": None, "inputs": ["a"] * 3000}, "a list must be of"),
    ({"input": "a", "encoding_format": "hex"}, "encoding_format: must be float or base64"),
    ({"input": [1, -1]}, "token 1 must be a number of the vocabulary"),
    ({"input": "a", "dimensions": 2}, "dimensions: "),
    ({"Records": []}, "name no objects"),
])
def test_bad_requests_are_named(server, make, reference, payload, message):
    if not hasattr(make, "embedder"):
        make.embedder = make("embedding", table_of(reference, 4))
    document, error = invoke(server, make.embedder, payload)
    assert error == "Unhandled"
    assert document["errorType"] == "InvalidRequest" and message in document["errorMessage"]


# ---- OpenAI's client, and SageMaker's ----

@pytest.fixture(scope="module")
def embedder(make, reference):
    return make("embedding", table_of(reference, 8))


def inference_key(server):
    """What `rouse env --openai` prints, as it is documented."""
    digest = hmac.new(server.secret_key.encode(), b"rouse: run models", "sha256")
    return "rouse-" + digest.hexdigest()[:40]


def test_rouse_env_has_the_key(server):
    done = subprocess.run([BUILD / "rouse", "env", "--openai", "--json", "--data", server.data],
                          capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert printed["OPENAI_API_KEY"] == inference_key(server)
    assert printed["OPENAI_BASE_URL"] == server.url + "/v1"


def test_the_openai_client(server, embedder, reference):
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server.url + "/v1", api_key=inference_key(server), max_retries=0)
    texts = ["a model", "weights of the function"]
    direct, _ = invoke(server, embedder, {"inputs": texts})
    for format_ in ("float", "base64", None):
        options = {"encoding_format": format_} if format_ else {}
        got = client.embeddings.create(model=embedder, input=texts, **options)
        vectors = [d.embedding if not isinstance(d.embedding, str)
                   else np.frombuffer(base64.b64decode(d.embedding), "<f4") for d in got.data]
        np.testing.assert_allclose(vectors, direct["embeddings"], atol=1e-5)
        assert [d.index for d in got.data] == [0, 1] and got.model == embedder
        assert got.usage.prompt_tokens == sum(len(reference.encode(t).ids) for t in texts)
    ids = client.embeddings.create(model=embedder, input=reference.encode(texts[0]).ids)
    np.testing.assert_allclose(ids.data[0].embedding, direct["embeddings"][0], atol=1e-5)
    with pytest.raises(openai.NotFoundError, match="does not exist") as caught:
        client.embeddings.create(model="nothing", input="a")
    assert caught.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="a list must be of 1"):
        client.embeddings.create(model=embedder, input=[])
    with pytest.raises(openai.BadRequestError, match="dimensions"):
        client.embeddings.create(model=embedder, input="a", dimensions=4)
    for key in ("rouse-" + "0" * 40, server.secret_key, "sk-x"):
        stranger = openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            stranger.embeddings.create(model=embedder, input="a")


def test_sagemakers_client(server, embedder):
    client = server.client("sagemaker-runtime")
    got = client.invoke_endpoint(EndpointName=embedder, ContentType="application/json",
                                 Body=json.dumps({"text": "a model"}))
    direct, _ = invoke(server, embedder, {"text": "a model"})
    assert json.loads(got["Body"].read()) == direct
    assert got["ContentType"] == "application/json"
    assert got["InvokedProductionVariant"] == "AllTraffic"
    with pytest.raises(client.exceptions.ModelError) as caught:
        client.invoke_endpoint(EndpointName=embedder, Body=b'{"inputs": []}')
    assert caught.value.response["OriginalStatusCode"] == 400
    assert "a list must be of" in caught.value.response["OriginalMessage"]
    with pytest.raises(client.exceptions.ValidationError):
        client.invoke_endpoint(EndpointName="nothing", Body=b"{}")


def test_a_sagemaker_container(server, embedder):
    def ask(path, body=None, **headers):
        request = urllib.request.Request(server.url + path, data=body, headers=headers)
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    key = {"Authorization": "Bearer " + inference_key(server)}
    assert ask("/ping")[0] == 200
    assert ask("/invocations", b'{"text": "a"}')[0] == 403
    status, body = ask("/invocations", b'{"text": "a"}', **key,
                       **{"X-Amzn-SageMaker-Target-Model": embedder})
    assert status == 200 and len(json.loads(body)["embedding"]) == 8
    assert ask(f"/endpoints/{embedder}/invocations", b'{"text": "a"}', **key)[0] == 200
    status, body = ask("/invocations", b"{}", **key, **{"X-Amzn-SageMaker-Target-Model": "nothing"})
    assert status in (400, 404) and b"does not exist" in body
