# SPDX-License-Identifier: LGPL-2.1-or-later
"""What honest users stumble over: each is refused with a sentence that says why, or simply works."""

import os

import libvirt
import pytest
from harness import crypt, images, space, xmlio
from harness.crypt import Key
from harness.pools import Pool, code, wait_until

INVALID = libvirt.VIR_ERR_OPERATION_INVALID


# ---- chains and projects

def test_chain_through_another_project(host, new_pool):
    """Who may read the image may read all of it: its layers belong to its project."""
    source, other = new_pool("cn-north-1", project="p2"), new_pool("cn-north-1", project="p1")
    target = new_pool("cn-east-2", project="p2")
    images.base(other.file("base.qcow2"), size_mib=16)
    images.overlay(source.file("web.qcow2"), f"../{other.name}/base.qcow2", "16M")
    source.refresh()
    error = target.refusal(source, "web.qcow2")
    assert code(error) == INVALID and "does not belong to project 'p2'" in str(error)
    inside = new_pool("cn-north-1", project="p2")
    images.base(inside.file("base.qcow2"), size_mib=16)
    images.overlay(source.file("own.qcow2"), f"../{inside.name}/base.qcow2", "16M")
    inside.refresh()
    source.refresh()
    target.replicate(source, "own.qcow2")
    images.compare(source.file("own.qcow2"), target.file("own.qcow2"))


# ---- namespaces

@pytest.mark.parametrize("request_xml", [
    "<replicate xmlns='urn:libvirt-replication:1'/>", "<replicate/>", "<replication:replicate/>",
    "<r:replicate xmlns:r='urn:libvirt-replication:1.0/'/>"])
def test_request_in_a_wrong_namespace(host, regions, request_xml):
    """It would be a stock copy, raw and flattened, with the usual success message."""
    source, target = regions
    source.chain(size_mib=16)
    xml = f"<volume><name>web.qcow2</name><capacity>0</capacity><metadata>{request_xml}</metadata></volume>"
    error = target.refusal(source, "web.qcow2", xml=xml)
    assert code(error) == libvirt.VIR_ERR_XML_ERROR and xmlio.NS + "'" in str(error)


def test_update_in_a_wrong_namespace(host, regions):
    source, _ = regions
    source.chain(size_mib=16)
    xml = "<volume><name>new.qcow2</name><capacity>1</capacity><metadata><update/></metadata></volume>"
    with xmlio.xml_file(xml) as f:
        assert xmlio.NS in host.fails("vol-create", source.name, f.name)
    assert "new.qcow2" not in source.volumes()


# ---- uploads

class Upload:
    """One that goes on for as long as it is told."""

    def __init__(self, pool, volume, offset=0, length=0):
        self.conn = pool.host.connect()
        self.stream = self.conn.newStream()
        vol = self.conn.storagePoolLookupByName(pool.name).storageVolLookupByName(volume)
        vol.upload(self.stream, offset, length)

    def send(self, data):
        while data:
            data = data[self.stream.send(data[:65536]):]

    def end(self, how):
        getattr(self.stream, how)() if how != "close" else None
        self.stream = None
        self.conn.close()


@pytest.fixture
def half(host, new_pool):
    """A region pool with an image, the bytes of another one, and a function that uploads them, all or half."""
    pool = new_pool("cn-north-1")
    images.base(pool.file("web.qcow2"), size_mib=16, seed=1)
    images.base(pool.file("other.qcow2"), size_mib=16, seed=2)
    with open(pool.file("other.qcow2"), "rb") as f:
        data = f.read()
    pool.refresh()

    def upload(how, part=slice(0, None), **where):
        up = Upload(pool, "web.qcow2", **where)
        up.send(data[part])
        assert pool.image("web.qcow2").status == "pending", "it is being written to"
        up.end(how)

    return pool, data, upload


def assert_unfinished(pool):
    """Not for a moment available, and it says why."""
    def known():
        image = pool.image("web.qcow2")
        assert image.status != "available", image.xml
        return image.status == "error" and "has not ended well" in image.text("reason")

    assert wait_until(known)
    assert code(pool.refusal(pool, "web.qcow2", name="copy.qcow2")) == INVALID
    assert "has not ended well" in pool.host.fails("vol-download", "web.qcow2", "/dev/null", "--pool",
                                                                 pool.name)


@pytest.mark.parametrize("how", ["abort", "close"])
def test_half_an_upload_is_no_image(host, half, how):
    """Broken off by the client, or gone with its connection: until all of it has come, over a restart and a refresh too."""
    pool, data, upload = half
    upload(how, slice(0, len(data) // 2))
    assert_unfinished(pool)
    host.restart()
    pool.refresh()
    assert_unfinished(pool)
    upload("finish", slice(0, 512), length=512)
    assert_unfinished(pool)
    upload("finish")
    assert pool.image("web.qcow2").status == "available"
    pool.replicate(pool, "web.qcow2", name="copy.qcow2")
    images.compare(pool.file("other.qcow2"), pool.file("copy.qcow2"))


def test_upload_that_the_daemon_does_not_survive(host, half):
    pool, data, _ = half
    up = Upload(pool, "web.qcow2")
    up.send(data[:len(data) // 2])
    host.kill()
    host.start()
    assert_unfinished(pool)
    host.ok("vol-delete", "web.qcow2", pool.name)
    images.base(pool.file("web.qcow2"), size_mib=16, seed=1)
    pool.refresh()
    assert pool.image("web.qcow2").status == "available", "another file has the name"
    assert not [name for name in pool.staging() if name.startswith("uploads/")]


def test_upload_in_parts(half):
    """Two parts at once: it is an image once both have ended well."""
    pool, data, upload = half
    middle = len(data) // 2
    first = Upload(pool, "web.qcow2", 0, middle)
    second = Upload(pool, "web.qcow2", middle, len(data) - middle)
    first.send(data[:middle])
    first.end("finish")
    assert pool.image("web.qcow2").status == "pending"
    second.send(data[middle:])
    second.end("finish")
    assert pool.image("web.qcow2").status == "available"
    upload("abort", slice(middle, middle + 512), offset=middle)
    assert_unfinished(pool)
    upload("finish", slice(middle, None), offset=middle)
    assert pool.image("web.qcow2").status == "available"


# ---- keys

@pytest.mark.parametrize("value", [b"not \xff\xfe UTF-8", b"with \0 NUL", b"\xc3"])
def test_secret_that_qemu_cannot_use(host, pools, value):
    """As stock does: what no guest could open is not made."""
    source, target = pools
    source.chain(size_mib=16)
    key = Key(host, value=value)
    error = target.refusal(source, "web.qcow2", name="enc.qcow2", target=key.target())
    assert code(error) == libvirt.VIR_ERR_INVALID_SECRET and "UTF-8" in str(error)


def test_default_key_of_a_daemon_that_was_killed(new_host):
    """Killed between the definition of the default key and its value, which is then given."""
    host = new_host().start()
    source, target = Pool(host, "a", region="r"), Pool(host, "b", region="r")
    source.chain(size_mib=16)
    target.replicate(source, "web.qcow2", name="one.qcow2", encryption="default")
    value = crypt.secret_value(host, "ims/default")
    conn = host.connect(driver="secret")
    uuid = conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, "ims/default").UUIDString()
    conn.close()
    host.stop()
    os.unlink(os.path.join(host.dir, "etc/secrets", uuid + ".base64"))
    host.start()
    target.replicate(source, "web.qcow2", name="two.qcow2", encryption="default")
    again = crypt.secret_value(host, "ims/default")
    assert again != value
    crypt.compare(crypt.layers(source.file("web.qcow2")), crypt.layers(target.file("two.qcow2"), again))


# ---- directories

@pytest.fixture
def linked(host, new_pool, scratch):
    """A region pool, and a path that leads to its directory in another way."""
    pool = new_pool("cn-east-2")
    path = os.path.join(scratch, "same")
    os.symlink(pool.path, path)
    return pool, path


def test_second_region_pool_on_a_directory(host, linked):
    """It would get round pins and quotas, and delete what is on its way."""
    pool, path = linked
    with xmlio.xml_file(xmlio.pool("second", path, xmlio.region("cn-west-3"))) as f:
        for call in ("pool-define", "pool-create"):
            error = host.fails(call, f.name)
            assert f"has the same directory as region pool '{pool.name}'" in error
    assert "second" not in host.ok("pool-list", "--all", "--name").split()


def test_second_region_pool_that_was_there_before(host, new_pool, linked):
    """Defined while the other one was not active, or made the same by a bind mount: to us it is not active."""
    pool, path = linked
    pool.chain(size_mib=16)
    host.ok("pool-destroy", pool.name)
    second = Pool(host, "second", region="cn-west-3", path=path, start=False)
    host.ok("pool-start", pool.name)
    try:
        assert "has the same directory" in host.fails("pool-start", second.name)
        host.ok("pool-destroy", pool.name)
        host.ok("pool-start", second.name)
        assert "has the same directory" in host.fails("pool-start", pool.name)
    finally:
        host.virsh("pool-destroy", second.name)
        host.ok("pool-undefine", second.name)
    host.ok("pool-start", pool.name)


def test_directory_that_becomes_the_same(host, new_pool, scratch):
    source, pool, second = new_pool("cn-north-1"), new_pool("cn-east-2"), new_pool("cn-west-3", path=scratch)
    source.chain(size_mib=16)
    pool.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 64))
    space.run("mount", "--bind", pool.path, scratch)
    try:
        second.refresh()
        assert "replication" not in host.ok("vol-dumpxml", "web.qcow2", second.name)
        assert "not active" in host.fails("vol-delete", "web.qcow2", second.name)
        assert "web.qcow2" in pool.volumes() and pool.image("web.qcow2").status == "pending"
    finally:
        space.run("umount", scratch)
    host.ok("vol-delete", "web.qcow2", pool.name)


def test_file_system_mounted_anew(host, new_pool, small_ext4):
    """umount -l and mount of the same one: what was open before is another mount."""
    path = small_ext4(64)
    source, target = new_pool("cn-north-1"), new_pool("cn-east-2", path=path)
    source.chain(size_mib=16)
    target.replicate(source, "web.qcow2", name="one.qcow2")
    device = space.run("findmnt", "-n", "-o", "SOURCE", path).stdout.strip()
    space.run("umount", "-l", path)
    space.run("mount", device, path)
    target.refresh()
    target.replicate(source, "web.qcow2", name="two.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("two.qcow2"))
