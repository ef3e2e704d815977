# SPDX-License-Identifier: LGPL-2.1-or-later
"""Full machines between hosts: one job, all or none, as between regions of one host."""

import pytest
from harness import crypt, images, machines, xmlio
from harness.crypt import Key
from harness.machines import DISKS, LAYERS, assert_same, members, nothing_left, statuses
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, uri

ASIS = {"fmt": None}
SLOW = {"async_": "yes", "bandwidth": ("MiB/s", 1), **ASIS}
FAST = "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>"


def ends(places, direction):
    """(source, target, where source's files are, where the target's files are), with a full machine in the source"""
    near, far, behind = places
    source, target, here, there = (near, far, near, behind) if direction == "push" else (far, near, behind, near)
    machines.make(here)
    return source, target, here, there


def refusal(target, source):
    result = target.try_replicate(source, "web.qcow2", **ASIS)
    assert result.rc != 0
    return result.err


both = pytest.mark.parametrize("direction", ["push", "pull"])


def assert_is_the_machine(here, there):
    assert there.volumes() == sorted(LAYERS)
    assert_same(here, there)
    system = there.image("web.qcow2")
    assert system.type == "full-machine" and set(statuses(there).values()) == {"available"}
    for volume in DISKS:
        image = there.image(volume)
        assert image.job["id"] == system.job["id"] and image.job["state"] == "completed"
        assert image.source["id"] == here.image(volume).id
    assert there.usage()["images"] == 3 and there.usage()["snapshots"] == 2


@both
def test_a_set_in_one_job(places, direction):
    source, target, here, there = ends(places, direction)
    assert target.replicate(source, "web.qcow2", **ASIS) == "web.qcow2"
    assert_is_the_machine(here, there)
    steps = [s["layer"] for s in target.image("web.qcow2").job["steps"]]
    assert sorted(steps) == sorted(LAYERS)


def test_through_us(places, pair):
    here, there, link = pair
    source, _, files, _ = ends(places, "pull")
    other = Pool(there, files.name + "-other", region="cn-south-3")
    beyond = RemotePool(here, source.name + "-other", other.name, uri=uri(link))
    beyond.replicate(source, "web.qcow2", **ASIS)
    assert_is_the_machine(files, other)


def test_what_is_there_is_not_sent(places):
    """The disks' common base was replicated before."""
    source, target, here, there = ends(places, "pull")
    images.overlay(here.file("other.qcow2"), "base.qcow2", "32M")
    here.refresh()
    target.replicate(source, "other.qcow2", **ASIS)
    target.replicate(source, "web.qcow2", **ASIS)
    actions = {s["layer"]: s["action"] for s in there.image("web.qcow2").job["steps"]}
    assert actions["base.qcow2"] == "reuse" and actions["mid.qcow2"] == "copy"
    assert_same(here, there)


@both
def test_all_or_none(places, direction):
    """A data disk that a guest writes to, and one whose name is taken: nothing is copied, not even of the others."""
    source, target, here, there = ends(places, direction)
    with images.OpenForWriting(here.file("data.qcow2")):
        assert "data.qcow2" in refusal(target, source)
    assert nothing_left(there)
    images.create(there.file("log.raw"), "1M", fmt="raw")
    there.refresh()
    assert "'log.raw'" in refusal(target, source)
    assert there.volumes() == ["log.raw"]


@both
def test_killed_and_held_meanwhile(places, pair, direction):
    """While it runs no disk can be written or deleted; both daemons are killed, and it goes on."""
    source, target, here, there = ends(places, direction)
    assert target.try_replicate(source, "web.qcow2", **SLOW).rc == 0
    there.wait_job("web.qcow2", ("running",))
    for volume in ("data.qcow2", "log.raw", "base.qcow2"):
        assert here.host.virsh("vol-delete", volume, here.name).rc != 0
    for host in pair[:2]:
        host.kill()
    for host in pair[:2]:
        host.start()
    there.update("web.qcow2", FAST, check=False)  # it may have completed by now
    there.wait_job("web.qcow2", timeout_s=120)
    assert_is_the_machine(here, there)


def test_cancelled(places):
    source, target, here, there = ends(places, "push")
    assert target.try_replicate(source, "web.qcow2", **SLOW).rc == 0
    there.wait_job("web.qcow2", ("running",))
    target.host.ok("vol-delete", "--pool", target.name, "web.qcow2")
    assert wait_until(lambda: nothing_left(there), 60)


def test_other_disks_than_asked_for(places):
    """The set is what it was when it was asked for: a plan whose machine got another disk does not start."""
    source, target, here, there = ends(places, "pull")
    target.replicate(source, "web.qcow2", start="no", **ASIS)
    here.update("web.qcow2", members("log.raw"))
    with xmlio.xml_file(xmlio.update("web.qcow2", "<replication:job action='start'/>")) as f:
        refused = target.host.virsh("vol-create", target.name, f.name)
    assert refused.rc != 0 and "has other disks now" in refused.err
    assert "available" not in statuses(there).values()


def test_converted_where_it_arrives(places):
    """Each disk by itself: encrypted with one key, flattened, and the raw one as qcow2."""
    source, target, here, there = ends(places, "pull")
    key = Key(there.host)
    target.replicate(source, "web.qcow2", target=key.target())
    for volume in DISKS:
        crypt.compare(crypt.layers(here.file(volume)), crypt.layers(there.file(volume), key.value))
        there.host.ok("vol-delete", volume, there.name, "--delete-snapshots")
    target.replicate(source, "web.qcow2", snapshots="flatten")
    assert there.volumes() == sorted(DISKS)
    for volume in DISKS[:2]:
        images.compare(here.file(volume), there.file(volume))
        assert len(images.layers(there.file(volume))) == 1


def test_bases_of_one_name_in_two_pools(places):
    """Disks on different files of the same name: each gets its own."""
    near, far, behind = places
    machines.make(behind)
    second = Pool(behind.host, behind.name + "-second", region="cn-east-2")
    images.base(second.file("base.qcow2"), size_mib=32, seed=9)
    second.refresh()
    images.overlay(behind.file("other.qcow2"), second.file("base.qcow2"), "32M", writes=[(1 << 20, 65536, 3)])
    behind.refresh()
    behind.update("web.qcow2", members("other.qcow2"))
    near.replicate(far, "web.qcow2", **ASIS)
    for volume in "web.qcow2", "other.qcow2":
        images.compare(behind.file(volume), near.file(volume))
