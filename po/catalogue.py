#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the catalogues to the sources: catalogue.py SOURCE_ROOT [LANGUAGE…]

Fails when a catalogue is malformed, when a translation does not keep the format directives of its message
(a daemon would crash), or when the sources have a message that cannot be extracted. A translation may lag
behind: what is missing is counted, and --complete makes that a failure too. Needs gettext's tools.
"""

import os
import re
import subprocess
import sys
import tempfile


def run(*argv):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def statistics(folder, pot, po):
    """(untranslated, fuzzy) of a catalogue that is brought up to date with the sources."""
    merged = os.path.join(folder, "merged.po")
    if (proc := run("msgmerge", "-q", "-N", "-o", merged, po, pot)).returncode == 0:
        proc = run("msgfmt", "--check", "--statistics", "-o", os.devnull, merged)
    if proc.returncode != 0:
        sys.exit(proc.stdout)
    return [int(n) for kind in ("untranslated", "fuzzy")
            for n in re.findall(rf"(\d+) {kind}", proc.stdout) or [0]]


def main():
    os.environ["LC_ALL"] = "C"
    complete = "--complete" in sys.argv
    sys.argv = [arg for arg in sys.argv if arg != "--complete"]
    os.chdir(sys.argv[1])
    with open("po/LINGUAS", encoding="utf-8") as f:
        languages = sys.argv[2:] or [word for line in f for word in line.split("#")[0].split()]
    status = 0
    with tempfile.TemporaryDirectory() as folder:
        pot = os.path.join(folder, "sources.pot")
        proc = run("xgettext", "--from-code=UTF-8", "-k", "-k_", "-kN_", "-kP_:1,2", "-kngettext:1,2", "-f", "po/POTFILES.in", "-o", pot)
        if proc.returncode != 0 or "warning:" in proc.stdout:
            sys.exit(proc.stdout)
        for language in languages:
            untranslated, fuzzy = statistics(folder, pot, f"po/{language}.po")
            print(f"{language}: {untranslated} untranslated, {fuzzy} fuzzy")
            status |= complete and bool(untranslated or fuzzy)
    return status


if __name__ == "__main__":
    sys.exit(main())
