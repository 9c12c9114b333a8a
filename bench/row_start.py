# SPDX-License-Identifier: Apache-2.0
"""The first answer of an instance that must be started, less an answer of one that is there.

warm: forked from the function's template; cool: from the runtime's, the model mapped; cold: the
runtime executed, too. Which of them it was is read from X-Rouse-Tier. To force one, the templates
above it are killed, as a crash would do, once the instances have ended of --idle."""

import contextlib
import os
import signal

from rig import Connection, Row, Server, below, median, model, npy, number, say, spread, until

ROUNDS = 7
HOT = 9
CASES = (  # title, model, shape of its input, whether the aims are for it
    ("100 MB of dense layers", "big100", (1, 1024)),
    ("ResNet-50, 102 MB", "resnet50", (1, 3, 224, 224)),
)
TIERS = {"warm": (), "cool": ("function",), "cold": ("function", "root")}


def kill_templates(server, name, kinds):
    """Kills by pid what is left of this function, which is its template, and the root."""
    names = {"function": f"rouse:{name}"[:15], "root": "rouse:template"}
    wanted = {names[kind] for kind in kinds}
    pids = [pid for pid, title in below(server.process.pid).items() if title in wanted]
    before = server.info()["templates"]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if pids:
        until(lambda: server.info()["templates"] <= before - len(kinds), "templates to be gone")


def settled(server, name):
    """No instance is left, and both templates are there."""
    info = server.info()
    counts = [f for f in info["functions"] if f["name"] == name][0]
    titles = list(below(server.process.pid).values())
    return counts["instances"] == 0 and titles.count(f"rouse:{name}"[:15]) == 1 and \
        "rouse:template" in titles


def start(server, connection, name, request, tier):
    """One start of that tier: (first answer, hot answer) in ms."""
    for _ in range(5):
        until(lambda: settled(server, name), f"{name} to be at rest with its template", 30)
        kill_templates(server, name, TIERS[tier])
        found, first, _ = server.invoke(connection, request)
        hot = []
        for _ in range(HOT):
            again, took, _ = server.invoke(connection, request)
            if again == "hot":
                hot.append(took * 1e3)
        if found == tier and hot:
            return first * 1e3, median(hot)
    raise RuntimeError(f"no start of {name} was {tier}: the last one was {found}")


def measure(server, title, name, shape):
    packed, _ = npy(shape)
    server.function(name, {"model.yaml": b"task: tensor\nmodel: model.onnx\n",
                           "model.onnx": model(name)}, 1024)
    request = server.invoke_request(name, packed)
    connection = Connection(server.port)
    first = {tier: [] for tier in TIERS}
    hot = {tier: [] for tier in TIERS}
    server.invoke(connection, request)
    for _ in range(ROUNDS):
        for tier in TIERS:
            one, other = start(server, connection, name, request, tier)
            first[tier].append(one)
            hot[tier].append(other)
    connection.close()
    rows = []
    for tier, label, aim in (("cool", "cold start: only the runtime's template is there", 20),
                             ("warm", "warm start: from the function's template", 10),
                             ("cold", "nothing is there: the runner is executed", None)):
        added = [a - b for a, b in zip(first[tier], hot[tier])]
        say(f"{title}: {tier} adds {number(median(added))} ms")
        rows.append(Row(
            f"{label}; {title}", f"{tier}: {number(median(first[tier]))} ms",
            f"hot: {number(median(hot[tier]))} ms", f"+{number(median(added))} ms",
            spread(added, " ms"), f"≤ {aim} ms" if aim else "report",
            median(added) <= aim if aim else None))
    return rows


def run(folder):
    rows = []
    with Server(folder, "--idle", "300ms", "--max-instances", "1") as server:
        for case in CASES:
            rows += measure(server, *case)
    return rows
