# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication as a job: pending replicas, progress, plans, verbs, queue, tokens, limits."""

import os
import subprocess
import threading
import time

import libvirt
import pytest
from harness import images, space, xmlio
from harness.pools import Pool, code, two_regions, wait_until

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
SLOW = ("KiB/s", 1024)
ENDED = ("completed", "failed", "cancelled")


@pytest.fixture
def sourced(regions):
    regions[0].chain()
    return regions


@pytest.fixture
def running(sourced):
    """A slow copy that runs; deleted in the end."""
    source, target = sourced
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=SLOW)
    target.wait_job("web.qcow2", ("running",))
    yield source, target
    if target.host.process is None:
        target.host.start()
    if "web.qcow2" in target.volumes():
        target.host.virsh("vol-delete", "web.qcow2", target.name, "--delete-snapshots")


def verb(pool, volume, action, check=True):
    return pool.update(volume, f"<replication:job action='{action}'/>", check=check)


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


# ---- pending replicas

def test_async_returns_at_once_and_shows_progress(sourced):
    """The call returns while the job cannot end: it may copy 1 KiB/s."""
    source, target = sourced
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 1))
    assert "web.qcow2" in target.volumes()
    image = target.image("web.qcow2")
    assert image.status == "pending"
    target.update("web.qcow2", "<replication:bandwidth unit='KiB/s'>3072</replication:bandwidth>")
    assert image.snapshots == ["mid.qcow2", "base.qcow2"]
    last, rates, allocations = -1, [], set()
    while (job := target.image("web.qcow2").job)["state"] not in ENDED:
        progress = int(job["progress"])
        assert progress >= last, "progress went back"
        assert int(job["processed"]) + int(job["remaining"]) == int(job["total"])
        last = progress
        rates.append(int(job["rate"]))
        allocations.add(target.host.ok("vol-info", "web.qcow2", target.name, "--bytes"))
        time.sleep(0.05)
    assert job["state"] == "completed" and job["progress"] == "100"
    assert 0 < last < 100 and len(allocations) > 2
    assert max(rates) > 0
    assert target.image("web.qcow2").status == "available"
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_eta_is_seconds(running):
    time.sleep(1.5)
    job = running[1].image("web.qcow2").job
    assert 0 < int(job["eta"]) < 60


def test_synchronous_request_blocks_and_shows_the_same_to_others(host, sourced):
    source, target = sourced
    seen = []
    thread = threading.Thread(target=lambda: seen.append(
        target.try_replicate(source, "web.qcow2", bandwidth=("KiB/s", 4096))))
    thread.start()
    assert wait_until(lambda: "web.qcow2" in target.volumes())
    assert target.image("web.qcow2").status == "pending"
    thread.join(30)
    assert seen[0].rc == 0
    assert target.image("web.qcow2").status == "available"


def test_pending_survives_refresh(running):
    source, target = running
    target.refresh()
    assert target.image("web.qcow2").status == "pending"
    assert target.volumes().count("web.qcow2") == 1


def test_polling_is_quick(host, running):
    """No disk I/O, never blocked by the copy."""
    source, target = running
    vol = host.connect().storagePoolLookupByName(target.name).storageVolLookupByName("web.qcow2")
    times = []
    for _ in range(300):
        began = time.perf_counter()
        vol.XMLDesc(0)
        times.append(time.perf_counter() - began)
    times.sort()
    assert times[int(len(times) * 0.99)] < 0.05  # the bench holds it to 5 ms on a quiet machine


# ---- plans

def test_plan_lists_steps_and_does_nothing(sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2", start="no")
    image = target.image("web.qcow2")
    assert image.status == "pending" and image.job["state"] == "planned"
    assert [step["layer"] for step in image.job["steps"]] == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert all(int(step["bytes"]) > 0 for step in image.job["steps"] if step["action"] == "copy")
    assert int(image.job["total"]) == sum(int(step["bytes"]) for step in image.job["steps"])
    assert target.volumes() == ["web.qcow2"]
    verb(target, "web.qcow2", "start")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_plan_is_refused_when_the_source_changed(sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2", start="no")
    images.write(source.file("web.qcow2"), [(0, 4096, 9)])
    result = verb(target, "web.qcow2", "start", check=False)
    if result.rc == 0:
        job = target.wait_job("web.qcow2", ("failed",))
        assert "web.qcow2" in job["error"]
    else:
        assert "web.qcow2" in result.err
    assert target.image("web.qcow2").status != "available"
    target.host.ok("vol-delete", "web.qcow2", target.name)


def test_plan_can_be_deleted(sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2", start="no")
    target.host.ok("vol-delete", "web.qcow2", target.name)
    assert nothing_left(target)
    target.replicate(source, "web.qcow2")


# ---- cancel, pause, retry

@pytest.mark.parametrize("how", ["vol-delete", "cancel"])
def test_cancel_takes_at_most_a_second(running, how):
    source, target = running
    time.sleep(1)
    began = time.monotonic()
    if how == "vol-delete":
        target.host.ok("vol-delete", "web.qcow2", target.name)
    else:
        verb(target, "web.qcow2", "cancel")
    assert wait_until(lambda: nothing_left(target), 5)
    assert time.monotonic() - began < 1.5  # two of virsh's own starts are in it
    assert target.usage() == {"images": 0, "snapshots": 0, "bytes": 0}
    target.replicate(source, "web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_cancel_leaves_layers_that_were_there(sourced):
    source, target = sourced
    images.overlay(source.file("db.qcow2"), "base.qcow2")
    source.refresh()
    target.replicate(source, "db.qcow2")
    before = target.state()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=SLOW)
    time.sleep(0.5)
    target.host.ok("vol-delete", "web.qcow2", target.name)
    assert wait_until(lambda: target.state() == before, 3)


def test_pause_and_resume(running):
    source, target = running
    verb(target, "web.qcow2", "pause")
    target.wait_job("web.qcow2", ("paused",))
    processed = target.image("web.qcow2").job["processed"]
    time.sleep(1)
    assert target.image("web.qcow2").job["processed"] == processed
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>")
    verb(target, "web.qcow2", "resume")
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_paused_stays_paused_over_a_restart(running):
    source, target = running
    verb(target, "web.qcow2", "pause")
    target.wait_job("web.qcow2", ("paused",))
    target.host.restart()
    assert target.image("web.qcow2").job["state"] == "paused"
    verb(target, "web.qcow2", "resume")
    assert target.image("web.qcow2").job["state"] in ("queued", "running")


@pytest.mark.parametrize("action", ["start", "retry", "resume"])
def test_verbs_that_a_running_job_refuses(running, action):
    source, target = running
    result = verb(target, "web.qcow2", action, check=False)
    assert result.rc != 0 and "running" in result.err


@pytest.mark.parametrize("action", ["start", "cancel", "retry", "pause", "resume"])
def test_verbs_that_a_completed_job_refuses(sourced, action):
    source, target = sourced
    target.replicate(source, "web.qcow2")
    assert verb(target, "web.qcow2", action, check=False).rc != 0
    assert target.image("web.qcow2").status == "available"
    assert verb(source, "web.qcow2", action, check=False).rc != 0


def test_disk_full_in_mid_copy_then_retry(host, sourced, small_ext4):
    source = sourced[0]
    mounted = small_ext4(24)
    target = Pool(host, "full", region="full", path=mounted)
    try:
        target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 3072))
        with open(mounted + "/filler", "wb") as f, pytest.raises(OSError):
            while True:
                f.write(bytes(1 << 20))
                f.flush()
        job = target.wait_job("web.qcow2", ("failed",), 30)
        assert "space" in job["error"].lower()
        assert target.image("web.qcow2").status == "error"
        os.unlink(mounted + "/filler")
        verb(target, "web.qcow2", "retry")
        target.wait_job("web.qcow2", ("completed",), 30)
        images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    finally:
        host.virsh("vol-delete", "web.qcow2", "full")
        wait_until(lambda: host.virsh("pool-destroy", "full").rc == 0, 5)
        host.virsh("pool-undefine", "full")


# ---- queue

@pytest.fixture(scope="module")
def queued_host(new_host):
    host = new_host()
    host.configure("max_jobs = 1\nmax_waiting = 3\nbandwidth_mib_per_s = 'fast'\nno_such_key = 1\n")
    return host.start()


def test_bad_configuration_is_a_log_line_and_the_default(queued_host):
    log = queued_host.log()
    assert sum("bandwidth_mib_per_s" in line for line in log.splitlines()) == 1
    assert sum("no_such_key" in line for line in log.splitlines()) == 1


def test_queue_runs_one_after_the_other(queued_host):
    source, target = two_regions(queued_host)
    source.chain()
    names = [f"q{n}.qcow2" for n in range(3)]
    try:
        images.create(source.file("i0.qcow2"))
        for n, name in enumerate(names):
            images.overlay(source.file(f"i{n}.qcow2"), "base.qcow2", writes=[(n << 20, 1 << 20, n + 1)])
        source.refresh()
        for n, name in enumerate(names):
            target.replicate(source, f"i{n}.qcow2", name=name, async_="yes", bandwidth=("KiB/s", 2048))
        states = [target.image(name).job["state"] for name in names]
        assert states[0] in ("running", "verifying") and states[1:] == ["queued", "queued"]
        assert [target.image(name).job.get("position") for name in names[1:]] == ["1", "2"]
        ended = []
        while len(ended) < 3:
            active = [n for n in names if target.image(n).job["state"] in
                      ("running", "verifying", "publishing")]
            # One may have ended, and the next begun, between two looks.
            assert len([n for n in active if target.image(n).job["state"] not in ENDED]) <= 1
            ended += [n for n in names if n not in ended and target.image(n).job["state"] in ENDED]
            time.sleep(0.05)
        assert ended == names
        assert target.image("q2.qcow2").actions["base.qcow2"] == "reuse"
    finally:
        for pool in (source, target):
            wait_until(lambda: queued_host.virsh("pool-destroy", pool.name).rc == 0, 5)
            queued_host.virsh("pool-undefine", pool.name)


def test_job_that_waits_for_a_paused_one_leaves_its_slot_to_others(queued_host):
    """The second image needs a layer that the paused job is copying; the third needs nothing of it."""
    source = Pool(queued_host, "claim-source", region="c")
    target = Pool(queued_host, "claim-target", region="d")
    source.chain()
    images.overlay(source.file("second.qcow2"), "base.qcow2", writes=[(0, 1 << 20, 2)])
    images.base(source.file("third.qcow2"), 8)
    source.refresh()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=SLOW)
    target.wait_job("web.qcow2", ("running",))
    verb(target, "web.qcow2", "pause")
    target.wait_job("web.qcow2", ("paused",))
    target.replicate(source, "second.qcow2", async_="yes")
    target.replicate(source, "third.qcow2", async_="yes")
    target.wait_job("third.qcow2")
    assert target.image("second.qcow2").job["state"] not in ENDED
    assert target.image("web.qcow2").job["state"] == "paused"
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>0</replication:bandwidth>")
    verb(target, "web.qcow2", "resume")
    for volume in ("web.qcow2", "second.qcow2"):
        target.wait_job(volume)
        images.assert_faithful(source.file(volume), target.file(volume))
    assert target.image("second.qcow2").actions["base.qcow2"] == "reuse"


def test_blocked_requests_leave_workers_free(queued_host):
    """More synchronous requests than may wait are refused and pointed to async; the rest answers."""
    source = Pool(queued_host, "wide-source", region="a")
    target = Pool(queued_host, "wide-target", region="b")
    for n in range(20):
        images.create(source.file(f"i{n}.img"), "1M", "raw")
        images.write(source.file(f"i{n}.img"), [(0, 1 << 20, n + 1)], fmt="raw")
    source.refresh()
    with xmlio.xml_file(xmlio.replicate(fmt=None, bandwidth=("KiB/s", 256))) as f:
        clients = [subprocess.Popen(
            ["virsh", "-q", "-c", queued_host.uri(), "vol-create-from", target.name, f.name, f"i{n}.img",
             "--inputpool", source.name], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=space.die_with_parent) for n in range(20)]
        assert wait_until(lambda: len(target.volumes()) >= 3, 20)
        began = time.monotonic()
        target.dumpxml()
        for volume in target.volumes():
            target.image(volume)
        assert time.monotonic() - began < 2
        for volume in target.volumes():
            queued_host.ok("vol-delete", volume, target.name)
        results = [client.communicate(timeout=30) + (client.returncode,) for client in clients]
    refused = [err for _, err, rc in results if rc != 0 and "async" in err]
    assert len(refused) >= 20 - 3 - 4
    assert wait_until(lambda: target.volumes() == [], 10)


def test_hundred_jobs_all_finish(host, regions):
    source, target = regions
    for n in range(100):
        with open(source.file(f"i{n}.img"), "wb") as f:
            f.write(bytes([n + 1]) * 65536)
    source.refresh()
    conn = host.connect()
    pool = conn.storagePoolLookupByName(target.name)
    vols = {vol.name(): vol for vol in conn.storagePoolLookupByName(source.name).listAllVolumes()}
    for n in range(100):
        pool.createXMLFrom(xmlio.replicate(fmt=None, async_="yes"), vols[f"i{n}.img"], 0)

    def pending():
        return [vol.name() for vol in pool.listAllVolumes()
                if xmlio.Image(vol.XMLDesc(0)).status != "available"]

    assert wait_until(lambda: not pending(), 60), pending()
    for n in range(100):
        assert images.file_digest(source.file(f"i{n}.img")) == images.file_digest(target.file(f"i{n}.img"))


# ---- idempotency

def test_token_returns_the_same_replica(host, sourced):
    source, target = sourced
    request = dict(token="nightly-1", async_="yes", bandwidth=("KiB/s", 4096))
    assert target.replicate(source, "web.qcow2", **request) == "web.qcow2"
    first = target.image("web.qcow2")
    assert target.replicate(source, "web.qcow2", **request) == "web.qcow2"
    target.wait_job("web.qcow2")
    assert target.replicate(source, "web.qcow2", **request) == "web.qcow2"
    host.restart()
    assert target.replicate(source, "web.qcow2", **request) == "web.qcow2"
    again = target.image("web.qcow2")
    assert (again.id, again.job["id"]) == (first.id, first.job["id"])
    assert target.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]


def test_token_with_another_request_is_refused(sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2", token="t1")
    assert code(target.refusal(source, "mid.qcow2", token="t1")) == INVALID
    assert code(target.refusal(source, "web.qcow2", token="t1", name="other.qcow2")) == INVALID


def test_token_is_never_shown(host, sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2", token="hush-hush-4711")
    for xml in (target.image("web.qcow2").xml, target.dumpxml(), host.log(),
                host.ok("vol-dumpxml", "web.qcow2", target.name, readonly=True)):
        assert "hush-hush-4711" not in xml


def test_same_image_to_the_same_region_while_a_job_runs(running):
    source, target = running
    job = target.image("web.qcow2").job["id"]
    result = target.try_replicate(source, "web.qcow2", name="second.qcow2")
    assert result.rc != 0 and job in result.err
    assert "second.qcow2" not in target.volumes()


def test_two_clients_race_for_one_name(host, new_pool):
    a, b, target = new_pool("a"), new_pool("b"), new_pool("c")
    for n, pool in enumerate((a, b)):
        images.base(pool.file("one.qcow2"), 8, seed=n)
        pool.refresh()
    results = []
    threads = [threading.Thread(target=lambda pool=pool: results.append(
        (pool, target.try_replicate(pool, "one.qcow2")))) for pool in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    won = [pool for pool, result in results if result.rc == 0]
    assert len(won) == 1, results
    images.compare(won[0].file("one.qcow2"), target.file("one.qcow2"))


def test_one_image_to_many_regions(host, regions, new_pool):
    source = regions[0]
    source.chain()
    targets = [new_pool(f"many-{n}") for n in range(3)]
    for target in targets:
        target.replicate(source, "web.qcow2", async_="yes")
    for target in targets:
        target.wait_job("web.qcow2")
        images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_shared_layers_are_copied_once_by_concurrent_jobs(host, regions):
    """A chain whose layers are shared by several images, all asked for at once."""
    source, target = regions
    source.chain()
    for n in range(3):
        images.overlay(source.file(f"i{n}.qcow2"), "mid.qcow2", writes=[(n << 20, 65536, n + 1)])
    source.refresh()
    for n in range(3):
        target.replicate(source, f"i{n}.qcow2", async_="yes")
    for n in range(3):
        target.wait_job(f"i{n}.qcow2")
        images.assert_faithful(source.file(f"i{n}.qcow2"), target.file(f"i{n}.qcow2"))
    assert target.volumes() == ["base.qcow2", "i0.qcow2", "i1.qcow2", "i2.qcow2", "mid.qcow2"]


def test_jobs_on_a_base_that_is_there_run_side_by_side(sourced):
    """They claim only what they make."""
    source, target = sourced
    target.replicate(source, "web.qcow2")
    names = ("a.qcow2", "b.qcow2")
    for n, name in enumerate(names):
        images.overlay(source.file(name), "base.qcow2", writes=[(0, 2 << 20, n + 1)])
    source.refresh()
    for name in names:
        target.replicate(source, name, async_="yes", bandwidth=SLOW)
    assert wait_until(lambda: [target.image(name).job["state"] for name in names] == ["running"] * 2)
    for name in names:
        assert target.image(name).actions["base.qcow2"] == "reuse"
        target.host.ok("vol-delete", name, target.name)


# ---- limits

def test_bandwidth_limit_holds_and_can_be_changed(sourced):
    source, target = sourced
    images.write_random(source.file("web.qcow2"), 0, 24 << 20, 1)
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=2)

    def rate(seconds):
        first, began = int(target.image("web.qcow2").job["processed"]), time.monotonic()
        time.sleep(seconds)
        return (int(target.image("web.qcow2").job["processed"]) - first) / (time.monotonic() - began) / (1 << 20)

    time.sleep(0.5)
    assert 1.4 < rate(3) < 2.6
    target.update("web.qcow2", "<replication:bandwidth unit='MiB/s'>5</replication:bandwidth>")
    time.sleep(0.3)
    assert 3.5 < rate(2) < 6.5
    target.host.ok("vol-delete", "web.qcow2", target.name)
    wait_until(lambda: nothing_left(target), 5)


def test_log_has_start_and_end(host, sourced):
    source, target = sourced
    target.replicate(source, "web.qcow2")
    job = target.image("web.qcow2").job["id"]
    lines = [line for line in host.log().splitlines() if job in line]
    assert len(lines) >= 2
    assert any("completed" in line for line in lines)
