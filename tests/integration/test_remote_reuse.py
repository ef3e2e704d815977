# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a pool has already does not travel: whole layers, and blocks of layers that have changed, wherever they lie."""

import os
import random

import pytest
from harness import images, net
from harness.pools import Pool
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20
BLOCK = 65536


@pytest.fixture(scope="module")
def pair(new_host):
    here, there = serving(new_host()).start(), serving(new_host(listen=("tcp",))).start()
    return here, there, net.Link(there, here)


def ends(places, direction):
    """(source, target, where source's files are, where the target's files are)"""
    near, far, behind = places
    return (near, far, near, behind) if direction == "push" else (far, near, behind, near)


class Wire:
    """Bytes that go over the link, both directions, while it is open."""

    def __init__(self, link):
        self.host = link.hosts[0]
        self.device = link.devices[0]

    def _count(self):
        for line in self.host.run("cat", "/proc/net/dev").stdout.splitlines():
            name, _, counts = line.partition(":")
            if name.strip() == self.device:
                return int(counts.split()[0]) + int(counts.split()[8])
        raise AssertionError(f"no device {self.device}")

    def __enter__(self):
        self.before = self._count()
        return self

    def __exit__(self, *_):
        self.bytes = self._count() - self.before


def big(path, mib, seed, backing=None):
    images.create(path, size=f"{mib + 16}M", backing=backing)
    images.write_random(path, 0, mib * MIB, seed=seed)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_base_that_is_there(places, pair, direction):
    """The second image on a base takes its own layer over the link, 1 % and 1 MiB."""
    source, target, here, there = ends(places, direction)
    base = here.file("base.qcow2")
    big(base, 48, seed=1)
    for name, seed in (("one.qcow2", 2), ("two.qcow2", 3)):
        images.overlay(here.file(name), "base.qcow2", size="64M")
        images.write_random(here.file(name), 8 * MIB, 4 * MIB, seed=seed)
    here.refresh()
    with Wire(pair[2]) as whole:
        target.replicate(source, "one.qcow2")
    assert whole.bytes > 50 * MIB
    with Wire(pair[2]) as wire:
        target.replicate(source, "two.qcow2")
    own = images.allocated_bytes(here.file("two.qcow2"))
    assert wire.bytes <= own + own // 100 + MIB, (wire.bytes, own)
    images.assert_faithful(here.file("two.qcow2"), there.file("two.qcow2"))
    assert images.layers(there.file("two.qcow2"))[1:] == images.layers(there.file("one.qcow2"))[1:]
    assert [s["action"] for s in there.image("two.qcow2").job["steps"]] == ["reuse", "copy"]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_chain_that_is_there_but_for_a_bit(places, pair, direction):
    """A base of the same size whose content differs is not taken for the layer, and gives all but what differs."""
    source, target, here, there = ends(places, direction)
    volume = here.chain()
    target.replicate(source, volume)
    with open(here.file("base.qcow2"), "r+b") as f:
        f.seek(4 * MIB + 5)
        old = f.read(1)
        f.seek(4 * MIB + 5)
        f.write(bytes([old[0] ^ 1]))
    here.refresh()
    replica = target.replicate(source, volume, name="again.qcow2")
    images.assert_faithful(here.file(volume), there.file(replica))
    steps = there.image(replica).job["steps"]
    assert [s["action"] for s in steps] == ["copy"] * 3, steps


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_only_changed_blocks_travel(places, pair, direction):
    source, target, here, there = ends(places, direction)
    path = here.file("web.qcow2")
    mib = 96
    big(path, mib, seed=4)
    here.refresh()
    target.replicate(source, "web.qcow2")
    rng = random.Random(5)
    changed = rng.sample(range(mib * MIB // BLOCK), mib * MIB // BLOCK // 100)
    for number, block in enumerate(changed):
        images.write_random(path, block * BLOCK, BLOCK, seed=100 + number)
    here.refresh()
    with Wire(pair[2]) as wire:
        target.replicate(source, "web.qcow2", name="changed.qcow2")
    assert wire.bytes <= mib * MIB // 50 + MIB // 2, wire.bytes
    images.assert_faithful(path, there.file("changed.qcow2"))


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_blocks_that_moved(places, pair, direction):
    """The same clusters in another order, a tenth of them new: a new image, known by the name that the old one had."""
    source, target, here, there = ends(places, direction)
    mib, chunk = 64, MIB
    path = here.file("web.qcow2")
    images.create(path, size=f"{mib}M")
    images.write_random(path, 0, mib * MIB, seed=6)
    here.refresh()
    target.replicate(source, "web.qcow2", name="before.qcow2")
    raw = here.file("web.raw")
    images.qemu_img("convert", "-O", "raw", path, raw)
    os.unlink(path)
    images.create(path, size=f"{mib}M")
    order = list(range(mib * MIB // chunk))
    random.Random(7).shuffle(order)
    with open(raw, "rb") as f:
        for n in order:
            f.seek(n * chunk)
            data = images.random_bytes(chunk, seed=1000 + n) if n % 10 == 0 else f.read(chunk)
            images.write_bytes(path, n * chunk, data)
    os.unlink(raw)
    here.refresh()
    with Wire(pair[2]) as wire:
        target.replicate(source, "web.qcow2", name="moved.qcow2")
    assert wire.bytes <= mib * MIB * 12 // 100 + MIB // 2, wire.bytes
    images.assert_faithful(path, there.file("moved.qcow2"))


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_a_block_that_is_damaged_there_travels(places, pair, direction):
    """What the kept digests promise is looked at again when it is copied."""
    source, target, here, there = ends(places, direction)
    path = here.file("web.qcow2")
    big(path, 16, seed=12)
    here.refresh()
    target.replicate(source, "web.qcow2", name="first.qcow2")
    images.write_random(path, 0, BLOCK, seed=13)
    target.replicate(source, "web.qcow2", name="second.qcow2")  # both have digests now
    damage(there.file("first.qcow2"), [3 * MIB + 7, 9 * MIB])
    there.host.ok("vol-delete", "second.qcow2", there.name)
    with Wire(pair[2]) as wire:
        target.replicate(source, "web.qcow2", name="third.qcow2")
    assert wire.bytes < MIB, wire.bytes
    images.assert_faithful(path, there.file("third.qcow2"))


def test_a_pool_without_digests(places, pair):
    """A target that knows nothing of the image asks for no digests: a first send is not held up."""
    near, far, behind = places
    volume = near.chain()
    far.replicate(near, volume)
    assert not os.path.exists(near.file(".replication/digests")) or not os.listdir(near.file(".replication/digests"))


def test_back_again(places, pair):
    """An image that was pulled, changed here and is pushed back takes its changes over the link."""
    near, far, behind = places
    path = behind.file("web.qcow2")
    big(path, 48, seed=8)
    behind.refresh()
    near.replicate(far, "web.qcow2")
    images.write_random(near.file("web.qcow2"), 5 * MIB, 2 * BLOCK, seed=9)
    near.refresh()
    with Wire(pair[2]) as wire:
        far.replicate(near, "web.qcow2", name="back.qcow2")
    assert wire.bytes <= 2 * MIB, wire.bytes
    images.assert_faithful(near.file("web.qcow2"), behind.file("back.qcow2"))


# ---- heal

def damage(path, offsets):
    """As a disk does it: the file's times stay."""
    st = os.stat(path)
    with open(path, "r+b") as f:
        for offset in offsets:
            f.seek(offset)
            old = f.read(1)
            f.seek(offset)
            f.write(bytes([old[0] ^ 1]))
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def act(pool, volume, action, state="completed"):
    pool.update(volume, f"<replication:job action='{action}'/>")
    return pool.wait_job(volume, (state,), timeout_s=120)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_heals_from_the_other_host(places, pair, direction):
    """The image that was made here of one there, and the one here that one there was made of: only damaged blocks travel, each
    believed only if it fits its digest, and none while the other host has damage at the same place."""
    source, target, here, there = ends(places, direction)
    near, behind = places[0], places[2]
    big(here.file("base.qcow2"), 24, 5)
    images.overlay(here.file("web.qcow2"), "base.qcow2", "64M", writes=[(MIB, MIB, 3)])
    here.refresh()
    target.replicate(source, "web.qcow2", name="copy.qcow2")
    volume = "copy.qcow2" if direction == "pull" else "web.qcow2"
    act(near, volume, "verify")
    before = {name: images.file_digest(near.file(name)) for name in ("base.qcow2", volume)}
    damage(near.file("base.qcow2"), [5 * MIB, 9 * MIB + 5, 17 * MIB])
    damage(near.file(volume), [os.path.getsize(near.file(volume)) - BLOCK // 2])
    damage(behind.file("base.qcow2"), [9 * MIB + 99])
    error = act(near, volume, "heal", "failed")["error"]
    assert "1 damaged blocks" in error and "base.qcow2" in error
    damage(behind.file("base.qcow2"), [9 * MIB + 99])
    with Wire(pair[2]) as wire:
        act(near, volume, "heal")
    assert wire.bytes < 3 * BLOCK, wire.bytes  # one block, and a description of the chain
    assert {name: images.file_digest(near.file(name)) for name in ("base.qcow2", volume)} == before


def test_heal_asks_no_other_project(places, pair):
    near, _, behind = places
    other = Pool(pair[1], behind.name + "-p2", region="cn-east-7", project="p2")
    far = RemotePool(pair[0], behind.name + "-p2", other.name, uri=uri(pair[2]))
    big(near.file("web.qcow2"), 4, 6)
    near.refresh()
    act(near, "web.qcow2", "verify")
    images.copy_sparse(near.file("web.qcow2"), other.file("web.qcow2"))
    other.refresh()
    assert "web.qcow2" in far.volumes()
    damage(near.file("web.qcow2"), [2 * MIB])
    assert "no other replica has" in act(near, "web.qcow2", "heal", "failed")["error"]
