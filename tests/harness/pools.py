# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools of a host, labelled as regions or not, and the calls that tests make on them."""

import os
import re
import time

import libvirt

from . import images, xmlio


class Pool:
    """A directory pool in `path` (by default a folder of its own below the host's)."""

    def __init__(self, host, name, region=None, project=None, quota=None, path=None, start=True,
                 transient=False):
        self.host = host
        self.name = name
        self.region = region
        self.path = path or os.path.join(host.dir, "pools", name)
        os.makedirs(self.path, exist_ok=True)
        label = xmlio.region(region, project, quota) if region else None
        self.xml = xmlio.pool(name, self.path, label)
        with xmlio.xml_file(self.xml) as f:
            host.ok("pool-create" if transient else "pool-define", f.name)
        if start and not transient:
            host.ok("pool-start", name)

    def file(self, volume):
        return os.path.join(self.path, volume)

    def refresh(self):
        self.host.ok("pool-refresh", self.name)

    def volumes(self):
        """Names as vol-list has them."""
        lines = self.host.ok("vol-list", self.name).splitlines()
        return sorted(line.split()[0] for line in lines if line.strip())

    def dumpxml(self, *flags):
        return self.host.ok("pool-dumpxml", self.name, *flags)

    def usage(self):
        return xmlio.usage(self.dumpxml())

    def image(self, volume):
        return xmlio.Image(self.host.ok("vol-dumpxml", "--pool", self.name, volume))

    def chain(self, **kwargs):
        """Makes a chain in the pool and refreshes it; returns the image's volume name."""
        top = images.chain(self.path, **kwargs)
        self.refresh()
        return os.path.basename(top)

    def try_replicate(self, source, volume, xml=None, timeout_s=60, **options):
        """vol-create-from into this pool; returns virsh's result."""
        with xmlio.xml_file(xmlio.replicate(**options) if xml is None else xml) as f:
            return self.host.virsh("vol-create-from", self.name, f.name, volume,
                                   "--inputpool", source.name, timeout_s=timeout_s, quiet=False)

    def replicate(self, source, volume, **options):
        """A replication that must work; returns the replica's volume name."""
        result = self.try_replicate(source, volume, **options)
        assert result.rc == 0, result.err
        return re.match(r"Vol (.*) created from input vol ", result.out).group(1)

    def refusal(self, source, volume, xml=None, flags=0, **options):
        """A replication that must fail and leave the target as it was; returns the libvirtError."""
        before = self.state()
        conn = self.host.connect()
        try:
            vol = conn.storagePoolLookupByName(source.name).storageVolLookupByName(volume)
            conn.storagePoolLookupByName(self.name).createXMLFrom(
                xmlio.replicate(**options) if xml is None else xml, vol, flags)
        except libvirt.libvirtError as err:
            assert self.state() == before, "the refused request changed the target"
            return err
        finally:
            conn.close()
        raise AssertionError("the replication was not refused")

    def update(self, volume, inner, check=True):
        with xmlio.xml_file(xmlio.update(volume, inner)) as f:
            return (self.host.ok if check else self.host.virsh)("vol-create", self.name, f.name)

    def state(self):
        """What a user sees in the pool: list of volumes and every file but our staging folder."""
        return self.volumes(), {name: value for name, value in images.tree_state(self.path).items()
                                if not name.startswith(".replication")}

    def staging(self):
        """Files in the staging folder."""
        folder = self.file(".replication")
        found = []
        for root, _, files in os.walk(folder):
            found += [os.path.relpath(os.path.join(root, name), folder) for name in files]
        return sorted(found)

    def wait_job(self, volume, states=("completed",), timeout_s=60):
        """Waits until the image's job is in one of the states; returns the job."""
        end = time.monotonic() + timeout_s
        while True:
            job = self.image(volume).job
            if job and job["state"] in states:
                return job
            ended = job and job["state"] in ("completed", "failed", "cancelled")
            assert not ended and time.monotonic() < end, f"job of {volume} is {job}"
            time.sleep(0.05)


def two_regions(host, **kwargs):
    """The usual pair: pool beijing of region cn-north-1, pool shanghai of region cn-east-2."""
    return (Pool(host, "beijing", region="cn-north-1", **kwargs),
            Pool(host, "shanghai", region="cn-east-2", **kwargs))


def wait_until(condition, timeout_s=10):
    """Waits until condition() is true; returns whether it became so."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


def code(error):
    return error.get_error_code()
