# SPDX-License-Identifier: LGPL-2.1-or-later
"""Calls that two clients make at once on one volume, its job and its pools: whatever they answer, the daemon
lives, and nothing wrong or half-made stays.

Each client has a connection of its own. Calls may be refused; they must not break the connection.
"""

import itertools
import os
import random
import re
import sys
import threading
import time

import libvirt

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import images, pools, xmlio  # noqa: E402

# What a client gets when the daemon is gone.
LOST = (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_RPC, libvirt.VIR_ERR_NO_CONNECT,
        libvirt.VIR_ERR_INVALID_CONN)


class Arena:
    """A source pool with a chain, and a target pool that clients fight about one volume in."""

    VOLUME = "fight.qcow2"

    def __init__(self, host, name="arena"):
        self.host = host
        self.source = pools.Pool(host, name + "s", region="cn-north-1")
        self.target = pools.Pool(host, name + "t", region="cn-east-2")
        images.create(self.source.file("base.qcow2"), "4M")
        images.write(self.source.file("base.qcow2"), [(0, 3 << 20, 1)])
        images.overlay(self.source.file("web.qcow2"), "base.qcow2", "4M", writes=[(65536, 65536, 2)])
        self.source.refresh()
        self.pool_xml = self.target.dumpxml("--inactive")

    def assert_fine(self):
        """After the fight: the volume can be made anew, is right, and goes without a trace."""
        try:
            self._assert_fine()
        except (AssertionError, RuntimeError) as err:
            raise AssertionError(f"{err}\n{self.explain()}") from err

    def explain(self):
        """How the target stands, for whoever has to find out why."""
        told = [self.host.virsh("pool-dumpxml", self.target.name).out, str(self.target.staging())]
        told += [self.host.virsh("vol-dumpxml", name, self.target.name).out for name in self.target.volumes()]
        for name in self.target.staging():
            if name.startswith("jobs/"):
                with open(self.target.file(".replication/" + name), errors="replace") as f:
                    text = f.read()
                if not re.search("^state=(completed|cancelled)", text, re.M):
                    told.append(text)
        return "\n".join(told + self.host.log().splitlines()[-200:])

    def _assert_fine(self):
        assert self.host.process.poll() is None, self.host.stderr()
        self.host.virsh("pool-start", self.target.name)
        with xmlio.xml_file(self.pool_xml) as f:
            self.host.virsh("pool-define", f.name)
        self.host.virsh("pool-start", self.target.name)
        told = [self.host.virsh("vol-delete", volume, self.target.name, "--delete-snapshots").err
                for volume in reversed(self.target.volumes())]
        assert pools.wait_until(lambda: self.target.volumes() == [], 20), (self.target.volumes(), told)
        self.target.replicate(self.source, "web.qcow2", name=self.VOLUME)
        images.compare(self.source.file("web.qcow2"), self.target.file(self.VOLUME))
        self.host.ok("vol-delete", self.VOLUME, self.target.name, "--delete-snapshots")
        assert self.target.volumes() == []
        assert not [n for n in self.target.staging() if n.startswith(("partial/", "images/", "uploads/"))]


class Client:
    """One connection, and the calls by name."""

    def __init__(self, arena, seed=0):
        self.arena = arena
        self.random = random.Random(seed)
        self.conn = arena.host.connect()
        self.made = 0
        self.refused = 0

    def close(self):
        self.conn.close()

    def pool(self):
        return self.conn.storagePoolLookupByName(self.arena.target.name)

    def vol(self):
        return self.pool().storageVolLookupByName(Arena.VOLUME)

    def make(self, name):
        """A call that may be refused, but not lose the daemon."""
        self.made += 1
        try:
            getattr(self, name)()
        except libvirt.libvirtError as err:
            self.refused += 1
            if err.get_error_code() in LOST and err.get_error_domain() == libvirt.VIR_FROM_RPC or \
                    not self.conn.isAlive():
                raise

    def _update(self, inner):
        self.pool().createXML(xmlio.update(Arena.VOLUME, inner))

    def _act(self, action):
        self._update(f"<replication:job action='{action}'/>")

    # ---- the calls

    def request(self):
        source = self.conn.storagePoolLookupByName(self.arena.source.name).storageVolLookupByName("web.qcow2")
        start = self.random.choice(("yes", "no"))
        limit = self.random.choice((("MiB/s", 1), ("MiB/s", 100)))
        self.pool().createXMLFrom(xmlio.replicate(name=Arena.VOLUME, async_="yes", start=start, bandwidth=limit),
                                  source)

    def update(self):
        self._update(f"<replication:description>{self.made}</replication:description>"
                     "<replication:type>data-disk</replication:type>")

    def limit(self):
        self._update("<replication:bandwidth unit='MiB/s'>50</replication:bandwidth>")

    def start(self):
        self._act("start")

    def cancel(self):
        self._act("cancel")

    def pause(self):
        self._act("pause")

    def resume(self):
        self._act("resume")

    def retry(self):
        self._act("retry")

    def delete(self):
        self.vol().delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS if self.made % 2 else 0)

    def dumpxml(self):
        self.vol().XMLDesc()

    def info(self):
        self.vol().info()

    def overview(self):
        self.pool().XMLDesc()

    def list(self):
        self.pool().listAllVolumes()

    def refresh(self):
        self.pool().refresh()

    def destroy(self):
        try:
            self.pool().destroy()
        finally:
            self.pool().create()

    def undefine(self):
        try:
            self.pool().destroy()
            self.pool().undefine()
        finally:
            self.edit()
            self.pool().create()

    def edit(self):
        self.conn.storagePoolDefineXML(self.arena.pool_xml)

    def upload(self):
        stream = self.conn.newStream()
        try:
            self.vol().upload(stream, 0, 512)
            stream.send(b"x" * 512)
            stream.finish()
        except libvirt.libvirtError:
            try:
                stream.abort()
            except libvirt.libvirtError:
                pass
            raise

    def resize(self):
        self.vol().resize(8 << 20)

    def clone(self):
        """Libvirt's own copy, under the same name."""
        source = self.conn.storagePoolLookupByName(self.arena.source.name).storageVolLookupByName("web.qcow2")
        self.pool().createXMLFrom(f"<volume><name>{Arena.VOLUME}</name><capacity>4194304</capacity>"
                                  "<target><format type='qcow2'/></target></volume>", source)

    def wipe(self):
        self.vol().wipe()

    def download(self):
        stream = self.conn.newStream()
        self.vol().download(stream, 0, 512)
        stream.abort()


CALLS = ("request", "update", "limit", "start", "cancel", "pause", "resume", "retry", "delete", "dumpxml",
         "info", "overview", "list", "refresh", "destroy", "undefine", "edit", "upload", "resize", "download")
# So that there is mostly something to fight about.
WEIGHTED = CALLS + ("clone", "wipe") + ("request",) * 6 + ("dumpxml", "update", "start", "pause", "resume") * 2


def _loop(client, names, until, failures):
    try:
        for name in names:
            if time.monotonic() > until or failures:
                return
            client.make(name)
    except BaseException as err:  # noqa: B902, told by the one who waits
        failures.append(err)


def fight(arena, *plans, seconds=1e9):
    """One client a plan (an iterable of names of calls), all at once. Returns how many calls were made."""
    clients = [Client(arena, seed) for seed in range(len(plans))]
    failures = []
    threads = [threading.Thread(target=_loop, args=(client, plan, time.monotonic() + seconds, failures))
               for client, plan in zip(clients, plans)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    made = sum(client.made for client in clients)
    for client in clients:
        client.close()
    if failures:
        raise AssertionError(f"after {made} calls: {failures[0]!r}; {arena.host.stderr()}")
    return made


def pair(arena, one, other, seconds):
    """Two clients that make one call each over and over, and a third that asks for new jobs."""
    return fight(arena, itertools.repeat(one), itertools.repeat(other), itertools.repeat("request"),
                 seconds=seconds)


def brawl(arena, clients, calls, seed=1):
    """So many random calls by so many clients."""
    rng = random.Random(seed)
    return fight(arena, *([rng.choice(WEIGHTED) for _ in range(calls // clients)] for _ in range(clients)))
