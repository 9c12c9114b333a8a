#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes files into a C source, so that the program carries them: embed.py OUTPUT.c NAME… -- FILE…

The files become rows {name, text} of embedded_files, sorted by name."""
import sys

output, *rest = sys.argv[1:]
names, paths = rest[: rest.index("--")], rest[rest.index("--") + 1 :]
if len(names) != len(paths):
    sys.exit("embed.py: as many names as files")
rows = []
for name, path in sorted(zip(names, paths)):
    with open(path, encoding="utf-8") as f:
        lines = f.read().splitlines(keepends=True)
    quoted = "\n".join(
        '     "%s"' % line.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
        for line in lines
    )
    rows.append('    {"%s",\n%s},' % (name, quoted or '     ""'))
with open(output, "w", encoding="utf-8") as f:
    f.write(
        '// Made by tools/embed.py.\n#include "cli/embedded.h"\n\n'
        "const struct embedded_file embedded_files[] = {\n%s\n};\n"
        "const size_t embedded_count = sizeof embedded_files / sizeof embedded_files[0];\n" % "\n".join(rows)
    )
