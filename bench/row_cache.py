# SPDX-License-Identifier: Apache-2.0
"""Answers from the result cache against nginx's `return 200`: the same signed requests, the same answer, one
thread of wrk. In memory, and in a Redis beside it on the same cores."""

import contextlib
import subprocess

from rig import (Row, Server, Skip, end, free_port, in_turn, listens, median, need, nginx, number, ratios,
                 replay_file, say, spread, until, wrk_right)

PAYLOAD = b'{"key1": "value1", "key2": 42}'
CONNECTIONS = 32
SECONDS = 1
ROUNDS = 5


@contextlib.contextmanager
def redis(folder):
    """The address of a Redis or Valkey that keeps nothing on disk."""
    try:
        program = need("redis-server")
    except Skip:
        program = need("valkey-server")
    port = free_port()
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir",
         str(folder)], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
    try:
        until(lambda: listens(port), "the Redis to listen")
        yield f"redis://127.0.0.1:{port}"
    finally:
        end(process)


def compare(folder, plain, *options):
    """Requests per second of hits, and of nginx, in turn."""
    folder.mkdir()
    with Server(folder, *options) as server:
        server.function("cached", {"model.yaml": b"task: echo\n"}, Cache={"TtlSeconds": 3600})
        request = server.invoke_request("cached", PAYLOAD)
        file = replay_file(folder / "cache.requests", [request])
        until(lambda: server.invoke(server.connection, request)[0] == "cached", "a hit")
        wrk_right(server.port, file, CONNECTIONS, 1)
        rates = in_turn(lambda: wrk_right(server.port, file, CONNECTIONS, SECONDS).per_second,
                        lambda: wrk_right(plain, file, CONNECTIONS, SECONDS).per_second, ROUNDS)
        info = server.info()
        hits, all_calls = info["cached"], info["invocations"]
        if hits < 0.99 * all_calls:
            raise RuntimeError(f"{hits} hits of {all_calls} calls: {info['cache']}")
    return rates


def row(what, rates, aim):
    mine, theirs = rates
    shares = ratios(mine, theirs)
    share = median(shares)
    say(f"{what}: {number(median(mine))}/s, nginx {number(median(theirs))}/s")
    return Row(f"{what}, {CONNECTIONS} connections", f"{number(median(mine))}/s",
               f"nginx `return 200`: {number(median(theirs))}/s", f"{share:.3f}", spread(shares),
               f"≥ {aim}", share >= aim)


def run(folder):
    with nginx(folder, PAYLOAD.decode()) as plain:
        rows = [row("answer from the result cache in memory", compare(folder / "memory", plain), 0.5)]
        try:
            with redis(folder) as url:
                rows.append(row("answer from the result cache in a Redis",
                                compare(folder / "redis", plain, "--cache", url), 0.15))
        except Skip as why:
            rows.append(Row("answer from the result cache in a Redis", f"skipped: {why}", "–", "–", "–", "≥ 0.15"))
    return rows
