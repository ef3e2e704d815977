# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles and pools of other hosts: written there, written here of an image there, and made an image of from there."""

import os
import tarfile
import threading
import time

from harness import images, xmlio
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, uri


def request(target, source, volume, name=None, have=(), **options):
    """vol-create-from without a format of its own; virsh's result."""
    xml = xmlio.replicate(name=name, fmt=None, **options)
    for pool, vol in have:
        xml = xml.replace("</replication:replicate>",
                          f"<replication:have pool='{pool.name}' volume='{vol}'/></replication:replicate>")
    return target.try_replicate(source, volume, xml=xml)


def made(*args, **options):
    result = request(*args, **options)
    assert result.rc == 0, result.err


def refused(*args, **options):
    result = request(*args, **options)
    assert result.rc != 0
    return result.err


def noise(pool, volume, mib):
    images.create(pool.file(volume), f"{mib}M")
    images.write_random(pool.file(volume), 0, mib << 20, seed=mib)
    pool.refresh()


def test_written_there_and_made_an_image_of_here(places):
    """Of an image of this host into a pool of the other one, and back: layers that are here are not unpacked again."""
    near, far, behind = places
    near.chain()
    made(far, near, "web.qcow2", "web.bundle", bundle="yes")
    with tarfile.open(behind.file("web.bundle")) as tar:
        assert "index.json" in tar.getnames()
    made(near, far, "web.bundle", "again.qcow2")
    replica = near.image("again.qcow2")
    assert replica.actions == {"base.qcow2": "reuse", "mid.qcow2": "reuse", "web.qcow2": "copy"}
    assert replica.source["volume"] == "web.bundle" and replica.source["pool"] == far.name
    images.assert_faithful(near.file("web.qcow2"), near.file("again.qcow2"))
    made(behind, behind, "web.bundle")
    images.assert_faithful(near.file("web.qcow2"), behind.file("web.qcow2"))


def test_what_an_inventory_tells_is_left_out(places):
    """Written here, of an image there, with an inventory that lies there; and written there."""
    near, far, behind = places
    behind.chain()
    near.chain()
    for source, target, files in ((far, near, near), (near, far, behind)):
        made(far, source, "web.qcow2", "told", bundle="inventory")
        made(target, source, "web.qcow2", "whole.bundle", bundle="yes")
        made(target, source, "web.qcow2", "small.bundle", bundle="yes", have=[(far, "told")])
        assert os.path.getsize(files.file("small.bundle")) < os.path.getsize(files.file("whole.bundle")) / 3
        behind.host.ok("vol-delete", "told", behind.name)
    made(far, near, "web.qcow2", "other.bundle", bundle="yes")
    assert "no inventory" in refused(near, far, "web.qcow2", "x", bundle="yes", have=[(far, "other.bundle")])
    made(near, near, "web.qcow2", "told", bundle="inventory")
    assert "which writes the bundle" in refused(far, near, "web.qcow2", "x", bundle="yes", have=[(near, "told")])


def test_cut_and_damaged(places, pair):
    """The link is cut while a bundle is read; one with a wrong byte is refused, and nothing is left of it."""
    near, far, behind = places
    noise(behind, "big.qcow2", 24)
    made(behind, behind, "big.qcow2", "big.bundle", bundle="yes")
    link = pair[2]
    results = []
    thread = threading.Thread(target=lambda: results.append(request(near, far, "big.bundle", bandwidth=("MiB/s", 8))))
    thread.start()
    wait_until(near.volumes, 60)
    link.cut()
    time.sleep(1)
    link.mend()
    thread.join(120)
    assert results[0].rc == 0, results[0].err
    images.assert_faithful(behind.file("big.qcow2"), near.file("big.qcow2"))
    near.host.ok("vol-delete", "big.qcow2", near.name)
    with open(behind.file("big.bundle"), "r+b") as f:
        f.seek(5 << 20)
        f.write(b"a lie")
    assert "the digest of blob" in refused(near, far, "big.bundle")
    assert near.volumes() == []


def test_a_request_says_what_its_source_is(places):
    """A raw disk on which a guest has written what a bundle begins with."""
    near, far, behind = places
    images.create(near.file("base.raw"), "1M", fmt="raw")
    near.refresh()
    made(near, near, "base.raw", "b", bundle="yes")
    with open(near.file("b"), "rb") as f:
        head = f.read(512)
    for pool in near, behind:
        with open(pool.file("disk"), "wb") as f:
            f.write(head + images.random_bytes(1 << 20, 3))
        pool.refresh()
    there = Pool(near.host, near.name + "-b", region="cn-west-1")
    for source, name in ((near, "a"), (far, "b")):
        assert "cannot be used" in refused(there, source, "disk", name)
        made(there, source, "disk", name, bundle="no")
        made(there, source, "disk", name + ".bundle", bundle="yes")
        made(there, there, name + ".bundle", name + ".back", bundle="import")
        for copy in name, name + ".back":
            assert images.file_digest(there.file(copy)) == images.file_digest(near.file("disk"))
    images.create(behind.file("plain"), "1M", fmt="raw")
    behind.refresh()
    for source, volume in ((near, "base.raw"), (far, "plain")):
        assert "is no bundle" in refused(there, source, volume, "x", bundle="import")


def test_what_stays_refused(places, pair):
    """A bundle here is not made an image of there, nor one there in a pool of a third place; pools without a label take and give
    bundles by their own host alone."""
    here, there, link = pair
    near, far, behind = places
    near.chain()
    made(near, near, "web.qcow2", "web.bundle", bundle="yes")
    assert "make the image in a pool of this host" in refused(far, near, "web.bundle")
    made(far, near, "web.qcow2", "web.bundle", bundle="yes")
    other = Pool(there, behind.name + "-other", region="cn-south-3")
    beyond = RemotePool(here, far.name + "-other", other.name, uri=uri(link))
    assert "both pools are on other hosts" in refused(beyond, far, "web.bundle")
    made(far, near, "web.qcow2", "told", bundle="inventory")
    assert "is an inventory" in refused(near, far, "told")
    before = near.volumes()
    plain = Pool(there, behind.name + "-plain")
    images.create(behind.file("disk.qcow2"))
    images.create(plain.file("disk.qcow2"))
    behind.refresh()
    plain.refresh()
    made(plain, behind, "disk.qcow2", "disk.bundle", bundle="yes")
    outside = RemotePool(here, far.name + "-plain", plain.name, uri=uri(link))
    assert "no active region pool" in refused(outside, near, "web.qcow2", "a.bundle", bundle="yes")
    for volume in plain.volumes():
        assert "no active region pool" in refused(near, outside, volume)
    assert plain.volumes() == ["disk.bundle", "disk.qcow2"] and near.volumes() == before
