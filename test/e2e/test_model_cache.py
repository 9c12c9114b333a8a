# SPDX-License-Identifier: Apache-2.0
"""GET /rouse/cache: what of templates and weights is in memory; and the budget of weights, whose longest unused
are dropped while functions go on working."""
import json
import re
import subprocess
import time
import uuid

import pytest
from conftest import BUILD, ROOT, zip_of
from runtime_support import ROLE
from test_cli import until
from test_lambda_invoke import get

pytest.importorskip("onnx")
from test_quantize import make_models  # noqa: E402

ENGINE = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")
MB = 1 << 20


def dense(number, layers=2):
    graph = make_models.Graph(f"cached{number}")
    x = graph.input("x", make_models.F32, ["N", 1024])
    for _ in range(layers):
        x = graph.node("Relu", graph.dense(x, 1024, 1024))
    graph.node("Identity", x, out="y")
    graph.output("y", make_models.F32, ["N", 1024])
    return graph.model().SerializeToString()


class Functions:
    """Models of 8 MB each."""

    def __init__(self, server, count):
        self.server, self.lam = server, server.client("lambda")
        self.names = [self.create({"model.yaml": "task: tensor\n", "model.onnx": dense(i)}) for i in range(count)]
        for name in self.names:
            until(lambda: self.lam.get_function_configuration(FunctionName=name)["State"] == "Active")

    def create(self, files):
        name = "cached-" + uuid.uuid4().hex[:8]
        self.lam.create_function(FunctionName=name, Runtime="onnx", Role=ROLE, MemorySize=512, Timeout=60,
                                 Code={"ZipFile": zip_of(files)})
        return name

    def ask(self, name):
        got = self.lam.invoke(FunctionName=name, Payload=json.dumps({"inputs": {"x": [[0.5] * 1024]}}).encode())
        assert "FunctionError" not in got, got["Payload"].read()

    def cache(self):
        status, _, text = get(self.server, "/rouse/cache")
        assert status == 200
        return json.loads(text)

    def rows(self):
        return {row["function"]: row for row in self.cache()["level2"]["models"]}


def test_what_is_there(make_server):
    server = make_server("--templates-max", "7")
    empty = Functions(server, 0).cache()
    assert empty["level2"] == {"budget": 0, "size": 0, "mapped": 0, "resident": 0, "dropped": 0, "models": []}
    functions = Functions(server, 2)
    for name in functions.names:
        functions.ask(name)
    until(lambda: sum(t["ready"] for t in functions.cache()["level1"]["templates"]) == 3)
    cache = functions.cache()
    levels = {t["name"]: t["level"] for t in cache["level1"]["templates"]}
    assert levels == {"rouse-runner": "runtime", **dict.fromkeys(functions.names, "function")} or \
        sorted(levels.values()) == ["function", "function", "runtime"]
    assert all(t["pid"] > 0 and t["pss"] > 0 for t in cache["level1"]["templates"])
    assert cache["level1"]["budget"] == 7 and cache["level1"]["pss"] > MB
    rows = functions.rows()
    assert set(rows) == set(functions.names)
    for row in rows.values():
        assert row["size"] > 8 * MB - MB and row["resident"] == row["size"] and row["mapped"]
        assert row["path"].endswith("/model.ort") and row["lastUsed"].startswith("20")
    assert cache["level2"]["resident"] == sum(row["size"] for row in rows.values())


def test_metrics(make_server):
    server = make_server("--weights-max", "100MiB")
    functions = Functions(server, 1)
    functions.ask(functions.names[0])
    status, headers, text = get(server, "/rouse/cache?format=prometheus")
    assert status == 200 and headers["Content-Type"].startswith("text/plain")
    values = dict(re.findall(r"^(rouse_cache_\w+) (\d+)$", text.decode(), re.M))
    assert int(values["rouse_cache_weights_resident_bytes"]) > 7 * MB
    assert int(values["rouse_cache_weights_budget_bytes"]) == 100 * MB
    assert values["rouse_cache_weights_dropped_total"] == "0" and values["rouse_cache_templates"] in "12"
    assert len(re.findall("^# TYPE ", text.decode(), re.M)) == len(values)


def test_the_longest_unused_is_dropped(make_server):
    server = make_server("--weights-max", "20MiB", "--max-instances", "8")
    functions = Functions(server, 4)
    for _ in range(2):
        for name in functions.names:  # four of 8 MB do not fit
            functions.ask(name)
            time.sleep(0.1)  # so that it is known which was the last
    last = functions.names[-1]
    cache = until(lambda: (c := functions.cache())["level2"]["resident"] <= 20 * MB and c)
    rows = {row["function"]: row for row in cache["level2"]["models"]}
    assert cache["level2"]["dropped"] >= 2 and rows[last]["resident"] == rows[last]["size"]
    gone = [name for name, row in rows.items() if row["resident"] < row["size"] // 10]
    assert gone and all(not rows[name]["mapped"] for name in gone)
    functions.ask(gone[0])  # comes back by itself
    until(lambda: functions.rows()[gone[0]]["resident"] == functions.rows()[gone[0]]["size"])


def test_one_that_is_larger_than_the_budget_stays(make_server):
    server = make_server("--weights-max", "1MiB")
    functions = Functions(server, 1)
    for _ in range(3):
        functions.ask(functions.names[0])
    row = functions.rows()[functions.names[0]]
    assert row["resident"] == row["size"] and functions.cache()["level2"]["dropped"] == 0


def test_provisioned_stays(make_server):
    server = make_server("--weights-max", "12MiB", "--max-instances", "8")
    functions = Functions(server, 2)
    kept, other = functions.names
    version = functions.lam.publish_version(FunctionName=kept)["Version"]
    functions.lam.put_provisioned_concurrency_config(FunctionName=kept, Qualifier=version,
                                                     ProvisionedConcurrentExecutions=1)
    until(lambda: functions.lam.get_provisioned_concurrency_config(
        FunctionName=kept, Qualifier=version)["Status"] == "READY")
    functions.ask(other)
    until(lambda: functions.rows()[other]["resident"] > 0)
    row = functions.rows()[kept]
    assert row["resident"] == row["size"] and row["mapped"]


def test_deleted_functions_are_forgotten(make_server):
    server = make_server("--weights-max", "12MiB", "--max-instances", "8")
    functions = Functions(server, 2)
    functions.ask(functions.names[0])
    functions.lam.delete_function(FunctionName=functions.names[0])
    until(lambda: len([p for p in (server.data / "packages").iterdir() if p.name[0] != "."]) == 1)
    functions.ask(functions.names[1])
    assert functions.rows()[functions.names[1]]["resident"] > 0
    assert functions.rows().get(functions.names[0], {"size": 0})["size"] == 0


def test_who_may_look(make_server):
    server = make_server()
    assert get(server, "/rouse/cache", signed=False)[0] == 403
    assert get(server, "/rouse/cache", method="POST", body=b"{}")[0] in (400, 405)
    done = subprocess.run([BUILD / "rouse", "serve", "--weights-max", "lots"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and "--weights-max" in done.stderr
