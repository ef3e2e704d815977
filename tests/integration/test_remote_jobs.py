# SPDX-License-Identifier: LGPL-2.1-or-later
"""Jobs between two hosts as users see and steer them from either: plans, bytes on the wire, waiting, actions."""

import re
import subprocess
import time

import pytest
from harness import images, net
from harness.host import STOCK
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    here, there = new_host(), new_host(listen=("tcp",))
    for host in (here, there):
        serving(host, "peer_gone_seconds = 300\n").start()
    return here, there, net.Link(there, here)


def ends(places, direction):
    """(source, target, the pool of the source, the pool where the replica lies)"""
    near, far, behind = places
    return (near, far, near, behind) if direction == "push" else (far, near, behind, near)


def big_image(pool, mib, name):
    images.create(pool.file(name), size=f"{mib + 16}M")
    images.write_random(pool.file(name), 0, mib * MIB, seed=7)
    pool.refresh()
    return name


def slowly(pair, target, source, volume):
    """Starts a job over a link on which it takes seconds."""
    pair[2].shape("30mbit")
    assert target.try_replicate(source, volume, **{"async": "yes"}).rc == 0


def is_waiting(pool):
    """Whether the pool shows a job that waits; of an image on a host that is away there is no other news."""
    return "state='waiting'" in pool.host.ok("pool-dumpxml", pool.name).replace('"', "'")


def job(pool, volume):
    """The attributes of the job that the pool shows for the volume; None: it shows none."""
    out = pool.host.virsh("vol-dumpxml", "--pool", pool.name, volume).out
    found = re.search(r"<replication:job [^>]*>", out)
    return found and dict(re.findall(r"([\w-]+)=[\"']([^\"']*)[\"']", found.group(0)))


def steps(pool, volume):
    out = pool.host.ok("vol-dumpxml", "--pool", pool.name, volume)
    return re.findall(r"<replication:step [^>]*action=[\"'](\w+)[\"']", out)


def act(pool, volume, action, check=True):
    return pool.update(volume, f"<replication:job action='{action}'/>", check=check)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_plan(places, pair, direction):
    """A plan says what is there already, what is to be sent, and what the link was seen to carry; nothing is sent before
    it is started."""
    source, target, here, there = ends(places, direction)
    volume = here.chain()
    if direction == "pull":
        pair[2].shape("50mbit")
    first = target.replicate(source, big_image(here, 16, "first.qcow2"))
    target.replicate(source, volume)
    carried = int(job(there, first)["wire"])
    assert 16 * MIB < carried < 17 * MIB
    images.create(here.file("second.qcow2"), backing="mid.qcow2")
    here.refresh()
    assert target.replicate(source, "second.qcow2", start="no") == "second.qcow2"
    own = images.allocated_bytes(here.file("second.qcow2"))
    plan = job(target, "second.qcow2")
    assert plan["state"] == "planned" and steps(target, "second.qcow2") == ["reuse", "reuse", "copy"]
    assert int(plan["total"]) == own
    # 50 Mbit/s are 6.25 million bytes; of the push only the host that has the job has seen the link
    if direction == "pull":
        assert 1_000_000 < int(plan["link-rate"]) < 25_000_000
    wire = int(plan["wire"])
    time.sleep(1)
    assert job(there, "second.qcow2")["state"] == "planned" and int(job(there, "second.qcow2")["wire"]) == wire
    act(target, "second.qcow2", "start")
    there.wait_job("second.qcow2")
    images.assert_faithful(here.file("second.qcow2"), there.file("second.qcow2"))


def test_planned_push_whose_source_has_changed(places):
    near, far, behind = places
    volume = near.chain()
    far.replicate(near, volume, start="no")
    images.write_random(near.file(volume), 0, MIB, seed=9)
    act(far, volume, "start")
    assert wait_until(lambda: "has changed" in near.host.virsh("pool-dumpxml", far.name).out or
                      behind.image(volume).status == "error" or job(behind, volume)["state"] == "planned", 30)
    assert behind.image(volume).status != "available"
    near.host.ok("vol-delete", "--pool", far.name, volume)
    assert wait_until(lambda: behind.volumes() == [], 30)


def test_push_steered_through_the_pool_of_the_other_host(places, pair):
    near, far, behind = places
    volume = big_image(near, 32, "big.qcow2")
    pair[2].shape("16mbit")
    assert far.try_replicate(near, volume, **{"async": "yes"}).rc == 0
    behind.wait_job(volume, ("running",))
    act(far, volume, "pause")
    behind.wait_job(volume, ("paused",))
    near.host.restart()
    far.wait_peer("connected")
    behind.wait_job(volume, ("paused",))
    act(far, volume, "resume")
    behind.wait_job(volume, ("running",))
    assert "another one" in far.update(volume, "<replication:name>x</replication:name><replication:job action='pause'/>",
                                       check=False).err
    act(far, volume, "cancel")
    assert wait_until(lambda: behind.volumes() == [], 30)
    assert not [name for name in behind.staging() if name.startswith("partial/")]


def test_push_steered_on_the_other_host(places, pair):
    """What its host has to do is said with that host's name; what can be done there is done."""
    near, far, behind = places
    volume = near.chain()
    far.replicate(near, volume, start="no")
    assert job(behind, volume)["host"] == near.host.name
    assert re.search(f"<replication:job [^>]*host='{near.host.name}'", behind.host.ok("pool-dumpxml", behind.name))
    refused = act(behind, volume, "start", check=False)
    assert refused.rc != 0 and near.host.name in refused.err and near.name in refused.err
    act(behind, volume, "cancel")
    assert wait_until(lambda: behind.volumes() == [], 30)


def loans(pool):
    return [dict(re.findall(r"(\w+)='([^']*)'", each))
            for each in re.findall(r"<replication:loan [^>]*>", pool.host.ok("pool-dumpxml", pool.name))]


def lent(places, pair, mib):
    """Starts a pull that takes seconds, and returns the name of the image that the other host lends for it."""
    near, far, behind = places
    volume = big_image(behind, mib, "big.qcow2")
    pair[2].shape("16mbit")
    assert near.try_replicate(far, volume, **{"async": "yes"}).rc == 0
    near.wait_job(volume, ("running",))
    assert wait_until(lambda: loans(behind), 30)
    return volume


def test_pull_seen_and_ended_on_the_other_host(places, pair):
    """The host that lends an image shows to whom, keeps writers off, and its administrator has the last word."""
    near, _, behind = places
    volume = lent(places, pair, 32)
    loan, = loans(behind)
    assert loan["volume"] == volume and loan["host"] == near.host.name and loan["state"] == "running", loan
    assert abs(int(loan["since"]) - time.time()) < 600
    writer = subprocess.run(["qemu-io", "-c", "quit", behind.file(volume)], capture_output=True, text=True)
    assert "lock" in writer.stderr + writer.stdout, writer
    assert near.host.name in behind.host.fails("vol-delete", volume, behind.name)
    assert "loan" not in behind.host.ok("pool-dumpxml", behind.name, "--inactive")
    near.host.kill()
    assert wait_until(lambda: loans(behind)[0]["state"] == "waiting", 60)
    near.host.start()
    assert wait_until(lambda: "running" in [each["state"] for each in loans(behind)], 60)
    assert "no replication job" in act(behind, volume, "pause", check=False).err
    act(behind, volume, "cancel")
    assert loans(behind) == []
    near.wait_job(volume, ("failed",))
    said = near.host.ok("vol-dumpxml", "--pool", near.name, volume)
    assert behind.host.name in said and "has ended the reading" in said, said
    behind.host.ok("vol-delete", volume, behind.name)
    near.host.ok("vol-delete", volume, near.name)


def test_reading_ended_while_the_reader_is_away(places, pair):
    near, _, behind = places
    volume = lent(places, pair, 16)
    near.host.kill()
    act(behind, volume, "cancel")
    behind.host.ok("vol-delete", volume, behind.name)
    near.host.start()
    near.wait_job(volume, ("failed",), timeout_s=120)


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_waiting(places, pair, direction):
    """A job whose other host has gone says so, by the name of its pool, and goes on."""
    source, target, here, there = ends(places, direction)
    near, far, behind = places
    volume = big_image(here, 8, "big.qcow2")
    slowly(pair, target, source, volume)
    there.wait_job(volume, ("running",))
    behind.host.kill()
    if direction == "pull":
        assert near.wait_job(volume, ("waiting",))["peer"] == far.name
    else:
        assert wait_until(lambda: is_waiting(far), 60)
    behind.host.start()
    there.wait_job(volume)
    images.assert_faithful(here.file(volume), there.file(volume))


@pytest.fixture(scope="module")
def plain(pair, new_host):
    """(pool of type region here, the pool behind it on a host without the module)"""
    stock = new_host(module=STOCK, listen=("tcp",)).start()
    link = net.Link(stock, pair[0])
    behind = Pool(stock, "plain")
    far = RemotePool(pair[0], "far-plain", behind.name, uri=uri(link))
    far.wait_peer("connected")
    return far, behind


@pytest.mark.parametrize("victim", ["source", "target"])
def test_waiting_of_a_relay(places, pair, plain, victim):
    """Between two other hosts, the second without the module, a job waits for the one that has gone, and goes on with it."""
    _, far, behind = places
    volume = big_image(behind, 8, f"relayed-{victim}.qcow2")
    slowly(pair, plain[0], far, volume)
    assert wait_until(lambda: int((job(plain[0], volume) or {}).get("processed", 0)) > MIB, 60)
    gone = behind.host if victim == "source" else plain[1].host
    gone.kill()
    assert wait_until(lambda: is_waiting(plain[0]), 60)
    if victim == "source":
        assert job(plain[0], volume)["peer"] == far.name
    gone.start()
    assert wait_until(lambda: "replication:job" not in plain[0].dumpxml(), 120)
    images.assert_faithful(behind.file(volume), plain[1].file(volume))
