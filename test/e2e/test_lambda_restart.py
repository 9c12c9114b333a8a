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
