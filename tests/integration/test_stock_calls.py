# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock calls in region pools: what they write is no source meanwhile, and they are held to the quota."""

import os

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import code, wait_until

DENIED = libvirt.VIR_ERR_OPERATION_DENIED
MIB = 1 << 20


# ---- being written to

class Upload:
    """An upload that has sent half of what it has, and goes on when it is told to."""

    def __init__(self, pool, volume, data):
        self.conn = pool.host.connect()
        self.vol = self.conn.storagePoolLookupByName(pool.name).storageVolLookupByName(volume)
        self.stream = self.conn.newStream()
        self.vol.upload(self.stream, 0, len(data))
        self.data = data
        self.stream.send(data[:len(data) // 2])

    def finish(self):
        rest = self.data[len(self.data) // 2:]
        while rest:
            rest = rest[self.stream.send(rest):]
        self.stream.finish()
        self.conn.close()


def test_upload_is_no_source(host, regions):
    source, target = regions
    data = images.random_bytes(4 * MIB, 1)
    host.ok("vol-create-as", source.name, "up.img", "4M", "--format", "raw")
    upload = Upload(source, "up.img", data)
    image = source.image("up.img")
    assert image.status == "pending" and "is being written to" in image.text("reason")
    error = target.refusal(source, "up.img")
    assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "pending" in str(error)
    assert "is being written to" in host.fails("vol-clone", "up.img", "clone.img", source.name)
    upload.finish()
    assert wait_until(lambda: source.image("up.img").status == "available")
    target.replicate(source, "up.img", fmt="raw")
    assert images.file_digest(target.file("up.img")) == images.file_digest(source.file("up.img"))
    with open(source.file("up.img"), "rb") as f:
        assert f.read() == data


def test_aborted_upload_is_no_image(host, regions):
    source, _ = regions
    host.ok("vol-create-as", source.name, "up.img", "4M", "--format", "raw")
    upload = Upload(source, "up.img", images.random_bytes(4 * MIB, 1))
    assert source.image("up.img").status == "pending"
    upload.stream.abort()
    upload.conn.close()
    assert wait_until(lambda: source.image("up.img").status == "error")
    assert "has not ended well" in source.image("up.img").text("reason")
    host.ok("vol-delete", "up.img", source.name)


def test_empty_volume_is_pending(host, regions):
    source, target = regions
    host.ok("vol-create-as", source.name, "none.img", "0", "--format", "raw")
    image = source.image("none.img")
    assert image.status == "pending" and "is empty" in image.text("reason")
    assert "pending" in str(target.refusal(source, "none.img"))
    host.ok("vol-resize", "none.img", "1M", "--pool", source.name)
    assert source.image("none.img").status == "available"


# ---- quota

@pytest.fixture
def small(new_pool):
    """A pool with room for two images and 8 MiB."""
    return new_pool("cn-north-1", quota={"images": 2, "bytes": 8 * MIB})


def refused(host, *args):
    error = host.fails(*args)
    assert "quota" in error
    return error


def test_create_asks_for_the_quota(host, small):
    assert "space quota" in refused(host, "vol-create-as", small.name, "big.img", "9M", "--format", "raw")
    host.ok("vol-create-as", small.name, "thin.img", "9M", "--format", "raw", "--allocation", "0")
    host.ok("vol-create-as", small.name, "a.qcow2", "1G", "--format", "qcow2")
    assert "image quota" in refused(host, "vol-create-as", small.name, "b.qcow2", "1M", "--format", "qcow2")
    assert small.volumes() == ["a.qcow2", "thin.img"]


def test_clone_asks_for_the_quota(host, small, new_pool):
    source = new_pool("cn-north-1")
    with open(source.file("data.img"), "wb") as f:
        f.write(images.random_bytes(6 * MIB, 2))
    source.refresh()
    xml = xmlio.volume("one.img", 6 * MIB, "raw")
    with xmlio.xml_file(xml) as f:
        host.ok("vol-create-from", small.name, f.name, "data.img", "--inputpool", source.name)
    with xmlio.xml_file(xml.replace("one.img", "two.img")) as f:
        assert "space quota" in refused(host, "vol-create-from", small.name, f.name, "data.img",
                                        "--inputpool", source.name)
    assert "space quota" in refused(host, "vol-clone", "one.img", "three.img", small.name)
    assert small.volumes() == ["one.img"]


def test_resize_asks_for_the_quota(host, small):
    host.ok("vol-create-as", small.name, "a.img", "4M", "--format", "raw")
    conn = host.connect()
    vol = conn.storagePoolLookupByName(small.name).storageVolLookupByName("a.img")
    with pytest.raises(libvirt.libvirtError) as error:  # virsh loses the message
        vol.resize(16 * MIB, libvirt.VIR_STORAGE_VOL_RESIZE_ALLOCATE)
    conn.close()
    assert code(error.value) == DENIED and "space quota" in str(error.value)
    assert os.path.getsize(small.file("a.img")) == 4 * MIB
    host.ok("vol-resize", "a.img", "6M", "--pool", small.name, "--allocate")


def test_pool_without_quota(host, new_pool):
    pool = new_pool("cn-north-1")
    host.ok("vol-create-as", pool.name, "a.img", "16M", "--format", "raw")
    host.ok("vol-resize", "a.img", "32M", "--pool", pool.name, "--allocate")
