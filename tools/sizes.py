#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The size report: functions over 70 lines and files over 800 are listed, functions of src/ over 90
fail. It relies on the sources being formatted: a function's braces stand alone in column 0."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
FUNCTION_LISTED, FUNCTION_MAX, FILE_LISTED = 70, 90, 800
NAME = re.compile(r"(\w+)\s*\(")


def functions(lines):
    """Yields (name, first line, lines of the body with its braces)."""
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line == "}" and start is not None:
            head = start - 1
            while head > 1 and lines[head - 2].strip() and not lines[head - 2].startswith(("}", "#", "//")):
                head -= 1
            match = NAME.search(" ".join(lines[head - 1:start - 1]))
            yield (match.group(1) if match else "?"), head, number - start + 1
            start = None


def main():
    listed, failed, count, short = [], 0, 0, 0
    for folder in ("src", "test", "bench"):
        for path in sorted((ROOT / folder).rglob("*.[ch]")):
            lines = path.read_text(errors="replace").splitlines()
            relative = path.relative_to(ROOT)
            if len(lines) > FILE_LISTED:
                listed.append(f"{relative}: {len(lines)} lines")
            for name, line, length in functions(lines):
                if folder == "src":
                    count += 1
                    short += length <= 40
                if length > FUNCTION_LISTED:
                    too_long = folder == "src" and length > FUNCTION_MAX
                    failed += too_long
                    listed.append(f"{relative}:{line}: {name} has {length} lines"
                                  + (f", over {FUNCTION_MAX}" if too_long else ""))
    for line in listed:
        print(line)
    share = 100 * short // count if count else 100
    print(f"sizes: {count} functions in src, {share} % of at most 40 lines, {failed} too long")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
