# SPDX-License-Identifier: Apache-2.0
"""Short texts through a BERT-shaped encoder, many callers: jobs that run together against the same
function with batches of one. The batches are those that the dispatcher forms by itself."""

import json

from rig import Row, Server, closed_loop, in_turn, median, model, number, ratios, say, spread, until

TOKENS, CALLERS, SECONDS, ROUNDS = 4, 64, 4, 3


def run(folder):
    payload = json.dumps({"inputs": {"input_ids": [list(range(100, 100 + TOKENS))],
                                     "attention_mask": [[1] * TOKENS]}}).encode()
    files = {"model.yaml": b"task: tensor\nmodel: model.onnx\n", "model.onnx": model("bert-base")}
    with Server(folder) as server:
        server.function("bert", files, 2048)
        call = server.invoke_request("bert", payload)

        def rate(batching):
            body = json.dumps({"Batching": batching}).encode()
            server.ask("lambda", "PUT", "/2015-03-31/functions/bert/configuration", body,
                       {"Content-Type": "application/json"})
            until(lambda: server.is_active("bert"), "bert to be active", 60, 0.05)
            closed_loop(server.port, call, CALLERS, 3)  # new instances; the curve is learned
            return closed_loop(server.port, call, CALLERS, SECONDS)

        mine, theirs = in_turn(lambda: rate({}), lambda: rate({"MaxSize": 1}), ROUNDS)
    shares = ratios(mine, theirs)
    share = median(shares)
    say(f"batches: {number(median(mine))}/s, without {number(median(theirs))}/s")
    return [Row(f"BERT-base shape (made), {TOKENS} tokens, {CALLERS} callers, with batches",
                f"{number(median(mine))}/s", f"without: {number(median(theirs))}/s",
                f"{share:.2f}", spread(shares), "≥ 2", share >= 2)]
