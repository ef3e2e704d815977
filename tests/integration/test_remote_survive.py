# SPDX-License-Identifier: LGPL-2.1-or-later
"""What replication between hosts must survive: each leaves no wrong image and nothing of the job behind."""

import os
import subprocess
import threading
import time

import pytest
from harness import images, net
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, three_places, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link), whose jobs wait for each other for 10 seconds only."""
    here, there = new_host(), new_host(listen=("tcp",))
    for host in (here, there):
        serving(host, "peer_gone_seconds = 10\n").start()
    return here, there, net.Link(there, here)


def big_image(pool, mib=48, name="big.qcow2"):
    path = pool.file(name)
    images.create(path, size=f"{mib + 16}M")
    images.write_random(path, 0, mib * MIB, seed=7)
    pool.refresh()
    return name


def ends(places, direction):
    near, far, behind = places
    return (near, far, near, behind) if direction == "push" else (far, near, behind, near)


def background(target, source, volume, **options):
    results = []
    thread = threading.Thread(target=lambda: results.append(target.try_replicate(source, volume, timeout_s=120, **options)))
    thread.start()
    return thread, results


def nothing_left(pool, volume):
    return volume not in pool.volumes() and not [n for n in pool.staging() if n.startswith("partial/")]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_network_down_for_good(places, pair, direction):
    """A request that a client waits for fails after the configured time, and both ends let go."""
    source, target, here, there = ends(places, direction)
    link = pair[2]
    volume = big_image(here)
    link.shape("100mbit")
    thread, results = background(target, source, volume)
    time.sleep(2)
    link.cut()
    thread.join(60)
    assert results and results[0].rc != 0
    assert wait_until(lambda: nothing_left(there, volume), 30), there.staging()
    # the source is free again
    assert wait_until(lambda: here.host.virsh("vol-delete", "--pool", here.name, volume).rc == 0, 30)


def test_peer_away_at_once(places, pair):
    """Nothing is begun with a peer that is away, and it does not take long."""
    near, far, behind = places
    volume = near.chain()
    pair[2].swallow()
    try:
        began = time.monotonic()
        assert far.try_replicate(near, volume, timeout_s=60).rc != 0
        assert near.try_replicate(far, "any.qcow2", timeout_s=60).rc != 0
        assert time.monotonic() - began < 40
    finally:
        pair[2].deliver()
    assert near.image(volume).status == "available"


def test_quota_of_the_peer(pair):
    with three_places(pair, quota={"images": 0}) as (near, far, behind):
        volume = near.chain()
        result = far.try_replicate(near, volume)
        assert result.rc != 0 and "quota" in result.err.lower(), result.err
        assert nothing_left(behind, volume)


def test_name_taken_there(places):
    near, far, behind = places
    volume = near.chain()
    images.create(behind.file(volume), size="1M")
    behind.refresh()
    before = images.file_digest(behind.file(volume))
    result = far.try_replicate(near, volume)
    assert result.rc != 0 and volume in result.err
    assert images.file_digest(behind.file(volume)) == before


def test_source_changed_during_pull(places, pair):
    near, far, behind = places
    volume = big_image(behind)
    pair[2].shape("100mbit")
    thread, results = background(near, far, volume)
    time.sleep(2)
    with open(behind.file(volume), "r+b") as f:  # by someone who knows no locks
        f.seek(MIB)
        f.write(b"other bytes")
    thread.join(120)
    assert results[0].rc != 0 and "chang" in results[0].err, results[0].err
    assert nothing_left(near, volume)


def test_peers_pool_stopped(places, pair):
    near, far, behind = places
    volume = near.chain()
    behind.host.ok("pool-destroy", behind.name)
    result = far.try_replicate(near, volume)
    assert result.rc != 0 and behind.name in result.err or "active" in result.err, result.err
    behind.host.ok("pool-start", behind.name)
    assert far.replicate(near, volume) == volume


def test_two_hosts_one_target(new_host, pair, places):
    """Of two hosts that push an image of one name to one pool, one makes it and the other one is told."""
    here, there, link = pair
    near, far, behind = places
    third = new_host().start()
    side = net.Link(there, third)
    theirs = Pool(third, "near", region="cn-west-9")
    beyond = RemotePool(third, "far", behind.name, uri=uri(side))
    volume = big_image(near, mib=8)
    assert big_image(theirs, mib=8) == volume
    link.shape("100mbit")
    side.shape("100mbit")
    threads = [background(far, near, volume), background(beyond, theirs, volume)]
    for thread, _ in threads:
        thread.join(120)
    outcomes = sorted(results[0].rc == 0 for _, results in threads)
    assert outcomes == [False, True], [results[0].err for _, results in threads]
    images.assert_faithful(near.file(volume), behind.file(volume))


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_either_host_restarted(places, pair, direction):
    """First the other one, then this one, in the middle of a job, with the network down meanwhile."""
    source, target, here, there = ends(places, direction)
    link = pair[2]
    volume = big_image(here, mib=24)
    link.shape("60mbit")
    assert target.try_replicate(source, volume, **{"async": "yes"}).rc == 0
    for host in (pair[1], pair[0]):
        there.wait_job(volume, ("running", "waiting", "completed"))
        link.cut()
        host.restart()
        link.mend()
        places[1].wait_peer("connected")
    there.wait_job(volume, timeout_s=120)
    images.assert_faithful(here.file(volume), there.file(volume))


def test_quota_reached_meanwhile(pair):
    """By files that come into the pool without libvirt: the replica is made, and not published."""
    with three_places(pair, quota={"bytes": 40 * MIB}) as (near, far, behind):
        volume = big_image(near, mib=24)
        pair[2].shape("60mbit")
        thread, results = background(far, near, volume)
        assert wait_until(lambda: volume in behind.volumes(), 30)
        with open(behind.file("other.raw"), "wb") as f:
            f.write(b"x" * 30 * MIB)
        behind.refresh()
        thread.join(120)
        assert results[0].rc != 0 and "quota" in results[0].err.lower(), results[0].err
        assert wait_until(lambda: nothing_left(behind, volume), 30)


def test_peers_pool_undefined(places, pair):
    """Not while something is read from it or written to it; afterwards that is said."""
    near, far, behind = places
    volume = big_image(behind, mib=16)
    pair[2].shape("40mbit")
    assert near.try_replicate(far, volume, **{"async": "yes"}).rc == 0
    near.wait_job(volume, ("running",))
    refused = behind.host.virsh("pool-destroy", behind.name)
    assert refused.rc != 0 and "job" in refused.err, refused.err
    near.wait_job(volume, timeout_s=120)
    assert wait_until(lambda: behind.host.virsh("pool-destroy", behind.name).rc == 0, 30)
    behind.host.ok("pool-undefine", behind.name)
    result = far.try_replicate(near, volume, name="again.qcow2")
    assert result.rc != 0 and behind.name in result.err, result.err
    assert near.try_replicate(far, volume, name="again.qcow2").rc != 0
    assert near.volumes() == [volume]


def test_clocks_an_hour_apart(new_host, pair, scratch):
    """No decision goes by the clock of the other host: jobs go on over cuts, images and times are this host's."""
    here, _, _ = pair
    shim = os.path.join(scratch, "clock.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim,
                    os.path.join(os.path.dirname(__file__), "../fault/clock.c")], check=True)
    wrong = new_host(listen=("tcp",), env={"LD_PRELOAD": shim, "REPL_CLOCK_SHIFT": "3600"})
    serving(wrong, "peer_gone_seconds = 60\n").start()
    link = net.Link(wrong, here)
    with three_places((here, wrong, link)) as places:
        for direction in ("push", "pull"):
            source, target, mine, there = ends(places, direction)
            volume = big_image(mine, mib=8, name=direction + ".qcow2")
            link.shape("40mbit")
            assert target.try_replicate(source, volume, **{"async": "yes"}).rc == 0
            there.wait_job(volume, ("running",))
            wrong.kill()
            wrong.start()
            job = there.wait_job(volume, timeout_s=120)
            ahead = int(job["ended"]) - time.time()
            assert abs(ahead - (3600 if there.host is wrong else 0)) < 600, ahead
            images.assert_faithful(mine.file(volume), there.file(volume))
