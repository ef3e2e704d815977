# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs between this host and one without the module: steered, interrupted, killed. Nothing half-made is ever an image there."""

import os
import threading

import pytest
from harness import images, net
from harness.faults import Faults
from harness.host import STOCK
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, three_places, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    here = new_host()
    with open(os.path.join(here.dir, "etc/storage-replication.conf"), "w") as f:
        f.write("peer_gone_seconds = 10\n")
    here.start()
    there = new_host(module=STOCK, listen=("tcp",))
    there.faults = Faults(there)
    there.start()
    return here, there, net.Link(there, here)


@pytest.fixture
def places(pair):
    with three_places(pair, behind_region=None) as places:
        yield places


def layered(pool, mib=24):
    """An image with a base, each with so much random data."""
    images.create(pool.file("base.qcow2"), size=f"{mib + 8}M")
    images.write_random(pool.file("base.qcow2"), 0, mib * MIB, seed=5)
    images.create(pool.file("big.qcow2"), size=f"{mib + 8}M", backing="base.qcow2")
    images.write_random(pool.file("big.qcow2"), 4 * MIB, mib * MIB, seed=6)
    pool.refresh()
    return "big.qcow2"


def ends(places, direction):
    """(source, target, where the source's files are, where the target's are)"""
    near, far, behind = places
    return (near, far, near, behind) if direction == "push" else (far, near, behind, near)


def parts(pool):
    return [name for name in pool.staging() if name.startswith("partial/")]


def is_no_image(behind, names):
    """Nobody can take what is there for one."""
    for name in names:
        if os.path.exists(behind.file(name)):
            with open(behind.file(name), "rb") as f:
                assert f.read(4) != b"QFI\xfb", f"{name} looks like an image"


def begin(source, target, volume, direction):
    """Starts a job and waits until bytes of it are on their way."""
    assert target.replicate(source, volume, async_="yes") == volume
    assert wait_until(lambda: int(target.image(volume).job["processed"]) > 4 * MIB, 60)


def done(target, there, volume):
    def over():
        if there is not target:
            return "replication:job" not in target.dumpxml()
        job = target.image(volume).job
        assert job["state"] != "failed", job
        return job["state"] == "completed"
    assert wait_until(over, 120), target.dumpxml()


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_paused_limited_resumed(places, pair, direction):
    source, target, here, there = ends(places, direction)
    volume = layered(here)
    pair[2].shape("100mbit")
    begin(source, target, volume, direction)
    target.update(volume, "<replication:job action='pause'/><replication:bandwidth unit='MiB/s'>90</replication:bandwidth>")
    assert wait_until(lambda: target.image(volume).job["state"] == "paused", 20)
    before = target.image(volume).job["processed"]
    if direction == "push":
        is_no_image(there, ["base.qcow2", volume])
        assert "pending" == target.image("base.qcow2").status
    target.update(volume, "<replication:job action='resume'/>")
    pair[2].shape(None)
    done(target, there, volume)
    assert int(before) >= 4 * MIB
    images.assert_faithful(here.file(volume), there.file(volume))


@pytest.mark.parametrize("way", ["vol-delete", "cancel"])
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_cancelled(places, pair, direction, way):
    source, target, here, there = ends(places, direction)
    volume = layered(here)
    pair[2].shape("100mbit")
    begin(source, target, volume, direction)
    if way == "cancel":
        target.update(volume, "<replication:job action='cancel'/>")
    else:
        target.host.ok("vol-delete", "--pool", target.name, volume)
    assert [n for n in os.listdir(there.path) if n != ".replication"] == []
    assert there is target or volume not in target.volumes()
    assert not parts(there) if direction == "pull" else True


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_link_cut_and_mended(places, pair, direction):
    source, target, here, there = ends(places, direction)
    link = pair[2]
    volume = layered(here)
    link.shape("100mbit")
    begin(source, target, volume, direction)
    link.cut()
    assert not wait_until(lambda: target.image(volume).job["state"] == "failed" if there is target else False, 2)
    link.mend()
    link.shape(None)
    done(target, there, volume)
    images.assert_faithful(here.file(volume), there.file(volume))


@pytest.mark.parametrize("victim", ["ours", "theirs"])
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_daemon_killed(places, pair, direction, victim):
    """It goes on when the daemon is there again, and what was half there is the job's or gone."""
    source, target, here, there = ends(places, direction)
    volume = layered(here)
    host = pair[0] if victim == "ours" else pair[1]
    pair[2].shape("100mbit")
    begin(source, target, volume, direction)
    host.kill()
    if direction == "push":
        is_no_image(there, ["base.qcow2", volume])
    pair[2].shape(None)
    host.start()
    done(target, there, volume)
    images.assert_faithful(here.file(volume), there.file(volume))
    assert not parts(there) if direction == "pull" else sorted(os.listdir(there.path)) == ["base.qcow2", volume]


def test_layer_of_an_earlier_plan_that_cannot_be_removed(places, pair):
    """The image stands on another base when its job goes on. The volume for the one of before cannot be removed there: the job fails
    and says so, and its retry, which plans the same, removes it."""
    near, far, behind = places
    here, there, _ = pair
    volume = layered(near, mib=4)
    far.replicate(near, volume, async_="yes", bandwidth=("KiB/s", 256))
    assert wait_until(lambda: os.path.exists(behind.file("base.qcow2")) and os.path.exists(behind.file(volume)), 60)
    far.update(volume, "<replication:job action='pause'/>")
    assert wait_until(lambda: far.image(volume).job["state"] == "paused", 60)
    here.stop()
    os.rename(near.file("base.qcow2"), near.file("other.qcow2"))
    images.qemu_img("rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "other.qcow2", near.file(volume))
    here.start()
    near.refresh()
    far.wait_peer("connected")
    far.update(volume, "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    there.faults.fail(behind.file("base.qcow2"), calls=("unlink",), times=0)
    far.update(volume, "<replication:job action='resume'/>")
    assert wait_until(lambda: far.image(volume).job["state"] == "failed", 60), far.image(volume).xml
    there.faults.disarm()
    assert there.faults.hits and "base.qcow2" in behind.volumes()
    far.update(volume, "<replication:job action='retry'/>")
    done(far, behind, volume)
    assert sorted(os.listdir(behind.path)) == sorted([volume, "other.qcow2"])
    images.assert_faithful(near.file(volume), behind.file(volume))


def test_link_down_for_good(places, pair):
    """A request that a client waits for fails after the configured time; what it has left there goes when the link is back."""
    near, far, behind = places
    link = pair[2]
    volume = layered(near)
    link.shape("100mbit")
    results = []
    thread = threading.Thread(target=lambda: results.append(far.try_replicate(near, volume, timeout_s=120)))
    thread.start()
    assert wait_until(lambda: os.path.exists(behind.file("base.qcow2")) and
                      images.allocated_bytes(behind.file("base.qcow2")) > 4 * MIB, 60)
    link.cut()
    thread.join(120)
    assert results and results[0].rc != 0
    is_no_image(behind, ["base.qcow2", volume])
    link.mend()
    link.shape(None)
    assert wait_until(lambda: not os.listdir(behind.path), 60), os.listdir(behind.path)
    assert far.replicate(near, volume) == volume


def test_killed_and_cancelled(places, pair):
    """After a kill of ours, cancelling leaves nothing of the job there, and not a hair of another's is touched."""
    near, far, behind = places
    here, there, link = pair
    volume = layered(near)
    link.shape("100mbit")
    begin(near, far, volume, "push")
    here.kill()
    # somebody there has cleaned up and uses the name
    there.ok("vol-delete", "--pool", behind.name, "base.qcow2")
    images.create(behind.file("base.qcow2"), size="3M")
    there.ok("pool-refresh", behind.name)
    here.start()
    assert wait_until(lambda: far.host.virsh("vol-delete", "--pool", far.name, volume).rc == 0, 30)
    assert os.listdir(behind.path) == ["base.qcow2"]
    assert images.info(behind.file("base.qcow2"))["virtual-size"] == 3 * MIB


def test_disk_full_there(places, pair, small_ext4):
    near, far, _ = places
    here, there, link = pair
    tight = Pool(there, far.name + "-tight", path=small_ext4(40))
    beyond = RemotePool(here, far.name + "-beyond", tight.name, uri=uri(link))
    volume = layered(near)
    error = beyond.try_replicate(near, volume).err
    assert "free" in error or "space" in error.lower(), error
    # it fills up while the job runs
    link.shape("100mbit")
    images.create(near.file("small.qcow2"), size="64M")
    images.write_random(near.file("small.qcow2"), 0, 20 * MIB, seed=9)
    near.refresh()
    results = []
    thread = threading.Thread(target=lambda: results.append(beyond.try_replicate(near, "small.qcow2", timeout_s=120)))
    thread.start()
    assert wait_until(lambda: os.path.exists(tight.file("small.qcow2")) and
                      images.allocated_bytes(tight.file("small.qcow2")) > MIB, 60)
    with open(tight.file("filler"), "wb") as f:
        try:
            while True:
                f.write(bytes(MIB))
                f.flush()
        except OSError:
            pass
    thread.join(120)
    assert results and results[0].rc != 0 and "No space left" in results[0].err, results
    assert sorted(n for n in os.listdir(tight.path) if n != "lost+found") == ["filler"]
    os.unlink(tight.file("filler"))


def test_source_changed_during_pull(places, pair):
    near, far, behind = places
    volume = layered(behind)
    pair[2].shape("100mbit")
    begin(far, near, volume, "pull")
    with open(behind.file("base.qcow2"), "r+b") as f:
        f.seek(MIB)
        f.write(b"other bytes")
    pair[2].shape(None)
    assert wait_until(lambda: near.image(volume).job["state"] == "failed", 60)
    assert "changed" in near.image(volume).job["error"]


def test_names_are_guarded_here(places, pair):
    near, far, behind = places
    volume = layered(near)
    pair[2].shape("100mbit")
    begin(near, far, volume, "push")
    for call in (("vol-delete", "base.qcow2"), ("vol-wipe", volume), ("vol-upload", volume, "/dev/null")):
        assert "job" in far.host.fails(call[0], "--pool", far.name, *call[1:])
    assert "job" in far.host.fails("vol-delete", "--pool", near.name, volume)
    far.host.ok("vol-delete", "--pool", far.name, volume)
    assert not os.listdir(behind.path)
