# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication within a region: names, limits, and what is refused."""


import libvirt
import pytest
from harness import images, space
from harness.pools import Pool, code
from test_images import iso_image

INVALID = libvirt.VIR_ERR_OPERATION_INVALID


def test_within_a_pool_with_the_default_name(new_pool):
    pool = new_pool("cn-north-1")
    volume = pool.chain()
    assert pool.replicate(pool, volume) == "copy_cn-north-1_web.qcow2"
    images.assert_faithful(pool.file(volume), pool.file("copy_cn-north-1_web.qcow2"))
    image = pool.image("copy_cn-north-1_web.qcow2")
    assert image.id != pool.image(volume).id
    assert image.source["region"] == "cn-north-1"
    assert pool.volumes() == ["base.qcow2", "copy_cn-north-1_web.qcow2", "mid.qcow2", "web.qcow2"]


def test_between_pools_of_a_region(new_pool):
    source, target = new_pool("cn-north-1"), new_pool("cn-north-1")
    volume = source.chain()
    assert target.replicate(source, volume, name="mine.qcow2") == "mine.qcow2"
    images.assert_faithful(source.file(volume), target.file("mine.qcow2"))


def test_iso_and_full_machine_are_refused(new_pool):
    pool = new_pool("cn-north-1")
    iso_image(pool.file("cd.iso"))
    images.create(pool.file("machine.qcow2"))
    pool.refresh()
    pool.update("machine.qcow2", "<replication:type>full-machine</replication:type>")
    for volume in ("cd.iso", "machine.qcow2"):
        error = pool.refusal(pool, volume)
        assert code(error) == INVALID and volume in str(error)


def test_iso_goes_across_regions(regions):
    source, target = regions
    iso_image(source.file("cd.iso"))
    source.refresh()
    target.replicate(source, "cd.iso", fmt=None)
    assert images.file_digest(source.file("cd.iso")) == images.file_digest(target.file("cd.iso"))
    assert target.image("cd.iso").type == "iso"


def test_size_limit_is_128_gib(new_pool, regions):
    pool = new_pool("cn-north-1")
    images.create(pool.file("fits.qcow2"), "128G")
    images.create(pool.file("big.qcow2"), str((128 << 30) + 512))
    pool.refresh()
    pool.replicate(pool, "fits.qcow2")
    error = pool.refusal(pool, "big.qcow2")
    assert code(error) == INVALID and str(128 << 30) in str(error)
    regions[1].replicate(pool, "big.qcow2")  # across regions there is no such limit


def test_size_limit_is_configuration(new_host):
    host = new_host()
    host.configure("max_size_gib = 1\n")
    host.start()
    pool = Pool(host, "p", region="r")
    images.create(pool.file("big.qcow2"), "2G")
    pool.refresh()
    assert "1" in str(pool.refusal(pool, "big.qcow2"))


# ---- what conversion must not read

def test_vmdk_that_points_elsewhere_is_refused(regions, scratch):
    """A descriptor may name any file as its extent."""
    source, target = regions
    with open(scratch + "/secret", "wb") as f:
        f.write(b"S" * 65536)
    with open(source.file("bad.vmdk"), "w") as f:
        f.write("# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"
                f"createType=\"monolithicFlat\"\nRW 128 FLAT \"{scratch}/secret\" 0\n")
    source.refresh()
    result = target.try_replicate(source, "bad.vmdk", name="x.qcow2")
    if result.rc == 0:  # taken for raw text: then nothing of the other file may be in it
        space.run("qemu-img", "convert", "-O", "raw", target.file("x.qcow2"), scratch + "/out")
        with open(scratch + "/out", "rb") as f:
            assert b"SSSS" not in f.read()


def test_flatten(regions):
    source, target = regions
    volume = source.chain()
    target.replicate(source, volume, snapshots="flatten")
    assert target.volumes() == [volume]
    assert len(images.layers(target.file(volume))) == 1
    images.compare(source.file(volume), target.file(volume))
    assert target.image(volume).snapshots == []


@pytest.mark.parametrize("xml", [
    "<encryption format='luks'/>", "<encryption format='qcow'><secret type='passphrase' usage='x'/></encryption>",
    "<encryption format='luks'><secret type='passphrase' usage='x'/><secret type='passphrase' usage='y'/></encryption>",
    "<encryption format='luks'><secret type='passphrase' uuid='x'/></encryption>"])
def test_malformed_encryption(new_pool, xml):
    pool = new_pool("cn-north-1")
    pool.chain(names=("one.qcow2",))
    pool.refusal(pool, "one.qcow2", target=xml)


def test_plan_tells_the_snapshots_that_a_conversion_loses(new_pool):
    source, target = new_pool("cn-north-1"), new_pool("cn-east-2")
    volume = source.chain()
    for name in ("one", "two"):
        images.snapshot(source.file(volume), name)
    source.refresh()
    before = sum(len(images.snapshots(source.file(v))) for v in source.volumes())
    target.replicate(source, volume, start="no", snapshots="flatten")
    assert [step["snapshots-lost"] for step in target.image(volume).job["steps"]] == [str(before)]


def test_plan_tells_the_bitmaps_that_a_conversion_loses(new_pool):
    source, target = new_pool("cn-north-1"), new_pool("cn-east-2")
    images.base(source.file("base.qcow2"), 8)
    images.bitmap(source.file("base.qcow2"), "of-the-base")
    images.bitmap(images.overlay(source.file("web.qcow2"), "base.qcow2", "8M"), "of-the-image")
    source.refresh()
    target.replicate(source, "web.qcow2", name="kept.qcow2", start="no")
    assert ["bitmaps-lost" in step for step in target.image("kept.qcow2").job["steps"]] == [False, False]
    target.host.ok("vol-delete", "kept.qcow2", target.name)
    target.replicate(source, "web.qcow2", name="flat.qcow2", start="no", snapshots="flatten")
    assert [step["bitmaps-lost"] for step in target.image("flat.qcow2").job["steps"]] == ["1"]
