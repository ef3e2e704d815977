# SPDX-License-Identifier: LGPL-2.1-or-later
"""Full machines: a system disk on a chain of three, and two data disks."""

from . import images

DISKS = ("web.qcow2", "data.qcow2", "log.raw")
LAYERS = (*DISKS, "mid.qcow2", "base.qcow2")


def members(*volumes):
    inner = "".join(f"<replication:member volume='{volume}'/>" for volume in volumes)
    return f"<replication:members>{inner}</replication:members>"


def make(pool):
    """web.qcow2, a chain of three, with data.qcow2 on the same base and log.raw."""
    pool.chain()
    images.overlay(pool.file("data.qcow2"), "base.qcow2", "32M", writes=[(65536 * n, 65536, n + 1) for n in range(8)])
    with open(pool.file("log.raw"), "wb") as f:
        f.write(images.random_bytes(1 << 20, 7))
    pool.refresh()
    pool.update("web.qcow2", members(*DISKS[1:]))


def assert_same(source, target, disks=DISKS):
    for volume in disks:
        if volume.endswith(".raw"):
            assert images.file_digest(source.file(volume)) == images.file_digest(target.file(volume))
        else:
            images.assert_faithful(source.file(volume), target.file(volume))


def statuses(pool):
    return {volume: pool.image(volume).status for volume in pool.volumes()}


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith(("partial/", "images/"))]
