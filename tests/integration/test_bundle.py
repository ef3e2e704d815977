# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles: an image with its chain in one file, exported, carried and made an image of again, by virsh alone."""

import os
import re
import shutil

import pytest
from harness import crypt, images, xmlio
from harness.pools import Pool, wait_until

HERE, FAR = "cn-north-1", "cn-east-2"


@pytest.fixture(scope="module")
def host(new_host):
    return new_host().start()


@pytest.fixture(scope="module")
def away(new_host):
    """The other website: nothing connects the two."""
    return new_host().start()


def bundle(source, target, volume="web.qcow2", name="web.bundle", have=(), **options):
    """Exports by virsh; returns its result."""
    options.setdefault("bundle", "yes")
    xml = xmlio.replicate(name=name, fmt=None, **options)
    for pool, vol in have:
        xml = xml.replace("</replication:replicate>",
                          f"<replication:have pool='{pool.name}' volume='{vol}'/></replication:replicate>")
    return target.try_replicate(source, volume, xml=xml)


def carry(source, name, target):
    """By virsh: down from one pool into a file, and up from it into the other."""
    path = os.path.join(source.host.dir, "carried")
    source.host.ok("vol-download", "--pool", source.name, name, path)
    size = os.path.getsize(path)
    target.host.ok("vol-create-as", target.name, name, str(size), "--format", "raw")
    target.host.ok("vol-upload", "--pool", target.name, name, path)
    os.unlink(path)


def ok(result):
    assert result.rc == 0, result.err


def make_image(pool, bundle_pool, bundle_name="web.bundle", **options):
    """An image of a bundle; returns virsh's result."""
    options.setdefault("fmt", None)
    return pool.try_replicate(bundle_pool, bundle_name, xml=xmlio.replicate(**options))


def is_noted(pool):
    """Whether the record of the pool's one job tells of a finished part."""
    (record,) = [name for name in pool.staging() if "jobs/" in name and not name.endswith(".new")]
    with open(pool.file(f".replication/{record}"), encoding="utf-8") as f:
        return re.search("^checkpoint=[1-9]", f.read(), re.M)


def partials(pool):
    return [name for name in pool.staging() if "partial/" in name]


def test_round_trip_between_websites(host, away, new_pool):
    """A chain with an internal snapshot and a bitmap, through pools of files without a label on both sides."""
    source, out = new_pool(HERE), new_pool()
    top = source.chain()
    ok(bundle(source, out))
    record = out.image("web.bundle")
    assert record.status == "available" and record.job["state"] == "completed"
    assert record.source["id"] == source.image(top).id
    transfer, target = Pool(away, "transfer"), Pool(away, "far", region=FAR)
    carry(out, "web.bundle", transfer)
    ok(make_image(target, transfer))
    images.assert_faithful(source.file(top), target.file(top))
    replica = target.image(top)
    assert replica.source["id"] == source.image(top).id and replica.source["region"] == HERE
    assert replica.source["volume"] == "web.bundle"
    assert replica.snapshots == ["mid.qcow2", "base.qcow2"]
    assert partials(target) == []


def test_layers_that_are_there_are_reused(host, new_pool):
    """By what the first import has recorded, then by content when the records are gone."""
    source, out, target = new_pool(HERE), new_pool(HERE), new_pool(FAR)
    source.chain()
    images.overlay(source.file("other.qcow2"), "mid.qcow2", "32M", writes=[(1 << 20, 65536, 9)])
    source.refresh()
    ok(bundle(source, out))
    ok(bundle(source, out, "other.qcow2", "other.bundle"))
    ok(make_image(target, out))
    ok(make_image(target, out, "other.bundle"))
    assert target.image("other.qcow2").actions == {"base.qcow2": "reuse", "mid.qcow2": "reuse", "other.qcow2": "copy"}
    images.assert_faithful(source.file("other.qcow2"), target.file("other.qcow2"))
    shutil.rmtree(target.file(".replication"))
    ok(make_image(target, out, "other.bundle", name="again.qcow2"))
    assert target.image("again.qcow2").actions["mid.qcow2"] == "reuse"
    assert target.usage()["snapshots"] == 2


def test_encrypted_never_leaves_in_clear(host, new_pool):
    """The layers' bytes as they are: the plain text is nowhere in the bundle, and the key of the same usage opens it."""
    plain, source, out, target = new_pool(HERE), new_pool(HERE), new_pool(), new_pool(FAR)
    key = crypt.Key(host)
    images.create(plain.file("base.qcow2"), "8M")
    images.write(plain.file("base.qcow2"), [(1 << 20, 1 << 20, 0xa5)])
    images.overlay(plain.file("web.qcow2"), "base.qcow2", "8M", writes=[(4 << 20, 1 << 20, 0xa5)])
    plain.refresh()
    source.replicate(plain, "web.qcow2", name="web.qcow2", target=key.target())
    ok(bundle(source, out))
    with open(out.file("web.bundle"), "rb") as f:
        assert b"\xa5" * 512 not in f.read()
    ok(make_image(target, out))
    assert target.image("web.qcow2").snapshots == ["base.qcow2"]
    for name in "base.qcow2", "web.qcow2":
        assert key.uuid in host.ok("vol-dumpxml", "--pool", target.name, name)
    assert images.luks_digest(target.file("web.qcow2"), key.value, backing=1) == \
        images.luks_digest(source.file("web.qcow2"), key.value, backing=1)
    ok(make_image(target, out, name="plain.qcow2", encryption="none"))
    with open(target.file("plain.qcow2"), "rb") as f:
        assert b"\xa5" * 512 in f.read()


def test_a_pool_without_a_label_stays_one(host, new_pool):
    """Bundles are looked after there, and nothing else changes: neither what it shows nor what may be done to its volumes."""
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    source.chain()
    images.chain(out.path, names=("b.qcow2", "t.qcow2"))
    out.refresh()
    before = out.dumpxml()
    ok(bundle(source, out, start="no", async_="yes"))
    assert out.image("web.bundle").job["state"] == "planned" and "replication" not in out.dumpxml()
    out.update("web.bundle", "<replication:job action='start'/>")
    out.wait_job("web.bundle")
    assert out.volumes() == ["b.qcow2", "t.qcow2", "web.bundle"]
    assert "replication:image" not in host.ok("vol-dumpxml", "--pool", out.name, "t.qcow2")
    assert xmlio.region_of(out.dumpxml()) is None and before.count("metadata") == out.dumpxml().count("metadata")
    assert "not a region pool" in out.try_replicate(source, "web.qcow2").err
    assert "not a region pool" in target.try_replicate(out, "t.qcow2").err
    assert "not a region pool" in out.update("t.qcow2", "<replication:name>x</replication:name>", check=False).err
    host.ok("vol-delete", "--pool", out.name, "b.qcow2")  # as without the module, though t.qcow2 needs it
    host.restart()
    ok(make_image(target, out))
    host.ok("vol-delete", "--pool", out.name, "web.bundle")
    assert out.volumes() == ["t.qcow2"]


def test_inventory_makes_the_next_bundle_small(host, away, new_pool):
    """What the destination has is left out; without it there the bundle is refused, naming the layer and nothing else."""
    source, out = new_pool(HERE), new_pool(HERE)
    source.chain()
    ok(bundle(source, out))
    inbox, target, empty = Pool(away, "inbox"), Pool(away, "there", region=FAR), Pool(away, "empty", region=FAR)
    carry(out, "web.bundle", inbox)
    ok(make_image(target, inbox))
    ok(bundle(target, inbox, name="have", bundle="inventory"))
    assert images.allocated_bytes(inbox.file("have")) < 1 << 20
    assert "is an inventory" in make_image(target, inbox, "have", name="x").err
    carry(inbox, "have", out)
    images.overlay(source.file("next.qcow2"), "web.qcow2", "32M", writes=[(2 << 20, 65536, 3)])
    source.refresh()
    for name, have in ("small", "have"), ("small2", "web.bundle"):
        ok(bundle(source, out, "next.qcow2", name, have=[(out, have)]))
        assert os.path.getsize(out.file(name)) < 1 << 20 < os.path.getsize(out.file("web.bundle"))
        carry(out, name, inbox)
        refused = make_image(empty, inbox, name)
        assert "leaves out layer 'base.qcow2'" in refused.err and empty.volumes() == []
        ok(make_image(target, inbox, name, name=f"{name}.qcow2"))
        images.compare(source.file("next.qcow2"), target.file(f"{name}.qcow2"))
    assert target.image("small.qcow2").snapshots == ["web.qcow2", "mid.qcow2", "base.qcow2"]
    assert target.image("small.qcow2").actions["web.qcow2"] == "reuse"
    missing = bundle(source, out, name="x", have=[(out, "nothing")])
    assert "nothing" in missing.err and "x" not in out.volumes()


def test_bundles_that_are_not_whole_or_lie(host, new_pool):
    """Refused, saying what, and nothing is left of them: cut, changed in a blob, in an index, without a blob."""
    source, out, target = new_pool(HERE), new_pool(HERE), new_pool(FAR)
    source.chain(names=("base.qcow2", "web.qcow2"))
    ok(bundle(source, out))
    with open(out.file("web.bundle"), "rb") as f:
        whole = f.read()
    index = whole.rindex(b"index.json")
    blob = whole.index(b"blobs/sha256/")
    lies = {
        "ends too early": whole[:len(whole) // 2],
        "the digest of blob sha256:": whole[:20000] + bytes([whole[20000] ^ 1]) + whole[20001:],
        "is missing": whole.replace(b"sha256:" + whole[whole.index(b"sha256:", index):][7:71], b"sha256:" + b"0" * 64),
        "a header of its tar is damaged": whole[:blob + 20] + b"x" + whole[blob + 21:],
    }
    for number, (says, data) in enumerate(lies.items()):
        with open(out.file(f"lie{number}"), "wb") as f:
            f.write(data)
    out.refresh()
    for number, says in enumerate(lies):
        refused = make_image(target, out, f"lie{number}")
        assert refused.rc != 0 and says in refused.err and f"lie{number}" in refused.err, (says, refused.err)
        assert target.volumes() == [] and partials(target) == []


def test_raw_disk(host, new_pool):
    """Its holes are neither sent nor made."""
    source, out, target = new_pool(HERE), new_pool(HERE), new_pool(FAR)
    with open(source.file("disk.raw"), "wb") as f:
        f.write(images.random_bytes(1 << 20))
        f.truncate(8 << 20)
    source.refresh()
    ok(bundle(source, out, "disk.raw"))
    ok(make_image(target, out))
    assert images.file_digest(source.file("disk.raw")) == images.file_digest(target.file("disk.raw"))
    assert images.allocated_bytes(target.file("disk.raw")) < 2 << 20


def slow(pool, name="big.qcow2", mib=24):
    """An image that takes seconds with a limit of a few MiB/s."""
    images.create(pool.file(name), "64M")
    images.write_random(pool.file(name), 0, mib << 20, 5)
    pool.refresh()


def test_cancel_pause_and_limit(host, new_pool):
    """As all jobs: an export and an import."""
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    slow(source)
    ok(bundle(source, out, "big.qcow2", async_="yes", bandwidth=4))
    assert wait_until(lambda: int(out.image("web.bundle").job["processed"]) > 0, 30)
    out.update("web.bundle", "<replication:job action='pause'/>")
    out.wait_job("web.bundle", ("paused",))
    out.update("web.bundle", "<replication:job action='resume'/>")
    out.update("web.bundle", "<replication:job action='cancel'/>")
    assert wait_until(lambda: out.volumes() == [], 30) and partials(out) == []
    ok(bundle(source, out, "big.qcow2"))
    ok(make_image(target, out, async_="yes", bandwidth=4))
    assert wait_until(lambda: int(target.image("big.qcow2").job["processed"]) > 0, 30)
    host.ok("vol-delete", "--pool", target.name, "big.qcow2")
    assert wait_until(lambda: target.volumes() == [], 30) and partials(target) == []


def test_both_go_on_after_the_daemon_has_died(host, new_pool):
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    slow(source)
    ok(bundle(source, out, "big.qcow2", async_="yes", bandwidth=4))
    assert wait_until(lambda: int(out.image("web.bundle").job["processed"]) > 0, 30)
    host.kill()
    host.start()
    out.update("web.bundle", "<replication:bandwidth unit='MiB/s'>1000</replication:bandwidth>")
    out.wait_job("web.bundle")
    ok(make_image(target, out, async_="yes", bandwidth=4))
    assert wait_until(lambda: int(target.image("big.qcow2").job["processed"]) > 0, 30)
    host.kill()
    host.start()
    target.update("big.qcow2", "<replication:bandwidth unit='MiB/s'>1000</replication:bandwidth>")
    target.wait_job("big.qcow2")
    images.assert_faithful(source.file("big.qcow2"), target.file("big.qcow2"))


def test_an_export_goes_on_behind_finished_parts(host, new_pool):
    """A mark in what was written before the daemon died is still there at the end: that part was not written again."""
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    slow(source, "base.qcow2", 8)
    images.overlay(source.file("web.qcow2"), "base.qcow2", "64M")
    images.write_random(source.file("web.qcow2"), 24 << 20, 16 << 20, 6)
    source.refresh()
    ok(bundle(source, out, async_="yes", bandwidth=2))
    assert wait_until(lambda: int(out.image("web.bundle").job["processed"]) > 9 << 20, 60)
    assert wait_until(lambda: is_noted(out), 60)
    host.kill()
    (partial,) = partials(out)
    with open(out.file(f".replication/{partial}"), "r+b") as f:
        at = f.read(8192).index(b" comment=") + 20
        f.seek(at)
        f.write(b"mark")
    host.start()
    out.update("web.bundle", "<replication:bandwidth unit='MiB/s'>1000</replication:bandwidth>", check=False)
    out.wait_job("web.bundle")
    with open(out.file("web.bundle"), "rb") as f:
        f.seek(at)
        assert f.read(4) == b"mark"
    ok(make_image(target, out))
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_two_at_once_and_quota(host, new_pool):
    """One image into two files, two images of one bundle; the second has no place."""
    source, out = new_pool(HERE), new_pool()
    target = new_pool(FAR, quota={"images": 1})
    source.chain(names=("base.qcow2", "web.qcow2"))
    for name in ("a", "b"):
        ok(bundle(source, out, name=name, async_="yes"))
    for name in ("a", "b"):
        out.wait_job(name)
    assert images.file_digest(out.file("a")) == images.file_digest(out.file("b"))
    ok(make_image(target, out, "a"))
    refused = make_image(target, out, "b", name="second.qcow2")
    assert "image quota" in refused.err and "web.qcow2" in target.volumes() and "second.qcow2" not in target.volumes()


def test_bundles_of_other_projects(host, new_pool):
    """Not of an image that another project has not shared, nor into one's pool from another project's."""
    owner, other = new_pool(HERE, project="web"), new_pool(HERE, project="shop")
    owner.chain(names=("base.qcow2", "web.qcow2"))
    assert "has not shared" in bundle(owner, other).err and other.volumes() == []
    ok(bundle(owner, owner))
    assert "has not shared" in make_image(other, owner).err
    ok(bundle(owner, new_pool()))
    image = owner.image("web.qcow2").id
    owner.update("web.qcow2", "<replication:share project='shop' state='offered'/>")
    other.update("-", f"<replication:share image='{image}' state='accepted'/>")
    ok(bundle(owner, other))
    ok(make_image(other, other, name="mine.qcow2"))
    images.compare(owner.file("web.qcow2"), other.file("mine.qcow2"))


def test_converted_on_the_way_in(host, new_pool):
    """What changes bytes is asked for where the image is made."""
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    source.chain()
    ok(bundle(source, out))
    ok(make_image(target, out, name="flat.qcow2", fmt="qcow2", snapshots="flatten"))
    assert target.image("flat.qcow2").snapshots == []
    images.compare(source.file("web.qcow2"), target.file("flat.qcow2"))
    refused = bundle(source, out, name="x", encryption="none")
    assert "has to be said where the bundle is made an image of" in refused.err
