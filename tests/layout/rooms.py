# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds driver/ to its plan: a room includes only rooms below it, and no files of it go round in a circle.

    rooms.py FOLDER      fails and names each upward include and each circle

Headers need those that they include. A .c file needs another one when it uses a function or a variable that the other
one defines, whichever header declares it.
"""

import os
import re
import sys

# From the top down: what stands further left may include what stands further right.
ROOMS = ("stack replicate endpoint image service peer region virt convert plan probe job qemuimg luks bundle wire copy store "
         "xml qcow2 model base").split()


INCLUDE = re.compile(r'^#include "([a-z0-9]+/[a-z0-9_]+)\.h"', re.M)
# A definition starts in column 0, a function's name on a line of its own.
FUNCTION = re.compile(r"^(?!static)[A-Za-z][^\n;={}()]*\n(repl\w+)\([^;{]*?\)\n\{", re.M)
VARIABLE = re.compile(r"^(?!static|extern|typedef)[A-Za-z][\w *]*?[ *](repl\w+)(?:\[[^\n]*\])?(?: = |;)", re.M)
WORDS_MACRO = re.compile(r"REPL_WORDS\((\w+)")  # defines two functions with this prefix
WORD = re.compile(r"\brepl\w+")
COMMENT = re.compile(r"/\*.*?\*/", re.S)


def read_sources(folder):
    """The text of each file without comments, by (stem, ending)."""
    texts = {}
    for room in os.listdir(folder):
        path = os.path.join(folder, room)
        if not os.path.isdir(path):
            continue
        for name in os.listdir(path):
            stem, ending = os.path.splitext(name)
            if ending in (".c", ".h"):
                with open(os.path.join(path, name), encoding="utf-8") as f:
                    texts[f"{room}/{stem}", ending] = COMMENT.sub("", f.read())
    return texts


def room_of(stem):
    return stem.split("/")[0]


def find_upward(texts):
    for (stem, ending), text in sorted(texts.items()):
        for other in INCLUDE.findall(text):
            if room_of(stem) not in ROOMS:
                yield f"{stem}{ending} is in a room that this test does not know"
                break
            if room_of(other) in ROOMS and ROOMS.index(room_of(other)) < ROOMS.index(room_of(stem)):
                yield f"{stem}{ending} includes {other}.h, which is above it"


def find_header_needs(texts):
    """For each header, the headers that it includes."""
    headers = {stem for stem, ending in texts if ending == ".h"}
    return {stem: headers.intersection(INCLUDE.findall(texts[stem, ".h"])) for stem in headers}


def find_needs(texts):
    """For each .c file, the .c files that it needs."""
    owner = {}
    sources = {stem: text for (stem, ending), text in texts.items() if ending == ".c"}
    for stem, text in sources.items():
        for prefix in WORDS_MACRO.findall(text):
            owner[prefix + "ToString"] = owner[prefix + "FromString"] = stem
        for name in FUNCTION.findall(text) + VARIABLE.findall(text):
            owner[name] = stem
    return {stem: {owner[word] for word in WORD.findall(WORDS_MACRO.sub("", text)) if word in owner} - {stem}
            for stem, text in sources.items()}


def find_circles(needs):
    """The strongly connected sets of more than one file (Tarjan)."""
    index, low, stack, circles = {}, {}, [], []

    def visit(stem):
        index[stem] = low[stem] = len(index)
        stack.append(stem)
        for other in sorted(needs[stem]):
            if other not in index:
                visit(other)
                low[stem] = min(low[stem], low[other])
            elif other in stack:
                low[stem] = min(low[stem], index[other])
        if low[stem] == index[stem]:
            circle = set()
            while stem not in circle:
                circle.add(stack.pop())
            if len(circle) > 1:
                circles.append(circle)

    for stem in sorted(needs):
        if stem not in index:
            visit(stem)
    return circles


def main(folder):
    texts = read_sources(folder)
    headers, needs = find_header_needs(texts), find_needs(texts)
    circles = find_circles(needs)
    faults = list(find_upward(texts))
    faults += [f"these headers include each other: {', '.join(sorted(circle))}" for circle in find_circles(headers)]
    faults += [f"these .c files need each other in a circle: {', '.join(sorted(circle))}"
               for circle in circles]
    # A reader that finds nothing would find no fault either.
    if len(needs) < 50 or sum(len(others) for others in needs.values()) < 100:
        faults.append(f"only {len(needs)} files were read")
    if faults:
        print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
