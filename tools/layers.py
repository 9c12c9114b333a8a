#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks every #include of src/ against tools/layers.txt and fails on any that it does not allow."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
# What users carry along in projects of their own, so that it may not name folders of ours.
CARRIED = ("runtime/c", "cli/templates")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def read_rules(path):
    """Two tables: folder -> folders it may include, and library header prefix -> folders."""
    folders, libraries = {}, {}
    for line in path.read_text().splitlines():
        line = line.split("#")[0].strip()
        if line:
            name, _, allowed = line.partition(":")
            table = libraries if name.startswith("<") else folders
            table[name.lstrip("<")] = set(allowed.split())
    return folders, libraries


def owner_of(relative):
    """The rule's name for a file: its top folder, or for src/*.c the file itself."""
    return relative.parts[0] if len(relative.parts) > 1 else relative.name


def check_file(path, folders, libraries):
    relative = path.relative_to(ROOT / "src")
    owner = owner_of(relative)
    if owner not in folders:
        yield f"src/{relative}: tools/layers.txt has no line for {owner}"
        return
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        ours, system = match.groups()
        where = f"src/{relative}:{number}"
        if ours:
            target = ours.split("/")[0] if "/" in ours else None
            if any(relative.is_relative_to(folder) for folder in CARRIED):
                continue
            if target is None:
                yield f'{where}: "{ours}" must name its folder'
            elif target not in folders[owner] | {owner, "base"}:
                yield f"{where}: {owner}/ may not include {ours}"
        else:
            for prefix, allowed in libraries.items():
                inside = any(relative.is_relative_to(folder) for folder in allowed)
                if system.startswith(prefix) and not inside:
                    yield f"{where}: only {', '.join(sorted(allowed))}/ may see <{system}>"


def main():
    folders, libraries = read_rules(ROOT / "tools/layers.txt")
    files = sorted([*(ROOT / "src").rglob("*.[ch]")])
    faults = [fault for path in files for fault in check_file(path, folders, libraries)]
    for fault in faults:
        print(fault)
    print(f"layers: {len(files)} files, {len(faults)} forbidden includes")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
