# SPDX-License-Identifier: Apache-2.0
"""What each further instance of a 100 MB model costs, forked from the function's template: the growth of the sum of the PSS of all of the
function's processes, which counts each shared page once, however many share it."""

import threading
import time

from rig import (Connection, Row, Server, below, median, memory_kb, model, npy, number, say, scratch,
                 spread, until)

MOST = 8
ROUNDS = 2 # each deploys the model; what is measured hardly varies
TEMPLATE_S = 3  # it loads the model and runs it once
CASES = (("ResNet-50, 102 MB", "resnet50", (1, 3, 224, 224)),
         ("100 MB of dense layers", "big100", (1, 1024)))


def together(server, request, count):
    """So many requests at once."""
    connections = [Connection(server.port) for _ in range(count)]
    tiers = []

    def ask(connection):
        tiers.append(server.invoke(connection, request)[0])

    threads = [threading.Thread(target=ask, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    if not {"hot", "warm"}.issuperset(tiers):
        raise RuntimeError(f"not all were forked from the function's template: {set(tiers)}")


def family(server, name):
    """The pids of the function's template and instances, which have its name."""
    return [pid for pid, title in below(server.process.pid).items()
            if title == f"rouse:{name}"[:15]]


def sums(name, shape, count):
    """MB of PSS of so many instances and their template, in a server of their own."""
    with scratch() as folder, Server(folder, "--max-instances", str(count)) as server:
        packed, _ = npy(shape)
        server.function(name, {"model.yaml": b"task: tensor\nmodel: model.onnx\n",
                               "model.onnx": model(name)}, 1024)
        request = server.invoke_request(name, packed)
        until(lambda: len(family(server, name)) == 1, "the template")
        time.sleep(TEMPLATE_S)
        limit = time.monotonic() + 60
        while server.instances(name) < count:
            if time.monotonic() > limit:
                raise RuntimeError(f"{server.instances(name)} instances, {count} were wanted")
            together(server, request, 8 * count)
        for _ in range(4):
            together(server, request, count)
        pids = family(server, name)
        if len(pids) != count + 1:
            raise RuntimeError(f"{len(pids)} processes, {count + 1} were wanted")
        return sum(memory_kb(pid, ["Pss"]) for pid in pids) / 1024


def measure(title, name, shape):
    one = [sums(name, shape, 1) for _ in range(ROUNDS)]
    most = [sums(name, shape, MOST) for _ in range(ROUNDS)]
    grown = [(b - a) / (MOST - 1) for a, b in zip(one, most)]
    each = median(grown)
    say(f"{title}: {number(each)} MB each")
    return Row(f"memory of the 2nd…{MOST}th instance; {title}", f"{number(each)} MB each (PSS)",
               f"template and first instance: {number(median(one))} MB",
               f"{each / median(one):.2f}", spread(grown, " MB"), "≤ 10 MB each", each <= 10)


def run(_folder):
    return [measure(*case) for case in CASES]
