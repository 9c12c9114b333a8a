# SPDX-License-Identifier: Apache-2.0
"""The function of every client here: greets, or fails as told."""
import os


def handler(event, context):
    if event.get("fail"):
        raise ValueError("no greeting for " + event["fail"])
    if event.get("exit"):
        os._exit(event["exit"])
    return {"greeting": f"Hello {event['name']}", "requestId": context.aws_request_id}
