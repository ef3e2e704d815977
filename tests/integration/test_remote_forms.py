# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images that get another encryption or format on their way between two hosts; qemu-img and cryptsetup judge the results."""

import os
import re
import subprocess
import sys
import tempfile
import time

import libvirt
import pytest
from harness import crypt, images, machines, net, xmlio
from harness.crypt import Key
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, serving, uri

MIB = 1 << 20


@pytest.fixture(scope="module")
def pair(new_host):
    """(here, there, link): every test asks `here`."""
    here = new_host().start()
    there = serving(new_host(listen=("tcp",)), "checkpoint_mib = 2\n").start()
    return here, there, net.Link(there, here)


def both(pair, **kwargs):
    """A key that both hosts have: (here's, there's)."""
    here = Key(pair[0], **kwargs)
    return here, Key(pair[1], usage=here.usage, value=here.value)


def ways(places, way):
    """(source, target, where source's files are, where the target's files are)"""
    near, far, behind = places
    return (near, far, near, behind) if way == "push" else (far, near, behind, near)


def is_clean(pool):
    return not [name for name in pool.staging() if name.startswith("partial/")]


def partials(host):
    """Layers that the host has converted for others."""
    return [os.path.join(root, name) for root, _, files in os.walk(os.path.join(host.dir, "lib"))
            for name in files if os.path.basename(root) == "partial"]


WAYS = pytest.mark.parametrize("way", ["push", "pull"])


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


@pytest.mark.parametrize("way", ["pull"])
def test_luks_to_plain(pair, places, way):
    source, target, here, there = ways(places, way)
    key, other = both(pair, value=crypt.SOURCE)
    made = crypt.known_chain(here, key if here.host is pair[0] else other)
    target.replicate(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert not any(info.get("encrypted") for info in images.layers(there.file("dec.qcow2")))
    crypt.assert_judged(made, crypt.layers(there.file("dec.qcow2")))


@pytest.mark.parametrize("way", ["push"])
def test_another_key(pair, places, way):
    source, target, here, there = ways(places, way)
    old, far_old = both(pair, value=crypt.SOURCE)
    new, _ = both(pair)
    made = crypt.known_chain(here, old if here.host is pair[0] else far_old)
    target.replicate(source, "web.qcow2", name="rekeyed.qcow2", target=new.target("usage"))
    replica = crypt.layers(there.file("rekeyed.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    assert not any(crypt.opens(layer.path, old.value) for layer in replica)


@pytest.mark.parametrize("way", ["push"])
def test_flattened(pair, places, way):
    source, target, here, there = ways(places, way)
    key, _ = both(pair)
    volume = here.chain()
    target.replicate(source, volume, name="flat.qcow2", snapshots="flatten", target=key.target("usage"))
    replica = crypt.layers(there.file("flat.qcow2"), key.value)
    assert len(replica) == 1 and crypt.opens(replica[0].path, key.value)
    crypt.compare(crypt.layers(here.file(volume)), replica)
    crypt.check(replica[0])
    assert there.volumes() == ["flat.qcow2"]


@WAYS
@pytest.mark.parametrize("fmt", ["raw", "vmdk"])
def test_another_format(places, way, fmt):
    source, target, here, there = ways(places, way)
    images.create(here.file("disk"), "16M", fmt=fmt)
    images.write_random(here.file("disk"), MIB, 4 * MIB, seed=5, fmt=fmt)
    here.refresh()
    target.replicate(source, "disk", name="disk.qcow2")
    assert images.info(there.file("disk.qcow2"))["format"] == "qcow2"
    images.compare(here.file("disk"), there.file("disk.qcow2"))
    assert target.image("disk.qcow2").source["volume"] == "disk"


def test_new_slot(pair, places):
    """rekey='slot' keeps the volume key on the way, too."""
    near, far, behind = places
    old, new = Key(pair[0], value=crypt.SOURCE), both(pair)[0]
    made = crypt.known_chain(near, old)
    far.replicate(near, "web.qcow2", name="slot.qcow2", target=new.target("usage"), rekey="slot")
    assert set(behind.image("slot.qcow2").actions.values()) == {"convert"}
    replica = crypt.layers(behind.file("slot.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    for a, b in zip(made, replica):
        assert crypt.volume_key(a.path, old.value) == crypt.volume_key(b.path, new.value)
    assert not partials(near.host)


@WAYS
def test_full_machine(pair, places, way):
    """All disks of a machine in one job, the layer that two of them stand on once."""
    source, target, here, there = ways(places, way)
    key, _ = both(pair)
    machines.make(here)
    target.replicate(source, "web.qcow2", target=key.target("usage"))
    for disk in machines.DISKS:
        made = crypt.layers(there.file(disk), key.value)
        assert all(crypt.opens(layer.path, key.value) for layer in made)
        crypt.compare(crypt.layers(here.file(disk)), made)
    assert sorted(there.volumes()) == sorted(machines.LAYERS)


def test_through_us(pair, places):
    """Remote to remote: this host converts what it gets before it passes it on."""
    here, there, link = pair
    _, far, behind = places
    key, _ = both(pair)
    other = Pool(there, behind.name + "-other", region="cn-south-3")
    beyond = RemotePool(here, far.name + "-other", other.name, uri=uri(link))
    volume = behind.chain()
    beyond.replicate(far, volume, target=key.target("usage"))
    crypt.assert_judged(crypt.layers(behind.file(volume)), crypt.layers(other.file(volume), key.value))
    assert not partials(here)


# ---- keys

def test_image_there_knows_its_key(pair, places):
    """The replica is of use there: its record names that host's own secret, and tells what was done."""
    near, far, behind = places
    key, there = both(pair)
    volume = near.chain()
    far.replicate(near, volume, target=key.target("uuid"))
    secret, conversions = crypt.encryption_of(behind.image(volume))
    assert secret == there.uuid != key.uuid
    assert [c["action"] for c in conversions] == ["encrypt"]
    behind.replicate(behind, volume, name="plain.qcow2", encryption="none")
    images.compare(near.file(volume), behind.file("plain.qcow2"))


KEYS = {"another value": (lambda key, host: Key(host, usage=key.usage), libvirt.VIR_ERR_AUTH_FAILED),
        "no value": (lambda key, host: Key(host, usage=key.usage, value=None), libvirt.VIR_ERR_INVALID_SECRET),
        "no secret": (lambda key, host: None, libvirt.VIR_ERR_NO_SECRET)}


@pytest.mark.parametrize("what", KEYS)
def test_key_there_is_not_ours(pair, places, what):
    """Found before anything is converted, and the error says how to mend it."""
    near, far, behind = places
    key = Key(pair[0])
    define, expected = KEYS[what]
    define(key, pair[1])
    volume = near.chain()
    conn = near.host.connect()
    source = conn.storagePoolLookupByName(near.name).storageVolLookupByName(volume)
    with pytest.raises(libvirt.libvirtError) as raised:
        conn.storagePoolLookupByName(far.name).createXMLFrom(xmlio.replicate(target=key.target("usage")), source)
    conn.close()
    error = raised.value
    assert code(error) == expected, error
    if what != "no value":
        assert key.usage in str(error) and "virsh secret-define" in str(error) and "secret-set-value" in str(error)
    assert behind.volumes() == [] and is_clean(behind) and not partials(near.host)


def test_key_here_does_not_open_the_layers(pair, places):
    """Of an image from there: found by its header, before any of its data is fetched."""
    near, far, behind = places
    here, there = both(pair, value=crypt.SOURCE)
    crypt.known_chain(behind, there)
    here.set("another value")
    error = near.refusal(far, "web.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED, error
    here.undefine()
    assert code(near.refusal(far, "web.qcow2", encryption="none")) == libvirt.VIR_ERR_NO_SECRET


# ---- on the way

class Wire:
    """What goes over a host's network, from here to stop()."""

    CODE = ("import socket, sys\ns = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))\n"
            "s.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)\nprint('on', flush=True)\n"
            "while True: sys.stdout.buffer.write(s.recv(1 << 17)); sys.stdout.flush()")

    def __init__(self, host):
        self.file = tempfile.TemporaryFile()
        self.process = subprocess.Popen(host.enter_argv() + [sys.executable, "-c", self.CODE], stdout=self.file)
        assert wait_until(lambda: os.fstat(self.file.fileno()).st_size >= 3, 60)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.file.seek(0)
        return self.file.read()


def test_nothing_leaves_in_clear(pair, places):
    """Neither the passphrase nor the image is seen on the wire, nor in the staging folders while the job runs."""
    near, far, behind = places
    key, _ = both(pair)
    images.create(near.file("web.qcow2"), "16M")
    images.write(near.file("web.qcow2"), [(MIB, 8 * MIB, 0x5a)])
    near.refresh()
    wire = Wire(pair[1])
    far.replicate(near, "web.qcow2", target=key.target("usage"), **{"async": "yes"}, bandwidth=("MiB/s", 4))
    assert wait_until(lambda: partials(near.host), 60)
    for folder in (os.path.join(near.host.dir, "lib"), behind.file(".replication")):
        for root, _, files in os.walk(folder):
            for name in files:
                assert not crypt.contains(os.path.join(root, name), key.value.encode())
    behind.wait_job("web.qcow2")
    seen = wire.stop()
    assert b"web.qcow2" in seen and key.usage.encode() in seen
    assert key.value.encode() not in seen and b"\x5a" * 256 not in seen
    assert crypt.opens(behind.file("web.qcow2"), key.value)


def test_cancelled_there(pair, places):
    """Nothing of what was converted is left when the replica is deleted on the other host in the middle."""
    near, far, behind = places
    key, _ = both(pair)
    images.create(near.file("big.qcow2"), "32M")
    images.write_random(near.file("big.qcow2"), 0, 28 * MIB, seed=8)
    near.refresh()
    far.replicate(near, "big.qcow2", target=key.target("usage"), **{"async": "yes"}, bandwidth=("MiB/s", 1))
    assert wait_until(lambda: partials(near.host), 60)
    behind.host.ok("vol-delete", "big.qcow2", behind.name)
    assert wait_until(lambda: not partials(near.host) and behind.volumes() == [] and is_clean(behind), 60)


@pytest.mark.parametrize("victim", ["here", "there", "link"])
def test_goes_on_inside_an_encrypted_layer(pair, places, victim):
    """What was converted is kept for as long as the job: the other host goes on with the very layer that it has begun."""
    near, far, behind = places
    key, _ = both(pair)
    images.create(near.file("big.qcow2"), "32M")
    images.write_random(near.file("big.qcow2"), 0, 28 * MIB, seed=7)
    near.refresh()
    pair[2].shape("60mbit")
    far.replicate(near, "big.qcow2", target=key.target("usage"), **{"async": "yes"})
    record = behind.file(f".replication/jobs/{behind.image('big.qcow2').job['id']}")

    def noted(word):
        with open(record, encoding="utf-8") as f:
            return int((re.findall(rf"^{word}=(\d+)", f.read(), re.M) or [0])[0])

    assert wait_until(lambda: noted("checkpoint") > 0, 120)
    making = noted("making")
    if victim == "link":
        pair[2].cut()
        time.sleep(4)  # silence of two seconds opens another session
        pair[2].mend()
    else:
        host = pair[victim == "there"]
        host.kill()
        reached = noted("checkpoint")
        host.start()
        assert reached > 0
    assert making == noted("making") != 0
    behind.wait_job("big.qcow2", timeout_s=150)
    crypt.compare(crypt.layers(near.file("big.qcow2")), crypt.layers(behind.file("big.qcow2"), key.value))
    assert is_clean(behind) and wait_until(lambda: not partials(near.host), 30)


def test_a_cut_costs_a_converting_pull_little(pair, places):
    """What is fetched to be converted here goes on where the link was cut."""
    near, far, behind = places
    key = Key(pair[0])
    images.create(behind.file("big.qcow2"), "32M")
    images.write_random(behind.file("big.qcow2"), 0, 28 * MIB, seed=9)
    behind.refresh()
    pair[2].shape("60mbit")
    near.replicate(far, "big.qcow2", target=key.target("usage"), **{"async": "yes"})
    assert wait_until(lambda: int(near.image("big.qcow2").job.get("wire", 0)) > 12 * MIB, 120)
    pair[2].cut()
    time.sleep(4)  # silence of two seconds opens another session
    pair[2].mend()
    near.wait_job("big.qcow2", timeout_s=150)
    assert int(near.image("big.qcow2").job["wire"]) < (28 + 9) * MIB
    crypt.compare(crypt.layers(behind.file("big.qcow2")), crypt.layers(near.file("big.qcow2"), key.value))
