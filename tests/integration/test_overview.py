# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a pool tells in one call: its jobs, its images, and images by their id."""

import itertools
import os
import threading
import uuid
import xml.etree.ElementTree as ET

import libvirt
import pytest
from harness import client, images, xmlio
from harness.pools import code, wait_until

IMAGES = 1 << 20
NS = "{" + xmlio.NS + "}"


def pool_xml(pool, flags=0, readonly=False):
    conn = pool.host.connect(readonly=readonly)
    try:
        return conn.storagePoolLookupByName(pool.name).XMLDesc(flags)
    finally:
        conn.close()


def listed(pool):
    """All parts of the list: {volume: attributes}."""
    found = {}
    for part in itertools.count():
        xml = pool_xml(pool, IMAGES | part << 21)
        assert len(xml) < 3 << 20
        element = ET.fromstring(xml).find(f"metadata/{NS}region/{NS}images")
        for image in element:
            assert image.get("volume") not in found
            found[image.get("volume")] = dict(image.attrib)
        if element.get("next") is None:
            assert len(found) == int(element.get("count"))
            return found
        assert int(element.get("next")) == part + 1


def test_jobs_of_a_pool(regions):
    source, target = regions
    source.chain()
    assert xmlio.overview(target.dumpxml(), "counts") == [{"jobs": "0", "shared": "0"}]
    target.replicate(source, "web.qcow2", async_="yes", start="no")
    job = target.image("web.qcow2").job
    shown, = xmlio.overview(target.dumpxml(), "job")
    assert shown["id"] == job["id"] and shown["volume"] == "web.qcow2" and shown["state"] == "planned"
    assert shown["progress"] == "0" and int(shown["eta"]) >= 0
    assert xmlio.overview(source.dumpxml(), "job") == []
    assert xmlio.overview(target.dumpxml("--inactive"), "counts") == []
    target.update("web.qcow2", "<replication:job action='start'/>")
    target.wait_job("web.qcow2")
    assert xmlio.overview(target.dumpxml(), "job") == []


def test_failed_jobs_stay(regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 128))
    target.wait_job("web.qcow2", ("running",))
    with open(source.file("web.qcow2"), "r+b") as f:  # the source changes under the job
        f.seek(0, os.SEEK_END)
        f.write(b"\0")
    target.update("web.qcow2", "<replication:bandwidth>0</replication:bandwidth>")
    target.wait_job("web.qcow2", ("failed",))
    assert [j["state"] for j in xmlio.overview(target.dumpxml(), "job")] == ["failed"]
    target.host.ok("vol-delete", "web.qcow2", target.name)
    assert xmlio.overview(target.dumpxml(), "job") == []


def test_images_of_a_pool(regions):
    """The list says what each volume's XML says."""
    source, target = regions
    source.chain()
    images.create(source.file("data.qcow2"), "1M")
    source.refresh()
    source.update("data.qcow2", "<replication:name>D&amp;D</replication:name>"
                                "<replication:type>data-disk</replication:type>")
    target.replicate(source, "web.qcow2", async_="yes", start="no")
    for pool in regions:
        found = listed(pool)
        assert sorted(found) == pool.volumes()
        for volume, image in found.items():
            shown = pool.image(volume)
            assert image["id"] == shown.id and image["status"] == shown.status
            assert image["name"] == shown.text("name")
            assert image.get("type", shown.type) == shown.type
            assert int(image["bytes"]) == images.allocated_bytes(pool.file(volume))
    found = listed(source)
    assert {v: i["layer"] for v, i in found.items()} == {
        "base.qcow2": "yes", "mid.qcow2": "yes", "web.qcow2": "no", "data.qcow2": "no"}
    assert found["data.qcow2"]["type"] == "data-disk" and found["data.qcow2"]["name"] == "D&D"
    assert listed(target)["web.qcow2"]["status"] == "pending"
    assert "<replication:images" not in pool_xml(source)
    assert "<replication:images" not in pool_xml(source, IMAGES | libvirt.VIR_STORAGE_XML_INACTIVE)


def test_the_list_sees_what_happened_outside(regions):
    """A file that was put in another's place, grew, or has gone: without a refresh."""
    pool = regions[0]
    pool.chain()
    before = listed(pool)["web.qcow2"]
    other = images.create(os.path.join(os.path.dirname(pool.path), "other.qcow2"), "1M")
    os.rename(other, pool.file("web.qcow2"))
    after = listed(pool)["web.qcow2"]
    assert after["id"] == pool.image("web.qcow2").id != before["id"]
    assert "backing" in before and "backing" not in after
    with open(pool.file("web.qcow2"), "ab") as f:
        f.write(b"x" * (1 << 20))
    assert int(listed(pool)["web.qcow2"]["bytes"]) == images.allocated_bytes(pool.file("web.qcow2"))
    os.unlink(pool.file("web.qcow2"))
    assert sorted(listed(pool)) == ["base.qcow2", "mid.qcow2"]


def test_lists_while_images_come_and_go(regions):
    """Each list shows an image as it was at some time."""
    source, target = regions
    source.chain()
    ids, seen, ended = set(), set(), threading.Event()

    def look():
        while not ended.is_set():
            image = listed(target).get("web.qcow2")
            if image:
                seen.add((image["id"], image["status"]))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(12):
            target.replicate(source, "web.qcow2")
            ids.add(target.image("web.qcow2").id)
            target.host.ok("vol-delete", "web.qcow2", target.name)
    finally:
        ended.set()
        looking.join()
    assert seen and len(ids) == 12
    assert {image for image, status in seen if status != "pending"} <= ids
    assert {status for _, status in seen} <= {"available", "pending"}


def listed_job(pool, volume):
    for image in ET.fromstring(pool_xml(pool, IMAGES)).find(f"metadata/{NS}region/{NS}images"):
        if image.get("volume") == volume:
            return image.find(f"{NS}job")
    return None


def test_the_list_has_ended_jobs(regions):
    """The newest job of each image, as the image itself shows it."""
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2")
    shown, own = listed_job(target, "web.qcow2"), target.image("web.qcow2").job
    assert shown.attrib == {name: value for name, value in own.items() if isinstance(value, str)}
    assert shown.get("state") == "completed" and listed_job(source, "web.qcow2") is None
    os.chmod(source.file("web.qcow2"), 0o600)
    target.replicate(source, "web.qcow2", name="bad.qcow2", async_="yes", bandwidth=("KiB/s", 256))
    target.wait_job("bad.qcow2", ("running",))
    os.chmod(source.file("web.qcow2"), 0o640)
    target.update("bad.qcow2", "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>")
    target.wait_job("bad.qcow2", ("failed",))
    shown = listed_job(target, "bad.qcow2")
    assert shown.get("state") == "failed" and shown.findtext(f"{NS}error") == target.image("bad.qcow2").job["error"]


def test_the_client_asks_no_volume(host, regions):
    """Images, all jobs and metrics: one call for each pool."""
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2")
    loud = {"LIBVIRT_DEBUG": "1", "LIBVIRT_LOG_OUTPUTS": "1:stderr"}
    for words in (("images",), ("jobs", "--all"), ("metrics",)):
        result = client.run(host, *words, env=loud)
        assert result.rc == 0, result.err
        assert "virStoragePoolGetXMLDesc" in result.err and "virStorageVolGetXMLDesc" not in result.err
    assert [job["state"] for job in client.listing(host, "jobs", "--all") if job["pool"] == target.name] == ["completed"]


def test_a_part_behind_the_last_is_empty(regions):
    regions[0].chain()
    element = ET.fromstring(pool_xml(regions[0], IMAGES | 7 << 21)).find(f"metadata/{NS}region/{NS}images")
    assert len(element) == 0 and element.get("next") is None


def test_the_list_is_fed_back(host, regions):
    """What dumpxml shows can be defined again."""
    source = regions[0]
    source.chain()
    with xmlio.xml_file(pool_xml(source, IMAGES)) as f:
        host.ok("pool-define", f.name)
    assert sorted(listed(source)) == source.volumes()


def test_plain_pools_do_not_know_the_flag(new_pool):
    with pytest.raises(libvirt.libvirtError) as err:
        pool_xml(new_pool(None), IMAGES)
    assert code(err.value) == libvirt.VIR_ERR_INVALID_ARG


def test_many_images_come_in_parts(new_pool):
    pool = new_pool("cn-north-1")
    names = [f"{'&' * 240}{n:04}" for n in range(1200)]
    for name in names:
        with open(pool.file(name), "wb"):
            pass
    pool.refresh()
    assert sorted(listed(pool)) == names


def test_images_by_id(host, regions):
    source, target = regions
    source.chain()
    derived = source.image("web.qcow2").id
    source.update("mid.qcow2", "<replication:name>m</replication:name>")
    recorded = source.image("mid.qcow2").id
    conn = host.connect()
    for image, name in ((derived, "web.qcow2"), (recorded, "mid.qcow2"), (recorded.upper(), "mid.qcow2")):
        vol = conn.storageVolLookupByKey(f"replication:image/{image}")
        assert (vol.name(), vol.storagePoolLookupByVolume().name()) == (name, source.name)
    for absent in (str(uuid.uuid4()), "", "web.qcow2", "../x"):
        with pytest.raises(libvirt.libvirtError) as err:
            conn.storageVolLookupByKey(f"replication:image/{absent}")
        assert code(err.value) == libvirt.VIR_ERR_NO_STORAGE_VOL
    # stock keys go on as they are
    assert conn.storageVolLookupByKey(source.file("web.qcow2")).name() == "web.qcow2"
    conn.close()
    host.ok("vol-delete", "web.qcow2", source.name)
    assert host.virsh("vol-key", f"replication:image/{derived}").rc != 0


def test_usage_is_always_true(host, regions):
    """After create, delete, cancel, a crash, and changes from outside followed by a refresh."""
    source, target = regions

    def true(pool):
        """Counted by other tools."""
        files = [f for f in os.listdir(pool.path) if f != ".replication"]
        backing = {os.path.basename(images.info(pool.file(f)).get("backing-filename", "")) for f in files}
        layers = len([f for f in files if f in backing])
        return {"images": len(files) - layers, "snapshots": layers,
                "bytes": sum(images.allocated_bytes(pool.file(f)) for f in files)}

    source.chain()
    assert source.usage() == true(source)
    host.ok("vol-create-as", source.name, "new.qcow2", "1M", "--format", "qcow2")
    assert source.usage() == true(source)
    host.ok("vol-delete", "new.qcow2", source.name)
    assert source.usage() == true(source)
    target.replicate(source, "web.qcow2")
    assert target.usage() == true(target)
    target.replicate(source, "web.qcow2", name="two.qcow2", async_="yes", snapshots="flatten", bandwidth=("KiB/s", 256))
    target.wait_job("two.qcow2", ("running",))
    host.ok("vol-delete", "two.qcow2", target.name)
    assert wait_until(lambda: target.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"], 20)
    assert target.usage() == true(target)
    images.overlay(target.file("top.qcow2"), target.file("web.qcow2"))
    images.remove(source.file("web.qcow2"))
    source.refresh()
    target.refresh()
    assert source.usage() == true(source) and target.usage() == true(target)
    host.kill()
    host.start()
    assert source.usage() == true(source) and target.usage() == true(target)
