# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replicating a chain from one local region to another, against the other ways to copy it."""

import os
import time

import peers
from harness import fs, images, space, xmlio
from lab import allocated, empty, tree_bytes
from measure import (GIB, MIB, cpu, drop_caches, median, sync_files, timed, timed_daemon, turns, wall,
                     warm, written_bytes)


def xfs(lab, table):
    """A chain within one XFS: all blocks are shared."""
    options = lab.options
    mount = fs.xfs(lab.folder("xfs"), options.size_mib * 5 // 4 + 1024)
    source = lab.pool("xfs-a", region="cn-north-1", path=os.path.join(mount, "a"))
    target = lab.pool("xfs-b", region="cn-east-2", path=os.path.join(mount, "b"))
    paths = lab.chain(source.path, options.size_mib)
    source.refresh()
    space.run("sync", "-f", mount)
    growth = []

    def replicate():
        before = fs.used_bytes(mount)
        cost = timed_daemon(lab.ours, lambda: lab.replicate(target, source, "web.qcow2"))
        space.run("sync", "-f", mount)
        growth.append(fs.used_bytes(mount) - before)
        return cost

    def one():
        cost = replicate()
        lab.remove(target, "web.qcow2")
        space.run("sync", "-f", mount)
        return cost

    seconds = wall(turns({"this": one}, options.runs)["this"])
    size = allocated(paths)
    table.add(f"XFS with reflink: chain of 4 layers, {size / GIB:.2f} GiB", f"{seconds:.3f} s",
              wanted=("≤", 0.5), value=seconds, unit=" s")
    percent = 100 * median(growth) / size
    table.add("… growth of used blocks", f"{median(growth) / MIB:.2f} MiB ({percent:.3f} %)",
              wanted=("≤", 1), value=percent, unit=" %")
    lab.drop(source, target)
    fs.umount(mount)


def _two_pools(lab):
    """The same two folders as regions of our host and as plain pools of the stock one."""
    source = lab.pool("ext4-a", region="cn-north-1")
    target = lab.pool("ext4-b", region="cn-east-2")
    stock = lab.folder("ext4-stock")
    return source, target, stock, lab.folder("ext4-peers")


def _contenders(lab, source, target, paths, out, prepare, which):
    """Functions for turns(): what each writes is synced in its time, and removed after it."""
    def this():
        prepare()
        cost = timed_daemon(lab.ours, lambda: (lab.replicate(target, source, "web.qcow2"),
                                               sync_files(target.path)))
        lab.remove(target, "web.qcow2")
        space.run("sync", "-f", target.path)
        return cost

    def peer(copy):
        def turn():
            prepare()
            cost = timed(lambda: (copy(paths, out), sync_files(out)))
            empty(out)
            return cost
        return turn

    return {"this": this, **{name: peer(copy) for name, copy in which.items()}}


def _stock_create_from(lab, source, folder, prepare):
    """Flattens, and does not sync by itself."""
    from harness.host import STOCK
    sources = lab.pool("stock-a", path=source.path, module=STOCK)
    out = lab.pool("stock-b", path=folder, module=STOCK)
    conn = lab.conn(STOCK)

    def copy():
        vol = conn.storagePoolLookupByName(sources.name).storageVolLookupByName("web.qcow2")
        capacity = images.info(sources.file("web.qcow2"))["virtual-size"]
        conn.storagePoolLookupByName(out.name).createXMLFrom(xmlio.volume("web.qcow2", capacity), vol, 0)
        sync_files(folder)

    def turn():
        prepare()
        cost = timed_daemon(lab.stock, copy)
        conn.storagePoolLookupByName(out.name).storageVolLookupByName("web.qcow2").delete(0)
        space.run("sync", "-f", folder)
        return cost
    return turn


def ext4(lab, table):
    """A chain between two folders of one ext4, cold cache and cached, synced, against every peer."""
    options = lab.options
    source, target, stock, out = _two_pools(lab)
    paths = lab.chain(source.path, options.size_mib)
    source.refresh()
    size = allocated(paths)
    _cold(lab, table, source, target, paths, stock, out, size)
    _cached(lab, table, source, target, paths, out, size)
    lab.drop(source, target)


def _cold(lab, table, source, target, paths, stock, out, size):
    contenders = _contenders(lab, source, target, paths, out, drop_caches,
                             {"dd direct, one after the other": peers.direct_dd, **peers.ALL})
    contenders["virsh vol-create-from (stock)"] = _stock_create_from(lab, source, stock, drop_caches)
    peak = _Peak(lab.ours)
    results = turns(contenders, lab.options.runs)
    growth_kib = peak.growth_kib()
    table.chart("copy", {name: wall(costs) for name, costs in results.items()})
    ours = wall(results["this"])
    cpu_s = cpu(results["this"]) / (size / GIB)
    for name in list(contenders)[1:]:
        ratio = wall(results[name]) / ours
        wanted = {"dd": 1.15, "virsh": 1.4}.get(name.split()[0], 1)
        table.add(f"ext4, cold, synced: {name}", _speed(size, ours), f"{wall(results[name]):.2f} s "
                  f"(CPU {cpu(results[name]):.1f})", ratio, ("≥", wanted))
    table.add("… CPU seconds of the daemon for each GiB", f"{cpu_s:.2f}", wanted=("≤", 0.3), value=cpu_s)
    table.add("… peak growth of the daemon", f"{growth_kib / 1024:.1f} MiB", wanted=("≤", 64),
              value=growth_kib / 1024, unit=" MiB")


def _cached(lab, table, source, target, paths, out, size):
    contenders = _contenders(lab, source, target, paths, out, lambda: warm(paths), peers.CONVERT)
    results = turns(contenders, lab.options.runs)
    ours = wall(results.pop("this"))
    best = min(results, key=lambda name: wall(results[name]))
    table.add(f"ext4, source cached, synced: best qemu-img convert ({best})", _speed(size, ours),
              f"{wall(results[best]):.2f} s (CPU {cpu(results[best]):.1f})",
              wall(results[best]) / ours, ("≥", 1.1))


def _speed(size, seconds):
    return f"{seconds:.2f} s ({size / MIB / seconds:.0f} MiB/s)"


class _Peak:
    """Growth of a daemon's resident memory from now on, at its highest."""

    def __init__(self, host):
        self.host = host
        with open(f"/proc/{host.pid}/clear_refs", "w") as f:
            f.write("5")  # the peak begins anew
        self.before = host.memory_kib()

    def growth_kib(self):
        return self.host.memory_kib("VmHWM") - self.before


def second(lab, table):
    """A second image on a base that the target has: only its own layer is written."""
    data_mib = max(lab.options.size_mib // 8, 32)
    source = lab.pool("second-a", region="cn-north-1")
    target = lab.pool("second-b", region="cn-east-2")
    lab.chain(source.path, data_mib, names=("base.qcow2", "first.qcow2"))
    own = os.path.join(source.path, "second.qcow2")
    images.create(own, f"{data_mib * 2}M", backing="base.qcow2")
    lab.fill(own, data_mib // 8, data_mib * 2, 7)
    source.refresh()
    extra = []

    def one():
        lab.replicate(target, source, "first.qcow2")
        before, held = written_bytes(lab.ours.pid), tree_bytes(target.path)
        lab.replicate(target, source, "second.qcow2")
        written = written_bytes(lab.ours.pid) - before
        grown = tree_bytes(target.path) - held
        extra.append(max(written, grown) - images.allocated_bytes(own))
        lab.remove(target, "second.qcow2")
        lab.remove(target, "first.qcow2")
        return round(written / MIB, 2)

    written = median(turns({"MiB written": one}, lab.options.runs)["MiB written"])
    table.add("Second image on the same base: bytes written", f"{written:.2f} MiB",
              f"{images.allocated_bytes(own) / MIB:.2f} MiB in its own layer, "
              f"{images.allocated_bytes(os.path.join(source.path, 'base.qcow2')) / MIB:.0f} in the base")
    table.add("… more than its own layer", f"{median(extra) / MIB:.2f} MiB", wanted=("≤", 1),
              value=median(extra) / MIB, unit=" MiB")
    lab.drop(source, target)


def growth(lab, table):
    """What many replications, one after the other, leave in the daemon."""
    count = lab.options.replications
    source = lab.pool("growth-a", region="cn-north-1")
    target = lab.pool("growth-b", region="cn-east-2")
    lab.chain(source.path, 16)
    source.refresh()

    def some(number):
        for _ in range(number):
            lab.replicate(target, source, "web.qcow2")
            lab.remove(target, "web.qcow2")
        time.sleep(0.5)

    some(max(count // 4, 5))
    grown = Grown(lab.ours)
    some(count)
    grown.report(table, f"After {count} replications, one after the other")
    lab.drop(source, target)


class Grown:
    """Threads, descriptors and memory of a daemon against what they were."""

    def __init__(self, host):
        self.host = host
        self.before = self._now()

    def _now(self):
        return self.host.threads(), len(self.host.fds()), self.host.memory_kib()

    def report(self, table, what):
        threads, fds, kib = (now - before for now, before in zip(self._now(), self.before))
        table.add(f"{what}: threads", f"{threads:+d}", wanted=("≤", 0), value=threads)
        table.add("… descriptors", f"{fds:+d}", wanted=("≤", 0), value=fds)
        table.add("… resident memory", f"{kib:+d} KiB of {self.before[2]}", wanted=("≤", 1024), value=kib,
                  unit=" KiB")
