# SPDX-License-Identifier: Apache-2.0
"""JPEG to tensor against Pillow and torchvision: bench/decode.py does it."""

import json
import subprocess
import sys

from rig import BUILD, HERE, Row, Skip, number, say


def run(_folder):
    done = subprocess.run([sys.executable, HERE / "decode.py", "--json", "--build", BUILD],
                          capture_output=True, text=True, check=False)
    if done.returncode or not done.stdout.startswith("["):
        raise Skip((done.stdout + done.stderr).strip()[-300:])
    rows = []
    for case in json.loads(done.stdout):
        ours, theirs, times = case["rouse_us"] / 1e3, case["reference_us"] / 1e3, case["ratio"]
        say(f"{case['case']}: {number(ours)} ms, {case['reference']} {number(theirs)} ms")
        aim = case["aim"]
        rows.append(Row(f"{case['case']} JPEG → tensor", f"{number(ours)} ms",
                        f"{case['reference']}: {number(theirs)} ms", f"{times:.1f}× faster",
                        case.get("noise", "–"), f"≥ {aim:g}×" if aim else "report",
                        times >= aim if aim else None))
    return rows
