#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Puts the results of bench.py into the texts: figures.py RESULTS.json [SOURCE_ROOT]

Written are the table in tests/bench/README.md, the chart tests/bench/chain.svg, and the figures in README.md, each between
its marks. All of them are of one run; a run with --quick, or one in which something failed, is refused.
"""

import json
import os
import re
import sys
from xml.sax.saxutils import escape

# What README.md says: a sentence, and the row that it is taken from. {this}, {other} and {ratio} are the row's cells.
FIGURES = (
    ("Chain of four layers, cold cache, synced: {this}, {ratio} × as fast as stock `vol-create-from`",
     r"ext4, cold, synced: virsh vol-create-from \(stock\)"),
    ("… source cached: {this}, {ratio} × as fast as the best `qemu-img convert`, which flattens",
     r"ext4, source cached, synced: best qemu-img convert"),
    ("… encrypted on the way, cold: {this}, {ratio} × as fast as the best `qemu-img convert`",
     r"ext4, cold, synced: plain to LUKS: against the best qemu-img"),
    ("… within one XFS, as a clone: {this}", r"XFS with reflink: chain of 4 layers"),
    ("A second image on a base that the target has: {this} written, of {other}",
     r"Second image on the same base: bytes written"),
)

# A chart in grey and one colour that can be told apart on paper, on light and on dark pages.
BAR_px, GAP_px, LABEL_px, WIDTH_px, VALUE_px = 18, 8, 310, 740, 90
OURS, OTHERS = "#1f77b4", "#9aa0a6"


def load(path):
    with open(path, encoding="utf-8") as f:
        results = json.load(f)
    if results["quick"] or results["failed"]:
        sys.exit(f"{path} is of a run that " + ("was quick" if results["quick"] else
                                                 f"failed in {', '.join(results['failed'])}"))
    return results


def svg(title, bars):
    """Horizontal bars, the shortest first, as a picture of its own."""
    ours, longest = next(iter(bars)), max(bars.values())
    scale = (WIDTH_px - LABEL_px - VALUE_px) / longest
    height = 2 * BAR_px + GAP_px + len(bars) * (BAR_px + GAP_px)
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_px}" height="{height}" '
             f'viewBox="0 0 {WIDTH_px} {height}" font-family="sans-serif" font-size="13">',
             f"<title>{escape(title)}</title>",
             '<style>text { fill: #24292f } @media (prefers-color-scheme: dark) { text { fill: #d0d7de } }</style>',
             f'<text x="0" y="{BAR_px - 3}" font-weight="bold">{escape(title)}</text>']
    for number, (name, seconds) in enumerate(sorted(bars.items(), key=lambda bar: bar[1])):
        y = 2 * BAR_px + number * (BAR_px + GAP_px)
        weight = ' font-weight="bold"' if name == ours else ""
        lines += [f'<text x="{LABEL_px - 8}" y="{y + 13}" text-anchor="end"{weight}>{escape(name)}</text>',
                  f'<rect x="{LABEL_px}" y="{y}" width="{max(seconds * scale, 1):.1f}" height="{BAR_px}" '
                  f'fill="{OURS if name == ours else OTHERS}"/>',
                  f'<text x="{LABEL_px + seconds * scale + 6:.1f}" y="{y + 13}"{weight}>{seconds:.2f} s</text>']
    return "\n".join(lines + ["</svg>"]) + "\n"


def named(bars):
    """Each bar under a name that stands alone: contenders after the first qemu-img convert have their options only."""
    return {{"this": "this module"}.get(name, name.replace("… ", "qemu-img convert, flattened, ")): seconds
            for name, seconds in bars.items()}


def full_names(rows):
    """Rows that begin with "… " go on with the row before: their names are made whole."""
    head = ""
    for row in rows:
        name = row[0]
        if name.startswith("… "):
            name = f"{head}: {name[2:]}"
        else:
            head = name.partition(", against ")[0]
        yield name, row


def figures(results):
    rows = list(full_names(results["rows"]))
    for sentence, pattern in FIGURES:
        found = next((row for name, row in rows if re.match(pattern, name)), None)
        if found:
            yield "- " + sentence.format(this=found[1], other=found[2], ratio=found[3])
        else:
            sys.exit(f"no row of the results is {pattern}")


def about(results):
    return (f"Measured on {results['date']}: {results['machine']}; medians of {results['runs']}, chains of "
            f"{results['size_mib']} MiB; load {results['load']} before.")


def replace(path, mark, text):
    with open(path, encoding="utf-8") as f:
        before = f.read()
    after, count = re.subn(rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)", lambda m: m.group(1) + text + m.group(2), before,
                           flags=re.S)
    assert count == 1, f"{path} has no marks for {mark}"
    with open(path, "w", encoding="utf-8") as f:
        f.write(after)


def main():
    results = load(sys.argv[1])
    root = sys.argv[2] if len(sys.argv) > 2 else os.path.dirname(os.path.dirname(os.path.dirname(
        os.path.abspath(__file__))))
    table = ["| " + " | ".join(row) + " |" for row in [results["head"], ["---"] * len(results["head"]), *results["rows"]]]
    replace(os.path.join(root, "tests/bench/README.md"), "table", about(results) + "\n\n" + "\n".join(table) + "\n")
    replace(os.path.join(root, "README.md"), "figures", "\n".join(figures(results)) + "\n\n" + about(results) + "\n")
    with open(os.path.join(root, "tests/bench/chain.svg"), "w", encoding="utf-8") as f:
        f.write(svg("Seconds to copy a chain of four layers, cold cache, synced", named(results["charts"]["copy"])))


if __name__ == "__main__":
    main()
