# SPDX-License-Identifier: LGPL-2.1-or-later
"""Fixtures of the integration tests: hosts and pools that end with their test file."""

import itertools
import os
import sys
import threading

import libvirt
import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import crypt, fs, net, pools, space  # noqa: E402
from harness.crypt import Key  # noqa: E402
from harness.host import STOCK, Host  # noqa: E402
from harness.remote import serving, three_places  # noqa: E402

_numbers = itertools.count(1)


def pytest_configure(config):
    space.enter()  # before there are threads


def pytest_unconfigure(config):
    space.leave()


@pytest.fixture(scope="module")
def new_host():
    """A function that makes hosts of any kind, not started; they end with the test file."""
    made = []

    def make(**kwargs):
        host = Host(f"host{next(_numbers)}", **kwargs)
        made.append(host)
        return host

    yield make
    errors = []
    for host in reversed(made):
        try:
            host.close()
        except AssertionError as err:
            errors.append(str(err))
    assert not errors, "\n".join(errors)


@pytest.fixture(scope="module")
def host(new_host):
    """The file's host: libvirtd with our module."""
    return new_host().start()


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link): two hosts, of which the second serves the first."""
    here = new_host().start()
    there = serving(new_host(listen=("tcp",))).start()
    return here, there, net.Link(there, here)


@pytest.fixture
def places(pair):
    """(near, far, behind): a pool here, a pool of type region here, and the pool behind it there."""
    with three_places(pair) as places:
        yield places


@pytest.fixture(scope="module")
def stock(new_host):
    """A libvirtd without our module."""
    return new_host(module=STOCK).start()


@pytest.fixture
def new_pool(host):
    """A function that makes pools (labelled when region= is given) that go with the test."""
    made = []

    def make(region=None, name=None, **kwargs):
        pool = pools.Pool(host, name or f"pool{next(_numbers)}", region=region, **kwargs)
        made.append(pool)
        return pool

    yield make
    if host.process is None:
        host.start()
    for pool in made:
        host.virsh("pool-destroy", pool.name)
        host.virsh("pool-undefine", pool.name)


@pytest.fixture
def regions(new_pool):
    """A source pool in cn-north-1 and a target pool in cn-east-2, both empty."""
    return new_pool("cn-north-1"), new_pool("cn-east-2")


@pytest.fixture
def scratch():
    """An empty folder that every host sees, below which file systems can be mounted."""
    path = os.path.join(space.enter(), f"scratch{next(_numbers)}")
    os.makedirs(path)
    yield path
    for entry in os.listdir(path):
        mounted = os.path.join(path, entry)
        if os.path.ismount(mounted):
            space.run("umount", "-l", mounted)
    space.run("rm", "-rf", path)


@pytest.fixture
def small_ext4(scratch):
    return lambda size_mib, name="ext4": fs.ext4(os.path.join(scratch, name), size_mib)


@pytest.fixture
def small_xfs(scratch):
    return lambda name="xfs": fs.xfs(os.path.join(scratch, name))


@pytest.fixture(scope="module")
def event_loop():
    """libvirt's event loop in a thread, for tests that watch events; before they connect."""
    libvirt.virEventRegisterDefaultImpl()
    running = threading.Event()
    running.set()

    def loop():
        while running.is_set():
            libvirt.virEventRunDefaultImpl()

    libvirt.virEventAddTimeout(50, lambda timer, opaque: None, None)  # so that the loop can end
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield
    running.clear()
    thread.join(5)


@pytest.fixture(name="pools")
def two_pools(new_pool):
    """Two pools of one region, for those who have none of their own."""
    return new_pool("cn-north-1"), new_pool("cn-north-1")


@pytest.fixture
def encrypted(host, pools):
    """A chain made by qemu-img under a key that the daemon knows: (source, target, key, layers)."""
    key = Key(host, value=crypt.SOURCE)
    made = crypt.known_chain(pools[0], key)
    return *pools, key, made
