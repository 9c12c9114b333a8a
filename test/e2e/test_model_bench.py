# SPDX-License-Identifier: Apache-2.0
"""rouse model prepare and rouse model bench: what they report, and what they say of models that are none."""
import json
import os
import subprocess

import pytest
from conftest import BUILD, PATIENCE_S, ROOT

MODELS = ROOT / "test" / "corpus" / "models"
ENGINE = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
INVALID, NOT_FOUND = 2, 4
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")


@pytest.fixture
def model(tmp_path):
    scratch = tmp_path / "scratch"
    scratch.mkdir()

    def run(*args, status=0):
        done = subprocess.run([BUILD / "rouse", "model", *map(str, args)], cwd=tmp_path, text=True,
                              env={**os.environ, "TMPDIR": str(scratch)}, capture_output=True,
                              timeout=PATIENCE_S, check=False)
        assert done.returncode == status, done.stderr
        assert not list(scratch.iterdir())  # nothing is left behind
        return json.loads(done.stdout) if "--json" in args and done.stdout else done.stdout + done.stderr
    return run


def test_prepare(model, tmp_path):
    report = model("prepare", MODELS / "add.onnx", "--json", "--keep", "kept")
    assert report["prepared"] and report["reason"] is None and report["task"] == "tensor"
    assert report["size"] == (MODELS / "add.onnx").stat().st_size
    assert report["prepared_size"] == (tmp_path / "kept" / "model.ort").stat().st_size
    assert report["load_ms_before"] > 0 and report["load_ms_after"] > 0 and "bench" not in report
    assert "same answers" in model("prepare", MODELS / "add.onnx")


def test_bench(model):
    rows = model("bench", MODELS / "add.onnx", "--json", "--ms", 20, "--threads", "1,2", "--batch", "1,4")["bench"]
    assert [(row["threads"], row["batch"]) for row in rows] == [(1, 1), (1, 4), (2, 1), (2, 4)]
    for row in rows:
        assert row["per_second"] > 0 and row["runs"] >= 5 and row["memory"] > 0
        assert 0 <= row["p50_ms"] <= row["p95_ms"]
    assert "per second" in model("bench", MODELS / "add.onnx", "--ms", 20, "--threads", 1)


def test_a_fixed_batch(model, tmp_path):
    pytest.importorskip("onnx")
    from test_quantize import F32, make_models
    (tmp_path / "fixed.onnx").write_bytes(make_models.identity(F32, [2, 3]).SerializeToString())
    rows = model("bench", "fixed.onnx", "--json", "--ms", 20, "--threads", 1, "--batch", "1,2")["bench"]
    assert rows[0]["runs"] >= 5 and rows[1]["error"] == 'the batch of "x" is fixed'


@pytest.mark.parametrize("word", ["prepare", "bench"])
@pytest.mark.parametrize("file", ["truncated", "text", "empty", "unknown-op", "huge-dims"])
def test_bad_model(model, word, file):
    assert f"{file}.onnx" in model(word, MODELS / f"{file}.onnx", status=INVALID)


def test_bad_arguments(model):
    model("bench", "none.onnx", status=NOT_FOUND)
    model("bench", status=INVALID)
    model("prepare", MODELS / "add.onnx", "--keep", "no/where", status=NOT_FOUND)
    model("prepare", MODELS / "add.onnx", "--yaml", "none.yaml", status=NOT_FOUND)
    for option in (("--batch", "0"), ("--batch", "1,x"), ("--threads", "1000"), ("--ms", "-1"), ("--threads", ",")):
        assert option[0] in model("bench", MODELS / "add.onnx", *option, status=INVALID)
