# SPDX-License-Identifier: LGPL-2.1-or-later
"""What replication between hosts must survive: each leaves no wrong image and nothing of the job behind."""

import os
import threading
import time

import pytest
from harness import images, net
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link), whose jobs wait for each other for 10 seconds only."""
    here, there = new_host(), new_host(listen=("tcp",))
    for host in (here, there):
        serving(host, "peer_gone_seconds = 10\n").start()
    return here, there, net.Link(there, here)


_count = iter(range(1, 1000))


@pytest.fixture
def places(pair):
    here, there, link = pair
    n = next(_count)
    near = Pool(here, f"near{n}", region="cn-north-1")
    behind = Pool(there, f"behind{n}", region="cn-east-2")
    far = RemotePool(here, f"far{n}", behind.name, uri=uri(link))
    yield near, far, behind
    link.shape(None)
    link.mend()


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
