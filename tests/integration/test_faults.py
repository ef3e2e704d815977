# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each call of a publication fails once and is the daemon's last once, for every kind of job."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
from jobs import AVAILABLE, Case, Lab  # noqa: E402
from long import Random  # noqa: E402
from harness.faults import faulty_host  # noqa: E402
from harness.pools import wait_until  # noqa: E402

ACTIONS = ("fail", "before", "behind")
KINDS = ("copy", "encrypt", "decrypt", "rekey", "slot", "keep", "flatten", "fast", "raw", "vmdk", "set", "shared")


@pytest.fixture(scope="module")
def lab(new_host):
    host, faults = faulty_host(new_host)
    made = Lab(host, faults)
    yield made
    faults.disarm()
    made.forget()


def publication(lab, kind):
    """The numbers of the calls from the first look at what was written until the end."""
    Case(lab, kind).run("count")
    log = lab.faults.log()
    written = [n for n, (what, path, _) in enumerate(log, 1) if what in ("write", "truncate", "sync") and
               "/partial/" in path]
    renamed = [n for n, (what, path, _) in enumerate(log, 1) if what == "rename" and "/partial/" in path]
    first = max(n for n in written if n < renamed[0] - 2)
    return range(first, len(log) + 1)


# All calls of these; of the others each third one, so that the suite takes minutes (tests/fault/long.py takes more).
WHOLE = ("copy", "encrypt", "set")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_call_of_a_publication(lab, kind, action):
    every = int(os.environ.get("REPL_TEST_EVERY", "1" if kind in WHOLE else "3"))
    kind = lab.kinds[kind]
    for number in publication(lab, kind)[ACTIONS.index(action) % every::every]:
        try:
            Case(lab, kind).run(action, nth=number, resolve=("retry", "delete")[number % 2])
        except AssertionError as err:
            raise AssertionError(f"{action} of call {number} ({lab.faults.hit()}): {err}") from err


@pytest.mark.parametrize("resolve", ["retry", "delete"])
@pytest.mark.parametrize("of", ["layer", "image"])
def test_name_that_only_the_list_has(lab, of, resolve):
    """The volume that was to hold a name cannot be read when it is made, and removing it fails twice although its file goes: libvirt
    still lists it. It is taken off the list with the job, or with the refused request."""
    case = Case(lab, lab.kinds["copy"])
    name = {"layer": "base.qcow2", "image": case.name}[of]
    # of this file alone: libvirt's look at it, libvirt's removal, and ours
    assert case.run("late", folders=(lab.target.file(name),), calls=("read", "unlink"), times=3, resolve=resolve) == 3


def ends_at(lab, kind):
    """Which of the renames of records is that of the job's own at its end, and the folders of records."""
    folders = [lab.target.file(f".replication/{name}") for name in ("jobs", "images")]
    Case(lab, kind).run("count", folders=folders, calls=("rename",))
    return max(n for n, (_, path, _) in enumerate(lab.faults.log(), 1) if "/jobs/" in path), folders


@pytest.mark.parametrize("kind", ["copy", "set"])
def test_end_that_cannot_be_put_on_record(lab, kind):
    """What the job has made is there and is the client's, whatever its record says: nothing of it is refused or undone."""
    kind = lab.kinds[kind]
    nth, folders = ends_at(lab, kind)
    assert Case(lab, kind).run("fail", folders=folders, calls=("rename",), nth=nth, times=5, resolve="delete") > 0
    case = Case(lab, kind)
    lab.faults.arm("fail", *folders, calls=("rename",), nth=nth, times=0)
    assert lab.request(kind, case.name) is None
    assert lab.wait_end(case.name).status == AVAILABLE
    lab.pool().storageVolLookupByName(case.name).delete()
    left = lab.volumes()
    assert "base.qcow2" in left and [lab.image(volume).status for volume in left] == [AVAILABLE] * len(left)
    lab.host.kill()
    lab.faults.disarm()
    lab.forget()
    lab.host.start()
    lab.pool().refresh()
    assert lab.volumes() == left and [lab.image(volume).status for volume in left] == [AVAILABLE] * len(left)
    for volume in [name for name in left if name != "base.qcow2"] or left:
        lab.delete(volume)
    lab.assert_nothing_left()


@pytest.mark.parametrize("verified", [False, True])
def test_image_deleted_before_its_end_is_on_record(lab, verified):
    """Whatever the image's record says by then (that its job has completed, or a verification): without the image its job does not
    look like one that has not made it yet, so the layer below stays the client's, over a restart too. And until then the same request
    finds it."""
    kind, name = lab.kinds["copy"], f"late{verified}.qcow2"
    assert lab.request(kind, name, start="no", token=name) is None
    job = lab.image(name).job["id"]
    lab.faults.arm("delay", lab.target.file(".replication/partial"), calls=("rename",), nth=2, err=60000)
    lab.act(name, "start")
    assert wait_until(lambda: lab.faults.hits, 60)  # all is written
    lab.faults.fail(lab.target.file(f".replication/jobs/{job}"), calls=("rename",), times=0)
    assert lab.wait_end(name).status == AVAILABLE
    assert lab.faults.hits
    assert lab.request(kind, name, start="no", token=name) is None
    if verified:
        lab.act(name, "verify")
        assert wait_until(lambda: lab.image(name).job["id"] != job and lab.image(name).job["state"] == "completed", 60)
    lab.pool().storageVolLookupByName(name).delete()
    lab.host.kill()
    lab.faults.disarm()
    lab.forget()
    lab.host.start()
    lab.pool().refresh()
    assert lab.volumes() == ["base.qcow2"] and lab.image("base.qcow2").status == AVAILABLE
    lab.delete("base.qcow2")
    lab.assert_nothing_left()


def test_random_calls(lab):
    """A short run of what tests/fault/long.py does for hours."""
    cases = Random(lab, seed=int(os.environ.get("REPL_TEST_SEED", "20")))
    for number in range(30):
        cases.case(die=number % 3 == 0)
    assert cases.kills > 0 and cases.faults > 0
