# SPDX-License-Identifier: Apache-2.0
"""int8 against float: `rouse model quantize` makes the models, an ONNX Runtime of its own (Python's, one
thread) runs both in turn. What is compared is processor time, so that other processes do not count."""

import json
import os
import subprocess
import time
from pathlib import Path

from rig import BUILD, HERE, Row, Skip, in_turn, median, model, number, ratios, say, spread

ROUNDS = 7
SHARED = Path(os.environ.get("ROUSE_SHARED", HERE.parent.parent / "shared")) / "data"
CASES = (  # title, model, method, seconds of a round, aim
    ("BERT-base encoder (made), 128 tokens", "bert-base", "dynamic", 1.5, 3),
    ("ResNet-50 (made)", "resnet50", "static", 1, 3),
    ("MobileNet-v2 (made)", "mobilenetv2", "static", 0.5, 2),
)


def quantize(source, out, *options):
    """The report of a model that was written."""
    done = subprocess.run([BUILD / "rouse", "model", "quantize", source, out, "--json", *options],
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.strip()[-300:])
    return json.loads(done.stdout)


def session(path):
    try:
        os.environ["ORT_DISABLE_TELEMETRY"] = "1"
        import onnxruntime
    except ImportError as why:
        raise Skip(f"Python has no onnxruntime (tools/setup bench installs it): {why}") from why
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def inputs_of(session):
    """Numbers of the right shape: one picture, or one text of 128 tokens."""
    import numpy

    random, inputs = numpy.random.default_rng(1), {}
    for value in session.get_inputs():
        shape = [side if isinstance(side, int) else 1 if i == 0 else 128
                 for i, side in enumerate(value.shape)]
        if "mask" in value.name:
            inputs[value.name] = numpy.ones(shape, numpy.int64)
        elif "int64" in value.type:
            inputs[value.name] = random.integers(0, 1000, shape)
        else:
            kind = numpy.float16 if "float16" in value.type else numpy.float32
            inputs[value.name] = random.standard_normal(shape).astype(kind)
    return inputs


def run_ms(session, inputs, seconds):
    """Processor milliseconds of the fastest run of a round."""
    session.run(None, inputs)
    best, until = float("inf"), time.monotonic() + seconds
    while time.monotonic() < until or best == float("inf"):
        began = time.thread_time()
        session.run(None, inputs)
        best = min(best, (time.thread_time() - began) * 1e3)
    return best


def cosine(a, b):
    a, b = a.astype("float64").ravel(), b.astype("float64").ravel()
    return float(a @ b / ((a @ a) * (b @ b)) ** 0.5)


def compare(title, source, out, seconds, aim=None):
    before, after = session(source), session(out)
    inputs = inputs_of(before)
    near = cosine(before.run(None, inputs)[0], after.run(None, inputs)[0])
    near = f" (cosine {near:.4f})" if aim else ""  # the made ones take such numbers
    ours, theirs = in_turn(lambda: run_ms(after, inputs, seconds),
                           lambda: run_ms(before, inputs, seconds), ROUNDS)
    times = ratios(theirs, ours)
    say(f"{title}: {number(median(ours))} ms instead of {number(median(theirs))}{near}")
    return Row(f"int8 {title}, one thread", f"{number(median(ours))} ms{near}",
               f"float: {number(median(theirs))} ms", f"{median(times):.2f}× faster", spread(times),
               f"≥ {aim}×" if aim else "report", median(times) >= aim if aim else None)


def pictures(folder):
    """To calibrate made models with: any will do."""
    from PIL import Image
    import numpy

    random = numpy.random.default_rng(2)
    folder.mkdir()
    for i in range(8):
        small = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=numpy.uint8))
        small.resize((224, 224), Image.BICUBIC).save(folder / f"{i}.png")
    return folder


def made(folder, samples):
    for title, name, method, seconds, aim in CASES:
        out = folder / f"{name}.onnx"
        options = ["--calibrate", samples, "--ranges", "minmax"] if method == "static" else []
        quantize(model(name), out, "--method", method, "--keep-accuracy", "1", *options)
        yield compare(title, model(name), out, seconds, aim)
        if name == "bert-base":
            sizes = [Path(path).stat().st_size for path in (model(name), out)]
            yield Row(f"int8 {title}: size", f"{number(sizes[1] / 1e6)} MB",
                      f"float: {number(sizes[0] / 1e6)} MB", f"{sizes[0] / sizes[1]:.2f}× smaller",
                      "–", "≥ 3.9×", sizes[0] / sizes[1] >= 3.9)


def photos(folder):
    source = SHARED / "models" / "squeezenet-imagenet-fp16.onnx"
    if not source.exists():
        return [Row("int8 SqueezeNet on labelled photos", "skipped: no photos here", "–", "–", "–",
                    "≤ 1 of 100")]
    (folder / "model.yaml").write_text("input: {preset: imagenet-caffe}\n")
    out = folder / "squeezenet.onnx"
    report = quantize(source, out, "--calibrate", SHARED / "images" / "imagenet", "--yaml",
                      folder / "model.yaml")
    right = [100 * report["original"]["top1"], 100 * report["candidates"][report["kept"]]["top1"]]
    say(f"SqueezeNet: {right[1]:.0f} instead of {right[0]:.0f} right of 100")
    return [compare("SqueezeNet 1.1 (float16)", source, out, 0.5),
            Row("int8 SqueezeNet 1.1 on 100 labelled photos, top-1", f"{right[1]:.0f} right",
                f"float16: {right[0]:.0f} right", f"{right[0] - right[1]:+.0f} lost", "–",
                "≤ 1 of 100", right[0] - right[1] <= 1.001)]


def run(folder):
    session(model("mobilenetv2"))  # skips at once where there is no onnxruntime
    return [*made(folder, pictures(folder / "pictures")), *photos(folder)]
