# SPDX-License-Identifier: LGPL-2.1-or-later
"""A push whose end neither host, or only one, can put on record is over all the same: for this daemon, for its clients, and for the
other host."""

import os
import re

import pytest
from harness import images, net
from harness.faults import Faults
from harness.pools import wait_until
from harness.remote import serving

HOME = "storage-replication/.replication/jobs"  # of a job whose target is on another host


@pytest.fixture(scope="module")
def pair(new_host):
    here, there = new_host(), serving(new_host(listen=("tcp",)))
    for host in (here, there):
        host.faults = Faults(host)
        host.start()
    return here, there, net.Link(there, here)


def push(places, pair, unrecorded):
    """Pushes an image, with a token, whose end is not on record on the hosts `unrecorded`; returns its name, and a function that tells
    what state its record here has."""
    near, far, behind = places
    here, there, _ = pair
    volume = near.chain(size_mib=8)
    far.replicate(near, volume, async_="yes", start="no", token=near.name)
    record = os.path.join(here.dir, "lib", HOME, far.image(volume).job["id"])
    there.faults.arm("delay", behind.file(".replication/partial"), calls=("rename",), nth=len(near.volumes()), err=60000)
    far.update(volume, "<replication:job action='start'/>")
    assert wait_until(lambda: there.faults.hits, 60)  # all is written there
    if here in unrecorded:
        here.faults.fail("/var/lib/libvirt/" + HOME, calls=("rename",), times=0)
    if there in unrecorded:
        there.faults.fail(behind.file(".replication/jobs"), calls=("rename",), times=0)
    else:
        there.faults.disarm()
    assert wait_until(lambda: behind.image(volume).status == "available", 60)
    assert wait_until(lambda: far.image(volume).job["state"] == "completed", 60), far.image(volume).xml
    assert all(wait_until(lambda: host.faults.hits, 60) for host in unrecorded)

    def state():
        with open(record) as f:
            return re.search("^state=(.*)", f.read(), re.M).group(1)

    return volume, state


def assert_one(places, volume):
    """One replica, the right one, and nothing of its job in the way."""
    near, _, behind = places
    assert behind.volumes() == near.volumes()
    images.assert_faithful(near.file(volume), behind.file(volume))
    near.host.ok("vol-resize", volume, "9M", near.name)


def test_not_on_record_here(places, pair):
    """The same request finds the replica, and the end is put on record when that can be done: at a refresh, say."""
    near, far, _ = places
    here, _, _ = pair
    volume, state = push(places, pair, [here])
    assert state() != "completed"
    again = far.try_replicate(near, volume, async_="yes", start="no", token=near.name)
    assert again.rc == 0 and volume in again.out, again.err
    assert state() != "completed"
    here.faults.disarm()
    assert wait_until(lambda: not far.refresh() and state() == "completed", 20)
    assert_one(places, volume)


def test_on_record_on_neither_host(places, pair):
    """Taken up by the next daemon here, the job asks the other host, which does not make the image again."""
    _, far, _ = places
    here, _, _ = pair
    volume, state = push(places, pair, pair[:2])
    here.kill()
    assert state() != "completed"
    here.faults.disarm()
    here.start()
    far.wait_peer("connected")
    assert wait_until(lambda: state() in ("completed", "failed"), 60), far.image(volume).xml
    assert state() == "completed"
    assert_one(places, volume)
