# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may open a session with a host, under polkit: nobody reads by one, or takes over by one, what they may not touch."""

import json
import os
import subprocess
import threading

import pytest
from harness import images, machines, wire
from harness.host import SOURCE_ROOT
from harness.polkit import guarded
from harness.pools import Pool, wait_until
from harness.remote import serving

ALL, READER, NOBODY = "bin", "daemon", "games"
RULES = """
polkit.addRule(function(action, subject) {
    var last = action.id.split(".").pop();
    var vol = action.lookup("vol_name");
    if (subject.user == "root" || subject.user == "%s" || action.id.indexOf("org.libvirt.api.connect") == 0)
        return polkit.Result.YES;
    if (action.id.indexOf("org.libvirt.api.storage-pool") == 0)
        return ["getattr", "read", "search-storage-vols"].indexOf(last) >= 0 ? polkit.Result.YES : polkit.Result.NO;
    if (last == "getattr" || last == "read")
        return polkit.Result.YES;
    return subject.user == "%s" && last == "data-read" && vol == "web.qcow2" ? polkit.Result.YES : polkit.Result.NO;
});
""" % (ALL, READER)


@pytest.fixture(scope="module")
def place(new_host):
    with guarded(new_host, RULES, prepare=serving) as host:
        pool = Pool(host, "beijing", region="cn-north-1")
        pool.chain()
        yield host, pool


def greets(place, user, volume, purpose=wire.PULL, **options):
    """What comes of a session that this user opens: "greeted", or what was said instead."""
    host, pool = place
    with open(os.path.join(SOURCE_ROOT, "tests/harness/wire.py")) as source:
        return subprocess.run(
            host.enter_argv() + ["setpriv", f"--reuid={user}", "--clear-groups", "/usr/bin/python3", "-", "storage:///system",
                                 pool.name, volume, f"{purpose} {json.dumps(options)}"],
            stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, cwd="/",
            env=dict(os.environ, LC_ALL="C", HOME="/nonexistent")).stdout.strip()


def test_one_who_may_all(place):
    assert greets(place, ALL, "web.qcow2") == "greeted"


def test_one_without_rights_uses_up_nothing(place):
    """Refused before a session is counted or a thread begins, whatever it wants."""
    before = place[0].threads()
    assert "denied access" in greets(place, NOBODY, "web.qcow2")
    assert "denied access" in greets(place, NOBODY, "web.qcow2", wire.PUSH)
    assert "denied access" in greets(place, READER, "base.qcow2")
    assert place[0].threads() <= before + 2


def test_every_layer_is_asked_about(place):
    """The image alone is readable, and its base is not."""
    said = greets(place, READER, "web.qcow2")
    assert said.startswith("error") and "denied access" in said


def test_every_disk_of_a_full_machine_is_asked_about(place):
    host, _ = place
    pool = Pool(host, "machines", region="cn-north-1")
    images.create(pool.file("web.qcow2"), "1M")
    images.create(pool.file("log.raw"), "1M", fmt="raw")
    pool.refresh()
    assert greets((host, pool), READER, "web.qcow2") == "greeted"
    pool.update("web.qcow2", machines.members("log.raw"))
    assert "denied access" in greets((host, pool), READER, "web.qcow2")
    assert greets((host, pool), ALL, "web.qcow2") == "greeted"


def test_a_reader_pushes_nothing(place):
    said = greets(place, READER, "web.qcow2", wire.PUSH, request="<volume/>")
    assert said.startswith("error") and "denied access" in said


def test_a_lent_image_is_not_taken_over(place):
    """Not by another user who may read it, too, and has seen all that the first one sent."""
    host, pool = place
    job = "6f6a1e0c-7c9c-4a59-8b0e-0d6a5f4b3c2f"
    session = wire.Session(host, pool.name, "web.qcow2")
    assert session.greet(job=job, epoch=1)[0] == wire.WELCOME
    said = greets(place, ALL, "web.qcow2", job=job, epoch=9)
    assert said.startswith("error") and "another host or user" in said
    assert session.ask(wire.READ, wire.read_range(0, 0, 4096))[0] == wire.DATA
    session.close()


def test_a_push_is_not_taken_over(place, tmp_path):
    host, pool = place
    job = "6f6a1e0c-7c9c-4a59-8b0e-0d6a5f4b3c30"
    path = str(tmp_path / "planned.qcow2")
    images.create(path, size="1M")
    holder = wire.Holder(host, pool.name, "planned.qcow2", [wire.Layer(path)])
    ended = []
    thread = threading.Thread(target=lambda: ended.append(holder.push("  start='no'", job=job)))
    thread.start()
    assert wait_until(lambda: ended or "planned.qcow2" in pool.volumes(), 60) and not ended, ended
    assert pool.wait_job("planned.qcow2", states=("planned",))["id"] == job
    said = greets(place, ALL, "planned.qcow2", wire.PUSH, job=job, epoch=9, request="<volume/>")
    assert said.startswith("error") and "not pushed into pool" in said
    assert pool.image("planned.qcow2").job["state"] == "planned"
    host.ok("vol-delete", "--pool", pool.name, "planned.qcow2")
    thread.join(60)
    assert ended and ended[0][0] == "cancelled", ended
    holder.close()
