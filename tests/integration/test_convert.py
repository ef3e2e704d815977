# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encrypted, decrypted and re-keyed chains; qemu-img and cryptsetup are the judges."""

import json
import os
import subprocess
import time
import zlib

import libvirt
import pytest
import test_replicate
from harness import crypt, images, space
from harness.crypt import Key
from harness.pools import code, wait_until

MARKER = b"this text must not be seen in clear "


@pytest.fixture
def pools(new_pool):
    """Two pools of one region."""
    return new_pool("cn-north-1"), new_pool("cn-north-1")


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


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


# ---- odd kinds

def odd(path, size="16M", options="", writes=((0, 1 << 20, 1), (5 << 20, 3 << 20, 2), (8 << 20, 65536, 0))):
    images.create(path, size, options=options)
    images.write(path, writes)


def compressed(path, options):
    images.qemu_img("convert", "-q", "-c", "-O", "qcow2", *(["-o", options] if options else []),
                    marked_raw(path + ".raw"), path)
    images.write(path, [(1 << 20, 4096, 5)])


def marked_raw(path, size=8 << 20):
    with open(path, "wb") as f:
        f.truncate(size)
        for at in range(0, size, 1 << 20):
            f.seek(at)
            f.write(MARKER * 3000)
    return path


KINDS = {
    "cluster 512": lambda path: odd(path, options="cluster_size=512"),
    "cluster 4k": lambda path: odd(path, options="cluster_size=4k"),
    "cluster 1M": lambda path: odd(path, options="cluster_size=1M"),
    "cluster 2M": lambda path: odd(path, options="cluster_size=2M"),
    "extended l2": lambda path: odd(path, options="extended_l2=on"),
    "extended l2, cluster 16k": lambda path: odd(path, options="extended_l2=on,cluster_size=16k",
                                                 writes=[(4096, 512, 3), (66000 // 512 * 512, 1 << 20, 4)]),
    "v2": lambda path: odd(path, options="compat=0.10"),
    "lazy refcounts": lambda path: odd(path, options="lazy_refcounts=on"),
    "refcounts of 1 bit": lambda path: odd(path, options="refcount_bits=1"),
    "refcounts of 64 bits": lambda path: odd(path, options="refcount_bits=64"),
    "zlib": lambda path: compressed(path, ""),
    "zstd": lambda path: compressed(path, "compression_type=zstd"),
    "zstd, cluster 2M": lambda path: compressed(path, "compression_type=zstd,cluster_size=2M"),
    "unaligned size": lambda path: odd(path, size=str((9 << 20) + 512), writes=[(9 << 20, 512, 7)]),
    "empty": lambda path: odd(path, writes=()),
    "size 0": lambda path: odd(path, size="0", writes=()),
    "fully allocated": lambda path: odd(path, size="4M", writes=[(0, 4 << 20, 8)]),
    "preallocated metadata": lambda path: odd(path, options="preallocation=metadata"),
    "preallocated falloc": lambda path: odd(path, options="preallocation=falloc"),
    "preallocated full": lambda path: odd(path, options="preallocation=full"),
    "zero clusters": lambda path: odd(path, writes=[(0, 2 << 20, 1), (0, 1 << 20, 0), (12 << 20, 1 << 20, 0)]),
    "raw data size": lambda path: odd(path, size="1G", writes=[((1 << 30) - 4096, 4096, 9)]),
}


def compressed_clusters(layer):
    """How many there are, says qemu-img."""
    with crypt._Opened([layer]) as opened:
        report = images.qemu_img("check", "-U", "--output=json", *opened.args, opened.names[0]).stdout
    return json.loads(report).get("compressed-clusters", 0)


@pytest.mark.parametrize("kind", KINDS)
def test_odd_kinds_there_and_back(host, pools, kind):
    """QEMU would leave compressed clusters in clear inside of LUKS."""
    source, target = pools
    key = Key(host)
    KINDS[kind](source.file("odd.qcow2"))
    source.refresh()
    made = crypt.layers(source.file("odd.qcow2"))
    target.replicate(source, "odd.qcow2", name="enc.qcow2", target=key.target())
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    crypt.assert_judged(made, replica)
    assert not crypt.contains(replica[0].path, MARKER)
    assert (compressed_clusters(made[0]) > 0) == kind.startswith(("zlib", "zstd"))
    assert compressed_clusters(replica[0]) == 0
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    crypt.assert_judged(made, crypt.layers(target.file("dec.qcow2")))


@pytest.mark.parametrize("kind", [kind for kind in test_replicate.KINDS if kind != "odd names"])
def test_odd_kinds_of_chains(host, pools, kind):
    source, target = pools
    key = Key(host)
    volume = source.chain(**test_replicate.KINDS[kind])
    made = crypt.layers(source.file(volume))
    target.replicate(source, volume, name="enc.qcow2", target=key.target())
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    assert all(layer.key for layer in replica)
    crypt.assert_judged(made, replica)
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    back = crypt.layers(target.file("dec.qcow2"))
    assert not any("encrypted" in info for info in images.layers(back[0].path))
    crypt.assert_judged(made, back)


# ---- nothing stays in clear

def test_no_guest_byte_stays_plain(host, pools):
    """Data of every kind with a marker in it: live, of a snapshot, overwritten, discarded, compressed."""
    source, target = pools
    path = source.file("web.qcow2")
    images.qemu_img("convert", "-q", "-c", "-O", "qcow2", marked_raw(source.file("x.raw")), path)
    os.unlink(source.file("x.raw"))
    marked_raw(source.file("pattern"), 1 << 20)
    qemu_io(path, f"write -s {source.file('pattern')} 0 1M")
    images.snapshot(path, "old")
    qemu_io(path, "write -P 7 0 512k", f"write -s {source.file('pattern')} 3M 1M", "discard 3M 512k")
    images.snapshot(path, "gone")
    qemu_io(path, f"write -s {source.file('pattern')} 5M 1M")
    images.qemu_img("snapshot", "-d", "gone", path)
    os.unlink(source.file("pattern"))
    source.refresh()
    assert crypt.contains(path, MARKER) and inflated(path) > 0
    key = Key(host)
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target())
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    crypt.assert_judged(crypt.layers(path), replica)
    assert not crypt.contains(replica[0].path, MARKER)
    assert not any(crypt.contains(replica[0].path, MARKER[n:n + 16]) for n in range(0, 16, 4))
    assert inflated(replica[0].path) == 0


def qemu_io(path, *commands):
    argv = ["qemu-io", "-f", "qcow2"]
    for command in commands:
        argv += ["-c", command]
    out = space.run(*argv, path).stdout
    assert "failed" not in out, out


def inflated(path):
    """How many sectors start a raw deflate stream with the marker in it."""
    count = 0
    with open(path, "rb") as f:
        while sector := f.read(512):
            try:
                count += MARKER[:12] in zlib.decompressobj(-15).decompress(sector, 4096)
            except zlib.error:
                pass
    return count


def dirty(layer, name):
    """What a bitmap has marked, as an NBD client sees it."""
    sock = layer.path + ".sock-tmp"
    with crypt._Opened([layer]) as opened:
        server = subprocess.Popen(["qemu-nbd", "-r", "-t", "-k", sock, "-B", name, *opened.args, opened.names[0]],
                                  preexec_fn=space.die_with_parent)
        try:
            assert wait_until(lambda: os.path.exists(sock))
            node = f"driver=nbd,server.type=unix,server.path={sock},x-dirty-bitmap=qemu:dirty-bitmap:{name}"
            found = json.loads(images.qemu_img("map", "--output=json", "--image-opts", node).stdout)
        finally:
            server.terminate()
            server.wait()
    # The marked parts are shown as holes (docs of x-dirty-bitmap).
    return [(e["start"], e["length"]) for e in found if not e["data"]]


def test_bitmaps_keep_what_they_marked(host, pools):
    source, target = pools
    path = images.create(source.file("web.qcow2"), "8M")
    images.bitmap(path, "backup-1")
    images.bitmap(path, "backup-2", 1 << 20)
    images.write(path, [(1 << 20, 4096, 1), (5 << 20, 300000, 2)])
    source.refresh()
    key = Key(host)
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target())
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    for name in ("backup-1", "backup-2"):
        marked = dirty(crypt.layers(path)[0], name)
        assert marked and sum(length for _, length in marked) < 8 << 20
        assert dirty(crypt.layers(target.file("enc.qcow2"), key.value)[0], name) == marked
        assert dirty(crypt.layers(target.file("dec.qcow2"))[0], name) == marked


# ---- cipher options

@pytest.mark.parametrize("inner, expected", [
    ("<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>",
     ("aes", "xts-plain64", 512, "sha256")),
    ("<cipher name='aes' size='128' mode='xts' hash='sha256'/><ivgen name='plain64'/>",
     ("aes", "xts-plain64", 256, "sha256")),
    ("<cipher name='aes' size='256' mode='cbc' hash='sha256'/><ivgen name='essiv' hash='sha256'/>",
     ("aes", "cbc-essiv:sha256", 256, "sha256")),
    ("<cipher name='serpent' size='256' mode='xts' hash='sha512'/><ivgen name='plain64'/>",
     ("serpent", "xts-plain64", 512, "sha512")),
], ids=["aes-256", "aes-128", "cbc-essiv", "serpent"])
def test_cipher_options(host, pools, inner, expected):
    source, target = pools
    key = Key(host)
    images.base(source.file("one.qcow2"), 8)
    source.refresh()
    target.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target(inner=inner))
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    crypt.compare_all(crypt.layers(source.file("one.qcow2")), replica)
    for layer in replica:
        assert_cipher(layer.path, *expected)
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare_all(crypt.layers(source.file("one.qcow2")), crypt.layers(target.file("dec.qcow2")))


def assert_cipher(path, cipher, mode, bits, digest):
    text = " ".join(crypt.dump(path).split())
    assert f"Cipher name: {cipher} Cipher mode: {mode} Hash spec: {digest} " in text
    assert f"MK bits: {bits}" in text


def test_cipher_options_of_raw_luks(host, pools):
    source, target = pools
    key = Key(host)
    made = raw_image(source)
    target.replicate(source, "disk.img", fmt="raw", name="enc.luks", target=key.target(
        inner="<cipher name='serpent' size='256' mode='xts' hash='sha512'/><ivgen name='plain64'/>"))
    luks = [crypt.Layer(target.file("enc.luks"), "luks", key.value)]
    assert_cipher(luks[0].path, "serpent", "xts-plain64", 512, "sha512")
    crypt.compare(made, luks)
    target.refresh()
    target.replicate(target, "enc.luks", fmt="raw", name="dec.img", encryption="none")
    crypt.compare(made, [crypt.Layer(target.file("dec.img"), "raw", None)])


def test_wrong_passphrase_of_a_cipher_that_only_qemu_knows(host, pools):
    source, target = pools
    key = Key(host)
    images.base(source.file("one.qcow2"), 8)
    source.refresh()
    source.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target(
        inner="<cipher name='serpent' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>"))
    key.set("something else")
    # Asked for asynchronously: the request itself is refused, before there is a job.
    error = target.refusal(source, "enc.qcow2", name="dec.qcow2", encryption="none", async_="yes")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED and "enc.qcow2" in str(error)
    assert nothing_left(target)


@pytest.mark.parametrize("inner", [
    "<cipher name='rot' size='13' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='255' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='256' mode='nice' hash='sha256'/>",
    "<cipher name='aes' size='256' mode='xts' hash='md5'/>",
    "<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='random'/>",
    "<cipher name='aes' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='much' mode='xts' hash='sha256'/>",
    "<cipher name='aes,x=y' size='256' mode='xts' hash='sha256'/>",
])
def test_bad_cipher_options_are_refused(host, pools, inner):
    source, target = pools
    key = Key(host)
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="enc.qcow2", target=key.target(inner=inner))
    assert code(error) in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_XML_ERROR,
                           libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_XML_DETAIL,
                           libvirt.VIR_ERR_CONFIG_UNSUPPORTED), error
    assert nothing_left(target)


@pytest.mark.parametrize("options", [
    dict(encryption="target"),
    dict(encryption="sometimes"),
    dict(encryption="none", target=crypt.target(usage="x")),
    dict(encryption="default", target=crypt.target(usage="x")),
    dict(target="<encryption format='luks'/>"),
    dict(target="<encryption format='qcow'><secret type='passphrase' usage='x'/></encryption>"),
    dict(target="<encryption format='luks'><secret type='passphrase'/></encryption>"),
    dict(target="<encryption format='luks'><secret type='passphrase' usage='a'/>"
                "<secret type='passphrase' usage='b'/></encryption>"),
    dict(rekey="slot"),
    dict(rekey="slot", encryption="none"),
    dict(rekey="half", encryption="default"),
], ids=str)
def test_contradictory_requests_are_refused(host, pools, options):
    source, target = pools
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="enc.qcow2", **options)
    assert code(error) in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_XML_ERROR,
                           libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_NO_SUPPORT), error
    assert nothing_left(target)


# ---- conversions are jobs

def big_source(pool):
    images.base(pool.file("base.qcow2"), 32)
    images.write_random(pool.file("base.qcow2"), 4 << 20, 24 << 20, 3)
    images.overlay(pool.file("web.qcow2"), "base.qcow2")
    images.write_random(pool.file("web.qcow2"), 2 << 20, 8 << 20, 4)
    pool.refresh()


@pytest.mark.parametrize("way", ["engine", "qemu-img"])
def test_cancelled_conversion_leaves_nothing(host, pools, way):
    source, target = pools
    big_source(source)
    options = dict(target=Key(host).target()) if way == "engine" else dict(snapshots="flatten")
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 2048), **options)
    target.wait_job("enc.qcow2", ("running",))
    assert wait_until(lambda: int(target.image("enc.qcow2").job["processed"]) > 0)
    began = time.monotonic()
    host.ok("vol-delete", "enc.qcow2", target.name)
    assert wait_until(lambda: nothing_left(target), 3)
    assert time.monotonic() - began < 2
    assert host.children() == []


def test_conversion_shows_progress(host, pools):
    source, target = pools
    big_source(source)
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 16384),
                     encryption="default")
    seen = set()
    while (job := target.image("enc.qcow2").job)["state"] not in ("completed", "failed"):
        assert int(job["processed"]) <= int(job["total"])
        seen.add(int(job["progress"]))
        time.sleep(0.05)
    assert job["state"] == "completed", job["error"]
    assert len(seen) > 3 and job["progress"] == "100"


@pytest.mark.parametrize("way", ["engine", "qemu-img"])
def test_killed_conversion_goes_on(host, pools, way):
    source, target = pools
    big_source(source)
    key = Key(host)
    options = dict(target=key.target()) if way == "engine" else dict(snapshots="flatten")
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 12288), **options)
    for pause in (0.3, 0.7, 0.4):
        time.sleep(pause)
        host.kill()
        host.start()
        image = target.image("enc.qcow2")
        assert image.status == "pending" or image.job["state"] == "completed"
    target.wait_job("enc.qcow2", timeout_s=30)
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    (crypt.compare_all if way == "engine" else crypt.compare)(crypt.layers(source.file("web.qcow2")), replica)
    for layer in replica:
        assert bool(layer.key) == (way == "engine")
        crypt.check(layer)
    assert not [n for n in target.staging() if n.startswith("partial/")]


def test_disk_full_in_a_conversion(host, pools, new_pool, small_ext4):
    source, _ = pools
    big_source(source)
    target = new_pool("cn-north-1", path=small_ext4(24))
    error = target.refusal(source, "web.qcow2", name="enc.qcow2", encryption="default")
    assert "space" in str(error)
    assert nothing_left(target) or target.volumes() == ["lost+found"]


def test_pending_image_is_no_source(host, pools):
    source, target = pools
    big_source(source)
    source.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 1024),
                     encryption="default")
    error = target.refusal(source, "enc.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "enc.qcow2" in str(error)
    assert "status is pending" in str(error)
    host.ok("vol-delete", "enc.qcow2", source.name)
    assert wait_until(lambda: "enc.qcow2" not in source.volumes(), 3)


def test_failed_image_is_no_source(host, pools):
    source, target = pools
    big_source(source)
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 4096),
                     encryption="default")
    target.wait_job("enc.qcow2", ("running",))
    os.utime(source.file("base.qcow2"), (1, 1))  # as if somebody had written it
    target.wait_job("enc.qcow2", ("failed",))
    assert target.image("enc.qcow2").status == "error"
    for options in (dict(encryption="none"), dict(), dict(async_="yes")):
        error = source.refusal(target, "enc.qcow2", name="dec.qcow2", **options)
        assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "enc.qcow2" in str(error)
        assert "status is error" in str(error)


def test_plan_of_a_conversion(host, pools):
    """start='no' lists the conversions and writes nothing; the plan then runs."""
    source, target = pools
    key = Key(host)
    source.chain()
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target(), start="no")
    image = target.image("enc.qcow2")
    assert image.job["state"] == "planned" and set(image.actions.values()) == {"convert"}
    assert target.volumes() == ["enc.qcow2"]
    target.update("enc.qcow2", "<replication:job action='start'/>")
    target.wait_job("enc.qcow2")
    crypt.assert_judged(crypt.layers(source.file("web.qcow2")), crypt.layers(target.file("enc.qcow2"), key.value))
