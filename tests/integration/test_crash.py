# SPDX-License-Identifier: LGPL-2.1-or-later
"""SIGKILL of the daemon while it copies: never a wrong image available, never a name lost for ever."""

import os
import random
import subprocess
import time

import pytest
from harness import images, space, xmlio
from harness.pools import wait_until

KILLS = int(os.environ.get("REPL_TEST_KILLS", "50"))


def assert_nothing_wrong(source, target):
    """Whatever is listed as available is right, at any moment."""
    for volume in target.volumes():
        image = target.image(volume)
        if image.status == "available" and image.source is not None:
            images.compare(source.file(image.source["volume"]), target.file(volume))


def assert_all_there(source, target, volume):
    assert target.volumes() == sorted(["base.qcow2", "mid.qcow2", volume])
    images.assert_faithful(source.file("web.qcow2"), target.file(volume))
    assert not [name for name in target.staging() if name.startswith("partial/")]
    assert target.usage()["images"] == 1


@pytest.mark.parametrize("point", range(10))
def test_kill_at_ten_points_then_the_same_request(host, regions, point):
    source, target = regions
    volume = source.chain()
    request = xmlio.replicate(bandwidth=("KiB/s", 8192), token=f"crash-{point}")
    with xmlio.xml_file(request) as f:
        client = subprocess.Popen(["virsh", "-q", "-c", host.uri(), "vol-create-from", target.name, f.name,
                                   volume, "--inputpool", source.name], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, preexec_fn=space.die_with_parent)
        time.sleep(0.02 + point * 0.1)
        host.kill()
        client.wait(20)
    host.start()
    assert_nothing_wrong(source, target)
    result = target.try_replicate(source, volume, xml=request)
    assert result.rc == 0, result.err
    assert target.image(volume).status == "available", target.image(volume).job
    assert_all_there(source, target, volume)


def test_killed_again_and_again(host, regions):
    """Random moments of chain copies; each goes on by itself after the restart, and ends well."""
    source, target = regions
    source.chain()
    rng = random.Random(4711)
    kills = number = 0
    while kills < KILLS:
        number += 1
        volume = f"copy{number}.qcow2"
        target.replicate(source, "web.qcow2", name=volume, async_="yes", bandwidth=("KiB/s", 4096))
        while kills < KILLS and target.image(volume).job["state"] not in ("completed", "failed"):
            time.sleep(rng.uniform(0, 0.5))
            host.kill()
            kills += 1
            host.start()
            assert_nothing_wrong(source, target)
        job = target.wait_job(volume, ("completed", "failed"), 60)
        assert job["state"] == "completed", job["error"]
        assert_all_there(source, target, volume)
        host.ok("vol-delete", volume, target.name, "--delete-snapshots")
        assert target.volumes() == []


def test_killed_while_planned(host, regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", start="no")
    host.kill()
    host.start()
    assert target.image("web.qcow2").job["state"] == "planned"
    target.update("web.qcow2", "<replication:job action='start'/>")
    target.wait_job("web.qcow2")
    assert_all_there(source, target, "web.qcow2")


def test_children_die_with_the_daemon(host, regions):
    """KillMode=process: what a killed daemon leaves behind would go on writing."""
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 512))
    target.wait_job("web.qcow2", ("running",))
    children = host.children()
    host.kill()
    assert wait_until(lambda: not [p for p in children if os.path.exists(f"/proc/{p}")], 3)
    host.start()
    host.ok("vol-delete", "web.qcow2", target.name)
    assert wait_until(lambda: target.volumes() == [], 5)


def test_damaged_job_record_blocks_nothing(host, regions):
    source, target = regions
    source.chain()
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 512))
    target.wait_job("web.qcow2", ("running",))
    host.kill()
    records = [name for name in target.staging() if name.startswith("jobs/")]
    assert records
    for record in records:
        path = target.file(".replication/" + record)
        os.truncate(path, os.path.getsize(path) // 2)
    host.start()
    for volume in target.volumes():
        assert target.image(volume).status != "available" or \
            images.allocated_bytes(target.file(volume)) == 0 or \
            images.compare(source.file(volume), target.file(volume)) is None
    if "web.qcow2" in target.volumes():
        host.ok("vol-delete", "web.qcow2", target.name)
    target.replicate(source, "web.qcow2", name="again.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("again.qcow2"))
