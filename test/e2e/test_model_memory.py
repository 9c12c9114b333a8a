# SPDX-License-Identifier: Apache-2.0
"""Memory of models that are not used any more is really returned: ten of them are loaded, used and let go,
again and again, and what the server and the runtime's template hold in the end is what they held
before. ROUSE_UNLOAD_CYCLES=50 is the long form."""
import concurrent.futures
import json
import os
import pathlib
import time
import uuid

import pytest
from conftest import BUILD, PATIENCE_S, ROOT, zip_of
from runtime_support import ROLE
from test_cli import until
from test_lambda_invoke import get

pytest.importorskip("onnx")
np = pytest.importorskip("numpy")
from test_quantize import make_models  # noqa: E402

ENGINE = ROOT / "build/deps/onnxruntime/lib/libonnxruntime.so.1"
pytestmark = pytest.mark.skipif(not ENGINE.exists(), reason="ONNX Runtime is not there")

MODELS = 10
MEGABYTES = 4  # of weights, each
CYCLES = int(os.environ.get("ROUSE_UNLOAD_CYCLES", 2))
ALLOWED = 0.05
IDLE_S = 0.2  # of instances
PAYLOAD = json.dumps({"inputs": {"x": [[0.0] * 1024]}}).encode()


def family(pid):
    """The process and all below it, with their titles."""
    children = {}
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)
        except OSError:
            continue
        children.setdefault(int(fields[1].split()[1]), []).append(int(folder.name))
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def pss_kb(pid):
    """PSS without programs and libraries, whose share depends on what else runs on the machine."""
    total, counts = 0, False
    try:
        for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
            words = line.split()
            if not words[0].endswith(":"):
                path = words[5] if len(words) > 5 else ""
                counts = not (".so" in path or path.startswith(str(BUILD)))
            elif counts and words[0] == "Pss:":
                total += int(words[1])
    except OSError:
        pass  # it has just ended
    return total


class Models:
    """Ten models in a server, and a function without a model that keeps the runtime's template alive."""

    def __init__(self, server):
        self.server = server
        self.lam = server.client("lambda", max_pool_connections=MODELS + 1)
        self.names = [self.create({"model.yaml": "task: tensor\n", "model.onnx": self.model(i)})
                      for i in range(MODELS)]
        self.keeper = self.create({"model.yaml": "task: echo\n"})
        for name in [*self.names, self.keeper]:
            until(lambda: self.lam.get_function_configuration(FunctionName=name)["State"] == "Active")

    @staticmethod
    def model(number):
        graph = make_models.Graph(f"unload{number}")
        x = graph.input("x", make_models.F32, ["N", 1024])
        for _ in range(MEGABYTES // 4):
            x = graph.node("Relu", graph.dense(x, 1024, 1024))
        graph.node("Identity", x, out="y")
        graph.output("y", make_models.F32, ["N", 1024])
        return graph.model().SerializeToString()

    def create(self, files):
        name = "unload-" + uuid.uuid4().hex[:8]
        self.lam.create_function(FunctionName=name, Runtime="onnx", Role=ROLE, Handler="model.yaml",
                                 MemorySize=512, Timeout=60, Code={"ZipFile": zip_of(files)})
        return name

    def ask(self, names):
        def one(name):
            got = self.lam.invoke(FunctionName=name, Payload=PAYLOAD)
            assert "FunctionError" not in got, got["Payload"].read()

        with concurrent.futures.ThreadPoolExecutor(MODELS) as pool:
            list(pool.map(one, names))

    def use(self):
        """Each answers, all at once, so that all are loaded together."""
        self.ask(self.names)

    def keep(self):
        self.lam.invoke(FunctionName=self.keeper, Payload=b"{}")["Payload"].read()

    def wait_unloaded(self):
        """Until only the server, the runtime's template and the keeper's template are left."""
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            self.keep()  # forks from its template, which is therefore not idle
            time.sleep(2 * IDLE_S)
            info = json.loads(get(self.server, "/rouse/info")[2])
            if info["instances"] == 0 and info["templates"] == 2 and len(self.pids()) == 3:
                return
        raise AssertionError(f"not unloaded: {info['instances']} instances, {info['templates']} templates")

    def pids(self):
        return family(self.server.process.pid)

    def memory_kb(self):
        """The least of a few, since processes are not always at rest."""
        return min(sum(pss_kb(pid) for pid in self.pids()) for _ in range(5) if not time.sleep(0.02))


def test_unloading_returns_memory(make_server):
    server = make_server("--idle", f"{IDLE_S}s", "--template-idle", f"{8 * IDLE_S}s",
                         "--max-instances", str(MODELS + 2))
    models = Models(server)
    models.ask([models.keeper] * MODELS)  # as many connections as later
    models.use()  # what is made once (buffers, the database's pages) is made in the first cycle
    models.wait_unloaded()
    before = models.memory_kb()
    loaded = before
    for _ in range(CYCLES):
        models.use()
        loaded = max(loaded, models.memory_kb())
        models.wait_unloaded()
    after = models.memory_kb()
    print(f"PSS: {before} kB before, {loaded} kB loaded, {after} kB after {CYCLES} cycles")
    assert loaded > before + MODELS * MEGABYTES * 500, "nothing was loaded"
    assert after <= before * (1 + ALLOWED)
    models.use()
    for name in models.names:
        models.lam.delete_function(FunctionName=name)
    models.wait_unloaded()
    assert models.memory_kb() <= before * (1 + ALLOWED)
    packages = server.data / "packages"
    until(lambda: sum(1 for p in packages.iterdir() if not p.name.startswith(".")) == 1)
