# SPDX-License-Identifier: LGPL-2.1-or-later
"""Encrypt, decrypt and re-key whole chains; keys are libvirt secrets."""

import itertools
import os
import threading
import time

import libvirt
import pytest
from harness import images, space, xmlio
from harness.pools import Pool, code

# In the form of keys that the module makes: random ones, which need no slow derivation.
A, B = "repl-random-" + "a1" * 32, "repl-random-" + "b2" * 32
WORD = "a word that a person chose"
MARK = b"PLAINTEXT-MARKER"
_numbers = itertools.count(1)


@pytest.fixture
def keys(host):
    """Usage names of two secrets with the passphrases A and B."""
    number = next(_numbers)
    names = f"ims/a{number}", f"ims/b{number}"
    for name, value in zip(names, (A, B)):
        host.secret(name, value)
    return names


def marked_chain(pool, names=("base.qcow2", "mid.qcow2", "web.qcow2")):
    """A chain whose layers hold a text that must not be seen again once it is encrypted."""
    volume = pool.chain(names=names)
    for number, name in enumerate(names):
        with open(pool.file("mark"), "wb") as f:
            f.write(MARK * 4096)
        space.run("qemu-io", "-f", "qcow2", "-c",
                  f"write -q -s {pool.file('mark')} {(8 + 2 * number) << 20} {len(MARK) * 4096}",
                  pool.file(name))
        os.unlink(pool.file("mark"))
    return volume


def has_mark(path):
    with open(path, "rb") as f:
        return MARK in f.read()


def raw_digest(path):
    """SHA-256 of what a guest reads from a plain image with its chain."""
    out = path + ".plain-tmp"
    images.qemu_img("convert", "-U", "-O", "raw", path, out)
    digest = images.file_digest(out)
    os.unlink(out)
    return digest


def to(key):
    return xmlio.encryption(usage=key)


def assert_encrypted(pool, names, passphrase, digests):
    """Every layer is LUKS, opens with the passphrase, reads as before at its depth, and hides its text."""
    for depth, (name, digest) in enumerate(zip(names, digests)):
        path = pool.file(name)
        assert images.is_luks(path), name
        assert not has_mark(path), f"plain text in {name}"
        images.luks_check(path, passphrase, depth)
        assert images.luks_digest(path, passphrase, backing=depth) == digest, name


@pytest.fixture
def plain(regions):
    source, target = regions
    marked_chain(source)
    names = ["base.qcow2", "mid.qcow2", "web.qcow2"]
    return source, target, names, [raw_digest(source.file(name)) for name in names]


@pytest.fixture
def encrypted(plain, keys, new_pool):
    """A chain that is encrypted with key A, in a pool of its own."""
    source, target, names, digests = plain
    pool = new_pool("cn-west-1")
    pool.replicate(source, "web.qcow2", target=to(keys[0]))
    return pool, target, names, digests


def test_plain_to_luks_keeps_the_chain(plain, keys):
    source, target, names, digests = plain
    target.replicate(source, "web.qcow2", target=to(keys[0]))
    assert target.volumes() == names
    assert_encrypted(target, names, A, digests)
    assert [layer.get("backing-filename") for layer in images.layers(target.file("web.qcow2"))] == \
        ["mid.qcow2", "base.qcow2", None]
    assert set(target.image("web.qcow2").actions.values()) == {"convert"}
    keys_of_layers = {tuple(images.luks_volume_key(target.file(name), A)) for name in names}
    assert len(keys_of_layers) == 3, "two layers share a volume key"


def test_passphrase_that_a_person_chose(host, regions):
    """Derived slowly, but calibrated once a daemon, not once a layer."""
    source, target = regions
    volume = marked_chain(source)
    host.secret("ims/word", WORD)
    began = time.monotonic()
    target.replicate(source, volume, target=to("ims/word"))
    assert time.monotonic() - began < 20
    for name in target.volumes():
        assert images.is_luks(target.file(name)) and not has_mark(target.file(name))
    assert images.luks_digest(target.file("base.qcow2"), WORD) == raw_digest(source.file("base.qcow2"))


def test_luks_to_plain_keeps_the_chain(encrypted):
    source, target, names, digests = encrypted
    target.replicate(source, "web.qcow2", encryption="none")
    assert target.volumes() == names
    for name, digest in zip(names, digests):
        assert not images.is_luks(target.file(name))
        assert raw_digest(target.file(name)) == digest
        images.check(target.file(name))


def test_luks_to_luks_with_another_key(encrypted, keys):
    source, target, names, digests = encrypted
    target.replicate(source, "web.qcow2", target=to(keys[1]))
    assert_encrypted(target, names, B, digests)
    for name in names:
        assert not images.luks_opens(target.file(name), A)
        assert images.luks_volume_key(target.file(name), B) != images.luks_volume_key(source.file(name), A)


def test_encrypted_chain_is_copied_as_it_is_by_default(encrypted):
    source, target, names, digests = encrypted
    target.replicate(source, "web.qcow2")
    assert_encrypted(target, names, A, digests)
    assert set(target.image("web.qcow2").actions.values()) <= {"copy", "clone"}


def test_within_a_pool(plain, keys):
    source, _, names, digests = plain
    copy = source.replicate(source, "web.qcow2", target=to(keys[0]))
    assert copy == "copy_cn-north-1_web.qcow2"
    layers = [os.path.basename(layer["filename"]) for layer in images.layers(source.file(copy))]
    assert len(layers) == 3 and not set(layers) & set(names)
    assert_encrypted(source, layers[::-1], A, digests)


def test_mixed_chain(plain, keys):
    """An encrypted overlay over plain layers."""
    source, target, names, digests = plain
    images.luks(source.file("top.qcow2"), 32, A, backing="web.qcow2")
    images.luks_write(source.file("top.qcow2"), A, [(1 << 20, 65536, 9)])
    source.refresh()
    source.update("top.qcow2", "<replication:name>top</replication:name>")
    result = target.try_replicate(source, "top.qcow2", encryption="none")
    assert result.rc != 0 and "secret" in result.err.lower()  # nobody said which key opens it


# ---- keys

def test_default_key_is_made_when_it_is_needed(host, plain):
    source, target, names, digests = plain
    target.replicate(source, "web.qcow2", encryption="default")
    conn = host.connect(driver="secret")
    secret = conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, "ims/default")
    xml = secret.XMLDesc(0)
    assert "private='yes'" in xml and "ephemeral='no'" in xml
    assert f"uuid='{secret.UUIDString()}'" in target.image("web.qcow2").xml
    target.replicate(source, "mid.qcow2", name="second.qcow2", encryption="default")
    assert len(conn.listAllSecrets()) == len({s.usageID() for s in conn.listAllSecrets()})
    back = Pool(host, "back", region="back")
    try:
        back.replicate(target, "web.qcow2", encryption="none")
        assert raw_digest(back.file("web.qcow2")) == digests[2]
    finally:
        host.virsh("pool-destroy", "back")
        host.virsh("pool-undefine", "back")


def test_secret_is_remembered_and_shown(host, encrypted, keys):
    source, target, names, digests = encrypted
    uuid = host.connect(driver="secret").secretLookupByUsage(
        libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, keys[0]).UUIDString()
    for step in (lambda: None, source.refresh, host.restart):
        step()
        host.virsh("pool-start", source.name)
        host.virsh("pool-start", target.name)
        for name in names:
            xml = host.ok("vol-dumpxml", name, source.name)
            assert "<encryption format='luks'>" in xml
            assert f"uuid='{uuid}'" in xml.split("</target>")[0], xml
    target.replicate(source, "web.qcow2", encryption="none")
    assert raw_digest(target.file("web.qcow2")) == digests[2]


def test_record_tells_who_converted_what(host, encrypted, keys):
    source, target, names, digests = encrypted
    target.replicate(source, "web.qcow2", target=to(keys[1]))
    conn = host.connect(driver="secret")
    old, new = (conn.secretLookupByUsage(1, key).UUIDString() for key in keys)
    xml = target.image("web.qcow2").xml
    assert f"action='rekey' from='{old}' to='{new}'" in xml


def test_missing_secret(plain):
    source, target, *_ = plain
    error = target.refusal(source, "web.qcow2", target=to("ims/no-such-key"))
    assert code(error) == libvirt.VIR_ERR_NO_SECRET and "ims/no-such-key" in str(error)


def test_secret_without_value(host, plain):
    source, target, *_ = plain
    host.secret("ims/empty")
    error = target.refusal(source, "web.qcow2", target=to("ims/empty"))
    assert code(error) in (libvirt.VIR_ERR_NO_SECRET, libvirt.VIR_ERR_INVALID_SECRET), error
    assert "value" in str(error)
    host.connect(driver="secret").secretLookupByUsage(1, "ims/empty").undefine()


def test_wrong_passphrase(host, encrypted, keys):
    source, target, *_ = encrypted
    host.connect(driver="secret").secretLookupByUsage(1, keys[0]).setValue(b"something else", 0)
    error = target.refusal(source, "web.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED, error


def test_secret_that_is_gone(host, encrypted, keys):
    source, target, *_ = encrypted
    host.connect(driver="secret").secretLookupByUsage(1, keys[0]).undefine()
    error = target.refusal(source, "web.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_NO_SECRET, error


@pytest.mark.parametrize("xml", [
    "<encryption format='luks'/>", "<encryption format='qcow'><secret type='passphrase' usage='x'/></encryption>",
    "<encryption format='luks'><secret type='passphrase' usage='x'/><secret type='passphrase' usage='y'/></encryption>",
    "<encryption format='luks'><secret type='passphrase' uuid='x'/></encryption>"])
def test_malformed_encryption(plain, xml):
    plain[1].refusal(plain[0], "web.qcow2", target=xml)


@pytest.mark.parametrize("mode", ["none", "default"])
def test_contradiction_is_refused(plain, keys, mode):
    error = plain[1].refusal(plain[0], "web.qcow2", target=to(keys[0]), encryption=mode)
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG


# ---- the same volume key behind another passphrase

def test_slot_keeps_the_ciphertext(encrypted, keys):
    source, target, names, digests = encrypted
    target.replicate(source, "web.qcow2", target=to(keys[1]), rekey="slot")
    assert_encrypted(target, names, B, digests)
    for name in names:
        assert not images.luks_opens(target.file(name), A)
        assert images.luks_volume_key(target.file(name), B) == images.luks_volume_key(source.file(name), A)


def test_slot_refuses_an_equal_passphrase(host, encrypted, keys):
    source, target, *_ = encrypted
    host.connect(driver="secret").secretLookupByUsage(1, keys[1]).setValue(A.encode(), 0)
    target.refusal(source, "web.qcow2", target=to(keys[1]), rekey="slot")


def test_slot_needs_a_key_on_both_sides(plain, keys):
    source, target, *_ = plain
    error = target.refusal(source, "web.qcow2", target=to(keys[0]), rekey="slot")
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG


# ---- kinds

def test_internal_snapshots_and_bitmaps_are_kept_or_announced(host, plain, keys):
    """The plan says what will be lost before anything is written."""
    source, target, names, digests = plain
    target.replicate(source, "web.qcow2", target=to(keys[0]), start="no")
    plan = target.image("web.qcow2").job
    target.host.ok("vol-delete", "web.qcow2", target.name)
    target.replicate(source, "web.qcow2", target=to(keys[0]))
    kept = len(images.snapshots(target.file("mid.qcow2")))
    lost = int(plan.get("snapshots-lost", "0"))
    assert kept + lost == 1


def test_compressed_clusters_are_encrypted_too(regions, keys):
    source, target = regions
    images.create(source.file("flat.raw"), "16M", "raw")
    with open(source.file("flat.raw"), "r+b") as f:
        f.write(MARK * 65536)
    images.qemu_img("convert", "-c", "-f", "raw", "-O", "qcow2", source.file("flat.raw"), source.file("c.qcow2"))
    source.refresh()
    target.replicate(source, "c.qcow2", target=to(keys[0]))
    assert_encrypted(target, ["c.qcow2"], A, [images.file_digest(source.file("flat.raw"))])


@pytest.mark.parametrize("options", ["cluster_size=512", "cluster_size=2M", "extended_l2=on", "compat=0.10",
                                     "lazy_refcounts=on", "refcount_bits=64"])
def test_odd_kinds(regions, keys, options):
    source, target = regions
    images.base(source.file("odd.qcow2"), 16, options=options)
    images.write(source.file("odd.qcow2"), [(10 << 20, 300 << 10, 0), (12 << 20, 4096, 5)])
    source.refresh()
    target.replicate(source, "odd.qcow2", target=to(keys[0]))
    assert_encrypted(target, ["odd.qcow2"], A, [raw_digest(source.file("odd.qcow2"))])


def test_raw_becomes_encrypted_qcow2(regions, keys):
    source, target = regions
    images.base(source.file("disk.img"), fmt="raw")
    source.refresh()
    target.replicate(source, "disk.img", name="disk.qcow2", target=to(keys[0]))
    assert_encrypted(target, ["disk.qcow2"], A, [images.file_digest(source.file("disk.img"))])


def test_raw_luks_as_target_and_source(host, regions, keys, new_pool):
    source, target = regions
    images.base(source.file("disk.img"), 16, fmt="raw")
    source.refresh()
    target.replicate(source, "disk.img", fmt="raw", target=to(keys[0]))
    assert images.is_luks(target.file("disk.img"))
    digest = images.file_digest(source.file("disk.img"))
    assert images.luks_digest(target.file("disk.img"), A, fmt="luks") == digest
    third = new_pool("third")
    third.replicate(target, "disk.img", name="plain.qcow2", encryption="none")
    assert raw_digest(third.file("plain.qcow2")) == digest


def test_flatten_and_encrypt(plain, keys):
    source, target, names, digests = plain
    target.replicate(source, "web.qcow2", snapshots="flatten", target=to(keys[0]))
    assert target.volumes() == ["web.qcow2"]
    assert_encrypted(target, ["web.qcow2"], A, [digests[2]])


def test_cipher_options(plain, keys):
    source, target, names, digests = plain
    extra = "<cipher name='aes' size='128' mode='xts' hash='sha256'/><ivgen name='plain64'/>"
    target.replicate(source, "base.qcow2", target=xmlio.encryption(usage=keys[0], extra=extra))
    data = images.info(target.file("base.qcow2"))["format-specific"]["data"]["encrypt"]
    assert data["cipher-alg"] == "aes-128"
    assert_encrypted(target, ["base.qcow2"], A, digests[:1])


def test_changing_quickly_costs_no_calibration_for_each_layer(host, plain):
    """A random default key costs no slow derivation at all."""
    source, target, *_ = plain
    began = time.monotonic()
    target.replicate(source, "web.qcow2", encryption="default")
    assert time.monotonic() - began < 5


# ---- hygiene

def test_passphrases_are_nowhere(host, plain, keys, new_pool):
    """Not in argv or environment of any process, not in logs, XML, records or on disk."""
    source, target, names, digests = plain
    needles = [A.encode(), B.encode()]
    found, done = [], threading.Event()

    def watch():
        while not done.is_set():
            for pid in filter(str.isdigit, os.listdir("/proc")):
                for what in ("cmdline", "environ"):
                    try:
                        with open(f"/proc/{pid}/{what}", "rb") as f:
                            data = f.read()
                    except OSError:
                        continue
                    if any(needle in data for needle in needles):
                        found.append((pid, what, data[:200]))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        target.replicate(source, "web.qcow2", target=to(keys[0]))
        new_pool("third").replicate(target, "web.qcow2", target=to(keys[1]))
        images.qemu_img("convert", "-f", "qcow2", "-O", "vmdk", source.file("base.qcow2"), source.file("d.vmdk"))
        source.refresh()
        target.replicate(source, "d.vmdk", name="d.qcow2", target=to(keys[0]))
    finally:
        done.set()
        thread.join()
    assert not found
    for needle in needles:
        text = needle.decode()
        assert text not in host.log() + host.stderr()
        assert text not in "".join(target.image(name).xml for name in target.volumes())
        for name in target.staging():
            with open(target.file(".replication/" + name), "rb") as f:
                assert needle not in f.read(), name
    for folder in ("run", "cache", "log"):
        for root, _, files in os.walk(os.path.join(host.dir, folder)):
            for name in files:
                path = os.path.join(root, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    with open(path, "rb") as f:
                        data = f.read()
                    assert not any(needle in data for needle in needles), path
