# SPDX-License-Identifier: Apache-2.0
"""schedule and eventBridge events of serverless.yml: deployed, deployed again, changed, removed."""
import json
import uuid

import pytest

from runtime_support import wait_for
from test_cli import Cli, edit
from test_lambda import fails

PROJECT = """
service: {name}
provider: {{name: aws, runtime: onnx}}
functions:
  echo:
    handler: model.yaml
    destinations: {{onSuccess: "arn:aws:s3:::{name}-out"}}
    events:
      - schedule:
          rate: [rate(1 day), cron(0 3 * * ? *)]
          enabled: false
          input: {{a: 1}}
      - schedule:
          rate: rate(12 hours)
          method: scheduler
          timezone: Asia/Tokyo
          name: {name}-beat
          input: {{beat: true}}
      - eventBridge:
          pattern: {{source: ["{name}"]}}
          inputPath: $.detail
          eventBus: {name}-bus
"""


@pytest.fixture
def project(server, tmp_path):
    cli = Cli(server, tmp_path)
    cli.name = "svc-" + uuid.uuid4().hex[:8]
    cli.full = f"{cli.name}-dev-echo"
    cli.write("serverless.yml", PROJECT.format(name=cli.name))
    cli.write("model.yaml", "task: echo\n")
    return cli


def kept(server, name):
    s3 = server.client("s3")
    keys = [o["Key"] for o in s3.list_objects_v2(Bucket=f"{name}-out").get("Contents", [])]
    return [json.loads(s3.get_object(Bucket=f"{name}-out", Key=k)["Body"].read())["requestPayload"]
            for k in keys]


def test_life(server, project):
    events, scheduler = server.client("events"), server.client("scheduler")
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{project.full}"
    project("deploy")
    rules = {r["Name"]: r for r in events.list_rules(NamePrefix=project.full)["Rules"]}
    first, second = f"{project.full}-schedule-1", f"{project.full}-schedule-2"
    assert sorted(rules) == [first, second]
    assert (rules[first]["ScheduleExpression"], rules[first]["State"]) == ("rate(1 day)", "DISABLED")
    assert rules[second]["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert events.list_targets_by_rule(Rule=first)["Targets"] == [
        {"Id": "function", "Arn": arn, "Input": '{"a":1}'}]
    beat = scheduler.get_schedule(Name=f"{project.name}-beat")
    assert (beat["ScheduleExpressionTimezone"], beat["Target"]["Arn"]) == ("Asia/Tokyo", arn)
    policy = json.loads(server.client("lambda").get_policy(FunctionName=project.full)["Policy"])
    assert "events.amazonaws.com" in [s["Principal"]["Service"] for s in policy["Statement"]]
    events.put_events(Entries=[{"Source": project.name, "DetailType": "t", "Detail": '{"d": 1}',
                                "EventBusName": f"{project.name}-bus"}])
    wait_for(lambda: len(kept(server, project.name)) >= 2)
    assert sorted(map(json.dumps, kept(server, project.name))) == ['{"beat": true}', '{"d": 1}']

    assert project.json("deploy")["changed"] is False

    edit(project, "rate(1 day), cron(0 3 * * ? *)", "rate(2 days)")
    edit(project, "Asia/Tokyo", "UTC")
    assert project.json("deploy")["changed"] is True
    [rule] = events.list_rules(NamePrefix=project.full)["Rules"]
    assert (rule["Name"], rule["ScheduleExpression"]) == (first, "rate(2 days)")
    assert scheduler.get_schedule(Name=f"{project.name}-beat")["ScheduleExpressionTimezone"] == "UTC"
    assert project.json("deploy")["changed"] is False

    project("remove")
    assert events.list_rules(NamePrefix=project.full)["Rules"] == []
    assert events.list_rules(EventBusName=f"{project.name}-bus")["Rules"] == []
    assert fails(scheduler.get_schedule, Name=f"{project.name}-beat")[0] == (
        "ResourceNotFoundException")


def test_bad_expression_is_told_with_its_place(project):
    edit(project, "rate(12 hours)", "rate(12 hour)s")
    said = project("deploy", status=2).err
    assert "serverless.yml:" in said and "is neither rate(…) nor cron(…) nor at(…)" in said
