# SPDX-License-Identifier: LGPL-2.1-or-later
"""Peers that are away: nothing here hangs, and everything works again when they are back."""

import os
import signal
import threading
import time

import libvirt
import pytest
from harness import net, xmlio
from harness.faults import faulty_host
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, region_xml, uri

WAIT_S = 5
SLACK = 5  # the machine may be loaded


@pytest.fixture
def pair(new_host):
    """(the host that tests ask, its peer, the link), of each test its own"""
    here, there = new_host().start(), new_host(listen=("tcp",)).start()
    return here, there, net.Link(there, here)


@pytest.fixture
def far(pair):
    here, there, link = pair
    source = Pool(there, "images", region="cn-east-2")
    source.chain()
    pool = RemotePool(here, "shanghai", source.name, uri=uri(link))
    pool.volumes()
    return pool, source


def fails(host, *args):
    """A virsh that must fail; (how long it took, its message)."""
    began = time.monotonic()
    message = host.fails(*args)
    return time.monotonic() - began, message


def configure(host, text):
    with open(os.path.join(host.dir, "etc/storage-replication.conf"), "w") as f:
        f.write(text)
    host.restart()


def refused(host, name):
    """The libvirtError that counting the pool's volumes gives."""
    conn = host.connect()
    try:
        pool = conn.storagePoolLookupByName(name)
        with pytest.raises(libvirt.libvirtError) as error:
            pool.numOfVolumes()
        return error.value
    finally:
        conn.close()


def assert_alive(host, local):
    """Other pools and the list of all are not kept waiting."""
    began = time.monotonic()
    host.ok("pool-list", "--all")
    host.ok("vol-list", local.name)
    assert time.monotonic() - began < 1 * SLACK


def test_peers_daemon_stopped_and_started(pair, far):
    here, there, link = pair
    pool = far[0]
    there.stop()
    error = refused(here, pool.name)
    assert code(error) == libvirt.VIR_ERR_NO_CONNECT and uri(link) in str(error), error
    peer = pool.wait_peer("away")
    assert uri(link) in peer["error"] and int(peer["since"]) > 0
    took, _ = fails(here, "vol-list", pool.name)
    assert took < 1 * SLACK  # at once
    assert "shanghai" in here.ok("pool-list", "--name").split()  # what the administrator wants
    assert "inaccessible" in here.ok("pool-info", pool.name) and "active" in here.ok("pool-list")
    assert "<capacity" not in pool.dumpxml()
    there.start()
    pool.wait_peer("connected")
    assert len(pool.volumes()) == 3


def test_peers_daemon_killed_between_two_calls(pair, far):
    here, there, _ = pair
    pool = far[0]
    there.kill()
    there.start()
    assert len(pool.volumes()) == 3  # without an error in between


def test_packets_swallowed(pair, far):
    here, _, link = pair
    pool = far[0]
    local = Pool(here, "local")
    link.swallow()
    began = time.monotonic()
    assert "inaccessible" in here.ok("pool-info", pool.name)
    assert time.monotonic() - began < 1 + SLACK / 2
    began = time.monotonic()
    error = refused(here, pool.name)
    assert code(error) == libvirt.VIR_ERR_NO_CONNECT
    assert time.monotonic() - began < WAIT_S + 2 * SLACK
    assert_alive(here, local)
    took, _ = fails(here, "vol-list", pool.name)
    assert took < 1 * SLACK
    link.deliver()
    pool.wait_peer("connected")
    assert len(pool.volumes()) == 3


def test_many_callers_at_once_leave_workers_for_others(pair, far):
    here, _, link = pair
    pool = far[0]
    local = Pool(here, "local")
    conns = [here.connect() for _ in range(24)]
    pools = [conn.storagePoolLookupByName(pool.name) for conn in conns]
    link.swallow()
    took = []

    def call(each, number):
        began = time.monotonic()
        with pytest.raises(libvirt.libvirtError):
            each.refresh() if number % 2 else each.numOfVolumes()
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=call, args=(each, number)) for number, each in enumerate(pools)]
    for thread in threads:
        thread.start()
    time.sleep(1)
    assert_alive(here, local)
    for thread in threads:
        thread.join(60)
    assert len(took) == len(pools) and max(took) < WAIT_S + 3 * SLACK
    for conn in conns:
        conn.close()


def test_a_daemon_that_stands_still(pair, far):
    """Its kernel takes what is sent, and nothing ever answers."""
    here, there, _ = pair
    pool = far[0]
    local = Pool(here, "local")
    results = []
    os.kill(there.process.pid, signal.SIGSTOP)
    try:
        slow = threading.Thread(target=lambda: results.append(fails(here, "pool-refresh", pool.name)))
        slow.start()
        assert code(refused(here, pool.name)) == libvirt.VIR_ERR_NO_CONNECT
        assert_alive(here, local)
        slow.join(60)
        assert results and results[0][0] < WAIT_S + 2 + 2 * SLACK, results
        assert pool.peer()["state"] == "away"
    finally:
        os.kill(there.process.pid, signal.SIGCONT)
    pool.wait_peer("connected")
    assert len(pool.volumes()) == 3


@pytest.fixture
def lame(new_host):
    """(host, its pool of a peer whose deletions can be made to take long, what does it, the link)"""
    here = new_host()
    there, faults = faulty_host(new_host, listen=("tcp",))
    with open(os.path.join(here.dir, "etc/storage-replication.conf"), "w") as f:
        f.write("peer_seconds = 1\n")
    here.start()
    link = net.Link(there, here)
    source = Pool(there, "images", region="cn-east-2")
    pool = RemotePool(here, "shanghai", source.name, uri=uri(link))
    for name in "one.raw", "two.raw":
        here.ok("vol-create-as", pool.name, name, "1M", "--format", "raw")

    def delay(milliseconds):
        faults.arm("delay", source.path, calls=("unlink",), err=milliseconds)

    yield here, pool, delay, link
    there.kill()


def deleting(here, pool, name):
    """A deletion under way: its thread, its result to be, and the port of its connection."""
    before = net.connections(here)
    results = []
    thread = threading.Thread(target=lambda: results.append(here.virsh("vol-delete", name, pool.name, timeout_s=120)))
    thread.start()
    assert wait_until(lambda: len(net.connections(here) - before) == 1, 30)
    return thread, results, (net.connections(here) - before).pop()


def test_a_slow_call_is_waited_for(lame):
    """Also when another call loses patience with the pool, which is busy there."""
    here, pool, delay, _ = lame
    delay(9000)
    thread, results, _ = deleting(here, pool, "one.raw")
    assert "did not answer within 1 seconds" in here.fails("vol-list", pool.name)
    thread.join(60)
    assert results[0].rc == 0, results[0].err
    assert pool.volumes() == ["two.raw"]


def test_a_slow_call_whose_own_connection_falls_silent(lame):
    here, pool, delay, link = lame
    threads = here.threads()
    delay(300000)
    thread, results, port = deleting(here, pool, "one.raw")
    time.sleep(1)  # what was sent has arrived
    began = time.monotonic()
    link.swallow_connection(16509, port)
    thread.join(60)
    assert results[0].rc != 0 and "may or may not do" in results[0].err and uri(link) in results[0].err, results
    assert time.monotonic() - began < 6 + 2 * SLACK
    assert port not in net.connections(here)
    assert wait_until(lambda: here.threads() <= threads + 2, 60)


def test_a_slow_call_ends_with_its_pool(lame):
    """The administrator has the last word."""
    here, pool, delay, _ = lame
    delay(300000)
    thread, results, port = deleting(here, pool, "one.raw")
    here.ok("pool-destroy", pool.name)
    thread.join(30)
    assert results and results[0].rc != 0 and "may or may not do" in results[0].err, results
    assert wait_until(lambda: port not in net.connections(here), 30)


@pytest.mark.parametrize("how", ["swallow", "cut"])
def test_the_daemon_stops_whatever_its_peer_does(pair, far, how):
    here, _, link = pair
    pool = far[0]
    conns = [here.connect() for _ in range(6)]
    getattr(link, how)()

    def call(conn):
        try:
            conn.storagePoolLookupByName(pool.name).refresh()
        except libvirt.libvirtError:
            pass

    threads = [threading.Thread(target=call, args=(conn,)) for conn in conns]
    for thread in threads:
        thread.start()
    time.sleep(0.5)
    assert here.stop() < 5 + SLACK
    for thread in threads:
        thread.join(60)


def test_the_daemon_starts_and_stops_while_its_peer_is_silent(pair, far):
    here, _, link = pair
    pool = far[0]
    link.swallow()
    here.stop()
    began = time.monotonic()
    here.start()
    assert time.monotonic() - began < 5 * SLACK
    assert pool.peer()["state"] in ("connecting", "away")
    time.sleep(WAIT_S)
    assert here.stop() < 5 + SLACK
    here.start()
    link.deliver()
    pool.wait_peer("connected")
    assert len(pool.volumes()) == 3


def test_pools_are_started_and_defined_with_the_peer_away(pair):
    here, there, link = pair
    there.stop()
    pool = RemotePool(here, "early", "images", uri=uri(link), region="cn-east-2")
    assert pool.peer()["state"] in ("connecting", "away")
    there.start()
    Pool(there, "images", region="cn-east-2")
    pool.wait_peer("connected")
    assert pool.volumes() == []


def test_a_label_that_contradicts_shows_when_the_peer_comes(pair):
    here, there, link = pair
    there.stop()
    pool = RemotePool(here, "early", "images", uri=uri(link), region="cn-west-9")
    there.start()
    Pool(there, "images", region="cn-east-2")
    pool.wait_peer("connected")
    assert "cn-west-9" in here.fails("vol-list", "early")
    assert "cn-west-9" in pool.peer()["error"]


def test_pool_stopped_undefined_and_made_anew_there(pair, far):
    here, there, link = pair
    pool, source = far
    there.ok("pool-destroy", source.name)
    message = here.fails("vol-list", pool.name)
    assert "not active" in message and uri(link) in message
    assert pool.peer()["state"] == "connected"
    there.ok("pool-undefine", source.name)
    message = here.fails("vol-list", pool.name)
    assert "no storage pool" in message and uri(link) in message
    Pool(there, source.name, region="cn-east-2", path=source.path)  # another UUID
    assert len(pool.volumes()) == 3
    assert "web.qcow2" in here.ok("vol-dumpxml", "--pool", pool.name, "web.qcow2")


@pytest.mark.parametrize("way", ["upload", "download"])
@pytest.mark.parametrize("how", ["kill", "swallow"])
def test_streams_break_with_an_error(pair, far, scratch, way, how):
    here, there, link = pair
    pool, source = far
    size = 256 << 20
    with open(scratch + "/data", "wb") as f:
        f.truncate(size)
    here.ok("vol-create-as", pool.name, "big.raw", str(size) + "B", "--format", "raw")
    link.shape("200mbit")
    result = []
    thread = threading.Thread(target=lambda: result.append(here.virsh(
        "vol-" + way, "big.raw", scratch + "/data", "--pool", pool.name, timeout_s=120)))
    thread.start()
    time.sleep(2)
    if how == "kill":
        there.kill()
    else:
        link.swallow()
    thread.join(120)
    assert result and result[0].rc != 0, result
    if how == "kill":
        there.start()
    else:
        link.deliver()
    link.shape(None)
    pool.wait_peer("connected")
    assert wait_until(lambda: here.threads() < 40, 60)


def test_calls_and_streams_that_break_in_every_way(pair, far, scratch):
    """Rounds of silence and death while calls of all kinds are under way: the daemon lives, and is right again."""
    here, there, link = pair
    pool = far[0]
    configure(here, "peer_seconds = 1\n")
    pool.wait_peer("connected")
    here.ok("vol-create-as", pool.name, "big.raw", "64M", "--format", "raw")
    pid = here.process.pid

    def upload():
        here.virsh("vol-upload", "big.raw", scratch + "/data", "--pool", pool.name, timeout_s=120)

    def call(what):
        here.virsh(what, pool.name, timeout_s=120)

    for number in range(int(os.environ.get("REPL_TEST_ROUNDS", "2"))):
        with open(scratch + "/data", "wb") as f:
            f.write(os.urandom(24 << 20))
        link.shape("200mbit")
        threads = [threading.Thread(target=upload)] + [
            threading.Thread(target=call, args=(what,)) for what in ("pool-refresh", "vol-list", "pool-info")]
        for thread in threads:
            thread.start()
        time.sleep(0.3 * (number % 4))
        if number % 2:
            there.kill()
        else:
            link.swallow()
        for thread in threads:
            thread.join(150)
        if number % 2:
            there.start()
        else:
            link.deliver()
        link.shape(None)
        pool.wait_peer("connected")
        assert wait_until(lambda: here.virsh("vol-list", pool.name).rc == 0, 60)
    assert here.process.pid == pid and here.process.poll() is None
    here.ok("vol-upload", "big.raw", scratch + "/data", "--pool", pool.name)
    here.ok("vol-download", "big.raw", scratch + "/back", "--pool", pool.name)
    with open(scratch + "/data", "rb") as one, open(scratch + "/back", "rb") as other:
        assert one.read() == other.read(24 << 20)


def test_nothing_is_left_of_connections_that_broke(pair, far):
    here, there, _ = pair
    pool = far[0]
    for _ in range(3):
        there.restart()
        pool.wait_peer("connected")
        assert len(pool.volumes()) == 3
    assert wait_until(lambda: sum("socket" in fd for fd in here.fds()) < 12, 60), here.fds()
    here.ok("pool-destroy", pool.name)
    sockets = len([fd for fd in there.fds() if "socket" in fd])
    here.ok("pool-start", pool.name)
    pool.volumes()
    here.ok("pool-destroy", pool.name)
    assert wait_until(lambda: len([fd for fd in there.fds() if "socket" in fd]) <= sockets, 60)


def test_configured_time(pair, far):
    here, _, link = pair
    pool = far[0]
    configure(here, "peer_seconds = 1\n")
    pool.wait_peer("connected")
    pool.volumes()
    link.swallow()
    began = time.monotonic()
    refused(here, pool.name)
    assert time.monotonic() - began < 1 + SLACK / 2
    assert "1 seconds" in pool.peer()["error"] or pool.peer()["state"] == "away"


def test_a_uri_that_the_administrator_named(pair, far):
    """Over a UNIX socket of the other host, which a parameter names."""
    here, there, _ = pair
    special = f"storage+unix:///system?socket={there.socket()}"
    with open(os.path.join(here.dir, "etc/storage-replication.conf"), "w") as f:
        f.write(f'peer_uris = "{special} storage+ext:///x"\n')
    with xmlio.xml_file(region_xml("by-socket", "images", uri=special)) as f:
        assert special in here.fails("pool-define", f.name)
    here.reload()
    assert wait_until(lambda: here.virsh("pool-create-as", "x", "dir", "--target", here.dir).rc == 0)
    pool = None

    def define():
        nonlocal pool
        try:
            pool = RemotePool(here, "by-socket", "images", uri=special)
        except AssertionError:
            return False
        return True

    assert wait_until(define, 30)
    assert len(pool.volumes()) == 3
