# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is not known to be whole is not available; success is only said of what was seen done; nothing is left."""

import fcntl
import glob
import hashlib
import itertools
import os
import re
import struct

import libvirt
import pytest
from harness import images, space, xmlio
from harness.crypt import Key
from harness.faults import faulty_host
from harness.pools import Pool, code, wait_until


_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def lab(new_host):
    """(host, faults) whose daemon does as it is told."""
    return faulty_host(new_host)


@pytest.fixture
def ends(lab):
    """A source with a chain and an empty target in another region, on that host."""
    host, faults = lab
    name = f"doubt{next(_numbers)}"
    source, target = Pool(host, name + "s", region="cn-north-1"), Pool(host, name + "t", region="cn-east-2")
    source.chain(size_mib=16)
    yield source, target
    faults.disarm()
    if host.process is None or host.process.poll() is not None:
        host.process = None
        host.start()
    for pool in (target, source):
        for volume in reversed(pool.volumes()):
            host.virsh("vol-delete", volume, pool.name, "--delete-snapshots")
        host.virsh("pool-destroy", pool.name)
        host.virsh("pool-undefine", pool.name)


def slow(ends, **options):
    """A job in the middle of its work."""
    source, target = ends
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 256), **options)
    target.wait_job("web.qcow2", ("running",))
    return source, target


def jobs_of(target):
    return [path for path in glob.glob(target.file(".replication/jobs/*")) if not path.endswith(".new")]


def assert_clean(host, target):
    target.refresh()
    assert target.volumes() == []
    assert not [n for n in target.staging() if n.startswith(("partial/", "images/"))]


@pytest.mark.parametrize("end", ["resume", "cancel"])
def test_paused_job_that_is_overtaken(lab, ends, end):
    """Paused, it waits over a restart, and another job brings the layer that it was in the middle of: nothing is left of what it
    had written."""
    host, _ = lab
    source, target = slow(ends)
    assert wait_until(lambda: [name for name in target.staging() if name.startswith("partial/")])
    target.update("web.qcow2", "<replication:job action='pause'/>")
    target.wait_job("web.qcow2", ("paused",))
    host.restart()
    assert target.image("web.qcow2").job["state"] == "paused"
    assert [name for name in target.staging() if name.startswith("partial/")]
    images.overlay(source.file("other.qcow2"), "base.qcow2", "16M", writes=[(0, 65536, 7)])
    source.refresh()
    target.replicate(source, "other.qcow2")
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    target.update("web.qcow2", f"<replication:job action='{end}'/>")
    if end == "resume":
        target.wait_job("web.qcow2")
        images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    assert wait_until(lambda: not [name for name in target.staging() if name.startswith("partial/")])
    assert "base.qcow2" not in target.volumes(), "the layer that was brought has another name, this one held it"


def test_layer_of_an_earlier_plan_that_cannot_be_removed(lab, ends):
    """Another job brought the layer whose name this one holds; the name cannot be given back, so the job fails and says so, and its
    retry, which plans the same, gives it back."""
    _, faults = lab
    source, target = slow(ends)
    target.update("web.qcow2", "<replication:job action='pause'/>")
    target.wait_job("web.qcow2", ("paused",))
    images.overlay(source.file("other.qcow2"), "base.qcow2", "16M", writes=[(0, 65536, 7)])
    source.refresh()
    lab[0].restart()
    target.replicate(source, "other.qcow2")
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    faults.fail(target.file("base.qcow2"), calls=("unlink",), times=0)
    target.update("web.qcow2", "<replication:job action='resume'/>")
    target.wait_job("web.qcow2", ("failed",))
    faults.disarm()
    assert faults.hits and "base.qcow2" in target.volumes()
    target.update("web.qcow2", "<replication:job action='retry'/>")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    assert "base.qcow2" not in target.volumes()


def test_cancelled_and_still_running_on_record(lab, ends):
    """Its name is free: what a client makes of that name is neither the job's nor taken for it, by this daemon or by the next."""
    host, faults = lab
    _, target = slow(ends)
    faults.fail(target.file(".replication/jobs"), calls=("rename", "unlink"), times=0)
    host.ok("vol-delete", "web.qcow2", target.name)
    assert faults.hits
    host.ok("vol-create-as", target.name, "web.qcow2", "0", "--format", "raw")
    for restarts in range(2):
        image = target.image("web.qcow2")
        assert image.job is None and "is empty" in image.text("reason"), image.xml
        if restarts == 0:
            host.kill()
            faults.disarm()
            host.start()
            target.refresh()
    host.ok("vol-delete", "web.qcow2", target.name)
    assert_clean(host, target)


def test_full_disk_and_a_layer_in_place(lab, ends, small_ext4):
    """On a full disk a failed job gives up what it has written, but not the layer whose rename is said to have failed."""
    host, faults = lab
    source, _ = ends
    path = small_ext4(48)
    os.rmdir(os.path.join(path, "lost+found"))
    target = Pool(host, "fulldisk", region="cn-west-7", path=path)
    try:
        faults.arm("late", target.file(".replication/partial"), calls=("rename",))
        target.replicate(source, "web.qcow2", async_="yes")
        target.wait_job("web.qcow2", ("failed",))
        faults.disarm()
        assert faults.hits and os.path.getsize(target.file("base.qcow2")) > 0
        host.ok("vol-delete", "web.qcow2", target.name)
        assert_clean(host, target)
    finally:
        host.ok("pool-destroy", target.name)
        host.ok("pool-undefine", target.name)


# ---- at the daemon's start

def damage(path):
    os.truncate(path, os.path.getsize(path) // 2)


@pytest.mark.parametrize("spoil", [damage, os.unlink])
def test_empty_files_are_no_images(lab, ends, spoil):
    """Whatever becomes of the job's record: what holds a name is not available, and says why."""
    host, _ = lab
    source, target = slow(ends)
    host.kill()
    for path in jobs_of(target):
        spoil(path)
    host.start()
    for volume in target.volumes():
        image = target.image(volume)
        assert image.status != "available" and image.text("reason"), image.xml
        assert code(Pool.refusal(source, target, volume, name="x.qcow2")) == libvirt.VIR_ERR_OPERATION_INVALID
    for volume in reversed(target.volumes()):
        host.ok("vol-delete", volume, target.name)
    assert_clean(host, target)


def written_by_a_newer_version(path):
    """A record whole and sealed, but of a version that this one does not know; returns what it was."""
    with open(path, "rb") as f:
        was = f.read()
    text = was[:was.rindex(b"# sha256 ")].replace(b"version=1\n", b"version=2\n")
    with open(path, "wb") as f:
        f.write(text + b"# sha256 " + hashlib.sha256(text).hexdigest().encode() + b"\n")
    return was


def assert_doubtful(host, source, target):
    for volume in target.volumes():
        image = target.image(volume)
        assert image.status != "available" and (image.job or image.text("reason")), image.xml
        assert code(Pool.refusal(source, target, volume, name="x.qcow2")) == libvirt.VIR_ERR_OPERATION_INVALID
        host.fails("vol-download", volume, "/dev/null", "--pool", target.name)


def test_job_record_of_a_newer_version(lab, ends):
    """It is left alone, with all that it may need; what it holds is not available; the one who can read it goes on."""
    host, _ = lab
    source, target = slow(ends)
    assert wait_until(lambda: [name for name in target.staging() if name.startswith("partial/")])
    host.kill()
    records = {path: written_by_a_newer_version(path) for path in jobs_of(target)}
    assert len(records) == 1
    newer = {path: open(path, "rb").read() for path in records}
    host.start()
    target.refresh()
    partial = [name for name in target.staging() if name.startswith("partial/")]
    assert partial and target.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert_doubtful(host, source, target)
    host.restart()
    assert {path: open(path, "rb").read() for path in jobs_of(target)} == newer
    assert [name for name in target.staging() if name.startswith("partial/")] == partial
    for path, was in records.items():
        with open(path, "wb") as f:
            f.write(was)
    target.refresh()
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_image_record_of_a_newer_version(lab, ends):
    host, _ = lab
    source, target = ends
    target.replicate(source, "web.qcow2")
    records = {path: written_by_a_newer_version(path) for path in glob.glob(target.file(".replication/images/*"))}
    target.refresh()
    assert_doubtful(host, source, target)
    assert "cannot be read" in target.image("web.qcow2").text("reason")
    for path, was in records.items():
        with open(path, "wb") as f:
            f.write(was)
    assert target.image("web.qcow2").status == "available"


@pytest.mark.parametrize("calls,where", [(("open",), "jobs"), (("read",), "jobs"), (("read",), "images"),
                                         (("open",), "lease")])
def test_what_cannot_be_read_at_the_start(lab, ends, calls, where):
    """It reads as pending or error with a reason; when it can be read again, the job goes on."""
    host, faults = lab
    _, target = slow(ends)
    host.kill()
    folder = target.file(".replication")
    faults.fail(os.path.join(folder, where), calls=calls, times=0)
    host.start()
    for volume in target.volumes():
        image = target.image(volume)
        assert image.status != "available", image.xml
        assert image.job is not None or image.text("reason"), image.xml
    hits = faults.hits
    faults.disarm()
    assert hits or where == "lease"
    target.refresh()
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    target.wait_job("web.qcow2")
    images.assert_faithful(ends[0].file("web.qcow2"), target.file("web.qcow2"))


class OtherHost:
    """A daemon elsewhere that has the lease: by its lock, which a daemon of this host cannot get either."""

    def __init__(self, target):
        self.file = open(target.file(".replication/lease.lock"), "r+b")

    def __enter__(self):
        # F_OFD_SETLK: struct flock, a write lock of byte 0
        fcntl.fcntl(self.file, 37, struct.pack("=hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))

    def __exit__(self, *_):
        self.file.close()


def test_lease_of_another_host(lab, ends):
    """Its jobs' placeholders are pending here, too, and cannot be deleted under it."""
    host, _ = lab
    _, target = slow(ends)
    host.kill()
    with OtherHost(target):
        host.start()
        for volume in target.volumes():
            image = target.image(volume)
            assert image.status == "pending" and image.job is not None, image.xml
            assert "not available" in host.fails("vol-delete", volume, target.name)
    target.refresh()
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    target.wait_job("web.qcow2")


# ---- the end

@pytest.mark.parametrize("restart", [False, True])
def test_image_record_that_cannot_be_written(lab, ends, restart):
    """What is in place is available, at once or at the next look; nothing is lost."""
    host, faults = lab
    source, target = ends
    target.replicate(source, "web.qcow2", start="no")
    faults.fail(target.file(".replication/images"), calls=("rename",), times=0)
    target.update("web.qcow2", "<replication:job action='start'/>")
    assert target.wait_job("web.qcow2", ("failed", "completed"))["state"] == "failed"
    hits = faults.hits
    if restart:
        host.kill()
    faults.disarm()
    assert hits
    if restart:
        host.start()
    assert target.image("web.qcow2").status == "error"
    target.update("web.qcow2", "<replication:job action='retry'/>")
    target.wait_job("web.qcow2")
    assert target.image("web.qcow2").status == "available"
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_read_only_file_system(lab, ends, scratch):
    """Nothing can be removed: delete and cancel say so, and can be tried again."""
    host, _ = lab
    source, _ = ends
    path = os.path.join(scratch, "tmpfs")
    os.makedirs(path)
    space.run("mount", "-t", "tmpfs", "none", path)
    target = Pool(host, "readonly", region="cn-west-9", path=path)
    target.replicate(source, "web.qcow2", start="no")
    space.run("mount", "-o", "remount,ro", path)
    try:
        assert "Read-only" in host.fails("vol-delete", "web.qcow2", target.name)
        assert target.update("web.qcow2", "<replication:job action='cancel'/>", check=False).rc != 0
        assert target.volumes() == ["web.qcow2"] and target.image("web.qcow2").status == "error"
    finally:
        space.run("mount", "-o", "remount,rw", path)
    host.ok("vol-delete", "web.qcow2", target.name)
    assert_clean(host, target)
    host.ok("pool-destroy", target.name)
    host.ok("pool-undefine", target.name)


def test_refused_request_that_cannot_be_taken_back(lab, ends):
    """The client was told that there is no replica, so none is made: not at a refresh, and not by the next daemon."""
    host, faults = lab
    source, target = ends
    for _ in range(2):  # the first one makes folders, too
        faults.count(target.path)
        target.replicate(source, "web.qcow2", start="no")
        faults.disarm()
        host.ok("vol-delete", "web.qcow2", target.name)
    first = next(n for n, (_, path, _) in enumerate(faults.log(), 1) if "/images/" in path)
    for restart in (False, True):
        for start in ("yes", "no"):
            before = set(target.staging())
            faults.fail(target.path, nth=first, times=0)  # from the image's record on
            assert target.try_replicate(source, "web.qcow2", async_="yes", start=start).rc != 0
            hits = faults.hits
            if restart:
                host.kill()
            faults.disarm()
            assert hits > 3  # the record, the placeholder, the job's record, that it was refused
            if restart:
                host.start()
            else:
                for volume in target.volumes():
                    image = target.image(volume)
                    assert image.status != "available" and image.job is None and image.text("reason"), image.xml
            target.refresh()
            assert target.volumes() == []
            # The new text of a record that could not be removed, either, goes at the next start, or when it is a minute old.
            left = {name for name in target.staging() if "/" in name and not name.endswith(".new")}
            assert left <= before
            target.replicate(source, "web.qcow2")
            host.ok("vol-delete", "web.qcow2", target.name, "--delete-snapshots")


def test_record_that_cannot_be_read_is_not_written_over(lab, ends):
    """A newer version wrote it while this one verified the image."""
    _, faults = lab
    source, _ = ends
    source.update("web.qcow2", "<replication:description>mine</replication:description>")
    record, = glob.glob(source.file(".replication/images/*"))
    faults.arm("delay", source.file("base.qcow2"), calls=("read",), times=0, err=500)
    source.update("web.qcow2", "<replication:job action='verify'/>")
    assert source.image("web.qcow2").job["state"] not in ("completed", "failed")
    written_by_a_newer_version(record)
    with open(record, "rb") as f:
        newer = f.read()
    faults.disarm()
    job, = jobs_of(source)
    assert wait_until(lambda: not os.path.exists(job) or "state=failed" in open(job).read(), 60)
    with open(record, "rb") as f:
        assert f.read() == newer


def test_placeholder_removed_by_hand(lab, ends):
    """A job that rests without a file under its name is seen by nobody: it ends at the next refresh."""
    host, _ = lab
    source, target = ends
    target.replicate(source, "web.qcow2", start="no")
    os.unlink(target.file("web.qcow2"))
    target.refresh()
    assert_clean(host, target)
    host.ok("vol-resize", "web.qcow2", "17M", source.name)  # nothing is pinned


# ---- what is left

def test_placeholder_removed_while_the_daemon_is_away(lab, ends):
    """The layers' placeholders and the partial files go with it."""
    host, _ = lab
    _, target = slow(ends)
    host.kill()
    os.unlink(target.file("web.qcow2"))
    host.start()
    assert_clean(host, target)
    assert not [p for p in jobs_of(target)]


def test_name_taken_while_the_daemon_is_away(lab, ends):
    """A sparse file is a disk of zeroes, and an empty one is not ours either: they stay."""
    host, _ = lab
    _, target = slow(ends)
    host.kill()
    os.unlink(target.file("web.qcow2"))
    os.unlink(target.file("base.qcow2"))
    with open(target.file("web.qcow2"), "wb") as f:
        f.truncate(1 << 20)
    host.start()
    target.refresh()
    assert target.image("web.qcow2").status == "available"
    assert os.path.getsize(target.file("web.qcow2")) == 1 << 20
    assert target.volumes() == ["web.qcow2"]
    host.ok("vol-delete", "web.qcow2", target.name)
    assert_clean(host, target)


def test_partial_files_of_nobody(lab, ends):
    host, _ = lab
    source, target = ends
    target.replicate(source, "web.qcow2")
    left = target.file(".replication/partial/01234567-89ab-4def-8123-456789abcdef.0")
    with open(left, "wb") as f:
        f.truncate(1 << 20)
    target.refresh()
    assert not os.path.exists(left)
    with open(left, "wb") as f:
        f.truncate(1 << 20)
    host.restart()
    assert not os.path.exists(left)


@pytest.mark.parametrize("other", [True, False])
def test_journal_is_not_believed_beyond_what_is_there(lab, ends, other):
    """done=true of a partial file that is another one, of the same size and header, or none."""
    host, faults = lab
    source, target = ends
    target.replicate(source, "web.qcow2", start="no")
    partial = target.file(".replication/partial/" + target.image("web.qcow2").job["id"])
    faults.arm("delay", partial + ".1", calls=("allocate", "truncate", "write", "sync"), times=0, err=30000)
    target.update("web.qcow2", "<replication:job action='start'/>")
    assert wait_until(lambda: target.image("web.qcow2").job["steps"][0]["state"] == "done")
    target.update("web.qcow2", "<replication:job action='pause'/>")
    assert wait_until(lambda: "done=true" in open(jobs_of(target)[0]).read())
    host.kill()
    faults.disarm()
    done, = set(glob.glob(partial + ".*")) - {partial + ".1"}
    size = os.path.getsize(done)
    with open(done, "rb") as f:
        head = f.read(1 << 20)
    os.unlink(done)
    if other:
        with open(done, "wb") as f:  # often with the same inode
            f.write(head)
            f.truncate(size)
    host.start()
    target.update("web.qcow2", "<replication:job action='resume'/>")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_directory_replaced_under_a_job(lab, ends):
    """No image is put into the folder that has the path now. The job fails and says why; with its own folder back, its retry completes."""
    host, faults = lab
    source, target = ends
    target.replicate(source, "web.qcow2", start="no")
    job, own = target.image("web.qcow2").job["id"], target.path + ".own"
    faults.arm("delay", target.file(f".replication/partial/{job}.0"), calls=("sync",), err=60000)
    target.update("web.qcow2", "<replication:job action='start'/>")
    assert wait_until(lambda: faults.hits, 60)  # it writes
    os.rename(target.path, own)
    os.makedirs(target.path)
    try:
        faults.disarm()
        assert wait_until(lambda: "was replaced while the job ran" in host.log(), 60)
        assert set(os.listdir(target.path)) <= {".replication"}
        assert all(os.path.getsize(os.path.join(own, name)) == 0 for name in os.listdir(own) if name.endswith(".qcow2"))
    finally:
        space.run("rm", "-rf", target.path)
        os.rename(own, target.path)
    target.refresh()
    assert target.image("web.qcow2").status == "error"
    target.update("web.qcow2", "<replication:job action='retry'/>")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


@pytest.mark.parametrize("call", ["stat", "open", "read"])
def test_base_of_a_volume_that_cannot_be_looked_at(lab, ends, call):
    """It does not lose its guard, neither then nor later."""
    host, faults = lab
    source, _ = ends
    assert "is the backing file of" in host.fails("vol-delete", "base.qcow2", source.name)
    os.utime(source.file("mid.qcow2"))
    with faults.failing(source.file("mid.qcow2"), calls=(call,), times=0):
        assert "is the backing file of" in host.fails("vol-delete", "base.qcow2", source.name)
        assert "is the backing file of" in host.fails("vol-wipe", "base.qcow2", source.name)
    assert faults.hits
    assert "is the backing file of" in host.fails("vol-delete", "base.qcow2", source.name)
    assert source.image("web.qcow2").snapshots == ["mid.qcow2", "base.qcow2"]


@pytest.mark.parametrize("call", ["stat", "open", "read"])
def test_base_of_a_volume_that_was_never_looked_at(lab, ends, call):
    """Nobody knows yet what it needs."""
    host, faults = lab
    source, _ = ends
    images.create(source.file("other.qcow2"), "8M")
    source.refresh()
    with faults.failing(source.file("late.qcow2"), calls=(call,), times=0):
        images.create(source.file("late.qcow2"), "8M", backing="other.qcow2")
        assert "may need volume 'other.qcow2'" in host.fails("vol-delete", "other.qcow2", source.name)
        assert "may need volume 'other.qcow2'" in host.fails("vol-wipe", "other.qcow2", source.name)
    assert faults.hits
    assert "is the backing file of late.qcow2" in host.fails("vol-delete", "other.qcow2", source.name)
    os.unlink(source.file("late.qcow2"))
    host.ok("vol-delete", "other.qcow2", source.name)


# ---- over when it says so

def test_nothing_stands_in_the_way_of_the_next_call(lab, ends):
    """From the moment that it shows as completed: the source may change, the pool may stop."""
    host, _ = lab
    source, target = ends
    conn = host.connect()
    pool = conn.storagePoolLookupByName(target.name)
    src = conn.storagePoolLookupByName(source.name)
    key = Key(host)
    assert key.uuid
    for number in range(40):
        name = f"r{number}.qcow2"
        pool.createXMLFrom(xmlio.replicate(name=name, async_="yes"), src.storageVolLookupByName("web.qcow2"))
        while True:
            image = xmlio.Image(pool.storageVolLookupByName(name).XMLDesc())
            ended = image.job["state"] == "completed"
            assert ended == (image.status == "available"), image.xml
            if ended:
                break
        if number % 2:
            src.storageVolLookupByName("web.qcow2").resize((16 << 20) + (number << 16))
        else:
            pool.destroy()
            pool.create()
        pool.storageVolLookupByName(name).delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)
    conn.close()
    assert_clean(host, target)
