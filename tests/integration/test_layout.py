# SPDX-License-Identifier: LGPL-2.1-or-later
"""The staging folder of a region pool: never a volume, whoever asks."""

import os

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import Pool, code


@pytest.fixture
def staged(new_pool):
    """A region pool that has a staging folder and one image."""
    pool = new_pool("cn-north-1")
    pool.chain(names=("one.qcow2",))
    pool.update("one.qcow2", "<replication:name>x</replication:name>")
    assert os.path.isdir(pool.file(".replication"))
    pool.refresh()
    return pool


def test_not_listed(host, staged):
    pool = host.connect().storagePoolLookupByName(staged.name)
    assert staged.volumes() == ["one.qcow2"]
    assert pool.listVolumes() == ["one.qcow2"]
    assert pool.numOfVolumes() == 1
    assert [vol.name() for vol in pool.listAllVolumes()] == ["one.qcow2"]
    assert ".replication" not in host.ok("vol-list", staged.name, "--details")
    assert staged.usage()["images"] == 1


def test_not_found(host, staged):
    conn = host.connect()
    pool = conn.storagePoolLookupByName(staged.name)
    folder = staged.file(".replication")
    inside = staged.file(".replication/" + staged.staging()[0])
    for lookup in (lambda: pool.storageVolLookupByName(".replication"),
                   lambda: conn.storageVolLookupByKey(folder), lambda: conn.storageVolLookupByPath(folder),
                   lambda: conn.storageVolLookupByPath(folder + "/"),
                   lambda: conn.storageVolLookupByPath(staged.path + "//.replication"),
                   lambda: conn.storageVolLookupByPath(inside)):
        with pytest.raises(libvirt.libvirtError) as error:
            lookup()
        assert code(error.value) == libvirt.VIR_ERR_NO_STORAGE_VOL


def test_refused_through_a_handle_made_without_lookup(host, scratch):
    """Handles are only names: one made before the pool was labelled reaches every call."""
    path = scratch + "/p"
    os.makedirs(path + "/.replication")
    os.makedirs(scratch + "/q")
    pool = Pool(host, "handles", path=path)
    other = Pool(host, "handles-target", region="r2", path=scratch + "/q")
    images.create(pool.file("data.qcow2"))
    pool.refresh()
    conn = host.connect()
    vol = conn.storagePoolLookupByName("handles").storageVolLookupByName(".replication")
    uuid = conn.storagePoolLookupByName("handles").UUIDString()
    conn.storagePoolDefineXML(xmlio.pool("handles", path, xmlio.region("r1"), uuid=uuid), 0)
    target = conn.storagePoolLookupByName("handles-target")
    stream = conn.newStream()
    calls = {
        "info": lambda: vol.info(), "infoFlags": lambda: vol.infoFlags(1), "xml": lambda: vol.XMLDesc(0),
        "path": lambda: vol.path(), "resize": lambda: vol.resize(1 << 20, 0),
        "wipe": lambda: vol.wipe(0), "wipePattern": lambda: vol.wipePattern(0, 0),
        "upload": lambda: vol.upload(stream, 0, 0, 0), "download": lambda: vol.download(stream, 0, 0, 0),
        "delete": lambda: vol.delete(0), "delete with snapshots": lambda: vol.delete(2),
        "create from": lambda: target.createXMLFrom(xmlio.volume("x.img", fmt="raw"), vol, 0),
        "replicate": lambda: target.createXMLFrom(xmlio.replicate("x.qcow2"), vol, 0),
    }
    try:
        for name, call in calls.items():
            with pytest.raises(libvirt.libvirtError) as error:
                call()
            assert code(error.value) in (libvirt.VIR_ERR_NO_STORAGE_VOL, libvirt.VIR_ERR_INVALID_ARG), name
        assert os.path.isdir(path + "/.replication")
        assert other.volumes() == []
    finally:
        conn.close()
        for name in ("handles", "handles-target"):
            host.virsh("pool-destroy", name)
            host.virsh("pool-undefine", name)


@pytest.mark.parametrize("name", [".replication", ".replication/x", "sub/.replication"])
def test_no_volume_can_be_created_there(host, staged, new_pool, name):
    before = staged.staging()
    with xmlio.xml_file(xmlio.volume(name)) as f:
        assert host.virsh("vol-create", staged.name, f.name).rc != 0
        assert host.virsh("vol-create-from", staged.name, f.name, "one.qcow2").rc != 0
    target = new_pool("cn-east-2")
    target.refusal(staged, "one.qcow2", name=name)
    with xmlio.xml_file(xmlio.update(name, "<replication:name>y</replication:name>")) as f:
        assert host.virsh("vol-create", staged.name, f.name).rc != 0
    assert staged.staging() == before


def test_emptied_pool_can_be_deleted(host, staged):
    host.ok("vol-delete", "one.qcow2", staged.name)
    host.ok("pool-destroy", staged.name)
    host.ok("pool-delete", staged.name)
    assert not os.path.exists(staged.path)
    host.ok("pool-undefine", staged.name)


def test_delete_of_a_pool_with_volumes_fails_as_stock(host, staged):
    host.ok("pool-destroy", staged.name)
    err = host.fails("pool-delete", staged.name)
    assert "Directory not empty" in err
    assert os.path.isdir(staged.file(".replication"))
    host.ok("pool-start", staged.name)
    assert staged.image("one.qcow2").text("name") == "x"


def test_staging_is_private(staged):
    assert os.stat(staged.file(".replication")).st_mode & 0o777 == 0o700
    for name in staged.staging():
        assert os.stat(staged.file(".replication/" + name)).st_mode & 0o077 == 0


def test_symbolic_link_for_staging_is_not_followed(host, new_pool, scratch):
    pool = new_pool("cn-north-1")
    os.makedirs(scratch + "/elsewhere")
    os.symlink(scratch + "/elsewhere", pool.file(".replication"))
    pool.chain(names=("one.qcow2",))
    result = pool.update("one.qcow2", "<replication:name>x</replication:name>", check=False)
    assert result.rc != 0
    assert os.listdir(scratch + "/elsewhere") == []


def test_records_travel_with_the_storage(host, new_pool, staged):
    """A pool on moved storage describes itself."""
    twin = new_pool("cn-north-1")
    os.rmdir(twin.path)
    host.ok("pool-destroy", twin.name)
    os.rename(staged.path, twin.path)
    os.makedirs(staged.path)
    host.ok("pool-start", twin.name)
    assert twin.image("one.qcow2").text("name") == "x"
