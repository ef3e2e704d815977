# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate sync: a policy made so, again and again, by real copies."""

import configparser
import glob
import json
import os
import subprocess
import time

import pytest

from harness import client, images

POLICY = """
[rule golden]
from = {origin}
regions = {regions}
images = golden-*
{more}
"""


@pytest.fixture
def world(host, new_pool, scratch):
    """Pools of three regions of their own, two golden images and another one in the first; sync runs a policy."""
    number = len(os.listdir(host.dir + "/pools"))
    names = [f"r{number}-{word}" for word in ("a", "b", "c")]
    pools = [new_pool(name) for name in names]
    for image in ("golden-1.qcow2", "golden-2.qcow2", "other.qcow2"):
        images.create(pools[0].file(image), "4M")
    pools[0].refresh()

    class World:
        def __init__(self):
            self.pools = pools
            self.names = names
            self.path = os.path.join(scratch, "policy")
            self.env = {"XDG_STATE_HOME": os.path.join(scratch, "state")}
            self.write()

        def write(self, more="", regions=None, text=None):
            with open(self.path, "w") as f:
                f.write(text or POLICY.format(origin=names[0], regions=regions or ";".join(names[1:]), more=more))
            os.chmod(self.path, 0o644)

        def sync(self, *args, rc=0):
            result = client.run(host, "sync", self.path, *args, "--json", env=self.env)
            assert result.rc == rc, result
            return json.loads(result.out.splitlines()[-1])

        def states(self):
            return glob.glob(self.env["XDG_STATE_HOME"] + "/virt-replicate/*.state")

        def age(self, seconds):
            """As if what is missing had been missing for so long."""
            def earlier(state):
                for key, value in state["missing"].items():
                    state["missing"][key] = str(int(value) - seconds)
            self.edit_state(earlier)

        def edit_state(self, edit):
            state = configparser.RawConfigParser()
            state.optionxform = str
            state.read(self.states()[0])
            edit(state)
            with open(self.states()[0], "w") as f:
                state.write(f, space_around_delimiters=False)

    return World()


def test_makes_it_so_and_again_does_nothing(host, world):
    report = world.sync()
    copies = report.pop("copies")
    assert sorted((copy["image"], copy["region"]) for copy in copies) == [
        (image, region) for image in ("golden-1.qcow2", "golden-2.qcow2") for region in world.names[1:]]
    assert all(copy["from"] in world.names[:2] for copy in copies), copies
    assert report == {"event": "sync", "there": 4, "copied": 4, "coming": 0, "lagging": 0, "deleted": 0, "kept": 0,
                      "closed": False, "status": 0, "lags": [], "deletions": []}
    for pool in world.pools[1:]:
        assert pool.volumes() == ["golden-1.qcow2", "golden-2.qcow2"]
    jobs = [pool.image("golden-1.qcow2").job["id"] for pool in world.pools[1:]]
    before = [pool.state() for pool in world.pools]
    report = world.sync()
    assert report["there"] == 4 and report["copied"] == 0 and report["copies"] == []
    assert [pool.image("golden-1.qcow2").job["id"] for pool in world.pools[1:]] == jobs
    assert [pool.state() for pool in world.pools] == before


def test_a_replica_that_is_deleted_comes_back(world):
    world.sync()
    world.pools[1].host.ok("vol-delete", "golden-1.qcow2", world.pools[1].name)
    assert world.sync()["copied"] == 1
    assert world.pools[1].volumes() == ["golden-1.qcow2", "golden-2.qcow2"]


def test_dry_run_changes_nothing(host, world):
    before = [pool.state() for pool in world.pools]
    result = client.run(host, "sync", world.path, "--dry-run", env=world.env)
    assert result.rc == 0 and result.out.count("would copy") == 4, result
    assert [pool.state() for pool in world.pools] == before and world.states() == []


def test_twice_at_once(host, world):
    argv = [client.program(), "-c", host.uri(), "sync", world.path]
    runs = [subprocess.Popen(argv, env=client.environment(host, **world.env), stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outs = [run.communicate(timeout=120) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outs
    for pool in world.pools[1:]:
        assert pool.volumes() == ["golden-1.qcow2", "golden-2.qcow2"]
    assert world.sync()["there"] == 4


def test_a_region_feeds_the_next(host, world):
    """The nearest region that has the image is its source, as far as distances are declared."""
    a, b, c = world.names
    world.write(text=POLICY.format(origin=a, regions=f"{b};{c}", more="") +
                f"[policy]\nfan-out = 1\n[distance]\n{a} {b} = 1\n{b} {c} = 1\n{a} {c} = 10\n")
    world.sync()
    assert world.pools[1].image("golden-1.qcow2").source["region"] == a
    assert world.pools[2].image("golden-1.qcow2").source["region"] == b
    assert world.sync()["there"] == 4  # c's are known to be the origin's


def test_a_region_feeds_the_next_as_measured(world):
    """Where no distance is declared, the quickest way is taken that earlier copies have shown."""
    a, b, c = world.names
    images.write_random(world.pools[0].file("golden-1.qcow2"), 0, 2 << 20, seed=1)  # enough to measure by
    world.pools[0].refresh()
    world.sync()
    assert world.pools[2].image("golden-1.qcow2").source["region"] == a

    def slow_from_the_origin(state):
        assert float(state["rates"][f"{a} {b}"]) > 0 and float(state["rates"][f"{a} {c}"]) > 0
        state["rates"].update({f"{a} {b}": "1e9", f"{b} {c}": "1e9", f"{a} {c}": "1e3"})
    world.edit_state(slow_from_the_origin)
    images.create(world.pools[0].file("golden-3.qcow2"), "4M")
    world.pools[0].refresh()
    assert world.sync()["copied"] == 2
    assert world.pools[1].image("golden-3.qcow2").source["region"] == a
    assert world.pools[2].image("golden-3.qcow2").source["region"] == b


def test_versions(host, world):
    images.create(world.pools[0].file("golden-10.qcow2"), "4M")
    world.pools[0].refresh()
    world.write(more="versions = 2", regions=world.names[1])
    world.sync()
    assert world.pools[1].volumes() == ["golden-10.qcow2", "golden-2.qcow2"]


def test_old_versions_go_within_the_limit(host, world):
    world.write(more="versions = 2\ndelete = yes", regions=world.names[1])
    world.sync()
    images.create(world.pools[0].file("golden-10.qcow2"), "4M")
    world.pools[0].refresh()
    report = world.sync()
    assert report["copied"] == 1 and report["deleted"] == 0 and report["kept"] == 1
    report = world.sync("--allow-delete", "1")
    assert report["deletions"] == [{"image": "golden-1.qcow2", "region": world.names[1]}] and report["deleted"] == 1
    assert world.pools[1].volumes() == ["golden-10.qcow2", "golden-2.qcow2"]


def test_replicas_go_a_day_after_their_source(host, world):
    world.write(more="delete = yes")
    world.sync()
    host.ok("vol-delete", "golden-1.qcow2", world.pools[0].name)
    assert world.sync("--allow-delete", "9")["deleted"] == 0
    world.age(24 * 3600)
    host.ok("pool-destroy", world.pools[0].name)  # not listed whole now
    assert world.sync("--allow-delete", "9")["deleted"] == 0
    host.ok("pool-start", world.pools[0].name)
    assert world.sync()["deleted"] == 0  # 10 % of 4 are none
    assert world.sync("--allow-delete", "9")["deleted"] == 2
    for pool in world.pools[1:]:
        assert pool.volumes() == ["golden-2.qcow2"]


def test_time_for_copies(host, world):
    now = time.localtime()
    start, end = (now.tm_hour + 2) % 24, (now.tm_hour + 3) % 24
    world.write(more=f"[policy]\nbandwidth = {start:02}:00-{end:02}:00 5MiB/s")
    report = world.sync(rc=1)
    assert report["closed"] and report["copied"] == 0 and report["lagging"] == 4
    assert world.pools[1].volumes() == []


def test_bandwidth_of_now(host, world):
    world.write(more="[policy]\nbandwidth = 00:00-24:00 5MiB/s")
    world.sync()
    assert world.pools[1].image("golden-1.qcow2").job["bandwidth"] == str(5 << 20)


def test_a_name_that_is_taken_is_said(host, world):
    images.create(world.pools[1].file("golden-1.qcow2"), "4M")
    world.pools[1].refresh()
    result = client.run(host, "sync", world.path, env=world.env)
    assert result.rc == 2 and "another image has the name 'golden-1.qcow2'" in result.err
    assert f"golden-1.qcow2 lags behind in {world.names[1]}" in result.out.splitlines()[-2], result
    report = world.sync(rc=2)
    assert report["lags"] == [{"image": "golden-1.qcow2", "region": world.names[1]}] and report["lagging"] == 1


def test_a_region_that_is_away_lags(host, world):
    host.ok("pool-destroy", world.pools[1].name)
    result = client.run(host, "sync", world.path, env=world.env)
    assert result.rc == 2 and "not active" in result.err and world.names[1] in result.err
    assert world.pools[2].volumes() == ["golden-1.qcow2", "golden-2.qcow2"]
    host.ok("pool-start", world.pools[1].name)
    assert world.sync()["copied"] == 2


def test_policy_of_others_is_refused(host, world):
    os.chmod(world.path, 0o666)
    assert "Others may write" in client.fails(host, "sync", world.path, env=world.env)
    os.chmod(world.path, 0o644)
    os.chown(world.path, 1, 1)
    assert "belongs to user 1" in client.fails(host, "sync", world.path, env=world.env)
    assert world.pools[1].volumes() == []


def test_encryption_of_the_rule(host, world):
    world.write(more="encryption = default", regions=world.names[1])
    world.sync()
    assert "encrypted: yes" in images.qemu_img("info", world.pools[1].file("golden-1.qcow2")).stdout
    assert world.sync()["copied"] == 0


def test_failures_are_said_and_the_rest_is_done(host, world, new_pool):
    full = new_pool(world.names[0] + "-full", quota={"images": 0})
    world.write(regions=f"{world.names[1]};{full.region}")
    result = client.run(host, "sync", world.path, env=world.env)
    assert result.rc == 2 and "quota" in result.err
    assert world.pools[1].volumes() == ["golden-1.qcow2", "golden-2.qcow2"] and full.volumes() == []


def test_metrics_of_a_policy(host, world):
    world.sync()
    out = client.ok(host, "metrics", env=world.env)
    assert out.count("virt_replication_sync_lag_seconds{") == 4
    assert 'virt_replication_sync_last_exit_status{policy="' in out


def test_nothing_to_do_is_quick(host, new_pool, scratch):
    """100 images in 5 regions: at most 2 s, and no job made."""
    origin = new_pool("q0")
    others = [new_pool(f"q{number}") for number in range(1, 6)]
    images.create(origin.file("golden-0.qcow2"), "1M")
    with open(origin.file("golden-0.qcow2"), "rb") as f:
        data = f.read()
    for number in range(1, 100):
        with open(origin.file(f"golden-{number}.qcow2"), "wb") as f:
            f.write(data)
    origin.refresh()
    path, env = os.path.join(scratch, "many"), {"XDG_STATE_HOME": os.path.join(scratch, "state")}
    with open(path, "w") as f:
        f.write(POLICY.format(origin="q0", regions="q*", more="[policy]\nparallel = 20"))
    os.chmod(path, 0o644)
    client.ok(host, "sync", path, env=env, timeout_s=500)
    jobs = {job["id"] for job in client.listing(host, "jobs", "--all")}
    assert all(len(pool.volumes()) == 100 for pool in others)
    began = time.monotonic()
    out = client.ok(host, "sync", path, env=env)
    took = time.monotonic() - began
    print(f"sync of 100 images in 5 regions with nothing to do: {took:.2f} s")
    assert "500 there, 0 copied" in out
    assert took <= 2 * (1 if os.getloadavg()[0] < 1.5 else 5)
    assert {job["id"] for job in client.listing(host, "jobs", "--all")} == jobs
