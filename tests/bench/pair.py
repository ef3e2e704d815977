#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the module against another build of it, benchmark by benchmark, both in turn on the same machine.

    tests/bench/run.sh --against MODULE [--rounds N] [options of bench.py] [name…]

MODULE is the other build's libvirt_driver_storage.so. Each round runs a benchmark with both modules, the first one in turn;
the table has medians of the first number of each row. A row that only one of them has says so.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# What a build that knows no other hosts can do, too.
NAMES = ("xfs ext4 second growth lists large queue query cancel limit many encrypt encrypt_memory headers instance").split()
NUMBER = re.compile(r"(-?[0-9][0-9,]*(?:\.[0-9]+)?) ?(\S*)")
# More of these is better; of all else less.
RATES = re.compile(r"^(MiB|GiB)/s|^×|^x$|/s$")


def measure(module, name, options):
    """Row → (number, unit) of one benchmark with one module."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        done = subprocess.run([sys.executable, "-B", os.path.join(HERE, "bench.py"), *options, "--output", out.name, name],
                              env=dict(os.environ, **({"REPL_MODULE": module} if module else {})),
                              stdout=subprocess.DEVNULL, check=False)
        if done.returncode == 130:
            raise KeyboardInterrupt
        rows = json.load(out)["rows"]
    found = ((row[0], NUMBER.search(row[1])) for row in rows)
    return {what: (float(match[1].replace(",", "")), match[2]) for what, match in found if match}


def compare(what, unit, before, now):
    ratio = now / before if before else float("nan")
    worse = 1 - ratio if RATES.search(unit) else ratio - 1
    return f"| {what} | {before:g} {unit} | {now:g} {unit} | {ratio:.3f} | {'yes' if worse <= 0.03 else '**no**'} |"


def pair(other, name, rounds, options):
    """Lines of the table for one benchmark."""
    seen = {other: {}, None: {}}
    units = {}
    for number in range(rounds):
        for module in [other, None][::1 if number % 2 == 0 else -1]:
            for what, (value, unit) in measure(module, name, options).items():
                seen[module].setdefault(what, []).append(value)
                units[what] = unit
    for what, unit in units.items():
        before, now = seen[other].get(what), seen[None].get(what)
        if before and now:
            yield compare(what, unit, statistics.median(before), statistics.median(now))
        else:
            yield f"| {what} | {'' if before else 'not measured'} | {'' if now else 'not measured'} | | |"


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, description=__doc__)
    parser.add_argument("--against", metavar="MODULE", required=True)
    parser.add_argument("--rounds", type=int, default=2)
    options, rest = parser.parse_known_args()
    if not os.path.exists(options.against):
        parser.error(f"there is no module {options.against}")
    names = [word for word in rest if word in NAMES]
    print("| what | before | now | now / before | within 3 % or better |\n|---|---|---|---|---|", flush=True)
    try:
        for name in names or NAMES:
            for line in pair(os.path.abspath(options.against), name, options.rounds,
                             [word for word in rest if word not in NAMES]):
                print(line, flush=True)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
