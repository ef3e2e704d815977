# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate verify and heal."""

import os

from harness import client, images


def damage(path):
    """A byte in the middle of the data is another one, and the times stay, as if the disk had done it."""
    st = os.stat(path)
    with open(path, "r+b") as f:
        f.seek(2 << 20)
        byte = f.read(1)
        f.seek(2 << 20)
        f.write(bytes([byte[0] ^ 0x40]))
        os.fsync(f.fileno())
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


def test_verify_and_heal(host, regions):
    source, target = regions
    raw = source.file("raw")
    with open(raw, "wb") as f:
        f.write(images.random_bytes(4 << 20))
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, source.file("web.qcow2"))
    os.unlink(raw)
    source.refresh()
    client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2")
    replica = f"{target.name}/web.qcow2"
    said = client.ok(host, "verify", f"{source.name}/web.qcow2", replica)
    assert "no damage" in said and "copying" not in said, said
    assert "no damage" in client.ok(host, "show", replica)
    damage(target.file("web.qcow2"))
    result = client.run(host, "verify", f"{source.name}/web.qcow2", replica)
    assert result.rc == 2 and "damaged" in result.err and "virt-replicate heal" in result.err, result
    shown = client.listing(host, "show", replica)
    assert shown["verifiedState"] == "damaged" and shown["damagedBlocks"] == 1
    assert "damaged: 1 block of 64 KiB" in client.ok(host, "show", replica)
    client.ok(host, "heal", replica)
    assert "no damage" in client.ok(host, "verify", replica)
    assert images.qemu_img("compare", source.file("web.qcow2"), target.file("web.qcow2")).returncode == 0
