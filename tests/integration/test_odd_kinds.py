# SPDX-License-Identifier: LGPL-2.1-or-later
"""Images of odd kinds are encrypted and decrypted, and nothing of them stays in clear."""

import json
import os
import subprocess
import zlib

import pytest
import test_replicate
from harness import crypt, images, space
from harness.crypt import Key
from harness.pools import wait_until

MARKER = b"this text must not be seen in clear "


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
