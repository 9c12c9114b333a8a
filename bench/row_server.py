# SPDX-License-Identifier: Apache-2.0
"""The server alone: how soon it answers, what it keeps in memory, and whether it wakes when idle."""

import re
import signal
import subprocess
import time

from rig import Connection, Row, Server, below, end, free_port, listens, median, need, number, say, scratch, spread

STARTS = 9
IDLE_S = 10
SETTLE_S = 12  # instances and the threads for deploying end by themselves


def start_ms(folder, fresh):
    """Milliseconds from executing the program until /readyz is answered 200."""
    server = Server(folder)
    port = free_port()
    command = [str(part) for part in server.command()]
    command[command.index("127.0.0.1:0")] = f"127.0.0.1:{port}"
    if fresh == server.data.exists():
        raise RuntimeError("the folder is not as it should be")
    with open(server.log, "w") as log:
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=log, stderr=log, env=server.environment())
    while not listens(port):
        if process.poll() is not None:
            raise RuntimeError(server.log.read_text())
    connection = Connection(port)
    answer = connection.ask(f"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    took = (time.perf_counter() - began) * 1e3
    connection.close()
    resident = re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{process.pid}/status").read())[1]
    end(process)
    if answer.status != 200:
        raise RuntimeError(answer)
    return took, int(resident) / 1024


def bare_ms():
    """What it takes here to execute a program at all."""
    began = time.perf_counter()
    subprocess.run(["/bin/true"], check=True)
    return (time.perf_counter() - began) * 1e3


def wakeups(server):
    """System calls of the server and its templates in IDLE_S seconds."""
    strace = need("strace")
    out = server.data.parent / "strace"
    pids = [str(pid) for pid in (server.process.pid, *below(server.process.pid))]
    tracer = subprocess.Popen([strace, "-f", "-qq", "-o", out, *(f"-p{pid}" for pid in pids)],
                              stderr=subprocess.DEVNULL)
    time.sleep(IDLE_S + 0.5)
    tracer.send_signal(signal.SIGINT)
    tracer.wait()
    lines = out.read_text().splitlines()
    # What was waiting when strace came is shown once, unfinished; it is not a wake-up.
    return [line for line in lines if "<unfinished" not in line and "resumed" not in line
            and "detached" not in line and not re.search(r"\) += \? (ERESTART|<)", line)], len(pids)


def run(folder):
    first, again, resident, bare = [], [], [], []
    for _ in range(STARTS):
        with scratch() as new:
            bare.append(bare_ms())
            took, _ = start_ms(new, fresh=True)
            first.append(took)
            took, mb = start_ms(new, fresh=False)
            again.append(took)
            resident.append(mb)
    say(f"ready after {number(median(again))} ms, {number(median(resident))} MB")
    with Server(folder, "--idle", "1s") as server:
        server.function("echo", {"model.yaml": b"task: echo\n"})
        for _ in range(20):
            server.invoke(server.connection, server.invoke_request("echo", b"{}"))
        time.sleep(SETTLE_S)
        used = int(re.search(r"VmRSS:\s+(\d+)", open(
            f"/proc/{server.process.pid}/status").read())[1]) / 1024
        woken, count = wakeups(server)
    say(f"{len(woken)} wake-ups of {count} processes in {IDLE_S} s")
    for line in woken[:5]:
        say(line[:150])
    return [
        Row("`rouse serve` answers after", f"{number(median(again))} ms; on a new data folder "
            f"{number(median(first))} ms", f"/bin/true: {number(median(bare))} ms", "–",
            spread(again, " ms"), "≤ 20 ms", median(again) <= 20),
        Row("resident after the start", f"{number(median(resident))} MB; {number(used)} MB after "
            "some calls", "–", "–", spread(resident, " MB"), "≤ 15 MB", median(resident) <= 15),
        Row(f"system calls in {IDLE_S} idle seconds, server and templates", f"{len(woken)}",
            f"{count} processes under strace", "–", "–", "0", not woken),
    ]
