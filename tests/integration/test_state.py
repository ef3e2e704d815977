# SPDX-License-Identifier: LGPL-2.1-or-later
"""The daemon's life with a copy under way: shutdown, reload, idle time-out, restart."""

import os
import signal
import subprocess
import time

import pytest
from harness import images, space, xmlio
from harness.pools import two_regions, wait_until

SLOW = ("KiB/s", 2048)  # the usual chain of 32 MiB takes about 3 seconds


@pytest.fixture
def copying(regions):
    source, target = regions
    volume = source.chain()
    target.replicate(source, volume, async_="yes", bandwidth=SLOW)
    target.wait_job(volume, ("running",))
    return source, target, volume


def assert_completed(source, target, volume):
    target.wait_job(volume, ("completed",), 60)
    assert target.image(volume).status == "available"
    images.assert_faithful(source.file(volume), target.file(volume))
    assert not [name for name in target.staging() if name.startswith("partial/")]


def test_shutdown_is_quick_and_the_job_goes_on_at_start(host, copying):
    source, target, volume = copying
    assert host.stop() < 5
    assert target.file(volume)
    host.start()
    assert target.image(volume).status == "pending"
    assert_completed(source, target, volume)


def test_nothing_half_made_is_visible_while_the_daemon_is_away(host, copying):
    source, target, volume = copying
    host.stop()
    for name in os.listdir(target.path):  # at most finished layers, and empty ones that hold names
        if name != ".replication" and images.allocated_bytes(target.file(name)) > 0:
            images.compare(source.file(name), target.file(name))
            images.check(target.file(name))
    host.start()
    assert_completed(source, target, volume)


def test_reload_goes_on(host, copying):
    source, target, volume = copying
    for _ in range(3):
        host.reload()
        time.sleep(0.2)
    assert target.image(volume).job["state"] == "running"
    assert_completed(source, target, volume)


def test_reload_keeps_labels(host, regions):
    host.reload()
    time.sleep(0.3)
    assert "cn-north-1" in regions[0].dumpxml()


def test_synchronous_request_survives_its_client(host, regions):
    source, target = regions
    volume = source.chain()
    with xmlio.xml_file(xmlio.replicate(bandwidth=SLOW)) as f:
        client = subprocess.Popen(["virsh", "-c", host.uri(), "vol-create-from", target.name, f.name, volume,
                                   "--inputpool", source.name], stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, preexec_fn=space.die_with_parent)
        assert wait_until(lambda: target.volumes() and target.image(volume).job["state"] == "running")
        client.send_signal(signal.SIGKILL)
        client.wait()
    assert_completed(source, target, volume)


def test_idle_timeout_waits_for_the_job(new_host):
    """The daemons' default --timeout 120, here 1, would end a job that no client watches."""
    host = new_host(args=["--timeout", "1"]).start()
    source, target = two_regions(host)
    volume = source.chain()
    for pool in (source, target):
        host.ok("pool-autostart", pool.name)
    began = time.monotonic()
    target.replicate(source, volume, async_="yes", bandwidth=SLOW)
    status = host.wait_exit(30)
    assert status == 0
    assert time.monotonic() - began > 2.5, "the daemon ended while it copied"
    host.start()
    assert target.image(volume).status == "available"
    images.assert_faithful(source.file(volume), target.file(volume))


def test_idle_daemon_still_times_out(new_host):
    host = new_host(args=["--timeout", "1"]).start()
    two_regions(host)
    assert host.wait_exit(10) == 0


def test_job_of_a_pool_that_is_not_active_waits(host, copying):
    source, target, volume = copying
    host.kill()
    for pool in (source, target):  # storage that comes later than the daemon
        os.rename(pool.path, pool.path + ".away")
    host.start()
    time.sleep(0.3)
    for pool in (target, source):
        os.rename(pool.path + ".away", pool.path)
        if pool is target:
            host.ok("pool-start", pool.name)
            assert target.image(volume).status == "pending"
            time.sleep(0.5)
            assert target.image(volume).status == "pending"
    host.ok("pool-start", source.name)
    assert_completed(source, target, volume)


def test_shutdown_leaves_no_children(host, copying):
    source, target, volume = copying
    mine = host.children()
    host.stop()
    assert not [pid for pid in mine if os.path.exists(f"/proc/{pid}")]
    host.start()
    assert_completed(source, target, volume)
