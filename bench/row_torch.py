# SPDX-License-Identifier: Apache-2.0
"""A Python function with PyTorch: the first answer of an instance that must be started, less an answer of
one that is there; beside it plain python3 doing the same from exec. Which of the starts it was is read from
X-Rouse-Tier; to force one, the templates above it are killed, as a crash would do."""

import base64
import json
import os
import subprocess
import time

from rig import (CACHE, Connection, Row, Server, Skip, below, kill_below, median, number, say, scratch, spread,
                 start, until)

PYTHON = "/usr/bin/python3"
RUNTIME = {"Runtime": "python3.11", "Handler": "app.handler"}
ENV = {"ROUSE_RUNTIMES": f"python3.11={PYTHON}"}
NAME = "classify"
ROUNDS = 3
HANDLER = b'''
import base64, io, os
import torch
from PIL import Image
from torchvision import transforms

model = torch.jit.load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.pt")).eval()
prepare = transforms.Compose([
    transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(),
    transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])])

def handler(event, context):
    image = Image.open(io.BytesIO(base64.b64decode(event["image"]))).convert("RGB")
    with torch.no_grad():
        scores = torch.softmax(model(prepare(image).unsqueeze(0))[0], dim=0)
    return {"class": int(scores.argmax()), "confidence": float(scores.max())}
'''
# PyTorch optimises a model in its first two runs; a function that has them while it is loaded has them
# once, in its template (examples/torch-image-classifier does).
REHEARSED = HANDLER.replace(b"def handler", b"""for _ in range(2):
    with torch.no_grad():
        model(torch.zeros(1, 3, 224, 224))

def handler""")
MODEL = """
import sys, torch, torchvision
torch.manual_seed(1)
model = torchvision.models.mobilenet_v2().eval()
torch.jit.trace(model, torch.zeros(1, 3, 224, 224)).save(sys.argv[1])
"""
BY_HAND = "import json, sys, app; print(app.handler(json.load(open(sys.argv[1])), None), flush=True)"
PICTURE = """
import io, sys
from PIL import Image
Image.effect_mandelbrot((640, 480), (-2, -1.5, 1, 1.5), 40).convert("RGB").save(sys.argv[1], quality=90)
"""
# title, tier, what is killed before, aim in ms
CASES = (("no template is there: the interpreter is executed", "cold", "all", 800),
         ("from the template of its libraries", "cool", "function", 300),
         ("from the function's template", "warm", "nothing", 50))
REHEARSED_CASES = (("from the function's template, the model's first runs in it", "warm", "nothing", 50),)


def made(name, code):
    path = CACHE / "torch" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        done = subprocess.run([PYTHON, "-W", "ignore", "-c", code, path], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"{PYTHON} has no torch, torchvision or PIL")
    return path


def by_hand(folder):
    """Milliseconds from exec to the first answer."""
    began = time.perf_counter()
    subprocess.run([PYTHON, "-W", "ignore", "-c", BY_HAND, "event.json"], cwd=folder, check=True,
                   stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"})
    return (time.perf_counter() - began) * 1e3


def settled(server):
    """No instance is left, and all three templates are there and have been for a moment."""
    def at_rest():
        titles = list(below(server.process.pid).values())
        # The function's template is two processes: the first of its process tree, and itself.
        return server.instances(NAME) == 0 and "rouse:libraries" in titles and f"rouse:{NAME}" in titles and \
            server.info()["templates"] == 3
    until(at_rest, "all templates", 120, 0.05)


def prepare_of(server, connection, request, kind):
    def prepare():
        for _ in range(20):  # until one start is warm, so that all that is made has been made
            settled(server)
            if server.invoke(connection, request)[0] == "warm":
                break
            time.sleep(0.5)
        settled(server)
        if kind != "nothing":
            kill_below(server, {f"rouse:{NAME}"})
        if kind == "all":
            kill_below(server, {"rouse:libraries"})
            kill_below(server, {"python3"})
    return prepare


def measure(folder, handler, cases):
    model, picture = made("model.pt", MODEL), made("picture.jpg", PICTURE)
    event = json.dumps({"image": base64.b64encode(picture.read_bytes()).decode()}).encode()
    (folder / "app.py").write_bytes(handler)
    (folder / "model.pt").write_bytes(model.read_bytes())
    (folder / "event.json").write_bytes(event)
    by_hand(folder)
    rows = []
    with Server(folder, "--idle", "300ms", "--max-instances", "1", env=ENV) as server:
        server.function(NAME, {"app.py": handler, "model.pt": model}, 1769, **RUNTIME)
        connection = Connection(server.port)
        request = server.invoke_request(NAME, event)
        server.invoke(server.connection, request)
        for title, tier, kind, aim in cases:
            prepare = prepare_of(server, connection, request, kind)
            both = [(start(server, connection, request, tier, prepare), by_hand(folder)) for _ in range(ROUNDS)]
            added = [first - hot for (first, hot), _ in both]
            bare = [took for _, took in both]
            say(f"torch: {tier} adds {number(median(added))} ms, python3 {number(median(bare))} ms")
            rows.append(Row(
                f"PyTorch function (MobileNet-v2), {title}", f"{tier}: {number(median([f for (f, _), _ in both]))} ms, "
                f"hot: {number(median([h for (_, h), _ in both]))} ms", f"`python3` from exec: {number(median(bare))} ms",
                f"+{number(median(added))} ms", spread(added, " ms"), f"≤ {aim} ms", median(added) <= aim))
        connection.close()
    return rows


def run(folder):
    with scratch() as other:
        return [*measure(folder, HANDLER, CASES), *measure(other, REHEARSED, REHEARSED_CASES)]
