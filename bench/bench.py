# SPDX-License-Identifier: Apache-2.0
"""The benchmark's table: runs the rows of row_*.py one after the other, each with its reference in the
same run, and writes what came out. Called by bench/run."""

import datetime
import importlib
import os
import platform
import re
import subprocess
import sys
import time
import traceback

from rig import BUILD, HERE, ROUNDS, Row, Skip, say, scratch

# What takes minutes by itself is asked for by name, or with "all": together the others take less than ten.
SLOW = ("batch", "torch", "quant")
ROWS = ("echo", "cache", "throughput", "start", "upload", "objects", "decode", "memory", "python", "node", "server",
        "placement")
HEAD = ("measure", "Rouse", "reference in the same run", "ratio", "least–most", "aim", "met")
README = HERE.parent / "README.md"
MARKS = ("<!-- bench -->", "<!-- /bench -->")


def measure(name):
    """The rows of one file; one that says why when they could not be measured."""
    say(f"{name} …")
    began = time.monotonic()
    try:
        with scratch() as folder:
            rows = importlib.import_module(f"row_{name}").run(folder)
    except Skip as why:
        rows = [Row(name, f"skipped: {why}", "–", "–", "–", "–")]
    except Exception as error:
        traceback.print_exc()
        rows = [Row(name, f"failed: {error}", "–", "–", "–", "–", False)]
    say(f"{name}: {time.monotonic() - began:.0f} s")
    return rows


def cells(row):
    met = {True: "yes", False: "**no**", None: "–"}[row.met]
    parts = (row.measure, row.ours, row.reference, row.ratio, row.noise, row.aim, met)
    return [re.sub(r"\s+", " ", str(part)).replace("|", "/") for part in parts]


def markdown(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + "---|" * len(HEAD)]
    lines += ["| " + " | ".join(cells(row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def terminal(rows):
    """The same, in columns; the two long ones below each other."""
    table = [HEAD] + [[part.replace("**", "") for part in cells(row)] for row in rows]
    for what, ours, reference, ratio, noise, aim, met in table:
        print(f"{what[:76]:<76}  {ratio:>18}  {aim:<14}  {met}")
        print(f"    {ours}; {reference}" + (f"; {noise}" if noise != "–" else ""))


# ---- what it was measured on ---------------------------------------------------------------------


def first_line(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "not there"
    return next(iter((done.stdout + done.stderr).strip().splitlines()), "?")


def cpu():
    text = open("/proc/cpuinfo").read()
    found = re.search(r"model name\s*: (.*)", text)
    flags = re.search(r"flags\s*: (.*)", text)
    known = [f for f in ("avx2", "avx512f", "avx512_vnni", "amx_int8")
             if flags and f in flags[1].split()]
    return (found[1] if found else platform.machine()) + f" ({', '.join(known) or 'no AVX2'})"


def runner_version():
    done = subprocess.run([BUILD / "rouse-runner", "--version"], capture_output=True, text=True,
                          check=False)
    return (done.stdout.strip().splitlines() or ["?"])[-1]


def disk():
    line = first_line("findmnt", "-no", "FSTYPE,OPTIONS", "-T", str(BUILD))
    return line.split()[0] if line else "?"


def system():
    text = open("/etc/os-release").read()
    return re.search(r'PRETTY_NAME="?([^"\n]*)', text)[1]


def commit():
    return first_line("git", "-C", str(HERE), "rev-parse", "--short", "HEAD")


def machine():
    memory = int(re.search(r"MemTotal:\s+(\d+)", open("/proc/meminfo").read())[1]) / 1024**2
    return (
        f"- {datetime.date.today()}, commit {commit()}\n"
        f"- {cpu()}, {len(os.sched_getaffinity(0))} cores, {memory:.0f} GB; load average at the "
        f"start {LOAD[0]:.1f}\n"
        f"- {system()}, Linux {platform.release()}, {disk()}\n"
        f"- {runner_version()}; {first_line('/usr/sbin/nginx', '-v').removeprefix('nginx version: ')}; "
        f"{first_line('wrk', '-v').split(' [')[0]}; {first_line('cc', '--version')}\n"
    )


LOAD = os.getloadavg()

INTRODUCTION = f"""# Results of the benchmark

Written by `make bench`. Each figure is the median of {ROUNDS} or more rounds, in turn with rounds of its
reference on the same machine; the ratio is the median over pairs of rounds that stood beside each
other in time, and "least–most" is its spread. Clients and servers share the cores. What limits each is in
[docs/why/performance.md](../docs/why/performance.md).

"""


def write(rows):
    (HERE / "RESULTS.md").write_text(INTRODUCTION + machine() + "\n" + markdown(rows))
    if README.exists():
        text = README.read_text()
        start, stop = text.find(MARKS[0]), text.find(MARKS[1])
        if 0 <= start < stop:
            table = f"{MARKS[0]}\n{markdown(rows)}{MARKS[1]}"
            README.write_text(text[:start] + table + text[stop + len(MARKS[1]) :])


def main():
    whole = sys.argv[1:] in ([], ["all"])
    names = sys.argv[1:] if not whole else ROWS + (SLOW if sys.argv[1:] else ())
    unknown = [name for name in names if name not in ROWS + SLOW]
    if unknown:
        sys.exit(f"bench: no row {unknown[0]}; there are {' '.join(ROWS + SLOW)}, and all")
    began = time.monotonic()
    rows = [row for name in names for row in measure(name)]
    print()
    terminal(rows)
    print(f"\n{time.monotonic() - began:.0f} s; {machine()}")
    if whole:
        write(rows)


if __name__ == "__main__":
    main()
