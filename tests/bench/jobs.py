# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs: queue, queries while they copy, cancel, limits, and what they leave behind."""

import os
import time

from copies import Grown
from harness import space, xmlio
from lab import RUNNING, tree_bytes
from measure import MIB, drop_caches, median, percentile, timed_daemon, turns, wall, warm, written_bytes


def _regions(lab, name):
    return lab.pool(f"{name}-a", region="cn-north-1"), lab.pool(f"{name}-b", region="cn-east-2")


def queue(lab, table):
    """Many jobs at once against the same copies one after the other."""
    count = lab.options.jobs
    source, target = _regions(lab, "queue")
    names = [f"image{number:03d}.qcow2" for number in range(count)]
    paths = [lab.image(source.file(name), lab.options.job_mib, number)
             for number, name in enumerate(names)]
    source.refresh()

    def queued():
        for vol in [lab.replicate(target, source, name, async_="yes") for name in names]:
            lab.wait(vol)

    def back_to_back():
        for name in names:
            lab.replicate(target, source, name)

    def turn(work):
        def one():
            warm(paths)
            cost = timed_daemon(lab.ours, work)
            for name in names:
                lab.remove(target, name)
            space.run("sync", "-f", target.path)
            return cost
        return one

    results = turns({"queued": turn(queued), "back to back": turn(back_to_back)}, lab.options.runs)
    one, other = wall(results["queued"]), wall(results["back to back"])
    table.add(f"{count} jobs queued against back to back, {lab.options.job_mib} MiB each", f"{one:.2f} s",
              f"{other:.2f} s", one / other, ("≤", 1.1))
    lab.drop(source, target)


def query(lab, table):
    """vol-dumpxml of a pending replica while two jobs copy."""
    source, target = _regions(lab, "query")
    names = ("one.qcow2", "two.qcow2")
    for number, name in enumerate(names):
        lab.image(source.file(name), lab.options.size_mib // 2, number)
    source.refresh()
    seen = []

    def one():
        drop_caches()
        vols = [lab.replicate(target, source, name, async_="yes") for name in names]
        times_ms = []
        while all(xmlio.Image(vol.XMLDesc()).job["state"] in RUNNING for vol in vols):
            for vol in vols:
                began = time.monotonic()
                vol.XMLDesc()
                times_ms.append((time.monotonic() - began) * 1000)
            time.sleep(0.001)
        for name, vol in zip(names, vols):
            lab.wait(vol)
            lab.remove(target, name)
        space.run("sync", "-f", target.path)
        seen.append(len(times_ms))
        return round(percentile(times_ms, 99), 3)

    p99_ms = median(turns({"p99, ms": one}, lab.options.runs)["p99, ms"])
    table.add("vol-dumpxml of a pending replica while two jobs copy, p99",
              f"{p99_ms:.2f} ms ({sum(seen)} queries)", wanted=("≤", 5), value=p99_ms, unit=" ms")
    lab.drop(source, target)


def cancel(lab, table):
    """vol-delete on a pending replica: until it returned and nothing is left of the job."""
    source, target = _regions(lab, "cancel")
    lab.chain(source.path, lab.options.size_mib)
    source.refresh()

    def one():
        drop_caches()
        vol = lab.replicate(target, source, "web.qcow2", async_="yes")
        while (job := xmlio.Image(vol.XMLDesc()).job)["progress"] in "0123456789":
            assert job["state"] in RUNNING, job
            time.sleep(0.002)
        began = time.monotonic()
        vol.delete(0)
        while tree_bytes(target.path) > MIB:
            time.sleep(0.002)
        took = time.monotonic() - began
        space.run("sync", "-f", target.path)
        return round(took, 4)

    results = turns({"cancel, s": one}, lab.options.runs)["cancel, s"]
    table.add("Cancel by vol-delete, until all partial files are gone, slowest", f"{max(results):.3f} s",
              wanted=("≤", 1), value=max(results), unit=" s")
    lab.drop(source, target)


def limit(lab, table):
    """Limits of a job and of the daemon, and a pause, by what the daemon writes."""
    window_s = lab.options.window_s
    source, target = _regions(lab, "limit")
    # Enough for the limits below, twice for the window at full and half the limit.
    full = max(lab.options.size_mib // (window_s * 3) // 2 * 2, 4)
    lab.image(source.file("one.qcow2"), lab.options.size_mib, 1)
    source.refresh()

    def rate(seconds):
        before, began = written_bytes(lab.ours.pid), time.monotonic()
        time.sleep(seconds)
        return (written_bytes(lab.ours.pid) - before) / MIB / (time.monotonic() - began)

    def one():
        vol = lab.replicate(target, source, "one.qcow2", async_="yes", bandwidth=full)
        time.sleep(1)  # the bucket's first fill
        rates = [rate(window_s) / full]
        target.update("one.qcow2", f"<replication:bandwidth unit='MiB/s'>{full // 2}</replication:bandwidth>")
        time.sleep(1)
        rates.append(rate(window_s) / (full / 2))
        target.update("one.qcow2", "<replication:job action='pause'/>")
        time.sleep(0.5)
        rates.append(rate(window_s) / full)
        vol.delete(0)
        return [round(r, 3) for r in rates]

    results = turns({"share of the limit, of half of it, while paused": one},
                    min(lab.options.runs, 2)).popitem()[1]
    for what, number in (("limit of a job", 0), ("… halved while it runs", 1)):
        worst = max(abs(r[number] - 1) for r in results) * 100
        table.add(f"Over {window_s} s: {what} ({full // (1 + number)} MiB/s), worst error", f"{worst:.1f} %",
                  wanted=("≤", 10), value=worst, unit=" %")
    paused = max(r[2] for r in results) * 100
    table.add("… paused: bytes written, share of the limit", f"{paused:.1f} %", wanted=("≤", 10),
              value=paused, unit=" %")
    _daemon_limit(lab, table, source, target, rate, full)
    lab.drop(source, target)


def _daemon_limit(lab, table, source, target, rate, full):
    """Two jobs share what the configuration allows; it is changed by a reload."""
    lab.image(source.file("two.qcow2"), lab.options.size_mib // 2, 2)
    source.refresh()
    conf = os.path.join(lab.ours.dir, "etc", "storage-replication.conf")

    def reload(text):
        with open(conf, "w") as f:
            f.write(text)
        lab.ours.reload()
        time.sleep(1)

    reload(f"bandwidth_mib_per_s = {full}\n")
    vols = [lab.replicate(target, source, name, async_="yes") for name in ("one.qcow2", "two.qcow2")]
    time.sleep(1)
    error = abs(rate(lab.options.window_s) / full - 1) * 100
    for vol in vols:
        vol.delete(0)
    reload("")
    table.add(f"… limit of the daemon ({full} MiB/s) with two jobs, error", f"{error:.1f} %",
              wanted=("≤", 10), value=error, unit=" %")


def many(lab, table):
    """What many jobs leave in the daemon."""
    count = lab.options.many
    source, target = _regions(lab, "many")
    names = [f"image{number}.qcow2" for number in range(20)]
    for number, name in enumerate(names):
        lab.image(source.file(name), 2, number)
    source.refresh()

    def some(number):
        for first in range(0, number, len(names)):
            batch = names[:number - first]
            for vol in [lab.replicate(target, source, name, async_="yes") for name in batch]:
                lab.wait(vol)
            for name in batch:
                lab.remove(target, name)
        time.sleep(1)

    some(max(count // 5, 20))
    grown = Grown(lab.ours)
    some(count)
    grown.report(table, f"After {count} jobs")
    lab.drop(source, target)


