# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: one boots from a replica, and a disk that a guest writes to is no source."""

import os
import subprocess

import libvirt
import pytest
from harness import crypt, images, space
from harness.pools import code, two_regions, wait_until

# A boot sector that says "OK" on the serial port and then halts.
BOOT = bytes([
    0xFA,                    # cli
    0xBA, 0xF8, 0x03,        # mov dx, 0x3f8
    0xB0, 0x4F, 0xEE,        # mov al, 'O'; out dx, al
    0xB0, 0x4B, 0xEE,        # mov al, 'K'; out dx, al
    0xB0, 0x0A, 0xEE,        # newline
    0xF4, 0xEB, 0xFD,        # hlt; jmp hlt
]).ljust(510, b"\0") + b"\x55\xaa"


@pytest.fixture(scope="module")
def host(new_host):
    return new_host(drivers=("secret", "qemu")).start()


@pytest.fixture(scope="module")
def pools(host):
    """A source with a bootable base below two overlays, and a target."""
    source, target = two_regions(host)
    with open(source.file("boot.raw"), "wb") as f:
        f.write(BOOT)
        f.truncate(8 << 20)
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", source.file("boot.raw"), source.file("base.qcow2"))
    os.unlink(source.file("boot.raw"))
    images.overlay(source.file("mid.qcow2"), "base.qcow2", "8M", writes=[(1 << 20, 65536, 5)])
    images.overlay(source.file("web.qcow2"), "mid.qcow2", "8M", writes=[(2 << 20, 65536, 6)])
    source.refresh()
    return source, target


class Guest:
    """A transient domain under software emulation whose serial port goes to a file."""

    def __init__(self, host, pool, volume, encryption="", backing=""):
        self.serial = os.path.join(host.dir, "lib/images", f"serial-{volume}")
        self.conn = host.connect(driver="qemu")
        self.domain = self.conn.createXML(
            f"<domain type='qemu'><name>guest-{volume}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>"
            "<os><type arch='x86_64' machine='pc'>hvm</type></os><devices>"
            "<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
            f"<source pool='{pool.name}' volume='{volume}'>{encryption}</source>{backing}"
            "<target dev='hda' bus='ide'/></disk>"
            f"<serial type='file'><source path='/var/lib/libvirt/images/serial-{volume}'/></serial>"
            "<controller type='usb' model='none'/><memballoon model='none'/></devices></domain>", 0)

    def said(self):
        try:
            with open(self.serial, "rb") as f:
                return f.read()
        except FileNotFoundError:
            return b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.domain.destroy()
        self.conn.close()


def test_guest_boots_from_a_replica(host, pools):
    source, target = pools
    target.replicate(source, "web.qcow2")
    with Guest(host, target, "web.qcow2") as guest:
        assert wait_until(lambda: b"OK" in guest.said(), 30), guest.said()


def guest_encryption(key):
    return key.target().replace("format='luks'", "format='luks' engine='qemu'")


def test_guest_boots_from_an_encrypted_replica(host, pools):
    source, target = pools
    key = crypt.Key(host)
    target.replicate(source, "web.qcow2", name="flat.qcow2", snapshots="flatten", target=key.target())
    with Guest(host, target, "flat.qcow2", guest_encryption(key)) as guest:
        assert wait_until(lambda: b"OK" in guest.said(), 30), guest.said()


def test_guest_boots_from_an_encrypted_chain(host, pools):
    """libvirt wants the key of every layer in the guest's XML."""
    source, target = pools
    key = crypt.Key(host)
    target.replicate(source, "web.qcow2", name="secret.qcow2", target=key.target())
    layers = target.image("secret.qcow2").snapshots
    assert len(layers) == 2
    backing = "<backingStore/>"
    for layer in reversed(layers):
        backing = (f"<backingStore type='file'><format type='qcow2'/><source file='{target.file(layer)}'>"
                   f"{guest_encryption(key)}</source>{backing}</backingStore>")
    with Guest(host, target, "secret.qcow2", guest_encryption(key), backing) as guest:
        assert wait_until(lambda: b"OK" in guest.said(), 30), guest.said()


def test_disk_of_a_running_guest_is_no_source(host, pools, new_pool):
    source, _ = pools
    target = new_pool("cn-west-1")
    images.overlay(source.file("used.qcow2"), "mid.qcow2", "8M")
    source.refresh()
    with Guest(host, source, "used.qcow2"):
        error = target.refusal(source, "used.qcow2")
        assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "used.qcow2" in str(error)
        target.replicate(source, "web.qcow2")  # its bases are only read
    target.replicate(source, "used.qcow2")


def test_guest_cannot_start_on_a_pending_replica(host, pools, new_pool):
    source, _ = pools
    target = new_pool("cn-west-1")
    images.write_random(source.file("web.qcow2"), 4 << 20, 3 << 20, 5)
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 512))
    target.wait_job("web.qcow2", ("running",))
    with pytest.raises(libvirt.libvirtError):
        Guest(host, target, "web.qcow2")
    assert target.image("web.qcow2").status == "pending"
    host.ok("vol-delete", "web.qcow2", target.name)
    assert wait_until(lambda: target.volumes() == [], 5)


# ---- the memory of a guest, in an internal snapshot

MEMORY = (b"FIRST MEMORY OF THE GUEST ", b"OTHER MEMORY OF THE GUEST ")
AT = 0x7e00  # where the boot sector puts it


def remembering(text):
    """A boot sector that unscrambles `text` into memory: in clear it is nowhere on the disk."""
    code = bytes([
        0xFA, 0xFC,              # cli; cld
        0x31, 0xC0,              # xor ax, ax
        0x8E, 0xD8, 0x8E, 0xC0,  # mov ds, ax; mov es, ax
        0xBE, 0x80, 0x7C,        # mov si, 0x7c80
        0xBF, 0x00, 0x7E,        # mov di, 0x7e00
        0xB9, len(text), 0,      # mov cx, length
        0xAC, 0x34, 0x55, 0xAA,  # next: lodsb; xor al, 0x55; stosb
        0xE2, 0xFA,              # loop next
    ]) + BOOT[1:16]
    code = code.ljust(0x80, b"\0") + bytes(byte ^ 0x55 for byte in text)
    return code.ljust(510, b"\0") + BOOT[510:]


class Monitor:
    """QEMU with one disk and its monitor on pipes: no libvirt, whose snapshots need a persistent domain."""

    def __init__(self, path, *args):
        self.serial = path + ".serial-tmp"
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-nodefaults", "-machine", "pc,accel=tcg", "-display", "none", "-m", "32",
             "-monitor", "stdio", "-serial", f"file:{self.serial}",
             "-drive", f"file={path},format=qcow2,if=ide", *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=space.die_with_parent)

    def wait_boot(self):
        def booted():
            with open(self.serial, "rb") as f:
                return b"OK" in f.read()
        assert wait_until(lambda: os.path.exists(self.serial) and booted(), 30)

    def run(self, *commands):
        """Gives the commands, ends QEMU and returns what it said."""
        out, _ = self.process.communicate("".join(c + "\n" for c in commands) + "quit\n", timeout=60)
        os.unlink(self.serial)
        assert self.process.returncode == 0, out
        return out


def save_memories(path):
    """One internal snapshot for each text of MEMORY, each with a disk of its own."""
    images.create(path, "1M")
    with open(path + ".boot-tmp", "wb") as f:
        for text in MEMORY:
            f.seek(0)
            f.write(remembering(text))
            f.flush()
            space.run("qemu-io", "-f", "qcow2", "-c", f"write -s {f.name} 0 512", path)
            guest = Monitor(path)
            guest.wait_boot()
            guest.run(f"savevm snap{MEMORY.index(text)}")
    os.unlink(f.name)
    assert len(images.snapshots(path)) == 2 and all(size > 100_000 for _, _, size in images.snapshots(path))


def words(text):
    """As the monitor shows memory."""
    return " ".join(f"{int.from_bytes(text[n:n + 4], 'little'):#010x}" for n in range(0, 16, 4))


def test_memory_in_a_snapshot_is_encrypted_and_comes_back(host, new_pool):
    """A guest's memory holds its secrets: none may be in clear in the encrypted copy, and what is decrypted
    again is the same machine. (QEMU 7.2 aborts on loadvm in any encrypted qcow2 file.)"""
    source, target = new_pool("cn-north-1"), new_pool("cn-north-1")
    key = crypt.Key(host)
    saved = source.file("saved.qcow2")
    save_memories(saved)
    assert all(crypt.contains(saved, text) for text in MEMORY)
    source.refresh()
    target.replicate(source, "saved.qcow2", name="enc.qcow2", target=key.target())
    assert not any(crypt.contains(target.file("enc.qcow2"), text[n:n + 12]) for text in MEMORY for n in (0, 6))
    crypt.assert_judged(crypt.layers(saved), crypt.layers(target.file("enc.qcow2"), key.value))
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    assert images.snapshots(target.file("dec.qcow2")) == images.snapshots(saved)
    for number, text in enumerate(MEMORY):
        said = Monitor(target.file("dec.qcow2"), "-loadvm", f"snap{number}").run("info status", f"xp /4wx {AT:#x}")
        assert "running" in said and words(text) in said, said
