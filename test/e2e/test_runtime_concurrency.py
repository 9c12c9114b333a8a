# SPDX-License-Identifier: Apache-2.0
"""Functions whose instances take several events at once, because AWS_LAMBDA_MAX_CONCURRENCY in their environment
says so."""
import concurrent.futures
import json

import pytest
from conftest import zip_of
from runtime_programs import BOOTSTRAP
from runtime_support import deploy, executable

# Handlers wait for each other, so that they end only if as many are there at once.
PROVIDED = BOOTSTRAP + '''
import threading
lock, here, most = threading.Lock(), 0, 0
barriers = {n: threading.Barrier(n) for n in range(2, 9)}

def handler(runtime, event, request_id, headers):
    global here, most
    with lock:
        here += 1
        most = max(most, here)
    if event.get("print"):
        print("for", request_id, flush=True)
    if "exit" in event:
        while here < event["exit"]:
            time.sleep(0.01)
        os._exit(3)
    if "together" in event:
        barriers[event["together"]].wait()
    time.sleep(event.get("sleep", 0))
    with lock:
        here -= 1
    return json.dumps({"pid": os.getpid(), "most": most, "request": request_id,
                       "environment": os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY")})

threads = [threading.Thread(target=serve, args=(handler, Runtime())) for _ in range(int(
    os.environ.get("WORKERS") or os.environ["AWS_LAMBDA_MAX_CONCURRENCY"]))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
'''

NODE = '''
let here = 0, most = 0, waiting = [];
exports.handler = async (event, context) => {
  most = Math.max(most, ++here);
  if (event.print) console.log("for", context.awsRequestId);
  if (event.together) {
    await new Promise((resolve) => {
      waiting.push(resolve);
      if (waiting.length === event.together) for (const each of waiting.splice(0)) each();
    });
  }
  if (event.throw) { here--; throw new RangeError("mine alone"); }
  await new Promise((resolve) => setTimeout(resolve, 1000 * (event.sleep || 0)));
  here--;
  return { pid: process.pid, most, request: context.awsRequestId,
           environment: process.env.AWS_LAMBDA_MAX_CONCURRENCY };
};
'''


def make(server, runtime, concurrency=4, **more):
    files = {executable("bootstrap"): PROVIDED, "index.js": NODE}
    variables = {"AWS_LAMBDA_MAX_CONCURRENCY": str(concurrency), **more.pop("env", {})}
    function = deploy(server, zip_of(files), runtime, "index.handler", Environment={"Variables": variables},
                      **{"Timeout": 10, "MemorySize": 1769, **more})
    function.client = server.client("lambda", max_pool_connections=32)
    return function


@pytest.fixture(scope="module", params=["provided.al2023", "nodejs20.x"])
def several(server, request):
    return make(server, request.param)


def call(function, events):
    with concurrent.futures.ThreadPoolExecutor(len(events)) as pool:
        return list(pool.map(function, events))


def test_one_instance_takes_as_many_as_asked_for(several):
    answers = call(several, [{"together": 4}] * 4)
    assert [answer.error for answer in answers] == [None] * 4, answers[0].log
    assert len({answer.json["pid"] for answer in answers}) == 1
    assert {answer.json["most"] for answer in answers} == {4}
    assert answers[0].json["environment"] == "4"
    assert [answer.json["request"] for answer in answers] == [answer.request_id for answer in answers]


def test_and_no_more(several):
    answers = call(several, [{"sleep": 0.05}] * 24)
    assert all(answer.error is None for answer in answers)
    assert max(answer.json["most"] for answer in answers) <= 4
    assert len({answer.json["pid"] for answer in answers}) <= 6


def test_one_alone_is_not_held_up(several):
    assert several({}).json["pid"] > 0


def test_an_error_is_of_one_alone(server):
    function = make(server, "nodejs20.x")
    answers = call(function, [{"together": 4}] * 3 + [{"together": 4, "throw": True}])
    assert [answer.error for answer in answers] == [None] * 3 + ["Unhandled"]
    assert answers[3].json["errorMessage"] == "mine alone"
    lines = [line for answer in answers for line in answer.lines if "Invoke Error" in line]
    assert len(lines) == 1 and answers[3].request_id in lines[0]


def test_one_that_takes_too_long_is_told_alone(server):
    """Its instance gets no more, and goes when the others are done."""
    function = make(server, "provided.al2023", Timeout=1)
    first = function({}).json["pid"]
    slow, *quick = call(function, [{"sleep": 60}] + [{"sleep": 0.5}] * 3)
    assert slow.json["errorType"] == "Sandbox.Timedout" and slow.report()["Status"] == "timeout"
    assert [answer.json["pid"] for answer in quick] == [first] * 3
    assert function({}).json["pid"] != first or function({}).json["most"] == 1


def test_an_exit_ends_all_of_them(server):
    function = make(server, "provided.al2023")
    function({})
    answers = call(function, [{"sleep": 5}] * 2 + [{"exit": 3}])
    assert [answer.json["errorType"] for answer in answers] == ["Runtime.ExitError"] * 3
    assert function({}).error is None


def test_reserved_concurrency_counts_events(server):
    function = make(server, "provided.al2023")
    function.client.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=2)
    answers = call(function, [{"sleep": 0.02}] * 12)
    assert [answer.error for answer in answers] == [None] * 12
    assert max(answer.json["most"] for answer in answers) == 2


def test_a_runtime_that_asks_for_fewer(server):
    """What it does not ask for waits, and is not lost."""
    function = make(server, "provided.al2023", env={"WORKERS": "2"})
    answers = call(function, [{"sleep": 0.02}] * 12)
    assert [answer.error for answer in answers] == [None] * 12
    assert max(answer.json["most"] for answer in answers) <= 2


def test_python_is_given_one_at_a_time(server):
    code = "import os, time\ndef handler(event, context):\n    time.sleep(0.1)\n    return os.getpid()\n"
    function = deploy(server, zip_of({"app.py": code}), "python3.11", "app.handler", MemorySize=1769,
                      Environment={"Variables": {"AWS_LAMBDA_MAX_CONCURRENCY": "4"}})
    function.client = server.client("lambda", max_pool_connections=8)
    assert [answer.error for answer in call(function, [{}] * 4)] == [None] * 4


def test_extensions_of_such_functions(server):
    """No single event is theirs to hear of."""
    from test_runtime_extensions import layer
    arn = layer(server, "watcher")
    function = make(server, "provided.al2023", Layers=[arn], env={"EXT_WATCHER": json.dumps({"events": ["SHUTDOWN"]})})
    answer = function({})
    assert answer.error is None and "EXTENSION\tName: watcher\tState: Ready\tEvents: [SHUTDOWN]" in answer.lines
    greedy = make(server, "provided.al2023", Layers=[arn])
    answer = greedy({})
    assert answer.json["errorType"] == "Extension.Crash" and "Extension.InvalidEventType" in answer.log
