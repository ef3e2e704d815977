# SPDX-License-Identifier: LGPL-2.1-or-later
"""Links between hosts: veth pairs with addresses that can be cut and shaped."""

from . import space

_count = 0


class Link:
    """A cable between two hosts; each end has an address in a /30 of its own."""

    def __init__(self, a, b):
        global _count
        _count += 1
        self.hosts = (a, b)
        self.devices = (f"v{_count}a", f"v{_count}b")
        self.addresses = (f"10.77.{_count}.1", f"10.77.{_count}.2")
        space.run("ip", "link", "add", self.devices[0], "netns", a.holder.pid, "type", "veth",
                  "peer", "name", self.devices[1], "netns", b.holder.pid)
        for host, device, address in zip(self.hosts, self.devices, self.addresses):
            host.run("ip", "addr", "add", f"{address}/30", "dev", device)
            host.run("ip", "link", "set", device, "up")

    def cut(self):
        self.hosts[0].run("ip", "link", "set", self.devices[0], "down")

    def mend(self):
        self.hosts[0].run("ip", "link", "set", self.devices[0], "up")

    def shape(self, rate, latency="50ms"):
        """`rate` as tc writes it ("100mbit"), both directions; None takes the shaping off."""
        for host, device in zip(self.hosts, self.devices):
            host.run("tc", "qdisc", "del", "dev", device, "root", check=False)
            if rate:
                host.run("tc", "qdisc", "add", "dev", device, "root", "tbf", "rate", rate,
                         "burst", "256k", "latency", latency)
