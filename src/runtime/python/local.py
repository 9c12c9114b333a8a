# SPDX-License-Identifier: Apache-2.0
"""Runs a handler alone, not as a fork: for `rouse invoke local`, and for functions with extensions or a wrapper.
Asks the Lambda Runtime API for events, as any runtime client does, and answers them with what rouse_job.py
knows of handlers and their errors."""

import http.client
import json
import os
import sys

import rouse_job
from rouse_fork import ROUSE
from rouse_job import Handler, Job
from rouse_load import InitError, document_of, load_handler

API = "/2018-06-01/runtime/"


def config_of(env):
    return {
        "functionName": env["AWS_LAMBDA_FUNCTION_NAME"],
        "functionVersion": env["AWS_LAMBDA_FUNCTION_VERSION"],
        "invokedFunctionArn": "",
        "memoryMb": env["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"],
        "logGroup": env["AWS_LAMBDA_LOG_GROUP_NAME"],
        "logStream": env["AWS_LAMBDA_LOG_STREAM_NAME"],
        "taskRoot": env["LAMBDA_TASK_ROOT"],
        "handler": env["_HANDLER"],
    }


def exchange(api, method, path, body=None, error_type=None):
    headers = {"Lambda-Runtime-Function-Error-Type": error_type} if error_type else {}
    api.request(method, API + path, body, headers)
    answer = api.getresponse()
    return answer.headers, answer.read()


def load(config, layers):
    """The handler, or None and the document of what was wrong."""
    try:
        return load_handler(config, layers or ("/opt",), bool(layers)), None
    except InitError as e:
        print(f"[ERROR] {e.args[0]}: {e.args[1]}")
        return None, rouse_job.error_document(*e.args, "")
    except Exception as e:  # whatever a module does while it is imported
        document, lines = document_of(e, "")
        sys.stdout.write(lines)
        return None, document


def job_of(headers, body):
    extra = {
        "arn": headers["Lambda-Runtime-Invoked-Function-Arn"],
        "trace": headers["Lambda-Runtime-Trace-Id"],
        "client": json.loads(headers.get("Lambda-Runtime-Client-Context", "null")),
    }
    deadline_ms = int(headers["Lambda-Runtime-Deadline-Ms"])
    return Job(0, headers["Lambda-Runtime-Aws-Request-Id"], deadline_ms, body, json.dumps(extra))


def main():
    sys.path[:] = [p for p in sys.path if p != os.path.dirname(os.path.abspath(__file__))]
    sys.argv = ["bootstrap"]
    sys.stdout.reconfigure(line_buffering=True, encoding="utf-8", errors="backslashreplace")
    sys.modules["rouse"] = ROUSE
    rouse_job.logging_setup()
    config = config_of(os.environ)
    layers = tuple(filter(None, os.environ.pop("ROUSE_LAYERS", "").split(":")))
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    function, wrong = load(config, layers)
    if wrong:
        sys.stdout.flush()
        exchange(api, "POST", "init/error", json.dumps(wrong), wrong["errorType"])
        sys.exit(1)
    handler = Handler(function, config)
    while True:
        job = job_of(*exchange(api, "GET", "invocation/next"))
        failed, answer = handler.run(job)
        sys.stdout.flush()
        exchange(api, "POST", f"invocation/{job.request_id}/{'error' if failed else 'response'}", answer)


if __name__ == "__main__":
    main()
