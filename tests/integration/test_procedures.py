# SPDX-License-Identifier: LGPL-2.1-or-later
"""The procedures of a cloud's documents, from the first look to an instance that runs, by virsh and python3-libvirt alone."""

import os
import re
import time
import xml.etree.ElementTree as ET

import libvirt
import pytest
from harness import crypt, images, xmlio
from harness.pools import Pool, wait_until
from test_guest import BOOT, Guest, guest_encryption

NS = "{" + xmlio.NS + "}"
HERE, FAR, THIRD = "cn-north-1", "cn-east-2", "cn-south-1"


@pytest.fixture(scope="module")
def host(new_host):
    return new_host(drivers=("secret", "qemu")).start()


@pytest.fixture
def new_region(host):
    """A function that makes pools, which go with the test."""
    made = []

    def make(region, project="web", quota=None):
        made.append(Pool(host, f"{project}-{region}-{len(made)}", region=region, project=project, quota=quota))
        return made[-1]

    yield make
    for pool in made:
        host.virsh("pool-destroy", pool.name)
        host.virsh("pool-undefine", pool.name)
        images.remove(pool.path)


def bootable(pool, *names):
    """Private images of a user: bootable, with a layer of their own on a shared base."""
    raw = os.path.join(os.path.dirname(pool.path), f"{pool.name}.raw")
    with open(raw, "wb") as f:
        f.write(BOOT)
        f.truncate(8 << 20)
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, pool.file("base.qcow2"))
    os.unlink(raw)
    for number, name in enumerate(names):
        images.overlay(pool.file(name), "base.qcow2", "8M", writes=[(1 << 20, 65536, number + 1)])
    pool.refresh()


def instance_runs(host, pool, volume, *args):
    """An instance started from the image says OK; it leaves the image as it was."""
    with Guest(host, pool, volume, *args) as guest:
        return wait_until(lambda: b"OK" in guest.said(), 60)


def vol_create(host, pool, xml):
    with xmlio.xml_file(xml) as f:
        return host.ok("vol-create", pool.name, f.name, timeout_s=120)


def wait_ended(conn, pool, count):
    """Polls the one call that tells of all jobs of a pool."""
    handle = conn.storagePoolLookupByName(pool.name)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        region = ET.fromstring(handle.XMLDesc(1 << 20)).find(f"metadata/{NS}region")
        jobs = region.findall(f"{NS}job")
        done = [i for i in region.find(f"{NS}images") if i.get("status") == "available"]
        assert all(job.get("state") != "failed" for job in jobs)
        if not jobs and len(done) >= count:
            return
        time.sleep(0.05)
    raise AssertionError("the jobs do not end")


def test_replicate_several_images_to_another_region(host, new_region):
    """Quota is looked at before, each image is a job, an instance starts from each result."""
    source, target = new_region(HERE), new_region(FAR, quota={"images": 10, "snapshots": 10, "bytes": 1 << 30})
    bootable(source, "a.qcow2", "b.qcow2", "c.qcow2")
    conn = host.connect()
    shown = conn.storagePoolLookupByName(target.name).XMLDesc()
    quota = xmlio.overview(shown, "quota")[0]
    assert int(quota["images"]) - xmlio.usage(shown)["images"] == 10
    far = conn.storagePoolLookupByName(target.name)
    for name in ("a.qcow2", "b.qcow2", "c.qcow2"):
        vol = conn.storagePoolLookupByName(source.name).storageVolLookupByName(name)
        far.createXMLFrom(xmlio.replicate(async_="yes", description="moved"), vol, 0)
    wait_ended(conn, target, 4)
    assert target.usage()["images"] == 3 and target.usage()["snapshots"] == 1
    for name in ("a.qcow2", "b.qcow2", "c.qcow2"):
        assert target.image(name).text("description") == "moved"
        assert instance_runs(host, target, name)
    conn.close()


def test_replicate_to_several_regions(host, new_region):
    source, targets = new_region(HERE), [new_region(FAR), new_region(THIRD)]
    bootable(source, "web.qcow2")
    for target in targets:
        with xmlio.xml_file(xmlio.replicate(async_="yes")) as f:
            host.ok("vol-create-from", target.name, f.name, "web.qcow2", "--inputpool", source.name)
    for target in targets:
        target.wait_job("web.qcow2")
        assert instance_runs(host, target, "web.qcow2")


def test_a_plan_is_shown_before_it_is_confirmed(host, new_region):
    """What would be copied, how much, for how long, and what the quota says afterwards; then start."""
    source, target = new_region(HERE), new_region(FAR)
    bootable(source, "web.qcow2")
    target.replicate(source, "web.qcow2", start="no", async_="yes")
    shown = host.ok("vol-dumpxml", "web.qcow2", target.name)
    assert re.search(r"state='planned'.*total='[1-9]", shown) and "<replication:usage images='1' snapshots='1'" in shown
    vol_create(host, target, xmlio.update("web.qcow2", "<replication:job action='start'/>"))
    target.wait_job("web.qcow2")
    assert instance_runs(host, target, "web.qcow2")


def test_share_an_image_with_another_project(host, new_region):
    """Offered by one tenant, accepted and copied by the other, whose instance starts; then taken back."""
    owner, other = new_region(HERE, "web"), new_region(HERE, "shop")
    bootable(owner, "web.qcow2")
    image = owner.image("web.qcow2").id
    vol_create(host, owner, xmlio.update("web.qcow2", "<replication:share project='shop' state='offered'/>"))
    offered, = xmlio.overview(host.ok("pool-dumpxml", other.name), "shared")
    vol_create(host, other, xmlio.update("-", f"<replication:share image='{offered['image']}' state='accepted'/>"))
    vol_create(host, other, xmlio.replicate(name="mine.qcow2", image=image))
    vol_create(host, owner, xmlio.update("web.qcow2", "<replication:share project='shop' state='revoked'/>"))
    assert instance_runs(host, other, "mine.qcow2")


def test_encrypt_rekey_and_decrypt_within_a_region(host, new_region):
    """Plain to encrypted, to a new key, and back; an instance starts from each."""
    pool = new_region(HERE)
    bootable(pool, "web.qcow2")
    keys = crypt.Key(host), crypt.Key(host)
    previous = "web.qcow2"
    for number, key in enumerate(keys):
        name = f"secret{number}.qcow2"
        pool.replicate(pool, previous, name=name, snapshots="flatten", target=key.target())
        assert instance_runs(host, pool, name, guest_encryption(key))
        previous = name
    pool.replicate(pool, previous, name="plain.qcow2", encryption="none")
    assert instance_runs(host, pool, "plain.qcow2")


def test_optimise_for_fast_creation(host, new_region):
    """One flat layer, from which instances are made in no time."""
    pool = new_region(HERE)
    bootable(pool, "web.qcow2")
    pool.replicate(pool, "web.qcow2", name="fast.qcow2", fast_create="yes")
    image = pool.image("fast.qcow2")
    assert image.fast_create == "yes" and image.snapshots == []
    pool.replicate(pool, "fast.qcow2", name="instance.qcow2", fast_create="yes")
    assert images.allocated_bytes(pool.file("instance.qcow2")) < 1 << 20
    assert instance_runs(host, pool, "instance.qcow2")


def test_move_a_full_machine_to_another_region(host, new_region):
    """Its disks go as one set, seen as one job; an instance starts from it, with its data disk."""
    source, target = new_region(HERE), new_region(FAR, quota={"images": 2, "snapshots": 1})
    bootable(source, "vm1.qcow2", "vm1-data.qcow2")
    source.update("vm1.qcow2", "<replication:members><replication:member volume='vm1-data.qcow2'/></replication:members>")
    target.replicate(source, "vm1.qcow2", async_="yes")
    with host.connect() as conn:
        wait_ended(conn, target, 3)
    assert target.image("vm1.qcow2").type == "full-machine"
    assert target.image("vm1-data.qcow2").source["id"] == source.image("vm1-data.qcow2").id
    assert target.usage()["images"] == 2 and target.usage()["snapshots"] == 1
    assert instance_runs(host, target, "vm1.qcow2")
    images.assert_faithful(source.file("vm1-data.qcow2"), target.file("vm1-data.qcow2"))


def test_change_and_delete(host, new_region):
    """The name that people see, and an end: nothing is left of image and layers."""
    pool = new_region(HERE)
    bootable(pool, "web.qcow2")
    vol_create(host, pool, xmlio.update("web.qcow2", "<replication:name>Web server</replication:name>"
                                        "<replication:description>v2</replication:description>"))
    conn = host.connect()
    key = f"replication:image/{pool.image('web.qcow2').id}"
    assert "Web server" in conn.storageVolLookupByKey(key).XMLDesc()
    conn.storageVolLookupByKey(key).delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)
    assert pool.volumes() == [] and pool.usage() == {"images": 0, "snapshots": 0, "bytes": 0}
    conn.close()


def test_move_between_websites(host, new_host, new_region):
    """Exported and downloaded here, uploaded and registered there; nothing connects the two; an instance starts from it."""
    source = new_region(HERE)
    bootable(source, "web.qcow2")
    transfer = Pool(host, "transfer")
    with xmlio.xml_file(xmlio.replicate(name="web.bundle", fmt=None, bundle="yes")) as f:
        host.ok("vol-create-from", transfer.name, f.name, "web.qcow2", "--inputpool", source.name, timeout_s=120)
    stick = os.path.join(host.dir, "stick")
    host.ok("vol-download", "--pool", transfer.name, "web.bundle", stick)
    website = new_host(drivers=("secret", "qemu")).start()
    inbox, target = Pool(website, "inbox"), Pool(website, "there", region=FAR)
    website.ok("vol-create-as", inbox.name, "web.bundle", str(os.path.getsize(stick)), "--format", "raw")
    website.ok("vol-upload", "--pool", inbox.name, "web.bundle", stick)
    target.replicate(inbox, "web.bundle", xml=xmlio.replicate(fmt=None))
    assert target.image("web.qcow2").source["id"] == source.image("web.qcow2").id
    assert instance_runs(website, target, "web.qcow2")
