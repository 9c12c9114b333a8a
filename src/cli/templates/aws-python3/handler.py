"""A Lambda function: `event` is the JSON that it was invoked with, what it returns is the answer."""
import os

# What stands here runs once, before the first event, and is shared by all later ones: clients,
# models, tables.
GREETING = os.environ.get("GREETING", "Hello")


def hello(event, context):
    name = event.get("name", "world")
    print(f"greeting {name}")  # a line of the log: rouse logs -f hello
    return {"message": f"{GREETING}, {name}!", "requestId": context.aws_request_id}
