# SPDX-License-Identifier: Apache-2.0
"""A real server for each test that asks: `server` is shared by all tests of a run, `rouse` is a fresh
one of the test's own, to be stopped, killed and started again. ROUSE_BUILD names the folder with the
programs (default: build)."""
import io
import os
import pathlib
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile

import boto3
import pytest
from botocore.config import Config

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("ROUSE_BUILD", ROOT / "build")).resolve()
REGION = "us-east-1"
PATIENCE_S = 120  # the machine may be busy, the programs sanitized


def pytest_configure(config):
    config.addinivalue_line("markers", "walls(names): walls of the machine without which a test is skipped")


def free_port():
    """One below those that the kernel gives to clients (from 32768 on), so that nobody takes it while a
    server is down between two starts, nor another process of the same test run."""
    while True:
        port = random.SystemRandom().randrange(10240, 32768)
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """`rouse serve` with a data directory of its own."""

    def __init__(self, data, *options, env=None):
        self.data = pathlib.Path(data)
        self.options = list(options)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.extra_env = dict(env or {})
        self.process = None
        self.access_key = self.secret_key = None
        self.log_path = self.data.parent / (self.data.name + ".log")

    @property
    def env(self):
        """What a client program is given, AWS's own names."""
        keep = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH", "HOME")
                if name in os.environ}
        return {**keep, "AWS_ENDPOINT_URL": self.url, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_DEFAULT_REGION": REGION,
                "AWS_REGION": REGION, "AWS_EC2_METADATA_DISABLED": "true"}

    @property
    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def start(self, *options):
        assert self.process is None
        self.data.mkdir(parents=True, exist_ok=True)
        (self.data / "endpoint").unlink(missing_ok=True)
        command = [BUILD / "rouse", "serve", "--data", self.data, "--listen",
                   f"127.0.0.1:{self.port}", *self.options, *options]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ROUSE_", "AWS_"))}
        for name in ("ROUSE_RUNNER", "ROUSE_ONNXRUNTIME"):
            if name in os.environ:
                env[name] = os.environ[name]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env={**env, **self.extra_env})
        self.wait_ready()
        self.read_credentials()
        return self

    def wait_ready(self):
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                status, self.process = self.process.returncode, None
                raise RuntimeError(f"rouse serve ended with {status}:\n{self.log[-4000:]}")
            try:
                with urllib.request.urlopen(self.url + "/readyz", timeout=5) as answer:
                    if answer.status == 200 and (self.data / "endpoint").exists():
                        return
            except (urllib.error.URLError, OSError):
                pass
            time.sleep(0.01)
        raise RuntimeError(f"rouse serve was not ready in {PATIENCE_S} s:\n{self.log[-4000:]}")

    def read_credentials(self):
        lines = dict(line.split(" = ", 1)
                     for line in (self.data / "credentials").read_text().splitlines() if " = " in line)
        self.access_key = lines["aws_access_key_id"]
        self.secret_key = lines["aws_secret_access_key"]

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """Politely; returns the exit status."""
        if self.process is None:
            return None
        process, self.process = self.process, None
        process.terminate()
        try:
            return process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError("rouse serve did not end after SIGTERM") from None

    def kill(self):
        """kill -9, as a power cut would."""
        process, self.process = self.process, None
        process.send_signal(signal.SIGKILL)
        process.wait()

    def client(self, service, **config):
        config.setdefault("retries", {"max_attempts": 0})
        config.setdefault("read_timeout", PATIENCE_S)
        return boto3.client(service, endpoint_url=self.url, region_name=REGION,
                            aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret_key, config=Config(**config))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not disturb each other: names in it are to be random."""
    one = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield one
    assert one.stop() == 0, one.log[-4000:]


@pytest.fixture
def rouse(tmp_path):
    """A server of this test alone."""
    one = Server(tmp_path / "data").start()
    yield one
    one.stop()


@pytest.fixture
def make_server(tmp_path):
    """Servers with options: make_server("--insecure")."""
    made = []

    def make(*options, **more):
        one = Server(tmp_path / f"data{len(made)}", *options, **more)
        made.append(one)
        return one.start()

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def client(server):
    """client("lambda"): a boto3 client of the shared server."""
    return server.client


def zip_of(files):
    """Bytes of a zip: {"model.yaml": "task: echo"}; a ZipInfo may stand for a name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def make_zip():
    return zip_of
