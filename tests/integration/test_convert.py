# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encrypted, decrypted and re-keyed chains; qemu-img and cryptsetup are the judges."""

import os
import time

import pytest
from harness import crypt, images
from harness.crypt import Key


# ---- plain -> LUKS -> plain, LUKS -> LUKS, for every layer

@pytest.mark.parametrize("by", ["uuid", "usage"])
def test_plain_chain_to_luks(host, pools, by):
    source, target = pools
    key = Key(host)
    volume = source.chain()
    target.replicate(source, volume, name="enc.qcow2", target=key.target(by))
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    assert len(replica) == 3 and all(layer.key for layer in replica)
    crypt.assert_judged(crypt.layers(source.file(volume)), replica)
    assert set(target.image("enc.qcow2").actions.values()) == {"convert"}


def test_each_layer_has_a_volume_key_of_its_own(host, pools):
    source, target = pools
    key = Key(host)
    target.replicate(source, source.chain(), name="enc.qcow2", target=key.target())
    keys = {crypt.volume_key(layer.path, key.value)
            for layer in crypt.layers(target.file("enc.qcow2"), key.value)}
    assert len(keys) == 3 and all(len(k) == 64 for k in keys)


def test_luks_chain_to_plain(host, pools):
    source, target = pools
    made = crypt.known_chain(source, Key(host, value=crypt.SOURCE))
    target.replicate(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert not any(info.get("encrypted") for info in images.layers(target.file("dec.qcow2")))
    crypt.assert_judged(made, crypt.layers(target.file("dec.qcow2")))


def test_luks_chain_to_another_key(host, pools):
    source, target = pools
    old, new = Key(host, value=crypt.SOURCE), Key(host)
    made = crypt.known_chain(source, old)
    target.replicate(source, "web.qcow2", name="rekeyed.qcow2", target=new.target())
    replica = crypt.layers(target.file("rekeyed.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    for a, b in zip(made, replica):
        assert not crypt.opens(b.path, old.value)
        assert crypt.volume_key(a.path, old.value) != crypt.volume_key(b.path, new.value)


def test_there_and_back_again(host, pools):
    """What the module encrypted is a source of the module, and every time the chain is the same."""
    source, target = pools
    key = Key(host)
    target.replicate(source, source.chain(), name="enc.qcow2", target=key.target())
    target.replicate(target, "enc.qcow2", name="default.qcow2", encryption="default")
    source.replicate(target, "default.qcow2", name="plain.qcow2", encryption="none")
    crypt.assert_judged(crypt.layers(source.file("web.qcow2")), crypt.layers(source.file("plain.qcow2")))
    # The names of converted layers are made up: their records say what they are of.
    layers = images.layers(target.file("enc.qcow2"))[1:]
    made = [target.image(os.path.basename(layer["filename"])) for layer in layers]
    assert [layer.source["volume"] for layer in made] == ["mid.qcow2", "base.qcow2"]
    assert {layer.source["pool"] for layer in made} == {source.name}


@pytest.mark.parametrize("plain", [(0,), (1, 2), (1,)], ids=["plain base", "LUKS base", "plain middle"])
def test_mixed_chains(host, pools, plain):
    source, target = pools
    key, other = Key(host, value=crypt.SOURCE), Key(host)
    made = crypt.known_chain(source, key, plain=plain)
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=other.target())
    crypt.assert_judged(made, crypt.layers(target.file("enc.qcow2"), other.value))
    assert all(info["encrypted"] for info in images.layers(target.file("enc.qcow2")))
    target.replicate(source, "web.qcow2", name="dec.qcow2", encryption="none")
    crypt.assert_judged(made, crypt.layers(target.file("dec.qcow2")))


def test_encryption_keep_copies_the_bytes(host, pools):
    source, target = pools
    made = crypt.known_chain(source, Key(host, value=crypt.SOURCE), plain=(0,))
    target.replicate(source, "web.qcow2", name="kept.qcow2")
    assert set(target.image("kept.qcow2").actions.values()) <= {"copy", "clone"}
    crypt.assert_judged(made, crypt.layers(target.file("kept.qcow2"), made[0].key))


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "LUKS"])
def test_flatten(host, pools, encrypted):
    source, target = pools
    key = Key(host)
    volume = source.chain()
    options = {"target": key.target()} if encrypted else {}
    target.replicate(source, volume, name="flat.qcow2", snapshots="flatten", **options)
    replica = crypt.layers(target.file("flat.qcow2"), key.value)
    assert len(replica) == 1 and bool(replica[0].key) == encrypted
    crypt.compare(crypt.layers(source.file(volume)), replica)
    crypt.check(replica[0])
    assert target.image("flat.qcow2").snapshots == []


def test_flatten_luks_chain_keeps_its_encryption(host, pools):
    source, target = pools
    made = crypt.known_chain(source, Key(host, value=crypt.SOURCE), plain=(0,))
    target.replicate(source, "web.qcow2", name="flat.qcow2", snapshots="flatten")
    replica = crypt.layers(target.file("flat.qcow2"), made[0].key)
    assert len(replica) == 1 and replica[0].key
    crypt.compare(made, replica)
    assert crypt.opens(replica[0].path, made[0].key)


def test_flatten_luks_chain_to_plain(host, pools):
    source, target = pools
    made = crypt.known_chain(source, Key(host, value=crypt.SOURCE), plain=(1,))
    target.replicate(source, "web.qcow2", name="flat.qcow2", snapshots="flatten", encryption="none")
    replica = crypt.layers(target.file("flat.qcow2"))
    assert len(replica) == 1 and "encrypted" not in images.info(replica[0].path)
    crypt.compare(made, replica)
    crypt.check(replica[0])
    assert crypt.encryption_of(target.image("flat.qcow2"))[0] is None


def test_chain_across_two_pools(host, pools, new_pool):
    """Its base lies in another pool of the region, plain and encrypted."""
    source, target = pools
    bases, key, other = new_pool("cn-north-1"), Key(host), Key(host)
    bases.chain(names=("base.qcow2",))
    images.overlay(source.file("web.qcow2"), bases.file("base.qcow2"))
    images.write_random(source.file("web.qcow2"), 3 << 20, 1 << 20, 5)
    source.refresh()
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target())
    encrypted = crypt.layers(target.file("enc.qcow2"), key.value)
    assert len(encrypted) == 2 and all(layer.key for layer in encrypted)
    crypt.assert_judged(crypt.layers(source.file("web.qcow2")), encrypted)
    apart = across(source, bases, encrypted, key)
    target.replicate(source, "apart.qcow2", name="again.qcow2", target=other.target())
    crypt.assert_judged(apart, crypt.layers(target.file("again.qcow2"), other.value))
    target.replicate(source, "apart.qcow2", name="dec.qcow2", encryption="none")
    crypt.assert_judged(apart, crypt.layers(target.file("dec.qcow2")))


def across(source, bases, chain, key):
    """The encrypted chain of two with its base in the pool `bases`; both pools know the key."""
    crypt.bind(source, key, "apart.qcow2")
    crypt.bind(bases, key, "below.qcow2")
    for layer, path in zip(chain, (source.file("apart.qcow2"), bases.file("below.qcow2"))):
        images.copy_sparse(layer.path, path + ".tmp")
        crypt.put(path, path + ".tmp")
    made = [chain[0]._replace(path=source.file("apart.qcow2")), chain[1]._replace(path=bases.file("below.qcow2"))]
    with crypt._Opened(made[:1]) as opened:
        images.qemu_img("rebase", "-q", "-u", "-b", made[1].path, "-F", "qcow2", *opened.args, opened.names[0])
    source.refresh()
    bases.refresh()
    return made


def test_base_of_two_encrypted_images_is_converted_once_for_one_key(host, pools):
    """Or twice: but never is a layer under one key taken for a layer under another."""
    source, target = pools
    one, two = Key(host), Key(host)
    volume = source.chain()
    target.replicate(source, volume, name="one.qcow2", target=one.target())
    target.replicate(source, volume, name="two.qcow2", target=two.target())
    for name, key in (("one.qcow2", one), ("two.qcow2", two)):
        crypt.assert_judged(crypt.layers(source.file(volume)), crypt.layers(target.file(name), key.value))


# ---- raw and raw LUKS

def raw_image(pool, name="disk.img", size=(8 << 20)):
    with open(pool.file(name), "wb") as f:
        f.truncate(size)
        f.seek(1 << 20)
        f.write(images.random_bytes(2 << 20, 1))
    pool.refresh()
    return [crypt.Layer(pool.file(name), "raw", None)]


def test_raw_image_becomes_qcow2_with_luks_inside(host, pools):
    source, target = pools
    key = Key(host)
    made = raw_image(source)
    name = target.replicate(source, "disk.img", fmt=None, name="enc", target=key.target())
    replica = crypt.layers(target.file(name), key.value)
    assert replica[0].format == "qcow2"
    crypt.assert_judged(made, replica)


def test_raw_to_raw_luks_and_back(host, pools):
    source, target = pools
    key, other = Key(host), Key(host)
    made = raw_image(source)
    target.replicate(source, "disk.img", fmt="raw", name="enc.luks", target=key.target())
    luks = [crypt.Layer(target.file("enc.luks"), "luks", key.value)]
    crypt.compare(made, luks)
    assert "sha256" in crypt.dump(luks[0].path) and crypt.opens(luks[0].path, key.value)
    target.refresh()
    target.replicate(target, "enc.luks", fmt="raw", name="again.luks", target=other.target())
    again = [crypt.Layer(target.file("again.luks"), "luks", other.value)]
    crypt.compare(made, again)
    assert not crypt.opens(again[0].path, key.value)
    target.replicate(target, "again.luks", fmt="raw", name="dec.img", encryption="none")
    crypt.compare(made, [crypt.Layer(target.file("dec.img"), "raw", None)])
    target.replicate(target, "enc.luks", fmt="qcow2", name="dec.qcow2", encryption="none")
    crypt.compare(made, crypt.layers(target.file("dec.qcow2")))


def test_raw_luks_of_qemu_img_is_a_source(host, pools):
    source, target = pools
    key = Key(host)
    crypt.bind(source, key, "disk.luks")
    with images._secret(key.value) as secret:
        crypt.calibrated("create", "-q", "--object", f"secret,id=s,file={secret.name}", "-f", "luks", "-o",
                         "key-secret=s,iter-time=10", source.file("made"), "8M")
    made = [crypt.Layer(source.file("made"), "luks", key.value)]
    crypt.write(made, [(1 << 20, 1 << 20, 5), (5 << 20, 4096, 6)])
    crypt.put(source.file("disk.luks"), source.file("made"))
    source.refresh()
    made = [crypt.Layer(source.file("disk.luks"), "luks", key.value)]
    target.replicate(source, "disk.luks", name="dec.qcow2", encryption="none")
    crypt.compare(made, crypt.layers(target.file("dec.qcow2")))
    target.replicate(source, "disk.luks", name="enc.qcow2", encryption="default")
    default = crypt.secret_value(host, "ims/default")
    crypt.compare(made, crypt.layers(target.file("enc.qcow2"), default))
