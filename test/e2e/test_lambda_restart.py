# SPDX-License-Identifier: Apache-2.0
"""What a server that starts again makes ready, and what it leaves until it is asked for."""
import json

from conftest import zip_of
from runtime_support import deploy, wait_for
from test_lambda_invoke import get

PACKAGE = zip_of({"index.py": "def handler(event, context):\n    return 1\n"})


def info(rouse):
    return json.loads(get(rouse, "/rouse/info")[2])


def test_templates_after_a_restart(make_server):
    rouse = make_server()
    functions = [deploy(rouse, PACKAGE, "python3.11", "index.handler") for _ in range(6)]
    wait_for(lambda: info(rouse)["templates"] == 7)  # each, and the interpreter's
    rouse.stop()
    rouse.start()
    assert info(rouse)["templates"] == 0  # nobody has used them
    assert functions[0]().tier == "cold"
    wait_for(lambda: info(rouse)["templates"] == 2)
    rouse.stop()
    rouse.start()
    wait_for(lambda: info(rouse)["templates"] == 2)
    wait_for(lambda: functions[0]().json == 1)
    for function in functions:
        function()
    rouse.kill()
    rouse.start()
    assert info(rouse)["templates"] <= 5  # those used last
    assert [function().json for function in functions] == [1] * 6


def test_events_that_waited_find_the_endpoint(make_server):
    """Their instances are the first that start."""
    rouse = make_server("--retry-delay", "10ms")
    lam, s3 = rouse.client("lambda"), rouse.client("s3")
    s3.create_bucket(Bucket="said")
    code = "import os\ndef handler(event, context):\n    return os.environ.get('AWS_ENDPOINT_URL')\n"
    function = deploy(rouse, zip_of({"index.py": code}), "python3.11", "index.handler")
    lam.put_function_event_invoke_config(
        FunctionName=function.name, DestinationConfig={"OnSuccess": {"Destination": "arn:aws:s3:::said"}})
    lam.put_function_concurrency(FunctionName=function.name, ReservedConcurrentExecutions=1)
    for _ in range(50):
        lam.invoke(FunctionName=function.name, InvocationType="Event")
    rouse.kill()
    rouse.start()
    s3 = rouse.client("s3")
    objects = wait_for(lambda: (o := s3.list_objects_v2(Bucket="said").get("Contents", []))[49:] and o)
    said = {json.loads(s3.get_object(Bucket="said", Key=o["Key"])["Body"].read())["responsePayload"] for o in objects}
    assert said == {f"http://127.0.0.1:{rouse.port}"}
