#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures the module and prints a table in markdown; run.sh is the way to start it.

Each name is a function of copies.py, queries.py, jobs.py, crypto.py or another file beside them: (lab, table), which makes what it needs,
adds rows to the table, and removes it again. One that fails is a row that says so, and the next one begins in a new lab.
A run that is interrupted prints what it has, and leaves nothing behind.
"""

import argparse
import json
import os
import platform
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

import libvirt  # noqa: E402

import bundles  # noqa: E402
import copies  # noqa: E402
import crypto  # noqa: E402
import jobs  # noqa: E402
import large  # noqa: E402
import queries  # noqa: E402
import remote  # noqa: E402
from harness import space  # noqa: E402
from lab import Lab  # noqa: E402
from measure import Table, say  # noqa: E402

BENCHES = {bench.__name__: bench for bench in (
    copies.xfs, copies.ext4, copies.second, copies.growth, queries.lists, queries.deep,
    queries.overview,
    large.large,
    jobs.queue, jobs.query, jobs.cancel, jobs.limit, jobs.many, bundles.bundles, crypto.encrypt, crypto.encrypt_memory,
    crypto.headers, crypto.instance, remote.push, remote.pull, remote.gigabit, remote.sparing, remote.cuts,
    remote.several, remote.roundtrip, remote.huge, remote.faraway)}

# Full and quick values.
SIZES = {
    "runs": (5, 2, "turns of each contender"),
    "size_mib": (4096, 64, "data in a chain"),
    "volumes": (1000, 60, "volumes of the pools that are listed"),
    "images": (10000, 200, "images of the large pool"),
    "jobs": (100, 6, "jobs that are queued at once"),
    "job_mib": (32, 4, "data of each of them"),
    "window_s": (10, 2, "seconds that a limit is watched"),
    "replications": (200, 10, "replications for growth"),
    "many": (500, 20, "jobs for growth"),
}


def parse():
    names = "\n".join(f"  {name:14} {bench.__doc__}" for name, bench in BENCHES.items())
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter,
                                     description="Measures image replication.", epilog="names:\n" + names)
    parser.add_argument("names", nargs="*", metavar="name", help="all when none is given")
    parser.add_argument("--quick", action="store_true", help="small, to see that it works")
    parser.add_argument("--output", metavar="FILE", help="write the results there, as JSON for figures.py")
    parser.add_argument("--check", action="store_true", help="fail when a wanted value is missed")
    for name, (full, quick, text) in SIZES.items():
        parser.add_argument("--" + name.replace("_", "-"), type=int, metavar="N",
                            help=f"{text} ({full}; quick: {quick})")
    options = parser.parse_args()
    for name, (full, quick, _) in SIZES.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    for name in options.names:
        if name not in BENCHES:
            parser.error(f"there is no benchmark {name!r}")
    return options


def machine():
    version = libvirt.getVersion()
    qemu = space.run("qemu-img", "--version").stdout.split()[2]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    return (f"{os.cpu_count()} cores, {memory} GiB, Linux {platform.release()}, libvirt "
            f"{version // 1000000}.{version // 1000 % 1000}.{version % 1000}, qemu-img {qemu}")


def run(options, table):
    """All benchmarks. Returns whether none was interrupted; then the rest of them are rows that say so."""
    names = list(options.names or BENCHES)
    lab = Lab(options)
    try:
        for number, name in enumerate(names):
            say(f"{name}: {BENCHES[name].__doc__}")
            try:
                BENCHES[name](lab, table)
            except (KeyboardInterrupt, SystemExit):
                for missing in names[number:]:
                    table.fail(missing, "interrupted")
                return False
            except Exception as error:  # pylint: disable=broad-except
                say(traceback.format_exc())
                table.fail(name, error)
                lab = lab.renewed()
        return True
    finally:
        lab.abandon()
        space.leave()


def main():
    options = parse()
    table = Table()
    # The load of the minute before: figures of a machine that does something else mislead.
    about = {"machine": machine(), "runs": options.runs, "size_mib": options.size_mib, "quick": options.quick,
             "load": round(os.getloadavg()[0], 1), "date": time.strftime("%Y-%m-%d")}
    whole = run(options, table)
    print(f"{about['machine']}; medians of {options.runs}; load {about['load']} before\n\n{table.markdown()}\n")
    if options.output:
        with open(options.output, "w", encoding="utf-8") as f:
            json.dump({**about, "head": table.HEAD, "rows": table.rows, "charts": table.charts,
                       "missed": table.missed, "failed": table.failed}, f, indent=1, ensure_ascii=False)
    for what in table.missed:
        say(f"missed: {what}")
    for name in table.failed:
        say(f"not measured: {name}")
    if not whole:
        return 130
    return 1 if table.failed or options.check and table.missed else 0


if __name__ == "__main__":
    sys.exit(main())
