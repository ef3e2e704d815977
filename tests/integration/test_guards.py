# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guards: bases that others need, sources and pools that are being copied."""

import os

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import code, wait_until

INVALID = libvirt.VIR_ERR_OPERATION_INVALID


@pytest.fixture
def chained(regions):
    regions[0].chain(size_mib=16)
    return regions[0]


def lookup(pool, volume):
    return pool.host.connect().storagePoolLookupByName(pool.name).storageVolLookupByName(volume)


def changes(pool, volume):
    """Every call that would change a volume's data, by name."""
    vol = lookup(pool, volume)
    stream = vol.connect().newStream()
    return {"delete": lambda: vol.delete(0), "delete with snapshots": lambda: vol.delete(2),
            "wipe": lambda: vol.wipe(0), "wipePattern": lambda: vol.wipePattern(0, 0),
            "resize": lambda: vol.resize(64 << 20, 0), "upload": lambda: vol.upload(stream, 0, 0, 0)}


def assert_all_refused(pool, volume, *named):
    before = images.file_digest(pool.file(volume))
    for name, call in changes(pool, volume).items():
        with pytest.raises(libvirt.libvirtError) as error:
            call()
        assert code(error.value) == INVALID, name
        for text in named:
            assert text in str(error.value), name
    assert images.file_digest(pool.file(volume)) == before


def test_base_in_use_cannot_be_changed(chained):
    images.overlay(chained.file("other.qcow2"), "base.qcow2", "16M")
    chained.refresh()
    assert_all_refused(chained, "base.qcow2", "base.qcow2", "mid.qcow2", "other.qcow2")
    assert_all_refused(chained, "mid.qcow2", "web.qcow2")


def test_base_of_a_volume_that_libvirt_does_not_know_yet(chained):
    """What counts is what is on the disk."""
    os.makedirs(chained.path, exist_ok=True)
    images.overlay(chained.file("fresh.qcow2"), "web.qcow2", "16M")
    assert_all_refused(chained, "web.qcow2", "fresh.qcow2")


def test_base_in_use_by_another_pool_of_the_region(chained, new_pool):
    other = new_pool("cn-north-1")
    images.overlay(other.file("far.qcow2"), chained.file("web.qcow2"), "16M")
    other.refresh()
    assert_all_refused(chained, "web.qcow2", "far.qcow2", other.name)


def test_top_of_the_chain_is_free(host, chained):
    host.ok("vol-resize", "web.qcow2", "32M", "--pool", chained.name)
    host.ok("vol-delete", "web.qcow2", chained.name)
    host.ok("vol-delete", "mid.qcow2", chained.name)
    assert chained.volumes() == ["base.qcow2"]


def test_delete_snapshots_takes_what_nothing_else_needs(host, chained):
    images.overlay(chained.file("other.qcow2"), "base.qcow2", "16M")
    chained.refresh()
    host.ok("vol-delete", "web.qcow2", chained.name, "--delete-snapshots")
    assert chained.volumes() == ["base.qcow2", "other.qcow2"]
    host.ok("vol-delete", "other.qcow2", chained.name, "--delete-snapshots")
    assert chained.volumes() == []
    assert [name for name in os.listdir(chained.path) if name != ".replication"] == []


def test_delete_snapshots_of_a_base_in_use_deletes_nothing(host, chained):
    err = host.fails("vol-delete", "mid.qcow2", chained.name, "--delete-snapshots")
    assert "web.qcow2" in err
    assert chained.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]


def test_delete_snapshots_in_a_plain_pool_is_stock(host, new_pool):
    pool = new_pool(None)
    pool.chain(size_mib=8)
    assert host.virsh("vol-delete", "web.qcow2", pool.name, "--delete-snapshots").rc != 0
    host.ok("vol-delete", "base.qcow2", pool.name)  # breaks the others, as stock does


# ---- while a copy runs

@pytest.fixture
def copying(regions):
    """A copy that goes on for some seconds; cancelled in the end."""
    source, target = regions
    volume = source.chain(size_mib=16)
    target.replicate(source, volume, async_="yes", bandwidth=("KiB/s", 512))
    job = target.wait_job(volume, ("running",))
    yield source, target, job
    target.host.virsh("vol-delete", volume, target.name)
    wait_until(lambda: target.volumes() == [] or target.image(volume).job["state"] == "completed", 10)


def test_source_and_layers_are_locked(copying):
    source, target, job = copying
    for layer in ("web.qcow2", "mid.qcow2", "base.qcow2"):
        for name, call in changes(source, layer).items():
            with pytest.raises(libvirt.libvirtError) as error:
                call()
            assert code(error.value) == INVALID, (layer, name)
            if layer == "web.qcow2":
                assert job["id"] in str(error.value), name
    assert target.image("web.qcow2").job["state"] in ("running", "verifying", "publishing")


def test_reading_and_new_overlays_go_on(host, copying, scratch):
    source, target, job = copying
    host.ok("vol-dumpxml", "web.qcow2", source.name)
    host.ok("vol-download", "web.qcow2", scratch + "/out", "--pool", source.name)
    assert images.file_digest(scratch + "/out") == images.file_digest(source.file("web.qcow2"))
    host.ok("vol-create-as", source.name, "new.qcow2", "16M", "--format", "qcow2",
            "--backing-vol", "web.qcow2", "--backing-vol-format", "qcow2")
    host.ok("vol-list", source.name, "--details")
    assert target.image("web.qcow2").job["state"] == "running"


def test_pools_cannot_go_while_a_copy_runs(host, copying):
    source, target, job = copying
    for pool in (source, target):
        for call in ("pool-destroy", "pool-delete", "pool-build"):
            err = host.fails(call, pool.name)
            if call == "pool-destroy":
                assert job["id"] in err
        assert pool.name in host.ok("pool-list", "--name")
    assert target.image("web.qcow2").job["state"] == "running"


def test_label_cannot_go_while_a_copy_runs(host, copying):
    source, target, job = copying
    for pool in (source, target):
        uuid = host.ok("pool-uuid", pool.name).strip()
        for label in ("<x:other xmlns:x='urn:x'/>", xmlio.region("elsewhere")):
            with xmlio.xml_file(xmlio.pool(pool.name, pool.path, label, uuid=uuid)) as f:
                err = host.fails("pool-define", f.name)
            assert job["id"] in err
        assert xmlio.region_of(pool.dumpxml()) == pool.region


def test_pool_edit_and_refresh_while_a_copy_runs(host, copying):
    source, target, job = copying
    for pool in (source, target):
        uuid = host.ok("pool-uuid", pool.name).strip()
        label = xmlio.region(pool.region, quota={"images": 50})
        with xmlio.xml_file(xmlio.pool(pool.name, pool.path, label, uuid=uuid)) as f:
            host.ok("pool-define", f.name)
        host.ok("pool-refresh", pool.name)
        assert "images='50'" in pool.dumpxml()
    assert target.image("web.qcow2").status == "pending"
    assert target.image("web.qcow2").job["state"] == "running"


def test_pending_replica_is_not_for_use(host, copying, new_pool, scratch):
    source, target, job = copying
    third = new_pool("cn-west-1")
    assert code(third.refusal(target, "web.qcow2")) == INVALID
    for name, call in changes(target, "web.qcow2").items():
        if name.startswith("delete"):
            continue
        with pytest.raises(libvirt.libvirtError) as error:
            call()
        assert code(error.value) == INVALID, name
    assert host.virsh("vol-clone", "web.qcow2", "x.qcow2", "--pool", target.name).rc != 0
    assert host.virsh("vol-download", "web.qcow2", scratch + "/x", "--pool", target.name).rc != 0
    assert target.image("web.qcow2").status == "pending"


def test_layers_that_are_not_there_yet_are_not_available(copying):
    source, target, job = copying
    for volume in target.volumes():
        if target.image(volume).status == "available":
            images.compare(source.file(volume), target.file(volume))


def test_guest_cannot_write_below_a_copy(copying):
    """The layers are held with qemu's own image locks."""
    source, target, job = copying
    proc = images.space.run("qemu-io", "-f", "qcow2", "-c", "write 0 512", source.file("web.qcow2"),
                            check=False)
    assert "lock" in proc.stdout + proc.stderr


def test_write_behind_our_back_fails_the_job(regions):
    """Where locks cannot reach, a changed ctime fails the job, never the copy."""
    source, target = regions
    volume = source.chain(names=("base.qcow2", "web.qcow2"), size_mib=16)
    target.replicate(source, volume, async_="yes", bandwidth=("KiB/s", 2048))
    target.wait_job(volume, ("running",))
    with open(source.file("web.qcow2"), "r+b") as f:
        f.seek(0, 2)
        f.write(b"x")
    job = target.wait_job(volume, ("completed", "failed"), 30)
    assert job["state"] == "failed" and "web.qcow2" in job["error"]
    assert target.image(volume).status == "error"
    target.host.ok("vol-delete", volume, target.name)
    assert target.volumes() == []
