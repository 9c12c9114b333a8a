# SPDX-License-Identifier: Apache-2.0
"""EventBridge Scheduler through boto3: schedules and their groups, and that they fire when they should:
once, at a rate, in time zones, late after a stop, not again after a kill."""
import datetime
import time

import pytest

from events_support import ROLE, Keeper, fresh, session
from test_events import make_due
from test_lambda import fails

ARN = "arn:aws:scheduler:us-east-1:000000000000:"
LAMBDA = "arn:aws:lambda:us-east-1:000000000000:function:f"
OFF = {"Mode": "OFF"}
UTC = datetime.timezone.utc


@pytest.fixture
def scheduler(server):
    return server.client("scheduler")


def make(scheduler, expression="rate(1 day)", name=None, arn=LAMBDA, target=None, **more):
    name = name or fresh("schedule")
    more.setdefault("FlexibleTimeWindow", OFF)
    scheduler.create_schedule(Name=name, ScheduleExpression=expression, **more,
                              Target={"Arn": arn, "RoleArn": ROLE, **(target or {})})
    return name


def far_at():
    return "at(2190-01-01T00:00:00)"


# ── schedules ──

def test_schedule_is_shown_as_it_was_made(scheduler):
    name, start = fresh("s"), datetime.datetime(2180, 1, 1, tzinfo=UTC)
    target = {"Arn": LAMBDA, "RoleArn": ROLE, "Input": '{"a": "<aws.scheduler.schedule-arn>"}',
              "RetryPolicy": {"MaximumRetryAttempts": 3, "MaximumEventAgeInSeconds": 60},
              "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:000000000000:q"}}
    made = scheduler.create_schedule(
        Name=name, ScheduleExpression="cron(30 2 * * ? *)", Description="d", State="DISABLED",
        ScheduleExpressionTimezone="Europe/Berlin", StartDate=start,
        EndDate=start + datetime.timedelta(days=9), ActionAfterCompletion="DELETE",
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}, Target=target)
    assert made["ScheduleArn"] == f"{ARN}schedule/default/{name}"
    got = scheduler.get_schedule(Name=name)
    dates = got.pop("CreationDate"), got.pop("LastModificationDate")
    assert dates[0] == dates[1] and abs(dates[0].timestamp() - time.time()) < 60
    got.pop("ResponseMetadata")
    assert got == {
        "Arn": made["ScheduleArn"], "GroupName": "default", "Name": name, "State": "DISABLED",
        "ScheduleExpression": "cron(30 2 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin",
        "Description": "d", "StartDate": start, "EndDate": start + datetime.timedelta(days=9),
        "ActionAfterCompletion": "DELETE", "Target": target,
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}}


def test_update_resets_what_it_does_not_name(scheduler):
    name = make(scheduler, far_at(), Description="d", State="DISABLED",
                ScheduleExpressionTimezone="Asia/Tokyo")
    was = scheduler.get_schedule(Name=name)
    time.sleep(0.01)
    scheduler.update_schedule(Name=name, ScheduleExpression="rate(2 hours)", FlexibleTimeWindow=OFF,
                              Target={"Arn": LAMBDA, "RoleArn": ROLE})
    got = scheduler.get_schedule(Name=name)
    assert got["CreationDate"] == was["CreationDate"]
    assert got["LastModificationDate"] > was["LastModificationDate"]
    assert (got["State"], got["ScheduleExpressionTimezone"]) == ("ENABLED", "UTC")
    assert "Description" not in got and got["ActionAfterCompletion"] == "NONE"
    assert got["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 185,
                                            "MaximumEventAgeInSeconds": 86400}
    assert fails(scheduler.update_schedule, Name="none", ScheduleExpression="rate(1 day)",
                 FlexibleTimeWindow=OFF, Target={"Arn": LAMBDA, "RoleArn": ROLE}) == (
        "ResourceNotFoundException", 404, "Schedule none does not exist.")


def test_create_again(scheduler):
    name = make(scheduler, far_at(), ClientToken="token-1")
    make(scheduler, far_at(), name=name, ClientToken="token-1")
    assert "ClientToken" not in scheduler.get_schedule(Name=name)
    with pytest.raises(scheduler.exceptions.ConflictException) as info:
        make(scheduler, far_at(), name=name, ClientToken="token-2")
    assert info.value.response["Error"]["Message"] == f"Schedule {name} already exists."
    scheduler.delete_schedule(Name=name)
    assert fails(scheduler.delete_schedule, Name=name)[:2] == ("ResourceNotFoundException", 404)
    assert fails(scheduler.get_schedule, Name=name)[2] == f"Schedule {name} does not exist."


def test_list(scheduler):
    group, prefix = fresh("group"), fresh("list")
    scheduler.create_schedule_group(Name=group)
    names = sorted(f"{prefix}-{i}" for i in range(4))
    for name in names:
        make(scheduler, far_at(), name=name, State="DISABLED" if name[-1] == "2" else "ENABLED")
        make(scheduler, far_at(), name=name, GroupName=group)
    seen, token = [], {}
    while True:
        page = scheduler.list_schedules(NamePrefix=prefix, MaxResults=3, **token)
        seen += [(s["GroupName"], s["Name"]) for s in page["Schedules"]]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert seen == [(g, n) for g in sorted(["default", group]) for n in names]
    [off] = scheduler.list_schedules(NamePrefix=prefix, State="DISABLED")["Schedules"]
    assert off["Name"] == names[2] and off["Target"] == {"Arn": LAMBDA}
    assert len(scheduler.list_schedules(GroupName=group)["Schedules"]) == 4
    assert fails(scheduler.list_schedules, GroupName="none")[:2] == (
        "ResourceNotFoundException", 404)


def test_groups(scheduler):
    group = fresh("group")
    made = scheduler.create_schedule_group(Name=group, Tags=[{"Key": "k", "Value": "v"}])
    arn = made["ScheduleGroupArn"]
    assert arn == f"{ARN}schedule-group/{group}"
    got = scheduler.get_schedule_group(Name=group)
    assert (got["Arn"], got["Name"], got["State"]) == (arn, group, "ACTIVE")
    assert fails(scheduler.create_schedule_group, Name=group)[:2] == ("ConflictException", 409)
    assert scheduler.get_schedule_group(Name="default")["State"] == "ACTIVE"
    names = [g["Name"] for p in scheduler.get_paginator("list_schedule_groups").paginate()
             for g in p["ScheduleGroups"]]
    assert "default" in names and group in names
    scheduler.tag_resource(ResourceArn=arn, Tags=[{"Key": "l", "Value": "w"}])
    scheduler.untag_resource(ResourceArn=arn, TagKeys=["k", "x"])
    assert scheduler.list_tags_for_resource(ResourceArn=arn)["Tags"] == [{"Key": "l", "Value": "w"}]
    name = make(scheduler, far_at(), GroupName=group)
    scheduler.delete_schedule_group(Name=group)
    missing = ("ResourceNotFoundException", 404, f"Schedule group {group} does not exist.")
    assert fails(scheduler.get_schedule_group, Name=group) == missing
    assert fails(scheduler.get_schedule, Name=name, GroupName=group) == missing
    assert fails(scheduler.delete_schedule_group, Name=group) == missing
    assert fails(scheduler.list_tags_for_resource, ResourceArn=arn) == missing
    assert fails(scheduler.delete_schedule_group, Name="default")[0] == "ValidationException"


# ── what is refused ──

@pytest.mark.parametrize("expression", [
    "cron(0 1 * * * *)", "cron(7 20 * * NOT *)", "cron(INVALID)", "cron()", "rate(10 seconds)",
    "rate()", "rate(-10 minutes)", " rate(10 minutes)", "at(2021-12-31T23:59:59Z)",
    "at(2021-12-31)"])
def test_bad_expressions(scheduler, expression):
    assert fails(make, scheduler=scheduler, expression=expression) == (
        "ValidationException", 400, f"Invalid Schedule Expression {expression}.")


def test_bad_schedules(server):
    scheduler = server.client("scheduler", parameter_validation=False)

    def refused(**more):
        code, status, message = fails(make, scheduler=scheduler, **more)
        assert (code, status) == ("ValidationException", 400), message
        return message

    long_ago = datetime.datetime(2020, 1, 1, tzinfo=UTC)
    assert "Europe/Nowhere" in refused(ScheduleExpressionTimezone="Europe/Nowhere")
    assert "../../etc/passwd" in refused(ScheduleExpressionTimezone="../../etc/passwd")
    assert refused(StartDate=long_ago) == (
        "The StartDate you specify cannot be earlier than 5 minutes ago.")
    assert "must come before the EndDate" in refused(
        StartDate=datetime.datetime(2180, 1, 1), EndDate=datetime.datetime(2179, 1, 1))
    assert "[OFF, FLEXIBLE]" in refused(FlexibleTimeWindow={"Mode": "MAYBE"})
    assert "must be specified" in refused(FlexibleTimeWindow={"Mode": "FLEXIBLE"})
    assert "belongs to" in refused(FlexibleTimeWindow={**OFF, "MaximumWindowInMinutes": 5})
    assert "less than or equal to 1440" in refused(
        FlexibleTimeWindow={"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 1441})
    assert "only Lambda functions" in refused(arn="arn:aws:sqs:us-east-1:000000000000:q")
    assert "only Lambda functions" in refused(arn="arn:aws:scheduler:::aws-sdk:lambda:invoke")
    assert "Target.SqsParameters" in refused(target={"SqsParameters": {}})
    assert "well-formed JSON" in refused(target={"Input": "{"})
    assert "target.roleArn" in refused(target={"RoleArn": "nobody"})
    assert "enum value set" in refused(State="ON")
    assert "enum value set" in refused(ActionAfterCompletion="EXPLODE")
    assert "'name'" in refused(name="a b")
    assert "'flexibleTimeWindow'" in refused(FlexibleTimeWindow=None)
    assert fails(make, scheduler=scheduler, GroupName="none") == (
        "ResourceNotFoundException", 404, "Schedule group none does not exist.")
    # One-time schedules do not care for dates.
    scheduler.delete_schedule(Name=make(scheduler, far_at(), StartDate=long_ago, EndDate=long_ago))


# ── firing ──

def soon(seconds=1.0):
    when = datetime.datetime.now(UTC) + datetime.timedelta(seconds=seconds)
    return when.replace(microsecond=0) + datetime.timedelta(seconds=1)


def test_once_in_a_time_zone(server, scheduler):
    import zoneinfo

    keeper, when = Keeper(server), soon()
    local = when.astimezone(zoneinfo.ZoneInfo("Asia/Kathmandu"))
    name = make(scheduler, local.strftime("at(%Y-%m-%dT%H:%M:%S)"), arn=keeper.arn,
                ScheduleExpressionTimezone="Asia/Kathmandu")
    assert keeper.events() == []
    [event] = keeper.wait()
    assert len(event.pop("id")) == 36
    assert event == {
        "version": "0", "detail-type": "Scheduled Event", "source": "aws.scheduler",
        "account": "000000000000", "time": when.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": "us-east-1", "resources": [f"{ARN}schedule/default/{name}"], "detail": "{}"}
    assert scheduler.get_schedule(Name=name)["State"] == "ENABLED"  # it stays, and is over


def test_rates_begin_at_once(server, scheduler):
    keeper = Keeper(server)
    name = make(scheduler, "rate(1 hours)", arn=keeper.arn, target={"Input": (
        '{"arn": "<aws.scheduler.schedule-arn>", "n": "<aws.scheduler.attempt-number>", "x": "<a>",'
        ' "time": "<aws.scheduler.scheduled-time>", "id": "<aws.scheduler.execution-id>"}')})
    [event] = keeper.wait()
    assert event["arn"] == f"{ARN}schedule/default/{name}"
    assert (event["n"], event["x"], len(event["id"])) == ("1", "<a>", 16)
    assert event["time"].startswith("20") and event["time"].endswith("Z")
    scheduler.update_schedule(Name=name, ScheduleExpression="rate(2 hours)", FlexibleTimeWindow=OFF,
                              Target={"Arn": keeper.arn, "RoleArn": ROLE})
    time.sleep(0.3)
    assert len(keeper.events()) == 1  # a change is no beginning


def test_start_date_end_date_and_deletion(server, scheduler):
    keeper, start = Keeper(server), soon()
    name = make(scheduler, "rate(1 minute)", arn=keeper.arn, StartDate=start,
                EndDate=start + datetime.timedelta(seconds=30), ActionAfterCompletion="DELETE")
    off = make(scheduler, "rate(1 minute)", arn=keeper.arn, State="DISABLED")
    over = make(scheduler, "rate(1 minute)", arn=keeper.arn,
                EndDate=datetime.datetime(2020, 1, 1, tzinfo=UTC))
    [event] = keeper.wait()
    assert event["time"] == start.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert fails(scheduler.get_schedule, Name=name)[0] == "ResourceNotFoundException"
    assert scheduler.get_schedule(Name=off)["State"] == "DISABLED"
    assert scheduler.get_schedule(Name=over)["State"] == "ENABLED"


def test_a_function_that_is_gone(rouse):
    scheduler, dead = rouse.client("scheduler"), Keeper(rouse)
    make(scheduler, "rate(1 day)", arn=LAMBDA + "-gone", target={
        "DeadLetterConfig": {"Arn": dead.arn}, "Input": '{"to": "nobody"}'})
    assert dead.wait() == [{"to": "nobody"}]


def test_missed_while_stopped(rouse):
    scheduler, keeper = rouse.client("scheduler"), Keeper(rouse)
    make(scheduler, far_at(), arn=keeper.arn, name="once", ActionAfterCompletion="DELETE")
    make(scheduler, "cron(0 0 1 1 ? *)", arn=keeper.arn, name="yearly",
         ScheduleExpressionTimezone="America/New_York")
    rouse.stop()
    count, when = make_due(rouse, "schedule", 400 * 86400)
    assert count == 2
    rouse.start()
    keeper.s3 = rouse.client("s3")
    scheduler = rouse.client("scheduler")
    first, second = keeper.wait(2)
    assert first["time"] == second["time"] == when
    assert [s["Name"] for s in scheduler.list_schedules()["Schedules"]] == ["yearly"]
    rouse.kill()
    rouse.start()
    keeper.s3 = rouse.client("s3")
    time.sleep(0.2)
    keeper.wait(2)


def test_rights(server):
    role = "arn:aws:iam::000000000000:role/passed"
    name, group = fresh("s"), fresh("group")
    target = {"Arn": LAMBDA, "RoleArn": role}
    whole = {"Name": name, "ScheduleExpression": far_at(), "FlexibleTimeWindow": OFF,
             "Target": target}
    arn = f"{ARN}schedule/default/{name}"
    may = session(server, "scheduler", (["scheduler:*Schedule"], arn))
    code, status, message = fails(may.create_schedule, **whole)
    assert (code, status) == ("AccessDeniedException", 403) and "iam:PassRole" in message
    may = session(server, "scheduler", (["scheduler:CreateSchedule", "scheduler:GetSchedule"], arn),
                  ("iam:PassRole", role))
    may.create_schedule(**whole)
    assert may.get_schedule(Name=name)["Name"] == name
    assert "scheduler:DeleteSchedule" in fails(may.delete_schedule, Name=name)[2]
    assert fails(may.create_schedule, **{**whole, "Name": name + "x"})[0] == "AccessDeniedException"
    assert fails(may.create_schedule_group, Name=group)[0] == "AccessDeniedException"
    assert fails(may.list_schedules)[0] == "AccessDeniedException"
