# SPDX-License-Identifier: Apache-2.0
"""Images a second through the server against the same model in a bare loop over ONNX Runtime: as
many single-threaded loops as the server has instances, one for each core. A job is an S3 event whose
object holds the tensor, so decoding is in neither."""

import os
import subprocess

from rig import (BUILD, Row, Server, Skip, closed_loop, end, in_turn, median, model, npy, number,
                 ratios, s3_event, say, spread)

CASES = (("SqueezeNet 1.1", "squeezenet", 2), ("ResNet-50", "resnet50", 5))  # seconds of a round
ROUNDS = 7
SHAPE = (1, 3, 224, 224)
CORES = len(os.sched_getaffinity(0))


class Loops:
    """CORES processes of bench_ort_loop."""

    def __init__(self, path, tensor):
        program = BUILD / "bench" / "bench_ort_loop"
        library = BUILD / "deps" / "onnxruntime" / "lib" / "libonnxruntime.so.1"
        if not program.exists() or not library.exists():
            raise Skip(f"there is no {program if not program.exists() else library}")
        command = [program, library, path, tensor, "x".join(map(str, SHAPE))]
        self.processes = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(CORES)
        ]

    def __enter__(self):
        for process in self.processes:
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("bench_ort_loop did not start")
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.stdin.close()
            end(process)

    def per_second(self, seconds):
        for process in self.processes:
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        rate = 0
        for process in self.processes:
            count, took_us = map(int, process.stdout.readline().split())
            rate += count / took_us * 1e6
        return rate


def measure(server, title, name, seconds, folder):
    packed, raw = npy(SHAPE)
    tensor = folder / "tensor.raw"
    tensor.write_bytes(raw)
    server.put("bench-tensors", f"{name}.npy", packed)
    server.function(name, {"model.yaml": b"task: tensor\nmodel: model.onnx\n",
                           "model.onnx": model(name)}, 1024)
    request = server.invoke_request(name, s3_event("bench-tensors", f"{name}.npy"))
    closed_loop(server.port, request, 2 * CORES, 1)
    with Loops(model(name), tensor) as loops:
        mine, theirs = in_turn(lambda: closed_loop(server.port, request, 2 * CORES, seconds),
                               lambda: loops.per_second(seconds), ROUNDS)
    shares = ratios(mine, theirs)
    share = median(shares)
    say(f"{title}: {number(median(mine))}/s, bare {number(median(theirs))}/s")
    return Row(f"{title} (made) through the server, {server.instances(name)} instances × 1 thread",
               f"{number(median(mine))}/s", f"bare ONNX Runtime, {CORES} × 1 thread: "
               f"{number(median(theirs))}/s", f"{share:.3f}", spread(shares), "≥ 0.95",
               share >= 0.95)


def run(folder):
    rows = []
    with Server(folder) as server:
        server.bucket("bench-tensors")
        for case in CASES:
            rows.append(measure(server, *case, folder))
    return rows
