# SPDX-License-Identifier: Apache-2.0
"""What each further instance of a 100 MB model costs: the growth of the sum of the PSS of all of the
function's processes, which counts each shared page once, however many share it."""

import threading

from rig import Connection, Row, Server, below, median, memory_kb, model, npy, number, say, until

MOST = 8
CASES = (("ResNet-50, 102 MB", "resnet50", (1, 3, 224, 224)),
         ("100 MB of dense layers", "big100", (1, 1024)))


def together(server, request, count):
    """So many requests at once, until so many instances are there."""
    connections = [Connection(server.port) for _ in range(count)]

    def ask(connection):
        server.invoke(connection, request)

    threads = [threading.Thread(target=ask, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()


def sum_kb(server, name, fields):
    """Of the instances and templates of the function: it has the tree under its name."""
    total = 0
    for pid, title in below(server.process.pid).items():
        if title == f"rouse:{name}"[:15]:
            total += memory_kb(pid, fields)
    return total


def measure(server, title, name, shape):
    packed, _ = npy(shape)
    server.function(name, {"model.yaml": b"task: tensor\nmodel: model.onnx\n",
                           "model.onnx": model(name)}, 1024)
    request = server.invoke_request(name, packed)
    server.invoke(server.connection, request)
    pss, own = {}, {}
    for count in range(1, MOST + 1):
        for _ in range(100):
            if server.instances(name) >= count:
                break
            together(server, request, count)
        until(lambda: server.instances(name) == count or _fail(server, name, count), "instances")
        together(server, request, count)
        pss[count] = sum_kb(server, name, ["Pss"]) / 1024
        own[count] = sum_kb(server, name, ["Private_Clean", "Private_Dirty"]) / 1024
    grown = [pss[n] - pss[n - 1] for n in range(2, MOST + 1)]
    each = (pss[MOST] - pss[1]) / (MOST - 1)
    say(f"{title}: {number(each)} MB each, " + ", ".join(number(g) for g in grown))
    return Row(f"memory of the 2nd…{MOST}th instance; {title}", f"{number(each)} MB each (PSS)",
               f"template and first instance: {number(pss[1])} MB", f"{each / pss[1]:.2f}",
               f"{number(min(grown))}–{number(max(grown))} MB", "≤ 10 MB each", each <= 10)


def _fail(server, name, count):
    raise RuntimeError(f"{server.instances(name)} instances of {name}, {count} were wanted")


def run(folder):
    rows = []
    with Server(folder, "--max-instances", str(MOST)) as server:
        for case in CASES:
            rows.append(measure(server, *case))
    return rows
