# SPDX-License-Identifier: LGPL-2.1-or-later
"""Either daemon killed at random moments of a replication between hosts, and a disk that fills: never a wrong image that is
available, and nothing left over. (tests/fault/remote.sh does it a hundred times.)"""

import os
import random
import time

import pytest
from harness import images, net
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20
SEED = int(os.environ.get("REPL_TEST_SEED", "10"))
KILLS = int(os.environ.get("REPL_TEST_KILLS", "5"))


@pytest.fixture(scope="module")
def pair(new_host):
    here, there = new_host(), new_host(listen=("tcp",))
    for host in (here, there):
        serving(host, "peer_gone_seconds = 120\n").start()
    return here, there, net.Link(there, here)


_count = iter(range(1, 10000))


def places_of(pair):
    here, there, link = pair
    n = next(_count)
    near = Pool(here, f"near{n}", region="cn-north-1")
    behind = Pool(there, f"behind{n}", region="cn-east-2")
    far = RemotePool(here, f"far{n}", behind.name, uri=uri(link))
    far.wait_peer("connected")
    return near, far, behind


def right_or_not_available(pool, volume, source):
    """What is listed as available is the image, whole."""
    if volume not in pool.volumes():
        return
    image = pool.host.virsh("vol-dumpxml", "--pool", pool.name, volume)
    if "status='available'" in image.out:
        images.assert_faithful(source.file(volume), pool.file(volume))


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_killed_at_random(pair, direction):
    """The job goes on with what is there, however often a daemon dies."""
    rng = random.Random(f"{SEED} {direction}")
    near, far, behind = places_of(pair)
    source, target, here, there = (near, far, near, behind) if direction == "push" else (far, near, behind, near)
    volume = here.chain(size_mib=48)
    pair[2].shape("200mbit")
    try:
        for _ in range(KILLS):
            assert target.try_replicate(source, volume, **{"async": "yes"}).rc == 0
            time.sleep(rng.uniform(0, 1.2))
            victims = rng.choice([pair[:1], pair[1:2], pair[:2]])
            for host in victims:
                host.kill()
            if there.host not in victims:
                right_or_not_available(there, volume, here)
            for host in victims:
                host.start()
            right_or_not_available(there, volume, here)
            there.wait_job(volume, timeout_s=150)
            images.assert_faithful(here.file(volume), there.file(volume))
            assert not [name for name in there.staging() if name.startswith("partial/")], there.staging()
            far.wait_peer("connected")
            there.host.ok("vol-delete", "--pool", there.name, volume, "--delete-snapshots")
            assert wait_until(lambda: there.volumes() == [], 30), there.volumes()
    finally:
        pair[2].shape(None)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_disk_full(pair, direction, small_ext4):
    """A target without the space (which is taken before the first byte) fails with a clear error and is as it was."""
    here, there, link = pair
    n = next(_count)
    small = Pool(there if direction == "push" else here, f"small{n}", region="cn-south-1", path=small_ext4(24))
    large = Pool(here if direction == "push" else there, f"large{n}", region="cn-north-1")
    far = RemotePool(here, f"across{n}", (small if direction == "push" else large).name, uri=uri(link))
    far.wait_peer("connected")
    source, target = (large, far) if direction == "push" else (far, small)
    images.create(large.file("big.qcow2"), size="96M")
    images.write_random(large.file("big.qcow2"), 0, 64 * MIB, seed=1)
    images.create(large.file("little.qcow2"), size="96M")
    images.write_random(large.file("little.qcow2"), 0, 2 * MIB, seed=2)
    large.refresh()
    before = small.state()
    result = target.try_replicate(source, "big.qcow2", timeout_s=150)
    assert result.rc != 0 and "free" in result.err, result.err
    assert wait_until(lambda: small.state() == before, 60), small.state()
    assert target.replicate(source, "little.qcow2") == "little.qcow2"
    images.assert_faithful(large.file("little.qcow2"), small.file("little.qcow2"))
    for pool in (far, small):
        pool.host.ok("pool-destroy", pool.name)
