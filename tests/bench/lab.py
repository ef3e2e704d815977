# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is measured: hosts with and without the module, region pools, chains of any size."""

import os
import random
import time

import libvirt
from harness import images, pools, space, xmlio
from harness.host import STOCK, Host
from measure import MIB, say

LAYERS = ("base.qcow2", "update.qcow2", "setup.qcow2", "web.qcow2")
RUNNING = ("queued", "running", "verifying", "publishing")


class Lab:
    """Hosts and folders of one run. `ours` and `stock` are started when they are first needed."""

    def __init__(self, options):
        self.options = options
        self.dir = os.path.join(space.enter(), "bench")
        os.makedirs(self.dir)
        self.blob = os.path.join(self.dir, "blob")
        self.fill_with(lambda f: f.write(os.urandom(16 * MIB)))
        self._hosts = {}
        self._conns = {}
        self._more = []

    def host(self, module="ours"):
        if module not in self._hosts:
            name = "stock" if module is STOCK else "ours"
            self._hosts[module] = Host(name, module=module).start()
            self._conns[module] = self._hosts[module].connect()
        return self._hosts[module]

    def add(self, host):
        """A host of a benchmark's own, which goes with the lab."""
        self._more.append(host)
        return host

    def end(self, *hosts):
        """Ends such hosts before the lab does."""
        for host in hosts:
            self._more.remove(host)
            host.close()
            space.run("rm", "-rf", "--one-file-system", host.dir, check=False)

    @property
    def delay(self):
        """The program that delay.c is."""
        path = os.path.join(self.dir, "delay")
        if not os.path.exists(path):
            space.run("cc", "-O2", "-o", path, os.path.join(os.path.dirname(os.path.abspath(__file__)), "delay.c"))
        return path

    @property
    def ours(self):
        return self.host()

    @property
    def stock(self):
        return self.host(STOCK)

    def conn(self, module="ours"):
        self.host(module)
        return self._conns[module]

    def pool(self, name, region=None, path=None, module="ours"):
        return pools.Pool(self.host(module), name, region=region, path=path or self.folder(name))

    def folder(self, name):
        path = os.path.join(self.dir, name)
        os.makedirs(path, exist_ok=True)
        return path

    def drop(self, *made):
        """Pools, with what is in them."""
        for pool in made:
            pool.host.ok("pool-destroy", pool.name)
            pool.host.ok("pool-undefine", pool.name)
            empty(pool.path)

    def abandon(self):
        """Ends the hosts, whatever state they are in, and removes all files and mounts."""
        for module, host in self._hosts.items():
            for end in (lambda: self._conns[module].close(), host.close):  # noqa: B023
                try:
                    end()
                except Exception as error:  # pylint: disable=broad-except
                    say(f"{host.name}: {error}")
        self._hosts, self._conns = {}, {}
        for host in self._more[:]:
            try:
                self.end(host)
            except Exception as error:  # pylint: disable=broad-except
                say(f"{host.name}: {error}")
        with open("/proc/self/mounts", encoding="utf-8") as f:
            mounts = [line.split()[1] for line in f if line.split()[1].startswith(self.dir + "/")]
        for mount in reversed(mounts):
            space.run("umount", "-l", mount, check=False)
        for host in ("ours", "stock"):
            space.run("rm", "-rf", "--one-file-system", os.path.join(space.enter(), host), check=False)
        space.run("rm", "-rf", "--one-file-system", self.dir, check=False)

    def renewed(self):
        """A new lab in the place of this one, in which something has failed."""
        self.abandon()
        return Lab(self.options)

    # ---- images

    def fill_with(self, write):
        """What images are filled with from here on: what write(file) writes."""
        with open(self.blob, "wb") as f:
            write(f)
        for name in os.listdir(self.dir):
            if name.startswith("blob."):
                os.unlink(os.path.join(self.dir, name))

    def fill(self, path, data_mib, size_mib, seed):
        """Writes `data_mib` of the blob's bytes in pieces of 1 MiB all over a qcow2 image."""
        rng = random.Random(seed)
        places = sorted(rng.sample(range(size_mib), data_mib))
        for first in range(0, len(places), 256):
            argv = ["qemu-io", "-f", "qcow2", "-t", "writeback"]
            for place in places[first:first + 256]:
                argv += ["-c", f"write -q -s {self._piece(rng)} {place}M 1M"]
            space.run(*argv, path)

    def _piece(self, rng):
        """One of 64 files of bytes of the blob: which ones does not matter, only that they are not zero."""
        number = rng.randrange(64)
        path = f"{self.blob}.{number}"
        if not os.path.exists(path):
            size = os.path.getsize(self.blob)
            with open(self.blob, "rb") as blob, open(path, "wb") as f:
                blob.seek(rng.randrange((size - MIB) // 512) * 512)
                f.write(blob.read(MIB))
        return path

    def write_pieces(self, path, places, bytes_each, content=None):
        """Writes into those places of a qcow2 image, given in units of `bytes_each`, what content(place) gives: random bytes that
        are nowhere else, when it gives none."""
        pieces = self.folder("pieces")
        for first in range(0, len(places), 256):
            argv = ["qemu-io", "-f", "qcow2", "-t", "writeback"]
            for number, place in enumerate(places[first:first + 256]):
                with open(os.path.join(pieces, str(number)), "wb") as f:
                    f.write(content and content(place) or os.urandom(bytes_each))
                argv += ["-c", f"write -q -s {pieces}/{number} {place * bytes_each} {bytes_each}"]
            space.run(*argv, path)
        images.remove(pieces)

    def chain(self, folder, data_mib, names=LAYERS, seed=1):
        """A base with 3/4 of the data and overlays that share the rest; returns the paths, base first."""
        size_mib = data_mib * 2
        share = data_mib // 4 // (len(names) - 1) if len(names) > 1 else 0
        paths = [os.path.join(folder, name) for name in names]
        for depth, path in enumerate(paths):
            images.create(path, f"{size_mib}M", backing=names[depth - 1] if depth else None)
            self.fill(path, share if depth else data_mib - share * (len(names) - 1), size_mib,
                      seed * 100 + depth)
        return paths

    def image(self, path, data_mib, seed):
        images.create(path, f"{data_mib}M")
        self.fill(path, data_mib, data_mib, seed)
        return path

    # ---- replication through the API, as a client of libvirt does it

    def replicate(self, pool, source, volume, **options):
        conn = self.conn()
        vol = conn.storagePoolLookupByName(source.name).storageVolLookupByName(volume)
        return conn.storagePoolLookupByName(pool.name).createXMLFrom(xmlio.replicate(**options), vol, 0)

    def remove(self, target, volume):
        """The image with the layers that nothing else needs."""
        vol = self.conn().storagePoolLookupByName(target.name).storageVolLookupByName(volume)
        vol.delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)

    def wait(self, vol, states=("completed",), timeout_s=600):
        end = time.monotonic() + timeout_s
        while (state := (job := xmlio.Image(vol.XMLDesc()).job)["state"]) not in states:
            assert state in RUNNING, f"{vol.name()}: {job}"
            assert time.monotonic() < end, f"{vol.name()} is still {state}"
            time.sleep(0.005)


def allocated(paths):
    return sum(images.allocated_bytes(path) for path in paths)


def empty(folder):
    """All files of a folder, given back to the disk before anybody's next turn."""
    images.remove(folder)
    os.makedirs(folder)
    space.run("sync", "-f", folder)


def tree_bytes(folder):
    return allocated(os.path.join(root, name) for root, _, files in os.walk(folder) for name in files)
