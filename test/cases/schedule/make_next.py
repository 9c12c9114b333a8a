#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes next.txt: when expressions fire, as a second implementation has it that shares nothing with
src/format/: it asks every minute of UTC, through Python's zoneinfo, whether its local time is meant.

    python3 test/cases/schedule/make_next.py > test/cases/schedule/next.txt
"""
import calendar
from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

MONTHS = {n.upper(): i for i, n in enumerate(calendar.month_abbr) if n}
DAYS = {n: i for i, n in enumerate("SUN MON TUE WED THU FRI SAT".split(), 1)}

CASES = """
UTC 2026-01-01T00:00:00 cron(0 10 * * ? *)
UTC 2026-01-01T10:00:00 cron(0 10 * * ? *)
UTC 2026-01-01T09:59:59 cron(0 10 * * ? *)
UTC 2026-01-31T23:59:00 cron(15 12 * * ? *)
UTC 2026-01-02T00:00:00 cron(0 18 ? * MON-FRI *)
UTC 2026-01-01T07:00:00 cron(0 8 1 * ? *)
UTC 2026-01-01T00:10:00 cron(0/15 * * * ? *)
UTC 2026-01-02T23:45:00 cron(0/10 * ? * MON-FRI *)
UTC 2026-01-02T17:50:00 cron(0/5 8-17 ? * MON-FRI *)
UTC 2026-01-02T20:00:00 cron(0/30 20-2 ? * MON-FRI *)
UTC 2026-01-01T00:00:00 cron(5,35 14 * * ? *)
UTC 2026-01-01T00:00:00 cron(15 10 ? * 6L 2026-2027)
UTC 2026-01-01T00:00:00 cron(15 10 ? * FRIL 2026-2027)
UTC 2026-01-01T00:00:00 cron(* * * * ? *)
UTC 2026-12-31T23:58:30 cron(* * * * ? *)
UTC 2026-12-31T23:59:30 cron(*/1 * * * ? *)
UTC 2026-01-01T00:00:00 cron(1/10 * * * ? *)
UTC 2026-01-01T00:00:00 cron(50-10/7 3 * * ? *)
UTC 2026-01-01T00:00:00 cron(0 22-2/2 * * ? *)
UTC 2026-01-01T00:00:00 cron(0 */7 * * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 L * ? *)
UTC 2028-02-01T00:00:00 cron(0 0 L * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 LW * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 1W * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 15W * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 31W * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 29W FEB ? *)
UTC 2026-01-01T00:00:00 cron(0 0 3W,L * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 30 * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 31 * ? *)
UTC 2026-01-01T00:00:00 cron(0 0 29 2 ? *)
UTC 2096-03-01T00:00:00 cron(0 0 29 2 ? *)
UTC 2026-01-01T00:00:00 cron(0 0 31 4,6,9,11 ? *)
UTC 2026-01-01T00:00:00 cron(0 0 1-5,20 JAN,jul ? *)
UTC 2026-01-01T00:00:00 cron(0 0 20-5/4 * ? *)
UTC 2026-10-01T00:00:00 cron(0 0 1 NOV-FEB ? *)
UTC 2026-01-01T00:00:00 cron(0 0 1 */5 ? *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * 3#2 *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * TUE#5 *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * L *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * 1L *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * SAT-MON *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * MON,WED,6 *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * 2/2 *)
UTC 2026-01-01T00:00:00 cron(0 12 ? * * *)
UTC 2026-01-01T00:00:00 cron(0 0 1 1 ? 2030)
UTC 2026-01-01T00:00:00 cron(0 0 1 1 ? 2027/3)
UTC 2026-01-01T00:00:00 cron(0 0 1 1 ? 2026-2040/7)
UTC 2026-01-01T00:00:00 cron(0 0 1 1 ? 2020)
UTC 2026-01-01T00:00:00 cron(0 0 1 1 ? 2199)
UTC 2199-01-01T00:00:00 cron(0 0 1 1 ? 2199)
UTC 1970-01-01T00:00:00 cron(0 0 1 1 ? 1970-1972)
UTC 1970-01-01T00:00:00 cron(59 23 31 12 ? 1970)
America/Los_Angeles 2026-03-06T00:00:00 cron(30 2 * * ? *)
America/Los_Angeles 2026-10-30T00:00:00 cron(30 2 * * ? *)
America/Los_Angeles 2026-10-30T00:00:00 cron(30 1 * * ? *)
America/Los_Angeles 2026-11-01T08:30:00 cron(30 1 * * ? *)
America/Los_Angeles 2026-11-01T08:59:00 cron(30 1 * * ? *)
America/Los_Angeles 2026-11-01T09:05:00 cron(30 1 * * ? *)
America/New_York 2026-03-08T05:00:00 cron(0 * * * ? *)
America/New_York 2026-11-01T03:30:00 cron(0 * * * ? *)
America/New_York 2026-11-01T05:40:00 cron(0/20 * * * ? *)
Europe/Berlin 2026-03-28T12:00:00 cron(0 2,3 * * ? *)
Europe/Berlin 2026-10-24T12:00:00 cron(0 2,3 * * ? *)
Europe/Berlin 2026-10-25T00:20:00 cron(* 2 * * ? *)
Europe/Berlin 2026-10-25T00:58:00 cron(* * * * ? *)
Europe/Berlin 2026-03-29T00:58:00 cron(* * * * ? *)
Europe/Berlin 2050-03-26T00:00:00 cron(30 2 * * ? *)
Europe/Berlin 2026-01-01T00:00:00 cron(30 2 L 3 ? *)
Europe/London 2026-03-28T00:00:00 cron(30 1 * * ? *)
Europe/Dublin 2026-10-24T00:00:00 cron(30 1 * * ? *)
Australia/Lord_Howe 2026-10-02T00:00:00 cron(15 2 * * ? *)
Australia/Lord_Howe 2026-04-03T00:00:00 cron(45 1 * * ? *)
Australia/Sydney 2026-10-02T00:00:00 cron(0 3 ? * SUN *)
Africa/Casablanca 2026-02-12T00:00:00 cron(30 2 * * ? *)
Africa/Casablanca 2026-03-20T00:00:00 cron(30 2 * * ? *)
America/Santiago 2026-09-04T00:00:00 cron(30 0 * * ? *)
America/St_Johns 2026-03-07T00:00:00 cron(30 2 * * ? *)
Asia/Kolkata 2026-01-01T00:00:00 cron(0 9 * * ? *)
Asia/Kathmandu 2026-01-01T00:00:00 cron(0 9 * * ? *)
Asia/Tokyo 2026-01-01T00:00:00 cron(0 0 1 * ? *)
Pacific/Apia 2011-12-28T12:00:00 cron(0 12 * * ? *)
Pacific/Kiritimati 2026-01-30T00:00:00 cron(0 0 L * ? *)
Pacific/Honolulu 2026-01-30T00:00:00 cron(0 0 L * ? *)
Antarctica/Troll 2026-03-28T00:00:00 cron(30 1 * * ? *)
Etc/GMT-14 2026-01-01T00:00:00 cron(0 0 * * ? *)
UTC 2026-01-01T00:00:00 at(2026-11-20T13:00:00)
UTC 2026-11-20T13:00:00 at(2026-11-20T13:00:00)
UTC 2026-11-20T12:59:59 at(2026-11-20T13:00:00)
America/Los_Angeles 2026-01-01T00:00:00 at(2026-11-20T13:00:00)
America/Los_Angeles 2026-01-01T00:00:00 at(2026-03-08T02:30:00)
America/Los_Angeles 2026-01-01T00:00:00 at(2026-11-01T01:30:00)
Asia/Tokyo 2026-01-01T00:00:00 at(2028-02-29T00:00:01)
Pacific/Apia 2011-01-01T00:00:00 at(2011-12-30T12:00:00)
Europe/Berlin 2026-01-01T00:00:00 at(2026-10-25T02:59:59)
""".strip().splitlines()


def value(text, names):
    return names.get(text.upper()) or int(text)


def plain(part, n, low, high, names):
    """Whether one part of a list means the value n."""
    span, _, step = part.partition("/")
    first, last = low, high
    if span != "*":
        a, _, b = span.partition("-")
        first = value(a, names)
        last = value(b, names) if b else (high if step else first)
    size = high - low + 1
    count = (last - first) % size
    return any((first - low + i) % size + low == n for i in range(0, count + 1, int(step or 1)))


def means(text, n, low, high, names=()):
    return any(plain(p, n, low, high, dict(names)) for p in text.split(","))


def near(d, last):
    """The weekday nearest to d within its month."""
    day = d
    for shift in (0, -1, 1, -2, 2):
        other = d + timedelta(days=shift)
        if other.month == d.month and other.weekday() < 5:
            day = other
            break
    return day


def month_day(part, d, last):
    if part == "L":
        return d.day == last
    if part == "LW":
        return d == near(d.replace(day=last), last)
    if part.endswith("W"):
        n = int(part[:-1])
        return n <= last and d == near(d.replace(day=n), last)
    return plain(part, d.day, 1, 31, {})


def week_day(part, d, last):
    n = d.isoweekday() % 7 + 1
    if part == "L":
        return n == 7
    if "#" in part:
        which, nth = part.split("#")
        return n == value(which, DAYS) and (d.day + 6) // 7 == int(nth)
    if part.endswith("L") and len(part) > 1:
        return n == value(part[:-1], DAYS) and d.day > last - 7
    return plain(part, n, 1, 7, DAYS)


def date_meant(fields, d):
    last = calendar.monthrange(d.year, d.month)[1]
    _, _, dom, month, dow, year = fields
    return (
        1970 <= d.year <= 2199
        and means(year, d.year, 1970, 2199)
        and means(month, d.month, 1, 12, MONTHS)
        and (dom == "?" or any(month_day(p, d, last) for p in dom.split(",")))
        and (dow == "?" or any(week_day(p, d, last) for p in dow.split(",")))
    )


def cron(fields, zone, after, count):
    found = []
    day = after.date() - timedelta(days=2)
    years = (after.year + 90) if fields[5] == "*" else 2199
    while len(found) < count and day <= date(min(years, 2199), 12, 31):
        day += timedelta(days=1)
        if not date_meant(fields, day):
            continue
        minute = datetime(day.year, day.month, day.day, tzinfo=timezone.utc) - timedelta(hours=26)
        for _ in range(3 * 24 * 60):
            minute += timedelta(minutes=1)
            local = minute.astimezone(zone)
            if (
                minute > after
                and local.date() == day
                and not local.fold
                and means(fields[1], local.hour, 0, 23)
                and means(fields[0], local.minute, 0, 59)
            ):
                found.append(minute)
                if len(found) == count:
                    break
    return found


def at(text, zone, after):
    when = datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(timezone.utc)
    return [when] if when > after else []


def main():
    print("# zone | after (UTC) | expression | the next instants (UTC). Made by make_next.py.")
    for line in CASES:
        name, start, expression = line.split(" ", 2)
        zone = ZoneInfo(name)
        after = datetime.fromisoformat(start).replace(tzinfo=timezone.utc)
        kind, inner = expression[:-1].split("(", 1)
        times = cron(inner.split(), zone, after, 4) if kind == "cron" else at(inner, zone, after)
        print(line + " | " + " ".join(t.strftime("%Y-%m-%dT%H:%M:%SZ") for t in times))


if __name__ == "__main__":
    main()
