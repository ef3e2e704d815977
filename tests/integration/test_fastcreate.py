# SPDX-License-Identifier: LGPL-2.1-or-later
"""fast-create='yes': one flat, contiguous layer, from which instances are made at once."""

import json
import os
import struct
import time

import pytest
from harness import crypt, fs, images
from harness.crypt import Key
from harness.pools import wait_until

MIB = 1 << 20


@pytest.fixture
def pools(new_pool):
    """Two pools of one region."""
    return new_pool("cn-north-1"), new_pool("cn-north-1")


@pytest.fixture
def reflink_pools(new_pool, small_xfs):
    """Two pools of one region in one XFS."""
    path = small_xfs()
    made = []
    for name in ("a", "b"):
        os.makedirs(f"{path}/{name}")
        made.append(new_pool("cn-north-1", path=f"{path}/{name}"))
    yield path, *made
    for pool in made:
        pool.host.virsh("pool-destroy", pool.name)


def mapping(path):
    """[(guest offset, host offset)] of the allocated clusters, in guest order, and the end of all tables. From the
    tables themselves: QEMU's map does not tell host offsets of encrypted images."""
    with open(path, "rb") as f:
        data = f.read()
    bits = struct.unpack(">I", data[20:24])[0]
    l1_size, l1 = struct.unpack(">IQ", data[36:48])
    mapped, tables = [], [l1]
    for i in range(l1_size):
        l2 = struct.unpack(">Q", data[l1 + 8 * i:l1 + 8 * i + 8])[0] & 0x00fffffffffffe00
        if not l2:
            continue
        tables.append(l2)
        for j, entry in enumerate(struct.unpack(f">{1 << (bits - 3)}Q", data[l2:l2 + (1 << bits)])):
            assert not entry >> 62 & 1, "a compressed cluster"
            if entry & 0x00fffffffffffe00:
                mapped.append((((i << (bits - 3)) + j) << bits, entry & 0x00fffffffffffe00))
    return mapped, max(tables)


def assert_optimised(layer):
    """Guest data in one piece and in order (holes may be left out), all tables in front, nothing compressed."""
    mapped, tables = mapping(layer.path)
    assert mapped and mapped[0][1] > tables, "tables behind data"
    in_place = len({host - guest for guest, host in mapped}) == 1
    hosts = [host for _, host in mapped]
    dense = hosts == list(range(hosts[0], hosts[0] + 65536 * len(hosts), 65536))
    assert in_place or dense, mapped
    with crypt._Opened([layer]) as opened:
        report = json.loads(images.qemu_img("check", "-U", "--output=json", *opened.args, opened.names[0]).stdout)
    assert report.get("compressed-clusters", 0) == 0 and report.get("leaks", 0) == 0


@pytest.mark.parametrize("kind", ["chain", "compressed", "raw", "vmdk", "fragmented"])
def test_image_is_flat_and_contiguous(pools, kind):
    source, target = pools
    volume = "one.qcow2"
    if kind == "chain":
        volume = source.chain()
    elif kind == "compressed":
        images.base(source.file(volume), 16, compressed=True)
    elif kind == "fragmented":
        images.create(source.file(volume), "16M")
        images.write(source.file(volume), [(n * 65536, 65536, n % 200 + 1) for n in range(200, 0, -3)])
    else:
        volume = f"one.{kind}"
        images.base(source.file(volume), 16, fmt=kind)
    source.refresh()
    target.replicate(source, volume, name="fast.qcow2", fast_create="yes")
    replica = crypt.layers(target.file("fast.qcow2"))
    assert len(replica) == 1 and replica[0].format == "qcow2"
    crypt.compare(crypt.layers(source.file(volume)), replica)
    assert_optimised(replica[0])


def test_mark_is_in_the_record(host, pools):
    source, target = pools
    volume = source.chain()
    target.replicate(source, volume, name="fast.qcow2", fast_create="yes")
    for act in (lambda: None, target.refresh, host.restart):
        act()
        assert target.image("fast.qcow2").fast_create == "yes"
        assert target.image("fast.qcow2").snapshots == []
        assert source.image(volume).fast_create == "no"


def test_sparse_image_stays_small(pools):
    source, target = pools
    images.create(source.file("one.qcow2"), "2G")
    images.write(source.file("one.qcow2"), [(1 << 30, MIB, 3)])
    source.refresh()
    target.replicate(source, "one.qcow2", name="fast.qcow2", fast_create="yes")
    assert images.allocated_bytes(target.file("fast.qcow2")) < 4 * MIB
    images.compare(source.file("one.qcow2"), target.file("fast.qcow2"))


@pytest.mark.parametrize("origin", ["plain", "LUKS"])
def test_encrypted_and_optimised(host, pools, origin):
    source, target = pools
    key = Key(host)
    volume = source.chain()
    made = crypt.layers(source.file(volume))
    if origin == "LUKS":
        volume = source.replicate(source, volume, name="enc.qcow2", encryption="default")
    target.replicate(source, volume, name="fast.qcow2", fast_create="yes", target=key.target())
    replica = crypt.layers(target.file("fast.qcow2"), key.value)
    assert len(replica) == 1 and replica[0].key
    crypt.compare(made, replica)
    crypt.check(replica[0])
    assert_optimised(replica[0])
    assert target.image("fast.qcow2").fast_create == "yes"
    assert crypt.secret_in_sight(target.image("fast.qcow2")) == key.uuid


@pytest.mark.parametrize("way", ["default", "key", "rekey", "none"])
def test_fast_image_converted_is_fast_again(host, pools, way):
    """What is asked for once more is made once more: optimised, marked, and under the key asked for."""
    source, target = pools
    old, new = Key(host), Key(host)
    made = crypt.layers(source.file(source.chain()))
    first = {"target": old.target()} if way in ("rekey", "none") else {}
    source.replicate(source, "web.qcow2", name="fast.qcow2", fast_create="yes", **first)
    options = {"encryption": way} if way in ("default", "none") else {"target": new.target()}
    target.replicate(source, "fast.qcow2", name="again.qcow2", fast_create="yes", **options)
    value = crypt.secret_value(host, "ims/default") if way == "default" else new.value
    replica = crypt.layers(target.file("again.qcow2"), value)
    assert len(replica) == 1 and bool(replica[0].key) == (way != "none")
    crypt.compare(made, replica)
    crypt.check(replica[0])
    assert_optimised(replica[0])
    assert target.image("again.qcow2").fast_create == "yes"
    assert target.image("again.qcow2").snapshots == []


def test_instance_on_xfs_is_a_clone(reflink_pools):
    path, images_pool, instances = reflink_pools
    images.base(images_pool.file("base.qcow2"), 64, seed=1)
    images.write_random(images_pool.file("base.qcow2"), 8 * MIB, 40 * MIB, 2)
    images_pool.refresh()
    images_pool.replicate(images_pool, "base.qcow2", name="fast.qcow2", fast_create="yes")
    os.sync()
    before = fs.used_bytes(path)
    began = time.monotonic()
    instances.replicate(images_pool, "fast.qcow2", name="vm1.qcow2")
    took = time.monotonic() - began
    instances.replicate(images_pool, "fast.qcow2", name="vm2.qcow2", fast_create="yes")
    os.sync()
    assert fs.used_bytes(path) - before < MIB
    assert took < 3  # the bench holds it to 0.2 s
    for name in ("vm1.qcow2", "vm2.qcow2"):
        assert set(instances.image(name).actions.values()) == {"clone"}
        images.compare(images_pool.file("base.qcow2"), instances.file(name))
    images.write(instances.file("vm1.qcow2"), [(0, 4 * MIB, 5)])
    images.compare(images_pool.file("base.qcow2"), images_pool.file("fast.qcow2"))
    images.compare(images_pool.file("base.qcow2"), instances.file("vm2.qcow2"))


def test_encrypted_instance_on_xfs_is_a_clone(host, reflink_pools):
    path, images_pool, instances = reflink_pools
    key = Key(host)
    images.base(images_pool.file("base.qcow2"), 32)
    images_pool.refresh()
    images_pool.replicate(images_pool, "base.qcow2", name="fast.qcow2", fast_create="yes", target=key.target())
    os.sync()
    before = fs.used_bytes(path)
    instances.replicate(images_pool, "fast.qcow2", name="vm.qcow2")
    os.sync()
    assert fs.used_bytes(path) - before < MIB
    assert crypt.secret_in_sight(instances.image("vm.qcow2")) == key.uuid
    crypt.compare(crypt.layers(images_pool.file("base.qcow2")), crypt.layers(instances.file("vm.qcow2"), key.value))


def ext4_pools(new_pool, small_ext4):
    path = small_ext4(160)
    for name in ("a", "b"):
        os.makedirs(f"{path}/{name}", exist_ok=True)
    return new_pool("cn-north-1", path=path + "/a"), new_pool("cn-north-1", path=path + "/b")


def test_instance_without_reflinks_is_an_overlay_where_the_request_allows_it(new_pool, small_ext4):
    pool, other = ext4_pools(new_pool, small_ext4)
    try:
        images.base(pool.file("base.qcow2"), 32)
        pool.refresh()
        pool.replicate(pool, "base.qcow2", name="fast.qcow2", fast_create="yes")
        pool.replicate(pool, "fast.qcow2", name="vm.qcow2", fast_create="yes")
        assert [os.path.basename(layer.path) for layer in crypt.layers(pool.file("vm.qcow2"))] == \
            ["vm.qcow2", "fast.qcow2"]
        assert images.allocated_bytes(pool.file("vm.qcow2")) < MIB
        images.compare(pool.file("base.qcow2"), pool.file("vm.qcow2"))
        images.check(pool.file("vm.qcow2"))
        assert pool.image("vm.qcow2").snapshots == ["fast.qcow2"]
        assert "vm.qcow2" in pool.host.fails("vol-delete", "fast.qcow2", pool.name)
        # Not asked for: a full copy.
        pool.replicate(pool, "fast.qcow2", name="full.qcow2")
        assert len(crypt.layers(pool.file("full.qcow2"))) == 1
        # A chain does not lead from one pool to another.
        other.replicate(pool, "fast.qcow2", name="far.qcow2", fast_create="yes")
        assert len(crypt.layers(other.file("far.qcow2"))) == 1
        images.compare(pool.file("base.qcow2"), other.file("far.qcow2"))
    finally:
        for made in (pool, other):
            made.host.virsh("pool-destroy", made.name)


def test_snapshots_do_not_hinder_it(pools):
    """They are left out, and the plan says so before anything is written."""
    source, target = pools
    images.create(source.file("one.qcow2"), "8M")
    images.write(source.file("one.qcow2"), [(0, MIB, 1)])
    images.snapshot(source.file("one.qcow2"), "old")
    images.write(source.file("one.qcow2"), [(0, MIB, 2)])
    source.refresh()
    target.replicate(source, "one.qcow2", name="fast.qcow2", fast_create="yes", start="no")
    planned = target.image("fast.qcow2").job
    assert planned["state"] == "planned" and [step["snapshots-lost"] for step in planned["steps"]] == ["1"]
    target.host.ok("vol-delete", "fast.qcow2", target.name)
    assert wait_until(lambda: target.volumes() == [])
    target.replicate(source, "one.qcow2", name="fast.qcow2", fast_create="yes")
    images.compare(source.file("one.qcow2"), target.file("fast.qcow2"))
    assert images.snapshots(target.file("fast.qcow2")) == []
