# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that get another encryption or format on their way between two hosts; qemu-img and cryptsetup judge the results."""

import pytest
from harness import crypt, images, net
from harness.crypt import Key
from harness.remote import serving, three_places


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link): every test asks `here`."""
    here = new_host().start()
    there = serving(new_host(listen=("tcp",))).start()
    return here, there, net.Link(there, here)


@pytest.fixture
def places(pair):
    """(pool here, pool of type region here, the pool behind it there)"""
    with three_places(pair) as places:
        yield places


def both(pair, **kwargs):
    """A key that both hosts have: (here's, there's)."""
    here = Key(pair[0], **kwargs)
    return here, Key(pair[1], usage=here.usage, value=here.value)


def ways(places, way):
    """(source, target, where source's files are, where the target's files are)"""
    near, far, behind = places
    return (near, far, near, behind) if way == "push" else (far, near, behind, near)


WAYS = pytest.mark.parametrize("way", ["pull"])


@WAYS
def test_plain_to_luks(pair, places, way):
    source, target, here, there = ways(places, way)
    key, _ = both(pair)
    volume = here.chain()
    target.replicate(source, volume, name="enc.qcow2", target=key.target("usage"))
    replica = crypt.layers(there.file("enc.qcow2"), key.value)
    assert len(replica) == 3 and all(layer.key for layer in replica)
    crypt.assert_judged(crypt.layers(here.file(volume)), replica)
    assert target.image("enc.qcow2").image.find("{*}snapshots") is not None


@WAYS
def test_luks_to_plain(pair, places, way):
    source, target, here, there = ways(places, way)
    key, other = both(pair, value=crypt.SOURCE)
    made = crypt.known_chain(here, key if here.host is pair[0] else other)
    target.replicate(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert not any(info.get("encrypted") for info in images.layers(there.file("dec.qcow2")))
    crypt.assert_judged(made, crypt.layers(there.file("dec.qcow2")))


@WAYS
def test_another_key(pair, places, way):
    source, target, here, there = ways(places, way)
    old, far_old = both(pair, value=crypt.SOURCE)
    new, _ = both(pair)
    made = crypt.known_chain(here, old if here.host is pair[0] else far_old)
    target.replicate(source, "web.qcow2", name="rekeyed.qcow2", target=new.target("usage"))
    replica = crypt.layers(there.file("rekeyed.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    assert not any(crypt.opens(layer.path, old.value) for layer in replica)
