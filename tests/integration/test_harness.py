# SPDX-License-Identifier: LGPL-2.1-or-later
"""The test hosts themselves: what the other tests trust them for."""

import errno
import os

import libvirt
import pytest
from harness import fs, images, net, sshd, trust
from harness.faults import faulty_host
from harness.host import STOCK, stock_driver_dir
from harness.pools import Pool


def test_hosts_do_not_see_each_other(new_host):
    a, b = new_host(module=STOCK).start(), new_host(module=STOCK).start()
    a.ok("pool-define-as", "only-a", "dir", "--target", os.path.join(a.dir, "pools"))
    assert "only-a" in a.ok("pool-list", "--all")
    assert "only-a" not in b.ok("pool-list", "--all")
    assert a.run("hostname").stdout != b.run("hostname").stdout


def test_pools_survive_a_kill(stock):
    stock.ok("pool-define-as", "kept", "dir", "--target", os.path.join(stock.dir, "pools"))
    stock.kill()
    stock.start()
    assert "kept" in stock.ok("pool-list", "--all")


def test_readonly_connection_is_readonly(stock):
    with pytest.raises(libvirt.libvirtError) as error:
        stock.connect(readonly=True).storagePoolDefineXML("<pool/>", 0)
    assert error.value.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED


def test_mounts_reach_a_running_host(stock, scratch):
    fs.ext4(scratch + "/small", 16)
    stock.run("touch", scratch + "/small/seen")
    assert os.path.exists(scratch + "/small/seen")


def test_links_carry_and_cut(new_host):
    a, b = new_host(module=STOCK, listen=("tcp",)).start(), new_host(module=STOCK).start()
    link = net.Link(a, b)
    uri = f"storage+tcp://{link.addresses[0]}/system?mode=legacy"
    assert b.run("virsh", "-c", uri, "uri").returncode == 0

    def reaches():
        dial = f"exec 3<>/dev/tcp/{link.addresses[0]}/16509"
        return b.run("timeout", "2", "bash", "-c", dial, check=False).returncode == 0

    link.cut()
    assert not reaches()
    link.mend()
    assert reaches()
    link.shape("100mbit")
    assert reaches()


def asks(client, uri):
    return client.run("timeout", "-k", "1", "60", "virsh", "-q", "-c", uri, "uri", check=False)


def test_links_swallow(new_host):
    a, b = new_host(module=STOCK, listen=("tcp",)).start(), new_host(module=STOCK).start()
    link = net.Link(a, b)
    uri = f"storage+tcp://{a.name}/system?mode=legacy"  # by name
    assert asks(b, uri).returncode == 0
    link.swallow()
    assert b.run("timeout", "2", "virsh", "-c", uri, "uri", check=False).returncode == 124
    link.deliver()
    assert asks(b, uri).returncode == 0


def test_hosts_reach_each_other_over_tls(new_host):
    a, b = new_host(module=STOCK, listen=("tls",)), new_host(module=STOCK)
    net.Link(a, b)
    uri = f"storage+tls://{a.name}/system?mode=legacy"
    ours, other = trust.Authority(), trust.Authority("Another CA")
    ours.equip(a)
    a.start()
    ours.equip(b)
    result = asks(b, uri)
    assert result.returncode == 0, result.stderr
    other.equip(b, trusting=ours)
    assert asks(b, uri).returncode != 0


@pytest.mark.skipif(not sshd.available(), reason="openssh-server is not installed")
def test_hosts_reach_each_other_over_ssh(new_host):
    a, b = new_host(module=STOCK).start(), new_host(module=STOCK)
    net.Link(a, b)
    server = sshd.Server(a)
    uri = f"storage+ssh://root@{a.name}/system?mode=legacy"
    assert asks(b, uri).returncode != 0
    server.admit(b)
    result = asks(b, uri)
    assert result.returncode == 0, result.stderr + server.log()


def test_daemon_loads_the_module_it_was_given(host, stock):
    for each, ours in ((host, True), (stock, False)):
        with open(f"/proc/{each.pid}/maps") as maps:
            text = maps.read()
        assert (each.module or stock_driver_dir()) in text
        assert ("/driver/stack/libvirt_driver_storage.so" in text) == ours


def test_chain_has_what_a_replica_must_keep(scratch):
    top = images.chain(scratch)
    assert [os.path.basename(layer["filename"]) for layer in images.layers(top)] == \
        ["web.qcow2", "mid.qcow2", "base.qcow2"]
    assert [name for _, name, _ in images.snapshots(scratch + "/mid.qcow2")] == ["before-update"]
    assert [name for name, _, _ in images.bitmaps(top)] == ["backup-1"]


def test_the_judge_sees_a_changed_byte(scratch):
    top = images.chain(scratch)
    os.makedirs(scratch + "/copy")
    for name in ("base.qcow2", "mid.qcow2", "web.qcow2"):
        images.copy_sparse(f"{scratch}/{name}", f"{scratch}/copy/{name}")
    images.assert_faithful(top, scratch + "/copy/web.qcow2")
    images.write(scratch + "/copy/mid.qcow2", [(30 << 20, 512, 9)])
    with pytest.raises(AssertionError):
        images.assert_faithful(top, scratch + "/copy/web.qcow2")


def test_calls_fail_as_told(new_host):
    """The shim sees the daemon's calls, fails the one that it is told to, and kills behind another one."""
    host, faults = faulty_host(new_host)
    pool = Pool(host, "faulty")
    faults.count(pool.path)
    host.ok("vol-create-as", pool.name, "a.img", "1M")
    log = [kind for kind, path, _ in faults.log() if path.endswith("/a.img")]
    assert "sync" in log and "truncate" in log
    number = 1 + [kind for kind, _, _ in faults.log()].index("truncate")
    with faults.failing(pool.path, nth=number, err=errno.EDQUOT):
        assert "quota" in host.fails("vol-create-as", pool.name, "b.img", "1M")
    assert faults.hits == 1 and faults.hit() == [f"truncate {pool.path}/b.img"]
    faults.arm("behind", pool.path, nth=number)
    host.fails("vol-create-as", pool.name, "c.img", "1M")
    assert host.wait_exit(10) == -9
    assert os.path.getsize(pool.file("c.img")) == 1 << 20
    host.start()
    assert faults.counted == number, "what was armed before the daemon died stays to be read"
