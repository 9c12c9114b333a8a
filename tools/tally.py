#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Adds up what tools/test left in a folder: Meson's test logs, pytest's JUnit file and its own
plain lines. Prints a line a suite, why anything was skipped, and last 'N passed, N failed, N
skipped'. Fails when anything failed, or when nothing passed at all."""

import collections
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
CMOCKA = re.compile(r"^\[  (PASSED |FAILED |SKIPPED)\s*\] (\d+) test\(s\)", re.M)
CMOCKA_SKIP = re.compile(r"^\[  SKIPPED \] ([A-Za-z_]\w*)$", re.M)
MESON_OUTCOME = {"OK": PASSED, "EXPECTEDFAIL": PASSED, "SKIP": SKIPPED}


def tally_program(test, counts, notes):
    """One test program of Meson's log: cmocka's own counts where it printed them, else one."""
    text = test.get("stdout", "") + "\n" + test.get("stderr", "")
    outcome = MESON_OUTCOME.get(test["result"], FAILED)
    name = test["name"].split(" / ")[-1]
    if outcome == FAILED:
        notes.append(f"{name}: {test['result'].lower()}")
    found = collections.Counter()
    for word, number in CMOCKA.findall(text):
        found[word.strip().lower()] += int(number)
    if outcome == FAILED and not found[FAILED]:
        found[FAILED] = 1
    if not found:
        found[outcome] = 1
    counts.update(found)
    for skipped in dict.fromkeys(CMOCKA_SKIP.findall(text)):
        notes.append(f"{name}: {skipped} skipped")


def tally_meson(path):
    counts, notes = collections.Counter(), []
    for line in path.read_text().splitlines():
        if line.strip():
            tally_program(json.loads(line), counts, notes)
    return counts, notes


def tally_pytest(path):
    counts, notes = collections.Counter(), []
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        name = f"{case.get('classname')}.{case.get('name')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            counts[FAILED] += 1
            notes.append(f"{name}: failed")
        elif skipped is not None:
            counts[SKIPPED] += 1
            notes.append(f"{name}: skipped, {skipped.get('message', '')}")
        else:
            counts[PASSED] += 1
    return counts, notes


def tally_plain(path):
    suites = {}
    for line in path.read_text().splitlines():
        suite, outcome, text = line.split("\t")
        counts, notes = suites.setdefault(suite, (collections.Counter(), []))
        counts[outcome] += 1
        if outcome != PASSED:
            notes.append(f"{outcome}: {text}")
    return suites


def main():
    folder = pathlib.Path(sys.argv[1])
    suites = {}
    for path in sorted(folder.glob("*.json")):
        suites["unit" if path.stem == "meson" else path.stem] = tally_meson(path)
    for path in sorted(folder.glob("*.xml")):
        suites[path.stem] = tally_pytest(path)
    if (folder / "plain").exists():
        for name, (counts, notes) in tally_plain(folder / "plain").items():
            if name not in suites:
                suites[name] = (counts, notes)
            elif not suites[name][0][FAILED]:
                suites[name][0].update(counts)
                suites[name][1].extend(notes)
    total = collections.Counter()
    for name, (counts, notes) in suites.items():
        total.update(counts)
        print(f"{name:<14} {counts[PASSED]} passed, {counts[FAILED]} failed, "
              f"{counts[SKIPPED]} skipped")
        for note in notes:
            print(f"    {note}")
    print(f"{total[PASSED]} passed, {total[FAILED]} failed, {total[SKIPPED]} skipped")
    return 1 if total[FAILED] or not total[PASSED] else 0


if __name__ == "__main__":
    sys.exit(main())
