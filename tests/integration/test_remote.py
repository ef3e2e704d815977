# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication between two hosts that have the module, over TCP: whole chains, pulled and pushed."""

import threading
import time

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, uri


def same_chain(a, b, volume, replica=None):
    images.assert_faithful(a.file(volume), b.file(replica or volume))


def test_pull(places):
    near, far, behind = places
    volume = behind.chain()
    assert near.replicate(far, volume) == volume
    same_chain(behind, near, volume)
    assert near.image(volume).status == "available"
    assert near.staging() == [] or not [f for f in near.staging() if f.startswith("partial")]


def test_push(places):
    near, far, behind = places
    volume = near.chain()
    assert far.replicate(near, volume) == volume
    same_chain(near, behind, volume)
    assert far.image(volume).status == "available"


def test_through_us(places, pair):
    """Remote to remote: both pools belong to other hosts."""
    here, there, link = pair
    _, far, behind = places
    other = Pool(there, behind.name + "-other", region="cn-south-3")
    beyond = RemotePool(here, far.name + "-other", other.name, uri=uri(link))
    volume = behind.chain()
    assert beyond.replicate(far, volume) == volume
    same_chain(behind, other, volume)


def test_by_id(places):
    """An image of another host is found and taken by its id."""
    near, far, behind = places
    volume = behind.chain()
    ident = behind.image(volume).id
    conn = near.host.connect()
    vol = conn.storageVolLookupByKey(f"replication:image/{ident}")
    assert vol.name() == volume and vol.storagePoolLookupByVolume().name() == far.name
    with pytest.raises(libvirt.libvirtError) as error:
        conn.storageVolLookupByKey("replication:image/00000000-0000-4000-8000-000000000000")
    assert code(error.value) == libvirt.VIR_ERR_NO_STORAGE_VOL
    made = conn.storagePoolLookupByName(near.name).createXML(xmlio.replicate(image=ident))
    assert made.name() == volume
    same_chain(behind, near, volume)
    conn.close()


# ---- what goes wrong on the way

MIB = 1 << 20


def big_image(pool, mib=48, name="big.qcow2"):
    """An image with so much data that a slowed link needs seconds for it."""
    path = pool.file(name)
    images.create(path, size=f"{mib + 16}M")
    images.write_random(path, 0, mib * MIB, seed=7)
    pool.refresh()
    return name


@pytest.fixture
def slow(pair):
    link = pair[2]
    link.shape("100mbit")
    yield link
    link.shape(None)
    link.mend()


def in_thread(function, *args, **kwargs):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args, **kwargs)))
    thread.start()
    return thread, results


def ends(places, direction):
    """(source, target, where source's files are, where the target's files are)"""
    near, far, behind = places
    return (near, far, near, behind) if direction == "push" else (far, near, behind, near)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_what_packs_is_packed_on_a_slow_link(places, slow, direction):
    """Whether packing pays is tried: no later than after the first tens of MiB."""
    source, target, here, there = ends(places, direction)
    with open(here.file("words.raw"), "wb") as f:
        f.write(b"".join(b"%015x\n" % number for number in range(96 * MIB // 16)))
    here.refresh()
    target.replicate(source, "words.raw", timeout_s=120)
    assert MIB < int(target.image("words.raw").job["wire"]) < 64 * MIB
    images.qemu_img("compare", here.file("words.raw"), there.file("words.raw"))


def is_clean(pool):
    """Nothing of a job is left: no partial files, and names only of what is whole."""
    return not [name for name in pool.staging() if name.startswith("partial/")]


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_cut_and_mended(places, slow, direction):
    source, target, here, there = ends(places, direction)
    volume = big_image(here)
    thread, results = in_thread(target.try_replicate, source, volume, timeout_s=120)
    time.sleep(1.5)
    for _ in range(2):
        slow.cut()
        time.sleep(1)
        slow.mend()
        time.sleep(0.7)
    thread.join(120)
    assert results[0].rc == 0, results[0].err
    same_chain(here, there, volume)
    assert is_clean(there)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_packets_swallowed(places, slow, direction):
    source, target, here, there = ends(places, direction)
    volume = big_image(here)
    thread, results = in_thread(target.try_replicate, source, volume, timeout_s=120)
    time.sleep(1.5)
    slow.swallow()
    time.sleep(8)
    slow.deliver()
    thread.join(120)
    assert results[0].rc == 0, results[0].err
    same_chain(here, there, volume)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_cancelled(places, slow, direction):
    source, target, here, there = ends(places, direction)
    volume = big_image(here)
    result = target.try_replicate(source, volume, **{"async": "yes"})
    assert result.rc == 0, result.err
    time.sleep(1)
    assert there.image(volume).status == "pending"
    target.host.ok("vol-delete", "--pool", target.name, volume)
    assert wait_until(lambda: volume not in there.volumes() and is_clean(there), 30)


@pytest.mark.parametrize("victim", ["ours", "theirs", "both"])
@pytest.mark.parametrize("direction", ["push", "pull"])
def test_daemon_killed(places, slow, pair, direction, victim):
    source, target, here, there = ends(places, direction)
    volume = big_image(here)
    assert target.try_replicate(source, volume, **{"async": "yes"}).rc == 0
    time.sleep(1.5)
    victims = {"ours": pair[:1], "theirs": pair[1:2], "both": pair[:2]}[victim]
    for host in victims:
        host.kill()
    time.sleep(1)
    for host in victims:
        host.start()
    there.wait_job(volume, timeout_s=120)
    same_chain(here, there, volume)
    assert is_clean(there)
