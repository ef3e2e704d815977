# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links between hosts: veth pairs with addresses that can be cut, shaped, and made to swallow packets."""

import os

from . import space

_count = 0


def connections(host, port=16509):
    """The host's own ports of its connections to `port` of other hosts."""
    out = host.run("ss", "-Htn", "state", "established", f"dport = :{port}").stdout
    return {int(line.split()[2].rpartition(":")[2]) for line in out.splitlines()}


class Link:
    """A cable between two hosts; each end has an address in a /30 of its own."""

    def __init__(self, a, b):
        global _count
        _count += 1
        self.hosts = (a, b)
        self.devices = (f"v{_count}a", f"v{_count}b")
        self.addresses = (f"10.77.{_count}.1", f"10.77.{_count}.2")
        self._plug()
        for host, device, address in zip(self.hosts, self.devices, self.addresses):
            host.run("ip", "addr", "add", f"{address}/30", "dev", device)
            host.run("ip", "link", "set", device, "up")
        for host, other, address in zip(self.hosts, reversed(self.hosts), reversed(self.addresses)):
            with open(os.path.join(host.dir, "hosts"), "a") as f:
                f.write(f"{address} {other.name}\n")

    def _plug(self):
        """Makes both devices, each in the namespace of its host."""
        a, b = self.hosts
        space.run("ip", "link", "add", self.devices[0], "netns", a.holder.pid, "type", "veth",
                  "peer", "name", self.devices[1], "netns", b.holder.pid)

    def cut(self):
        self.hosts[0].run("ip", "link", "set", self.devices[0], "down")

    def mend(self):
        self.hosts[0].run("ip", "link", "set", self.devices[0], "up")

    def swallow(self):
        """Packets vanish from now on, in both directions and without an error, as behind a firewall that drops
        them: each end sends to a hardware address that nobody has."""
        for host, device, other in zip(self.hosts, self.devices, reversed(self.addresses)):
            host.run("ip", "neigh", "replace", other, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", device)

    def deliver(self):
        """Ends swallow()."""
        for host, device, other in zip(self.hosts, self.devices, reversed(self.addresses)):
            host.run("ip", "neigh", "del", other, "dev", device)

    def swallow_connection(self, port, client_port):
        """What the first host's `port` sends to that port of the other host vanishes from now on, and nothing else does."""
        self.hosts[0].run("ip", "rule", "add", "ipproto", "tcp", "sport", str(port), "dport", str(client_port), "blackhole")

    def shape(self, rate, latency="50ms"):
        """`rate` as tc writes it ("100mbit"), both directions; None takes the shaping off."""
        for host, device in zip(self.hosts, self.devices):
            host.run("tc", "qdisc", "del", "dev", device, "root", check=False)
            if rate:
                host.run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate,
                         "burst", "256k", "latency", latency)
