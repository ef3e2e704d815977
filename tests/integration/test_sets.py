# SPDX-License-Identifier: LGPL-2.1-or-later
"""Full machines: a system disk and its data disks, replicated as one set."""

import os

import libvirt
import pytest
from harness import crypt, images, machines, xmlio
from harness.crypt import Key
from harness.machines import DISKS, assert_same, members, nothing_left, statuses
from harness.pools import code

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
DENIED = libvirt.VIR_ERR_OPERATION_DENIED
ASIS = {"fmt": None}
SLOW = {"async_": "yes", "bandwidth": ("KiB/s", 512), **ASIS}


def shown_members(pool, volume):
    element = pool.image(volume).image.find(f"{{{xmlio.NS}}}members")
    return [] if element is None else [m.get("volume") for m in element]


@pytest.fixture
def machine(regions):
    """A full machine in one region; an empty pool in another."""
    source, target = regions
    machines.make(source)
    return source, target


# ---- what a full machine is

def test_members_make_a_full_machine(machine):
    source, _ = machine
    image = source.image("web.qcow2")
    assert image.type == "full-machine" and shown_members(source, "web.qcow2") == ["data.qcow2", "log.raw"]
    source.update("web.qcow2", "<replication:members/>")
    assert source.image("web.qcow2").type != "full-machine" and shown_members(source, "web.qcow2") == []


def test_members_are_volumes_of_the_pool_and_no_machines(machine):
    source, _ = machine
    before = source.image("web.qcow2").xml
    for wrong in ("missing.qcow2", ".replication", "web.qcow2"):
        assert source.update("web.qcow2", members("data.qcow2", wrong), check=False).rc != 0
    assert "is a full machine itself" in source.update("data.qcow2", members("web.qcow2"), check=False).err
    assert source.image("web.qcow2").xml == before


# ---- one job for all of it

def test_a_set_across_regions(machine):
    """One job with the steps of all disks; layers that several disks stand on are made once."""
    source, target = machine
    target.replicate(source, "web.qcow2", **ASIS)
    assert target.volumes() == sorted([*DISKS, "mid.qcow2", "base.qcow2"])
    assert_same(source, target)
    system = target.image("web.qcow2")
    assert system.type == "full-machine" and shown_members(target, "web.qcow2") == ["data.qcow2", "log.raw"]
    assert [s["layer"] for s in system.job["steps"]].count("base.qcow2") == 1
    assert {s["layer"] for s in system.job["steps"]} == {*DISKS, "mid.qcow2", "base.qcow2"}
    for volume in DISKS:
        image = target.image(volume)
        assert image.status == "available" and image.job["id"] == system.job["id"]
        assert image.source["id"] == source.image(volume).id and image.id != source.image(volume).id
    assert target.usage()["images"] == 3 and target.usage()["snapshots"] == 2
    # Each disk stands for itself from now on.
    target.host.ok("vol-delete", "web.qcow2", target.name)
    assert statuses(target)["data.qcow2"] == "available"


def test_refused_within_a_region(machine, new_pool):
    source, _ = machine
    other = new_pool("cn-north-1")
    error = other.refusal(source, "web.qcow2")
    assert code(error) == INVALID and "full-machine" in error.get_error_message()
    assert other.volumes() == []


def test_refused_into_a_bundle(machine, new_pool):
    """Saying what to do: its disks go one by one."""
    source, _ = machine
    out = new_pool()
    for kind in "yes", "inventory":
        error = out.refusal(source, "web.qcow2", bundle=kind, **ASIS)
        assert code(error) == libvirt.VIR_ERR_NO_SUPPORT and "export disk by disk" in error.get_error_message()


def test_a_plan_shows_all_steps_and_what_is_used_afterwards(machine):
    source, target = machine
    target.replicate(source, "web.qcow2", start="no", **ASIS)
    job = target.image("web.qcow2").job
    assert job["state"] == "planned" and len(job["steps"]) == 5
    assert target.image("web.qcow2").snapshots == ["mid.qcow2", "base.qcow2"]
    assert len(xmlio.overview(target.dumpxml(), "job")) == 1
    assert set(statuses(target).values()) == {"pending"} and set(target.volumes()) == set(DISKS)
    assert target.usage()["images"] == 3
    target.update("web.qcow2", "<replication:job action='start'/>")
    target.wait_job("web.qcow2")
    assert_same(source, target)


def test_all_sources_are_held_before_the_first_byte(machine):
    """A data disk that a guest writes: nothing is copied, not even of the others."""
    source, target = machine
    with images.OpenForWriting(source.file("data.qcow2")):
        error = target.refusal(source, "web.qcow2")
        assert code(error) == INVALID and "data.qcow2" in error.get_error_message()
    assert nothing_left(target)
    target.replicate(source, "web.qcow2", **SLOW)
    target.wait_job("web.qcow2", ("running",))
    for volume in (*DISKS, "base.qcow2"):
        result = source.host.virsh("vol-delete", volume, source.name)
        assert result.rc != 0
    for volume in ("data.qcow2", "web.qcow2"):
        assert images.qemu_img("bench", "-w", "-c", "1", "-f", "qcow2", source.file(volume), check=False).returncode
    target.host.ok("vol-delete", "web.qcow2", target.name)


def test_a_disk_on_its_way_is_not_copied_twice(machine):
    source, target = machine
    target.replicate(source, "web.qcow2", **SLOW)
    error = target.refusal(source, "data.qcow2", name="second.qcow2")
    assert "data.qcow2" in error.get_error_message() or "job" in error.get_error_message()
    target.host.ok("vol-delete", "log.raw", target.name)  # of any disk: cancels all
    assert nothing_left(target)


def test_names_of_all_are_taken_or_none(machine):
    source, target = machine
    images.create(target.file("log.raw"), "1M", fmt="raw")
    target.refresh()
    error = target.refusal(source, "web.qcow2")
    assert code(error) == libvirt.VIR_ERR_STORAGE_VOL_EXIST and "log.raw" in error.get_error_message()
    assert target.volumes() == ["log.raw"]


def test_quota_counts_all_disks(machine, new_pool):
    source, _ = machine
    for quota, short in (({"images": 2}, "short by 1"), ({"snapshots": 1}, "short by 1")):
        target = new_pool("cn-west-1", quota=quota)
        error = target.refusal(source, "web.qcow2")
        assert code(error) == DENIED and short in error.get_error_message()
        assert target.volumes() == []
    new_pool("cn-west-2", quota={"images": 3, "snapshots": 2}).replicate(source, "web.qcow2")


def test_a_missing_or_nested_disk_is_refused(machine):
    source, target = machine
    source.update("web.qcow2", members("base.qcow2"))
    assert "base.qcow2" in target.refusal(source, "web.qcow2").get_error_message()
    source.update("web.qcow2", members("log.raw"))
    source.host.ok("vol-delete", "log.raw", source.name)
    error = target.refusal(source, "web.qcow2")
    assert code(error) == libvirt.VIR_ERR_NO_STORAGE_VOL and "log.raw" in error.get_error_message()
    assert nothing_left(target)


# ---- conversions and keys

def test_disks_with_keys_of_their_own_keep_them(host, machine):
    source, target = machine
    first, second = Key(host), Key(host)
    for volume, key in (("a.qcow2", first), ("b.qcow2", second)):
        source.replicate(source, "data.qcow2", name=volume, target=key.target(), snapshots="flatten")
    source.update("a.qcow2", members("b.qcow2"))
    target.replicate(source, "a.qcow2")
    for volume, key in (("a.qcow2", first), ("b.qcow2", second)):
        crypt.compare(crypt.layers(source.file(volume), key.value), crypt.layers(target.file(volume), key.value))


def test_a_set_is_encrypted_as_a_whole(host, machine):
    source, target = machine
    key = Key(host)
    target.replicate(source, "web.qcow2", target=key.target())
    for volume, made in (("web.qcow2", "web.qcow2"), ("data.qcow2", "data.qcow2"), ("log.raw", "log.raw")):
        crypt.compare(crypt.layers(source.file(volume)), crypt.layers(target.file(made), key.value))


# ---- all or none, whatever happens

def test_cancel_pause_resume(machine):
    source, target = machine
    target.replicate(source, "web.qcow2", **SLOW)
    target.wait_job("web.qcow2", ("running",))
    assert len(xmlio.overview(target.dumpxml(), "job")) == 1
    target.update("data.qcow2", "<replication:job action='pause'/>")
    target.wait_job("web.qcow2", ("paused",))
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>")
    target.update("log.raw", "<replication:job action='resume'/>")
    target.wait_job("web.qcow2")
    assert_same(source, target)
    for volume in DISKS:
        target.host.ok("vol-delete", volume, target.name, "--delete-snapshots")
    target.replicate(source, "web.qcow2", **SLOW)
    target.update("web.qcow2", "<replication:job action='cancel'/>")
    assert nothing_left(target)


def test_a_killed_daemon_goes_on_with_all(machine):
    source, target = machine
    target.replicate(source, "web.qcow2", **SLOW)
    target.wait_job("web.qcow2", ("running",))
    target.host.kill()
    target.host.start()
    assert set(statuses(target).values()) == {"pending"}
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>")
    target.wait_job("web.qcow2")
    assert_same(source, target)
    assert set(statuses(target).values()) == {"available"}


def test_a_failed_set_is_retried(machine):
    """A data disk that changes while it is copied fails the job; nothing is available."""
    source, target = machine
    target.replicate(source, "web.qcow2", **SLOW)
    target.wait_job("web.qcow2", ("running",))
    os.chmod(source.file("log.raw"), 0o640)  # where locks do not reach
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>")
    target.wait_job("web.qcow2", ("failed",))
    assert "available" not in {target.image(volume).status for volume in DISKS}
    assert "log.raw" in target.image("data.qcow2").job["error"]
    target.update("web.qcow2", "<replication:job action='retry'/>")
    target.wait_job("web.qcow2")
    assert_same(source, target)


# ---- sharing

def test_a_machine_is_shared_disk_by_disk(host, machine, new_pool):
    source, _ = machine
    source.update("web.qcow2", "<replication:share project='p2' state='offered'/>")
    own = new_pool("cn-north-1", project="p2")
    target = new_pool("cn-east-1", project="p2")
    ids = {volume: source.image(volume).id for volume in DISKS}

    def accept(volume):
        xml = f"<replication:share image='{ids[volume]}' state='accepted'/>"
        own.update("any", xml)

    accept("web.qcow2")
    request = xmlio.replicate(name="web.qcow2", image=ids["web.qcow2"], **ASIS)
    with host.connect() as conn:
        pool = conn.storagePoolLookupByName(target.name)
        with pytest.raises(libvirt.libvirtError, match="is not shared with project 'p2'") as raised:
            pool.createXML(request)
        assert code(raised.value) == DENIED
        for volume in DISKS[1:]:
            source.update(volume, "<replication:share project='p2' state='offered'/>")
            accept(volume)
        pool.createXML(request)
    assert_same(source, target)
