# SPDX-License-Identifier: Apache-2.0
"""A function that tries to get out, and must fail: as root, as an ordinary user, from its handler
and while it is loaded. Each attempt that the walls alone prevent is made once more without walls
(--sandbox off), where it must succeed: otherwise the test would test nothing."""
import json
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request
import uuid

import pytest

from conftest import BUILD, REGION, ROOT, Server, zip_of

ROLE = "arn:aws:iam::000000000000:role/escape"
ORDINARY = "nobody"

ATTACKER = r'''
import ctypes, errno, glob, json, os, signal, socket, struct, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES, errno.EAFNOSUPPORT)
CALLS = {  # x86_64; each with arguments that do no harm where the call is allowed
    "ptrace": (101, 16, -1, 0, 0), "mount": (165, 0, 0, 0, 0, 0), "umount2": (166, 0, 0),
    "keyctl": (250, 0, -3, 0), "add_key": (248, 0, 0, 0, 0, -3), "request_key": (249, 0, 0, 0, 0),
    "bpf": (321, 0, 0, 0), "io_uring_setup": (425, 1, 0), "userfaultfd": (323, 1),
    "perf_event_open": (298, 0, 0, -1, -1, 0), "unshare": (272, 0x10000000),
    "setns": (308, -1, 0), "clone": (56, 0x10000000 | 17, 0, 0, 0, 0),
    "process_vm_readv": (310, os.getpid(), 0, 0, 0, 0, 0), "pidfd_getfd": (438, -1, 0, 0),
    "open_by_handle_at": (304, -1, 0, 0), "kexec_load": (246, 0, 0, 0, 0xffff),
    "init_module": (175, 0, 0, 0), "reboot": (169, 0, 0, 0, 0), "swapon": (167, 0, 0),
    "chroot": (161, 0), "pivot_root": (155, 0, 0), "fsopen": (430, 0, 0),
    "open_tree": (428, -1, 0, 0), "quotactl": (179, -1, 0, 0, 0), "iopl": (172, 4),
}


def got(detail):
    return {"escaped": True, "detail": str(detail)[:300]}


def kept(detail=""):
    return {"escaped": False, "detail": str(detail)[:300]}


def read(event):
    try:
        with open(event["path"], "rb") as file:
            return got(file.read(100))
    except OSError as e:
        return kept(e)


def list_folder(event):
    try:
        return got(os.listdir(event["path"]))
    except OSError as e:
        return kept(e)


def write(event):
    try:
        with open(event["path"], "ab"):
            return got("opened for writing")
    except OSError as e:
        return kept(e)


def process(event):
    """Signals, sees or opens a process of the host."""
    pid, marker = event["pid"], event["marker"].encode()
    found = []
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            found += ["signal"] if marker in file.read() else []
    except OSError:
        pass
    for name in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(name, "rb") as file:
                found += ["seen"] if marker in file.read() else []
        except OSError:
            pass
    return got(found) if found else kept()


def memory_of(pid, marker):
    """Looks for the marker in what the process has in memory."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, access = line.split()[:2]
            start, end = (int(part, 16) for part in span.split("-"))
            if access.startswith("rw") and end - start < 1 << 28:
                try:
                    memory.seek(start)
                    if marker in memory.read(end - start):
                        return True
                except (OSError, ValueError, OverflowError):
                    pass
    return False


def spy(event):
    """Looks for another instance's event: in memory, environments and shared folders."""
    marker = "".join(reversed(event["backwards"])).encode()
    for pid in [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid()]:
        try:
            with open(f"/proc/{pid}/comm") as comm:
                if comm.read().startswith("rouse:") and memory_of(pid, marker):
                    return got(f"in process {pid}")
        except OSError:
            pass
    for folder in ("/tmp", "/dev/shm"):
        for name in os.listdir(folder):
            if marker.decode() in name:
                return got(name)
    return kept()


def hold(event):
    open("/tmp/" + event["secret"], "w").close()
    time.sleep(event["seconds"])
    return kept()


def connect(event):
    family = socket.AF_UNIX if "name" in event else socket.AF_INET
    where = "\0" + event["name"] if "name" in event else (event["host"], event["port"])
    with socket.socket(family) as s:
        s.settimeout(5)
        try:
            s.connect(where)
            return got(where)
        except OSError as e:
            return kept(e)


def interfaces(event):
    with open("/proc/self/net/dev") as file:
        names = [line.split(":")[0].strip() for line in file if ":" in line]
    return got(names) if [n for n in names if n != "lo"] else kept(names)


def endpoint(event):
    import urllib.request
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/readyz", timeout=20) as answer:
        return {"escaped": False, "detail": answer.status}


def hoard(event):
    """Keeps as many connections to the endpoint as it can get answered."""
    import http.client
    host = os.environ["AWS_ENDPOINT_URL"].split("//")[1]
    kept_open = []
    for _ in range(400):
        connection = http.client.HTTPConnection(host, timeout=20)
        try:
            connection.request("GET", "/readyz")
            connection.getresponse().read()
            kept_open.append(connection)
        except (OSError, http.client.HTTPException):
            break
    time.sleep(event["seconds"])
    return kept(len(kept_open))


def call(event):
    number, *arguments = CALLS[event["name"]]
    ctypes.set_errno(0)
    pid = os.getpid()
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in arguments])
    if event["name"] == "clone" and result == 0 and os.getpid() != pid:
        os._exit(0)
    error = ctypes.get_errno()
    if result == -1 and error in REFUSED:
        return kept(errno.errorcode[error])
    return got(f"{result}, {errno.errorcode.get(error)}")


def raw_socket(event):
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
        return got("AF_PACKET")
    except OSError as e:
        return kept(e)


def bomb(event):
    """Forks until it cannot; the limit is 1,024 processes."""
    children = []
    try:
        while len(children) < 1100:
            pid = os.fork()
            if pid == 0:
                signal.pause()
                os._exit(0)
            children.append(pid)
    except OSError:
        pass
    for pid in children:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return got(len(children)) if len(children) >= 1100 else kept(len(children))


def fill(event):
    size, piece = 0, b"x" * (1 << 20)
    path = "/tmp/" + event["name"]
    try:
        with open(path, "wb", 0) as file:
            while size < 600 << 20:
                size += file.write(piece)
    except OSError as e:
        return kept(e)
    finally:
        os.unlink(path)
    return got(size)


def eat(event):
    pieces = []
    for _ in range(40):
        pieces.append(os.urandom(1) * (10 << 20))
    return got("400 MB")


def outlive(event):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(300)", event["marker"]])
        os._exit(0)
    time.sleep(60)


def forge(event):
    """Speaks on its own channel as only the runtime should."""
    header = struct.Struct("<IHHII")
    words = [b"", b"x" * 100, header.pack(0x45535552, 1, 5, 1 << 30, 4000),
             header.pack(0x45535552, 1, 2, 8, 0) + struct.pack("<II", 1, 0),
             header.pack(0x45535552, 1, 3, 24, 0) + struct.pack("<IQIII", 1, 1, 0, 0, 0)]
    answer = json.dumps("forged").encode()
    for job in event["jobs"]:
        body = struct.pack("<QIIIII", job, 0, 0, 0, 0, len(answer)) + answer
        body += struct.pack("<QQQI", 0, 0, 0, 0)
        words.insert(0, header.pack(0x45535552, 1, 5, len(body), 0) + body)
    sent = 0
    for fd in range(3, 64):
        try:
            with socket.socket(fileno=os.dup(fd)) as s:
                for word in words:
                    s.send(word, socket.MSG_DONTWAIT)
                    sent += 1
        except OSError:
            pass
    return kept(sent)


def handler(event, context):
    return globals()[event["try"]](event)


EARLY = [dict(event, result=handler(event, None)) for event in json.loads(os.environ.get("EARLY", "[]"))]


def early(event):
    return EARLY
'''

CALL_NAMES = ["ptrace", "mount", "umount2", "keyctl", "add_key", "request_key", "bpf",
              "io_uring_setup", "userfaultfd", "perf_event_open", "unshare", "setns", "clone",
              "process_vm_readv", "pidfd_getfd", "open_by_handle_at", "kexec_load", "init_module",
              "reboot", "swapon", "chroot", "pivot_root", "fsopen", "open_tree", "quotactl", "iopl"]


class Prison(Server):
    """A server, as some user, with the functions that try to get out of it."""

    def __init__(self, folder, user, *options, prefix=()):
        super().__init__(folder / "data", "--max-instances", "6", *options)
        self.folder, self.user, self.prefix = folder, user, prefix
        self.data.mkdir()
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("rouse", "rouse-runner", "librouse-jail.so"):
            shutil.copy(BUILD / name, self.programs / name)
        shutil.copytree(ROOT / "src/runtime", folder / "src/runtime")
        self.log_path.touch()
        if user:
            for path in (self.data, self.log_path):
                shutil.chown(path, user)

    def start(self, *options):
        command = [*self.prefix, self.programs / "rouse", "serve", "--data", self.data, "--listen",
                   f"127.0.0.1:{self.port}", *self.options, *options]
        env = {k: v for k, v in os.environ.items() if not k.startswith(("ROUSE_", "AWS_"))}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(c) for c in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd="/", env={**env, "PATH": "/usr/local/bin:/usr/bin:/bin", "SERVERS_SECRET": "only-the-server-knows"}, **self.identity())
        self.wait_ready()
        self.read_credentials()
        self.lam = self.client("lambda")
        return self

    def identity(self):
        """Of processes started for this server, for subprocess."""
        if not self.user:
            return {}
        entry = pwd.getpwnam(self.user)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def info(self):
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        request = AWSRequest(method="GET", url=self.url + "/rouse/info")
        SigV4Auth(Credentials(self.access_key, self.secret_key), "lambda", REGION).add_auth(request)
        with urllib.request.urlopen(urllib.request.Request(
                request.url, headers=dict(request.headers.items()))) as answer:
            return json.load(answer)

    def create(self, code=ATTACKER, memory=2048, timeout=60, env=None):
        name = "escape-" + uuid.uuid4().hex[:8]
        self.lam.create_function(
            FunctionName=name, Runtime="python3.11", Handler="attacker.handler", Role=ROLE,
            Code={"ZipFile": zip_of({"attacker.py": code})}, MemorySize=memory, Timeout=timeout,
            Environment={"Variables": env or {}})
        return name

    def create_open(self):
        """With network: open, a member that the SDK does not know and would refuse."""
        def add(params, **_):
            params["body"] = json.dumps({**json.loads(params["body"]), "Network": "open"}).encode()

        self.lam.meta.events.register("before-call.lambda.CreateFunction", add)
        try:
            return self.create()
        finally:
            self.lam.meta.events.unregister("before-call.lambda.CreateFunction", add)

    def attempt(self, function, **event):
        got = self.lam.invoke(FunctionName=function, Payload=json.dumps(event).encode())
        answer = json.loads(got["Payload"].read())
        assert "FunctionError" not in got, answer
        return answer


def prison(user, *options, **more):
    # Not below /tmp, which is the functions' own only behind the wall `root`.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rouse-escape-", dir="/var/tmp"))
    folder.chmod(0o755)
    one = Prison(folder, user, *options, **more)
    try:
        one.start()
        one.attacker = one.create()
        one.victim = one.create("SECRET = 'of another function'\ndef handler(event, context):\n"
                                "    return SECRET\n")
        yield one
        assert one.stop() == 0, one.log[-4000:]
    finally:
        if one.process:
            one.kill()
        shutil.rmtree(folder, ignore_errors=True)


# A machine, or container, that denies its ordinary users all namespaces.
DENIED = ["unshare", "-U", "--map-current-user", "--keep-caps", "sh", "-c",
          "echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --ambient-caps=-all "
          "--inh-caps=-all --bounding-set=-all \"$@\"", "sh"]


@pytest.fixture(scope="module")
def half_walled():
    """Only what needs no namespaces stands."""
    if subprocess.run([*DENIED, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a user namespace (what is tried here is tried anyway)")
    yield from prison(user_of("ordinary"), prefix=DENIED)


USERS = ["root", "ordinary"] if os.geteuid() == 0 else ["ordinary"]


def user_of(kind):
    return ORDINARY if kind == "ordinary" and os.geteuid() == 0 else None


@pytest.fixture(scope="module", params=USERS)
def walled(request):
    for one in prison(user_of(request.param)):
        one.kind = request.param
        one.walls = one.info()["walls"]
        yield one


@pytest.fixture(autouse=True)
def walls_stand(request):
    """walls(…) of a test names the walls that it tries; "root|files": either will do."""
    marker = request.node.get_closest_marker("walls")
    if marker and "walled" in request.fixturenames:
        walls = request.getfixturevalue("walled").walls
        for needed in marker.args:
            if not set(needed.split("|")) & set(walls["standing"]):
                pytest.skip(f"this machine denies the wall {needed}: {walls['why']}")


@pytest.fixture(scope="module", params=USERS)
def open_(request):
    for one in prison(user_of(request.param), "--sandbox", "off"):
        one.kind = request.param
        yield one


@pytest.fixture
def bystander():
    """A process of the server's user that has nothing to do with it."""
    made = []

    def start(one):
        marker = "bystander-" + uuid.uuid4().hex
        process = subprocess.Popen([shutil.which("python3", path="/usr/bin:/bin") or "python3",
                                    "-c", "import time; time.sleep(120)", marker],
                                   **one.identity())
        made.append(process)
        return process.pid, marker

    yield start
    for process in made:
        process.kill()
        process.wait()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(socket.AF_UNIX) as unix:
        name = "rouse-" + uuid.uuid4().hex
        unix.bind("\0" + name)
        unix.listen()
        yield tcp.getsockname()[1], name


def package_of(one, function):
    """Where the function's code lies on the host."""
    found = [p for p in one.data.rglob("attacker.py") if "of another function" in p.read_text()]
    assert found
    return found[0]


# ---- what must fail inside, and works outside ----


def files_of(one):
    return {"data": one.data, "credentials": one.data / "credentials",
            "victim": package_of(one, one.victim), "environ": f"/proc/{one.process.pid}/environ",
            "memory": f"/proc/{one.process.pid}/maps", "log": one.log_path,
            "shadow": "/etc/shadow", "home": pathlib.Path(pwd.getpwuid(0).pw_dir)}


@pytest.mark.walls("root|files")
@pytest.mark.parametrize("name", ["data", "credentials", "victim", "environ", "memory", "log",
                                  "shadow", "home"])
def test_files_of_others_are_not_there(walled, name):
    path = files_of(walled)[name]
    how = "list_folder" if pathlib.Path(path).is_dir() else "read"
    answer = walled.attempt(walled.attacker, **{"try": how, "path": str(path)})
    assert not answer["escaped"], answer


@pytest.mark.parametrize("name", ["data", "credentials", "victim", "environ", "memory", "log"])
def test_files_of_others_are_there_without_walls(open_, name):
    path = files_of(open_)[name]
    how = "list_folder" if pathlib.Path(path).is_dir() else "read"
    answer = open_.attempt(open_.attacker, **{"try": how, "path": str(path)})
    assert answer["escaped"], answer


@pytest.mark.walls("root|files")
@pytest.mark.parametrize("path", ["/usr/bin/env", "/etc/passwd", "/var/task/attacker.py", "/x",
                                  "/dev/x", "/proc/sys/kernel/core_pattern",
                                  "/proc/sysrq-trigger"])
def test_nothing_but_tmp_is_written(walled, path):
    answer = walled.attempt(walled.attacker, **{"try": "write", "path": path})
    assert not answer["escaped"], answer
    own = "/tmp/rouse-" + uuid.uuid4().hex
    assert walled.attempt(walled.attacker, **{"try": "write", "path": own})["escaped"]
    pathlib.Path(own).unlink(missing_ok=True)  # it is the host's where there is no wall `root`


@pytest.mark.walls("processes")
def test_other_processes_are_out_of_reach(walled, bystander):
    for pid, marker in (bystander(walled), (walled.process.pid, "rouse serve")):
        answer = walled.attempt(walled.attacker, **{"try": "process", "pid": pid, "marker": marker})
        assert not answer["escaped"], answer


def test_other_processes_are_in_reach_without_walls(open_, bystander):
    pid, marker = bystander(open_)
    answer = open_.attempt(open_.attacker, **{"try": "process", "pid": pid, "marker": marker})
    assert answer["escaped"], answer


def spying(one):
    """One instance holds an event while another one looks for it."""
    secret = "secret" + uuid.uuid4().hex
    holding = threading.Thread(target=one.attempt, args=(one.attacker,), kwargs={
        "try": "hold", "secret": secret, "seconds": 4})
    holding.start()
    time.sleep(1)
    answer = one.attempt(one.attacker, **{"try": "spy", "backwards": secret[::-1]})
    holding.join()
    return answer


@pytest.mark.walls("processes", "root")
def test_other_instances_events_are_not_seen(walled):
    answer = spying(walled)
    assert not answer["escaped"], answer


def test_other_instances_events_are_seen_without_walls(open_):
    answer = spying(open_)
    assert answer["escaped"], answer


@pytest.mark.walls("network")
def test_the_network_is_the_endpoint(walled, listener):
    port, name = listener
    for event in ({"host": "127.0.0.1", "port": port}, {"name": name},
                  {"host": "192.0.2.1", "port": 80}):
        answer = walled.attempt(walled.attacker, **{"try": "connect", **event})
        assert not answer["escaped"], answer
    assert not walled.attempt(walled.attacker, **{"try": "interfaces"})["escaped"]
    assert not walled.attempt(walled.attacker, **{"try": "raw_socket"})["escaped"]
    assert walled.attempt(walled.attacker, **{"try": "endpoint"})["detail"] == 200


@pytest.mark.walls("root|files")
def test_an_open_network_is_the_hosts(walled, listener):
    function = walled.create_open()
    for _ in range(2):
        answer = walled.attempt(function, **{"try": "connect", "host": "127.0.0.1",
                                             "port": listener[0]})
        assert answer["escaped"], answer
        assert walled.attempt(function, **{"try": "endpoint"})["detail"] == 200
        time.sleep(0.5)
    assert not walled.attempt(function, **{"try": "read", "path": str(walled.data)})["escaped"]
    assert not walled.attempt(function, **{"try": "raw_socket"})["escaped"]


def test_the_network_is_the_hosts_without_walls(open_, listener):
    port, name = listener
    for event in ({"host": "127.0.0.1", "port": port}, {"name": name}):
        answer = open_.attempt(open_.attacker, **{"try": "connect", **event})
        assert answer["escaped"], answer
    assert open_.attempt(open_.attacker, **{"try": "endpoint"})["detail"] == 200


@pytest.mark.walls("network")
def test_connections_are_bounded(walled):
    answers = []
    hoarding = threading.Thread(target=lambda: answers.append(walled.attempt(
        walled.attacker, **{"try": "hoard", "seconds": 3})))
    hoarding.start()
    time.sleep(2)
    assert walled.attempt(walled.victim) == "of another function"
    hoarding.join()
    assert 1 <= int(answers[0]["detail"]) <= 256
    assert walled.attempt(walled.attacker, **{"try": "endpoint"})["detail"] == 200


@pytest.mark.walls("calls")
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("name", CALL_NAMES)
def test_calls_are_refused(walled, name):
    answer = walled.attempt(walled.attacker, **{"try": "call", "name": name})
    assert not answer["escaped"], answer


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86_64")
@pytest.mark.parametrize("name", ["ptrace", "keyctl", "add_key", "request_key", "clone", "setns",
                                  "process_vm_readv", "pidfd_getfd"])
def test_calls_are_not_refused_without_walls(open_, name):
    if name == "clone" and subprocess.run(["unshare", "-U", "true"], capture_output=True).returncode:
        pytest.skip("this machine (or the chroot we are in) lets nobody make a user namespace")
    answer = open_.attempt(open_.attacker, **{"try": "call", "name": name})
    assert answer["escaped"], answer


@pytest.mark.walls("limits")
def test_a_fork_bomb_fizzles(walled):
    answer = walled.attempt(walled.attacker, **{"try": "bomb"})
    assert not answer["escaped"], answer
    assert walled.attempt(walled.victim) == "of another function"


def test_a_fork_bomb_goes_off_without_walls(open_):
    assert open_.attempt(open_.attacker, **{"try": "bomb"})["escaped"]


@pytest.mark.walls("root")
def test_tmp_is_bounded(walled):
    answer = walled.attempt(walled.attacker, **{"try": "fill", "name": uuid.uuid4().hex})
    assert not answer["escaped"], answer


def test_tmp_is_not_bounded_without_walls(open_):
    assert open_.attempt(open_.attacker, **{"try": "fill", "name": uuid.uuid4().hex})["escaped"]


def hungry(one):
    function = one.create(memory=128)
    got = one.lam.invoke(FunctionName=function, Payload=b'{"try": "eat"}')
    return got.get("FunctionError"), got["Payload"].read().decode()


@pytest.mark.walls("limits")
def test_memory_is_bounded(walled):
    error, answer = hungry(walled)
    assert error, answer
    assert "signal: killed" in answer or "MemoryError" in answer
    assert walled.attempt(walled.victim) == "of another function"


def test_memory_is_not_bounded_without_walls(open_):
    error, answer = hungry(open_)
    assert not error and "400 MB" in answer


def marked(marker):
    """Pids on this host whose command line has the marker."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if marker.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def outliving(one):
    """Pids that are left of a function that was ended for its time."""
    function = one.create(timeout=2)
    marker = "outlives-" + uuid.uuid4().hex
    got = one.lam.invoke(FunctionName=function, Payload=json.dumps(
        {"try": "outlive", "marker": marker}).encode())
    assert "Task timed out" in got["Payload"].read().decode()
    until = time.monotonic() + 20
    while marked(marker) and time.monotonic() < until:
        time.sleep(0.1)
        if one.kind_open and time.monotonic() > until - 18:
            break
    return marked(marker)


@pytest.mark.walls("processes")
def test_nothing_outlives_a_timeout(walled):
    walled.kind_open = False
    assert outliving(walled) == []


def test_a_daemon_outlives_a_timeout_without_walls(open_):
    open_.kind_open = True
    left = outliving(open_)
    for pid in left:
        os.kill(pid, 9)
    assert left


# ---- what must fail whatever the walls ----


@pytest.mark.walls("network")
def test_forged_messages_hurt_their_sender_only(walled):
    forger = walled.create()
    for jobs in ([1 << 40], [0, 1, 2, 3]):
        walled.lam.invoke(FunctionName=forger, Payload=json.dumps(
            {"try": "forge", "jobs": jobs}).encode())
        assert walled.attempt(walled.victim) == "of another function"
    assert walled.process.poll() is None
    assert not walled.attempt(walled.attacker, **{"try": "connect", "host": "127.0.0.1",
                                                  "port": 1})["escaped"]


@pytest.mark.walls("root|files", "network", "processes", "calls")
def test_walls_stand_while_a_function_is_loaded(walled, listener, bystander):
    files = files_of(walled)
    pid, marker = bystander(walled)
    tries = [{"try": "read", "path": str(files[n])} for n in ("credentials", "victim", "environ",
                                                              "shadow")]
    tries += [{"try": "connect", "host": "127.0.0.1", "port": listener[0]}, {"try": "interfaces"},
              {"try": "process", "pid": pid, "marker": marker},
              {"try": "write", "path": "/var/task/attacker.py"}]
    tries += [{"try": "call", "name": n} for n in ("ptrace", "keyctl", "bpf", "io_uring_setup",
                                                   "process_vm_readv", "setns")]
    function = walled.create(env={"EARLY": json.dumps(tries)})
    for _ in range(3):  # from the runtime's template, and from the function's own
        for answer in walled.attempt(function, **{"try": "early"}):
            assert not answer["result"]["escaped"], answer
        time.sleep(0.5)


def test_the_servers_environment_is_not_handed_down(walled):
    answer = walled.attempt(walled.attacker, **{"try": "read", "path": "/proc/self/environ"})
    assert "only-the-server-knows" not in answer["detail"]


# ---- where namespaces are denied ----


def test_files_of_others_are_not_there_without_namespaces(half_walled):
    assert set(half_walled.info()["walls"]["standing"]) == {"files", "calls", "privileges", "limits"}
    files = files_of(half_walled)
    for name in ("data", "credentials", "victim", "environ", "memory", "log", "shadow", "home"):
        how = "list_folder" if pathlib.Path(files[name]).is_dir() else "read"
        answer = half_walled.attempt(half_walled.attacker, **{"try": how, "path": str(files[name])})
        assert not answer["escaped"], (name, answer)


def test_instances_work_without_namespaces(half_walled):
    """Also those that are forked from the function's template, whose /proc/self is another."""
    function = half_walled.create("import time\ndef handler(event, context):\n    time.sleep(1)\n    return 'fine'\n",
                                  memory=4096)
    said = []
    for _ in range(2):
        threads = [threading.Thread(target=lambda: said.append(half_walled.attempt(function))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert said == ["fine"] * 8


# ---- what must work all the same ----

NEEDS = r"""
import asyncio, concurrent.futures, ctypes, getpass, mmap, multiprocessing, os, pwd, random, secrets
import signal, socket, sqlite3, ssl, subprocess, tempfile, threading, time, uuid, zoneinfo

def double(x):
    return 2 * x

def threads():
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(double, range(100))) == 9900

def processes():
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(double, [1, 2]) == [2, 4]

def programs():
    failed = subprocess.run(["/bin/sh", "-c", "exit 3"]).returncode
    return failed == 3 and subprocess.check_output(["env", "echo", "x"]) == b"x\n"

def files():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "db")
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("CREATE TABLE t (x)")
        os.rename(path, path + "2")
        os.symlink("db2", os.path.join(folder, "link"))
        with open(path + "2", "r+b") as file:
            mmap.mmap(file.fileno(), 0).close()
        return len(os.listdir(folder)) >= 2

def loopback():
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()), server.accept()[0]:
            return socket.gethostbyname("localhost") == "127.0.0.1"

def certificates():
    return len(ssl.create_default_context().get_ca_certs()) > 10

def event_loop():
    async def main():
        process = await asyncio.create_subprocess_exec("true")
        return await process.wait() == 0
    return asyncio.run(main())

def user():
    return pwd.getpwuid(os.getuid()).pw_name == getpass.getuser() == "sbx_user1051"

def zone():
    return str(zoneinfo.ZoneInfo("Europe/Berlin")) == "Europe/Berlin"

def signals():
    got = []
    signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
    signal.raise_signal(signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR1)
    return len(got) == 2

def native():
    return ctypes.CDLL(None).getpid() == os.getpid() and threading.get_native_id() == os.getpid()

def spare_time():
    time.sleep(0.01)
    return os.getloadavg() and os.cpu_count() > 0 and os.statvfs("/tmp").f_blocks > 0

def handler(event, context):
    answers = {}
    for need in (threads, processes, programs, files, loopback, certificates, event_loop, user,
                 zone, signals, native, spare_time):
        try:
            answers[need.__name__] = bool(need()) or "no"
        except Exception as e:
            answers[need.__name__] = repr(e)
    answers["chance"] = [random.random(), secrets.token_hex(8), str(uuid.uuid4()),
                         ssl.RAND_bytes(8).hex()]
    time.sleep(event.get("seconds", 0))
    return answers
"""


@pytest.mark.walls("user")
def test_what_interpreters_need_works(walled):
    function = walled.create(NEEDS)
    for _ in range(2):  # from the runtime's template, then from the function's
        answers = walled.attempt(function)
        answers.pop("chance")
        assert {k: v for k, v in answers.items() if v is not True} == {}
        walled.lam.update_function_configuration(FunctionName=function, Description="fresh")
        walled.lam.get_waiter("function_updated_v2").wait(FunctionName=function)
        time.sleep(1)


def test_instances_do_not_share_their_chances(walled):
    function = walled.create(NEEDS)
    walled.attempt(function)
    time.sleep(1)  # by now the function has a template
    seen = []
    for _ in range(3):
        threads = [threading.Thread(target=lambda: seen.extend(
            walled.attempt(function, seconds=1)["chance"])) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(seen) == 48 and len(set(seen)) == 48


# ---- saying so ----


@pytest.mark.walls("user", "processes", "root", "network", "files", "calls")
def test_info_names_the_walls(walled):
    walls = walled.info()["walls"]
    assert {"user", "processes", "root", "network", "files", "calls"} <= set(walls["standing"])
    assert walls["limits"] in ("cgroup v1", "cgroup v2", "rlimits")
    assert "functions run behind the walls user," in walled.log


def test_info_says_that_there_are_none(open_):
    walls = open_.info()["walls"]
    assert walls["standing"] == [] and "--sandbox off" in walls["why"]
    assert "functions run without the walls" in open_.log


def test_required_walls_are_refused_when_off(make_server):
    with pytest.raises(RuntimeError, match="--require-sandbox"):
        make_server("--sandbox", "off", "--require-sandbox")
