# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate export and import, and what the C library has for them."""

import os

from harness import client, images


def test_export_and_import(host, new_pool):
    """By default names; the second export leaves out what an inventory tells of."""
    source, out, target = new_pool("cn-out-1"), new_pool(), new_pool("cn-in-1")
    source.chain()
    said = client.ok(host, "export", "web.qcow2", "--to", out.name)
    assert f"virsh vol-download --pool {out.name} web.qcow2.bundle FILE" in said
    client.ok(host, "import", f"{out.name}/web.qcow2.bundle", "--to", "cn-in-1")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    client.ok(host, "export", f"{target.name}/web.qcow2", "--to", out.name, "--inventory")
    images.overlay(source.file("next.qcow2"), "web.qcow2", "32M", writes=[(1 << 20, 65536, 1)])
    source.refresh()
    client.ok(host, "export", "next.qcow2", "--to", out.name, "--name", "small",
              "--have", f"{out.name}/web.qcow2.inventory")
    assert os.path.getsize(out.file("small")) < 1 << 20
    client.ok(host, "import", f"{out.name}/small", "--to", "cn-in-1", "--name", "got.qcow2")
    images.compare(source.file("next.qcow2"), target.file("got.qcow2"))
    assert out.volumes() == ["small", "web.qcow2.bundle", "web.qcow2.inventory"]


def test_what_is_no_bundle(host, new_pool):
    source, out, _ = new_pool("cn-out-2"), new_pool(), new_pool("cn-in-2")
    images.create(source.file("web.qcow2"), "4M")
    source.refresh()
    assert "name it as POOL/VOLUME" in client.fails(host, "import", "web", "--to", "cn-in-2")
    client.ok(host, "export", "web.qcow2", "--to", out.name)
    with open(out.file("web.qcow2.bundle"), "r+b") as f:
        f.truncate(5000)
    out.refresh()
    assert "ends too early" in client.fails(host, "import", f"{out.name}/web.qcow2.bundle", "--to", "cn-in-2")
