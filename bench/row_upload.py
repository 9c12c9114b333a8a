# SPDX-License-Identifier: Apache-2.0
"""From the start of a PUT to the start of the function it rouses: object and event are durable by
then. The start is seen on the followed log of the function, whose START line comes with the end of
its run, so what the REPORT line says of that is taken off; what it takes to read the line is not."""

import re
import threading
import time

from rig import Connection, Row, Server, median, number, say, spread, until

UPLOADS = 300
BODY = b"x" * 4096
CONFIGURATION = (
    '<NotificationConfiguration><CloudFunctionConfiguration><Id>bench</Id><CloudFunction>{arn}'
    "</CloudFunction><Event>s3:ObjectCreated:*</Event></CloudFunctionConfiguration>"
    "</NotificationConfiguration>"
)


class Follower(threading.Thread):
    """Reads a function's log as it is written: (time of arrival, milliseconds of the run)."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.connection = Connection(server.port)
        self.connection.send(server.sign("lambda", "GET", f"/rouse/logs/{name}", query="follow=1"))
        self.arrived, self.text = [], b""
        self.woken = threading.Condition()

    def run(self):
        while got := self.connection.socket.recv(1 << 16):
            now = time.perf_counter()
            *lines, self.text = (self.text + got).split(b"\n")
            for line in lines:
                found = re.search(rb"REPORT RequestId.*\tDuration: ([0-9.]+) ms", line)
                if found:
                    with self.woken:
                        self.arrived.append((now, float(found[1])))
                        self.woken.notify()

    def wait_for(self, count):
        with self.woken:
            if not self.woken.wait_for(lambda: len(self.arrived) >= count, 10):
                raise RuntimeError("the function's log does not tell of its start")
            return self.arrived[count - 1]


def notify(server, bucket, name):
    path = f"/2015-03-31/functions/{name}/configuration"
    arn = server.ask("lambda", "GET", path).json()["FunctionArn"]
    body = CONFIGURATION.format(arn=arn).encode()
    server.ask("s3", "PUT", f"/{bucket}", body, query="notification=")


def run(folder):
    with Server(folder) as server:
        server.bucket("bench-inbox")
        server.function("echo", {"model.yaml": b"task: echo\n"})
        notify(server, "bench-inbox", "echo")
        follower = Follower(server, "echo")
        follower.start()
        until(lambda: server.info()["queued"] == 0, "an empty queue")
        connection = Connection(server.port)
        starts, answers, before = [], [], None
        warmups = 20
        for i in range(UPLOADS + warmups):
            if i == warmups:
                before = server.info()["store"]
            request = server.sign("s3", "PUT", f"/bench-inbox/object-{i}", BODY)
            began = time.perf_counter()
            answer, took = connection.timed(request)
            if answer.status != 200:
                raise RuntimeError(answer.body)
            seen, run_ms = follower.wait_for(i + 1)
            if i >= warmups:
                starts.append((seen - began) * 1e3 - run_ms)
                answers.append(took * 1e3)
            time.sleep(0.002)  # the end of the job is committed, too: not part of the next upload
        after = server.info()["store"]
    commits = after["commits"] - before["commits"]
    fsync_ms = (after["fsyncUs"] - before["fsyncUs"]) / max(1, commits) / 1e3
    share = fsync_ms / (sum(starts) / len(starts))
    starts.sort()
    p50, p99 = median(starts), starts[int(len(starts) * 0.99)]
    say(f"upload to start: p50 {number(p50)} ms, a commit {number(fsync_ms)} ms")
    return [
        Row("upload of 4 KB → its function starts, durable", f"p50 {number(p50)} ms, p99 "
            f"{number(p99)} ms", f"a commit with its fsync: {number(fsync_ms)} ms on average",
            f"fsync's share of the mean: {share:.0%}", spread(starts, " ms"), "p50 ≤ 2 ms", p50 <= 2),
        Row("the same upload → its answer", f"p50 {number(median(answers))} ms", "–", "–",
            spread(answers, " ms")),
    ]
