# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication between two hosts that have the module, over TCP, against the other ways to bring a chain there."""

import fcntl
import json
import os
import random
import re
import struct
import threading
import time

from harness import fs, images, space, xmlio
from harness.pools import Pool
from harness.remote import RemotePool, uri
from lab import allocated, empty
from measure import GIB, MIB, cpu, drop_caches, median, sync_files, timed, turns, wall
from twohosts import LongLink, Others, TwoHosts

GIGABIT = "1gbit"
TOP = "web.qcow2"
BLOCK = 65536
ALL_IMAGES = 1 << 20  # of virStoragePoolGetXMLDesc
FICLONERANGE = 0x4020940d


def _replicate(two, target, source, volume=TOP, **options):
    vol = two.conn.storagePoolLookupByName(source.name).storageVolLookupByName(volume)
    return two.conn.storagePoolLookupByName(target.name).createXMLFrom(xmlio.replicate(**options), vol, 0)


def _remove(pool):
    """All images of a pool, given back to the disk before anybody's next turn."""
    for name in pool.volumes():
        pool.host.virsh("vol-delete", "--pool", pool.name, name, "--delete-snapshots")
    for name in os.listdir(pool.path):
        if name != ".replication":
            os.unlink(os.path.join(pool.path, name))
    pool.refresh()
    space.run("sync", "-f", pool.path)


def _ours(two, target, source, landed):
    def turn():
        drop_caches()
        cost = two.timed(lambda: (_replicate(two, target, source), sync_files(landed.path)))
        _remove(landed)
        return cost
    return turn


def _theirs(copy, paths, out):
    def turn():
        drop_caches()
        cost = timed(lambda: (copy(paths, out), sync_files(out)))
        empty(out)
        return cost
    return turn


def _rows(table, what, size, results, limit, cpu_limit):
    ours = wall(results["this"])
    others = {name: wall(costs) for name, costs in results.items() if name != "this"}
    best = min(others, key=others.get)
    for name, seconds in others.items():
        table.add(f"{what}: {name}", f"{ours:.2f} s ({size / MIB / ours:.0f} MiB/s)", f"{seconds:.2f} s", seconds / ours,
                  ("≥", limit) if name == best else None)
    cpu_s = cpu(results["this"]) / (size / GIB)
    table.add("… CPU seconds of both hosts for each GiB", f"{cpu_s:.2f}", wanted=("≤", cpu_limit), value=cpu_s)


def push(lab, table):
    """To another host over an unshaped link: every layer of a chain, against the other ways."""
    two = TwoHosts(lab)
    out = lab.folder("out")
    others = Others(two, out)
    paths = lab.chain(two.near.path, lab.options.size_mib)
    two.near.refresh()
    contenders = {"this": _ours(two, two.far, two.near, two.behind)}
    contenders.update({name: _theirs(copy, paths, out) for name, copy in others.ways_to_push().items()})
    _rows(table, "to another host, TCP", allocated(paths), turns(contenders, lab.options.runs), 0.9, 2.6)
    others.close()
    two.close()


def pull(lab, table):
    """From another host, and from one to another through this one."""
    two = TwoHosts(lab)
    out = lab.folder("out")
    others = Others(two, two.behind.path)
    paths = lab.chain(two.behind.path, lab.options.size_mib)
    two.behind.refresh()
    size = allocated(paths)
    contenders = {"this": _ours(two, two.near, two.far, two.near)}
    contenders.update({name: _theirs(copy, paths, out) for name, copy in others.ways_to_pull().items()})
    _rows(table, "from another host, TCP", size, turns(contenders, lab.options.runs), 0.9, 3.2)
    others.close()
    far, behind = two.another("beyond", "cn-south-3")
    results = turns({"this": _ours(two, far, two.far, behind)}, lab.options.runs)["this"]
    cpu_s = cpu(results) / (size / GIB)
    table.add("from one host to another through a third: CPU seconds for each GiB", f"{cpu_s:.2f}",
              f"{wall(results):.2f} s", wanted=("≤", 6), value=cpu_s)
    two.close()


def _iperf(two):
    """Bytes a second that the link carries towards there."""
    server = two.there.enter_argv() + ["iperf3", "-s", "-1", "-D"]
    space.run(*server)
    time.sleep(1)
    done = two.here.run("iperf3", "-J", "-t", "5", "-c", two.link.addresses[0])
    return json.loads(done.stdout)["end"]["sum_received"]["bits_per_second"] / 8


def _real_files(blob):
    """Programs and libraries: what systems consist of, and what packs to a half or a third."""
    for root, _, names in sorted(os.walk("/usr/lib")):
        for name in sorted(names):
            path = os.path.join(root, name)
            if blob.tell() < 64 * MIB and os.path.isfile(path) and not os.path.islink(path) and ".so" in name:
                with open(path, "rb") as f:
                    blob.write(f.read())


def gigabit(lab, table):
    """On a link of 1 Gbit/s: data that cannot be packed against iperf3, data that can against everybody."""
    two = TwoHosts(lab)
    two.link.shape(GIGABIT)
    out = lab.folder("out")
    others = Others(two, out)
    others.stock_link.shape(GIGABIT)
    paths = lab.chain(two.near.path, lab.options.size_mib // 4)
    two.near.refresh()
    speed = _iperf(two)
    ours = wall(turns({"this": _ours(two, two.far, two.near, two.behind)}, lab.options.runs)["this"])
    rate = allocated(paths) / ours
    table.add("1 Gbit/s, random data: against iperf3", f"{rate / MIB:.0f} MiB/s", f"{speed / MIB:.0f} MiB/s", rate / speed,
              ("≥", 0.95))
    _remove(two.near)
    lab.fill_with(_real_files)
    paths = lab.chain(two.near.path, lab.options.size_mib // 4)
    two.near.refresh()
    contenders = {"this": _ours(two, two.far, two.near, two.behind)}
    for name, copy in {**others.ways_to_push(), "rsync -z": others.rsync("-z")}.items():
        contenders[name] = _theirs(copy, paths, out)
    found = {name: wall(costs) for name, costs in turns(contenders, max(lab.options.runs // 2, 1)).items()}
    packed, mine = found.pop("rsync -z"), found.pop("this")
    best = min(found, key=found.get)
    table.add(f"1 Gbit/s, programs and libraries: best that does not pack ({best})", f"{mine:.2f} s", f"{found[best]:.2f} s",
              found[best] / mine, ("≥", 1.8))
    table.add("… rsync -z", f"{mine:.2f} s", f"{packed:.2f} s", packed / mine, ("≥", 1))
    lab.fill_with(lambda blob: blob.write(os.urandom(16 * MIB)))
    others.close()
    two.close()


def _wire(two, work):
    before = two.wire_bytes()
    cost = timed(work)
    return cost.wall_s, two.wire_bytes() - before


def _change(lab, path, share, seed):
    """Writes new random bytes into `share` of a full image, in random places of 64 KiB."""
    blocks = lab.options.size_mib * MIB // BLOCK
    places = random.Random(seed).sample(range(blocks), max(int(blocks * share), 1))
    lab.write_pieces(path, places, BLOCK)


def _reorder(lab, path, seed):
    """Rebuilds a full image with its clusters in another order, a tenth of them new."""
    raw, order = path + ".raw", list(range(lab.options.size_mib))
    images.qemu_img("convert", "-f", "qcow2", "-O", "raw", path, raw)
    random.Random(seed).shuffle(order)
    images.create(path + ".new", f"{lab.options.size_mib}M")
    with open(raw, "rb") as f:
        def content(place):
            f.seek(place * MIB)
            return None if place % 10 == 0 else f.read(MIB)
        lab.write_pieces(path + ".new", order, MIB, content)
    os.unlink(raw)
    os.rename(path + ".new", path)


def sparing(lab, table):
    """What travels when the other host has most of it: a second image on a base, a changed one, one in another order."""
    two = TwoHosts(lab)
    two.link.shape(GIGABIT)
    size_mib = lab.options.size_mib
    lab.chain(two.near.path, size_mib // 4, names=("base.qcow2", "first.qcow2"))
    second = os.path.join(two.near.path, "second.qcow2")
    images.create(second, f"{size_mib // 2}M", backing="base.qcow2")
    lab.write_pieces(second, random.Random(7).sample(range(size_mib // 2), size_mib // 32), MIB)
    two.near.refresh()
    _replicate(two, two.far, two.near, "first.qcow2")
    _, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "second.qcow2"))
    own = allocated([second])
    limit = own * 1.01 + MIB
    table.add("Second image on a base that the other host has: bytes on the wire", f"{wire / MIB:.1f} MiB",
              f"{own / MIB:.1f} MiB in its own layer", wire / limit, ("≤", 1))
    _remove(two.behind)
    _remove(two.near)
    flat = os.path.join(two.near.path, "flat.qcow2")
    images.create(flat, f"{size_mib}M")
    lab.write_pieces(flat, list(range(size_mib)), MIB)
    layer = allocated([flat])
    shared = lab.folder("shared")
    fs.xfs(shared, 3 * size_mib)
    far, _ = two.another("shared", "cn-west-4")
    two.near.refresh()
    whole, _ = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v1.qcow2"))
    _replicate(two, far, two.near, "flat.qcow2", name="v1.qcow2")
    _change(lab, flat, 0.01, 5)
    two.near.refresh()
    seconds, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v2.qcow2"))
    table.add("1 % changed in random places: bytes on the wire", f"{wire / MIB:.1f} MiB", f"{layer / MIB:.0f} MiB",
              wire / layer, ("≤", 0.02))
    table.add("… time against a full send at 1 Gbit/s, digests to be made, ext4", f"{seconds:.2f} s", f"{whole:.2f} s",
              seconds / whole, ("≤", 0.25))
    _replicate(two, far, two.near, "flat.qcow2", name="v2.qcow2")
    two.there.ok("vol-delete", "--pool", "shared", "v2.qcow2")
    seconds, wire = _wire(two, lambda: _replicate(two, far, two.near, "flat.qcow2", name="v2.qcow2"))
    table.add("… with digests that were kept, XFS with reflink", f"{seconds:.2f} s", f"{whole:.2f} s", seconds / whole,
              ("≤", 0.1))
    _reorder(lab, flat, 8)
    two.near.refresh()
    _, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v3.qcow2"))
    table.add("The same clusters in another order, 10 % new: bytes on the wire", f"{wire / MIB:.1f} MiB", f"{layer / MIB:.0f} MiB",
              wire / layer, ("≤", 0.12))
    two.close()
    fs.umount(shared)


def cuts(lab, table):
    """A link that is cut ten times while a chain travels."""
    two = TwoHosts(lab)
    two.link.shape(GIGABIT)
    paths = lab.chain(two.near.path, lab.options.size_mib)
    two.near.refresh()
    size = allocated(paths)
    rng = random.Random(4)
    quiet = []
    before = two.wire_bytes()
    thread = threading.Thread(target=_replicate, args=(two, two.far, two.near))
    thread.start()
    step_s = size / (110 * MIB) / 12
    for _ in range(10):
        time.sleep(rng.uniform(0.5, 1.2) * step_s)
        if not thread.is_alive():
            break
        two.link.cut()
        time.sleep(rng.uniform(0.5, 3))
        two.link.mend()
        mended, at = time.monotonic(), two.wire_bytes()
        while thread.is_alive() and two.wire_bytes() < at + 2 * MIB:
            time.sleep(0.02)
        quiet.append(time.monotonic() - mended)
    thread.join()
    wire = two.wire_bytes() - before
    limit = size * 1.02 + 8 * MIB * len(quiet) + size * 0.06  # headers of TCP and Ethernet are no part of what is handed over
    table.add(f"Link cut {len(quiet)} times: bytes on the wire", f"{wire / MIB:.0f} MiB", f"{size / MIB:.0f} MiB", wire / limit,
              ("≤", 1))
    table.add("… until bytes flow again, slowest", f"{max(quiet):.2f} s", wanted=("≤", 3), value=max(quiet), unit=" s")
    images.assert_faithful(two.near.file(TOP), two.behind.file(TOP))
    two.close()


def several(lab, table):
    """Three targets on another host at once: the source is read once."""
    two = TwoHosts(lab)
    two.link.shape(GIGABIT)
    paths = lab.chain(two.near.path, lab.options.size_mib // 4)
    two.near.refresh()
    targets = [two.far] + [two.another(f"t{n}", f"cn-{n}")[0] for n in (2, 3)]
    before = two.here.read_bytes()
    threads = [threading.Thread(target=_replicate, args=(two, target, two.near)) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    read = two.here.read_bytes() - before
    size = allocated(paths)
    table.add("Three targets at once: bytes read of the source", f"{read / MIB:.0f} MiB", f"{size / MIB:.0f} MiB", read / size,
              ("≤", 1.05))
    two.close()


def roundtrip(lab, table):
    """A link with a round trip of 20 ms against the same with none."""
    found, speed = {}, {}
    for one_way_us in (0, 10000):
        two = TwoHosts(lab, lambda a, b, delay=one_way_us: LongLink(a, b, lab.delay, delay))
        two.link.shape(GIGABIT)
        paths = lab.chain(two.near.path, lab.options.size_mib // 4)
        two.near.refresh()
        speed[one_way_us] = _iperf(two)
        found[one_way_us] = wall(turns({"this": _ours(two, two.far, two.near, two.behind)}, lab.options.runs)["this"])
        two.link.close()
        two.close()
    size = allocated(paths) if os.path.exists(paths[0]) else lab.options.size_mib // 4 * MIB
    table.add("Delayer of the tests, 0 ms, shaped to 1 Gbit/s: what iperf3 gets", f"{speed[0] * 8 / 1e6:.0f} Mbit/s",
              wanted=("≥", 900), value=speed[0] * 8 / 1e6, unit=" Mbit/s")
    table.add("Round trip of 20 ms against 0 ms", f"{size / MIB / found[10000]:.0f} MiB/s", f"{size / MIB / found[0]:.0f} MiB/s",
              found[0] / found[10000], ("≥", 0.9))


def _share(path, source_bytes, offset):
    """Has the first bytes of a file at `offset`, too, as the same blocks."""
    with open(path, "r+b") as f:
        fcntl.ioctl(f, FICLONERANGE, struct.pack("qQQQ", f.fileno(), 0, source_bytes, offset))


def huge(lab, table):
    """A layer of 2 TiB with 100 GiB of data, most of which the other host has: memory of both daemons."""
    two = TwoHosts(lab)
    mount = lab.folder("huge")
    fs.xfs(mount, 16384)
    source = Pool(two.here, "huge-near", region="cn-north-1", path=lab.folder("huge/near"))
    behind = Pool(two.there, "huge-behind", region="cn-west-4", path=lab.folder("huge/behind"))
    far = RemotePool(two.here, "huge-far", behind.name, uri=uri(two.link))
    path = source.file("huge.raw")
    with open(path, "wb") as f:
        f.write(os.urandom(64 * MIB))
        f.truncate(2 << 40)
    source.refresh()
    before = [host.memory_kib() for host in (two.here, two.there)]
    _replicate(two, far, source, "huge.raw", name="first.raw", fmt="raw")
    copies = lab.options.size_mib * 25 // 64
    for number in range(1, copies):
        _share(path, 64 * MIB, number * ((2 << 40) // copies // MIB) * MIB)
    with open(path, "r+b") as f:
        f.seek(1 << 40)
        for _ in range(lab.options.size_mib // 4):
            f.write(os.urandom(MIB))
    source.refresh()
    _replicate(two, far, source, "huge.raw", name="second.raw", fmt="raw")
    growth = max(host.memory_kib("VmHWM") - then for host, then in zip((two.here, two.there), before)) / 1024
    data = allocated([path])
    table.add(f"Layer of 2 TiB with {data / GIB:.0f} GiB of data to another host: peak growth of a daemon", f"{growth:.1f} MiB",
              wanted=("≤", 128), value=growth, unit=" MiB")
    two.close()
    fs.umount(mount)


def _seconds(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _parts(pool):
    """Calls that it takes to hear of all images of a pool, and how many it tells of."""
    part, calls, found = 0, 0, 0
    while True:
        xml = pool.XMLDesc(ALL_IMAGES | part << 21)
        calls += 1
        found += xml.count("<replication:image ")
        following = re.search(r"<replication:images [^>]*next='(\d+)'", xml)
        if not following:
            return calls, found
        part = int(following.group(1))


def faraway(lab, table):
    """What calls cost on a pool that is another host's."""
    two = TwoHosts(lab)
    count = lab.options.volumes
    for number in range(count):
        images.create(two.behind.file(f"image{number}.qcow2"), "1M")
    two.behind.refresh()
    two.far.refresh()
    there = two.there.connect()
    names = [f"image{number}.qcow2" for number in range(0, count, max(count // 50, 1))]
    own = [there.storagePoolLookupByName(two.behind.name).storageVolLookupByName(name) for name in names]
    seen = [two.conn.storagePoolLookupByName(two.far.name).storageVolLookupByName(name) for name in names]
    times = [(_seconds(a.XMLDesc), _seconds(b.XMLDesc)) for _ in range(20) for a, b in zip(own, seen)]
    theirs, ours = median([t[0] for t in times]), median([t[1] for t in times])
    table.add("vol-dumpxml of an image on another host against the host's own", f"{ours * 1000:.2f} ms", f"{theirs * 1000:.2f} ms",
              ours / theirs, ("≤", 2.5))
    calls, found = _parts(two.conn.storagePoolLookupByName(two.far.name))
    assert found == count, found
    table.add(f"Calls to list {count} images of another host with their states", str(calls), wanted=("≤", 1), value=calls)
    there.close()
    two.close()
