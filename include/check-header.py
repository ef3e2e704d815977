#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""check-header.py HEADER VERSION COMPILER[,ARG…] PROGRAM.c SCHEMA…

Compiles and runs the program as C and as C++ against the header alone, and holds the header to the
project's version and to the schemas: each element, attribute and value there has its name here.
"""

import os
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

RNG = "{http://relaxng.org/ns/structure/1.0}"
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wundef"]

# Words of the schemas that are libvirt's own, or that this version refuses (on other hosts).
NOT_OURS = {"host", "port", "pool", "volume", "metadata", "target", "format", "secret", "passphrase", "uuid", "usage",
            "unit", "peer", "uri", "xmlns"}
# Units of bandwidth, documented in the manual page, and what is in no document.
NO_NAME = re.compile(r"^(MiB/s|KiB/s|GiB/s|bytes/s|[KMGT]i?B?/s|B/s|private|count|true|false)$")


def compile_and_run(compiler, language, header, program):
    include = os.path.dirname(os.path.dirname(os.path.abspath(header)))
    with tempfile.TemporaryDirectory() as folder:
        exe = os.path.join(folder, "program")
        standards = ["-std=c++11"] if language == "c++" else ["-std=c99"]
        subprocess.run([*compiler, "-x", language, *standards, *WARNINGS, "-I", include, program, "-o", exe],
                       check=True)
        subprocess.run([exe], check=True)


def schema_words(paths):
    """Words → where they stand."""
    words = {}
    for path in paths:
        root = ET.parse(path).getroot()
        for node in root.iter():
            if node.tag in (RNG + "element", RNG + "attribute") and node.get("name"):
                words.setdefault(node.get("name").split(":")[-1], os.path.basename(path))
            elif node.tag == RNG + "value":
                words.setdefault(node.text, os.path.basename(path))
    return words


def main():
    header, version, compiler, program, *schemas = sys.argv[1:]
    compiler = compiler.split(",")
    compile_and_run(compiler, "c", header, program)
    has_cxx = subprocess.run([*compiler, "-x", "c++", "-fsyntax-only", "-"], input="int main() {}",
                             text=True, stderr=subprocess.DEVNULL).returncode == 0
    if has_cxx:
        compile_and_run(compiler, "c++", header, program)
    else:
        print("no C++ compiler: compiled as C only")

    with open(header, encoding="utf-8") as f:
        text = f.read()
    major, minor, micro = map(int, version.split("."))
    errors = []
    if f"VERSION_NUMBER {major * 1000000 + minor * 1000 + micro}\n" not in text:
        errors.append(f"the header does not say version {version}")
    known = set(re.findall(r'"([^"\n]+)"', text))
    for word, where in sorted(schema_words(schemas).items()):
        if word not in known and word not in NOT_OURS and not NO_NAME.match(word or ""):
            errors.append(f"'{word}' of {where} has no name in the header")
    print("\n".join(errors))
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
