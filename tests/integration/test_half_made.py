# SPDX-License-Identifier: LGPL-2.1-or-later
"""Stock calls write under a volume's name: what they have not brought to an end is no image, and what is new is new."""

import os

import libvirt
import pytest
from harness import images
from harness.faults import faulty_host
from harness.pools import Pool, code

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
MIB = 1 << 20


@pytest.fixture(scope="module")
def lab(new_host):
    """(host, faults) whose daemon does as it is told."""
    return faulty_host(new_host)


@pytest.fixture
def pool(lab, request):
    """A region pool with whole.raw, 4 MiB of data."""
    host, faults = lab
    made = Pool(host, request.node.name.translate(str.maketrans("[]", "--")), region="cn-north-1")
    host.ok("vol-create-as", made.name, "whole.raw", "4M", "--format", "raw")
    images.write(made.file("whole.raw"), [(0, 4 * MIB, 5)], fmt="raw")
    yield made
    faults.disarm()
    if host.process is None:
        host.start()
    host.virsh("pool-destroy", made.name)
    host.virsh("pool-undefine", made.name)


def killed(lab):
    """The daemon died at the call that was chosen, and the next one runs."""
    host, faults = lab
    host.process.wait()
    host.process = None
    faults.disarm()
    host.start()


def marks(pool):
    return [name for name in pool.staging() if name.startswith("uploads/")]


def assert_unfinished(pool, volume):
    image = pool.image(volume)
    assert image.status == "error" and "has not ended well" in image.text("reason"), image.xml
    assert code(pool.refusal(pool, volume, name="x.qcow2")) == INVALID
    pool.host.fails("vol-download", volume, "/dev/null", "--pool", pool.name)


@pytest.mark.parametrize("end", ["kill", "fail", "stay"])
def test_half_a_stock_copy_is_no_image(lab, pool, end):
    """What a killed daemon leaves of vol-clone, or what libvirt can neither finish nor remove, says so."""
    host, faults = lab
    half = pool.file("half.raw")
    calls = ("write", "unlink") if end == "stay" else ("write",)
    faults.arm("before" if end == "kill" else "fail", half, calls=calls, nth=2, times=0)
    assert host.virsh("vol-clone", "whole.raw", "half.raw", "--pool", pool.name).rc != 0
    assert faults.hits
    if end == "kill":
        killed(lab)
    faults.disarm()
    pool.refresh()
    if end == "fail":
        assert "half.raw" not in pool.volumes()
    else:
        assert os.path.getsize(half) > 0
        assert_unfinished(pool, "half.raw")
        host.ok("vol-delete", "half.raw", pool.name)
    assert not marks(pool)
    host.ok("vol-clone", "whole.raw", "half.raw", "--pool", pool.name)
    assert pool.image("half.raw").status == "available"
    assert not marks(pool)


@pytest.mark.parametrize("end", ["kill", "fail"])
def test_half_a_wiped_volume_is_no_image(lab, pool, end):
    """Until all of it is wiped."""
    host, faults = lab
    faults.arm("before" if end == "kill" else "fail", pool.file("whole.raw"), calls=("write",), nth=2, times=0)
    assert host.virsh("vol-wipe", "whole.raw", pool.name).rc != 0
    assert faults.hits
    if end == "kill":
        killed(lab)
    faults.disarm()
    pool.refresh()
    assert_unfinished(pool, "whole.raw")
    host.ok("vol-wipe", "whole.raw", pool.name)
    assert pool.image("whole.raw").status == "available" and not marks(pool)
    with open(pool.file("whole.raw"), "rb") as f:
        assert not any(f.read())


def test_wiping_that_is_refused_changes_nothing(lab, pool):
    host, faults = lab
    faults.fail(pool.file("whole.raw"), calls=("open",), times=0)
    assert host.virsh("vol-wipe", "whole.raw", pool.name).rc != 0
    faults.disarm()
    assert faults.hits
    assert pool.image("whole.raw").status == "available" and not marks(pool)


def test_volume_has_no_record_of_an_earlier_one(lab, pool):
    """The record of a volume that is gone cannot be removed: then no other volume gets its name."""
    host, faults = lab
    pool.update("whole.raw", "<replication:description>the earlier one</replication:description>")
    os.unlink(pool.file("whole.raw"))
    with faults.failing(pool.file(".replication/images"), calls=("unlink",), times=0):
        pool.refresh()
        assert "Input/output error" in host.fails("vol-create-as", pool.name, "whole.raw", "1M", "--format", "raw")
    assert faults.hits and pool.volumes() == []
    host.ok("vol-create-as", pool.name, "whole.raw", "1M", "--format", "raw")
    assert pool.image("whole.raw").text("description") is None
