# SPDX-License-Identifier: Apache-2.0
"""Many at once: a request is held, not refused, up to the queue's bound, and memory stays bounded."""
import asyncio
import collections
import json
import resource

import processes
from conftest import PATIENCE_S, zip_of
from support import frozen, function_make, instances, invoke_path, sanitized, wait_until

ECHO = {"model.yaml": "task: echo\n"}
MANY = 2000
# What a connection may cost the server while its request waits, in KiB.
CONNECTION_KIB = 64


def descriptors_raise(wanted):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))


async def invoke(server, number, connected, gate):
    """(status, headers, body) of one call on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    body = json.dumps({"number": number, "pad": "x" * (number % 500)}).encode()
    connected.append(number)
    await gate.wait()
    writer.write((f"POST {invoke_path()} HTTP/1.1\r\nHost: localhost\r\n"
                  f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, value in
               (line.split(": ", 1) for line in head[1:] if line)}
    answer = await reader.readexactly(int(headers["content-length"]))
    writer.close()
    status = int(head[0].split()[1])
    assert status != 200 or answer == body, f"call {number} got another's answer"
    return status, headers, answer


async def invoke_all(server, count, then=None):
    """All connect first, then all ask."""
    gate = asyncio.Event()
    connected = []
    calls = [asyncio.create_task(invoke(server, number, connected, gate)) for number in range(count)]
    while len(connected) < count and not any(call.done() for call in calls):
        await asyncio.sleep(0.01)
    gate.set()
    if then:
        await then()
    return await asyncio.wait_for(asyncio.gather(*calls), PATIENCE_S)


def test_two_thousand_at_once(make_server, record_property):
    descriptors_raise(2 * MANY)
    server = make_server("--insecure", "--max-instances", "4", "--queue-max", str(MANY))
    lam = function_make(server, ECHO, zip_of=zip_of, Timeout=60)
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    asyncio.run(invoke_all(server, 10))
    before = processes.status(server.process.pid, "VmHWM")
    seen = set()

    async def watch():
        for _ in range(5):
            seen.add(instances(server))
            await asyncio.sleep(0.02)

    answers = asyncio.run(invoke_all(server, MANY, watch))
    assert collections.Counter(status for status, _, _ in answers) == {200: MANY}
    assert max(seen) <= 2
    grown = processes.status(server.process.pid, "VmHWM") - before
    record_property("figures", f"{MANY} calls, {grown} KiB more at most, "
                               f"{grown / MANY:.1f} KiB each")
    print(f"{MANY} calls at once: {grown} KiB more at most")
    assert grown < MANY * CONNECTION_KIB * (8 if sanitized() else 1)
    assert asyncio.run(invoke_all(server, 1))[0][0] == 200


def test_beyond_the_bound(make_server):
    server = make_server("--insecure", "--max-instances", "4", "--queue-max", "50")
    lam = function_make(server, ECHO, zip_of=zip_of, Timeout=300)
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=2)
    asyncio.run(invoke_all(server, 10))
    wait_until(lambda: processes.leaves(server.process.pid), PATIENCE_S)

    async def crowd():
        thaw = asyncio.Event()

        async def refused_ones():
            await asyncio.sleep(2)
            thaw.set()

        with frozen(server):
            calls = asyncio.create_task(invoke_all(server, 200, refused_ones))
            await thaw.wait()
        return await calls

    answers = asyncio.run(crowd())
    statuses = collections.Counter(status for status, _, _ in answers)
    assert set(statuses) == {200, 429}
    # What waits, and what runs, is answered; one instance may still have been on its way.
    assert 51 <= statuses[200] <= 52
    for status, headers, body in answers:
        if status == 429:
            assert int(headers["retry-after"]) > 0
            assert headers["x-amzn-errortype"].startswith("TooManyRequestsException")
            assert json.loads(body)["Reason"]
    assert asyncio.run(invoke_all(server, 50))[0][0] == 200


def test_turned_off(make_server):
    server = make_server("--insecure")
    lam = function_make(server, ECHO, zip_of=zip_of)
    lam.put_function_concurrency(FunctionName="f", ReservedConcurrentExecutions=0)
    status, headers, _ = asyncio.run(invoke_all(server, 1))[0]
    assert status == 429 and headers["x-amzn-errortype"].startswith("TooManyRequestsException")
    lam.delete_function_concurrency(FunctionName="f")
    assert asyncio.run(invoke_all(server, 1))[0][0] == 200
