# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images: the record that vol-dumpxml shows for every volume of a region pool."""

import os
import re

import libvirt
import pytest
from harness import images, xmlio
from test_region_pools import valid

UUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


def partitioned_disk(path):
    """A raw disk with a master boot record: boot code, an active partition, the signature."""
    with open(path, "wb") as f:
        f.truncate(8 << 20)
        f.write(b"\xeb\x63\x90" + b"\x90" * 443)
        f.seek(446)
        f.write(bytes([0x80, 0, 2, 0, 0x83, 0, 9, 0]) + (2048).to_bytes(4, "little") +
                (8192).to_bytes(4, "little"))
        f.seek(510)
        f.write(b"\x55\xaa")
    return path


def iso_image(path):
    with open(path, "wb") as f:
        f.truncate(1 << 20)
        f.seek(32768)
        f.write(b"\x01CD001\x01\x00")
        f.seek(34816)
        f.write(b"\xffCD001\x01")
    return path


def test_every_volume_has_a_record(host, regions):
    pool = regions[0]
    pool.chain()
    seen = set()
    for name in ("base.qcow2", "mid.qcow2", "web.qcow2"):
        image = pool.image(name)
        assert UUID.match(image.id)
        assert image.status == "available"
        assert image.visibility == "private"
        assert image.project == "default"
        assert image.fast_create == "no"
        assert image.text("name") == name
        assert image.source is None and image.job is None
        seen.add(image.id)
        valid("volume.rng", image.xml)
    assert len(seen) == 3


def test_snapshots_are_the_layers_below(regions):
    pool = regions[0]
    pool.chain()
    assert pool.image("web.qcow2").snapshots == ["mid.qcow2", "base.qcow2"]
    assert pool.image("mid.qcow2").snapshots == ["base.qcow2"]
    assert pool.image("base.qcow2").snapshots == []


def test_id_survives_refresh_and_restart(host, regions):
    pool = regions[0]
    pool.chain()
    before = pool.image("web.qcow2").id
    pool.refresh()
    assert pool.image("web.qcow2").id == before
    host.ok("pool-destroy", pool.name)
    host.restart()
    host.virsh("pool-start", pool.name)
    assert pool.image("web.qcow2").id == before


def test_project_of_the_pool(new_pool):
    pool = new_pool("cn-north-1", project="p1")
    pool.chain(names=("one.qcow2",))
    assert pool.image("one.qcow2").project == "p1"


@pytest.mark.parametrize("make,kind", [
    (partitioned_disk, "system-disk"),
    (iso_image, "iso"),
    (lambda path: images.create(path, "8M", "raw"), "data-disk"),
    (lambda path: images.create(path, "8M"), "data-disk"),
], ids=["partitioned", "iso", "empty raw", "empty qcow2"])
def test_type_is_found_by_looking(regions, make, kind):
    make(regions[0].file("disk.img"))
    regions[0].refresh()
    assert regions[0].image("disk.img").type == kind


def test_type_is_found_in_a_qcow2(regions):
    raw = partitioned_disk(regions[0].file("disk.raw"))
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, regions[0].file("disk.qcow2"))
    regions[0].refresh()
    assert regions[0].image("disk.qcow2").type == "system-disk"


def test_update_of_name_description_and_type(host, regions):
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    before = pool.image("one.qcow2").id
    pool.update("one.qcow2", "<replication:name>Web &lt;1&gt;</replication:name>"
                "<replication:description>nightly</replication:description>"
                "<replication:type>full-machine</replication:type>")
    host.restart()
    host.virsh("pool-start", pool.name)
    image = pool.image("one.qcow2")
    assert (image.id, image.text("name"), image.text("description"), image.type) == \
        (before, "Web <1>", "nightly", "full-machine")


def test_update_changes_nothing_else(host, regions):
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    before = images.file_digest(pool.file("one.qcow2"))
    pool.update("one.qcow2", "<replication:name>a</replication:name>")
    pool.update("one.qcow2", "<replication:description>b</replication:description>")
    image = pool.image("one.qcow2")
    assert (image.text("name"), image.text("description")) == ("a", "b")
    assert images.file_digest(pool.file("one.qcow2")) == before


BAD_UPDATES = {
    "unknown element": "<replication:colour>blue</replication:colour>",
    "unknown type": "<replication:type>floppy</replication:type>",
    "unknown verb": "<replication:job action='explode'/>",
    "unknown state": "<replication:share project='p' state='perhaps'/>",
    "share without project": "<replication:share state='offered'/>",
}


@pytest.mark.parametrize("what", BAD_UPDATES)
def test_bad_update_is_refused(host, regions, what):
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    before = pool.image("one.qcow2").xml
    with pytest.raises(libvirt.libvirtError) as error:
        host.connect().storagePoolLookupByName(pool.name).createXML(
            xmlio.update("one.qcow2", BAD_UPDATES[what]), 0)
    assert error.value.get_error_code() in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_INVALID_ARG)
    assert pool.image("one.qcow2").xml == before


def test_update_of_unknown_volume(host, regions):
    with pytest.raises(libvirt.libvirtError) as error:
        host.connect().storagePoolLookupByName(regions[0].name).createXML(
            xmlio.update("none.qcow2", "<replication:name>x</replication:name>"), 0)
    assert error.value.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert regions[0].volumes() == []


def test_update_in_a_pool_without_label(host, new_pool):
    pool = new_pool(None)
    pool.chain(names=("one.qcow2",))
    result = pool.update("one.qcow2", "<replication:name>x</replication:name>", check=False)
    assert result.rc != 0 and pool.name in result.err


def test_record_goes_with_its_volume(host, regions):
    pool = regions[0]
    images.create(pool.file("one.qcow2"))
    pool.refresh()
    pool.update("one.qcow2", "<replication:name>first</replication:name>")
    before = pool.image("one.qcow2").id
    host.ok("vol-delete", "one.qcow2", pool.name)
    host.ok("vol-create-as", pool.name, "one.qcow2", "1M", "--format", "qcow2")
    image = pool.image("one.qcow2")
    assert image.text("name") == "one.qcow2"
    assert image.id != before


def test_record_of_a_volume_deleted_by_hand(host, regions):
    pool = regions[0]
    images.create(pool.file("one.qcow2"))
    pool.refresh()
    pool.update("one.qcow2", "<replication:name>first</replication:name>")
    os.unlink(pool.file("one.qcow2"))
    pool.refresh()
    host.ok("vol-create-as", pool.name, "one.qcow2", "1M", "--format", "qcow2")
    assert pool.image("one.qcow2").text("name") == "one.qcow2"


@pytest.mark.parametrize("flags", [(), ("--validate",)])
def test_dumpxml_can_be_created_again(host, regions, flags):
    pool, other = regions
    pool.chain(names=("one.qcow2",))
    xml = host.ok("vol-dumpxml", "one.qcow2", pool.name)
    with xmlio.xml_file(xml) as f:
        host.ok("vol-create", other.name, f.name, *flags)
    assert other.image("one.qcow2").id != pool.image("one.qcow2").id


def test_vol_clone_in_a_region_pool_is_stock_with_an_id_of_its_own(host, regions):
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    pool.update("one.qcow2", "<replication:description>original</replication:description>")
    host.ok("vol-clone", "one.qcow2", "two.qcow2", "--pool", pool.name)
    images.compare(pool.file("one.qcow2"), pool.file("two.qcow2"))
    assert pool.image("two.qcow2").id != pool.image("one.qcow2").id
    assert pool.image("two.qcow2").text("description") is None


def test_stock_create_from_without_request_flattens_as_stock(host, regions):
    source, target = regions
    volume = source.chain()
    with xmlio.xml_file(xmlio.volume("flat.qcow2", 32 << 20)) as f:
        host.ok("vol-create-from", target.name, f.name, volume, "--inputpool", source.name)
    assert target.volumes() == ["flat.qcow2"]
    assert len(images.layers(target.file("flat.qcow2"))) == 1
    assert target.image("flat.qcow2").source is None


def test_readonly_connection_sees_records(host, regions):
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    xml = host.ok("vol-dumpxml", "one.qcow2", pool.name, readonly=True)
    assert xmlio.Image(xml).id == pool.image("one.qcow2").id


def test_damaged_record_is_not_believed(host, regions):
    """Records are untrusted input: what cannot be read is as if it were not there."""
    pool = regions[0]
    pool.chain(names=("one.qcow2",))
    pool.update("one.qcow2", "<replication:name>kept</replication:name>")
    records = [pool.file(".replication/" + name) for name in pool.staging() if name.startswith("images/")]
    assert records
    for content in (b"", b"\0" * 4096, os.urandom(2000), b"x" * (40 << 20)):
        for record in records:
            with open(record, "wb") as f:
                f.write(content)
        host.restart()
        host.virsh("pool-start", pool.name)
        image = pool.image("one.qcow2")
        assert UUID.match(image.id) and image.status == "available"


def test_staging_folder_of_another_user_is_not_used(host, regions):
    pool = regions[0]
    os.makedirs(pool.file(".replication"))
    os.chown(pool.file(".replication"), 12345, 12345)
    pool.chain(names=("one.qcow2",))
    assert pool.image("one.qcow2").status == "available"
    result = pool.update("one.qcow2", "<replication:name>x</replication:name>", check=False)
    assert result.rc != 0
    assert os.listdir(pool.file(".replication")) == []
