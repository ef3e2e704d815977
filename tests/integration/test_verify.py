# SPDX-License-Identifier: LGPL-2.1-or-later
"""Verification of images by their digests, and healing from other replicas."""

import os
import time

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import code, wait_until

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
BLOCK = 65536


@pytest.fixture
def replicated(regions):
    """A chain in a source region, and its replica in a target region."""
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2")
    return source, target


def start(pool, volume, action="verify", bandwidth=None):
    limit = f"<replication:bandwidth unit='KiB/s'>{bandwidth}</replication:bandwidth>" if bandwidth else ""
    pool.update(volume, f"{limit}<replication:job action='{action}'/>")


def verified(pool, volume):
    """Attributes of <replication:verified>, with "damage" (dicts); None without one."""
    element = pool.image(volume).image.find(f"{{{xmlio.NS}}}verified")
    if element is None:
        return None
    return {**element.attrib, "damage": [dict(d.attrib) for d in element]}


def verify(pool, volume):
    start(pool, volume)
    pool.wait_job(volume)
    return verified(pool, volume)


def heal(pool, volume, state="completed"):
    start(pool, volume, "heal")
    return pool.wait_job(volume, (state,))


def flip(path, offset, keep_times=True):
    """One byte is another one; as if the disk had done it, or as if somebody wrote there."""
    st = os.stat(path)
    with open(path, "r+b") as f:
        f.seek(offset)
        byte = f.read(1)
        f.seek(offset)
        f.write(bytes([byte[0] ^ 0x40]))
        f.flush()
        os.fsync(f.fileno())
    if keep_times:
        os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def data_offset(path, number=3):
    """Where a block of data lies."""
    with open(path, "rb") as f:
        end = f.seek(0, os.SEEK_END)
        places = [at for at in range(BLOCK * 4, end - BLOCK, BLOCK) if f.seek(at) >= 0 and any(f.read(512))]
    return places[number] + 77


def test_first_verification_makes_digests(replicated):
    source, _ = replicated
    assert verified(source, "web.qcow2") is None
    began = int(time.time())
    first = verify(source, "web.qcow2")
    assert first["state"] == "good" and first["digests"] == "made" and first["blocks"] == "0"
    assert began <= int(first["when"]) <= time.time() + 1
    job = source.image("web.qcow2").job
    assert [step["layer"] for step in job["steps"]] == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert {step["action"] for step in job["steps"]} == {"verify"} and job["progress"] == "100"
    assert source.image("web.qcow2").status == "available"
    assert len([n for n in source.staging() if n.startswith("digests/")]) == 3
    second = verify(source, "web.qcow2")
    assert second["state"] == "good" and second["digests"] == "kept"


def test_flipped_byte_is_named(replicated):
    _, target = replicated
    verify(target, "web.qcow2")
    offset = data_offset(target.file("mid.qcow2"))
    flip(target.file("mid.qcow2"), offset)
    found = verify(target, "web.qcow2")
    assert found["state"] == "damaged" and found["blocks"] == "1"
    assert found["damage"] == [{"volume": "mid.qcow2", "offset": str(offset // BLOCK * BLOCK), "bytes": str(BLOCK)}]
    # It stays damaged until it is mended.
    assert verify(target, "web.qcow2")["state"] == "damaged"


def test_heals_from_its_source(replicated):
    source, target = replicated
    verify(target, "web.qcow2")
    names = ("base.qcow2", "mid.qcow2")
    before = {name: images.file_digest(target.file(name)) for name in names}
    for name in names:
        flip(target.file(name), data_offset(target.file(name)))
    flip(target.file("base.qcow2"), data_offset(target.file("base.qcow2"), 9))
    assert verify(target, "web.qcow2")["blocks"] == "3"
    heal(target, "web.qcow2")
    assert {name: images.file_digest(target.file(name)) for name in names} == before
    healed = verified(target, "web.qcow2")
    assert healed["state"] == "good" and healed["blocks"] == "0" and healed["damage"] == []
    after = verify(target, "web.qcow2")
    assert after["state"] == "good" and after["digests"] == "kept"
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_source_heals_from_its_replica_by_another_name(replicated):
    source, target = replicated
    target.replicate(source, "web.qcow2", name="other.qcow2")
    target.host.ok("vol-delete", "web.qcow2", target.name)
    verify(source, "web.qcow2")
    before = images.file_digest(source.file("web.qcow2"))
    flip(source.file("web.qcow2"), data_offset(source.file("web.qcow2")))
    heal(source, "web.qcow2")
    assert images.file_digest(source.file("web.qcow2")) == before


def test_only_what_fits_the_digest_is_believed(replicated):
    """The only other replica has another wrong byte at the same place."""
    source, target = replicated
    verify(target, "web.qcow2")
    offset = data_offset(target.file("base.qcow2"))
    flip(target.file("base.qcow2"), offset)
    flip(source.file("base.qcow2"), offset + 100)
    wrong = images.file_digest(target.file("base.qcow2"))
    job = heal(target, "web.qcow2", "failed")
    assert "base.qcow2" in job["error"] and "1 damaged blocks" in job["error"]
    assert images.file_digest(target.file("base.qcow2")) == wrong
    left = verified(target, "web.qcow2")
    assert left["state"] == "damaged" and left["blocks"] == "1"
    # The source is mended, and so can the target be.
    flip(source.file("base.qcow2"), offset + 100)
    heal(target, "web.qcow2")
    assert verify(target, "web.qcow2")["state"] == "good"


def test_written_by_a_guest_is_changed_not_damaged(replicated):
    source, target = replicated
    verify(target, "web.qcow2")
    images.write(target.file("web.qcow2"), [(1 << 20, 4096, 9)])
    start(target, "web.qcow2", "heal")
    job = target.wait_job("web.qcow2", ("failed",))
    assert "changed, not damaged" in job["error"]
    changed = verify(target, "web.qcow2")
    assert changed["state"] == "changed" and changed["blocks"] == "0"
    # Its new content has digests now.
    assert verify(target, "web.qcow2")["state"] == "good"
    flip(target.file("web.qcow2"), data_offset(target.file("web.qcow2"), 0))
    assert verify(target, "web.qcow2")["state"] == "damaged"


def test_layer_that_others_need_must_not_change(replicated):
    source, target = replicated
    verify(target, "web.qcow2")
    before = images.file_digest(target.file("base.qcow2"))
    flip(target.file("base.qcow2"), data_offset(target.file("base.qcow2")), keep_times=False)
    assert verify(target, "web.qcow2")["state"] == "damaged"
    heal(target, "web.qcow2")
    assert images.file_digest(target.file("base.qcow2")) == before
    # Touching is no change of content.
    os.utime(target.file("base.qcow2"))
    os.utime(target.file("web.qcow2"))
    assert verify(target, "web.qcow2")["state"] == "good"


@pytest.mark.parametrize("volume,read_only", [("web.qcow2", False), ("base.qcow2", True)])
def test_heal_refuses_what_is_open(replicated, volume, read_only):
    """A guest that runs on the image has its layers open for reading."""
    _, target = replicated
    verify(target, "web.qcow2")
    before = images.file_digest(target.file("base.qcow2"))
    flip(target.file("base.qcow2"), data_offset(target.file("base.qcow2")))
    wrong = images.file_digest(target.file("base.qcow2"))
    with images.OpenForWriting(target.file(volume), read_only=read_only):
        job = heal(target, "web.qcow2", "failed")
    assert volume in job["error"]
    assert images.file_digest(target.file("base.qcow2")) == wrong
    # The same job does it when it is tried again.
    start(target, "web.qcow2", "retry")
    target.wait_job("web.qcow2")
    assert images.file_digest(target.file("base.qcow2")) == before
    # QEMU has written to the header of what it had open for writing.
    assert verified(target, "web.qcow2")["state"] == ("good" if read_only else "changed")


def test_heal_without_digests_is_refused(replicated):
    _, target = replicated
    job = heal(target, "web.qcow2", "failed")
    assert "no digests" in job["error"]


def test_is_a_job_like_others(replicated):
    source, _ = replicated
    start(source, "web.qcow2", bandwidth=1024)
    job = source.wait_job("web.qcow2", ("running",))
    assert wait_until(lambda: int(source.image("web.qcow2").job["total"]) > 0)
    assert source.image("web.qcow2").status == "available"
    start(source, "web.qcow2", "pause")
    source.wait_job("web.qcow2", ("paused",))
    start(source, "web.qcow2", "resume")
    refused = source.host.virsh("vol-delete", "web.qcow2", source.name)
    assert refused.rc != 0 and job["id"] in refused.err
    with xmlio.xml_file(xmlio.update("web.qcow2", "<replication:job action='verify'/>")) as f:
        again = source.host.virsh("vol-create", source.name, f.name)
    assert again.rc != 0 and "already" in again.err
    start(source, "web.qcow2", "cancel")
    source.wait_job("web.qcow2", ("cancelled",))
    assert verified(source, "web.qcow2") is None
    # Cancelled half-way, it leaves no digests of the layer that was under way.
    assert verify(source, "web.qcow2")["state"] == "good"


@pytest.mark.parametrize("state", ("running", "paused"))
def test_goes_on_after_a_restart(replicated, state):
    """A verification whose daemon was killed is there again, and ends; its record goes with it."""
    source, _ = replicated
    start(source, "web.qcow2", bandwidth=512)
    job = source.wait_job("web.qcow2", ("running",))
    if state == "paused":
        start(source, "web.qcow2", "pause")
        source.wait_job("web.qcow2", ("paused",))
    source.host.kill()
    source.host.start()
    again = source.wait_job("web.qcow2", (state,))
    assert again["id"] == job["id"]
    source.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>")
    if state == "paused":
        start(source, "web.qcow2", "resume")
    assert source.wait_job("web.qcow2")["id"] == job["id"]
    assert verified(source, "web.qcow2")["state"] == "good"
    assert not [name for name in source.staging() if name == f"jobs/{job['id']}"]
    source.host.restart()
    assert source.image("web.qcow2").job["state"] == "completed"


def test_damaged_digests_are_forgotten(replicated):
    source, _ = replicated
    verify(source, "web.qcow2")
    for name in source.staging():
        if name.startswith("digests/"):
            flip(source.file(".replication/" + name), 4100)
    found = verify(source, "web.qcow2")
    assert found["state"] == "good" and found["digests"] == "made"
    # Digests of single blocks are looked at only where a group differs.
    flip(source.file("base.qcow2"), data_offset(source.file("base.qcow2")))
    for name in source.staging():
        if name.startswith("digests/"):
            for block in range(256):
                flip(source.file(".replication/" + name), 8192 + block * 32)
    start(source, "web.qcow2")
    assert "digests are damaged" in source.wait_job("web.qcow2", ("failed",))["error"]
    assert verify(source, "web.qcow2")["digests"] == "made"


def test_replica_on_its_way_is_refused(regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 1024))
    conn = target.host.connect()
    with pytest.raises(libvirt.libvirtError) as err:
        conn.storagePoolLookupByName(target.name).createXML(
            xmlio.update("web.qcow2", "<replication:job action='verify'/>"), 0)
    conn.close()
    assert code(err.value) == INVALID
    target.host.ok("vol-delete", "web.qcow2", target.name)
