# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate in a pipe: the commands of every day, as scripts use them."""

import json
import re

import pytest

from harness import client, images


@pytest.fixture
def web(regions):
    """An image web.qcow2 of three layers in cn-north-1; (source pool, target pool)."""
    source, target = regions
    images.create(source.file("base.qcow2"), "32M")
    images.create(source.file("web.qcow2"), "32M", backing="base.qcow2")
    source.refresh()
    return source, target


def test_three_commands_from_label_to_replica(host, new_pool):
    """As a new user: two pools without labels, no XML."""
    north, east = new_pool(), new_pool()
    images.create(north.file("disk.qcow2"))
    north.refresh()
    client.ok(host, "label", north.name, "cn-north-9")
    client.ok(host, "label", east.name, "cn-east-9")
    client.ok(host, "copy", "disk.qcow2", "--to", "cn-east-9")
    assert east.volumes() == ["disk.qcow2"]
    assert images.qemu_img("compare", north.file("disk.qcow2"), east.file("disk.qcow2")).returncode == 0


def test_label_quota_project_and_remove(host, new_pool):
    pool = new_pool()
    client.ok(host, "label", pool.name, "r1", "--project", "p2", "--quota-images", "7", "--quota-bytes", "1.5GiB")
    region = [r for r in client.listing(host, "regions") if r["pool"] == pool.name][0]
    assert region["name"] == "r1" and region["project"] == "p2"
    assert region["quota"] == {"images": 7, "bytes": 3 << 29}
    client.ok(host, "label", pool.name, "--quota-images", "none")
    region = [r for r in client.listing(host, "regions") if r["pool"] == pool.name][0]
    assert region["name"] == "r1" and region["project"] == "p2" and region["quota"] == {"bytes": 3 << 29}
    client.ok(host, "label", pool.name, "--remove")
    assert pool.name not in [r["pool"] for r in client.listing(host, "regions")]
    assert "not a size" in client.fails(host, "label", pool.name, "r1", "--quota-bytes", "many")


def test_images_and_layers_are_told_apart(host, web):
    source, _ = web
    names = [i["volume"] for i in client.listing(host, "images", source.region)]
    assert names == ["web.qcow2"]
    listed = {i["volume"]: i["layer"] for i in client.listing(host, "images", source.name, "--layers")}
    assert listed == {"web.qcow2": False, "base.qcow2": True}
    table = client.ok(host, "images", source.name)
    assert "web.qcow2" in table and "base.qcow2" not in table and table.splitlines()[0].startswith("Name")


def test_names_ids_and_pools(host, web):
    source, target = web
    image = client.listing(host, "show", "web.qcow2")
    assert image["region"] == "cn-north-1" and image["pool"] == source.name and image["snapshots"] == ["base.qcow2"]
    for name in (image["id"], image["id"][:8], "cn-north-1:web.qcow2", f"{source.name}/web.qcow2"):
        assert client.listing(host, "show", name)["id"] == image["id"]
    assert client.listing(host, "show", f"{source.name}/base.qcow2")["volume"] == "base.qcow2"
    client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2", "--quiet")
    error = client.fails(host, "show", "web.qcow2")
    assert "means 2 images" in error and f"{source.name}/web.qcow2" in error and f"{target.name}/web.qcow2" in error


def test_wrong_words_bring_the_nearest(host, web):
    assert "Did you mean 'web.qcow2'?" in client.fails(host, "show", "wbe.qcow2")
    assert "Did you mean 'cn-east-2'?" in client.fails(host, "copy", "web.qcow2", "--to", "cn-eats-2")
    assert "Did you mean 'copy'?" in client.fails(host, "cpoy")
    assert f"Did you mean '{web[0].name}'?" in client.fails(host, "label", web[0].name + "x", "r")
    assert "no command" in client.fails(host, "frobnicate")


def test_quiet_says_nothing(host, web):
    source, target = web
    image, replica = f"{source.name}/web.qcow2", f"{target.name}/web.qcow2"
    for words in (("copy", image, "--to", "cn-east-2"), ("plan", image, "--to", "cn-east-2", "--name", "new.qcow2"),
                  ("set", replica, "--description", "x"), ("verify", replica), ("share", replica, "p2"), ("revoke", replica, "p2"),
                  ("keys", "create", "ims/quiet"), ("label", target.name, "--quota-images", "9"),
                  ("copy", image, "--to", "cn-east-2", "--name", "later.qcow2", "--no-wait"),
                  ("watch", f"{target.name}/later.qcow2"), ("delete", replica)):
        assert client.run(host, *words, "--quiet") == (0, "", ""), words


def test_width_in_a_pipe(host, web):
    """Lines have no end there, unless a width is asked for."""
    assert max(map(len, client.ok(host, "images").splitlines())) > 40
    assert max(map(len, client.ok(host, "images", "--width", "40").splitlines())) <= 40


def test_plan_says_all_of_every_region(host, web, new_pool):
    """Snapshots, bytes to send, what is reused, the quota that is left, and the time."""
    source, target = web
    images.write_random(source.file("base.qcow2"), 0, 4 << 20, seed=1)
    source.refresh()
    west = new_pool("cn-west-3", quota={"images": 3, "bytes": 1 << 30})
    client.ok(host, "label", target.name, "--quota-snapshots", "5")
    client.ok(host, "copy", "web.qcow2", "--to", west.name, "--name", "other.qcow2")
    head, *rows = client.ok(host, "plan", f"{source.name}/web.qcow2", "--to", "cn-east-2,cn-west-3", "--limit", "1MiB/s").splitlines()
    assert re.split("  +", head) == ["Copy", "Snapshots", "To send", "Reused", "Needs", "Quota left", "Time"]
    assert re.search(r"→ cn-east-2 +1 +4\.\d+ MiB +- +4\.\d+ MiB +4 snapshots +0:0[3-9]$", rows[0]), rows
    assert re.search(r"→ cn-west-3 +1 +\d+ KiB +1 layer +\d+ KiB +1 image, 10\d\d MiB +0:00$", rows[1]), rows


def test_plan_leaves_nothing(host, web):
    source, target = web
    before = target.state()
    out = client.ok(host, "plan", "web.qcow2", "--to", "cn-east-2")
    assert "web.qcow2 → cn-east-2" in out and "no limit" in out
    assert target.state() == before and target.volumes() == []
    plan = json.loads(client.ok(host, "plan", "web.qcow2", "--to", "cn-east-2", "--json"))
    pair = plan["pairs"][0]
    assert plan["event"] == "plan" and pair["snapshots"] == 1 and pair["job"]["state"] == "planned"
    assert [s["layer"] for s in pair["job"]["steps"]] == ["base.qcow2", "web.qcow2"]


def test_kept_plan_is_started(host, web):
    _, target = web
    client.ok(host, "plan", "web.qcow2", "--to", "cn-east-2", "--keep")
    job = [j for j in client.listing(host, "jobs") if j["pool"] == target.name][0]
    assert job["state"] == "planned"
    client.ok(host, "start", job["id"][:8])
    client.ok(host, "watch", f"{target.name}/web.qcow2")
    assert client.listing(host, "show", f"{target.name}/web.qcow2")["status"] == "available"


def test_partial_failure_pair_by_pair(host, web, new_pool):
    source, target = web
    full = new_pool("cn-west-3", quota={"images": 0})
    result = client.run(host, "copy", "web.qcow2", "--to", "cn-east-2,cn-west-3")
    assert result.rc == 2
    assert "web.qcow2 → cn-west-3" in result.err and "quota" in result.err
    assert target.volumes() == ["base.qcow2", "web.qcow2"] and full.volumes() == []


def test_at_most_five_images(host, regions):
    source, target = regions
    names = [f"i{n}.qcow2" for n in range(6)]
    for name in names:
        images.create(source.file(name), "1M")
    source.refresh()
    assert "At most 5 images" in client.fails(host, "copy", *names, "--to", "cn-east-2")
    assert target.volumes() == []
    client.ok(host, "copy", *names, "--to", "cn-east-2", "--max-images", "6")
    assert target.volumes() == names


def test_progress_events(host, web):
    out = client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [e["event"] for e in events][0] == "plan"
    assert events[-1]["event"] == "progress" and events[-1]["job"]["state"] == "completed"
    assert events[-1]["job"]["progress"] == 100


def test_token_makes_one_replica(host, web):
    _, target = web
    client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2", "--token", "nightly")
    before = target.state()
    client.ok(host, "copy", "cn-north-1:web.qcow2", "--to", "cn-east-2", "--token", "nightly")
    assert target.state() == before


def test_set_and_delete(host, web):
    source, target = web
    client.ok(host, "set", "web.qcow2", "--name", "Web <1>", "--description", "a & b", "--type", "system-disk")
    image = client.listing(host, "show", "Web <1>")
    assert (image["name"], image["description"], image["type"]) == ("Web <1>", "a & b", "system-disk")
    client.ok(host, "copy", "Web <1>", "--to", "cn-east-2")
    client.ok(host, "delete", f"{target.name}/web.qcow2")
    assert target.volumes() == []
    assert "backing file" in client.fails(host, "delete", f"{source.name}/base.qcow2")


def test_chain(host, web):
    source, _ = web
    images.create(source.file("shop.qcow2"), "32M", backing="base.qcow2")
    source.refresh()
    out = client.ok(host, "chain", "web.qcow2", "--ascii")
    assert out.splitlines()[1].startswith("`- base.qcow2  layer") and "also needed by shop.qcow2" in out
    listed = client.listing(host, "chain", f"{source.name}/base.qcow2")
    assert [v["volume"] for v in listed] == ["base.qcow2"] and sorted(listed[0]["neededBy"]) == ["shop.qcow2", "web.qcow2"]


def test_keys_encrypt_and_bind_names(host, web):
    source, target = web
    client.ok(host, "keys", "create", "ims/client", "--file", "-", input="a passphrase\n")
    assert "ims/client" in [k["usage"] for k in client.listing(host, "keys")]
    assert "already" in client.fails(host, "keys", "create", "ims/client")
    client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2", "--encrypt", "ims/client", "--flatten")
    shown = client.ok(host, "show", f"{target.name}/web.qcow2")
    assert "Key:             ims/client" in shown
    assert images.qemu_img("info", target.file("web.qcow2")).stdout.count("encrypt") > 0
    assert "Did you mean 'ims/client'?" in client.fails(host, "keys", "bind", f"{target.name}/web.qcow2", "ims/cleint")


def test_readonly_changes_nothing(host, web):
    source, target = web
    assert client.run(host, "images", readonly=True).rc == 0
    assert client.run(host, "copy", "web.qcow2", "--to", "cn-east-2", readonly=True).rc == 1
    assert target.volumes() == []


def test_connection_errors_say_what_to_do(host):
    result = client.run(host, "-c", "storage+unix:///system?socket=/nonexistent", "regions", connect=False)
    assert result.rc == 1 and result.err.startswith("error: ") and "--connect" in result.err


def test_usage_errors(host):
    assert "Usage: virt-replicate show" in client.fails(host, "show")
    assert client.run(host, "copy", "x", "--bogus").rc == 1
