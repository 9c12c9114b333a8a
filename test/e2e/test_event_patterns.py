# SPDX-License-Identifier: Apache-2.0
"""Events on EventBridge's buses through boto3: PutEvents and S3's, matched by patterns, and what targets
make of them."""
import datetime
import json

import pytest

from events_support import Keeper, fresh, session
from test_events import ARN, events  # noqa: F401  (a fixture)
from test_lambda import fails

UTC = datetime.timezone.utc


def listen(events, keeper, pattern, bus=None, **target):  # noqa: F811
    name, more = fresh("rule"), {"EventBusName": bus} if bus else {}
    events.put_rule(Name=name, EventPattern=json.dumps(pattern), **more)
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": keeper.arn, **target}], **more)
    return name


def entry(source, detail=None, **more):
    return {"Source": source, "DetailType": "Test", "Detail": json.dumps(detail or {}), **more}


def test_put_events_reach_who_listens(server, events):  # noqa: F811
    keeper, other, source = Keeper(server), Keeper(server), fresh("source")
    listen(events, keeper, {"source": [source], "detail": {"n": [{"numeric": [">", 1]}]}})
    listen(events, other, {"source": [source], "detail": {"n": [{"numeric": [">", 5]}]}})
    off = listen(events, other, {"source": [source]})
    events.disable_rule(Name=off)
    when = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    answer = events.put_events(Entries=[
        entry(source, {"n": 1}), entry(source, {"n": 2, "ü": [None, 1.5]}, Time=when,
                                       Resources=["arn:a", "arn:b"]), entry(source + "x", {"n": 3})])
    assert answer["FailedEntryCount"] == 0 and len(answer["Entries"]) == 3
    [event] = keeper.wait()
    assert event == {
        "version": "0", "id": answer["Entries"][1]["EventId"], "detail-type": "Test",
        "source": source, "account": "000000000000", "time": "2026-01-02T03:04:05Z",
        "region": "us-east-1", "resources": ["arn:a", "arn:b"],
        "detail": {"n": 2, "ü": [None, 1.5]}}
    assert list(event) == ["version", "id", "detail-type", "source", "account", "time", "region",
                           "resources", "detail"]
    events.put_events(Entries=[entry(source, {"n": 6})])
    assert other.wait()[0]["detail"] == {"n": 6}


def test_entries_fail_by_themselves(events):  # noqa: F811
    answer = events.put_events(Entries=[
        {"DetailType": "t", "Detail": "{}"}, {"Source": "s", "Detail": "{}"},
        {"Source": "s", "DetailType": "t"}, {"Source": "s", "DetailType": "t", "Detail": "[]"},
        {"Source": "s", "DetailType": "t", "Detail": "{"}, entry("aws.s3"), entry("s"),
        entry("s", EventBusName="nobody-knows")])
    assert answer["FailedEntryCount"] == 6
    assert [e.get("ErrorCode") for e in answer["Entries"]] == [
        "InvalidArgument"] * 3 + ["MalformedDetail"] * 2 + [
        "NotAuthorizedForSourceException", None, None]
    assert answer["Entries"][2]["ErrorMessage"] == (
        "Parameter Detail is not valid. Reason: Detail is a required argument.")
    code, status, message = fails(events.put_events, Entries=[entry("s", {"x": "y" * 262144})])
    assert (code, status, message) == (
        "ValidationException", 400, "Total size of the entries in the request is over the limit.")
    assert "less than or equal to 10" in fails(events.put_events, Entries=[entry("s")] * 11)[2]


def test_buses(server, events):  # noqa: F811
    bus, keeper, source = fresh("bus"), Keeper(server), fresh("source")
    arn = f"arn:aws:events:us-east-1:000000000000:event-bus/{bus}"
    assert events.create_event_bus(Name=bus, Description="d")["EventBusArn"] == arn
    assert fails(events.create_event_bus, Name=bus) == (
        "ResourceAlreadyExistsException", 400, f"Event bus {bus} already exists.")
    got = events.describe_event_bus(Name=bus)
    assert (got["Name"], got["Arn"], got["Description"]) == (bus, arn, "d")
    assert events.describe_event_bus()["Name"] == "default"
    assert [b["Name"] for b in events.list_event_buses(NamePrefix=bus)["EventBuses"]] == [bus]
    rule = listen(events, keeper, {"source": [source]}, bus=bus)
    assert events.describe_rule(Name=rule, EventBusName=arn)["Arn"] == f"{ARN}{bus}/{rule}"
    assert fails(events.describe_rule, Name=rule)[2] == (
        f"Rule {rule} does not exist on EventBus default.")
    assert fails(events.put_rule, Name=rule, EventBusName=bus, ScheduleExpression="rate(1 day)") == (
        "ValidationException", 400,
        "ScheduleExpression is supported only on the default event bus.")
    events.put_events(Entries=[entry(source, {"on": "default"}),
                               entry(source, {"on": "bus"}, EventBusName=bus),
                               entry(source, {"on": "arn"}, EventBusName=arn)])
    assert sorted(e["detail"]["on"] for e in keeper.wait(2)) == ["arn", "bus"]
    events.delete_event_bus(Name=bus)
    events.delete_event_bus(Name=bus)
    assert fails(events.describe_event_bus, Name=bus) == (
        "ResourceNotFoundException", 400, f"Event bus {bus} does not exist.")
    assert fails(events.delete_event_bus, Name="default")[2] == "Cannot delete event bus default."


def test_objects(server, events):  # noqa: F811
    s3, keeper, bucket, silent = server.client("s3"), Keeper(server), fresh("b"), fresh("b")
    for name in (bucket, silent):
        s3.create_bucket(Bucket=name)
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}})
    listen(events, keeper, {"source": ["aws.s3"], "detail": {
        "bucket": {"name": [bucket, silent]}, "object": {"key": [{"prefix": "in/"}]}}})
    etag = s3.put_object(Bucket=bucket, Key="in/a b", Body=b"four")["ETag"].strip('"')
    s3.put_object(Bucket=bucket, Key="out/a", Body=b"x")
    s3.put_object(Bucket=silent, Key="in/a", Body=b"x")
    [event] = keeper.wait()
    assert (event["detail-type"], event["resources"]) == (
        "Object Created", [f"arn:aws:s3:::{bucket}"])
    detail = event["detail"]
    assert detail.pop("request-id") and detail["object"].pop("sequencer")
    assert detail == {"version": "0", "bucket": {"name": bucket}, "requester": "000000000000",
                      "object": {"key": "in/a b", "size": 4, "etag": etag},
                      "source-ip-address": "127.0.0.1", "reason": "PutObject"}
    s3.copy_object(Bucket=bucket, Key="in/c", CopySource=f"{bucket}/in/a b")
    s3.delete_object(Bucket=bucket, Key="in/c")
    seen = sorted((e["detail-type"], e["detail"]["reason"]) for e in keeper.wait(3))
    assert seen == [("Object Created", "CopyObject"), ("Object Created", "PutObject"),
                    ("Object Deleted", "DeleteObject")]


def test_inputs(server, events):  # noqa: F811
    part, made, source = Keeper(server), Keeper(server), fresh("source")
    listen(events, part, {"source": [source]}, InputPath="$.detail.list[1]['a b']")
    rule = listen(events, made, {"source": [source]}, InputTransformer={
        "InputPathsMap": {"who": "$.detail.who", "list": "$.detail.list", "none": "$.detail.none"},
        "InputTemplate": '{"text": "<who> has <list>", "who": <who>, "list": <list>, "none": <none>,'
                         ' "empty": "<none>", "rule": "<aws.events.rule-name>", "other": "<x>"}'})
    events.put_events(Entries=[entry(source, {"who": 'a "b"', "list": [1, {"a b": {"c": 2}}]})])
    assert part.wait() == [{"c": 2}]
    assert made.wait() == [{"text": 'a "b" has [1,{"a b":{"c":2}}]', "who": 'a "b"', "none": None,
                            "list": [1, {"a b": {"c": 2}}], "empty": "", "rule": rule,
                            "other": "<x>"}]


def test_bad_inputs(events):  # noqa: F811
    name = fresh("rule")
    events.put_rule(Name=name, EventPattern='{"source": ["s"]}')

    def refused(**target):
        lam = "arn:aws:lambda:us-east-1:000000000000:function:f"
        return fails(events.put_targets, Rule=name, Targets=[{"Id": "t", "Arn": lam, **target}])[2]

    assert "only one of" in refused(Input="1", InputPath="$")
    assert "not a path" in refused(InputPath="detail")
    assert "not a path" in refused(InputTransformer={"InputPathsMap": {"a": "$."},
                                                     "InputTemplate": "<a>"})
    assert "AWS" in refused(InputTransformer={"InputPathsMap": {"awsx": "$"}, "InputTemplate": "x"})


def test_patterns(events):  # noqa: F811
    event = {"id": "1", "account": "0", "source": "s", "time": "t", "region": "r", "resources": [],
             "detail-type": "d", "detail": {"state": "ok"}}

    def matches(pattern, event=event):
        return events.test_event_pattern(EventPattern=json.dumps(pattern),
                                         Event=json.dumps(event))["Result"]

    assert matches({"detail": {"state": ["ok", "fine"]}})
    assert not matches({"detail": {"state": [{"anything-but": "ok"}]}})
    code, status, message = fails(matches, pattern={"source": "s"})
    assert (code, status) == ("InvalidEventPatternException", 400)
    assert message == ('Event pattern is not valid. Reason: "source" must be an object or an array')
    assert fails(events.put_rule, Name="r", EventPattern="{")[0] == "InvalidEventPatternException"
    assert "id is a required argument" in fails(matches, pattern={"a": [1]}, event={})[2]


@pytest.mark.parametrize("bus", ["default", "other"])
def test_rights(server, bus):
    arn = f"arn:aws:events:us-east-1:000000000000:event-bus/{bus}"
    may = session(server, "events", ("events:PutEvents", arn))
    assert may.put_events(Entries=[entry("s", EventBusName=bus)])["FailedEntryCount"] == 0
    third = [entry("s", EventBusName=bus), entry("s", EventBusName="third")]
    code, _, message = fails(may.put_events, Entries=third)
    assert code == "AccessDeniedException" and "events:PutEvents" in message and "third" in message
    assert fails(may.create_event_bus, Name="x")[0] == "AccessDeniedException"
