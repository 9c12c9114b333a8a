# SPDX-License-Identifier: Apache-2.0
"""Invoke of an echo model function against nginx's `return 200`: the same signed requests, the same
answer, one thread of wrk."""

from rig import Row, Server, in_turn, median, nginx, number, ratios, replay_file, say, spread, wrk_right

PAYLOAD = b'{"key1": "value1", "key2": 42}'
CONNECTIONS = 32
SECONDS = 2


def run(folder):
    with nginx(folder, PAYLOAD.decode()) as plain, Server(folder) as server:
        server.function("echo", {"model.yaml": b"task: echo\n"})
        request = server.invoke_request("echo", PAYLOAD)
        server.invoke(server.connection, request)
        file = replay_file(folder / "echo.requests", [request])

        def loads(connections, seconds):
            return in_turn(lambda: wrk_right(server.port, file, connections, seconds),
                           lambda: wrk_right(plain, file, connections, seconds))

        wrk_right(server.port, file, CONNECTIONS, 1)
        full = loads(CONNECTIONS, SECONDS)
        quiet = loads(1, 1)

    mine, theirs = ([load.per_second for load in side] for side in full)
    shares = ratios(mine, theirs)
    share = median(shares)
    low, low_nginx = ([load.p50_us for load in side] for side in quiet)
    added = [a - b for a, b in zip(low, low_nginx)]
    say(f"echo: {number(median(mine))}/s, nginx {number(median(theirs))}/s")
    return [
        Row(f"invoke of an echo model function, {CONNECTIONS} connections",
            f"{number(median(mine))}/s, p99 {number(median([l.p99_us for l in full[0]]) / 1e3)} ms",
            f"nginx `return 200`: {number(median(theirs))}/s", f"{share:.3f}", spread(shares),
            "≥ 0.22", share >= 0.22),
        Row("the same, added to the p50 of one connection", f"p50 {number(median(low))} µs",
            f"nginx: p50 {number(median(low_nginx))} µs", f"+{number(median(added))} µs",
            spread(added, " µs"), "≤ 150 µs", median(added) <= 150),
    ]
