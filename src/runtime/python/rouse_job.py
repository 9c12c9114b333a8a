# SPDX-License-Identifier: Apache-2.0
"""One job: what the handler is given, and what becomes of its answer. This runs for each call, so what can be
made once is."""

import json
import logging
import os
import sys
import time
import types

from rouse_load import document_of

ANSWER_MAX = 6 * 1024 * 1024 + 100  # as Lambda
NO_TRACE = "Root=1-0-0;Sampled=0"

encode = json.JSONEncoder(ensure_ascii=False).encode


class Context:
    """Lambda's context object. What is the same for all calls of an instance stands in a class of its
    own, see context_class."""

    client_context = None

    def __init__(self, request_id, deadline_ms):
        self.aws_request_id = request_id
        self.identity = types.SimpleNamespace(cognito_identity_id=None, cognito_identity_pool_id=None)
        self._deadline_ms = deadline_ms

    def get_remaining_time_in_millis(self):
        return max(int(self._deadline_ms - time.time() * 1000), 0)

    def log(self, message):
        sys.stdout.write(str(message))


def context_class(config):
    return type(
        "LambdaContext",
        (Context,),
        {
            "function_name": config["functionName"],
            "function_version": config["functionVersion"],
            "invoked_function_arn": config["invokedFunctionArn"],
            "memory_limit_in_mb": str(config["memoryMb"]),
            "log_group_name": config["logGroup"],
            "log_stream_name": config["logStream"],
        },
    )


def client_context(given):
    if not isinstance(given, dict):
        return None
    client = types.SimpleNamespace(**(given.get("client") or {}))
    return types.SimpleNamespace(custom=given.get("custom"), env=given.get("env"), client=client)


class LogFormat(logging.Formatter):
    """Lambda's prefix for records of the logging module."""

    converter = time.gmtime
    request_id = ""

    def format(self, record):
        record.aws_request_id = LogFormat.request_id
        return super().format(record)


def logging_setup():
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        LogFormat(
            "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s",
            "%Y-%m-%dT%H:%M:%S",
        )
    )
    logging.getLogger().addHandler(handler)


class Job:
    """A call of the handler. context: JSON of who calls (src/wire/wire.h), or nothing."""

    __slots__ = ("id", "request_id", "deadline_ms", "payload", "context")

    def __init__(self, number, request_id, deadline_ms, payload, context):
        self.id, self.request_id, self.deadline_ms = number, request_id, deadline_ms
        self.payload, self.context = payload, context


class Handler:
    """Calls a function for one job after the other."""

    def __init__(self, function, config):
        self.function, self.context_class = function, context_class(config)
        self.trace = None

    def context_of(self, job):
        context = self.context_class(job.request_id, job.deadline_ms)
        trace = NO_TRACE
        if job.context:
            extra = json.loads(job.context)
            trace = extra.get("trace") or NO_TRACE
            context.invoked_function_arn = extra.get("arn") or context.invoked_function_arn
            context.client_context = client_context(extra.get("client"))
        if trace != self.trace:
            os.environ["_X_AMZN_TRACE_ID"] = self.trace = trace
        return context

    def run(self, job):
        """(failed, the answer or the error document, as bytes)"""
        LogFormat.request_id = job.request_id
        try:
            event = json.loads(str(job.payload, "utf-8", "surrogatepass")) if job.payload else {}
        except ValueError as e:
            return error_answer("Runtime.UnmarshalError", f"Unable to unmarshal input: {e}", job.request_id)
        context = self.context_of(job)
        try:
            answer = self.function(event, context)
        except Exception as e:
            document, lines = document_of(e, job.request_id)
            sys.stdout.write(lines)
            return True, encode(document).encode("utf-8", "replace")
        try:
            answer = encode(answer).encode("utf-8", "surrogatepass")
        except (TypeError, ValueError) as e:
            return error_answer("Runtime.MarshalError", f"Unable to marshal response: {e}", job.request_id)
        return (False, answer) if len(answer) <= ANSWER_MAX else too_large(job.request_id)


def error_document(kind, message, request_id):
    return {
        "errorMessage": message,
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": [],
    }


def error_answer(kind, message, request_id):
    document = error_document(kind, message, request_id)
    sys.stdout.write(f"[ERROR] {kind}: {message}\n")
    return True, encode(document).encode("utf-8", "replace")


def too_large(request_id):
    return error_answer(
        "Function.ResponseSizeTooLarge",
        f"Response payload size exceeded maximum allowed payload size ({ANSWER_MAX} bytes).",
        request_id,
    )
