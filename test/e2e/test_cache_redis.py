# SPDX-License-Identifier: Apache-2.0
"""The result cache in a Redis (or a Valkey): shared by servers, and whatever becomes of it, nobody who asks
notices. A real one is started on a free port of the loopback."""
import concurrent.futures
import os
import shutil
import signal
import socket
import subprocess

import pytest

from cache_support import deploy
from conftest import PATIENCE_S, free_port
from runtime_support import wait_for
from test_cache import cached_of

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
NAME = "shared"

pytestmark = pytest.mark.skipif(not PROGRAM, reason="neither redis-server nor valkey-server is installed")


class Redis:
    """Keeps nothing on disk."""

    def __init__(self, folder, *options, tls=False):
        self.folder, self.options, self.tls = folder, options, tls
        self.port = free_port()
        self.process = None
        self.start()

    def start(self):
        listen = ("--port", "0", "--tls-port") if self.tls else ("--port",)
        self.process = subprocess.Popen(
            [PROGRAM, *listen, str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
             "--dir", str(self.folder), *self.options], stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        wait_for(self.is_up, PATIENCE_S)

    def is_up(self):
        assert self.process.poll() is None, "the Redis has ended"
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def say(self, *words, password=None):
        """The first line that it answers."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as s:
            if password:
                s.sendall(b"AUTH " + password.encode() + b"\r\n")
                assert s.recv(100) == b"+OK\r\n"
            parts = [str(word).encode() for word in words]
            s.sendall(b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
            return s.recv(4096).decode().splitlines()[0]

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()


@pytest.fixture
def make_redis(tmp_path):
    made = []

    def make(*options, **more):
        made.append(Redis(tmp_path, *options, **more))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def redis(make_redis):
    return make_redis()


@pytest.fixture
def make_asker(make_server):
    def make(url, **more):
        server = make_server("--cache", url, **more)
        asker = deploy(server.client("lambda", max_pool_connections=32), {"TtlSeconds": 600}, name=NAME)
        asker.server = server
        return asker

    return make


def state(asker):
    return cached_of(asker.server, NAME)[1]["state"]


def comes_back(asker, number):
    """Asks until it is found again; every answer on the way is right."""
    def cached():
        answer, tier = asker({"n": number})
        assert answer["event"] == {"n": number}
        return tier == "cached"

    wait_for(cached, PATIENCE_S)


def all_right(asker, count=40):
    """Many at once, none fails, each is answered what it asked."""
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda i: asker({"n": i % 10}), range(count)))
    assert [answer["event"] for answer, _ in answers] == [{"n": i % 10} for i in range(count)]
    return [tier for _, tier in answers]


def test_servers_share_it(redis, make_asker):
    one = make_asker(f"redis://127.0.0.1:{redis.port}/3")
    two = make_asker(f"redis://localhost:{redis.port}/3")
    other = make_asker(f"redis://127.0.0.1:{redis.port}/4")
    assert one({"a": 1})[1] != "cached"

    def the_same():  # a machine that is busy may miss it once
        answers = [one({"a": 1}), two({"a": 1})]
        return answers[0] == answers[1] and answers[0][1] == "cached"

    wait_for(the_same, PATIENCE_S)
    assert other({"a": 1})[1] != "cached"
    assert redis.say("DBSIZE") == ":0"  # database 0
    ttl = int(redis.say("EVAL", "redis.call('select', 3) return redis.call('pttl', redis.call('keys', '*')[1])",
                        "0")[1:])
    assert 0 < ttl <= 600_000
    stats = cached_of(two.server, NAME)[1]
    assert stats["kind"] == "redis" and stats["hits"] > 0


def test_stopped_and_started_again(redis, make_asker):
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    comes_back(asker, 1)
    redis.stop()
    assert "cached" not in [asker({"n": i})[1] for i in range(10)]
    all_right(asker)
    assert state(asker) != "ready"
    assert "is not used until it is found again" in asker.server.log
    redis.start()
    comes_back(asker, 1)
    all_right(asker)


def test_not_there_at_the_start(redis, make_asker):
    redis.stop()
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    all_right(asker)
    redis.start()
    comes_back(asker, 1)


def test_silent_at_the_start(redis, make_asker):
    redis.signal(signal.SIGSTOP)  # the kernel takes the connection all the same
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    all_right(asker)
    wait_for(lambda: "it does not answer" in asker.server.log)
    all_right(asker)
    redis.signal(signal.SIGCONT)
    comes_back(asker, 1)


def test_hung(redis, make_asker):
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    comes_back(asker, 1)
    redis.signal(signal.SIGSTOP)
    try:
        all_right(asker)
        assert all(asker({"n": i})[1] != "cached" for i in range(10))
        assert cached_of(asker.server, NAME)[1]["late"] > 0
    finally:
        redis.signal(signal.SIGCONT)
    comes_back(asker, 1)


def test_full(redis, make_asker):
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    comes_back(asker, 1)
    assert redis.say("CONFIG", "SET", "maxmemory-policy", "noeviction") == "+OK"
    assert redis.say("CONFIG", "SET", "maxmemory", "1") == "+OK"
    all_right(asker)
    comes_back(asker, 1)  # it still reads
    assert asker({"full": 1})[1] != "cached" and asker({"full": 1})[1] != "cached"
    assert "keeps nothing new: OOM" in asker.server.log
    assert redis.say("CONFIG", "SET", "maxmemory", "0") == "+OK"
    comes_back(asker, 100)


def test_wrong_password(make_redis, make_asker):
    redis = make_redis("--requirepass", "right")
    wrong = make_asker(f"redis://:wrong@127.0.0.1:{redis.port}")
    none = make_asker(f"redis://127.0.0.1:{redis.port}")
    right = make_asker(f"redis://default:right@127.0.0.1:{redis.port}")
    for asker, word in ((wrong, "WRONGPASS"), (none, "NOAUTH")):
        all_right(asker)
        assert word in asker.server.log and "wrong@" not in asker.server.log
        assert state(asker) != "ready"
    comes_back(right, 1)
    # From now on it has another one, and forgets who was let in.
    assert redis.say("CONFIG", "SET", "requirepass", "wrong", password="right") == "+OK"
    redis.say("CLIENT", "KILL", "TYPE", "normal", password="wrong")
    all_right(right)
    assert state(right) != "ready"
    comes_back(wrong, 1)


def test_somebody_elses_values(redis, make_asker):
    asker = make_asker(f"redis://127.0.0.1:{redis.port}")
    comes_back(asker, 1)
    script = "for _, k in ipairs(redis.call('keys', '*')) do redis.call('set', k, ARGV[1]) end return 1"
    for value in ("", "R1", "R1xxxxxxxx{}", "{}", "x" * 100_000):
        assert redis.say("EVAL", script, "0", value) == ":1"
        all_right(asker, 10)
    assert redis.say("EVAL", "for _, k in ipairs(redis.call('keys', '*')) do redis.call('del', k) "
                             "redis.call('lpush', k, 'a') end return 1", "0") == ":1"
    all_right(asker, 10)
    comes_back(asker, 100)


def test_encrypted(make_redis, make_asker, tmp_path):
    if not shutil.which("openssl"):
        pytest.skip("no openssl here to make a certificate")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    try:
        redis = make_redis("--tls-cert-file", str(cert), "--tls-key-file", str(key), "--tls-ca-cert-file", str(cert),
                           "--tls-auth-clients", "no", tls=True)
    except AssertionError:
        pytest.skip("this Redis knows no TLS")
    trusting = make_asker(f"rediss://localhost:{redis.port}", env={"SSL_CERT_FILE": str(cert)})
    comes_back(trusting, 1)
    all_right(trusting)
    for url, env in ((f"rediss://localhost:{redis.port}", {}),
                     (f"rediss://127.0.0.1:{redis.port}", {"SSL_CERT_FILE": str(cert)}),
                     (f"redis://localhost:{redis.port}", {})):
        other = make_asker(url, env=env)  # nobody we know; not its name; it wants TLS
        all_right(other, 10)
        wait_for(lambda: "is not used until it is found again" in other.server.log)
        assert state(other) != "ready"


def test_an_address_that_is_none_is_said(tmp_path):
    from conftest import BUILD

    for url in ("redis://", "redis://h:x", "memcached://h", "redis://p/secret@h"):
        done = subprocess.run([BUILD / "rouse", "serve", "--data", tmp_path / "d", "--cache", url],
                              capture_output=True, text=True, timeout=PATIENCE_S,
                              env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
        assert done.returncode == 2 and "--cache: is not \"memory\": " in done.stderr and "secret" not in done.stderr
