# SPDX-License-Identifier: LGPL-2.1-or-later
"""A replica on its way: every way of looking at it tells what it will be, and who makes it."""

import re

import pytest
from harness import images
from harness.pools import wait_until

MIB = 1 << 20


def sizes(pool, volume):
    """(capacity, format) as vol-dumpxml has them, capacity as vol-info has it."""
    image = pool.image(volume)
    info = pool.host.ok("vol-info", "--bytes", volume, pool.name)
    return (int(image.root.findtext("capacity")), image.root.find("target/format").get("type"),
            int(re.search(r"Capacity:\s+(\d+)", info).group(1)))


@pytest.fixture
def slow(regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 256))
    target.wait_job("web.qcow2", ("running",))
    yield source, target
    target.host.virsh("vol-delete", "web.qcow2", target.name)


def test_what_it_will_be(slow):
    _, target = slow
    assert sizes(target, "web.qcow2") == (32 * MIB, "qcow2", 32 * MIB)
    job = target.image("web.qcow2").job
    assert target.image("base.qcow2").status == "pending"
    assert target.image("base.qcow2").job["id"] == job["id"]


def test_what_it_will_be_after_a_restart(host, slow):
    _, target = slow
    target.update("web.qcow2", "<replication:job action='pause'/>")
    target.wait_job("web.qcow2", ("paused",))
    host.restart()
    assert sizes(target, "web.qcow2") == (32 * MIB, "qcow2", 32 * MIB)
    assert target.image("web.qcow2").job["state"] == "paused"


def test_planned_job_keeps_its_steps(host, regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", start="no")
    before = target.image("web.qcow2").job
    assert len(before["steps"]) == 3 and int(before["total"]) > 0
    host.restart()
    after = target.image("web.qcow2").job
    assert (after["steps"], after["total"]) == (before["steps"], before["total"])
    assert sizes(target, "web.qcow2") == (32 * MIB, "qcow2", 32 * MIB)
    host.ok("vol-delete", "web.qcow2", target.name)


def test_converted_replica(regions):
    source, target = regions
    images.create(source.file("disk.vmdk"), "8M", fmt="vmdk")
    source.refresh()
    target.replicate(source, "disk.vmdk", name="disk.qcow2", start="no")
    assert sizes(target, "disk.qcow2") == (8 * MIB, "qcow2", 8 * MIB)


def test_events_at_the_start(event_loop, host, regions):
    """Lists that follow events show a replica as soon as it is there."""
    source, target = regions
    source.chain()
    conn = host.connect()
    seen = []
    pool = conn.storagePoolLookupByName(target.name)
    conn.storagePoolEventRegisterAny(pool, 1, lambda conn, pool, opaque: seen.append(target.volumes()), None)
    target.replicate(source, "web.qcow2", name="second.qcow2", start="no")
    assert wait_until(lambda: any("second.qcow2" in names for names in seen), 10), seen
    conn.close()
