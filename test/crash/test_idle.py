# SPDX-License-Identifier: Apache-2.0
"""What is idle costs nothing: instances are gone, and the server is not woken once."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

import pytest

import processes
from conftest import PATIENCE_S, zip_of
from support import function_make, instances, wait_until

QUIET_S = float(os.environ.get("ROUSE_QUIET_S", "3"))


def rouse_and_rest(make_server, *options):
    server = make_server("--insecure", "--idle", "1s", *options)
    lam = function_make(server, {"model.yaml": "task: echo\n"}, zip_of=zip_of)
    s3 = server.client("s3")
    s3.create_bucket(Bucket="uploads")
    for number in range(20):
        s3.put_object(Bucket="uploads", Key=str(number), Body=b"x" * 100_000)
        assert lam.invoke(FunctionName="f", Payload=b"1")["Payload"].read() == b"1"
    s3.close()
    lam.close()
    return server


POOL_IDLE_S = 10  # as in src/io/pool.c: its threads wait so long for more work, then end


def at_rest(server):
    """Nothing but the server and its templates, and its threads have done what they had to do."""
    def only_templates():
        return instances(server) == 0 and len(processes.below(server.process.pid)) <= 2
    assert wait_until(only_templates, PATIENCE_S), [
        processes.table().get(pid) for pid, _ in processes.below(server.process.pid)]
    time.sleep(POOL_IDLE_S + 2)


def calls_seen(pid):
    """What strace counts while nothing should happen; None where it may not look."""
    trace = subprocess.Popen(["strace", "-c", "-f", "-p", str(pid)], stderr=subprocess.PIPE,
                             text=True)
    time.sleep(QUIET_S)
    trace.send_signal(signal.SIGINT)
    _, text = trace.communicate(timeout=PATIENCE_S)
    if "Operation not permitted" in text or "attached" not in text:
        return None
    calls = re.findall(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) .* (\w+)$", text, re.MULTILINE)
    return [call for call in calls if call[1] != "total"]


def memory_stalls_us():
    """For how long tasks of this machine have waited for memory; the server is told of 200 ms in 2 s."""
    try:
        text = pathlib.Path("/proc/pressure/memory").read_text()
    except OSError:
        return 0
    return int(re.search(r"^some .*total=(\d+)", text, re.MULTILINE).group(1))


def woken(server):
    """{(name, pid): how often}, of those that were, while nothing should happen."""
    everybody = [server.process.pid, *(pid for pid, _ in processes.below(server.process.pid))]
    while True:
        before, stalls_us = {pid: processes.switches(pid) for pid in everybody}, memory_stalls_us()
        time.sleep(QUIET_S)
        after, table = {pid: processes.switches(pid) for pid in everybody}, processes.table()
        if memory_stalls_us() - stalls_us < 200_000:  # else it may have been told to look around
            return {(table[pid][0], pid): after[pid] - before[pid]
                    for pid in everybody if after[pid] != before[pid]}


def test_nobody_wakes(make_server):
    # A call that waited for its instance could have waited until the quiet time.
    server = rouse_and_rest(make_server, "--hold", f"{POOL_IDLE_S + 5}s")
    at_rest(server)
    assert woken(server) == {}
    calls = calls_seen(server.process.pid) if shutil.which("strace") else None
    if calls is None:
        pytest.skip("no wake-ups; but strace is not here or may not look")
    assert calls == []


def test_templates_go_too(make_server):
    server = rouse_and_rest(make_server, "--template-idle", "2s")
    assert wait_until(lambda: instances(server) == 0 and not processes.below(server.process.pid),
                      PATIENCE_S)
    lam = server.client("lambda")
    answer = lam.invoke(FunctionName="f", Payload=b"2")
    assert answer["Payload"].read() == b"2"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-rouse-tier"] == "cold"
