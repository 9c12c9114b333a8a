# SPDX-License-Identifier: Apache-2.0
"""What the rows of the benchmark share: a server of their own, signed requests, nginx, wrk, and
how figures are taken (rounds in turn, medians, least and most)."""

import base64
import contextlib
import datetime
import hashlib
import hmac
import io
import json
import os
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("ROUSE_BUILD", HERE.parent / "build")).resolve()
CACHE = BUILD / "bench"
ROUNDS = 5
REGION = "us-east-1"
ROLE = "arn:aws:iam::000000000000:role/bench"


class Skip(Exception):
    """The row cannot be measured here, and why."""


@dataclass
class Row:
    """One line of the table. `met` None: nothing is aimed at, the figure is reported."""

    measure: str
    ours: str
    reference: str
    ratio: str
    noise: str
    aim: str = "report"
    met: bool | None = None
    notes: list = field(default_factory=list)


def say(text):
    print(f"  {text}", file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def number(value):
    """Three digits that mean something."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(values, unit=""):
    return f"{number(min(values))}–{number(max(values))}{unit}"


def in_turn(ours, reference, rounds=ROUNDS):
    """Alternates the two, so that what else the machine does hits both. Returns both lists."""
    mine, theirs = [], []
    for _ in range(rounds):
        theirs.append(reference())
        mine.append(ours())
    return mine, theirs


def ratios(mine, theirs):
    """Of rounds that stood beside each other in time."""
    return [a / b for a, b in zip(mine, theirs)]


# ---- processes -----------------------------------------------------------------------------------


def need(program):
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    if not path:
        raise Skip(f"there is no {program} (tools/setup bench installs it)")
    return path


def end(process, wait_s=20):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(wait_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(condition, what, wait_s=20, pause_s=0.01):
    """Waits until condition() is true and returns what it returned."""
    limit = time.monotonic() + wait_s
    while not (value := condition()):
        if time.monotonic() > limit:
            raise RuntimeError(f"waited {wait_s} s in vain for {what}")
        time.sleep(pause_s)
    return value


@contextlib.contextmanager
def scratch():
    """A folder on the disk that the build lies on: /tmp may be memory, and fsync then nothing."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="run.", dir=CACHE))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def memory_kb(pid, names):
    """Sums the named fields (Pss, Private_Clean, …) of /proc/PID/smaps_rollup."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.M))
    return sum(int(fields[name]) for name in names)


def processor_s(pids):
    """Seconds of processor that these have used until now."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def parents():
    """(pid, parent, name) of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                text = (entry / "stat").read_text()
                name, rest = text[text.index("(") + 1 : text.rindex(")")], text.rsplit(")", 1)[1]
                yield int(entry.name), int(rest.split()[1]), name


def below(pid):
    """{pid: name} of all that descend from a process, itself left out."""
    found, everyone = {}, list(parents())
    grew = True
    while grew:
        grew = False
        for child, parent, name in everyone:
            if child not in found and (parent == pid or parent in found):
                found[child] = name
                grew = True
    return found


# ---- requests ------------------------------------------------------------------------------------


def hashed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


@dataclass
class Signer:
    """Makes whole HTTP/1.1 requests, signed by SigV4: good for 15 minutes."""

    host: str
    access: str
    secret: str

    def request(self, service, method, path, body=b"", headers=None, query=""):
        now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {"host": self.host, "x-amz-content-sha256": digest, "x-amz-date": now}
        signed.update({name.lower(): value for name, value in (headers or {}).items()})
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical_query = "&".join(
            sorted(part if "=" in part else part + "=" for part in query.split("&") if part)
        )
        canonical = f"{method}\n{path}\n{canonical_query}\n{lines}\n{names}\n{digest}"
        scope = f"{now[:8]}/{REGION}/{service}/aws4_request"
        to_sign = "\n".join(
            ("AWS4-HMAC-SHA256", now, scope, hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{self.secret}".encode()
        for part in (now[:8], REGION, service, "aws4_request"):
            key = hashed(key, part)
        signature = hashed(key, to_sign).hex()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access}/{scope}, SignedHeaders={names}, "
            f"Signature={signature}"
        )
        if body or method in ("PUT", "POST"):
            signed["content-length"] = str(len(body))
        target = path + (f"?{query}" if query else "")
        head = "".join(f"{name}: {value}\r\n" for name, value in signed.items())
        return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


class Connection:
    """Keep-alive, one request at a time; thin, so that what is timed is the server."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = bytearray()

    def close(self):
        self.socket.close()

    def send(self, request):
        self.socket.sendall(request)

    def answer_size(self):
        """Of the answer in self.pending, or None while its head is not whole."""
        at = self.pending.find(b"\r\n\r\n")
        if at < 0:
            return None
        head = bytes(self.pending[:at]).lower()
        if head.startswith((b"http/1.1 204", b"http/1.1 304")):
            return at + 4
        found = re.search(rb"\r\ncontent-length: *(\d+)", head)
        if not found:
            raise RuntimeError(f"an answer of unknown size: {head!r}")
        return at + 4 + int(found[1])

    def pump(self):
        """Reads what is there; the raw answer when it is whole, else None."""
        got = self.socket.recv(1 << 18)
        if not got:
            raise RuntimeError("the server closed the connection")
        self.pending += got
        size = self.answer_size()
        if size is None or len(self.pending) < size:
            return None
        raw = bytes(self.pending[:size])
        del self.pending[:size]
        return raw

    def receive(self):
        while (raw := self.pump()) is None:
            pass
        return raw

    def ask(self, request):
        self.send(request)
        return parse(self.receive())

    def timed(self, request):
        """(answer, seconds)"""
        start = time.perf_counter()
        self.send(request)
        raw = self.receive()
        took = time.perf_counter() - start
        return parse(raw), took


def parse(raw):
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    return Answer(int(lines[0].split()[1]), {k.lower(): v for k, v in headers.items()}, body)


def closed_loop(port, request, connections, seconds):
    """Answers per second of a request sent again and again on some connections. Counted from the
    first answer to the last, so that neither end of the time is half a job, and for longer where not all
    connections have had one."""
    selector = selectors.DefaultSelector()
    opened = [Connection(port) for _ in range(connections)]
    for connection in opened:
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        connection.send(request)
    count, first, last = 0, None, None
    stop = time.perf_counter() + seconds
    while last is None or last < stop or count <= connections:
        for key, _ in selector.select():
            raw = key.data.pump()
            if raw is None:
                continue
            if not raw.startswith(b"HTTP/1.1 200") or b"X-Amz-Function-Error" in raw[:2000]:
                raise RuntimeError(f"refused: {raw[:600]!r}")
            key.data.send(request)
            last = time.perf_counter()
            first = first or last
            count += 1
    for connection in opened:
        connection.close()
    return (count - 1) / (last - first)


# ---- rouse serve ---------------------------------------------------------------------------------


class Server:
    """`rouse serve` on a free port with a fresh data folder."""

    def __init__(self, folder, *options, env=None):
        self.extra_env = env or {}
        self.program = BUILD / "rouse"
        if not self.program.exists():
            raise Skip(f"{self.program} is not built (make)")
        self.data = Path(folder) / "data"
        self.log = Path(folder) / "server.log"
        self.options = options

    def __enter__(self):
        self.process = self.start()
        self.port = until(self.find_port, f"the server to be ready (see {self.log})")
        text = (self.data / "credentials").read_text()
        access = re.search(r"aws_access_key_id *= *(\S+)", text)[1]
        secret = re.search(r"aws_secret_access_key *= *(\S+)", text)[1]
        self.signer = Signer(f"127.0.0.1:{self.port}", access, secret)
        self.connection = Connection(self.port)
        return self

    def __exit__(self, kind, *_):
        self.connection.close()
        end(self.process)
        if kind and kind is not Skip:
            tail = self.log.read_text(errors="replace")[-3000:]
            print(f"---- the server's last words\n{tail}", file=sys.stderr)

    def command(self):
        return [self.program, "serve", "--listen", "127.0.0.1:0", "--data", self.data, *self.options]

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "ROUSE_"))}
        return {**kept, "XDG_CONFIG_HOME": str(self.data.parent / "config"), **self.extra_env}

    def start(self):
        with open(self.log, "w") as log:
            return subprocess.Popen(self.command(), stdout=log, stderr=log, env=self.environment())

    def find_port(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"rouse serve ended: {self.log.read_text()}")
        found = re.search(r"ready on http://[^:]+:(\d+)", self.log.read_text())
        return int(found[1]) if found else None

    def sign(self, service, method, path, body=b"", headers=None, query=""):
        return self.signer.request(service, method, path, body, headers, query)

    def ask(self, *args, **kwargs):
        answer = self.connection.ask(self.sign(*args, **kwargs))
        if answer.status >= 300:
            raise RuntimeError(f"{args[1:3]}: {answer.status} {answer.body[:600]!r}")
        return answer

    def info(self):
        return self.ask("lambda", "GET", "/rouse/info").json()

    def bucket(self, name):
        self.ask("s3", "PUT", f"/{name}")

    def put(self, bucket, key, body):
        self.ask("s3", "PUT", f"/{bucket}/{key}", body)

    def invoke_request(self, name, payload):
        path = f"/2015-03-31/functions/{name}/invocations"
        return self.sign("lambda", "POST", path, payload)

    def function(self, name, files, memory_mb=512, **more):
        """Creates a function, of a model unless told otherwise, from {file name: bytes or path} and waits until
        it is active; `more`: members of its configuration."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
            for file, content in files.items():
                data = content.read_bytes() if isinstance(content, Path) else content
                archive.writestr(file, data)
        data = packed.getvalue()
        if len(data) < 1 << 20:
            code = {"ZipFile": base64.b64encode(data).decode()}
        else:
            self.ask("s3", "PUT", "/bench-packages")
            self.put("bench-packages", f"{name}.zip", data)
            code = {"S3Bucket": "bench-packages", "S3Key": f"{name}.zip"}
        body = json.dumps({
            "FunctionName": name, "Runtime": "onnx", "Handler": "model.yaml", "Role": ROLE,
            "Code": code, "MemorySize": memory_mb, "Timeout": 60, **more,
        }).encode()
        self.ask("lambda", "POST", "/2015-03-31/functions", body,
                 {"Content-Type": "application/json"})
        until(lambda: self.is_active(name), f"{name} to be active", 120, 0.05)

    def is_active(self, name):
        path = f"/2015-03-31/functions/{name}/configuration"
        state = self.ask("lambda", "GET", path).json()
        if state["State"] == "Failed":
            raise Skip(f"{name}: {state.get('StateReason')}")
        return state["State"] == "Active"

    def invoke(self, connection, request):
        """(tier, seconds, answer); a function error is an error here."""
        answer, took = connection.timed(request)
        if answer.status != 200 or "x-amz-function-error" in answer.headers:
            raise RuntimeError(f"{answer.status} {answer.body[:600]!r}")
        return answer.headers.get("x-rouse-tier", "?"), took, answer

    def instances(self, name):
        found = [f for f in self.info()["functions"] if f["name"] == name]
        return found[0]["instances"]


# ---- starts --------------------------------------------------------------------------------------


def kill_below(server, titles):
    """Kills by pid what runs below the server under these names, as a crash would."""
    found = [pid for pid, title in below(server.process.pid).items() if title in titles]
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not set(found) & set(below(server.process.pid)), "processes to be gone")
    return len(found)


def start(server, connection, request, tier, prepare, hot_calls=9):
    """One start of that tier: (first answer, hot answer) in ms. prepare() brings it about."""
    for _ in range(6):
        prepare()
        found, first, _ = server.invoke(connection, request)
        hot = []
        for _ in range(hot_calls):
            again, took, _ = server.invoke(connection, request)
            if again == "hot":
                hot.append(took * 1e3)
        if found == tier and hot:
            return first * 1e3, median(hot)
    raise RuntimeError(f"no start was {tier}: the last one was {found}")


# ---- nginx and wrk -------------------------------------------------------------------------------

NGINX = """
worker_processes 1; daemon off; master_process off; error_log {folder}/error.log; pid {folder}/pid;
{user}
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; sendfile on;
  default_type application/octet-stream;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  open_file_cache max=20000 inactive=600s; open_file_cache_valid 600s;
  server {{
    listen 127.0.0.1:{port};
    location /2015-03-31/ {{ default_type application/json; return 200 '{text}'; }}
    location / {{ root {folder}/files; }}
  }}
}}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextlib.contextmanager
def nginx(folder, text="ok"):
    """One worker, no access log, files below folder/nginx/files. Yields its port."""
    program = need("nginx")
    home = Path(folder) / "nginx"
    (home / "files").mkdir(parents=True, exist_ok=True)
    port = free_port()
    config = home / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    config.write_text(NGINX.format(folder=home, port=port, text=text, user=user))
    process = subprocess.Popen([program, "-p", home, "-c", config, "-e", home / "error.log"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listens(port) or process.poll() is not None, "nginx")
        if process.poll() is not None:
            raise RuntimeError(f"nginx ended: {(home / 'error.log').read_text()}")
        yield port
    finally:
        end(process)


def replay_file(path, requests):
    """For replay.lua: each request as its size on a line, and its bytes."""
    with open(path, "wb") as out:
        for request in requests:
            out.write(b"%d\n" % len(request) + request)
    return path


@dataclass
class Load:
    per_second: float
    p50_us: float
    p99_us: float
    wrong: int


def wrk(port, replay, connections, seconds):
    """Replays the requests of a file, in order, over and over, on one thread of wrk."""
    done = subprocess.run(
        [need("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "-s", HERE / "replay.lua",
         f"http://127.0.0.1:{port}/", "--", replay],
        capture_output=True, text=True, check=False)
    found = re.search(r"RESULT (.*)", done.stdout)
    if not found:
        raise RuntimeError(f"wrk: {done.stdout} {done.stderr}")
    count, duration_us, p50, p99, wrong = map(float, found[1].split())
    return Load(count / duration_us * 1e6, p50, p99, int(wrong))


def wrk_right(*args):
    load = wrk(*args)
    if load.wrong:
        raise RuntimeError(f"{load.wrong} answers were errors")
    return load


# ---- models --------------------------------------------------------------------------------------


def model(name):
    """The path of a model of tools/make_models.py, made once."""
    path = CACHE / "models" / f"{name}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".new")
        done = subprocess.run(
            [sys.executable, HERE.parent / "tools" / "make_models.py", name, partial],
            capture_output=True, text=True, check=False)
        if done.returncode:
            raise Skip(f"{name} cannot be made: {done.stderr.strip().splitlines()[-1:]}")
        partial.rename(path)
    return path


def npy(shape, seed=7):
    """A float32 tensor of noise as numpy's .npy, and its raw bytes."""
    import numpy as np

    values = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    out = io.BytesIO()
    np.save(out, values)
    return out.getvalue(), values.tobytes()


def s3_event(bucket, *keys):
    """The payload that an upload of these keys would make, as far as functions read it."""
    records = [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": REGION,
        "eventTime": "2026-01-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
        "s3": {"s3SchemaVersion": "1.0", "bucket": {"name": bucket, "arn": f"arn:aws:s3:::{bucket}"},
               "object": {"key": key, "size": 0}},
    } for key in keys]
    return json.dumps({"Records": records}).encode()
