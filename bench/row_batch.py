# SPDX-License-Identifier: Apache-2.0
"""Short texts through a BERT-shaped encoder, many callers: jobs that run together against the same
function with batches of one. The batches are those that the dispatcher forms by itself."""

import json
import os

from rig import Row, Server, closed_loop, in_turn, median, model, number, ratios, say, spread

TOKENS, CALLERS, SECONDS, ROUNDS = 4, 64, 3, 5
CORES = len(os.sched_getaffinity(0))


def run(folder):
    payload = json.dumps({"inputs": {"input_ids": [list(range(100, 100 + TOKENS))],
                                     "attention_mask": [[1] * TOKENS]}}).encode()
    files = {"model.yaml": b"task: tensor\nmodel: model.onnx\n", "model.onnx": model("bert-base")}
    with Server(folder) as server:
        server.function("together", files, 2048)
        server.function("alone", files, 2048, Batching={"MaxSize": 1})
        calls = {name: server.invoke_request(name, payload) for name in ("together", "alone")}

        def rate(name):
            closed_loop(server.port, calls[name], CALLERS, 1)  # its instances take the cores' places
            return closed_loop(server.port, calls[name], CALLERS, SECONDS)

        rate("together")  # the curve is learned
        mine, theirs = in_turn(lambda: rate("together"), lambda: rate("alone"), ROUNDS)
    shares = ratios(mine, theirs)
    share = median(shares)
    say(f"batches: {number(median(mine))}/s, without {number(median(theirs))}/s")
    return [Row(f"BERT-base shape (made), {TOKENS} tokens, {CALLERS} callers, with batches",
                f"{number(median(mine))}/s", f"without: {number(median(theirs))}/s",
                f"{share:.2f}", spread(shares), "≥ 2", share >= 2)]
