# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools of type region: pools of one host that are pools of another one."""

import contextlib
import itertools
import os
import re
import time

from . import xmlio
from .pools import Pool


def region_xml(name, source, at=None, uri=None, region=None, uuid=None):
    """The definition of a pool `name` whose volumes are those of pool `source` behind `uri`, or at the host `at`."""
    label = ""
    if uri or region:
        attr = f" name='{region}'" if region else ""
        peer = f"<replication:peer uri='{uri}'/>" if uri else ""
        label = (f"<metadata><replication:region xmlns:replication='{xmlio.NS}'{attr}>{peer}"
                 "</replication:region></metadata>")
    where = f"<host name='{at}'/>" if at else ""
    ident = f"<uuid>{uuid}</uuid>" if uuid else ""
    return (f"<pool type='region'><name>{name}</name>{ident}<source>{where}<name>{source}</name></source>"
            f"{label}</pool>")


class RemotePool(Pool):
    """A pool of type region on `host`; what tests call on pools goes through it to the peer."""

    def __init__(self, host, name, source, start=True, transient=False, **kwargs):
        self.host = host
        self.name = name
        self.path = None
        self.xml = region_xml(name, source, **kwargs)
        with xmlio.xml_file(self.xml) as f:
            host.ok("pool-create" if transient else "pool-define", f.name)
        if start and not transient:
            host.ok("pool-start", name)

    def peer(self):
        """The attributes of <replication:peer>, as pool-dumpxml has them."""
        return dict(re.findall(r"(\w+)='([^']*)'", re.search(r"<replication:peer [^>]*>", self.dumpxml()).group(0)))

    def wait_peer(self, state, timeout_s=60):
        end = time.monotonic() + timeout_s
        while (peer := self.peer())["state"] != state:
            assert time.monotonic() < end, f"the peer of {self.name} is {peer}"
            time.sleep(0.05)
        return peer


def uri(link, transport="tcp", end=0):
    """The URI of the host at that end of the link."""
    user = "root@" if transport == "ssh" else ""
    return f"storage+{transport}://{user}{link.hosts[end].name}/system"


def serving(host, extra=""):
    """Lets other hosts replicate to and from this one, once it is started or reloaded."""
    with open(os.path.join(host.dir, "etc/storage-replication.conf"), "w") as f:
        f.write("serve_hosts = 1\n" + extra)
    return host


_count = itertools.count(1)


@contextlib.contextmanager
def three_places(pair, behind_region="cn-east-2", quota=None):
    """(near, far, behind) of their own: a pool on the first host of (here, there, link), and a pool of type region there
    for one of the second host, which has that quota; `behind_region` None: it has no label."""
    here, there, link = pair
    n = next(_count)
    near = Pool(here, f"near{n}", region="cn-north-1")
    behind = Pool(there, f"behind{n}", region=behind_region, quota=quota)
    far = RemotePool(here, f"far{n}", behind.name, uri=uri(link))
    far.wait_peer("connected")  # the test before may have taken it away
    yield near, far, behind
    link.shape(None)
    link.mend()
    for pool in (near, far, behind):
        pool.host.virsh("pool-destroy", pool.name)
        pool.host.virsh("pool-undefine", pool.name)
