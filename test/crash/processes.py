# SPDX-License-Identifier: Apache-2.0
"""What runs below a server, as /proc tells it."""
import os
import pathlib
import time


def _stat(pid):
    """(name, state, parent, start time) or None when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    name = text[text.index("(") + 1:text.rindex(")")]
    rest = text[text.rindex(")") + 2:].split()
    return name, rest[0], int(rest[1]), int(rest[19])


def table():
    """{pid: (name, state, parent, start time)}"""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = _stat(int(entry))
            if stat:
                found[int(entry)] = stat
    return found


def below(root):
    """{(pid, start time)} of all that descend from `root`, without itself; no zombies."""
    everything = table()
    found, grown = {root}, True
    while grown:
        grown = False
        for pid, (_, _, parent, _) in everything.items():
            if parent in found and pid not in found:
                found.add(pid)
                grown = True
    return {(pid, everything[pid][3]) for pid in found - {root} if everything[pid][1] != "Z"}


def alive(identity):
    pid, started = identity
    stat = _stat(pid)
    return stat is not None and stat[3] == started and stat[1] != "Z"


def all_gone(identities, patience_s):
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if not any(alive(one) for one in identities):
            return True
        time.sleep(0.02)
    return False


def leaves(root):
    """Those that nobody descends from: the instances, and templates that have none."""
    all_below, everything = below(root), table()
    parents = {stat[2] for stat in everything.values() if stat[1] != "Z"}
    return {one for one in all_below if one[0] not in parents}


def status(pid, field):
    """A number of /proc/PID/status, in its own unit."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise KeyError(field)


def switches(pid):
    """How often the threads of a process were put to sleep and woken, and what they have used."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        for line in pathlib.Path(f"/proc/{pid}/task/{task}/status").read_text().splitlines():
            if "ctxt_switches" in line:
                total += int(line.split()[1])
    return total
