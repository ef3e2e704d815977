# SPDX-License-Identifier: LGPL-2.1-or-later
"""The rules of the image service, one test for each; the corners of each rule have files of their own."""

import os
import stat

import libvirt
import pytest
from harness import crypt, images, net, xmlio
from harness.crypt import Key
from harness.pools import Pool, code, wait_until
from harness.remote import serving, three_places
from test_images import iso_image

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
DENIED = libvirt.VIR_ERR_OPERATION_DENIED
HERE = "cn-north-1"
SLOW = {"async_": "yes", "bandwidth": ("KiB/s", 256)}


@pytest.fixture
def chained(regions):
    """A chain of three layers in one region, and an empty pool of another."""
    regions[0].chain()
    return regions


@pytest.fixture
def pool(new_pool):
    """A chain in a pool of a region."""
    made = new_pool(HERE)
    made.chain()
    return made


@pytest.fixture
def copying(chained):
    """The same while a slow job copies it."""
    source, target = chained
    target.replicate(source, "web.qcow2", **SLOW)
    target.wait_job("web.qcow2", ("running",))
    yield source, target
    target.host.virsh("vol-delete", "web.qcow2", target.name)


def test_target_across_regions(chained):
    """The replica has the source's names and an id of its own."""
    source, target = chained
    source.update("web.qcow2", "<replication:name>The web</replication:name>")
    assert target.replicate(source, "web.qcow2") == "web.qcow2"
    replica = target.image("web.qcow2")
    assert replica.text("name") == "The web"
    assert replica.id != source.image("web.qcow2").id
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_target_in_the_same_region(pool, new_pool):
    """In the same pool or another one; called copy_<region>_<source> unless the request says otherwise. The name that a
    request gives is shown, too, where the source has no display name."""
    assert pool.replicate(pool, "web.qcow2") == f"copy_{HERE}_web.qcow2"
    other = new_pool(HERE)
    assert other.replicate(pool, "web.qcow2") == f"copy_{HERE}_web.qcow2"
    assert other.replicate(pool, "web.qcow2", name="mine.qcow2") == "mine.qcow2"
    assert other.image("mine.qcow2").text("name") == "mine.qcow2"


def test_description(chained, new_pool):
    """The request's, else where it came from, which is kept either way."""
    source, target = chained
    image = source.image("web.qcow2").id
    target.replicate(source, "web.qcow2", description="nightly")
    assert target.image("web.qcow2").text("description") == "nightly"
    other = new_pool("cn-south-1")
    other.replicate(source, "web.qcow2")
    assert other.image("web.qcow2").text("description") == f"Replicated from region {HERE}, image {image}"
    for replica in (target, other):
        assert replica.image("web.qcow2").source == {"region": HERE, "id": image, "pool": source.name,
                                                     "volume": "web.qcow2"}


def test_source_states(copying, new_pool):
    """Only available images, and none that a guest writes."""
    source, target = copying
    other = new_pool("cn-south-1")
    error = other.refusal(target, "web.qcow2")
    assert code(error) == INVALID and "pending" in str(error)
    images.create(source.file("busy.qcow2"), "1M")
    source.refresh()
    with images.OpenForWriting(source.file("busy.qcow2")):
        assert code(other.refusal(source, "busy.qcow2")) == INVALID


def test_what_kind(pool, regions):
    """iso and full-machine images stay in their region; other formats become qcow2."""
    iso_image(pool.file("cd.iso"))
    images.create(pool.file("machine.qcow2"), "1M")
    images.create(pool.file("disk.vmdk"), "1M", fmt="vmdk")
    pool.refresh()
    pool.update("machine.qcow2", "<replication:type>full-machine</replication:type>")
    for volume in ("cd.iso", "machine.qcow2"):
        assert code(pool.refusal(pool, volume)) == INVALID
    regions[1].replicate(pool, "cd.iso", fmt=None)
    pool.replicate(pool, "disk.vmdk", name="disk.qcow2")
    assert images.info(pool.file("disk.qcow2"))["format"] == "qcow2"


def test_size(pool, regions):
    """Within a region at most 128 GiB by default."""
    images.create(pool.file("big.qcow2"), "129G")
    images.create(pool.file("fits.qcow2"), "128G")
    pool.refresh()
    error = pool.refusal(pool, "big.qcow2")
    assert code(error) == INVALID and "big.qcow2" in str(error)
    assert str(129 << 30) in str(error) or "129 GiB" in str(error)
    pool.replicate(pool, "fits.qcow2")
    regions[1].replicate(pool, "big.qcow2")


@pytest.mark.parametrize("quota", [{"images": 0}, {"snapshots": 1}, {"bytes": 4096}], ids=str)
def test_quota(chained, new_pool, quota):
    """What is short, and by how much, before anything is written."""
    full = new_pool("cn-south-1", quota=quota)
    error = full.refusal(chained[0], "web.qcow2")
    assert code(error) == DENIED and full.name in str(error)
    assert any(str(value) in str(error) for value in quota.values())


def test_source_lock(copying):
    """The source and its layers stay as they are while the job runs; the error names the job."""
    source, target = copying
    job = target.image("web.qcow2").job["id"]
    for volume in ("web.qcow2", "mid.qcow2", "base.qcow2"):
        error = source.host.fails("vol-delete", volume, source.name)
        assert volume != "web.qcow2" or job in error
        assert source.host.virsh("vol-resize", volume, "1G", "--pool", source.name).rc != 0
        assert source.host.virsh("vol-dumpxml", volume, source.name).rc == 0
    images.overlay(source.file("new.qcow2"), "web.qcow2")


def test_twice(copying):
    """Not the same image to the same region while a job runs; the same token returns the same replica."""
    source, target = copying
    assert code(target.refusal(source, "web.qcow2", name="again.qcow2")) == INVALID
    source.host.ok("vol-delete", "web.qcow2", target.name)
    for _ in range(2):
        assert target.replicate(source, "web.qcow2", token="nightly") == "web.qcow2"
    assert len(target.volumes()) == 3


def test_several_targets(chained, new_pool):
    """One image to many regions: each is a job of its own, and what becomes of one is not the others' matter."""
    source, first = chained
    second, full = new_pool("cn-south-1"), new_pool("cn-west-1", quota={"images": 0})
    for target in (first, second):
        target.replicate(source, "web.qcow2", async_="yes")
    assert code(full.refusal(source, "web.qcow2")) == DENIED
    jobs = {target.wait_job("web.qcow2")["id"] for target in (first, second)}
    assert len(jobs) == 2


def test_pending(copying):
    """Listed at once with what it will be; deleting it cancels and cleans up; nothing half-made is available."""
    source, target = copying
    image = target.image("web.qcow2")
    assert image.status == "pending" and image.job["state"] == "running" and "progress" in image.job
    assert "32.00 MiB" in target.host.ok("vol-info", "web.qcow2", target.name)
    assert all(target.image(volume).status == "pending" for volume in target.volumes())
    assert target.host.virsh("vol-download", "web.qcow2", "/dev/null", "--pool", target.name).rc != 0
    target.host.ok("vol-delete", "web.qcow2", target.name)
    assert target.volumes() == []
    assert not [name for name in target.staging() if name.startswith("partial")]


def test_bases(pool):
    """What others need stays; --delete-snapshots takes what nothing else needs."""
    images.overlay(pool.file("other.qcow2"), "base.qcow2")
    pool.refresh()
    assert "mid.qcow2" in pool.host.fails("vol-delete", "base.qcow2", pool.name)
    for words in (("vol-wipe", "base.qcow2", pool.name), ("vol-resize", "base.qcow2", "1G", "--pool", pool.name),
                  ("vol-upload", "base.qcow2", "/dev/null", "--pool", pool.name)):
        assert pool.host.virsh(*words).rc != 0
    pool.host.ok("vol-delete", "--delete-snapshots", "web.qcow2", pool.name)
    assert pool.volumes() == ["base.qcow2", "other.qcow2"]


def test_encrypted(host, chained, new_pool):
    """Plain to encrypted, to another key and back keeps the chain; an encrypted image cannot be shared."""
    source, first = chained
    one, two = Key(host), Key(host)
    second, third = new_pool("cn-south-1"), new_pool("cn-west-1")
    first.replicate(source, "web.qcow2", target=one.target())
    second.replicate(first, "web.qcow2", target=two.target())
    third.replicate(second, "web.qcow2", encryption="none")
    for pool, keys in ((first, (one,)), (second, (two,)), (third, ())):
        layers = crypt.layers(pool.file("web.qcow2"), *(key.value for key in keys))
        assert len(layers) == 3
        crypt.compare(crypt.layers(source.file("web.qcow2")), layers)
    result = first.update("web.qcow2", "<replication:share project='p2' state='offered'/>", check=False)
    assert result.rc != 0 and "encrypted" in result.err


def test_sharing(new_pool):
    """Offered, accepted, copied by id into an image of the own project; revoking never touches the copy."""
    owner, other = new_pool(HERE, project="p1"), new_pool(HERE, project="p2")
    owner.chain()
    image = owner.image("web.qcow2").id
    assert code(other.refusal(owner, "web.qcow2")) == DENIED
    owner.update("web.qcow2", "<replication:share project='p2' state='offered'/>")
    assert xmlio.overview(other.dumpxml(), "shared")[0]["image"] == image
    assert code(other.refusal(owner, "web.qcow2")) == DENIED
    other.update("anything", f"<replication:share image='{image}' state='accepted'/>")
    with xmlio.xml_file(xmlio.replicate(image=image)) as f:
        other.host.ok("vol-create", other.name, f.name)
    owner.update("web.qcow2", "<replication:share project='p2' state='revoked'/>")
    copy = other.image(f"copy_{HERE}_web.qcow2")
    assert (copy.status, copy.project, copy.source["id"]) == ("available", "p2", image)


def test_full_machine(regions, new_pool):
    """A system disk with members goes to another region as one set, all or none; never within its region."""
    source, target = regions
    source.chain()
    images.overlay(source.file("data.qcow2"), "base.qcow2", writes=[(0, 65536, 7)])
    source.refresh()
    source.update("web.qcow2", "<replication:members><replication:member volume='data.qcow2'/></replication:members>")
    assert code(new_pool(HERE).refusal(source, "web.qcow2")) == INVALID
    with images.OpenForWriting(source.file("data.qcow2")):
        assert code(target.refusal(source, "web.qcow2")) == INVALID
    assert target.volumes() == []
    target.replicate(source, "web.qcow2")
    for volume in ("web.qcow2", "data.qcow2"):
        images.assert_faithful(source.file(volume), target.file(volume))
    assert target.image("web.qcow2").job["id"] == target.image("data.qcow2").job["id"]


def test_end_of_a_job(host, event_loop, chained):
    """A REFRESH event of the pool, a log line and the hook."""
    source, target = chained
    out = os.path.join(host.dir, "ended")
    path = os.path.join(host.dir, "etc/hooks/storage-replication")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\necho \"$*\" >'{out}'\n")
    os.chmod(path, 0o755)
    conn, seen = host.connect(), []
    conn.storagePoolEventRegisterAny(conn.storagePoolLookupByName(target.name),
                                     libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                     lambda c, p, opaque: seen.append(p.name()), None)
    target.replicate(source, "web.qcow2")
    image = target.image("web.qcow2")
    assert wait_until(lambda: target.name in seen, 30)
    assert wait_until(lambda: os.path.exists(out) and os.path.getsize(out) > 0, 30)
    with open(out) as f:
        assert f.read() == f"{image.id} completed end -\n"
    assert image.job["id"] in host.log()
    conn.close()
    os.unlink(path)


def test_owner_and_mode(chained):
    """Of the target pool or the request, never the source's."""
    source, target = chained
    os.chown(source.file("web.qcow2"), 64055, 64055)
    os.chmod(source.file("web.qcow2"), 0o666)
    source.refresh()
    target.replicate(source, "web.qcow2")
    found = os.stat(target.file("web.qcow2"))
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (0, 0o600)
    target.replicate(source, "web.qcow2", name="mine.qcow2",
                     target="<permissions><mode>0640</mode><owner>1</owner><group>1</group></permissions>")
    found = os.stat(target.file("mine.qcow2"))
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (1, 0o640)


def test_keys(host, chained):
    """Which secret opens a volume is remembered over pool-refresh and restart."""
    source, target = chained
    key = Key(host)
    target.replicate(source, "web.qcow2", target=key.target())
    target.refresh()
    host.restart()
    for volume in target.volumes():
        assert key.uuid in host.ok("vol-dumpxml", volume, target.name)


def test_keys_across_hosts(new_host):
    """The same usage and value must be on both hosts: tried there before anything is converted, mended by two commands."""
    here = new_host().start()
    there = serving(new_host(listen=("tcp",))).start()
    with three_places((here, there, net.Link(there, here))) as (near, far, behind):
        volume = near.chain()
        own = Key(here, usage="ims/default")
        result = far.try_replicate(near, volume, encryption="default")
        assert result.rc and all(word in result.err for word in ("ims/default", "secret-define", "secret-set-value"))
        key = Key(there, usage="ims/default")
        result = far.try_replicate(near, volume, encryption="default")
        assert result.rc and f"secret-set-value {key.uuid}" in result.err and behind.volumes() == []
        key.set(own.value)
        far.replicate(near, volume, encryption="default")
        assert crypt.opens(behind.file(volume), own.value)


def test_configuration(new_host):
    """Limits, the default key and the bandwidth are the administrator's."""
    host = new_host()
    with open(os.path.join(host.dir, "etc/storage-replication.conf"), "w") as f:
        f.write('max_size_gib = 1\ndefault_key = "mine"\n')
    host.start()
    pool, other = Pool(host, "here", region=HERE), Pool(host, "there", region="cn-east-2")
    images.create(pool.file("big.qcow2"), "2G")
    images.create(pool.file("small.qcow2"), "1M")
    pool.refresh()
    assert code(pool.refusal(pool, "big.qcow2")) == INVALID
    other.replicate(pool, "small.qcow2", encryption="default")
    assert "mine" in host.ok("secret-list", driver="secret")
