# SPDX-License-Identifier: LGPL-2.1-or-later
"""Chain replication between two local regions: faithful, named, reused, recorded."""

import os
import shutil
import time

import libvirt
import pytest
from harness import fs, images, space, xmlio
from harness.pools import Pool, wait_until
from test_images import UUID, partitioned_disk
from test_region_pools import valid


def test_chain_is_faithful(regions):
    source, target = regions
    volume = source.chain()
    assert target.replicate(source, volume) == "web.qcow2"
    assert target.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    images.assert_faithful(source.file(volume), target.file("web.qcow2"))


def test_record_of_the_replica(regions):
    source, target = regions
    volume = source.chain()
    source.update(volume, "<replication:name>Web</replication:name>")
    original = source.image(volume)
    target.replicate(source, volume)
    image = target.image("web.qcow2")
    assert UUID.match(image.id) and image.id != original.id
    assert image.status == "available"
    assert image.type == original.type
    assert image.text("name") == "Web"
    assert image.text("description") == f"Replicated from region cn-north-1, image {original.id}"
    assert image.source == {"region": "cn-north-1", "id": original.id, "pool": source.name,
                            "volume": "web.qcow2"}
    assert image.snapshots == ["mid.qcow2", "base.qcow2"]
    assert source.image(volume).id == original.id
    valid("volume.rng", image.xml)


def test_job_is_readable_afterwards(host, regions):
    source, target = regions
    target.replicate(source, source.chain())
    for _ in range(2):
        job = target.image("web.qcow2").job
        assert (job["state"], job["progress"], job["remaining"]) == ("completed", "100", "0")
        assert job["processed"] == job["total"]
        assert [step["layer"] for step in job["steps"]] == ["base.qcow2", "mid.qcow2", "web.qcow2"]
        assert all(step["state"] == "done" for step in job["steps"])
        assert all(step["action"] in ("copy", "clone") for step in job["steps"])
        host.restart()
        host.virsh("pool-start", source.name)
        host.virsh("pool-start", target.name)


def test_name_and_description_of_the_request(regions):
    source, target = regions
    volume = source.chain(names=("one.qcow2",))
    assert target.replicate(source, volume, name="other.qcow2", description="ni<ght>ly") == "other.qcow2"
    image = target.image("other.qcow2")
    assert image.text("description") == "ni<ght>ly"
    assert image.source["region"] == "cn-north-1"
    images.assert_faithful(source.file(volume), target.file("other.qcow2"))


KINDS = {
    "raw base": dict(base_fmt="raw"),
    "qcow2 v2": dict(options="compat=0.10"),
    "zstd": dict(options="compression_type=zstd"),
    "extended l2": dict(options="extended_l2=on"),
    "cluster 512": dict(options="cluster_size=512"),
    "cluster 2M": dict(options="cluster_size=2M"),
    "lazy refcounts": dict(options="lazy_refcounts=on"),
    "refcounts of 1 bit": dict(names=("one.qcow2",), options="refcount_bits=1"),
    "preallocated": dict(names=("one.qcow2",), options="preallocation=falloc"),
    "five layers": dict(names=("a.qcow2", "b.qcow2", "c.qcow2", "d.qcow2", "e.qcow2")),
    "odd names": dict(names=("a b.qcow2", "ü'\"&<>.qcow2", "c:d,e=f.qcow2")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_chains(regions, kind):
    source, target = regions
    if kind == "odd names":
        make_odd_names(source, KINDS[kind]["names"])
        volume = KINDS[kind]["names"][-1]
    else:
        volume = source.chain(**KINDS[kind])
    target.replicate(source, volume)
    images.assert_faithful("./" + volume if ":" in volume else source.file(volume), target.file(volume)) \
        if ":" not in volume else compare_bytes_of_chain(source, target, KINDS[kind]["names"])


def make_odd_names(pool, names):
    os.rename(images.chain(pool.path, names=("x.qcow2",)), pool.file(names[0]))
    for below, name in zip(names, names[1:]):
        images.overlay(pool.file("tmp.qcow2"), below)
        os.rename(pool.file("tmp.qcow2"), pool.file(name))
    pool.refresh()


def compare_bytes_of_chain(source, target, names):
    """For names that qemu-img would take for a protocol."""
    for name in names:
        assert images.file_digest(source.file(name)) == images.file_digest(target.file(name))


@pytest.mark.parametrize("compression", ["zlib", "zstd"])
def test_compressed_clusters_stay_compressed(regions, compression):
    source, target = regions
    images.base(source.file("c.qcow2"), options=f"compression_type={compression}", compressed=True)
    source.refresh()
    target.replicate(source, "c.qcow2")
    images.assert_faithful(source.file("c.qcow2"), target.file("c.qcow2"))
    assert os.path.getsize(target.file("c.qcow2")) == os.path.getsize(source.file("c.qcow2"))


def test_luks_layers_as_they_are(regions):
    source, target = regions
    images.luks(source.file("l.qcow2"), 16, "passphrase")
    images.luks_write(source.file("l.qcow2"), "passphrase", [(0, 1 << 20, 7), (9 << 20, 65536, 8)])
    source.refresh()
    target.replicate(source, "l.qcow2")
    images.luks_check(target.file("l.qcow2"), "passphrase")
    assert images.luks_digest(target.file("l.qcow2"), "passphrase") == \
        images.luks_digest(source.file("l.qcow2"), "passphrase")


def test_raw_image(regions):
    source, target = regions
    partitioned_disk(source.file("disk.img"))
    images.write(source.file("disk.img"), [(5 << 20, 1 << 20, 3)], fmt="raw")
    source.refresh()
    with_format = target.replicate(source, "disk.img", fmt=None)
    images.compare(source.file("disk.img"), target.file(with_format))
    assert images.info(target.file(with_format))["format"] == "raw"


def test_an_empty_file_is_no_image_yet(regions):
    """It may be a name that a job holds, or a volume that an upload is going to fill."""
    source, target = regions
    open(source.file("empty.img"), "wb").close()
    source.refresh()
    assert "status is pending" in target.try_replicate(source, "empty.img", fmt=None).err
    assert target.volumes() == []


@pytest.mark.parametrize("size", [512, 65536 + 512, (1 << 20) + 1])
def test_small_and_unaligned_raw_images(regions, size):
    source, target = regions
    with open(source.file("odd.img"), "wb") as f:
        f.write(images.random_bytes(size, 5))
    source.refresh()
    target.replicate(source, "odd.img", fmt=None)
    assert images.file_digest(source.file("odd.img")) == images.file_digest(target.file("odd.img"))


def test_holes_stay_holes(regions):
    source, target = regions
    with open(source.file("sparse.img"), "wb") as f:
        f.truncate(64 << 30)
        f.seek(40 << 30)
        f.write(images.random_bytes(1 << 20, 1))
    source.refresh()
    target.replicate(source, "sparse.img", fmt=None)
    assert os.path.getsize(target.file("sparse.img")) == 64 << 30
    assert images.allocated_bytes(target.file("sparse.img")) < 2 << 20
    job = target.image("sparse.img").job
    assert int(job["total"]) < 2 << 20


def test_second_image_on_the_same_base_sends_its_own_layer_only(regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2")
    images.overlay(source.file("db.qcow2"), "mid.qcow2", writes=[(1 << 20, 65536, 9)])
    source.refresh()
    before = {name: os.stat(target.file(name)).st_ino for name in ("base.qcow2", "mid.qcow2")}
    target.replicate(source, "db.qcow2")
    assert target.volumes() == ["base.qcow2", "db.qcow2", "mid.qcow2", "web.qcow2"]
    assert {name: os.stat(target.file(name)).st_ino for name in before} == before
    actions = target.image("db.qcow2").actions
    assert (actions["base.qcow2"], actions["mid.qcow2"]) == ("reuse", "reuse")
    assert actions["db.qcow2"] in ("copy", "clone")
    assert int(target.image("db.qcow2").job["total"]) <= \
        images.allocated_bytes(source.file("db.qcow2")) + (1 << 20)
    images.assert_faithful(source.file("db.qcow2"), target.file("db.qcow2"))


def test_collision_of_different_layers_gets_a_unique_name(regions):
    source, target = regions
    source.chain()
    images.base(target.file("base.qcow2"), seed=99)
    target.refresh()
    before = images.file_digest(target.file("base.qcow2"))
    target.replicate(source, "web.qcow2")
    assert images.file_digest(target.file("base.qcow2")) == before
    assert len(target.volumes()) == 4
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_layer_is_reused_whatever_its_name(regions):
    source, target = regions
    source.chain()
    images.base(target.file("base.qcow2"), seed=99)
    target.refresh()
    target.replicate(source, "web.qcow2")
    renamed = target.image("web.qcow2").snapshots[-1]
    assert renamed != "base.qcow2"
    images.overlay(source.file("db.qcow2"), "base.qcow2")
    source.refresh()
    target.replicate(source, "db.qcow2")
    assert target.image("db.qcow2").actions["base.qcow2"] == "reuse"
    assert target.image("db.qcow2").snapshots == [renamed]
    images.assert_faithful(source.file("db.qcow2"), target.file("db.qcow2"))


def test_changed_layer_is_not_reused(regions):
    source, target = regions
    source.chain(names=("base.qcow2", "web.qcow2"))
    target.replicate(source, "web.qcow2")
    images.write(source.file("base.qcow2"), [(12 << 20, 4096, 77)])
    images.overlay(source.file("db.qcow2"), "base.qcow2")
    source.refresh()
    target.replicate(source, "db.qcow2")
    images.assert_faithful(source.file("db.qcow2"), target.file("db.qcow2"))
    assert target.image("web.qcow2").snapshots != target.image("db.qcow2").snapshots


def test_replica_changed_in_place_is_not_reused(regions):
    source, target = regions
    source.chain(names=("base.qcow2", "web.qcow2"))
    target.replicate(source, "web.qcow2")
    images.write(target.file("base.qcow2"), [(12 << 20, 4096, 77)])
    images.overlay(source.file("db.qcow2"), "base.qcow2")
    source.refresh()
    target.replicate(source, "db.qcow2")
    images.assert_faithful(source.file("db.qcow2"), target.file("db.qcow2"))


def test_layer_brought_by_hand_is_found(regions):
    """The same content under another name, without any record."""
    source, target = regions
    source.chain(names=("base.qcow2", "web.qcow2"))
    images.copy_sparse(source.file("base.qcow2"), target.file("golden.qcow2"))
    target.refresh()
    target.replicate(source, "web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    assert target.image("web.qcow2").actions["base.qcow2"] == "reuse"
    assert target.volumes() == ["golden.qcow2", "web.qcow2"]


@pytest.mark.parametrize("delay_s", [0, 0.05, 0.15, 0.4])
def test_layer_deleted_while_it_is_compared(regions, delay_s):
    """Either the deletion is refused, since the layer is in use, or the job does not build on it."""
    source, target = regions
    images.create(source.file("base.qcow2"), "384M")
    for part in range(4):
        images.write_random(source.file("base.qcow2"), part << 26, 1 << 26, part)
    images.overlay(source.file("web.qcow2"), "base.qcow2", "384M", writes=[(0, 65536, 5)])
    source.refresh()
    shutil.copy(source.file("base.qcow2"), target.file("brought.qcow2"))
    target.refresh()
    target.replicate(source, "web.qcow2", async_="yes")
    time.sleep(delay_s)
    deleted = target.host.virsh("vol-delete", "brought.qcow2", target.name).rc == 0
    job = target.wait_job("web.qcow2", ("completed", "failed"))
    if job["state"] == "completed":
        images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
        assert deleted == ("brought.qcow2" not in target.volumes())
    else:
        assert deleted, job
    target.host.virsh("vol-delete", "web.qcow2", target.name, "--delete-snapshots")


def test_usage_is_updated(regions):
    source, target = regions
    target.replicate(source, source.chain())
    usage = target.usage()
    assert (usage["images"], usage["snapshots"]) == (1, 2)
    assert usage["bytes"] == sum(images.allocated_bytes(target.file(name)) for name in target.volumes())


def test_refresh_event_at_the_end(host, event_loop, regions):
    source, target = regions
    volume = source.chain()
    seen = []
    conn = host.connect()
    number = conn.storagePoolEventRegisterAny(
        conn.storagePoolLookupByName(target.name), libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
        lambda c, pool, opaque: seen.append(pool.name()), None)
    target.replicate(source, volume)
    assert wait_until(lambda: seen, 5)
    assert set(seen) == {target.name}
    conn.storagePoolEventDeregisterAny(number)
    conn.close()


def test_virsh_sees_the_replica_without_refresh(host, regions):
    source, target = regions
    target.replicate(source, source.chain())
    xml = host.ok("vol-dumpxml", "web.qcow2", target.name)
    assert f"<path>{target.file('mid.qcow2')}</path>" in xml
    assert "<capacity unit='bytes'>33554432</capacity>" in xml
    assert "<format type='qcow2'/>" in xml
    assert host.ok("vol-path", "base.qcow2", target.name).strip() == target.file("base.qcow2")
    before = host.ok("vol-list", target.name, "--details")
    target.refresh()
    assert host.ok("vol-list", target.name, "--details") == before


def test_pool_info_counts_the_replica(host, regions, small_ext4):
    source = regions[0]
    target = Pool(host, "counted", region="r9", path=small_ext4(64))
    try:
        target.replicate(source, source.chain())
        without_refresh = host.ok("pool-info", "counted", "--bytes")
        target.refresh()
        assert host.ok("pool-info", "counted", "--bytes") == without_refresh
    finally:
        host.virsh("pool-destroy", "counted")
        host.virsh("pool-undefine", "counted")


def test_log_tells_the_job(host, regions):
    source, target = regions
    target.replicate(source, source.chain())
    job = target.image("web.qcow2").job["id"]
    assert sum(job in line for line in host.log().splitlines()) >= 1


def test_nothing_stays_in_staging_but_records(regions):
    source, target = regions
    target.replicate(source, source.chain())
    assert not [name for name in target.staging() if name.startswith("partial/")]
    assert [name for name in target.staging() if name.startswith("images/")]


def test_owner_and_mode_are_those_of_the_target(host, regions):
    """Never the source's, which may be a guest's."""
    source, target = regions
    volume = source.chain(names=("one.qcow2",))
    os.chown(source.file(volume), 12345, 12345)
    os.chmod(source.file(volume), 0o644)
    space.run("setfattr", "-n", "trusted.libvirt.security.dac", "-v", "+12345:+12345", source.file(volume))
    host.ok("vol-create-as", target.name, "stock.qcow2", "1M", "--format", "qcow2")
    target.replicate(source, volume)
    ours, stock = os.stat(target.file(volume)), os.stat(target.file("stock.qcow2"))
    assert (ours.st_uid, ours.st_gid, ours.st_mode) == (stock.st_uid, stock.st_gid, stock.st_mode)
    assert not os.listxattr(target.file(volume))


def test_owner_and_mode_of_the_request(regions):
    source, target = regions
    volume = source.chain(names=("one.qcow2",))
    target.replicate(source, volume, target="<permissions><mode>0640</mode><owner>77</owner>"
                                            "<group>78</group></permissions>")
    st = os.stat(target.file(volume))
    assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (77, 78, 0o640)


def test_clone_on_a_reflink_file_system(host, small_xfs):
    top = small_xfs()
    source = Pool(host, "xfs-a", region="a", path=top + "/a")
    target = Pool(host, "xfs-b", region="b", path=top + "/b")
    try:
        volume = source.chain()
        space.run("sync", "-f", top)
        before = fs.used_bytes(top)
        target.replicate(source, volume)
        space.run("sync", "-f", top)
        assert set(target.image(volume).actions.values()) == {"clone"}
        assert fs.used_bytes(top) - before < 1 << 20
        images.assert_faithful(source.file(volume), target.file(volume))
    finally:
        for name in ("xfs-a", "xfs-b"):
            host.virsh("pool-destroy", name)
            host.virsh("pool-undefine", name)


def test_from_one_file_system_to_another(host, regions, small_xfs):
    target = Pool(host, "onxfs", region="x", path=small_xfs())
    try:
        volume = regions[0].chain()
        target.replicate(regions[0], volume)
        images.assert_faithful(regions[0].file(volume), target.file(volume))
    finally:
        host.virsh("pool-destroy", "onxfs")
        host.virsh("pool-undefine", "onxfs")


def test_chain_across_pools_of_one_region(host, new_pool):
    """A base may lie in another pool of the same region."""
    bases, source, target = new_pool("cn-north-1"), new_pool("cn-north-1"), new_pool("cn-east-2")
    images.base(bases.file("base.qcow2"))
    bases.refresh()
    images.overlay(source.file("web.qcow2"), bases.file("base.qcow2"), writes=[(1 << 20, 65536, 5)])
    source.refresh()
    target.replicate(source, "web.qcow2")
    assert target.volumes() == ["base.qcow2", "web.qcow2"]
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_absolute_backing_name_becomes_relative(regions):
    source, target = regions
    images.base(source.file("base.qcow2"))
    images.overlay(source.file("web.qcow2"), source.file("base.qcow2"))
    source.refresh()
    target.replicate(source, "web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    assert images.layers(target.file("web.qcow2"))[0]["backing-filename"] == "base.qcow2"


def test_replica_can_be_replicated(host, new_pool):
    a, b, c = new_pool("a"), new_pool("b"), new_pool("c")
    volume = a.chain()
    b.replicate(a, volume)
    c.replicate(b, volume)
    images.assert_faithful(a.file(volume), c.file(volume))
    assert c.image(volume).source["region"] == "b"


def test_snapshots_flatten(regions):
    source, target = regions
    volume = source.chain()
    result = target.try_replicate(source, volume, snapshots="flatten")
    if result.rc == 0:
        assert len(images.layers(target.file(volume))) == 1
        images.compare(source.file(volume), target.file(volume))
    else:
        assert target.volumes() == []


def test_small_steps_leave_no_growth(host, regions):
    source, target = regions
    source.chain(names=("one.qcow2",), size_mib=8)
    target.replicate(source, "one.qcow2", name="warm.qcow2")
    target.replicate(source, "one.qcow2", name="warm2.qcow2")
    before = host.threads(), len(host.fds())
    for number in range(20):
        target.replicate(source, "one.qcow2", name=f"copy{number}.qcow2")
    wait_until(lambda: host.threads() <= before[0], 5)
    assert host.threads() <= before[0] + 1
    assert len(host.fds()) <= before[1] + 1


def test_xml_of_replica_feeds_back(host, regions):
    source, target = regions
    target.replicate(source, source.chain(names=("one.qcow2",)))
    xml = host.ok("vol-dumpxml", "one.qcow2", target.name).replace("one.qcow2", "two.qcow2")
    with xmlio.xml_file(xml) as f:
        host.ok("vol-create", target.name, f.name, "--validate")
    assert target.image("two.qcow2").job is None
