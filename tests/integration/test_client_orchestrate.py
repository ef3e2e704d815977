# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tools on top of libvirt that know nothing of us: Ansible labels and replicates, virt-install starts from a replica."""

import os

import pytest

from harness import client, images, space
from harness.host import SOURCE_ROOT
from harness.pools import Pool, wait_until
from test_guest import BOOT

PLAYBOOK = os.path.join(SOURCE_ROOT, "tools/lib/examples/regions.yml")


@pytest.fixture(scope="module")
def host(new_host):
    return new_host(drivers=("secret", "qemu")).start()


def bootable(pool, name):
    raw = pool.file("raw")
    with open(raw, "wb") as f:
        f.write(BOOT)
        f.truncate(8 << 20)
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, pool.file(name))
    os.unlink(raw)
    pool.refresh()


def test_virt_install_starts_a_domain_from_a_replica(host):
    north, east = Pool(host, "north", region="cn-vi-1"), Pool(host, "east", region="cn-vi-2")
    bootable(north, "web.qcow2")
    client.ok(host, "copy", "web.qcow2", "--to", "cn-vi-2")
    host.run("virt-install", "--connect", "qemu:///system", "--name", "web", "--memory", "64", "--virt-type", "qemu",
             "--import", "--disk", f"vol={east.name}/web.qcow2,bus=ide", "--osinfo", "detect=off,require=off", "--network",
             "none", "--graphics", "none", "--noautoconsole", "--controller", "usb,model=none", "--memballoon", "none",
             "--serial", "file,path=/var/lib/libvirt/images/serial", "--machine", "pc",
             env=dict(os.environ, LC_ALL="C", HOME=host.dir))
    serial = os.path.join(host.dir, "lib/images/serial")

    def said():
        try:
            with open(serial, "rb") as f:
                return b"OK" in f.read()
        except FileNotFoundError:
            return False

    assert wait_until(said, 120)
    assert f"{east.path}/web.qcow2" in host.ok("domblklist", "web")
    host.ok("destroy", "web")
    host.ok("undefine", "web")


def playbook(host, *extra, scratch):
    env = dict(os.environ, LC_ALL="C.UTF-8", HOME=scratch, ANSIBLE_LOCALHOST_WARNING="false", ANSIBLE_NOCOLOR="1",
               PATH=os.path.dirname(client.program()) + ":/usr/bin:/bin")
    return space.run("ansible-playbook", "-i", "localhost,", "-c", "local", "-e", "ansible_python_interpreter=/usr/bin/python3",
                     "-e", f"uri={host.uri()}", *extra, PLAYBOOK, env=env).stdout


def test_playbook_labels_and_replicates_and_is_idempotent(host, scratch):
    paths = {name: os.path.join(host.dir, "pools", name) for name in ("beijing", "shanghai")}
    for path in paths.values():
        os.makedirs(path)
    images.create(os.path.join(paths["beijing"], "web.qcow2"), "4M")
    extra = ["-e", '{"regions": [' + ", ".join(
        f'{{"pool": "{pool}", "path": "{paths[pool]}", "name": "{region}"}}'
        for pool, region in (("beijing", "cn-north-1"), ("shanghai", "cn-east-2"))) + "]}"]
    out = playbook(host, *extra, scratch=scratch)
    assert "failed=0" in out and "changed=0" not in out, out
    assert {(r["pool"], r["name"]) for r in client.listing(host, "regions")} >= {("beijing", "cn-north-1"),
                                                                                ("shanghai", "cn-east-2")}
    shown = client.listing(host, "show", "cn-east-2:web.qcow2")
    assert shown["status"] == "available" and shown["source"]["region"] == "cn-north-1"
    again = playbook(host, *extra, scratch=scratch)
    assert "failed=0" in again and "changed=0" in again, again
    assert client.listing(host, "show", "cn-east-2:web.qcow2")["id"] == shown["id"]
