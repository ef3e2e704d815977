# SPDX-License-Identifier: LGPL-2.1-or-later
"""Who may do what on other hosts: TLS and ssh for real, wrong credentials, and polkit on both sides."""

import os
import shutil
import subprocess

import libvirt
import pytest
from harness import client, net, sshd, trust, xmlio
from harness.polkit import as_user, guarded
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, region_xml, uri
from test_access import DENIED, LACKS, rules


def answers(pool, source):
    """Listing, XML, and bytes in both directions."""
    source.chain()
    assert pool.volumes() == source.volumes()
    here = pool.host
    with xmlio.xml_file("x" * 300_000) as f:
        here.ok("vol-create-as", pool.name, "up.raw", "300000B", "--format", "raw")
        here.ok("vol-upload", "up.raw", f.name, "--pool", pool.name)
        here.ok("vol-download", "up.raw", f.name + ".back", "--pool", pool.name)
        with open(f.name + ".back") as back:
            assert back.read() == "x" * 300_000
        os.unlink(f.name + ".back")
    here.ok("vol-delete", "up.raw", pool.name)


def test_tls(new_host):
    here, there = new_host(), new_host(listen=("tls",))
    net.Link(there, here)
    ours, other = trust.Authority(), trust.Authority("Another CA")
    ours.equip(there)
    ours.equip(here)
    there.start()
    here.start()
    source = Pool(there, "images", region="cn-east-2")
    here.ok("pool-define-as", "shanghai", "region", "--source-host", there.name, "--source-name", "images")
    here.ok("pool-start", "shanghai")
    pool = RemotePool(here, "again", "images", at=there.name)
    answers(pool, source)
    assert "web.qcow2" in here.ok("vol-list", "shanghai")
    here.ok("pool-destroy", "shanghai")

    # a certificate that the peer does not believe
    here.ok("pool-destroy", "again")
    other.equip(here, trusting=ours)
    here.restart()
    here.ok("pool-start", "again")
    message = here.fails("vol-list", "again")
    assert f"storage+tls://{there.name}/system" in message, message
    assert pool.peer()["state"] == "away" and there.name in pool.peer()["error"]
    # one of the peer's that is not believed here
    ours.equip(here, trusting=other)
    here.restart()
    message = here.fails("vol-list", "again")
    assert "certificate" in message and f"storage+tls://{there.name}/system" in message, message
    ours.equip(here)
    here.restart()
    assert len(pool.volumes()) == 3


def test_a_certificate_for_another_host_is_refused(new_host):
    here, there = new_host(), new_host(listen=("tls",))
    net.Link(there, here)
    authority = trust.Authority()
    authority.equip(there)
    authority.equip(here)
    there.start()
    here.start()
    with open(os.path.join(here.dir, "hosts"), "a") as f:
        f.write(f"127.0.0.1 nothing\n{net_address(here, there)} impostor\n")
    Pool(there, "images")
    pool = RemotePool(here, "shanghai", "images", at="impostor")
    message = here.fails("vol-list", "shanghai")
    assert "impostor" in message and "certificate" in message.lower(), message
    assert pool.peer()["state"] == "away"


def net_address(host, other):
    with open(os.path.join(host.dir, "hosts")) as f:
        return next(line.split()[0] for line in f if line.split()[1:] == [other.name])


@pytest.mark.skipif(not sshd.available(), reason="openssh-server is not installed")
def test_ssh(new_host):
    here, there = new_host().start(), new_host().start()
    link = net.Link(there, here)
    server = sshd.Server(there)
    source = Pool(there, "images", region="cn-east-2")
    pool = RemotePool(here, "shanghai", "images", uri=uri(link, "ssh"))
    message = here.fails("vol-list", "shanghai")  # nobody is asked whether the host key is right
    assert uri(link, "ssh") in message and "ost key" in message, message
    server.admit(here)
    here.ok("pool-destroy", "shanghai")
    here.ok("pool-start", "shanghai")
    answers(pool, source)
    os.unlink(os.path.join(there.dir, "ssh/authorized_keys"))
    here.restart()
    message = here.fails("vol-list", "shanghai")
    assert uri(link, "ssh") in message and "ermission denied" in message, message
    # children of broken attempts do not stay
    here.ok("pool-destroy", "shanghai")
    assert wait_until(lambda: here.children() == [], 30), here.children()


def account(host, peer, password):
    """What the host's libvirt knows to say to its peer."""
    with open(os.path.join(host.dir, "etc/auth.conf"), "w") as f:
        f.write(f"[credentials-peer]\nauthname=repl@{peer.name}\npassword={password}\n\n"
                f"[auth-libvirt-{peer.name}]\ncredentials=peer\n")


@pytest.mark.skipif(not shutil.which("saslpasswd2"), reason="sasl2-bin is not installed")
@pytest.mark.parametrize("transport, mechanism", [("tcp", "digest-md5"), ("tls", "scram-sha-256")])
def test_sasl(new_host, transport, mechanism):
    """An account in libvirt's own auth.conf opens the door; nobody is asked for one."""
    here, there = new_host(), new_host(listen=(transport,), conf={"auth_" + transport: "sasl"})
    folder = os.path.join(there.dir, "sasl")
    os.makedirs(folder)
    with open(os.path.join(folder, "libvirt.conf"), "w") as f:
        f.write(f"mech_list: {mechanism}\nsasldb_path: {folder}/passwd.db\n")
    there.run("saslpasswd2", "-p", "-c", "-a", "libvirt", "-f", folder + "/passwd.db", "repl", input="right")
    there.env["SASL_CONF_PATH"] = folder
    link = net.Link(there, here)
    authority = trust.Authority()
    for host in here, there:
        authority.equip(host)
        host.start()
    Pool(there, "images", region="cn-east-2")
    pool = RemotePool(here, "shanghai", "images", uri=uri(link, transport))
    for password in None, "wrong":
        if password:
            account(here, there, password)
            here.restart()
        message = here.fails("vol-list", "shanghai")
        assert uri(link, transport) in message and "uthentication" in message, message
        assert pool.peer()["state"] == "away" and "uthentication" in pool.peer()["error"]
    account(here, there, "right")
    here.restart()
    assert pool.volumes() == []


@pytest.fixture(scope="module")
def ruled(new_host):
    """(host with polkit, its pool of type region, the pool behind it)"""
    with guarded(new_host, rules()) as here:
        there = new_host(listen=("tcp",)).start()
        link = net.Link(there, here)
        source = Pool(there, "images", region="cn-east-2")
        source.chain()
        yield here, RemotePool(here, "shanghai", "images", uri=uri(link)), source


def test_the_local_rules_come_first(ruled):
    here, pool, source = ruled
    assert "web.qcow2" in as_user(here, "daemon", "vol-list", pool.name).stdout
    assert as_user(here, "mail", "vol-list", pool.name).returncode != 0
    for user, args in (("bin", ("vol-download", "web.qcow2", "/dev/null", "--pool", pool.name)),
                       ("sys", ("vol-create-as", pool.name, "new.qcow2", "1M")),
                       ("games", ("vol-delete", "web.qcow2", pool.name)),
                       ("games", ("vol-wipe", "web.qcow2", pool.name)),
                       ("games", ("vol-resize", "web.qcow2", "99M", "--pool", pool.name)),
                       ("games", ("vol-upload", "web.qcow2", "/dev/null", "--pool", pool.name)),
                       ("man", ("pool-destroy", pool.name)), ("man", ("pool-autostart", pool.name)),
                       ("man", ("pool-delete", pool.name)), ("man", ("pool-build", pool.name)),
                       ("lp", ("vol-dumpxml", "web.qcow2", pool.name)), ("lp", ("pool-dumpxml", pool.name)),
                       ("lp", ("pool-info", pool.name))):
        result = as_user(here, user, *args)
        assert DENIED in result.stderr, (user, args, result)
    assert len(source.volumes()) == 3
    assert as_user(here, "daemon", "vol-create-as", pool.name, "new.raw", "1M").returncode == 0
    assert as_user(here, "daemon", "vol-delete", "new.raw", pool.name).returncode == 0
    assert set(LACKS) >= {"daemon", "bin", "sys", "games", "man", "lp"}


def test_the_client_says_what_may_be_read(ruled):
    """`virt-replicate peer test` reads an image, so that it fails where listing alone is allowed."""
    here, pool, _ = ruled
    for user, said in (("daemon", "ok       rights: images may be listed and read"), ("bin", "FAILED   rights: ")):
        result = as_user(here, user, "peer", "test", pool.name, program=client.program_for_others(here))
        line = next(line for line in result.stdout.splitlines() if "rights" in line)
        assert line.startswith(said), result
        assert (DENIED in line) == (user == "bin"), result


def test_lists_are_filtered(ruled):
    here, pool, _ = ruled
    assert pool.name in as_user(here, "daemon", "pool-list", "--all", "--name").stdout
    assert pool.name not in as_user(here, "lp", "pool-list", "--all", "--name").stdout
    assert "web.qcow2" not in as_user(here, "lp", "vol-list", pool.name).stdout


def test_defining_needs_the_same_rights_as_any_pool(ruled):
    here, pool, _ = ruled
    with xmlio.xml_file(region_xml("mine", "images", uri=pool.host and "storage+tcp://x/system")) as f:
        os.chmod(f.name, 0o644)
        for call in ("pool-define", "pool-create"):
            assert DENIED in as_user(here, "man", call, f.name).stderr
    assert "mine" not in here.ok("pool-list", "--all", "--name").split()


def test_polkit_on_the_peer_is_explained(new_host):
    here = new_host().start()
    with guarded(new_host, rules(), listen=("tcp",)) as there:
        link = net.Link(there, here)
        RemotePool(here, "shanghai", "images", uri=uri(link))
        message = here.fails("vol-list", "shanghai")
    assert uri(link) in message and "polkit" in message and "ssh" in message, message
