# SPDX-License-Identifier: Apache-2.0
'''Every way in which a function may fail, in Python, in Node.js and as a program of its own: Lambda's status, headers,
document and log lines.'''
import concurrent.futures
import json
import platform
import re

import pytest
from conftest import zip_of
from runtime_programs import BOOTSTRAP
from runtime_support import deploy, executable
from test_runtime_extensions import make as with_extensions

LIMIT = 6 * 1024 * 1024 + 100

# Linux 6.15 keeps how a process ended; before, nobody can tell who is not its parent.
KNOWS_EXIT = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2]) >= (6, 15)

PYTHON = '''
import ctypes, os, sys, time

class Refusal(Exception):
    pass

def inner(what):
    raise Refusal(what)

def handler(event, context):
    how = event["how"]
    print("about to", how)
    if how == "raise":
        inner("no <b>Grüße</b>")
    if how == "unserializable":
        return {1, 2}
    if how == "large":
        return "x" * event["size"]
    if how == "exit":
        sys.exit(event["status"])
    if how == "segv":
        ctypes.string_at(0)
    if how == "sleep":
        time.sleep(60)
    if how == "memory":
        return len([bytearray(1 << 20) for _ in range(2000)])
    return "fine"
'''

NODE = '''
class Refusal extends Error {
  constructor(message) { super(message); this.name = "Refusal"; this.code = 17; }
}
function inner(what) { throw new Refusal(what); }
exports.handler = async (event) => {
  const how = event.how;
  console.log("about to", how);
  if (how === "raise") inner("no <b>Grüße</b>");
  if (how === "unserializable") { const loop = {}; loop.loop = loop; return loop; }
  if (how === "large") return "x".repeat(event.size);
  if (how === "exit") process.exit(event.status);
  if (how === "segv") process.kill(process.pid, "SIGSEGV");
  if (how === "sleep") await new Promise((resolve) => setTimeout(resolve, 60000));
  if (how === "memory") { const all = []; for (let i = 0; i < 2000; i++) all.push(Buffer.alloc(1 << 20, "x")); }
  if (how === "throw what is no error") throw "just words";
  if (how === "reject later") { Promise.reject(new Refusal("later")); await new Promise((r) => setTimeout(r, 5000)); }
  if (how === "throw later") { setTimeout(() => inner("later"), 1); await new Promise((r) => setTimeout(r, 5000)); }
  return "fine";
};
exports.callback = (event, context, callback) => {
  if (event.how === "raise") callback(new Refusal("by callback"));
  else if (event.how === "fail") context.fail("by context");
  else if (event.how === "nothing") return;
  else callback(null, "fine");
};
'''

PROVIDED = BOOTSTRAP + '''
import ctypes
def handler(runtime, event, request_id, headers):
    how = event["how"]
    print("about to", how, flush=True)
    path = "invocation/" + request_id
    if how == "raise":
        runtime.call("POST", path + "/error", json.dumps({
            "errorType": "Refusal", "errorMessage": "no <b>Grüße</b>", "stackTrace": ["here"], "more": 1}),
            {"Lambda-Runtime-Function-Error-Type": "Refusal", "Lambda-Runtime-Function-XRay-Error-Cause": "{}"})
        return None
    if how == "error without a document":
        runtime.call("POST", path + "/error", b"", {"Lambda-Runtime-Function-Error-Type": "Own.Kind"})
        return None
    if how == "error without anything":
        runtime.call("POST", path + "/error", b"")
        return None
    if how == "large":
        status, _, body = runtime.call("POST", path + "/response", b"x" * event["size"])
        print("told", status, json.loads(body)["errorType"] if status != 202 else "", flush=True)
        return None
    if how == "misuse":
        told = [runtime.call("POST", "invocation/00000000-0000-0000-0000-000000000000/response", b"1"),
                runtime.call("GET", "invocation/next"),
                runtime.call("POST", "init/error", b"{}"),
                runtime.call("POST", path + "/response", b"1", {"Lambda-Runtime-Function-Response-Mode": "odd"}),
                runtime.call("POST", path + "/response", json.dumps("first")),
                runtime.call("POST", path + "/response", json.dumps("second")),
                runtime.call("GET", "nothing/of/that/name")]
        print("told", json.dumps([[status, json.loads(body).get("errorType") if body.startswith(b"{") else body.decode()]
                                  for status, _, body in told]), flush=True)
        return None
    if how == "exit":
        os._exit(event["status"])
    if how == "segv":
        ctypes.string_at(0)
    if how == "sleep":
        time.sleep(60)
    if how == "memory":
        return b"%d" % len([bytearray(1 << 20) for _ in range(2000)])
    return b'"fine"'

if os.environ.get("LOAD") == "error":
    Runtime().error("init/error", "Own.InitKind", "cannot begin")
    sys.exit(1)
if os.environ.get("LOAD") == "exit":
    os._exit(4)
if os.environ.get("LOAD") == "sleep":
    print("loading", flush=True)
    time.sleep(60)
serve(handler, Runtime())
'''

RUNTIMES = {
    "python": ("python3.11", "app.handler", {"app.py": PYTHON}),
    "node": ("nodejs20.x", "index.handler", {"index.js": NODE}),
    "provided": ("provided.al2023", "none", {executable("bootstrap"): PROVIDED}),
}


def make(server, kind, **more):
    runtime, handler, files = RUNTIMES[kind]
    return deploy(server, zip_of(files), runtime, more.pop("handler", handler),
                  **{"Timeout": 30, "MemorySize": 128, **more})


@pytest.fixture(scope="module", params=list(RUNTIMES))
def failing(server, request):
    function = make(server, request.param)
    function.kind = request.param
    return function


@pytest.fixture(scope="module")
def node(server):
    return make(server, "node")


@pytest.fixture(scope="module")
def provided(server):
    return make(server, "provided")


def reason(kind, text):
    return text if KNOWS_EXIT or kind != "python" else "Runtime exited without providing a reason"


def check_error(answer):
    assert (answer.status, answer.error) == (200, "Unhandled"), answer.log
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-amz-executed-version"] == "$LATEST"
    assert answer.lines.count(f"START RequestId: {answer.request_id} Version: $LATEST") == 1
    assert answer.lines[-2] == f"END RequestId: {answer.request_id}"
    assert answer.lines[-1].startswith(f"REPORT RequestId: {answer.request_id}\tDuration: ")


def check_platform_error(answer, error_type, text):
    check_error(answer)
    said = f"RequestId: {answer.request_id} Error: {text}"
    assert answer.json == {"errorType": error_type, "errorMessage": said}


def check_ended(answer, text, error_type="Runtime.ExitError"):
    check_platform_error(answer, error_type, text)
    at = answer.lines.index(f"RequestId: {answer.request_id} Error: {text}")
    assert answer.lines[at + 1 : at + 3] == [error_type, f"END RequestId: {answer.request_id}"]
    report = answer.report()
    assert (report["Status"], report["Error Type"]) == ("error", error_type)


def lives_on(function):
    answer = function({"how": "not"})
    assert (answer.error, answer.json) == (None, "fine"), answer.log
    return answer


# ---- what the function itself finds wrong ----


def test_an_error_is_shown(failing):
    answer = failing({"how": "raise"})
    check_error(answer)
    document = answer.json
    assert (document["errorType"], document["errorMessage"]) == ("Refusal", "no <b>Grüße</b>")
    assert answer.report()["Status"] == "failure" and "Error Type" not in answer.report()
    if failing.kind == "python":
        assert document["requestId"] == answer.request_id
        assert [re.sub(r"line \d+", "line N", line) for line in document["stackTrace"]] == [
            '  File "/var/task/app.py", line N, in handler\n    inner("no <b>Grüße</b>")\n',
            '  File "/var/task/app.py", line N, in inner\n    raise Refusal(what)\n']
        assert "[ERROR] Refusal: no <b>Grüße</b>" in answer.lines
        assert "Traceback (most recent call last):" in answer.lines
    elif failing.kind == "node":
        assert document["trace"][0] == "Refusal: no <b>Grüße</b>"
        assert re.fullmatch(r"    at inner \(/var/task/index.js:\d+:\d+\)", document["trace"][1])
        line = next(line for line in answer.lines if "\tERROR\tInvoke Error \t" in line)
        when, request_id, _, _, shown = line.split("\t")
        shown = json.loads(shown)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", when) and request_id == answer.request_id
        assert (shown["errorType"], shown["code"]) == ("Refusal", 17) and shown["stack"] == document["trace"]
    else:  # passed on as it came
        assert document == {"errorType": "Refusal", "errorMessage": "no <b>Grüße</b>", "stackTrace": ["here"], "more": 1}
    assert any("about to raise" in line for line in answer.lines)
    assert lives_on(failing).tier == "hot"


def test_an_answer_that_is_no_json(failing):
    answer = failing({"how": "unserializable"}) if failing.kind != "provided" else failing({"how": "not"})
    if failing.kind == "python":
        assert answer.json["errorType"] == "Runtime.MarshalError"
        assert answer.json["errorMessage"] == ("Unable to marshal response: Object of type set is not JSON "
                                               "serializable")
    elif failing.kind == "node":
        assert (answer.json["errorType"], answer.json["errorMessage"]) == ("Error",
                                                                           "Unable to stringify response body")
    else:  # a program answers what it likes
        assert answer.raw == b'"fine"'


def test_an_event_that_is_no_json(failing):
    answer = failing(payload=b"{no")
    check_error(answer)
    if failing.kind == "python":
        assert answer.json["errorType"] == "Runtime.UnmarshalError"
        assert answer.json["errorMessage"].startswith("Unable to unmarshal input: ")
    elif failing.kind == "node":
        assert answer.json["errorType"] == "SyntaxError"
    else:  # its program has ended of it
        assert answer.json["errorType"] == "Runtime.ExitError"
    lives_on(failing)


def test_an_answer_as_large_as_may_be(failing):
    quotes = 0 if failing.kind == "provided" else 2
    answer = failing({"how": "large", "size": LIMIT - quotes})
    assert answer.error is None and len(answer.raw) == LIMIT


def test_an_answer_that_is_too_large(failing):
    answer = failing({"how": "large", "size": LIMIT + 1})
    check_error(answer)
    assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert answer.json["errorMessage"] == ("Response payload size exceeded maximum allowed payload size "
                                           f"({LIMIT} bytes).")
    lives_on(failing)


# ---- what the platform finds ----


@pytest.mark.parametrize("status", [3, 255])
def test_the_process_ends_before_the_answer(failing, status):
    answer = failing({"how": "exit", "status": status})
    check_ended(answer, reason(failing.kind, f"Runtime exited with error: exit status {status}"))
    assert any("about to exit" in line for line in answer.lines)
    lives_on(failing)  # in a new one


def test_the_process_is_killed_by_a_signal(failing):
    check_ended(failing({"how": "segv"}), reason(failing.kind,
                                                 "Runtime exited with error: signal: segmentation fault"))
    lives_on(failing)


def test_the_process_ends_without_an_error(failing):
    check_ended(failing({"how": "exit", "status": 0}), "Runtime exited without providing a reason")
    lives_on(failing)


def test_memory_runs_out(failing):
    answer = failing({"how": "memory"})
    check_error(answer)
    if answer.json["errorType"] == "Runtime.OutOfMemory":
        check_ended(answer, "Runtime exited with error: signal: killed", "Runtime.OutOfMemory")
        assert int(answer.report()["Max Memory Used"].split()[0]) >= 64
    else:  # no cgroup here: allocations are refused instead
        assert answer.json["errorType"] in ("MemoryError", "Runtime.ExitError")
    lives_on(failing)


def test_it_takes_too_long(server, failing):
    slow = make(server, failing.kind, Timeout=1)
    answer = slow({"how": "sleep"})
    check_platform_error(answer, "Sandbox.Timedout", "Task timed out after 1.00 seconds")
    assert any("about to sleep" in line for line in answer.lines)
    assert any(re.fullmatch(rf"\d{{4}}-\S+Z {answer.request_id} Task timed out after 1.00 seconds", line)
               for line in answer.lines)
    assert answer.report()["Status"] == "timeout"
    lives_on(slow)


# ---- failures before the first event ----


def check_init(answer, error_type):
    '''Tried twice, both times said, and then told to whoever waited.'''
    check_error(answer)
    reports = [line.split("\t") for line in answer.lines if line.startswith("INIT_REPORT")]
    assert [report[1:] for report in reports] == [
        ["Phase: init", "Status: error", f"Error Type: {error_type}"],
        ["Phase: invoke", "Status: error", f"Error Type: {error_type}"]]
    assert re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms", reports[0][0])
    start = answer.lines.index(f"START RequestId: {answer.request_id} Version: $LATEST")
    assert max(i for i, line in enumerate(answer.lines) if line.startswith("INIT_REPORT")) < start
    assert answer.report()["Error Type"] == error_type


@pytest.mark.parametrize("code, handler, error_type, message", [
    ("import nothing_of_that_name", "app.handler", "Runtime.ImportModuleError",
     "Unable to import module 'app': No module named 'nothing_of_that_name'"),
    ("", "other.handler", "Runtime.ImportModuleError",
     "Unable to import module 'other': No module named 'other'"),
    ("x = 1", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'app'"),
    ("x = 1", "handler", "Runtime.MalformedHandlerName",
     "Bad handler 'handler': not enough values to unpack (expected 2, got 1)"),
    ("def handler(:", "app.handler", "Runtime.UserCodeSyntaxError",
     "Syntax error in module 'app': invalid syntax (app.py, line 1)")])
def test_python_that_cannot_be_loaded(server, code, handler, error_type, message):
    answer = deploy(server, zip_of({"app.py": code}), "python3.11", handler)()
    check_init(answer, error_type)
    assert answer.json["errorType"] == error_type
    assert answer.json["errorMessage"] == message
    assert answer.json["stackTrace"] == []
    assert f"[ERROR] {error_type}: {message}" in answer.lines


def test_an_exception_while_python_is_loaded(server):
    answer = deploy(server, zip_of({"app.py": "print('loading')\n{}['key']\n"}), "python3.11", "app.handler")()
    check_init(answer, "KeyError")
    assert answer.json["errorMessage"] == "'key'"
    assert any("/var/task/app.py" in line for line in answer.json["stackTrace"])
    assert answer.lines[0] == "loading"


@pytest.mark.parametrize("code, handler, error_type, message", [
    ("require('nothing-of-that-name')", "index.handler", "Runtime.ImportModuleError",
     "Error: Cannot find module 'nothing-of-that-name'\nRequire stack:\n- /var/task/index.js\n- "
     "/var/runtime/index.mjs"),
    ("", "other.handler", "Runtime.ImportModuleError",
     "Error: Cannot find module 'other'\nRequire stack:\n- /var/runtime/index.mjs"),
    ("exports.x = 1", "index.handler", "Runtime.HandlerNotFound", "index.handler is undefined or not exported"),
    ("exports.handler = 1", "index.handler", "Runtime.HandlerNotFound", "index.handler is not a function"),
    ("x = 1", "handler", "Runtime.MalformedHandlerName", "Bad handler"),
    ("exports.handler = (", "index.handler", "Runtime.UserCodeSyntaxError",
     "SyntaxError: Unexpected end of input"),
    ("throw new RangeError('too soon')", "index.handler", "RangeError", "too soon")])
def test_javascript_that_cannot_be_loaded(server, code, handler, error_type, message):
    answer = deploy(server, zip_of({"index.js": code}), "nodejs20.x", handler)()
    check_init(answer, error_type)
    assert (answer.json["errorType"], answer.json["errorMessage"]) == (error_type, message)
    assert answer.json["trace"][0].startswith(error_type)
    assert any("\tundefined\tERROR\tUncaught Exception \t" in line for line in answer.lines)


def test_a_program_that_says_that_it_cannot_start(server):
    answer = make(server, "provided", Environment={"Variables": {"LOAD": "error"}})()
    check_init(answer, "Own.InitKind")
    assert answer.json == {"errorType": "Own.InitKind", "errorMessage": "cannot begin"}


@pytest.mark.parametrize("kind, files, more", [
    ("python", {"app.py": "import os\nos._exit(4)\n"}, {}),
    ("node", {"index.js": "process.exit(4)"}, {}),
    ("provided", None, {"Environment": {"Variables": {"LOAD": "exit"}}})])
def test_an_exit_while_it_is_loaded(server, kind, files, more):
    runtime, handler, own = RUNTIMES[kind]
    answer = deploy(server, zip_of(files or own), runtime, handler, **more)()
    check_init(answer, "Runtime.ExitError")
    check_platform_error(answer, "Runtime.ExitError", reason(kind, "Runtime exited with error: exit status 4"))


@pytest.mark.parametrize("files, text", [
    ({"other": ""}, "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"),
    ({"bootstrap": "#!/bin/sh\n"}, "fork/exec /var/task/bootstrap: permission denied"),
    ({executable("bootstrap"): "no program"}, "fork/exec /var/task/bootstrap: exec format error"),
    ({executable("bootstrap"): "#!/nowhere/sh\n"}, "fork/exec /var/task/bootstrap: no such file or directory")])
def test_a_package_without_a_program(server, files, text):
    answer = deploy(server, zip_of(files), "provided.al2023", "none")()
    check_init(answer, "Runtime.InvalidEntrypoint")
    check_ended(answer, text, "Runtime.InvalidEntrypoint")


def test_loading_that_takes_too_long(make_server):
    '''Ten seconds, then once more within the function's own time. All at once, since ten seconds are long.'''
    server = make_server("--max-instances", "8")
    python = "import time\nprint('loading')\ntime.sleep(60)\ndef handler(e, c): pass\n"
    javascript = "console.log('loading'); const end = Date.now() + 60000; while (Date.now() < end) {}"
    functions = [
        deploy(server, zip_of({"app.py": python}), "python3.11", "app.handler", Timeout=2),
        deploy(server, zip_of({"index.js": javascript}), "nodejs20.x", "index.handler", Timeout=2),
        make(server, "provided", Timeout=2, Environment={"Variables": {"LOAD": "sleep"}}),
        with_extensions(server, env={"watcher": {"silent": True}}, Timeout=2)]  # which never comes
    with concurrent.futures.ThreadPoolExecutor(len(functions)) as pool:
        answers = list(pool.map(lambda function: function(), functions))
    for answer in answers:
        check_platform_error(answer, "Sandbox.Timedout", "Task timed out after 2.00 seconds")
        assert any(re.fullmatch(r"INIT_REPORT Init Duration: \d+\.\d\d ms\tPhase: init\tStatus: timeout", line)
                   for line in answer.lines)
        assert any(line.endswith("loading") for line in answer.lines[:2])


# ---- what only one runtime can do wrong ----


def test_javascript_throws_what_is_no_error(node):
    answer = node({"how": "throw what is no error"})
    check_error(answer)
    assert answer.json == {"errorType": "string", "errorMessage": "just words", "trace": []}


@pytest.mark.parametrize("how, error_type, message, status", [
    ("reject later", "Runtime.UnhandledPromiseRejection", "Refusal: later", 128),
    ("throw later", "Refusal", "later", 129)])
def test_javascript_fails_where_nobody_catches(node, how, error_type, message, status):
    answer = node({"how": how})
    check_error(answer)
    assert (answer.json["errorType"], answer.json["errorMessage"]) == (error_type, message)
    lives_on(node)


def test_javascript_with_callbacks(server):
    function = make(server, "node", handler="index.callback")
    assert function({"how": "not"}).json == "fine"
    answer = function({"how": "raise"})
    check_error(answer)
    assert (answer.json["errorType"], answer.json["errorMessage"]) == ("Refusal", "by callback")
    assert function({"how": "fail"}).json == {"errorType": "string", "errorMessage": "by context", "trace": []}
    assert function({"how": "nothing"}).json is None
    assert function({"how": "not"}).json == "fine"


def test_errors_without_a_document(provided):
    answer = provided({"how": "error without a document"})
    check_error(answer)
    assert answer.json == {"errorType": "Own.Kind", "errorMessage": ""}
    assert provided({"how": "error without anything"}).json["errorType"] == "Runtime.Unknown"


def test_a_program_that_misuses_the_api(provided):
    answer = provided({"how": "misuse"})
    assert (answer.error, answer.json) == (None, "first")
    lines = answer.lines + provided({"how": "not"}).lines
    told = next(line for line in lines if line.startswith("told"))
    assert json.loads(told[len("told "):]) == [
        [400, "InvalidRequestID"], [403, "InvalidStateTransition"], [403, "InvalidStateTransition"],
        [400, "InvalidFunctionResponseMode"], [202, None], [403, "InvalidStateTransition"],
        [404, "404 page not found\n"]]


def test_who_answers_too_much_is_told(provided):
    answer = provided({"how": "large", "size": LIMIT + 1})
    lines = answer.lines + provided({"how": "not"}).lines
    assert "told 413 RequestEntityTooLarge" in lines
