# SPDX-License-Identifier: Apache-2.0
"""GET of 4 KB objects against nginx's static files; PUT of them against what SQLite commits a second
on the same disk when it is all that runs. Both with signed requests on 16 connections."""

import itertools
import os
import sqlite3
import time

from rig import (Row, Server, in_turn, median, nginx, number, ratios, replay_file, say, spread,
                 wrk_right)

CONNECTIONS = 16
OBJECTS = 1000
SIZE = 4096
SECONDS = 2


def compare_get(server, plain, folder):
    home = folder / "nginx" / "files" / "bench-get"
    home.mkdir(parents=True)
    requests = []
    for i in range(OBJECTS):
        body = os.urandom(SIZE)
        (home / f"{i}").write_bytes(body)
        server.put("bench-get", f"{i}", body)
        requests.append(server.sign("s3", "GET", f"/bench-get/{i}"))
    file = replay_file(folder / "get.requests", requests)
    wrk_right(server.port, file, CONNECTIONS, 1)
    return in_turn(lambda: wrk_right(server.port, file, CONNECTIONS, SECONDS).per_second,
                   lambda: wrk_right(plain, file, CONNECTIONS, SECONDS).per_second)


class Commits:
    """One row of 4 KB a transaction, WAL, synchronous=FULL, one connection."""

    def __init__(self, folder):
        self.db = sqlite3.connect(folder / "reference.db", isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute("CREATE TABLE t (key TEXT PRIMARY KEY, body BLOB)")
        self.next = itertools.count()

    def per_second(self, seconds):
        body = os.urandom(SIZE)
        start, count, took = time.perf_counter(), 0, 0
        while took < seconds:
            self.db.execute("INSERT INTO t VALUES (?, ?)", (f"bench-put/{next(self.next)}", body))
            count += 1
            took = time.perf_counter() - start
        return count / took


def compare_put(server, folder):
    body = os.urandom(SIZE)
    requests = [server.sign("s3", "PUT", f"/bench-put/{i}", body) for i in range(5 * OBJECTS)]
    file = replay_file(folder / "put.requests", requests)
    commits = Commits(folder)
    return in_turn(lambda: wrk_right(server.port, file, CONNECTIONS, SECONDS).per_second,
                   lambda: commits.per_second(SECONDS))


def run(folder):
    with nginx(folder) as plain, Server(folder) as server:
        server.bucket("bench-get")
        server.bucket("bench-put")
        get, static = compare_get(server, plain, folder)
        before = server.info()["store"]
        put, commits = compare_put(server, folder)
        after = server.info()["store"]
    share = median(ratios(get, static))
    group = sum(put) * SECONDS / max(1, after["commits"] - before["commits"])
    say(f"GET {number(median(get))}/s, nginx {number(median(static))}/s; PUT {number(median(put))}/s, "
        f"commits {number(median(commits))}/s")
    return [
        Row(f"GET of 4 KB objects, {CONNECTIONS} connections", f"{number(median(get))}/s",
            f"nginx static: {number(median(static))}/s", f"{share:.3f}",
            spread(ratios(get, static)), "≥ 0.3", share >= 0.3),
        Row(f"PUT of 4 KB objects, {CONNECTIONS} connections",
            f"{number(median(put))}/s, {group:.1f} a commit",
            f"SQLite alone, one row a commit: {number(median(commits))}/s",
            f"{median(ratios(put, commits)):.2f}", spread(ratios(put, commits))),
    ]
