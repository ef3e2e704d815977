# SPDX-License-Identifier: LGPL-2.1-or-later
"""Guests: one boots from a replica, and a disk that a guest writes to is no source."""

import os

import libvirt
import pytest
from harness import crypt, images
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
