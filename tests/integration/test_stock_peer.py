# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication from and to a host whose libvirt has no module: layers go by the storage calls of every libvirt."""

import os

import libvirt
import pytest
from harness import crypt, images, machines, net, xmlio
from harness.crypt import Key
from harness.host import STOCK
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, serving, three_places, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link): every test asks `here`; `there` is stock."""
    here = new_host(drivers=("secret", "qemu")).start()
    there = new_host(module=STOCK, listen=("tcp",)).start()
    return here, there, net.Link(there, here)


@pytest.fixture
def places(pair):
    """(pool here, pool of type region here, the pool behind it there)"""
    with three_places(pair, behind_region=None) as places:
        yield places


def parts(pool):
    return [name for name in pool.staging() if name.startswith("partial/")]


def big_image(pool, mib=48, name="big.qcow2"):
    """Random data, so that a slowed link needs seconds for it."""
    path = pool.file(name)
    images.create(path, size=f"{mib + 16}M")
    images.write_random(path, 0, mib * MIB, seed=7)
    pool.refresh()
    return name


def test_pull(places):
    near, far, behind = places
    volume = behind.chain()
    assert near.replicate(far, volume) == volume
    images.assert_faithful(behind.file(volume), near.file(volume))
    image = near.image(volume)
    assert image.status == "available" and image.snapshots == ["mid.qcow2", "base.qcow2"]
    assert image.source["region"] == behind.name and not parts(near)


def test_push(places):
    """The chain has relative references, libvirt there knows it as an image at once, and nothing else is there."""
    near, far, behind = places
    volume = near.chain()
    assert far.replicate(near, volume) == volume
    images.assert_faithful(near.file(volume), behind.file(volume))
    assert behind.volumes() == sorted(os.listdir(behind.path)) == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert "<format type='qcow2'/>" in behind.host.ok("vol-dumpxml", "--pool", behind.name, volume)
    assert images.info(behind.file(volume))["full-backing-filename"] == behind.file("mid.qcow2")
    for name in behind.volumes():
        images.check(behind.file(name))
        assert os.path.getsize(behind.file(name)) == os.path.getsize(near.file(name))


def test_there_and_back(places):
    near, far, behind = places
    volume = near.chain()
    far.replicate(near, volume)
    assert near.replicate(far, volume, name="back.qcow2") == "back.qcow2"
    images.compare(near.file(volume), near.file("back.qcow2"))
    assert near.image("back.qcow2").status == "available"


def test_through_us(places, pair):
    """Stock to stock: both pools belong to hosts without the module."""
    here, there, link = pair
    _, far, behind = places
    other = Pool(there, behind.name + "-other")
    beyond = RemotePool(here, far.name + "-other", other.name, uri=uri(link))
    volume = behind.chain()
    assert beyond.replicate(far, volume) == volume
    images.assert_faithful(behind.file(volume), other.file(volume))


@pytest.mark.parametrize("size", [512, 4096, 4608, MIB, 3 * MIB + 512])
def test_raw_of_any_size(places, size):
    near, far, behind = places
    with open(near.file("disk.raw"), "wb") as f:
        f.write(os.urandom(min(size, 700_000)))
        f.truncate(size)
    near.refresh()
    far.replicate(near, "disk.raw", fmt="raw")
    assert images.file_digest(behind.file("disk.raw")) == images.file_digest(near.file("disk.raw"))
    near.replicate(far, "disk.raw", name="back.raw", fmt="raw")
    assert images.file_digest(near.file("back.raw")) == images.file_digest(near.file("disk.raw"))


def test_holes_are_not_sent(places):
    """A layer of 256 MiB with data at its ends and in the middle; ranges over holes grow, and end at data."""
    near, far, behind = places
    with open(near.file("sparse.raw"), "wb") as f:
        for at in (0, 100 * MIB + 4096, 170 * MIB, 255 * MIB):
            f.seek(at)
            f.write(os.urandom(300_000))
        f.truncate(256 * MIB)
    near.refresh()
    far.replicate(near, "sparse.raw", fmt="raw")
    assert images.file_digest(behind.file("sparse.raw")) == images.file_digest(near.file("sparse.raw"))
    assert images.allocated_bytes(behind.file("sparse.raw")) < 3 * MIB
    near.replicate(far, "sparse.raw", name="again.raw", fmt="raw")
    assert images.file_digest(near.file("again.raw")) == images.file_digest(near.file("sparse.raw"))
    assert images.allocated_bytes(near.file("again.raw")) < 3 * MIB


def test_large_clusters_and_snapshots(places):
    """The first cluster of 2 MiB holds the header; internal snapshots and bitmaps stay."""
    near, far, behind = places
    images.create(near.file("base.qcow2"), size="64M", options="cluster_size=2M")
    images.write_random(near.file("base.qcow2"), 0, 5 * MIB, seed=1)
    images.create(near.file("top.qcow2"), size="64M", backing="base.qcow2", options="cluster_size=2M")
    images.write_random(near.file("top.qcow2"), MIB, 3 * MIB, seed=2)
    images.snapshot(near.file("top.qcow2"), "before")
    images.bitmap(near.file("top.qcow2"), "backup")
    near.refresh()
    far.replicate(near, "top.qcow2")
    images.assert_faithful(near.file("top.qcow2"), behind.file("top.qcow2"))
    near.replicate(far, "top.qcow2", name="back.qcow2")
    images.assert_faithful(near.file("top.qcow2"), near.file("back.qcow2"))


def test_plan_says_what_is_missing(places):
    near, far, behind = places
    volume = near.chain()
    assert far.replicate(near, volume, start="no") == volume
    job = far.image(volume).job
    assert job["state"] == "planned" and job["without"] == "records resume reuse locks keys"
    assert [step["action"] for step in job["steps"]] == ["copy"] * 3 and int(job["total"]) > 0
    shown = xmlio.overview(far.dumpxml(), "job")
    assert [(each["volume"], each["state"]) for each in shown] == [(volume, "planned")]
    far.update(volume, "<replication:job action='start'/>")
    assert wait_until(lambda: "replication:job" not in far.dumpxml(), 60)
    images.assert_faithful(near.file(volume), behind.file(volume))
    assert near.replicate(far, volume, name="planned.qcow2", start="no") == "planned.qcow2"
    assert near.image("planned.qcow2").job["without"] == "reuse locks"


def test_name_taken(places):
    near, far, behind = places
    volume = near.chain()
    images.create(behind.file(volume), size="1M")
    behind.refresh()
    before = images.tree_state(behind.path)
    assert "exist" in far.try_replicate(near, volume).err
    assert images.tree_state(behind.path) == before
    # a layer's name is changed instead
    images.create(behind.file("base.qcow2"), size="1M")
    behind.refresh()
    other = far.replicate(near, volume, name="other.qcow2")
    images.assert_faithful(near.file(volume), behind.file(other))
    assert images.info(behind.file("base.qcow2"))["virtual-size"] == MIB


def test_pool_stopped(places):
    near, far, behind = places
    volume = near.chain()
    behind.host.ok("pool-destroy", behind.name)
    assert "not active" in far.try_replicate(near, volume).err
    behind.host.ok("pool-start", behind.name)
    far.replicate(near, volume)


def test_chains_that_lead_out(places):
    near, far, behind = places
    os.makedirs(behind.path + "-elsewhere", exist_ok=True)
    images.create(behind.path + "-elsewhere/base.qcow2", size="1M")
    images.create(behind.file("out.qcow2"), size="1M", backing=behind.path + "-elsewhere/base.qcow2")
    images.create(behind.file("loop.qcow2"), size="1M")
    images.qemu_img("rebase", "-u", "-F", "qcow2", "-b", "loop.qcow2", behind.file("loop.qcow2"))
    images.create(behind.file("nbd.qcow2"), size="1M")
    images.qemu_img("rebase", "-u", "-F", "raw", "-b", "nbd://localhost/x", behind.file("nbd.qcow2"))
    images.create(behind.file("vague.qcow2"), size="1M")
    images.qemu_img("rebase", "-u", "-b", "out.qcow2", "-F", "", behind.file("vague.qcow2"), check=False)
    behind.refresh()
    for volume, word, number in (("out.qcow2", "outside of the pools", libvirt.VIR_ERR_OPERATION_INVALID),
                                 ("loop.qcow2", "loop", libvirt.VIR_ERR_OPERATION_INVALID),
                                 ("nbd.qcow2", "not a file of a storage pool", libvirt.VIR_ERR_NO_SUPPORT)):
        error = near.refusal(far, volume)
        assert code(error) == number and word in str(error), str(error)


def test_quota_of_the_target_here(pair, places):
    here = pair[0]
    near, far, behind = places
    small = Pool(here, near.name + "-small", region="cn-north-1", quota={"bytes": MIB})
    volume = behind.chain()
    assert "quota" in str(small.refusal(far, volume)).lower()


def test_encrypted_on_the_way(places):
    """A plain image of this host arrives encrypted there."""
    near, far, behind = places
    images.create(near.file("plain.qcow2"), size="8M")
    images.write_random(near.file("plain.qcow2"), 0, 4 * MIB, seed=3)
    near.refresh()
    far.replicate(near, "plain.qcow2", encryption="default")
    assert images.info(behind.file("plain.qcow2"))["encrypted"] is True
    with open(near.file("plain.qcow2"), "rb") as f, open(behind.file("plain.qcow2"), "rb") as g:
        f.seek(MIB)
        assert f.read(4096) not in g.read()


def test_encrypted_on_the_way_here(places):
    """A plain image of the other host is encrypted where it arrives; which key opens one there, it cannot tell."""
    near, far, behind = places
    images.create(behind.file("plain.qcow2"), size="8M")
    images.write_random(behind.file("plain.qcow2"), 0, 4 * MIB, seed=3)
    behind.refresh()
    near.replicate(far, "plain.qcow2", name="here.qcow2", encryption="default")
    key = crypt.secret_value(near.host, "ims/default")
    crypt.assert_judged(crypt.layers(behind.file("plain.qcow2")), crypt.layers(near.file("here.qcow2"), key))
    far.replicate(near, "here.qcow2", name="there.qcow2")
    assert code(near.refusal(far, "there.qcow2", encryption="none", name="x.qcow2")) == libvirt.VIR_ERR_NO_SECRET


def test_decrypted_on_the_way_here(places):
    """As long as the libvirt there knows the secret of a volume, this host finds its own by the usage, and tries it before any
    data. After a refresh nobody can tell, and the refusal says what to do."""
    near, far, behind = places
    there = Key(behind.host)
    here = Key(near.host, usage=there.usage, value=there.value)
    xml = (f"<volume><name>enc.qcow2</name><capacity unit='MiB'>8</capacity><target><format type='qcow2'/>"
           f"{there.target('usage')}</target></volume>")
    with xmlio.xml_file(xml) as f:  # qemu-img's calibration fails at random
        assert wait_until(lambda: behind.host.virsh("vol-create", behind.name, f.name).rc == 0, 120)
    images.luks_write(behind.file("enc.qcow2"), there.value, [(MIB, 4 * MIB, 0x5a)])
    near.replicate(far, "enc.qcow2", name="dec.qcow2", encryption="none")
    crypt.assert_judged(crypt.layers(behind.file("enc.qcow2"), there.value), crypt.layers(near.file("dec.qcow2")))
    here.set("another value")
    assert code(near.refusal(far, "enc.qcow2", name="x.qcow2", encryption="none")) == libvirt.VIR_ERR_AUTH_FAILED
    behind.refresh()
    error = near.refusal(far, "enc.qcow2", name="x.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_NO_SECRET and "replicate it as it is" in str(error), error


def test_a_full_machine_does_not_go_there(places):
    near, far, behind = places
    machines.make(near)
    result = far.try_replicate(near, "web.qcow2", fmt=None)
    assert result.rc != 0 and "does not go to a host without the module" in result.err, result.err
    assert not os.listdir(behind.path)


def test_verified_by_reading_back(places):
    near, far, behind = places
    volume = near.chain()
    far.replicate(near, volume, verify="yes")
    images.assert_faithful(near.file(volume), behind.file(volume))
    assert code(near.refusal(far, volume, name="x.qcow2", verify="yes")) == libvirt.VIR_ERR_NO_SUPPORT


def test_verify_finds_what_changed(places, pair):
    """What the peer's disk does to a layer between the upload and the look at it fails the job, which takes everything back."""
    near, far, behind = places
    volume = big_image(near, mib=24)
    pair[2].shape("100mbit")
    assert far.replicate(near, volume, async_="yes", verify="yes") == volume
    path = behind.file(volume)
    assert wait_until(lambda: images.allocated_bytes(path) > 8 * MIB, 60)
    with open(path, "r+b") as f:
        f.seek(5 * MIB)
        f.write(b"rotten" * 100)
    assert wait_until(lambda: far.image(volume).job["state"] == "failed", 90)
    assert "what was written" in far.image(volume).job["error"]
    assert "<format type='raw'/>" in behind.host.ok("vol-dumpxml", "--pool", behind.name, volume)
    far.host.ok("vol-delete", "--pool", far.name, volume)
    assert not os.listdir(behind.path)


def test_from_there_to_a_host_with_the_module_is_refused(places, pair, new_host):
    """Through us, straight: the bytes come in order, and would be asked for in another one."""
    here = pair[0]
    _, far, behind = places
    third = serving(new_host(listen=("tcp",))).start()
    link = net.Link(third, here)
    Pool(third, "beyond", region="cn-south-3")
    beyond = RemotePool(here, "to-beyond", "beyond", uri=uri(link))
    volume = behind.chain()
    result = beyond.try_replicate(far, volume)
    assert result.rc != 0 and "replicate it to a region of this host first" in result.err, result.err
    assert beyond.volumes() == []


def test_a_bundle_there_is_not_taken_for_a_disk(places):
    """Unless the request says that it is one."""
    near, far, behind = places
    near.chain()
    for pool, result in ((near, near.try_replicate(near, "web.qcow2", name="b", fmt=None, bundle="yes")),
                         (far, far.try_replicate(near, "b", name="b", fmt=None, bundle="no"))):
        assert result.rc == 0, result.err
    assert "download it" in near.try_replicate(far, "b", name="c", fmt=None).err
    assert near.try_replicate(far, "b", name="c", fmt=None, bundle="no").rc == 0
    assert images.file_digest(near.file("c")) == images.file_digest(behind.file("b"))


def test_bundles_stay_on_this_host(places):
    """Of an image there one is written here; there it is neither written nor made an image of, and the refusal says what to do."""
    near, far, behind = places
    volume = behind.chain()
    assert near.try_replicate(far, volume, name="b", fmt=None, bundle="yes").rc == 0
    assert near.try_replicate(near, "b", name="back.qcow2", fmt=None).rc == 0
    images.assert_faithful(behind.file(volume), near.file("back.qcow2"))
    before = behind.state()
    written = far.try_replicate(near, "back.qcow2", name="b", fmt=None, bundle="yes")
    assert written.rc != 0 and "write the bundle to a pool of this one" in written.err
    imported = far.try_replicate(near, "b", name="x.qcow2", fmt=None)
    assert imported.rc != 0 and "make the image in a pool of this host" in imported.err
    assert behind.state() == before
