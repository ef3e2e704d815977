# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pushes of another implementation, honest and not: what is believed of a host that has an image made here."""

import os
import struct

import libvirt
import pytest
from harness import crypt, images, wire
from harness.crypt import Key
from harness.pools import Pool, wait_until
from harness.remote import serving

MIB = 1 << 20


@pytest.fixture(scope="module")
def maker(new_host):
    host = serving(new_host(), "peer_gone_seconds = 2\n").start()
    return host, Pool(host, "beijing", region="cn-north-1")


_count = iter(range(1, 1000))


@pytest.fixture
def shelf(tmp_path):
    n = next(_count)  # bytes that no image in the pool has: those would not be asked for
    path = str(tmp_path / f"pushed{n}.qcow2")
    images.create(path, size="8M")
    images.write_random(path, 0, 2 * MIB, seed=1000 + n)
    return path


@pytest.fixture
def pushing(maker):
    """Pushes files; nothing may be left of what fails."""
    host, pool = maker
    sessions = []

    def push(layers, lies=None, name=None, disks=(), **kwargs):
        name = name or layers[0].facts["volume"]
        holder = wire.Holder(host, pool.name, name, layers, lies, disks)
        sessions.append(holder)
        try:
            return holder.push(**kwargs)
        except libvirt.libvirtError:
            return None  # the other end has cut it off

    yield push
    for session in sessions:
        hang_up(session)


def hang_up(session):
    try:
        session.close()
    except libvirt.libvirtError:
        pass


def nothing_left(pool, volume):
    return volume not in pool.volumes() and not [n for n in pool.staging() if n.startswith("partial/")]


def test_an_honest_push(maker, pushing, shelf):
    host, pool = maker
    assert pushing([wire.Layer(shelf)]) == ("completed", None)
    name = os.path.basename(shelf)
    assert images.file_digest(pool.file(name)) == images.file_digest(shelf)
    assert pool.image(name).status == "available"


def flip(data):
    return data[:-1] + bytes([data[-1] ^ 1])


def lie_of(name, path):
    def data(change):
        def answer(ident, payload):
            layer, offset, length = struct.unpack(">IQI", payload)
            with open(path, "rb") as f:
                f.seek(offset)
                block = f.read(length)
            return change(ident, payload, block)
        return {wire.READ: answer}

    return {
        "damaged-bytes": data(lambda i, p, b: wire.frame(wire.DATA, p + wire.checksum(b) + flip(b), i)),
        "other-range": data(lambda i, p, b: wire.frame(wire.DATA, wire.read_range(0, 1 << 40, len(b)) + wire.checksum(b) + b, i)),
        "fewer-bytes": data(lambda i, p, b: wire.frame(wire.DATA, p + wire.checksum(b[1:]) + b[1:], i)),
        "cut-frame": data(lambda i, p, b: wire.frame(wire.DATA, p + wire.checksum(b) + b, i)[:-9] + b"RPLW" * 20),
        "unasked-answer": data(lambda i, p, b: wire.frame(wire.DATA, p + wire.checksum(b) + b, i + 1000)),
        "absurd-runs": {wire.RUNS: lambda i, p: wire.frame(wire.RUN_LIST, struct.pack(">QIQQ", 5, 1, 1 << 61, 1 << 61), i)},
        "runs-that-lead-nowhere": {wire.RUNS: lambda i, p: wire.frame(wire.RUN_LIST, struct.pack(">QI", 0, 0), i)},
        "million-runs": {wire.RUNS: lambda i, p: wire.frame(wire.RUN_LIST, struct.pack(">QI", 1, 1 << 20), i)},
        "no-chain": {wire.DESCRIBE: lambda i, p: wire.frame(wire.CHAIN, b"\xff" * 40, i)},
        "more-digests": {wire.DIGESTS: lambda i, p: wire.frame(wire.DIGEST_LIST, struct.pack(">I", 4096) + b"d" * 32 * 4096, i)},
        "half-a-digest": {wire.DIGESTS: lambda i, p: wire.frame(wire.DIGEST_LIST, struct.pack(">I", 2) + b"d" * 48, i)},
        "changed": {wire.CHECK: lambda i, p: wire.frame(wire.ERROR, struct.pack(">I", 55) + wire.text("it has changed"), i)},
    }[name]


@pytest.mark.parametrize("name", ["damaged-bytes", "other-range", "fewer-bytes", "cut-frame", "unasked-answer", "absurd-runs",
                                  "runs-that-lead-nowhere", "million-runs", "no-chain", "more-digests", "half-a-digest", "changed"])
def test_liars(maker, pushing, shelf, name):
    host, pool = maker
    result = pushing([wire.Layer(shelf)], lie_of(name, shelf))
    assert result is None or result[0] in ("failed", "refused", "cancelled"), result
    assert wait_until(lambda: nothing_left(pool, os.path.basename(shelf)), 60), pool.staging()
    assert host.ok("pool-list")


def test_made_on_demand(maker, pushing, shelf):
    """Whose size is an estimate until it is made."""
    host, pool = maker
    assert pushing([wire.Layer(shelf, on_demand="decrypt", size=1)]) == ("completed", None)
    assert images.file_digest(pool.file(os.path.basename(shelf))) == images.file_digest(shelf)


MADE_LIES = {
    "no-key": {wire.KEY: lambda i, p: wire.frame(wire.ERROR, struct.pack(">I", 1) + wire.text("no"), i)},
    "no-header": {wire.KEY: lambda i, p: wire.frame(wire.KEY_HEADER, struct.pack(">QI", 1 << 20, 4096) + b"LUKS" * 1024, i)},
    "absurd-header": {wire.KEY: lambda i, p: wire.frame(wire.KEY_HEADER, struct.pack(">QI", 1 << 60, 4) + b"LUKS", i)},
    "short-header": {wire.KEY: lambda i, p: wire.frame(wire.KEY_HEADER, struct.pack(">QI", 1 << 20, 1 << 30) + b"LUKS", i)},
    "absurd-size": {wire.MAKE: lambda i, p: wire.frame(wire.MADE, struct.pack(">QQ", 7, 1 << 61), i)},
    "half-an-answer": {wire.MAKE: lambda i, p: wire.frame(wire.MADE, b"1234", i)},
}


@pytest.mark.parametrize("lie", MADE_LIES)
def test_liars_who_make_on_demand(maker, pushing, shelf, lie):
    host, pool = maker
    with_key = {} if wire.MAKE in MADE_LIES[lie] else {"usage": Key(host).usage}
    result = pushing([wire.Layer(shelf, on_demand="encrypt", **with_key)], MADE_LIES[lie])
    assert result is None or result[0] in ("failed", "refused"), result
    assert wait_until(lambda: nothing_left(pool, os.path.basename(shelf)), 60), pool.staging()


def test_not_encrypted_as_it_was_said_to_be(maker, pushing, shelf):
    """The header is a good one, and the layer that comes is plain."""
    host, pool = maker
    key = Key(host)
    images.create(pool.file("tiny.qcow2"), "64K")
    pool.refresh()
    other = Pool(host, "other", region="cn-east-2")
    other.replicate(pool, "tiny.qcow2", target=key.target())
    with crypt.header(other.file("tiny.qcow2")) as luks:
        luks.seek(0)
        data = luks.read()
    good = struct.pack(">QI", len(data), 260096) + data[:260096]
    result = pushing([wire.Layer(shelf, on_demand="encrypt", usage=key.usage)],
                     {wire.KEY: lambda i, p: wire.frame(wire.KEY_HEADER, good, i)})
    assert result[0] == "failed" and "was said to be" in result[1], result
    assert wait_until(lambda: nothing_left(pool, os.path.basename(shelf)), 60), pool.staging()


def test_an_endless_stream_is_cut_off(maker, pushing, shelf):
    """A holder that talks without being asked, and never ends."""
    host, pool = maker

    def endless(ident, payload):
        return b"".join(wire.frame(wire.DATA, payload + b"x" * 65552, 10**6 + n) for n in range(64))

    before = host.memory_kib()
    result = pushing([wire.Layer(shelf)], {wire.READ: endless})
    assert result is None or result[0] == "failed", result
    assert host.memory_kib() < before + 128 * 1024
    assert wait_until(lambda: nothing_left(pool, os.path.basename(shelf)), 60)


@pytest.mark.parametrize("facts", [
    {"volume": ".."}, {"volume": "a/b"}, {"volume": ".replication"}, {"size": 1 << 61}, {"virtual": 1 << 61},
    {"format": "vmdk"}, {"virtual": 4 * MIB}, {"format": "raw"}, {"size": 70000}], ids=str)
def test_false_facts(maker, pushing, shelf, facts):
    host, pool = maker
    before = pool.state()
    result = pushing([wire.Layer(shelf, **facts)], name=os.path.basename(shelf))
    assert result is None or result[0] in ("failed", "refused"), result
    assert wait_until(lambda: pool.state() == before, 60), pool.state()


def test_an_honest_full_machine(maker, pushing, shelf, tmp_path):
    host, pool = maker
    data = str(tmp_path / f"data-of-{os.path.basename(shelf)}")
    images.create(data, size="1M")
    assert pushing([wire.Layer(shelf), wire.Layer(data)], disks=(1,)) == ("completed", None)
    for path in shelf, data:
        assert images.file_digest(pool.file(os.path.basename(path))) == images.file_digest(path)
    assert pool.image(os.path.basename(shelf)).type == "full-machine"


@pytest.mark.parametrize("disks, facts", [
    ((1,), {"volume": ".replication"}), ((1,), {"volume": ".."}), ((1,), {"volume": "taken.raw"}), ((1,), {"size": 1 << 61}),
    ((0,), {}), ((2,), {}), ((1, 1), {}), ((1,), "same name")], ids=str)
def test_false_disks(maker, pushing, shelf, tmp_path, disks, facts):
    """None of the machine's disks is made, whichever of them is wrong."""
    host, pool = maker
    images.create(pool.file("taken.raw"), "1M", fmt="raw")
    pool.refresh()
    data = str(tmp_path / "data.raw")
    images.create(data, size="1M", fmt="raw")
    facts = {"volume": os.path.basename(shelf)} if facts == "same name" else facts
    before = pool.state()
    result = pushing([wire.Layer(shelf), wire.Layer(data, fmt="raw", **facts)], disks=disks)
    assert result is None or result[0] in ("failed", "refused"), result
    assert wait_until(lambda: pool.state() == before, 60), pool.state()


def test_files_that_lead_outside(maker, pushing, tmp_path):
    """External data files, and backing names that the chain does not have."""
    host, pool = maker
    secret = tmp_path / "secret.raw"
    secret.write_bytes(b"s" * MIB)
    outside = str(tmp_path / "outside.qcow2")
    images.qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data.raw", outside, "1M")
    overlay = str(tmp_path / "overlay.qcow2")
    images.create(overlay, size="1M", backing=str(secret), backing_fmt="raw")
    assert pushing([wire.Layer(outside)])[0] == "failed"
    assert wait_until(lambda: nothing_left(pool, "outside.qcow2"), 60)
    # the plan knows of no base: none is named
    result = pushing([wire.Layer(overlay)])
    if result[0] == "completed":
        assert "backing-filename" not in images.info(pool.file("overlay.qcow2"))
    else:
        assert wait_until(lambda: nothing_left(pool, "overlay.qcow2"), 60)


def test_origins_are_not_forged(maker, pushing, shelf):
    """A chain that is said to lie in a pool of this very host pins nothing here, and is on record as another host's."""
    host, pool = maker
    victim = Pool(host, "victim", region="cn-south-1")
    volume = victim.chain()
    ident = host.ok("pool-uuid", victim.name).strip()
    seen = []

    def check(ident_, payload):
        seen.append(host.virsh("vol-resize", "--pool", victim.name, "web.qcow2", "64M").rc)
        return wire.frame(wire.OK, b"", ident_)

    layer = wire.Layer(shelf, pool=victim.name, pool_uuid=ident, volume=volume)
    assert pushing([layer], {wire.CHECK: check})[0] == "completed"
    assert seen and not any(seen), "a volume here was held for what another host claims"
    assert host.virsh("vol-dumpxml", "--pool", victim.name, volume).rc == 0
    source = pool.image(volume)
    assert source.source["region"] == "cn-west-1", source.source


def test_pins_of_a_job_here_stay(maker):
    """A session under the id of a job of this host, which ends, lets go of nothing of that job."""
    host, pool = maker
    source = Pool(host, "source", region="cn-west-5")
    running = Pool(host, "running", region="cn-west-6")
    path = source.file("big.qcow2")
    images.create(path, size="96M")
    images.write_random(path, 0, 64 * MIB, seed=1)
    source.refresh()
    assert running.try_replicate(source, "big.qcow2", **{"async": "yes", "bandwidth": 4}).rc == 0
    job = running.image("big.qcow2").job["id"]
    for _ in range(3):
        session = wire.Session(host, source.name, "big.qcow2")
        assert session.greet(job=job)[0] == wire.WELCOME
        session.send(wire.frame(wire.BYE))
        assert session.receive()[0] == wire.BYE
        session.close()
    assert running.image("big.qcow2").job["state"] == "running"
    assert "job" in host.fails("vol-delete", "--pool", source.name, "big.qcow2")
    host.ok("vol-delete", "--pool", running.name, "big.qcow2")


def test_sessions_that_take_over_one_another_while_they_close(maker):
    """Many sessions of one job, each newer than the last, some gone before they are greeted."""
    host, pool = maker
    path = pool.file("lent.qcow2")
    images.create(path, size="8M")
    images.write_random(path, 0, MIB, seed=2)
    pool.refresh()
    job = "6f6a1e0c-7c9c-4a59-8b0e-0d6a5f4b3c2e"
    before = host.threads()
    open_ = []
    for epoch in range(1, 60):
        session = wire.Session(host, pool.name, "lent.qcow2")
        session.send(wire.frame(wire.HELLO, wire.hello(job=job, epoch=epoch)))
        open_.append(session)
        if epoch % 3 == 0:
            session.send(wire.frame(wire.READ, wire.read_range(0, 0, 65536), 1))
        for each in open_[:-(epoch % 4 + 1)]:
            open_.remove(each)
            hang_up(each)
    for each in open_:
        hang_up(each)
    assert host.ok("pool-list")
    assert wait_until(lambda: host.virsh("vol-delete", "--pool", pool.name, "lent.qcow2").rc == 0, 60)
    assert wait_until(lambda: host.threads() <= before + 4, 60)
