# SPDX-License-Identifier: Apache-2.0
"""Python functions: calls of an echo against nginx and against the client that AWS publishes; what a further
instance of a large one costs; how soon ninety more are up; and what the walls add to a start."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time

from rig import (BUILD, CACHE, Connection, Row, Server, Skip, below, end, in_turn, median, memory_kb, need,
                 nginx, number, processor_s, ratios, replay_file, say, scratch, spread, start, until,
                 wrk_right)

CORES = len(os.sched_getaffinity(0))
CORE_MB = 1769
PYTHON = "/usr/bin/python3"
RUNTIME = {"Runtime": "python3.11", "Handler": "app.handler"}
ENV = {"ROUSE_RUNTIMES": f"python3.11={PYTHON}"}
PAYLOAD = b'{"key1": "value1", "key2": 42}'
ECHO = b"def handler(event, context):\n    return event\n"
CONNECTIONS = 32
SECONDS = 2
LARGE = b"""
import time
held = [bytearray(1 << 20) for _ in range(160)] + [{"n": str(i)} for i in range(160000)]  # 200 MB
def handler(event, context):
    began = time.time()
    time.sleep(event.get("s", 0))
    return {"began": began, "held": len(held)}
"""
MANY = 100
BURST_FROM = 10


# ---- calls ---------------------------------------------------------------------------------------


class Published:
    """awslambdaric, as many processes as cores, against the least that a Runtime API can be."""

    def __init__(self, folder):
        self.place = CACHE / "awslambdaric"
        if not (self.place / "awslambdaric").exists():
            done = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False)
            pip = PYTHON if done.returncode == 0 else sys.executable
            done = subprocess.run([pip, "-m", "pip", "install", "-q", "--target", self.place,
                                   "--python-version", "3.11", "--only-binary=:all:", "awslambdaric"],
                                  capture_output=True, text=True, check=False)
            if done.returncode:
                raise Skip("there is no awslambdaric")
        program = BUILD / "bench" / "bench_runtime_api"
        if not program.exists():
            raise Skip(f"there is no {program}")
        (folder / "app.py").write_bytes(ECHO)
        self.api = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{self.place}:{folder}", "_HANDLER": "app.handler",
               "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self.api.stdout.readline().strip()}",
               "LAMBDA_TASK_ROOT": str(folder), "AWS_LAMBDA_FUNCTION_NAME": "echo",
               "AWS_LAMBDA_FUNCTION_VERSION": "1", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}
        self.clients = [subprocess.Popen([PYTHON, "-m", "awslambdaric", "app.handler"], env=env, cwd=folder,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                        for _ in range(CORES)]

    def __enter__(self):
        self.per_second(1)
        return self

    def __exit__(self, *_):
        for client in self.clients:
            client.kill()
            client.wait()
        self.api.stdin.close()
        end(self.api)

    def per_second(self, seconds):
        self.api.stdin.write(f"{seconds}\n")
        self.api.stdin.flush()
        count, took_us = map(int, self.api.stdout.readline().split())
        if not count:
            raise RuntimeError("awslambdaric has answered nothing")
        return count / took_us * 1e6


def echo_rows(folder):
    with nginx(folder, PAYLOAD.decode()) as plain, Server(folder, env=ENV) as server:
        server.function("echo", {"app.py": ECHO}, CORE_MB, **RUNTIME)
        request = server.invoke_request("echo", PAYLOAD)
        server.invoke(server.connection, request)
        file = replay_file(folder / "echo.requests", [request])
        wrk_right(server.port, file, CONNECTIONS, 1)
        costs = []

        def ours():
            pids = [server.process.pid, *below(server.process.pid)]
            before = processor_s(pids)
            load = wrk_right(server.port, file, CONNECTIONS, SECONDS)
            costs.append((processor_s(pids) - before) / (load.per_second * SECONDS) * 1e6)
            return load

        loads, theirs = in_turn(ours, lambda: wrk_right(plain, file, CONNECTIONS, SECONDS))
        mine = [load.per_second for load in loads]
        shares = ratios(mine, [load.per_second for load in theirs])
        published = ("–", "–", "–")
        with contextlib.suppress(Skip), Published(folder) as client:
            again, rates = in_turn(lambda: ours().per_second, lambda: client.per_second(SECONDS), 3)
            faster = ratios(again, rates)
            published = (f"awslambdaric, {CORES} processes, no platform: {number(median(rates))}/s",
                         f"{median(faster):.2f}", spread(faster))
    say(f"python echo: {number(median(mine))}/s, {number(median(costs))} µs of processor a call")
    rate = median(mine)
    return [
        Row(f"invoke of a Python echo function, {CONNECTIONS} connections", f"{number(rate)}/s, p99 "
            f"{number(median([load.p99_us for load in loads]) / 1e3)} ms, {number(median(costs))} µs of processor "
            "a call, server and instances", f"nginx `return 200`: "
            f"{number(median([load.per_second for load in theirs]))}/s", f"{median(shares):.3f}", spread(shares),
            "≥ 12,000/s", rate >= 12000),
        Row("the same against the client that AWS publishes", f"{number(rate)}/s", *published),
    ]


# ---- many instances ------------------------------------------------------------------------------


def family(server, name):
    return [pid for pid, title in below(server.process.pid).items() if title == f"rouse:{name}"[:15]]


def together(server, request, count):
    """So many requests at once, on connections that are there: (their answers, when they were sent)."""
    connections = [Connection(server.port) for _ in range(count)]
    answers = []

    def take(connection):
        answers.append(json.loads(server_answer(connection)))

    def server_answer(connection):
        raw = connection.receive()
        if not raw.startswith(b"HTTP/1.1 200") or b"X-Amz-Function-Error" in raw[:2000]:
            raise RuntimeError(f"refused: {raw[:600]!r}")
        return raw.partition(b"\r\n\r\n")[2]

    sent = time.time()
    for connection in connections:
        connection.send(request)
    threads = [threading.Thread(target=take, args=(c,)) for c in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for connection in connections:
        connection.close()
    if len(answers) != count:
        raise RuntimeError(f"{len(answers)} of {count} were answered")
    return answers, sent


def template_ready(server, name):
    request = server.invoke_request(name, b"{}")

    def warm():
        until(lambda: server.instances(name) == 0, "the instance to end", 30, 0.05)
        return server.invoke(server.connection, request)[0] == "warm"
    until(warm, f"{name}'s template", 60)


def memory_rows(folder):
    """The growth of the sum of PSS, which counts each shared page once."""
    grown, first, bursts = [], [], []
    with Server(folder, "--max-instances", str(MANY), "--idle", "4s", env=ENV) as server:
        server.function("large", {"app.py": LARGE}, 512, **RUNTIME)
        template_ready(server, "large")
        for _ in range(2):
            until(lambda: server.instances("large") == 0, "instances to end", 30)
            together(server, server.invoke_request("large", b'{"s": 1}'), 1)
            one = sum(memory_kb(pid, ["Pss"]) for pid in family(server, "large")) / 1024
            bursts.append(burst(server))
            pids = family(server, "large")
            all_of_them = sum(memory_kb(pid, ["Pss"]) for pid in pids) / 1024
            grown.append((all_of_them - one) / (len(pids) - 2))
            first.append(one)
    each = median(grown)
    say(f"python: {number(each)} MB each, burst {number(median(bursts))} ms")
    return [
        Row(f"memory of the 2nd…{MANY}th instance of a 200 MB Python function", f"{number(each)} MB each (PSS)",
            f"template and first instance: {number(median(first))} MB", f"{each / median(first):.3f}",
            spread(grown, " MB"), "≤ 12 MB each", each <= 12),
        Row(f"burst from {BURST_FROM} to {MANY} concurrent requests of that function: all run after",
            f"{number(median(bursts))} ms, none refused", "–", "–", spread(bursts, " ms"), "≤ 300 ms",
            median(bursts) <= 300),
    ]


def burst(server):
    """Milliseconds until the last of so many requests, which find ten instances, runs. They take a second:
    for short ones fewer instances would be started."""
    request = server.invoke_request("large", b'{"s": 1}')
    until(lambda: together(server, request, BURST_FROM) and server.instances("large") >= BURST_FROM,
          f"{BURST_FROM} instances")
    answers, sent = together(server, request, MANY)
    return (max(answer["began"] for answer in answers) - sent) * 1e3


# ---- walls ---------------------------------------------------------------------------------------


def warm_starts(server, rounds):
    """What a warm start adds to a hot call, in ms."""
    connection = Connection(server.port)
    request = server.invoke_request("echo", PAYLOAD)
    added = []
    for _ in range(rounds):
        first, hot = start(server, connection, request, "warm",
                           lambda: until(lambda: server.instances("echo") == 0, "the instance to end"))
        added.append(first - hot)
    connection.close()
    return median(added)


def walls_row():
    with scratch() as one, scratch() as other, \
            Server(one, "--idle", "30ms", "--max-instances", "1", env=ENV) as walled, \
            Server(other, "--idle", "30ms", "--max-instances", "1", "--sandbox", "off", env=ENV) as bare:
        for server in (walled, bare):
            server.function("echo", {"app.py": ECHO}, CORE_MB, **RUNTIME)
            template_ready(server, "echo")
        mine, theirs = in_turn(lambda: warm_starts(walled, 11), lambda: warm_starts(bare, 11))
    cost = [a - b for a, b in zip(mine, theirs)]
    say(f"walls: {number(median(cost))} ms")
    return Row("the walls' own cost of an instance's start (Python, warm)", f"warm adds {number(median(mine))} ms",
               f"without walls: {number(median(theirs))} ms", f"+{number(median(cost))} ms", spread(cost, " ms"),
               "≤ 2 ms", median(cost) <= 2)


def run(folder):
    need(PYTHON)
    rows = echo_rows(folder)
    with scratch() as other:
        rows += memory_rows(other)
    return [*rows, walls_row()]
