# SPDX-License-Identifier: Apache-2.0
"""A Node.js echo: the first answer of an interpreter that waited in stock, less an answer of an instance that
is there; beside it `node` from exec."""

import subprocess
import time

from rig import Connection, Row, Server, median, need, number, say, spread, start, until

ROUNDS = 9
ECHO = b"exports.handler = async (event) => event;\n"
PAYLOAD = b'{"key1": "value1", "key2": 42}'
BY_HAND = ("const { handler } = require('./index.js');"
           f"handler(JSON.parse('{PAYLOAD.decode()}')).then((answer) => console.log(JSON.stringify(answer)))")


def by_hand(node, folder):
    """Milliseconds from exec to the end of its first answer."""
    began = time.perf_counter()
    process = subprocess.Popen([node, "-e", BY_HAND], cwd=folder, stdout=subprocess.PIPE)
    process.stdout.readline()
    took = (time.perf_counter() - began) * 1e3
    process.wait()
    return took


def run(folder):
    node = need("node")
    (folder / "index.js").write_bytes(ECHO)
    with Server(folder, "--idle", "100ms", "--max-instances", "1") as server:
        server.function("echo", {"index.js": ECHO}, 1769, Runtime="nodejs20.x", Handler="index.handler")
        connection = Connection(server.port)
        request = server.invoke_request("echo", PAYLOAD)

        def prepare():  # nothing tells that one waits, so it is given time
            until(lambda: server.instances("echo") == 0, "the instance to end")
            time.sleep(0.4)

        server.invoke(connection, request)
        both = [(start(server, connection, request, "cool", prepare), by_hand(node, folder)) for _ in range(ROUNDS)]
        connection.close()
    added = [first - hot for (first, hot), _ in both]
    bare = [took for _, took in both]
    say(f"node: cool adds {number(median(added))} ms, node {number(median(bare))} ms")
    return [Row(
        "Node.js echo, from an interpreter in stock", f"cool: {number(median([f for (f, _), _ in both]))} ms, "
        f"hot: {number(median([h for (_, h), _ in both]))} ms", f"`node` from exec: {number(median(bare))} ms",
        f"+{number(median(added))} ms", spread(added, " ms"), "≤ 15 ms", median(added) <= 15)]
