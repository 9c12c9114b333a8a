# SPDX-License-Identifier: Apache-2.0
"""Python functions: every way to fail, worded as Lambda words it; what is logged; what a function is
told; and that forked instances share nothing they must not."""
import base64
import concurrent.futures
import json
import os
import platform
import re
import time

import pytest
from runtime_support import deploy

RUNTIME = "python3.11"
LIMIT = 6 * 1024 * 1024 + 100

# Linux 6.15 keeps how a process ended; before, nobody can tell who is not its parent.
KNOWS_EXIT = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2]) >= (6, 15)

FAILURES = '''
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
    if how == "set":
        return {1, 2}
    if how == "large":
        return "x" * event["size"]
    if how == "exit":
        sys.exit(event["status"])
    if how == "_exit":
        os._exit(event["status"])
    if how == "segv":
        ctypes.string_at(0)
    if how == "sleep":
        time.sleep(60)
    if how == "memory":
        return len([bytearray(1 << 20) for _ in range(2000)])
    return "fine"
'''


@pytest.fixture(scope="module")
def failing(server, request):
    from conftest import zip_of
    return deploy(server, zip_of({"app.py": FAILURES}), RUNTIME, "app.handler", Timeout=30, MemorySize=128)


def reason(text):
    return text if KNOWS_EXIT else "Runtime exited without providing a reason"


def check_platform_error(answer, error_type, text):
    said = f"RequestId: {answer.request_id} Error: {text}"
    assert (answer.status, answer.error) == (200, "Unhandled"), answer.log
    assert answer.json == {"errorType": error_type, "errorMessage": said}


def check_ended(answer, text):
    check_platform_error(answer, "Runtime.ExitError", text)
    at = answer.lines.index(f"RequestId: {answer.request_id} Error: {text}")
    assert answer.lines[at + 1 : at + 3] == ["Runtime.ExitError", f"END RequestId: {answer.request_id}"]
    report = answer.report()
    assert (report["Status"], report["Error Type"]) == ("error", "Runtime.ExitError")


def test_an_exception_is_shown_with_its_stack(failing):
    answer = failing({"how": "raise"})
    assert (answer.status, answer.error) == (200, "Unhandled")
    document = answer.json
    assert document["errorType"] == "Refusal"
    assert document["errorMessage"] == "no <b>Grüße</b>"
    assert document["requestId"] == answer.request_id
    assert [re.sub(r"line \d+", "line N", line) for line in document["stackTrace"]] == [
        '  File "/var/task/app.py", line N, in handler\n    inner("no <b>Grüße</b>")\n',
        '  File "/var/task/app.py", line N, in inner\n    raise Refusal(what)\n']
    assert "[ERROR] Refusal: no <b>Grüße</b>" in answer.lines
    assert "Traceback (most recent call last):" in answer.lines
    assert answer.lines[0] == f"START RequestId: {answer.request_id} Version: $LATEST"
    assert answer.lines[1] == "about to raise"
    assert failing({"how": "not"}).json == "fine"  # it lives on


def test_an_answer_that_is_no_json(failing):
    answer = failing({"how": "set"})
    assert answer.error == "Unhandled"
    assert answer.json["errorType"] == "Runtime.MarshalError"
    assert answer.json["errorMessage"] == ("Unable to marshal response: Object of type set is not JSON "
                                           "serializable")


def test_an_event_that_is_no_json(failing):
    answer = failing(payload=b"{no")
    assert answer.error == "Unhandled"
    assert answer.json["errorType"] == "Runtime.UnmarshalError"
    assert answer.json["errorMessage"].startswith("Unable to unmarshal input: ")


def test_an_answer_as_large_as_may_be(failing):
    answer = failing({"how": "large", "size": LIMIT - 2})
    assert answer.error is None and len(answer.raw) == LIMIT


def test_an_answer_that_is_too_large(failing):
    answer = failing({"how": "large", "size": LIMIT - 1})
    assert answer.error == "Unhandled"
    assert answer.json["errorType"] == "Function.ResponseSizeTooLarge"
    assert answer.json["errorMessage"] == ("Response payload size exceeded maximum allowed payload size "
                                           f"({LIMIT} bytes).")


@pytest.mark.parametrize("event, text", [
    ({"how": "exit", "status": 3}, "Runtime exited with error: exit status 3"),
    ({"how": "_exit", "status": 255}, "Runtime exited with error: exit status 255"),
    ({"how": "segv"}, "Runtime exited with error: signal: segmentation fault")])
def test_the_process_ends_before_the_answer(failing, event, text):
    answer = failing(event)
    check_ended(answer, reason(text))
    assert f"about to {event['how']}" in answer.lines
    assert failing({"how": "not"}).json == "fine"  # in a new one


def test_the_process_ends_without_an_error(failing):
    check_ended(failing({"how": "exit", "status": 0}), "Runtime exited without providing a reason")


def test_memory_runs_out(failing):
    answer = failing({"how": "memory"})
    if answer.json["errorType"] == "MemoryError":  # no cgroup here: allocations are refused instead
        assert answer.error == "Unhandled"
    else:
        check_ended(answer, reason("Runtime exited with error: signal: killed"))
    assert failing({"how": "not"}).json == "fine"


def test_it_takes_too_long(server, make_zip):
    slow = deploy(server, make_zip({"app.py": FAILURES}), RUNTIME, "app.handler", Timeout=1)
    answer = slow({"how": "sleep"})
    check_platform_error(answer, "Sandbox.Timedout", "Task timed out after 1.00 seconds")
    assert "about to sleep" in answer.lines
    assert any(re.fullmatch(rf"\d{{4}}-\S+Z {answer.request_id} Task timed out after 1.00 seconds", line)
               for line in answer.lines)
    assert answer.report()["Status"] == "timeout"
    assert float(answer.report()["REPORT RequestId"] == answer.request_id) == 1
    assert slow({"how": "not"}).json == "fine"


# ---- failures before the first event ----


def check_init(answer, error_type):
    """Tried twice, both times said, and then told to whoever waited."""
    assert (answer.status, answer.error) == (200, "Unhandled")
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
def test_a_function_that_cannot_be_loaded(server, make_zip, code, handler, error_type, message):
    answer = deploy(server, make_zip({"app.py": code}), RUNTIME, handler)()
    check_init(answer, error_type)
    assert answer.json["errorType"] == error_type
    assert answer.json["errorMessage"] == message
    assert answer.json["stackTrace"] == []
    assert f"[ERROR] {error_type}: {message}" in answer.lines


def test_an_exception_while_it_is_loaded(server, make_zip):
    answer = deploy(server, make_zip({"app.py": "print('loading')\n{}['key']\n"}), RUNTIME, "app.handler")()
    check_init(answer, "KeyError")
    assert answer.json["errorMessage"] == "'key'"
    assert any("/var/task/app.py" in line for line in answer.json["stackTrace"])
    assert answer.lines[0] == "loading"


def test_an_exit_while_it_is_loaded(server, make_zip):
    answer = deploy(server, make_zip({"app.py": "import os\nos._exit(4)\n"}), RUNTIME, "app.handler")()
    check_init(answer, "Runtime.ExitError")
    check_platform_error(answer, "Runtime.ExitError", reason("Runtime exited with error: exit status 4"))


def test_loading_that_takes_too_long(server, make_zip):
    """Ten seconds, then once more within the function's own time."""
    code = "import time\nprint('loading')\ntime.sleep(60)\ndef handler(e, c): pass\n"
    answer = deploy(server, make_zip({"app.py": code}), RUNTIME, "app.handler", Timeout=2)()
    check_platform_error(answer, "Sandbox.Timedout", "Task timed out after 2.00 seconds")
    assert any(line.startswith("INIT_REPORT") and line.endswith("\tPhase: init\tStatus: timeout")
               for line in answer.lines)
    assert answer.lines[0] == "loading"


# ---- what is said, and what is told ----

TALKING = '''
import json, logging, os, sys
print("while loading")
logger = logging.getLogger()
logger.setLevel(logging.INFO)

def handler(event, context):
    if event.get("log"):
        print("printed")
        print("to stderr", file=sys.stderr)
        logger.info("informed %s", 1)
        logger.warning("warned\\nin two lines")
        logger.debug("not shown")
        sys.stdout.write("no end of line")
        return None
    if event.get("environment"):
        return dict(os.environ)
    client = context.client_context
    return {
        "name": context.function_name, "version": context.function_version,
        "arn": context.invoked_function_arn, "memory": context.memory_limit_in_mb,
        "request": context.aws_request_id, "group": context.log_group_name,
        "stream": context.log_stream_name, "left": context.get_remaining_time_in_millis(),
        "identity": context.identity.cognito_identity_id,
        "custom": client and client.custom, "cwd": os.getcwd(), "argv": sys.argv,
    }
'''


@pytest.fixture(scope="module")
def talking(server):
    from conftest import zip_of
    return deploy(server, zip_of({"app.py": TALKING}), RUNTIME, "app.handler", Timeout=10, MemorySize=256,
                  Environment={"Variables": {"OWN": "Grüße", "AWS_REGION_": "x"}})


def test_what_is_printed_is_logged_as_written(talking):
    answer = talking({"log": True})
    request = answer.request_id
    start = answer.lines.index(f"START RequestId: {request} Version: $LATEST")
    said = answer.lines[start + 1 : -2]
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert said[0:2] == ["printed", "to stderr"]
    assert re.fullmatch(rf"\[INFO\]\t{stamp}\t{request}\tinformed 1", said[2])
    assert re.fullmatch(rf"\[WARNING\]\t{stamp}\t{request}\twarned", said[3])
    assert said[4:] == ["in two lines", "no end of line"]
    assert answer.lines[-2] == f"END RequestId: {request}"
    assert re.fullmatch(rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\t"
                        r"Memory Size: 256 MB\tMax Memory Used: \d+ MB\t.*", answer.lines[-1])


def test_the_context_says_who_is_called(talking):
    client = base64.b64encode(json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}}).encode()).decode()
    answer = talking({}, ClientContext=client)
    told = answer.json
    assert told["name"] == talking.name and told["version"] == "$LATEST"
    assert told["arn"] == f"arn:aws:lambda:us-east-1:000000000000:function:{talking.name}"
    assert told["memory"] == "256" and told["request"] == answer.request_id
    assert told["group"] == f"/aws/lambda/{talking.name}"
    assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", told["stream"])
    assert 0 < told["left"] <= 10000
    assert told["identity"] is None and told["custom"] == {"k": "v"}
    assert told["cwd"] == "/var/task"
    assert talking({}).json["custom"] is None  # it was of that call alone


def test_a_client_context_that_is_none(server, talking):
    with pytest.raises(server.client("lambda").exceptions.InvalidRequestContentException):
        talking({}, ClientContext=base64.b64encode(b"[1]").decode())


def test_the_environment_is_lambdas(server, talking):
    env = talking({"environment": True}).json
    assert env["OWN"] == "Grüße"
    assert env["_HANDLER"] == "app.handler" and env["LAMBDA_TASK_ROOT"] == "/var/task"
    assert env["AWS_LAMBDA_FUNCTION_NAME"] == talking.name
    assert env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "256"
    assert env["AWS_LAMBDA_FUNCTION_VERSION"] == "$LATEST"
    assert env["AWS_LAMBDA_LOG_GROUP_NAME"] == f"/aws/lambda/{talking.name}"
    assert env["AWS_LAMBDA_LOG_STREAM_NAME"] and env["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    assert env["AWS_REGION"] == env["AWS_DEFAULT_REGION"] == "us-east-1"
    assert env["AWS_EXECUTION_ENV"] == f"AWS_Lambda_{RUNTIME}"
    assert env["TZ"] == ":UTC" and env["LANG"] == "C.UTF-8"
    assert env["AWS_ENDPOINT_URL"].startswith("http://")
    assert env["AWS_ACCESS_KEY_ID"] and env["AWS_SESSION_TOKEN"]
    assert env["_X_AMZN_TRACE_ID"].startswith("Root=1-")
    assert server.secret_key not in env.values()  # what it has is its own


# ---- forks ----

FORKED = '''
import os, random, secrets, tempfile, uuid
import rouse
SEEN = {"hook": 0}

@rouse.after_fork
def again():
    SEEN["hook"] += 1

random.random()

def handler(event, context):
    numbers = [random.random(), random.getrandbits(64), str(uuid.uuid4()), str(uuid.uuid1()),
               secrets.token_hex(8), os.urandom(8).hex(), tempfile.mktemp()]
    return {"numbers": numbers, "sum": sum(range(event["n"])), "hook": SEEN["hook"],
            "stream": os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]}
'''


def test_a_thousand_forks_share_no_chance(make_server, make_zip):
    """Each call finds its own fork, since no instance stays; several at once, for as long as this test
    may take."""
    count, limit_s = int(os.environ.get("ROUSE_FORKS", "1300")), 60
    server = make_server("--idle", "1ms", "--max-instances", "6")
    forked = deploy(server, make_zip({"app.py": FORKED}), RUNTIME, "app.handler", Timeout=60)
    forked({"n": 1})
    until, numbers, streams, requests, tiers = time.monotonic() + limit_s, [], [], [], []

    def call(n):
        if time.monotonic() > until:
            return None
        answer = forked({"n": n})
        assert answer.error is None, answer.log
        assert answer.json["sum"] == n * (n - 1) // 2
        return answer

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for answer in pool.map(call, range(count)):
            if answer:
                tiers.append(answer.tier)
                requests.append(answer.request_id)
                numbers.append(answer.json["numbers"])
                streams.append(answer.json["stream"])
                assert answer.json["hook"] == 1
    forks = len([tier for tier in tiers if tier != "hot"])
    print(f"{forks} forks in {len(tiers)} calls")
    assert forks >= min(count, 100) / 2, f"{forks} forks of {len(tiers)} calls: too few to say anything"
    assert len(set(requests)) == len(requests)
    for kind in zip(*numbers):
        assert len(set(kind)) == len(kind), "two instances drew the same"
    assert len(set(streams)) >= forks


def test_a_function_that_cannot_be_forked_runs(server, make_zip):
    code = ("import threading, time\n"
            "t = threading.Thread(target=time.sleep, args=(600,), daemon=True)\nt.start()\n"
            "def handler(e, c): return t.is_alive()\n")
    threaded = deploy(server, make_zip({"app.py": code}), RUNTIME, "app.handler")
    assert [threaded().json for _ in range(3)] == [True] * 3
