# SPDX-License-Identifier: Apache-2.0
"""Many forks of Python's templates while many ask at once: nobody waits for ever, every answer is right,
and nothing that is drawn by chance, nor any name, is given twice.

ROUSE_FORKS is the number of instances (60). From 1000 on, as many are forked from one with torch, too."""
import collections
import concurrent.futures
import hashlib
import json
import os
import random
import shutil
import subprocess
import threading
import time

import pytest

from conftest import PATIENCE_S, zip_of
from support import ROLE

FORKS = int(os.environ.get("ROUSE_FORKS", "60"))
CLIENTS = 8
PYTHON = shutil.which("python3", path="/usr/bin") or "python3"  # the one that may have the libraries
FUNCTIONS = ["plain", "numpy"] + (["torch"] if FORKS >= 1000 else [])

CODE = '''
import hashlib, os, random, secrets, ssl, tempfile, uuid

random.random(), uuid.uuid1(), uuid.uuid4(), secrets.token_hex(), tempfile.mktemp(), ssl.RAND_bytes(8)
CHANCES = {
    "random": random.random, "bits": lambda: random.getrandbits(64), "uuid1": lambda: str(uuid.uuid1()),
    "uuid4": lambda: str(uuid.uuid4()), "secrets": secrets.token_hex, "temporary": tempfile.mktemp,
    "openssl": lambda: ssl.RAND_bytes(16).hex(), "system": lambda: os.urandom(16).hex()}
work = sum
if os.environ["WITH"] == "numpy":
    import numpy
    numpy.random.random()
    CHANCES["numpy"] = lambda: numpy.random.random()
    work = lambda numbers: float(numpy.dot(numpy.array(numbers, float), numpy.ones(len(numbers))))
if os.environ["WITH"] == "torch":
    import torch
    torch.rand(1)
    CHANCES["torch"] = lambda: torch.rand(1, dtype=torch.float64).item()
    work = lambda numbers: float(torch.tensor(numbers, dtype=torch.float64) @ torch.ones(len(numbers), dtype=torch.float64))

def handler(event, context):
    return {"chances": {name: [draw(), draw()] for name, draw in CHANCES.items()},
            "hash": hashlib.sha256(event["text"].encode()).hexdigest(), "sum": work(event["numbers"]),
            "id": context.aws_request_id, "stream": context.log_stream_name,
            "key": os.environ["AWS_ACCESS_KEY_ID"]}
'''


class Drawn:
    """What was drawn, by kind; which instances were seen."""

    def __init__(self):
        self.seen = collections.defaultdict(set)
        self.streams, self.keys = {}, set()
        self.calls = 0
        self.lock = threading.Lock()

    def take(self, answer):
        with self.lock:
            self.take_one(answer)

    def take_one(self, answer):
        self.calls += 1
        drawn = {**answer["chances"], "id": [answer["id"]]}
        for kind, values in drawn.items():
            for value in values:
                assert value not in self.seen[kind], f"{kind} gave {value} twice"
                self.seen[kind].add(value)
        # An instance keeps its name and its credentials; no other has either.
        key = self.streams.setdefault(answer["stream"], answer["key"])
        assert key == answer["key"]
        self.keys.add(key)
        assert len(self.keys) == len(self.streams)


def call(lam, name, chance):
    text = f"{chance.random()}"
    numbers = [chance.randrange(1 << 20) for _ in range(200)]
    reply = lam.invoke(FunctionName=name, Payload=json.dumps({"text": text, "numbers": numbers}))
    answer = json.loads(reply["Payload"].read())
    assert "FunctionError" not in reply, answer
    assert answer["hash"] == hashlib.sha256(text.encode()).hexdigest()
    assert answer["sum"] == sum(numbers)
    assert answer["id"] == reply["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"]
    return answer


def client(server, name, number, drawn):
    """Calls, with pauses in which an instance may find itself idle and end."""
    lam, chance = server.client("lambda"), random.Random(number)
    while len(drawn.streams) < FORKS:
        drawn.take(call(lam, name, chance))
        time.sleep(chance.uniform(0, 0.02))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_forks_share_nothing_by_chance(make_server, record_property, name):
    if name != "plain" and subprocess.run([PYTHON, "-c", f"import {name}"], check=False).returncode:
        pytest.skip(f"{PYTHON} has no {name}")
    server = make_server("--idle", "1ms", "--max-instances", "6", "--log-level", "warn",
                         env={"ROUSE_RUNTIMES": f"python3.11={PYTHON}"})
    lam = server.client("lambda")
    lam.create_function(FunctionName=name, Runtime="python3.11", Role=ROLE, Handler="index.handler",
                        Code={"ZipFile": zip_of({"index.py": CODE})}, Timeout=60, MemorySize=1024,
                        Environment={"Variables": {"WITH": name}})
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    drawn = Drawn()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        ends = [pool.submit(client, server, name, number, drawn) for number in range(CLIENTS)]
        for end in ends:
            end.result(PATIENCE_S + FORKS)
    assert server.stop() == 0
    text = (f"{len(drawn.streams)} instances, {drawn.calls} calls; "
            + ", ".join(f"{len(values)} of {kind}" for kind, values in sorted(drawn.seen.items())))
    record_property("figures", text)
    print(text)
