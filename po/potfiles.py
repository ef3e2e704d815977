#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds POTFILES.in to the sources: each file below driver/ and tools/ with a translatable string, sorted.

    po/potfiles.py           fails and names what is missing or too much
    po/potfiles.py --update  writes POTFILES.in
"""

import os
import re
import sys

MARK = re.compile(r'\b(N?_|ngettext)\(\s*"')
PO = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(PO)


def with_strings():
    for top in ("driver", "tools"):
        for folder, _, names in os.walk(os.path.join(ROOT, top)):
            for name in names:
                path = os.path.join(folder, name)
                if name.endswith((".c", ".h")):
                    with open(path, encoding="utf-8") as f:
                        if MARK.search(f.read()):
                            yield os.path.relpath(path, ROOT)


def main():
    listing = os.path.join(PO, "POTFILES.in")
    wanted = sorted(with_strings())
    if sys.argv[1:] == ["--update"]:
        with open(listing, "w", encoding="utf-8") as f:
            f.write("\n".join(wanted) + "\n")
        return 0
    with open(listing, encoding="utf-8") as f:
        have = f.read().split()
    for path in sorted(set(wanted) - set(have)):
        print(f"{path} has strings to translate and is not in po/POTFILES.in")
    for path in sorted(set(have) - set(wanted)):
        print(f"{path} is in po/POTFILES.in and has no string to translate, or is gone")
    return 0 if have == wanted else "run po/potfiles.py --update"


if __name__ == "__main__":
    sys.exit(main())
