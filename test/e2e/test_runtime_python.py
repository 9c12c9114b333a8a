# SPDX-License-Identifier: Apache-2.0
"""Python functions: what is logged; what a function is told; and that forked instances share nothing they must
not. How they fail is in test_runtime_failures.py."""
import base64
import concurrent.futures
import json
import os
import re
import time

import pytest
from runtime_support import deploy

RUNTIME = "python3.11"

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
