# SPDX-License-Identifier: Apache-2.0
"""Placement among devices, simulated: the processor's curve was measured, the GPU's is assumed. What the policy
does is set beside one device alone and the best threshold, at the same 99th percentile."""

import subprocess

from rig import BUILD, HERE, Row, number, say

CURVES = HERE.parent / "test/cases/placement/curves.txt"


def used(row):
    return (float(row[5]) + float(row[6])) / 2


def told(row):
    return f"{number(float(row[3]))} jobs/s, {100 * used(row):.0f} % used"


def run(_folder):
    done = subprocess.run([BUILD / "bench" / "bench_placement", CURVES], capture_output=True, text=True, check=True)
    table = [line.split("\t") for line in done.stdout.splitlines()]
    rows = []
    for model in dict.fromkeys(row[0] for row in table):
        mine = [row for row in table if row[0] == model]
        for row in mine:
            say(f"{model}, {row[2]}: {told(row)}, p99 {row[4]} ms")
        ours = mine[0]
        alone = max((row for row in mine if row[2] in ("cpu", "gpu")), key=lambda row: float(row[3]))
        fixed = max((row for row in mine if row[2].startswith("threshold")), key=lambda row: float(row[3]))
        times = used(ours) / used(alone) if used(alone) else 0
        rows.append(Row(f"placement, simulated with an assumed GPU, {model}, p99 ≤ {ours[1]} ms: utilisation",
                        told(ours), f"{alone[2]} alone: {told(alone)}; best {fixed[2]}: {told(fixed)}",
                        f"{times:.2f}×", "–", "≥ 1.4×", times >= 1.4))
    return rows
