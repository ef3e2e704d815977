# SPDX-License-Identifier: LGPL-2.1-or-later
"""How things are measured: turns, medians, caches, and the table of the results."""

import collections
import os
import resource
import statistics
import sys
import time

MIB = 1 << 20
GIB = 1 << 30

# What a contender's turn cost. cpu_s is that of the process that did the work.
Cost = collections.namedtuple("Cost", "wall_s cpu_s")


def say(text):
    print(text, file=sys.stderr, flush=True)


def turns(contenders, runs):
    """Each contender (name → function that returns a number or Cost) `runs` times, all of them in
    each round, the first one a different one each time. Returns name → list of results."""
    results = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(runs):
        for name in names[number % len(names):] + names[:number % len(names)]:
            result = contenders[name]()
            results[name].append(result)
            say(f"    {name}: {result}")
    return results


def median(values):
    return statistics.median(values)


def wall(costs):
    return median([cost.wall_s for cost in costs])


def cpu(costs):
    return median([cost.cpu_s for cost in costs])


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def timed(work):
    """Seconds that work() takes, and the CPU seconds of the commands that it ran."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    work()
    took = time.monotonic() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(round(took, 4), round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3))


def timed_daemon(host, work):
    """The same with the CPU seconds of the host's daemon and its helpers."""
    before = host.cpu_s()
    began = time.monotonic()
    work()
    took = time.monotonic() - began
    return Cost(round(took, 4), round(host.cpu_s() - before, 3))


def sync_files(folder):
    """What "synced" means for everybody: each file of the folder, and the folder."""
    for root, _, files in os.walk(folder):
        for path in [os.path.join(root, name) for name in files] + [root]:
            fd = os.open(path, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3")


def warm(paths):
    for path in paths:
        with open(path, "rb", buffering=0) as f:
            while f.read(8 * MIB):
                pass


def written_bytes(pid):
    """What a process has sent to its disks so far."""
    with open(f"/proc/{pid}/io") as f:
        return int(dict(line.split(": ") for line in f.read().splitlines())["write_bytes"])


class Table:
    """Rows of results, and the bars of charts. `wanted` is a limit: ("≤", 1.2) or ("≥", 1.15); None: just for
    comparison. What failed is a row, too: a table never hides that something is missing in it."""

    HEAD = ("what", "this", "other", "ratio", "wanted", "met")

    def __init__(self):
        self.rows = []
        self.missed = []
        self.failed = []
        self.charts = {}

    def add(self, what, this, other="", ratio=None, wanted=None, value=None, unit=""):
        """`value` is held against `wanted`; it is the ratio when it is not given."""
        value = ratio if value is None else value
        met = ""
        if wanted:
            good = value <= wanted[1] if wanted[0] == "≤" else value >= wanted[1]
            met = "yes" if good else "**no**"
            if not good:
                self.missed.append(what)
        self._row(what, this, other, "" if ratio is None else f"{ratio:.2f}",
                  f"{wanted[0]} {wanted[1]:g}{unit}" if wanted else "", met)

    def fail(self, name, error):
        """A benchmark that ended with an error, or that was not reached."""
        self.failed.append(name)
        self._row(f"**{name}: not measured**", " ".join(str(error).split())[:200])

    def chart(self, title, bars):
        """Bars of a chart: name → seconds, the first one ours."""
        self.charts[title] = {name: round(value, 4) for name, value in bars.items()}

    def _row(self, *cells):
        row = tuple(cell.replace("|", "\\|") for cell in cells) + ("",) * (len(self.HEAD) - len(cells))
        self.rows.append(row)
        say("  " + " | ".join(row))

    def markdown(self):
        lines = ["| " + " | ".join(self.HEAD) + " |", "|" + "---|" * len(self.HEAD)]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])
