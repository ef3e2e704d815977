# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate with regions on other hosts: added, tested and listed without any XML."""

import json

import libvirt
import pytest

from harness import client, images, net
from harness.host import STOCK
from harness.pools import Pool, wait_until
from harness.remote import serving, uri


def libvirt_version():
    number = libvirt.getVersion()
    return f"{number // 1000000}.{number // 1000 % 1000}.{number % 1000}"


@pytest.fixture(scope="module")
def hosts(new_host):
    """(the host that is asked, a peer with the module, a stock peer, and their links)"""
    here = new_host().start()
    there = serving(new_host(listen=("tcp",))).start()
    plain = new_host(module=STOCK, listen=("tcp",)).start()
    return here, there, plain, net.Link(there, here), net.Link(plain, here)


@pytest.fixture(scope="module")
def far(hosts):
    here, there, _, link, _ = hosts
    source = Pool(there, "images", region="cn-far-1")
    images.create(source.file("web.qcow2"), "4M")
    source.refresh()
    client.ok(here, "peer", "add", "shanghai", uri(link), "images")
    return here, source


def test_add_starts_and_lists(far):
    here, _ = far
    region = [r for r in client.listing(here, "regions") if r["pool"] == "shanghai"][0]
    assert region["name"] == "cn-far-1" and region["poolType"] == "region" and region["active"]
    assert region["peer"]["state"] == "connected"
    assert [i["name"] for i in client.listing(here, "images", "cn-far-1")] == ["web.qcow2"]
    assert client.listing(here, "show", "cn-far-1:web.qcow2")["pool"] == "shanghai"
    assert "autostart:      yes" in here.ok("pool-info", "shanghai").lower()


def test_test_says_what_is_right(far):
    here, _ = far
    report = client.listing(here, "peer", "test", "shanghai")
    assert all(report[what]["ok"] for what in ("link", "version", "wire", "replication", "rights")), report
    assert "is spoken by both" in report["wire"]["text"], report
    assert f"libvirt {libvirt_version()} with the module" in report["version"]["text"], report
    assert "may be listed and read" in report["rights"]["text"], report
    out = client.ok(here, "peer", "test", "shanghai")
    assert [line.split(":")[0].split(maxsplit=1)[1] for line in out.splitlines()] == [
        "link", "version", "wire format", "replication", "rights", "keys"]


def test_test_tries_the_keys(hosts):
    """Keys that images there need are looked for here, by usage."""
    here, there, _, link, _ = hosts
    source = Pool(there, "locked", region="cn-far-2")
    images.create(source.file("plain.qcow2"), "4M")
    source.refresh()
    client.ok(there, "keys", "create", "ims/far", "--file", "-", input="a passphrase")
    client.ok(there, "copy", "plain.qcow2", "--to", "cn-far-2", "--encrypt", "ims/far", "--name", "secret.qcow2")
    client.ok(here, "peer", "add", "locked", uri(link), "locked")
    result = client.run(here, "peer", "test", "locked")
    assert result.rc == 1 and "FAILED   keys: images there need keys that are not here: ims/far" in result.out, result
    client.ok(here, "keys", "create", "ims/far", "--file", "-", input="a passphrase")
    assert "ok       keys: the keys that images there need are here: ims/far" in client.ok(here, "peer", "test", "locked")


def test_test_says_whether_the_peer_serves(hosts, far):
    """As it is now: the peer's daemon is asked again until it serves."""
    here, there, _, _, _ = hosts
    there.stop()
    serving(there, "serve_hosts = 0\n").start()  # the last word counts
    wait_until(lambda: "serves no other hosts" in client.run(here, "peer", "test", "shanghai").out)
    refused = client.run(here, "peer", "test", "shanghai")
    assert refused.rc == 1 and "FAILED   replication: " in refused.out and "serve_hosts = 1" in refused.out, refused
    region = next(r for r in client.listing(here, "regions") if r["pool"] == "shanghai")
    assert region["peer"]["servesHosts"] is False
    target = Pool(here, "local-target", region="cn-near-1")
    assert "serve_hosts = 1" in client.fails(here, "copy", "--yes", "cn-far-1:web.qcow2", "--to", "cn-near-1")
    serving(there).reload()
    wait_until(lambda: client.run(here, "peer", "test", "shanghai").rc == 0)
    client.ok(here, "copy", "--yes", "cn-far-1:web.qcow2", "--to", "cn-near-1")
    assert target.volumes() == ["web.qcow2"]


def test_stock_peer_is_said_to_be_one(hosts):
    here, _, plain, _, link = hosts
    source = Pool(plain, "stocked")
    images.create(source.file("web.qcow2"), "4M")
    source.refresh()
    client.ok(here, "peer", "add", "plain", uri(link), "stocked")
    report = client.listing(here, "peer", "test", "plain")
    assert report["link"]["ok"] and f"stock libvirt {libvirt_version()}" in report["version"]["text"] and "ok" not in report["wire"], report


def test_peer_that_is_away(hosts, far):
    here, there, _, _, _ = hosts
    there.stop()
    try:
        result = client.run(here, "peer", "test", "shanghai")
        assert result.rc == 1 and result.out.count("FAILED") == 1 and "FAILED   link" in result.out, result
        listed = client.run(here, "images", "--json")
        assert listed.rc in (0, 1, 2) and isinstance(json.loads(listed.out), list)
        assert "shanghai" in listed.err
        region = [r for r in client.listing(here, "regions") if r["pool"] == "shanghai"][0]
        assert region["peer"]["state"] in ("away", "connecting")
    finally:
        there.start()


def test_peer_errors(hosts, far):
    here = hosts[0]
    assert "no storage pool" in client.fails(here, "peer", "test", "nowhere")
    assert "on this host" in client.fails(here, "peer", "test", Pool(here, "local", region="r").name)
    assert client.run(here, "peer", "add", "bad", "storage+ext:///x?command=/bin/sh", "images").rc == 1
    assert client.run(here, "peer").rc == 1
