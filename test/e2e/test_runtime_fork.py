# SPDX-License-Identifier: Apache-2.0
"""The tree of templates that Python's instances are forked from: what a function imports is learned and
loaded before it; what must not be shared is not; what cannot be forked is told, and runs."""
import contextlib
import os
import pathlib
import time

import pytest
from runtime_support import deploy, wait_for

RUNTIME = "python3.11"
LIBRARIES = "rouse:libraries"

# colorsys and wave are of the standard library, and not of those that the runtime itself imports.
PRELOADED = '''
import sys
BEFORE = sorted({"colorsys", "wave"} & sys.modules.keys())
import colorsys, wave
def handler(event, context):
    return {"before": BEFORE, "colorsys": colorsys.__file__, "own": getattr(colorsys, "OWN", None)}
'''


def processes(server, title):
    """The pids of that name below the server."""
    stats = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:
                continue
            name, rest = text[text.index("(") + 1 : text.rindex(")")], text.rsplit(")", 1)[1].split()
            stats[int(entry.name)] = (name, rest[0], int(rest[1]))
    found, grew = {server.process.pid}, True
    while grew:
        below = {pid for pid, (_, _, parent) in stats.items() if parent in found} - found
        found |= below
        grew = bool(below)
    return sorted(pid for pid in found if stats.get(pid, ("", "Z"))[0] == title and stats[pid][1] != "Z")


def log_of(server, name):
    log = server.data / "logs" / name / "log"
    return log.read_text() if log.exists() else ""


def forked(function, tier="warm"):
    """An answer of an instance of that tier."""
    def answer():
        got = function({})
        assert got.error is None, got.log
        return got if got.tier == tier else None
    return wait_for(answer)


@pytest.fixture
def quick(make_server):
    """A server whose instances do not stay."""
    return make_server("--idle", "1ms", "--max-instances", "4", "--log-level", "debug")


# ---- libraries ----


def test_functions_share_the_libraries_that_they_import(quick, make_zip):
    first = deploy(quick, make_zip({"app.py": PRELOADED}), RUNTIME, "app.handler", Timeout=30)
    wait_for(lambda: len(processes(quick, LIBRARIES)) == 1)
    assert wait_for(lambda: forked(first).json["before"] == ["colorsys", "wave"])
    second = deploy(quick, make_zip({"app.py": PRELOADED + "# another\n"}), RUNTIME, "app.handler", Timeout=30)
    assert wait_for(lambda: forked(second).json["before"] == ["colorsys", "wave"])
    assert len(processes(quick, LIBRARIES)) == 1
    third = deploy(quick, make_zip({"app.py": "import colorsys\n" + PRELOADED}), RUNTIME,
                   "app.handler", Timeout=30, Environment={"Variables": {"THEIRS": "perhaps"}})
    wait_for(lambda: forked(third).json["before"] == ["colorsys", "wave"])
    assert len(processes(quick, LIBRARIES)) == 2  # a library may look at the environment


def test_what_was_learned_is_kept(make_server, make_zip):
    server = make_server("--idle", "1ms", "--max-instances", "1")
    function = deploy(server, make_zip({"app.py": PRELOADED}), RUNTIME, "app.handler", Timeout=30)
    wait_for(lambda: forked(function).json["before"])
    server.kill()
    server.start()
    function.client = server.client("lambda")
    wait_for(lambda: processes(server, LIBRARIES))
    assert forked(function).json["before"] == ["colorsys", "wave"]
    # It is made again when it is needed again.
    for pid in processes(server, LIBRARIES) + processes(server, f"rouse:{function.name}"[:15]):
        with contextlib.suppress(ProcessLookupError):  # one may end by itself meanwhile
            os.kill(pid, 9)
    wait_for(lambda: not processes(server, LIBRARIES))
    wait_for(lambda: function({}).json and processes(server, LIBRARIES))


def test_new_code_starts_from_the_libraries_of_the_old(make_server, make_zip):
    server = make_server("--idle", "1ms", "--max-instances", "1")
    client = server.client("lambda")
    function = deploy(server, make_zip({"app.py": PRELOADED}), RUNTIME, "app.handler", Timeout=30)
    wait_for(lambda: forked(function).json["before"])

    def update(files):
        client.update_function_code(FunctionName=function.name, ZipFile=make_zip(files))
        client.get_waiter("function_updated_v2").wait(FunctionName=function.name,
                                                      WaiterConfig={"Delay": 1})

    update({"app.py": PRELOADED + "import time; time.sleep(1)\n"})  # its template takes a while
    answer = function({})
    assert answer.error is None, answer.log
    assert (answer.tier, answer.json["before"]) == ("cool", ["colorsys", "wave"])
    update({"app.py": PRELOADED, "colorsys.py": "OWN = 'mine'\n"})
    for _ in range(3):
        answer = function({})
        assert answer.json["own"] == "mine" and answer.json["colorsys"].startswith("/var/task/")
    wait_for(lambda: forked(function).json["before"] == ["wave"])


def test_a_list_that_is_forged_harms_nobody(quick, make_zip):
    """A module may put into sys.modules what it likes; only what this machine has is loaded."""
    code = '''
import importlib.machinery, sys, types, wave
for name in ("sys.exit()", "a b", "no_such_module", "../x", "colorsys"):
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None, origin=wave.__file__)
    module.__spec__.has_location = True
    sys.modules[name] = module
def handler(event, context):
    return "fine"
'''
    function = deploy(quick, make_zip({"app.py": code}), RUNTIME, "app.handler", Timeout=30)
    wait_for(lambda: processes(quick, LIBRARIES))
    assert forked(function).json == "fine"


# ---- what cannot be forked ----

UNFORKABLE = {
    "threads": ("import threading, time\n"
                "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()", "started threads"),
    "socket": ("import socket\nkept = socket.socket()", "open sockets"),
    "pipe": ("import os\nkept = os.pipe()", "open pipes"),
    "process": ("import subprocess\nkept = subprocess.Popen(['sleep', '600'])", "started processes"),
    "epoll": ("import select\nkept = select.epoll()", "waits for events (eventpoll)"),
    "file": ("kept = open('/tmp/kept', 'w')", "/tmp/kept open for writing"),
    "memory": ("import mmap\nkept = mmap.mmap(-1, 4096)", "shares memory"),
    "tmp": ("open('/tmp/big', 'w').write('x' * (17 << 20))", "more than 16 MB in /tmp"),
}


@pytest.fixture(scope="module")
def unforkable(tmp_path_factory):
    from conftest import Server
    server = Server(tmp_path_factory.mktemp("unforkable") / "data", "--idle", "1ms").start()
    yield server
    assert server.stop() == 0


@pytest.mark.parametrize("what", UNFORKABLE)
def test_what_cannot_be_forked_runs_and_is_told_once(unforkable, make_zip, what):
    code, why = UNFORKABLE[what]
    source = f"{code}\n{PRELOADED}"
    function = deploy(unforkable, make_zip({"app.py": source}), RUNTIME, "app.handler", MemorySize=512)
    wait_for(lambda: "Rouse.CannotFork" in log_of(unforkable, function.name))
    for _ in range(3):  # its libraries can be
        assert wait_for(lambda: forked(function, "cool").json["before"] == ["colorsys", "wave"])
    said = [line for line in log_of(unforkable, function.name).splitlines() if "CannotFork" in line]
    assert len(said) == 1 and why in said[0], said


# ---- what is not shared ----

INSTANCES = '''
import logging, os, tempfile, uuid, warnings
import rouse
handler_of_file = logging.FileHandler("/tmp/own.log", mode="w")
logging.getLogger("own").addHandler(handler_of_file)
logging.getLogger("own").propagate = False
logging.getLogger("own").warning("loaded")
os.environ["SET_BY_ITSELF"] = "yes"
os.environ["TZ"] = "Europe/Berlin"
uuid.uuid1(), tempfile.mktemp()
CHANCES = {}
try:
    import numpy
    numpy.random.random()
    CHANCES["numpy"] = lambda: numpy.random.random()
except ImportError:
    pass
import ssl
ssl.RAND_bytes(8)
CHANCES.update(uuid1=lambda: str(uuid.uuid1()), node=uuid.getnode, ssl=lambda: ssl.RAND_bytes(8).hex(),
               temporary=tempfile.mktemp)

def handler(event, context):
    logging.getLogger("own").warning("job %s", context.aws_request_id)
    with open("/tmp/own.log") as log:
        lines = log.read().split("\\n")
    return {"chances": {name: draw() for name, draw in CHANCES.items()}, "log": lines,
            "env": [os.environ.get("SET_BY_ITSELF"), os.environ["TZ"], os.environ.get("OMP_NUM_THREADS")],
            "access": os.environ["AWS_ACCESS_KEY_ID"], "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
'''


def test_instances_share_neither_chance_nor_files_nor_names(quick, make_zip):
    function = deploy(quick, make_zip({"app.py": INSTANCES}), RUNTIME, "app.handler", Timeout=30)
    answers = [forked(function) for _ in range(6)]
    for name in answers[0].json["chances"]:
        drawn = [answer.json["chances"][name] for answer in answers]
        assert len(set(drawn)) == len(drawn), name
    for answer in answers:
        assert answer.json["log"] == ["loaded", f"job {answer.request_id}", ""]
        assert answer.json["env"] == ["yes", "Europe/Berlin", "1"]
    assert len({answer.json["access"] for answer in answers}) == len(answers)
    assert len({answer.json["stream"] for answer in answers}) == len(answers)


def test_a_hook_that_fails_fails_the_start(quick, make_zip):
    code = ("import rouse\n@rouse.after_fork\ndef hook():\n    raise KeyError('no such thing')\n"
            "def handler(e, c): return 1\n")
    function = deploy(quick, make_zip({"app.py": code}), RUNTIME, "app.handler", Timeout=30)
    answer = function({})
    assert answer.error == "Unhandled" and answer.json["errorType"] == "KeyError"
    assert "no such thing" in answer.json["errorMessage"] and "in hook" in answer.log


def test_threads_of_libraries_are_as_many_as_cores(quick, make_zip):
    code = "import os\ndef handler(e, c): return os.environ.get('OMP_NUM_THREADS')\n"
    cores = len(os.sched_getaffinity(0))
    for memory, own, expected in ((512, None, 1), (1769 * 2, None, min(2, cores)), (512, "3", 3)):
        more = {"Environment": {"Variables": {"OMP_NUM_THREADS": own}}} if own else {}
        function = deploy(quick, make_zip({"app.py": code}), RUNTIME, "app.handler", MemorySize=memory, **more)
        assert forked(function).json == str(expected)


def test_instances_outlive_their_template(make_server, make_zip):
    server = make_server("--template-idle", "400ms", "--idle", "1ms", "--max-instances", "2")
    code = "import time\ndef handler(e, c):\n    time.sleep(e.get('s', 0))\n    return 'done'\n"
    function = deploy(server, make_zip({"app.py": code}), RUNTIME, "app.handler", Timeout=30)
    forked(function)
    answer = function({"s": 1.5})
    assert (answer.error, answer.json) == (None, "done") and answer.tier in ("warm", "hot")
    wait_for(lambda: not processes(server, f"rouse:{function.name}"[:15]))  # the template waited for it
