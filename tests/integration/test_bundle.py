# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles: an image with its chain in one file, exported, carried and made an image of again, by virsh alone."""

import os
import shutil

import pytest
from harness import crypt, images, xmlio
from harness.pools import Pool

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


def test_round_trip_between_websites(host, away, new_pool):
    """A chain with an internal snapshot and a bitmap, through pools of files without a label on the way in."""
    source, out = new_pool(HERE), new_pool(HERE)
    top = source.chain()
    ok(bundle(source, out))
    record = out.image("web.bundle")
    assert record.status == "available" and record.job["state"] == "completed"
    assert record.source["id"] == source.image(top).id
    transfer, target = Pool(away, "transfer"), Pool(away, "far", region=FAR)
    carry(out, "web.bundle", transfer)
    ok(target.try_replicate(transfer, "web.bundle", xml=xmlio.replicate(fmt=None)))
    images.assert_faithful(source.file(top), target.file(top))
    replica = target.image(top)
    assert replica.source["id"] == source.image(top).id and replica.source["region"] == HERE
    assert replica.source["volume"] == "web.bundle"
    assert replica.snapshots == ["mid.qcow2", "base.qcow2"]
    assert target.staging() == [] or all("partial" not in name for name in target.staging())


def test_layers_that_are_there_are_reused(host, new_pool):
    """By what the first import has recorded, then by content when the records are gone."""
    source, out, target = new_pool(HERE), new_pool(HERE), new_pool(FAR)
    source.chain()
    images.overlay(source.file("other.qcow2"), "mid.qcow2", "32M", writes=[(1 << 20, 65536, 9)])
    source.refresh()
    ok(bundle(source, out))
    ok(bundle(source, out, "other.qcow2", "other.bundle"))
    ok(target.try_replicate(out, "web.bundle", xml=xmlio.replicate(fmt=None)))
    ok(target.try_replicate(out, "other.bundle", xml=xmlio.replicate(fmt=None)))
    assert target.image("other.qcow2").actions == {"base.qcow2": "reuse", "mid.qcow2": "reuse", "other.qcow2": "copy"}
    images.assert_faithful(source.file("other.qcow2"), target.file("other.qcow2"))
    shutil.rmtree(target.file(".replication"))
    ok(target.try_replicate(out, "other.bundle", xml=xmlio.replicate(fmt=None, name="again.qcow2")))
    assert target.image("again.qcow2").actions["mid.qcow2"] == "reuse"
    assert target.usage()["snapshots"] == 2


def test_encrypted_never_leaves_in_clear(host, new_pool):
    """The layers' bytes as they are: the plain text is nowhere in the bundle, and the key of the same usage opens it."""
    source, out, target = new_pool(HERE), new_pool(HERE), new_pool(FAR)
    key = crypt.Key(host, value=crypt.SOURCE)
    crypt.known_chain(source, key)
    names = [name for name in source.volumes() if name.endswith(".qcow2")]
    top = next(name for name in names if source.image(name).snapshots and
               not any(name in source.image(other).snapshots for other in names))
    plain = b"\xa5" * 4096
    ok(bundle(source, out, top))
    with open(out.file("web.bundle"), "rb") as f:
        assert plain not in f.read()
    ok(target.try_replicate(out, "web.bundle", xml=xmlio.replicate(fmt=None)))
    depth = len(source.image(top).snapshots)
    assert images.luks_digest(target.file(top), crypt.SOURCE, backing=depth) == \
        images.luks_digest(source.file(top), crypt.SOURCE, backing=depth)
    assert key.uuid in host.ok("vol-dumpxml", "--pool", target.name, top)
