# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication between two hosts that have the module, over TCP, against the other ways to bring a chain there."""

import json
import os
import random
import threading
import time

from harness import images, space, xmlio
from lab import allocated, empty
from measure import GIB, MIB, cpu, drop_caches, median, sync_files, timed, turns, wall
from twohosts import LongLink, Others, TwoHosts

GIGABIT = "1gbit"
TOP = "web.qcow2"


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


def _real_files(lab):
    """Blob of programs and libraries: what systems consist of, and what packs to a half or a third."""
    with open(lab.blob, "wb") as blob:
        for root, _, names in sorted(os.walk("/usr/lib")):
            for name in sorted(names):
                path = os.path.join(root, name)
                if blob.tell() < 16 * MIB and os.path.isfile(path) and not os.path.islink(path) and ".so" in name:
                    with open(path, "rb") as f:
                        blob.write(f.read())
    for number in range(64):  # what was cut out of the blob before
        images.remove(f"{lab.blob}.{number}")


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
    _real_files(lab)
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
    others.close()
    two.close()


def _wire(two, work):
    before = two.wire_bytes()
    cost = timed(work)
    return cost.wall_s, two.wire_bytes() - before


def _change(path, share, seed):
    """Writes new random bytes into `share` of the data of a qcow2 image, in random places of 64 KiB."""
    rng = random.Random(seed)
    size = os.path.getsize(path) // 65536
    with open(path, "r+b") as f:
        for place in rng.sample(range(16, size), max(int(size * share), 1)):
            f.seek(place * 65536)
            f.write(os.urandom(65536))


def sparing(lab, table):
    """What travels when the other host has most of it: a second image on a base, a changed one, one in another order."""
    two = TwoHosts(lab)
    two.link.shape(GIGABIT)
    size_mib = lab.options.size_mib
    lab.chain(two.near.path, size_mib // 4, names=("base.qcow2", "first.qcow2"))
    second = os.path.join(two.near.path, "second.qcow2")
    images.create(second, f"{size_mib // 2}M", backing="base.qcow2")
    lab.fill(second, size_mib // 32, size_mib // 2, 7)
    two.near.refresh()
    _replicate(two, two.far, two.near, "first.qcow2")
    _, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "second.qcow2"))
    own = allocated([second])
    limit = own * 1.01 + MIB
    table.add("Second image on a base that the other host has: bytes on the wire", f"{wire / MIB:.1f} MiB",
              f"{own / MIB:.1f} MiB in its own layer", wire / limit, ("≤", 1))
    _remove(two.behind)
    _remove(two.near)
    flat = lab.image(os.path.join(two.near.path, "flat.qcow2"), size_mib, 3)
    two.near.refresh()
    whole, _ = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v1.qcow2"))
    layer = allocated([flat])
    _change(flat, 0.01, 5)
    two.near.refresh()
    seconds, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v2.qcow2"))
    table.add("1 % changed in random places: bytes on the wire", f"{wire / MIB:.1f} MiB", f"{layer / MIB:.0f} MiB",
              wire / layer, ("≤", 0.02))
    table.add("… time against a full send at 1 Gbit/s", f"{seconds:.2f} s", f"{whole:.2f} s", seconds / whole, ("≤", 0.25))
    _change(flat, 0.01, 6)
    two.near.refresh()
    seconds, _ = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v3.qcow2"))
    table.add("… once more, with digests that were kept", f"{seconds:.2f} s", f"{whole:.2f} s", seconds / whole, ("≤", 0.25))
    images.qemu_img("convert", "-f", "qcow2", "-O", "qcow2", "-m", "16", "-W", flat, flat + ".new")
    os.rename(flat + ".new", flat)
    _change(flat, 0.1, 8)
    two.near.refresh()
    _, wire = _wire(two, lambda: _replicate(two, two.far, two.near, "flat.qcow2", name="v4.qcow2"))
    table.add("The same clusters in another order, 10 % new: bytes on the wire", f"{wire / MIB:.1f} MiB", f"{layer / MIB:.0f} MiB",
              wire / layer, ("≤", 0.12))
    two.close()


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


def faraway(lab, table):
    """A layer of 2 TiB with holes: memory of both daemons. And what calls cost on a pool that is another host's."""
    two = TwoHosts(lab)
    path = os.path.join(two.near.path, "huge.qcow2")
    images.create(path, "2T")
    rng = random.Random(9)
    argv = ["qemu-io", "-f", "qcow2"]
    for _ in range(min(lab.options.size_mib // 8, 256)):
        argv += ["-c", f"write -q -P {rng.randrange(1, 255)} {rng.randrange(2 << 20)}M 1M"]
    space.run(*argv, path)
    two.near.refresh()
    before = [host.memory_kib() for host in (two.here, two.there)]
    _replicate(two, two.far, two.near, "huge.qcow2")
    growth = max(host.memory_kib("VmHWM") - then for host, then in zip((two.here, two.there), before)) / 1024
    table.add("Layer of 2 TiB to another host: peak growth of a daemon", f"{growth:.1f} MiB", wanted=("≤", 128), value=growth,
              unit=" MiB")
    there = two.there.connect()
    own = there.storagePoolLookupByName(two.behind.name).storageVolLookupByName("huge.qcow2")
    seen = two.conn.storagePoolLookupByName(two.far.name).storageVolLookupByName("huge.qcow2")
    found = turns({"own": lambda: timed(own.XMLDesc).wall_s, "seen": lambda: timed(seen.XMLDesc).wall_s}, 200)
    theirs, ours = median(found["own"]), median(found["seen"])
    table.add("vol-dumpxml of an image on another host against the host's own", f"{ours * 1000:.2f} ms", f"{theirs * 1000:.2f} ms",
              ours / theirs, ("≤", 2.5))
    there.close()
    two.close()
