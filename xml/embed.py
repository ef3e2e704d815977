# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes RELAX NG schemas into a C file, so that the module validates without knowing a path.

    embed.py OUTPUT.c SCHEMA.rng...

Each SCHEMA becomes `const char replSchemaNAME[]`. Included files are put in place of their <include>,
which has to be one without overrides; comments and indentation are left out.
"""

import os
import sys
import xml.etree.ElementTree as ET

RNG = "{http://relaxng.org/ns/structure/1.0}"


def load(path):
    """The grammar with the definitions of what it includes."""
    root = ET.parse(path).getroot()
    for include in root.findall(RNG + "include"):
        if len(include):
            sys.exit(f"{path}: an <include> with overrides cannot be embedded")
        included = load(os.path.join(os.path.dirname(path), include.get("href")))
        for name in ("ns", "datatypeLibrary"):
            # Inherited attributes must mean the same in the place where the definitions go.
            for child in included:
                if included.get(name) is not None and child.get(name) is None:
                    child.set(name, included.get(name))
        root.remove(include)
        root.extend(list(included))
    return root


def strip(element):
    for node in element.iter():
        if len(node):
            node.text = None
        node.tail = None


def c_string(text):
    lines = []
    for start in range(0, len(text), 90):
        part = text[start:start + 90].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'    "{part}"')
    return "\n".join(lines)


def main(output, *schemas):
    ET.register_namespace("", RNG[1:-1])
    parts = ['/* Made by embed.py. */\n#include "xml/schema.h"\n']
    for path in schemas:
        root = load(path)
        strip(root)
        name = os.path.splitext(os.path.basename(path))[0].capitalize()
        text = ET.tostring(root, encoding="unicode")
        if not text.isascii():
            sys.exit(f"{path}: not ASCII")
        parts.append(f"const char replSchema{name}[] =\n{c_string(text)};\n")
    with open(output, "w", encoding="ascii") as f:
        f.write("\n".join(parts))


if __name__ == "__main__":
    main(*sys.argv[1:])
