# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate and the image service: sharing between projects, and keys."""

import re

import pytest

from harness import client, crypt, images


@pytest.fixture
def projects(new_pool):
    """Pools of two projects in one region, and a region of the second project elsewhere; an image of the first."""
    owner = new_pool("cn-share-1", project="web")
    other = new_pool("cn-share-1", project="books")
    away = new_pool("cn-share-2", project="books")
    images.create(owner.file("web.qcow2"), "4M")
    owner.refresh()
    return owner, other, away


def offers(host, pool):
    region = [r for r in client.listing(host, "regions") if r["pool"] == pool.name][0]
    return {offer["name"]: offer["state"] for offer in region["shared"]}


def test_offer_accept_copy_revoke(host, projects):
    owner, other, away = projects
    client.ok(host, "share", "web.qcow2", "books")
    assert offers(host, other) == {"web.qcow2": "offered"}
    assert re.search(r"web.qcow2 +cn-share-1 +offered +of project web", client.ok(host, "images"))
    assert "Shared with:     books (offered)" in client.ok(host, "show", f"{owner.name}/web.qcow2")
    client.ok(host, "accept", "web.qcow2")
    assert offers(host, other) == {"web.qcow2": "accepted"}
    client.ok(host, "copy", "web.qcow2", "--to", away.name)
    assert client.listing(host, "show", f"{away.name}/web.qcow2")["project"] == "books"
    client.ok(host, "revoke", f"{owner.name}/web.qcow2", "books")
    assert offers(host, other) == {}
    assert away.volumes() == ["web.qcow2"]


def test_reject(host, projects):
    owner, other, _ = projects
    client.ok(host, "share", "web.qcow2", "books")
    client.ok(host, "reject", client.listing(host, "show", "web.qcow2")["id"][:8])
    assert offers(host, other) == {}
    assert "No image 'web.qcow2' is offered" in client.fails(host, "accept", "web.qcow2")


def test_partly_shared(host, projects):
    result = client.run(host, "share", "web.qcow2", "books", "no good name!")
    assert result.rc == 2 and "no good name!" in result.err


def test_keys_bind(host, new_pool):
    pool = new_pool("cn-keys-1")
    client.ok(host, "keys", "create", "ims/first", "--file", "-", input=crypt.SOURCE)
    client.ok(host, "keys", "create", "ims/again", "--file", "-", input=crypt.SOURCE + "\n")
    client.ok(host, "keys", "create", "ims/wrong")
    images.create(pool.file("plain.qcow2"), "4M")
    pool.refresh()
    client.ok(host, "copy", "plain.qcow2", "--to", "cn-keys-1", "--encrypt", "ims/first", "--name", "secret.qcow2")
    client.ok(host, "keys", "bind", "secret.qcow2", "ims/again")
    assert "Key:             ims/again" in client.ok(host, "show", "secret.qcow2")
    assert client.run(host, "keys", "bind", "secret.qcow2", "ims/wrong").rc == 1
    assert "Key:             ims/again" in client.ok(host, "show", "secret.qcow2")


def test_new_key_slot_and_fast_create(host, new_pool):
    """--rekey slot: another key in front of the same ciphertext; --fast-create: marked, and shown."""
    pool = new_pool("cn-keys-2")
    for usage in ("ims/old", "ims/new"):
        client.ok(host, "keys", "create", usage)
    images.create(pool.file("plain.qcow2"), "4M")
    images.write(pool.file("plain.qcow2"), [(0, 1 << 20, 7)])
    pool.refresh()
    client.ok(host, "copy", "plain.qcow2", "--to", "cn-keys-2", "--encrypt", "ims/old", "--name", "old.qcow2", "--fast-create")
    client.ok(host, "copy", "old.qcow2", "--to", "cn-keys-2", "--encrypt", "ims/new", "--rekey", "slot", "--name", "new.qcow2")
    old, new = client.listing(host, "show", "old.qcow2"), client.listing(host, "show", "new.qcow2")
    assert old["fastCreate"] and (old["keyUsage"], new["keyUsage"]) == ("ims/old", "ims/new")
    files = []
    for name in ("old.qcow2", "new.qcow2"):
        with open(pool.file(name), "rb") as f:
            files.append(f.read())
    assert files[0] != files[1] and files[0][-65536:] == files[1][-65536:]


def test_full_machine(host, new_pool):
    """A system disk with members goes to another region as one; none takes the members off."""
    here, there = new_pool("cn-set-1"), new_pool("cn-set-2")
    for name in ("system.qcow2", "data.qcow2"):
        images.create(here.file(name), "4M")
    here.refresh()
    client.ok(host, "set", "system.qcow2", "--type", "full-machine", "--member", "data.qcow2")
    assert client.listing(host, "show", "cn-set-1:system.qcow2")["members"] == ["data.qcow2"]
    assert "full machine" in client.fails(host, "copy", "system.qcow2", "--to", "cn-set-1").replace("-", " ")
    client.ok(host, "copy", "system.qcow2", "--to", "cn-set-2")
    assert there.volumes() == ["data.qcow2", "system.qcow2"]
    assert client.listing(host, "show", "cn-set-2:system.qcow2")["members"] == ["data.qcow2"]
    client.ok(host, "set", "cn-set-1:system.qcow2", "--type", "system-disk", "--member", "none")
    assert client.listing(host, "show", "cn-set-1:system.qcow2").get("members", []) == []
