# SPDX-License-Identifier: Apache-2.0
"""rouse model quantize: what it writes is loaded by an unmodified ONNX Runtime and answers like the
original; what it cannot do it says, and leaves nothing behind."""
import importlib.util
import json
import os
import pathlib
import subprocess

import pytest
from conftest import BUILD, PATIENCE_S, ROOT

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
np = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
Image = pytest.importorskip("PIL.Image")

SHARED = pathlib.Path(os.environ.get("ROUSE_SHARED", ROOT.parent / "shared")) / "data"
INVALID, NOT_FOUND, LIMIT, IO = 2, 4, 7, 16

spec = importlib.util.spec_from_file_location("make_models", ROOT / "tools" / "make_models.py")
make_models = importlib.util.module_from_spec(spec)
spec.loader.exec_module(make_models)
F32, F16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16


class Quantize:
    """Runs the verb on files of one folder."""

    def __init__(self, folder):
        self.folder = folder

    def model(self, model, name="model.onnx"):
        data = model if isinstance(model, bytes) else model.SerializeToString()
        (self.folder / name).write_bytes(data)
        return name

    def __call__(self, source, *options, out="out.onnx", status=0):
        done = subprocess.run([BUILD / "rouse", "model", "quantize", source, out, "--json", *options],
                              cwd=self.folder, capture_output=True, text=True, timeout=PATIENCE_S,
                              check=False)
        if done.returncode and "not installed" in done.stderr:
            pytest.skip("without ONNX Runtime")
        assert done.returncode == status, done.stderr
        assert not list(self.folder.glob("*.work-*"))
        assert (self.folder / out).is_file() == (status == 0) or out != "out.onnx"
        self.error = done.stderr
        return json.loads(done.stdout) if done.stdout else None

    def session(self, name):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        return ort.InferenceSession(self.folder / name, options, providers=["CPUExecutionProvider"])

    def graph(self, name="out.onnx"):
        model = onnx.load(self.folder / name)
        onnx.checker.check_model(model)
        return model.graph


@pytest.fixture
def quantize(tmp_path):
    return Quantize(tmp_path)


def pictures(folder, count=8, size=32):
    """Smooth noise, as different as pictures are."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(count):
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
        small.resize((size, size), Image.BICUBIC).save(folder / f"{i}.png")
    return folder


def cosine(a, b):
    a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def small_net(opset=13):
    """Everything that passes bytes on: residual sums, pools, concatenation, depthwise, SiLU."""
    g = make_models.Graph("small", opset)
    low, high = g.constant(np.float32(0)), g.constant(np.float32(6))
    x = g.node("Relu", g.conv(g.input("image", F32, ["N", 3, 32, 32]), 3, 16, 3))
    y = g.node("Clip", g.conv(x, 16, 16, 3, groups=16), low, high)
    x = g.node("Relu", g.node("Add", x, g.conv(y, 16, 16, 1)))
    x = g.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Concat", g.conv(x, 16, 24, 1), g.conv(x, 16, 8, 3), axis=1)
    x = g.node("Mul", x, g.node("Sigmoid", x))
    x = g.conv(x, 32, 32, 3, stride=2)
    make_models.classifier_head(g, g.node("LeakyRelu", x, alpha=0.1), 32, 10)
    return g.model()


def halved(model):
    """The same with weights, input and output of float16."""
    for tensor in model.graph.initializer:
        if tensor.data_type == F32:
            values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = F16
    return model


def check_alike(quantize, inputs, least=0.98):
    before, after = quantize.session("model.onnx"), quantize.session("out.onnx")
    for a, b in zip(before.get_outputs(), after.get_outputs()):
        assert (a.name, a.type, a.shape) == (b.name, b.type, b.shape)
    for a, b in zip(before.run(None, inputs), after.run(None, inputs)):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert cosine(a, b) >= least


# ---- static


@pytest.mark.parametrize("kind", ["float32", "float16"])
def test_static(quantize, tmp_path, kind):
    name = quantize.model(small_net() if kind == "float32" else halved(small_net()))
    report = quantize(name, "--method", "static", "--calibrate", pictures(tmp_path / "pictures"),
                      "--keep-accuracy", "0.5")
    assert report["task"] == "image-classification" and report["samples"]["count"] == 8
    row = report["candidates"][report["kept"]]
    assert row["method"] == "static" and row["calibration"] in ("minmax", "percentile", "entropy")
    assert report["quantized"]["Conv"] == 6 and not report["left"]
    assert report["quantized"]["Add"] == 1 and report["quantized"]["Concat"] == 1
    graph = quantize.graph()
    weights = [t for t in graph.initializer if t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 4]
    assert len(weights) == 6
    if report["weight_bits"] == 7:  # sums of two products must fit 16 bits here
        assert all(abs(onnx.numpy_helper.to_array(t).astype(int)).max() <= 64 for t in weights)
    shape = (2, 3, 32, 32)
    picture = np.random.default_rng(1).standard_normal(shape).astype(kind)
    check_alike(quantize, {"image": picture})


@pytest.mark.parametrize("ranges", ["minmax", "percentile", "entropy"])
def test_ranges(quantize, tmp_path, ranges):
    name = quantize.model(small_net())
    report = quantize(name, "--method", "static", "--ranges", ranges, "--keep-accuracy", "1",
                      "--calibrate", pictures(tmp_path / "pictures", count=3))
    assert report["candidates"][0]["calibration"] == ranges


def test_old_operator_set(quantize, tmp_path):
    """Operator set 9: attributes that became inputs meanwhile, softmax over several dimensions."""
    g = make_models.Graph("old", 9)
    x = g.conv(g.input("image", F32, [1, 3, 32, 32]), 3, 16, 3)
    x = g.node("MaxPool", g.node("Clip", x, min=0.0, max=6.0), kernel_shape=[2, 2], strides=[2, 2])
    x = g.node("Upsample", x, g.constant(np.array([1, 1, 2, 2], np.float32)), mode="nearest")
    x = g.node("Squeeze", g.node("GlobalAveragePool", g.conv(x, 16, 10, 3)), axes=[3])
    g.node("Softmax", x, out="shares", axis=1)
    g.output("shares", F32, [1, 10, 1])
    name = quantize.model(g.model())
    report = quantize(name, "--method", "static", "--keep-accuracy", "1", "--calibrate",
                      pictures(tmp_path / "pictures", count=3))
    assert report["quantized"] == {"Conv": 2, "Clip": 1, "MaxPool": 1, "Resize": 1}
    picture = np.random.default_rng(1).standard_normal((1, 3, 32, 32)).astype(np.float32)
    check_alike(quantize, {"image": picture})


def test_labels_and_yaml(quantize, tmp_path):
    name = quantize.model(small_net())
    folder = pictures(tmp_path / "pictures")
    (tmp_path / "model.yaml").write_text("input: {preset: none, scale: 0.02}\n")
    plain = quantize(name, "--method", "static", "--calibrate", folder, "--keep-accuracy", "1")
    assert plain["metric"] == "equal answers (top 1)"
    (folder / "labels.tsv").write_text("".join(f"{i}.png\t{i}\n" for i in range(8)))
    (folder / "broken.png").write_bytes(b"\x89PNG no")
    report = quantize(name, "--method", "static", "--calibrate", folder, "--keep-accuracy", "1")
    assert report["metric"] == "right answers (labels)"
    assert report["samples"] == {"count": 8, "random": False, "labelled": True, "left_out": 1,
                                 "why": report["samples"]["why"]}
    assert report["samples"]["why"].startswith("broken.png: ")
    (tmp_path / "other.yaml").write_text("input: {presett: none}\n")
    quantize(name, "--yaml", "other.yaml", out="x.onnx", status=INVALID)
    assert "presett" in quantize.error


# ---- dynamic


def test_dynamic(quantize):
    name = quantize.model(make_models.bert_tiny())
    report = quantize(name, "--method", "dynamic")
    assert report["quantized"] == {"Gather": 2, "MatMul": 12} and report["samples"]["random"]
    sizes = [(quantize.folder / f).stat().st_size for f in (name, "out.onnx")]
    assert sizes[0] / sizes[1] > 3.8
    quantize.graph()
    rng = np.random.default_rng(2)
    for length in (1, 17, 128):
        ids = rng.integers(0, 30522, (2, length))
        check_alike(quantize, {"input_ids": ids, "attention_mask": np.ones_like(ids)})


def test_payloads(quantize, tmp_path):
    """Samples as requests: JSON for a model of two inputs."""
    g = make_models.Graph("two")
    x = g.node("Add", g.input("a", F32, ["N", 64]), g.input("b", F32, ["N", 64]))
    g.dense(g.node("Relu", g.dense(x, 64, 64)), 64, 8, out="y")
    g.output("y", F32, ["N", 8])
    name = quantize.model(g.model())
    folder = tmp_path / "payloads"
    folder.mkdir()
    rng = np.random.default_rng(3)
    for i in range(4):
        rows = {n: rng.standard_normal((1, 64)).round(3).tolist() for n in "ab"}
        (folder / f"{i}.json").write_text(json.dumps({"inputs": rows}))
    (folder / "other.json").write_text('{"inputs": {"a": [[1]]}}')
    report = quantize(name, "--calibrate", folder, "--method", "static")
    assert report["samples"]["count"] == 4 and report["samples"]["left_out"] == 1
    assert report["metric"] == "cosine of the outputs"
    check_alike(quantize, {n: rng.standard_normal((3, 64)).astype(np.float32) for n in "ab"})


def test_texts(quantize):
    """A classifier of texts: its tokenizer lies beside it, samples are lines of texts."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"the a cat dog sat ran on under mat tree".split()]
    (quantize.folder / "vocab.txt").write_text("\n".join(words) + "\n")
    (quantize.folder / "model.yaml").write_text("task: text-classification\nlabels: [yes, no]\n")
    g = make_models.Graph("texts")
    x = g.node("Gather", g.random(5000, 64, spread=1.0), g.input("input_ids", onnx.TensorProto.INT64, ["N", "S"]))
    x = g.node("ReduceMean", g.node("Relu", g.dense(x, 64, 64)), axes=[1], keepdims=0)
    g.dense(x, 64, 2, out="logits")
    g.output("logits", F32, ["N", 2])
    name = quantize.model(g.model())
    lines = [json.dumps({"text": f"the {a} {v} on the {p}"}) for a in ("cat", "dog")
             for v in ("sat", "ran") for p in ("mat", "tree")]
    (quantize.folder / "texts.jsonl").write_text("\n".join(lines) + "\n\n{\n")
    report = quantize(name, "--calibrate", "texts.jsonl", "--method", "dynamic")
    assert report["task"] == "text-classification" and report["metric"] == "equal answers (top 1)"
    assert report["samples"]["count"] == 9 and report["quantized"]["Gather"] == 1  # "{" is a text, too


def test_external_data(quantize):
    model = make_models.big(8)
    onnx.save_model(model, quantize.folder / "model.onnx", save_as_external_data=True,
                    location="weights.bin", size_threshold=1024)
    quantize("model.onnx", "--method", "dynamic")
    assert not [t for t in quantize.graph().initializer if t.external_data]
    check_alike(quantize, {"x": np.ones((1, 1024), np.float32)})


# ---- what is not done


def test_float_stays(quantize, tmp_path):
    report = quantize(quantize.model(make_models.add()), status=LIMIT)
    assert report["kept"] is None and "float stays" in quantize.error
    assert "no MatMul" in report["reason"] and "--calibrate" in report["reason"]
    name = quantize.model(small_net())
    report = quantize(name, "--method", "static", "--keep-accuracy", "0", status=LIMIT)
    assert "needs samples" in report["reason"]


def test_left_float(quantize, tmp_path):
    g = make_models.Graph("left")
    x = g.input("a", F32, [64, 64])
    y = g.dense(x, 64, 64)
    g.node("MatMul", x, g.node("Softmax", y), out="y")
    g.output("y", F32, [64, 64])
    report = quantize(quantize.model(g.model()), "--method", "dynamic")
    assert sum(report["quantized"].values()) == 1 and report["float"]["Softmax"] == 1
    assert [left["why"] for left in report["left"]] == ["its second side is computed"]


@pytest.mark.parametrize("file", ["truncated", "text", "empty", "nested", "external-parent",
                                  "external-missing", "huge-dims", "short-weight", "unknown-op"])
def test_bad_model(quantize, file):
    name = quantize.model((ROOT / "test" / "corpus" / "models" / f"{file}.onnx").read_bytes())
    quantize(name, status=LIMIT if file == "nested" else INVALID)
    assert "model.onnx" in quantize.error


def test_bad_arguments(quantize, tmp_path):
    name = quantize.model(small_net())
    quantize("none.onnx", status=NOT_FOUND)
    quantize(name, "--calibrate", "nowhere", status=NOT_FOUND)
    (tmp_path / "empty").mkdir()
    quantize(name, "--calibrate", "empty", status=INVALID)
    assert "holds nothing" in quantize.error
    quantize(name, "--method", "ternary", status=INVALID)
    quantize(name, "--keep-accuracy", "2", status=INVALID)
    quantize(name, "--weight-bits", "4", status=INVALID)
    quantize(name, out="nowhere/out.onnx", status=NOT_FOUND)
    quantize(name, out="empty", status=INVALID)
    quantize(name, out="/proc/out.onnx", status=NOT_FOUND)


# ---- real models, where they are


def photo(path):
    """Shorter side 256, the middle 224, BGR less the means."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize([round(side * scale) for side in image.size], Image.BILINEAR)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), np.float32)[:, :, ::-1]
    return (pixels - [104, 117, 123]).transpose(2, 0, 1)[None].astype(np.float16)


def test_squeezenet(quantize):
    source = SHARED / "models" / "squeezenet-imagenet-fp16.onnx"
    photos = SHARED / "images" / "imagenet"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    (quantize.folder / "model.yaml").write_text("input: {preset: imagenet-caffe}\n")
    name = quantize.model(source.read_bytes())
    report = quantize(name, "--method", "static", "--ranges", "percentile", "--calibrate", photos)
    row = report["candidates"][report["kept"]]
    assert report["metric"] == "right answers (labels)" and report["samples"]["count"] == 100
    assert report["original"]["top1"] - row["top1"] <= 0.0101 and report["quantized"]["Conv"] == 26
    before, after = quantize.session(name), quantize.session("out.onnx")
    rows = [line.split("\t") for line in (photos / "labels.tsv").read_text().splitlines()]
    right = [0, 0]
    for file, label in (row[:2] for row in rows[::3]):
        inputs = {before.get_inputs()[0].name: photo(photos / file)}
        for i, session in enumerate((before, after)):
            right[i] += int(session.run(None, inputs)[0].argmax() == int(label))
    assert right[0] > 15 and right[1] >= right[0] - 2  # pictures of our own making


def test_yolox(quantize):
    source = SHARED / "models" / "yolox-nano-coco.onnx"
    if not source.exists():
        pytest.skip(f"{source} is not there")
    name = quantize.model(source.read_bytes())
    photos = quantize.folder / "photos"
    photos.mkdir()
    for photo_of in ("zebra", "gorilla", "peacock"):
        file = SHARED / "images" / "golden" / f"{photo_of}.jpeg"
        (photos / file.name).write_bytes(file.read_bytes())
    report = quantize(name, "--method", "static", "--calibrate", photos, "--keep-accuracy", "0.3",
                      "--ranges", "minmax")
    assert report["metric"] == "equal boxes" and report["quantized"]["Conv"] > 80
    assert report["candidates"][0]["left_out"] > 0  # what rounding hurts stays float, and is named
    assert any("accuracy" in left["why"] for left in report["left"])
    image = np.full((1, 3, 416, 416), 114, np.float32)
    assert quantize.session("out.onnx").run(None, {quantize.session(name).get_inputs()[0].name: image})
