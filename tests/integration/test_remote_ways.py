# SPDX-License-Identifier: LGPL-2.1-or-later
"""Replication between hosts over TLS (with an authority of the test's own) and over ssh, both ways."""

import pytest
from harness import images, net, sshd, trust
from harness.pools import Pool
from harness.remote import RemotePool, serving, uri


def both_ways(here, there, link, transport):
    near = Pool(here, "near", region="cn-north-1")
    behind = Pool(there, "behind", region="cn-east-2")
    far = RemotePool(here, "far", behind.name, uri=uri(link, transport))
    volume = near.chain()
    assert far.replicate(near, volume) == volume
    images.assert_faithful(near.file(volume), behind.file(volume))
    back = near.replicate(far, volume, name="back.qcow2")
    images.assert_faithful(behind.file(volume), near.file(back))


def test_tls(new_host):
    here, there = new_host(), serving(new_host(listen=("tls",)))
    link = net.Link(there, here)
    authority = trust.Authority()
    authority.equip(there)
    authority.equip(here)
    both_ways(here.start(), there.start(), link, "tls")


@pytest.mark.skipif(not sshd.available(), reason="openssh-server is not installed")
def test_ssh(new_host):
    here, there = new_host().start(), serving(new_host()).start()
    link = net.Link(there, here)
    sshd.Server(there).admit(here)
    both_ways(here, there, link, "ssh")
