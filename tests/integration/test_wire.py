# SPDX-License-Identifier: LGPL-2.1-or-later
"""The exchange between hosts, spoken by another implementation: as it should be, and in bad faith."""

import struct
import time

import libvirt
import pytest
from harness import wire
from harness.pools import Pool, wait_until
from harness.remote import serving


@pytest.fixture(scope="module")
def lender(new_host):
    host = serving(new_host()).start()
    pool = Pool(host, "beijing", region="cn-north-1")
    return host, pool, pool.chain()


@pytest.fixture
def session(lender):
    host, pool, volume = lender
    session = wire.Session(host, pool.name, volume)
    yield session
    try:
        session.close()
    except libvirt.libvirtError:
        pass


def test_a_layer_is_read(lender, session):
    host, pool, volume = lender
    assert session.greet()[0] == wire.WELCOME
    assert session.ask(wire.DESCRIBE)[0] == wire.CHAIN
    assert session.ask(wire.HOLD)[0] == wire.OK
    kind, ident, payload = session.ask(wire.READ, wire.read_range(0, 0, 4096), ident=77)
    assert (kind, ident) == (wire.DATA, 77)
    with open(pool.file(volume), "rb") as f:
        assert payload[32:] == f.read(4096)
    assert session.ask(wire.CHECK)[0] == wire.OK
    # what is lent is held: nobody deletes it
    assert "job" in host.fails("vol-delete", "--pool", pool.name, volume)
    session.send(wire.frame(wire.BYE))
    assert session.receive()[0] == wire.BYE
    probe = wire.Session(host, pool.name, volume)
    assert probe.greet()[0] == wire.WELCOME
    probe.close()


def test_a_goodbye_is_answered(lender):
    """Whatever the daemon still had to say arrives before the end of the stream."""
    host, pool, volume = lender
    for n in range(60):
        session = wire.Session(host, pool.name, volume)
        assert session.greet()[0] == wire.WELCOME
        wanted = n % 3
        for ident in range(wanted):
            session.send(wire.frame(wire.READ, wire.read_range(0, 0, 262144), ident + 1))
        got = [session.receive()[0] for _ in range(wanted)]
        session.send(wire.frame(wire.BYE))
        answer = session.receive()
        assert answer is not None and answer[0] == wire.BYE, n
        assert got == [wire.DATA] * wanted and session.receive() is None
        session.close()


def test_a_newer_version_is_refused_clearly(session):
    kind, ident, payload = session.greet(versions=(5, 9))
    assert (kind, ident) == (wire.ERROR, 0)
    code, message = wire.error_of(payload)
    assert code == libvirt.VIR_ERR_NO_SUPPORT and "5 to 9" in message, message


def test_a_lower_epoch_is_refused(lender, session):
    host, pool, volume = lender
    job = "6f6a1e0c-7c9c-4a59-8b0e-0d6a5f4b3c2d"
    assert session.greet(job=job, epoch=9)[0] == wire.WELCOME
    late = wire.Session(host, pool.name, volume)
    kind, _, payload = late.greet(job=job, epoch=9)
    assert kind == wire.ERROR and "newer session" in wire.error_of(payload)[1]
    late.close()
    other = wire.Session(host, pool.name, volume)
    kind, _, payload = other.greet(job=job, epoch=99, host_id="00000000-0000-0000-0000-000000000008")
    assert kind == wire.ERROR, "a job is its own host's"
    other.close()


@pytest.mark.parametrize("question", [
    wire.read_range(0, 1 << 61, 65536), wire.read_range(199, 0, 4096), wire.read_range(0, 0, 1 << 30),
    wire.read_range(5000, 0, 1), b""])
def test_absurd_questions(session, question):
    assert session.greet()[0] == wire.WELCOME
    kind, _, payload = session.ask(wire.READ, question)
    assert kind == wire.ERROR
    assert wire.error_of(payload)[0] == libvirt.VIR_ERR_RPC


@pytest.mark.parametrize("bytes_", [
    b"GET / HTTP/1.1\r\n\r\n" + b"x" * 4096,
    wire.frame(wire.HELLO, b"x", length=0x7fffffff),
    wire.frame(wire.HELLO, wire.hello())[:-1] + b"y",
    wire.frame(wire.HELLO, wire.hello(), flags=1),
    wire.frame(wire.HELLO, wire.hello(), magic=1),
    wire.frame(wire.READ, wire.read_range(0, 0, 4096), 1),
    wire.frame(wire.HELLO, wire.hello()) + wire.frame(wire.READ, b"x" * 1000, 1),
], ids=["no-frames", "absurd-size", "damaged", "not-packed", "magic", "before-hello", "long-question"])
def test_bad_faith_ends_the_session(lender, session, bytes_):
    host = lender[0]
    session.send(bytes_)
    with pytest.raises((libvirt.libvirtError, AssertionError)):
        answer = session.receive()
        if answer is not None and answer[0] == wire.WELCOME:
            answer = session.receive()
        assert answer is not None and answer[0] not in (wire.ERROR, wire.BYE)
    assert host.ok("pool-list")


def test_silence_and_floods_cost_little(lender):
    """Sessions that say nothing, or never read what they ask for, end, and the daemon goes on."""
    host, pool, volume = lender
    before = host.threads()
    silent = [wire.Session(host, pool.name, volume) for _ in range(8)]
    flood = wire.Session(host, pool.name, volume)
    assert flood.greet()[0] == wire.WELCOME
    flood.send(b"".join(wire.frame(wire.READ, wire.read_range(0, 0, 65536), n + 1) for n in range(3000)))
    time.sleep(1)
    assert host.ok("pool-list") and host.memory_kib() < 600 * 1024
    for each in silent + [flood]:
        try:
            each.close()
        except libvirt.libvirtError:
            pass
    assert wait_until(lambda: host.threads() <= before + 4, 60), (before, host.threads())


def test_the_daemon_stops_with_sessions_open(new_host):
    """Their threads end before it does, whatever the other ends do."""
    host = serving(new_host()).start()
    pool = Pool(host, "beijing", region="cn-north-1")
    volume = pool.chain()
    open_ = [wire.Session(host, pool.name, volume) for _ in range(6)]
    for session in open_[:4]:
        assert session.greet()[0] == wire.WELCOME
    began = time.monotonic()
    host.stop()
    assert time.monotonic() - began < 25
    assert "without them" not in host.log()
    for session in open_:
        with pytest.raises(libvirt.libvirtError):
            session.close()
            session.conn.getHostname()


def test_nobody_is_served_unless_an_administrator_says_so(new_host):
    host = new_host().start()
    pool = Pool(host, "beijing", region="cn-north-1")
    volume = pool.chain()
    with pytest.raises(libvirt.libvirtError) as refusal:
        wire.Session(host, pool.name, volume)
    assert refusal.value.get_error_code() == libvirt.VIR_ERR_OPERATION_DENIED
    assert "serve_hosts" in str(refusal.value)


def test_a_job_of_somebody_else_is_not_followed(lender):
    """A push under the id of a job that this host makes for itself."""
    host, pool, volume = lender
    other = Pool(host, "other", region="cn-east-2")
    assert other.try_replicate(pool, volume, start="no").rc == 0
    job = other.image(volume).job["id"]
    session = wire.Session(host, pool.name, volume)
    request = "<volume><metadata><replication:replicate xmlns:replication='urn:libvirt-replication:1.0'/></metadata></volume>"
    kind, _, payload = session.greet(purpose=wire.PUSH, job=job, request=request)
    assert kind == wire.ERROR and wire.error_of(payload)[0] == libvirt.VIR_ERR_OPERATION_DENIED
    session.close()
    assert other.image(volume).job["state"] == "planned"
