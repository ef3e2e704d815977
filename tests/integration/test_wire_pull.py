# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pulls from a host that lies: nothing wrong is ever available, the daemon lives, and the job can be cancelled."""

import pytest
from harness import images, liar, net
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving

MIB = 1 << 20


@pytest.fixture(scope="module")
def places(new_host):
    here, there = new_host(), new_host(listen=("tcp",))
    for host in (here, there):
        serving(host, "peer_gone_seconds = 5\n").start()
    link = net.Link(there, here)
    near, behind = Pool(here, "near", region="cn-north-1"), Pool(there, "behind", region="cn-east-2")
    images.create(behind.file("image.qcow2"), size="8M")
    images.write_random(behind.file("image.qcow2"), 0, 2 * MIB, seed=5)
    behind.refresh()
    return near, behind, link


@pytest.fixture
def lying(places, request):
    near, behind, link = places
    told = liar.Liar(behind.host, request.param)
    far = RemotePool(near.host, "far", behind.name, uri=f"storage+tcp://{behind.host.name}:{liar.PORT}/system")
    far.wait_peer("connected")
    yield request.param, near, far, behind
    near.host.virsh("pool-destroy", far.name)
    near.host.ok("pool-undefine", far.name)
    told.close()


def nothing_left(pool):
    return not pool.volumes() and not [name for name in pool.staging() if name.startswith("partial/")]


@pytest.mark.parametrize("lying", liar.LIES, indirect=True)
def test_liars(lying):
    name, near, far, behind = lying
    before = near.host.memory_kib()
    assert near.try_replicate(far, "image.qcow2", **{"async": "yes"}).rc == 0
    assert not wait_until(lambda: near.image("image.qcow2").job["state"] in ("failed", "completed"), 3) or \
        near.image("image.qcow2").status == "error"
    assert near.host.memory_kib() < before + 128 * 1024
    near.host.ok("vol-delete", "--pool", near.name, "image.qcow2")
    assert wait_until(lambda: nothing_left(near), 30), near.staging()
    assert wait_until(lambda: behind.host.virsh("pool-refresh", behind.name).rc == 0, 30)


@pytest.mark.parametrize("lying", ["nothing", "other-digests"], indirect=True)
def test_digests_that_are_wrong(lying):
    """They cost bytes, not faith: what does not fit is fetched."""
    told, near, far, behind = lying
    images.create(near.file("image.qcow2"), size="8M")
    images.write_random(near.file("image.qcow2"), 0, 2 * MIB, seed=5)
    near.refresh()
    assert near.replicate(far, "image.qcow2", name="copy.qcow2") == "copy.qcow2"
    images.assert_faithful(behind.file("image.qcow2"), near.file("copy.qcow2"))
    assert (int(near.image("copy.qcow2").job["wire"]) > 2 * MIB) == (told == "other-digests")
    for volume in near.volumes():
        near.host.ok("vol-delete", "--pool", near.name, volume)
