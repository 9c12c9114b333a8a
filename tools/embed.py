#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes files into a C source, so that the program carries them: embed.py OUTPUT.c FOLDER FILE…

Each file becomes a row {name, text} of embedded_files, its name relative to FOLDER."""
import os
import sys

output, folder, *files = sys.argv[1:]
rows = []
for path in sorted(files):
    with open(path, encoding='utf-8') as f:
        lines = f.read().splitlines(keepends=True)
    quoted = '\n'.join('     "%s"' % line.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n')
                       for line in lines)
    rows.append('    {"%s",\n%s},' % (os.path.relpath(path, folder), quoted or '     ""'))
with open(output, 'w', encoding='utf-8') as f:
    f.write('// Made by tools/embed.py.\n#include "cli/embedded.h"\n\n'
            'const struct embedded_file embedded_files[] = {\n%s\n};\n'
            'const size_t embedded_count = sizeof embedded_files / sizeof embedded_files[0];\n'
            % '\n'.join(rows))
