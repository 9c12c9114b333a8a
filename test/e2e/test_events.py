# SPDX-License-Identifier: Apache-2.0
"""EventBridge through boto3: rules with schedules, their targets and tags, and that they fire, also
what was missed while no server ran. The shortest schedule of a rule is a minute; so that nobody waits
for one, tests make a stopped server's rules due."""
import json
import sqlite3
import time

import pytest

from events_support import Keeper, fresh, session
from test_lambda import fails

ARN = "arn:aws:events:us-east-1:000000000000:rule/"


@pytest.fixture
def events(server):
    return server.client("events")


def put(events, expression="rate(1 minute)", **more):
    name = fresh("rule")
    answer = events.put_rule(Name=name, ScheduleExpression=expression, **more)
    assert answer["RuleArn"] == ARN + name
    return name


# ── rules ──

def test_rule_is_shown_as_it_was_put(events):
    name = put(events, "cron(0 12 ? * MON-FRI *)", Description="noon", State="DISABLED",
               RoleArn="arn:aws:iam::000000000000:role/r", Tags=[{"Key": "k", "Value": "v"}])
    got = events.describe_rule(Name=name)
    got.pop("ResponseMetadata")
    assert got == {"Name": name, "Arn": ARN + name, "State": "DISABLED", "EventBusName": "default",
                   "ScheduleExpression": "cron(0 12 ? * MON-FRI *)", "Description": "noon",
                   "RoleArn": "arn:aws:iam::000000000000:role/r", "CreatedBy": "000000000000"}
    assert events.list_tags_for_resource(ResourceARN=ARN + name)["Tags"] == [
        {"Key": "k", "Value": "v"}]
    events.put_rule(Name=name, ScheduleExpression="rate(5 minutes)", EventBusName="default",
                    Tags=[{"Key": "other", "Value": "x"}])
    got = events.describe_rule(Name=name, EventBusName="default")
    assert (got["State"], got["ScheduleExpression"]) == ("ENABLED", "rate(5 minutes)")
    assert "Description" not in got and "RoleArn" not in got
    assert events.list_tags_for_resource(ResourceARN=ARN + name)["Tags"] == [
        {"Key": "k", "Value": "v"}]  # PutRule tags only what it makes


def test_enable_and_disable(events):
    name = put(events)
    events.disable_rule(Name=name)
    events.disable_rule(Name=name)
    assert events.describe_rule(Name=name)["State"] == "DISABLED"
    events.enable_rule(Name=name)
    assert events.describe_rule(Name=name)["State"] == "ENABLED"
    missing = ("ResourceNotFoundException", 400, "Rule none does not exist on EventBus default.")
    assert fails(events.enable_rule, Name="none") == missing
    assert fails(events.disable_rule, Name="none") == missing
    assert fails(events.describe_rule, Name="none") == missing


def test_list_in_pages(events):
    prefix = fresh("list")
    names = sorted(f"{prefix}-{i}" for i in range(5))
    for name in reversed(names):
        events.put_rule(Name=name, ScheduleExpression="rate(1 day)")
    seen, token = [], {}
    while True:
        page = events.list_rules(NamePrefix=prefix, Limit=2, **token)
        assert len(page["Rules"]) <= 2
        seen += [rule["Name"] for rule in page["Rules"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == names
    assert events.list_rules(NamePrefix=prefix + "-9")["Rules"] == []


def test_tags(events):
    name = put(events)
    arn = ARN + name
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": ""}])
    events.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "2"}])
    events.untag_resource(ResourceARN=arn, TagKeys=["b", "none"])
    assert events.list_tags_for_resource(ResourceARN=arn)["Tags"] == [{"Key": "a", "Value": "2"}]
    assert fails(events.tag_resource, ResourceARN=ARN + "none", Tags=[])[0] == (
        "ResourceNotFoundException")
    assert fails(events.list_tags_for_resource, ResourceARN="arn:aws:s3:::b")[0] == (
        "ValidationException")
    many = [{"Key": str(i), "Value": "v"} for i in range(51)]
    assert fails(events.tag_resource, ResourceARN=arn, Tags=many)[0] == "ValidationException"


@pytest.mark.parametrize("expression", [
    "rate(10 seconds)", "rate(1 minutes)", "rate(10 minute)", "rate()", "rate(0 minutes)",
    " rate(10 minutes)", "cron(0 1 * * * *)", "cron(71 8 1 * ? *)", "cron(INVALID)",
    "cron(*/60 * * * ? *)", "cron(0 0 ? * 3#1,6#3 *)", "at(2030-01-01T00:00:00)", "whenever"])
def test_bad_expressions(events, expression):
    assert fails(events.put_rule, Name=fresh("r"), ScheduleExpression=expression) == (
        "ValidationException", 400, "Parameter ScheduleExpression is not valid.")


def test_bad_rules(server, events):
    loose = server.client("events", parameter_validation=False)
    assert fails(events.put_rule, Name="r") == (
        "ValidationException", 400,
        "Parameter(s) EventPattern or ScheduleExpression must be specified.")
    assert fails(loose.put_rule, Name="a b", ScheduleExpression="rate(1 day)") == (
        "ValidationException", 400,
        "1 validation error detected: Value 'a b' at 'name' failed to satisfy constraint: Member "
        "must satisfy regular expression pattern: [\\.\\-_A-Za-z0-9]+")
    assert "less than or equal to 64" in fails(
        loose.put_rule, Name="n" * 65, ScheduleExpression="rate(1 day)")[2]
    assert "Member must not be null" in fails(loose.put_rule, ScheduleExpression="rate(1 day)")[2]
    assert "enum value set: [ENABLED, DISABLED" in fails(
        events.put_rule, Name="r", ScheduleExpression="rate(1 day)", State="MAYBE")[2]
    assert fails(events.put_rule, Name="r", ScheduleExpression="rate(1 day)",
                 EventBusName="none") == (
        "ResourceNotFoundException", 400, "Event bus none does not exist.")
    assert fails(loose.put_rule, Name=7, ScheduleExpression="rate(1 day)")[0] == (
        "SerializationException")
    assert fails(events.list_rules, Limit=101)[0] == "ValidationException"
    assert fails(events.create_archive, ArchiveName="a", EventSourceArn="b")[0] == (
        "UnknownOperationException")


# ── targets ──

def test_targets(events):
    name = put(events)
    lam = "arn:aws:lambda:us-east-1:000000000000:function:" + fresh("f")
    targets = [{"Id": "b", "Arn": lam},
               {"Id": "a", "Arn": lam, "Input": '{"k": 1}', "RetryPolicy": {
                   "MaximumRetryAttempts": 2, "MaximumEventAgeInSeconds": 60},
                "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}}]
    put_one = events.put_targets(Rule=name, Targets=targets)
    assert (put_one["FailedEntryCount"], put_one["FailedEntries"]) == (0, [])
    assert events.list_targets_by_rule(Rule=name)["Targets"] == sorted(
        targets, key=lambda t: t["Id"])
    events.put_targets(Rule=name, Targets=[{"Id": "b", "Arn": lam, "Input": "[]"}])
    page = events.list_targets_by_rule(Rule=name, Limit=1)
    assert [t["Id"] for t in page["Targets"]] == ["a"]
    page = events.list_targets_by_rule(Rule=name, NextToken=page["NextToken"])
    assert page["Targets"] == [{"Id": "b", "Arn": lam, "Input": "[]"}]
    assert events.list_rule_names_by_target(TargetArn=lam)["RuleNames"] == [name]
    assert events.list_rule_names_by_target(TargetArn=lam + "x")["RuleNames"] == []
    assert fails(events.delete_rule, Name=name) == (
        "ValidationException", 400, "Rule can't be deleted since it has targets.")
    events.put_rule(Name=name, ScheduleExpression="rate(2 days)")
    assert len(events.list_targets_by_rule(Rule=name)["Targets"]) == 2
    gone = events.remove_targets(Rule=name, Ids=["a", "b", "c"])
    assert gone["FailedEntryCount"] == 1
    assert gone["FailedEntries"][0]["TargetId"] == "c"
    assert gone["FailedEntries"][0]["ErrorCode"] == "ResourceNotFoundException"
    events.delete_rule(Name=name)
    events.delete_rule(Name=name)
    assert fails(events.list_targets_by_rule, Rule=name)[0] == (
        "ResourceNotFoundException")


def test_bad_targets(events):
    name = put(events)
    lam = "arn:aws:lambda:us-east-1:000000000000:function:f"

    def refused(**target):
        code, status, message = fails(events.put_targets, Rule=name,
                                      Targets=[{"Id": "t", "Arn": lam, **target}])
        assert (code, status) == ("ValidationException", 400)
        return message

    assert refused(Arn="nonsense") == (
        "Parameter nonsense is not valid. Reason: Provided Arn is not in correct format.")
    assert "only Lambda functions" in refused(Arn="arn:aws:sqs:us-east-1:000000000000:q")
    assert "JSON syntax error in input for target t" in refused(Input="{")
    assert "regular expression" in refused(Id="a b")
    assert "SqsParameters of target t is not served" in refused(SqsParameters={})
    assert "less than or equal to 185" in refused(RetryPolicy={"MaximumRetryAttempts": 186})
    six = [{"Id": str(i), "Arn": lam} for i in range(6)]
    assert fails(events.put_targets, Rule=name, Targets=six)[0] == "LimitExceededException"
    assert events.list_targets_by_rule(Rule=name)["Targets"] == []  # all or nothing
    assert fails(events.put_targets, Rule="none", Targets=six)[0] == "ResourceNotFoundException"


# ── firing ──

def make_due(rouse, table, seconds_ago):
    """Whatever is to fire at some time was to fire so long ago."""
    with sqlite3.connect(rouse.data / "rouse.db") as db:
        then = int(time.time() - seconds_ago) * 1000
        column = ", instant_ms = ?1" if table == "schedule" else ""
        count = db.execute(f"UPDATE {table} SET due_ms = ?1{column} WHERE due_ms > 0", (then,))
        db.commit()
        return count.rowcount, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then / 1000))


def test_missed_rules_fire_once(rouse):
    events, keeper, constant = rouse.client("events"), Keeper(rouse), Keeper(rouse)
    events.put_rule(Name="five", ScheduleExpression="rate(5 minutes)")
    events.put_rule(Name="off", ScheduleExpression="rate(5 minutes)", State="DISABLED")
    for rule in ("five", "off"):
        events.put_targets(Rule=rule, Targets=[
            {"Id": "event", "Arn": keeper.arn},
            {"Id": "constant", "Arn": constant.arn, "Input": '{"x": [1, "é"]}'},
            {"Id": "gone", "Arn": keeper.arn + "-gone"}])
    rouse.stop()
    count, when = make_due(rouse, "rule", 86400)
    assert count == 1
    rouse.start()
    keeper.s3 = constant.s3 = rouse.client("s3")
    [event] = keeper.wait()
    assert constant.wait() == [{"x": [1, "é"]}]
    assert len(event.pop("id")) == 36
    assert event == {"version": "0", "detail-type": "Scheduled Event", "source": "aws.events",
                     "account": "000000000000", "time": when, "region": "us-east-1",
                     "resources": [ARN + "five"], "detail": {}}
    assert "invokes a function that is not there" in rouse.log
    rouse.kill()
    rouse.start()
    time.sleep(0.2)
    keeper.s3 = rouse.client("s3")
    assert len(keeper.wait()) == 1  # its next one is minutes away


# ── rights ──

def test_rights(server, events):
    name, role = put(events), "arn:aws:iam::000000000000:role/passed"
    may = session(server, "events", (["events:PutRule", "events:DescribeRule"], ARN + name))
    may.put_rule(Name=name, ScheduleExpression="rate(2 days)")
    assert may.describe_rule(Name=name)["ScheduleExpression"] == "rate(2 days)"
    code, status, message = fails(may.delete_rule, Name=name)
    assert (code, status) == ("AccessDeniedException", 400)
    assert "is not authorized to perform: events:DeleteRule on resource: \"" + ARN + name in message
    assert fails(may.describe_rule, Name=name + "x")[0] == "AccessDeniedException"
    assert fails(may.list_rules)[0] == "AccessDeniedException"
    assert "iam:PassRole" in fails(may.put_rule, Name=name, ScheduleExpression="rate(1 day)",
                                   RoleArn=role)[2]
    more = session(server, "events", (["events:*"], "*"), ("iam:PassRole", role))
    more.put_rule(Name=name, ScheduleExpression="rate(1 day)", RoleArn=role)
    assert fails(more.put_rule, Name=name, ScheduleExpression="rate(1 day)",
                 RoleArn=role + "2")[0] == "AccessDeniedException"
    assert json.dumps(more.list_rules(NamePrefix=name)["Rules"][0]["RoleArn"]) == f'"{role}"'
