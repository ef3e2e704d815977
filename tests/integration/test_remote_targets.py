# SPDX-License-Identifier: LGPL-2.1-or-later
"""One image to several regions on other hosts at once."""

import itertools
import threading

import pytest
from harness import images, net
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20
SIZE = 64 * MIB


@pytest.fixture(scope="module")
def pair(new_host):
    here = serving(new_host(), "max_jobs = 3\n").start()
    there = serving(new_host(listen=("tcp",)), "max_jobs = 3\n").start()
    return here, there, net.Link(there, here)


@pytest.fixture(scope="module")
def near(pair):
    pool = Pool(pair[0], "near", region="cn-north-1")
    images.create(pool.file("big.qcow2"), size="96M")
    images.write_random(pool.file("big.qcow2"), 0, SIZE, seed=11)
    pool.refresh()
    return pool


_count = itertools.count(1)


@pytest.fixture
def targets(pair):
    """Three pairs of a pool of type region here and the pool behind it there."""
    here, there, link = pair
    numbers = [next(_count) for _ in range(3)]
    behind = [Pool(there, f"behind{n}", region=f"cn-east-{n}") for n in numbers]
    far = [RemotePool(here, f"far{n}", pool.name, uri=uri(link)) for n, pool in zip(numbers, behind)]
    link.shape("200mbit")
    yield list(zip(far, behind))
    link.shape(None)
    for pool in far + behind:
        pool.host.virsh("pool-destroy", pool.name)
        pool.host.virsh("pool-undefine", pool.name)


def together(near, targets):
    """The same image to all of them; what virsh said, in their order."""
    results = [None] * len(targets)

    def one(n):
        results[n] = targets[n][0].try_replicate(near, "big.qcow2", timeout_s=300)
    threads = [threading.Thread(target=one, args=(n,)) for n in range(len(targets))]
    for thread in threads:
        thread.start()
    return threads, results


def test_the_source_is_read_once(near, targets):
    before = near.host.read_bytes()
    threads, results = together(near, targets)
    for thread in threads:
        thread.join()
    assert [r.err for r in results if r.rc != 0] == []
    read = near.host.read_bytes() - before
    # they do not begin in the same moment: what the first one had read by then is read again
    assert SIZE <= read < 1.6 * SIZE, f"{read / SIZE:.2f} of the image was read for three targets"
    for _, pool in targets:
        images.assert_faithful(near.file("big.qcow2"), pool.file("big.qcow2"))


def test_cancelling_one_stops_no_other(near, targets):
    threads, results = together(near, targets)
    far, behind = targets[1]
    assert wait_until(lambda: "big.qcow2" in behind.volumes(), 60)
    behind.wait_job("big.qcow2", ("running",))
    far.host.ok("vol-delete", "--pool", far.name, "big.qcow2")
    for thread in threads:
        thread.join()
    assert results[1].rc != 0 and "cancel" in results[1].err, results[1].err
    for n in (0, 2):
        assert results[n].rc == 0, results[n].err
        images.assert_faithful(near.file("big.qcow2"), targets[n][1].file("big.qcow2"))
    assert behind.volumes() == []
