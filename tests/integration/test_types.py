# SPDX-License-Identifier: LGPL-2.1-or-later
"""Image type conversion: whatever QEMU can read becomes qcow2, with its chain where the format has one."""

import os
import re

import libvirt
import pytest
from harness import crypt, images, space
from harness.crypt import Key
from harness.pools import code

SIZE = 8 << 20


@pytest.fixture
def pools(new_pool):
    """Two pools of one region."""
    return new_pool("cn-north-1"), new_pool("cn-north-1")


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


def content(path):
    """A raw disk with data at both ends, in the middle, and holes."""
    with open(path, "wb") as f:
        f.truncate(SIZE)
        for at, length in ((0, 70000), (3 << 20, 1 << 20), (SIZE - 4096, 4096)):
            f.seek(at)
            f.write(images.random_bytes(length, at))
    return path


def converted(pool, fmt, options=""):
    """(reference, volume): a raw file outside the pool, and a volume of the format with its content."""
    raw = content(os.path.join(os.path.dirname(pool.path), f"reference-{pool.name}"))
    name = f"disk.{fmt}"
    images.qemu_img("convert", "-q", "-f", "raw", "-O", fmt, *(["-o", options] if options else []), raw,
                    pool.file(name))
    pool.refresh()
    return raw, name


def same_as_raw(raw, path, *keys):
    replica = crypt.layers(path, *keys)
    assert replica[0].format == "qcow2" and len(replica) == 1
    crypt.compare([crypt.Layer(raw, "raw", None)], replica)
    crypt.check(replica[0])


FORMS = [("vmdk", ""), ("vmdk", "subformat=streamOptimized"), ("vdi", ""), ("vdi", "static=on"),
         ("vhdx", ""), ("vhdx", "subformat=fixed"), ("qed", ""), ("qed", "cluster_size=4096"), ("qcow", ""),
         ("vpc", "force_size=on")]


@pytest.mark.parametrize("fmt, options", FORMS, ids=str)
def test_type_becomes_qcow2(pools, fmt, options):
    source, target = pools
    raw, volume = converted(source, fmt, options)
    before = images.file_digest(source.file(volume))
    target.replicate(source, volume, name="plain.qcow2")
    same_as_raw(raw, target.file("plain.qcow2"))
    image = target.image("plain.qcow2")
    assert list(image.actions.values()) == ["convert"]
    assert crypt.encryption_of(image)[1][-1]["action"] == "convert"
    assert images.file_digest(source.file(volume)) == before


@pytest.mark.parametrize("fmt", ["vmdk", "qed"])
def test_type_becomes_encrypted_qcow2(host, pools, fmt):
    source, target = pools
    raw, volume = converted(source, fmt)
    target.replicate(source, volume, name="enc.qcow2", encryption="default")
    same_as_raw(raw, target.file("enc.qcow2"), crypt.secret_value(host, "ims/default"))
    assert crypt.encryption_of(target.image("enc.qcow2"))[1][-1]["action"] == "encrypt"


@pytest.mark.parametrize("size", [512, SIZE, SIZE + 512])
def test_raw_with_qcow2_asked(pools, size):
    source, target = pools
    with open(source.file("disk.img"), "wb") as f:
        f.write(images.random_bytes(min(size, 100000), 1))
        f.truncate(size)
    source.refresh()
    target.replicate(source, "disk.img", fmt="qcow2", name="new.qcow2")
    same_as_raw(source.file("disk.img"), target.file("new.qcow2"))
    assert os.path.getsize(target.file("new.qcow2")) < (4 << 20)


def test_default_name_of_a_converted_image(pools):
    source, target = pools
    _, volume = converted(source, "vmdk")
    assert target.replicate(source, volume).startswith("copy_cn-north-1_disk")


def foreign_chain(pool, fmt, depth=3):
    """A chain of the format, each layer with data of its own."""
    below = None
    for number in range(depth):
        name = f"layer{number}.{fmt}"
        args = ["-b", below, "-F", fmt] if below else []
        space.run("qemu-img", "create", "-q", "-f", fmt, *args, name, *([] if below else [str(SIZE)]), cwd=pool.path)
        space.run("qemu-io", "-f", fmt, "-c", f"write -P {number + 1} {number}M 2M", name, cwd=pool.path)
        below = name
    pool.refresh()
    return below


@pytest.mark.parametrize("encryption", ["keep", "default"])
def test_chain_of_vmdk_is_kept(host, pools, encryption):
    source, target = pools
    depth = 3 if encryption == "keep" else 2
    top = foreign_chain(source, "vmdk", depth)
    target.replicate(source, top, name="new.qcow2", encryption=encryption)
    keys = [crypt.secret_value(host, "ims/default")] if encryption == "default" else []
    replica = crypt.layers(target.file("new.qcow2"), *keys)
    assert [layer.format for layer in replica] == ["qcow2"] * depth
    crypt.compare_all(crypt.layers(source.file(top)), replica)
    assert len(target.image("new.qcow2").snapshots) == depth - 1


def test_qed_on_a_raw_base_is_kept(pools):
    """The one base whose format qed tells."""
    source, target = pools
    content(source.file("base.img"))
    space.run("qemu-img", "create", "-q", "-f", "qed", "-b", "base.img", "-F", "raw", "web.qed", cwd=source.path)
    space.run("qemu-io", "-f", "qed", "-c", "write -P 5 1M 1M", "web.qed", cwd=source.path)
    source.refresh()
    target.replicate(source, "web.qed", name="new.qcow2")
    replica = crypt.layers(target.file("new.qcow2"))
    assert [layer.format for layer in replica] == ["qcow2", "raw"]
    crypt.compare_all(crypt.layers(source.file("web.qed")), replica)


@pytest.mark.parametrize("fmt", ["qed", "qcow"])
def test_chain_that_does_not_tell_its_formats_is_refused(pools, fmt):
    """What looks like qed may be a raw disk whose guest wrote it so: as libvirt, nobody guesses."""
    source, target = pools
    top = foreign_chain(source, fmt)
    error = target.refusal(source, top, name="new.qcow2")
    assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and top in str(error) and "format" in str(error)
    assert nothing_left(target)


def test_chain_of_another_format_flattened(pools):
    source, target = pools
    top = foreign_chain(source, "vmdk")
    target.replicate(source, top, name="new.qcow2", snapshots="flatten")
    images.compare(source.file(top), target.file("new.qcow2"))
    assert len(images.layers(target.file("new.qcow2"))) == 1


@pytest.mark.parametrize("fmt", ["vmdk", "vdi", "qed", "qcow"])
@pytest.mark.parametrize("encryption", ["keep", "default"])
def test_qcow2_on_a_base_of_another_format_is_kept(host, pools, fmt, encryption):
    """The base becomes qcow2, and the layer above says so."""
    source, target = pools
    _, volume = converted(source, fmt)
    images.overlay(source.file("web.qcow2"), volume, str(SIZE), backing_fmt=fmt, writes=[(1 << 20, 65536, 9)])
    source.refresh()
    target.replicate(source, "web.qcow2", name="new.qcow2", encryption=encryption)
    keys = [crypt.secret_value(host, "ims/default")] if encryption == "default" else []
    replica = crypt.layers(target.file("new.qcow2"), *keys)
    assert [layer.format for layer in replica] == ["qcow2", "qcow2"]
    assert os.path.basename(replica[1].path) == volume.replace(fmt, "qcow2")
    crypt.compare_all(crypt.layers(source.file("web.qcow2")), replica)


def test_base_of_an_unknown_format_is_refused(pools):
    source, target = pools
    content(source.file("base.img"))
    images.overlay(source.file("web.qcow2"), "base.img", str(SIZE), backing_fmt="raw")
    source.refresh()
    with open(source.file("web.qcow2"), "r+b") as f:
        at = f.read(65536).index(bytes.fromhex("e2792aca00000003")) + 8  # the header extension, 3 bytes long
        f.seek(at)
        f.write(b"luk")
    error = target.refusal(source, "web.qcow2", name="new.qcow2")
    assert code(error) == libvirt.VIR_ERR_NO_SUPPORT and "base.img" in str(error) and "luk" in str(error)
    assert nothing_left(target)


@pytest.mark.parametrize("subformat", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_vmdk_of_several_files_is_refused(pools, subformat):
    source, target = pools
    _, volume = converted(source, "vmdk", f"subformat={subformat}")
    error = target.refusal(source, volume, name="new.qcow2")
    assert code(error) in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_OPERATION_INVALID), error
    assert volume in str(error)
    assert nothing_left(target)


@pytest.mark.parametrize("fmt", ["vmdk", "vdi", "qed", "nonsense"])
def test_other_formats_as_target_are_refused(pools, fmt):
    source, target = pools
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="new", fmt=fmt)
    assert code(error) in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG), error
    assert fmt in str(error)


def test_raw_of_a_chain_is_refused_unless_flattened(pools):
    source, target = pools
    volume = source.chain()
    error = target.refusal(source, volume, name="disk.img", fmt="raw")
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG and "flatten" in str(error)
    target.replicate(source, volume, name="disk.img", fmt="raw", snapshots="flatten")
    crypt.compare(crypt.layers(source.file(volume)), [crypt.Layer(target.file("disk.img"), "raw", None)])


@pytest.mark.parametrize("fmt", ["qcow2", "qcow"])
def test_legacy_aes_encryption(host, pools, fmt):
    """QEMU's encryption of old: qemu-img decrypts it where libvirt knows the key, or it is refused."""
    source, target = pools
    key = Key(host, value="0123456789")
    crypt.bind(source, key, "old")
    with images._secret(key.value) as secret:
        objects = ["--object", f"secret,id=s,file={secret.name}"]
        node = f"driver={fmt},encrypt.key-secret=s,file.filename={source.file('made')}"
        images.qemu_img("create", "-q", *objects, "-f", fmt, "-o", "encrypt.format=aes,encrypt.key-secret=s",
                        source.file("made"), "4M")
        out = space.run("qemu-io", *objects, "--image-opts", "-c", "write -P 5 1M 1M", node).stdout
        assert "failed" not in out
        images.qemu_img("convert", *objects, "--image-opts", node, "-O", "raw", source.file("reference"))
    reference = os.path.join(os.path.dirname(source.path), "reference-aes")
    os.rename(source.file("reference"), reference)
    crypt.put(source.file("old"), source.file("made"))
    source.refresh()
    result = target.try_replicate(source, "old", name="new.qcow2", encryption="none")
    if result.rc == 0:
        same_as_raw(reference, target.file("new.qcow2"))
    else:
        assert fmt == "qcow" and re.search("encrypt", result.err), result.err
        assert nothing_left(target)


@pytest.mark.parametrize("fmt", ["vmdk", "vdi", "vhdx", "qed", "qcow", "vpc"])
@pytest.mark.parametrize("damage", ["cut", "noise"])
def test_damaged_files_leave_nothing(pools, fmt, damage):
    source, target = pools
    _, volume = converted(source, fmt)
    with open(source.file(volume), "r+b") as f:
        if damage == "cut":
            f.truncate(600)
        else:
            f.seek(0x48 if fmt == "vdi" else 12)  # behind what makes it that format
            f.write(b"\xff" * 3000)
    source.refresh()
    result = target.try_replicate(source, volume, name="new.qcow2")
    assert result.rc != 0 or damage == "cut" or fmt in ("vhdx", "vpc"), "noise was converted"
    if result.rc != 0:
        assert nothing_left(target), target.volumes()
    assert target.host.children() == []
