# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles, against what the same would cost with programs of everyone's."""

import glob
import os
import time

from harness import space
from measure import MIB, drop_caches, sync_files, timed, timed_daemon, turns, wall, warm


def _disk(path, size_mib):
    """A raw disk of what disks hold: programs and libraries. It packs to about a third."""
    files = [name for name in sorted(glob.glob("/usr/lib/*/*.so*")) if os.path.isfile(name)]
    left = size_mib * MIB
    with open(path, "wb") as out:
        while left > 0:
            for name in files:
                with open(name, "rb") as f:
                    left -= out.write(f.read()[:left])
    return path


def _level(lab, level):
    lab.ours.configure(f"bundle_level = {level}\n")
    lab.ours.reload()
    time.sleep(1)


def _export(lab, source, out, volume, name="disk.bundle"):
    """Cold, and synced, as an export is by itself."""
    drop_caches()
    return timed_daemon(lab.ours, lambda: lab.replicate(out, source, volume, name=name, fmt=None, bundle="yes"))


def _removing(lab, pool, name, work):
    def turn():
        cost = work()
        lab.remove(pool, name)
        space.run("sync", "-f", pool.path)
        return cost
    return turn


def bundles(lab, table):
    """Exports and imports of bundles."""
    source, out = lab.pool("bundle-a", region="cn-north-1"), lab.pool("bundle-b", region="cn-north-1")
    target = lab.pool("bundle-c", region="cn-east-2")
    disk = _disk(source.file("disk.raw"), lab.options.size_mib)
    source.refresh()
    space.run("sync", "-f", disk)
    _plain(lab, table, source, out, target, disk)
    _packed(lab, table, source, out, target, disk)
    lab.drop(source, out, target)
    _level(lab, 3)


def _plain(lab, table, source, out, target, disk):
    _level(lab, 0)
    size_mib = os.path.getsize(disk) / MIB

    def copy():
        drop_caches()
        return timed_daemon(lab.ours, lambda: (lab.replicate(target, source, "disk.raw", fmt=None),
                                               sync_files(target.path)))

    def digest():
        """One core's SHA-256, since one blob is in flight. That of coreutils does without the processor's help."""
        warm([disk])
        return timed(lambda: space.run("openssl", "dgst", "-sha256", disk))

    results = turns({
        "this": _removing(lab, out, "disk.bundle", lambda: _export(lab, source, out, "disk.raw")),
        "copy": _removing(lab, target, "disk.raw", copy),
        "digest": digest,
    }, lab.options.runs)
    this, slower = wall(results["this"]), max(wall(results["copy"]), wall(results["digest"]))
    table.add(f"bundle of a disk of {size_mib:.0f} MiB, not compressed, cold, synced: the slower of a copy by the engine and "
              "SHA-256 by one core", f"{this:.2f} s ({size_mib / this:.0f} MiB/s)",
              f"{slower:.2f} s (copy {wall(results['copy']):.2f}, SHA-256 {wall(results['digest']):.2f})",
              ratio=slower / this, wanted=("≥", 0.8))


def _packed(lab, table, source, out, target, disk):
    _level(lab, 3)
    packed = os.path.join(lab.dir, "disk.zst")
    unpacked = os.path.join(lab.dir, "disk.raw")

    def pack():
        drop_caches()
        return timed(lambda: space.run("sh", "-c", f"zstd -q -T2 -3 -c {disk} | sha256sum"))

    results = turns({"this": _removing(lab, out, "disk.bundle", lambda: _export(lab, source, out, "disk.raw")),
                     "zstd": pack}, lab.options.runs)
    this, other = wall(results["this"]), wall(results["zstd"])
    table.add("… compressed: zstd -T2 | sha256sum", f"{this:.2f} s", f"{other:.2f} s", ratio=other / this,
              wanted=("≥", 0.9))
    space.run("zstd", "-q", "-T2", "-3", "-f", "-o", packed, disk)
    _export(lab, source, out, "disk.raw")

    def make():
        drop_caches()
        return timed_daemon(lab.ours, lambda: (lab.replicate(target, out, "disk.bundle", fmt=None),
                                               sync_files(target.path)))

    def unpack():
        drop_caches()
        cost = timed(lambda: space.run("sh", "-c", f"sha256sum {packed} & zstd -q -d -f -o {unpacked} {packed}; "
                                                   f"sync {unpacked}; wait"))
        os.unlink(unpacked)
        return cost

    results = turns({"this": _removing(lab, target, "disk.raw", make), "zstd -d": unpack}, lab.options.runs)
    this, other = wall(results["this"]), wall(results["zstd -d"])
    table.add("image of a compressed bundle, synced: zstd -d with sha256sum beside", f"{this:.2f} s", f"{other:.2f} s",
              ratio=other / this, wanted=("≥", 0.9))
    os.unlink(packed)
