# SPDX-License-Identifier: LGPL-2.1-or-later
"""A guest that boots from an encrypted replica through libvirt's <disk type='volume'>."""

import os
import subprocess
import time

import libvirt
import pytest
from harness import crypt, images
from harness.crypt import Key
from harness.pools import Pool, wait_until

GREETING = b"REPLICA BOOTED"


def boot_sector(second):
    """Code that prints to the first serial port: its own text, and the sector behind it, read from the disk."""
    code = bytearray(
        b"\xfa\x31\xc0\x8e\xd8\x8e\xc0\x8e\xd0\xbc\x00\x7c"  # cli; ds = es = ss = 0; sp = 0x7c00
        b"\xbe\x80\x7c\xe8\x1b\x00"                          # si = 0x7c80; call print
        b"\xb8\x01\x02\xbb\x00\x7e\xb9\x02\x00\xb6\x00"      # ax = 0x0201; bx = 0x7e00; cx = 2; dh = 0
        b"\xb2\x80\xcd\x13\x72\x06"                          # dl = 0x80; int 0x13; jc halt
        b"\xbe\x00\x7e\xe8\x03\x00"                          # si = 0x7e00; call print
        b"\xf4\xeb\xfd"                                      # halt: hlt; jmp halt
        b"\xba\xf8\x03\xac\x84\xc0\x74\x03\xee\xeb\xf8\xc3")  # print: dx = 0x3f8; lodsb until 0; out dx, al
    assert code[15] == 0xe8 and code[35 + 3] == 0xe8
    put_call(code, 15, len(code) - 12)
    put_call(code, 38, len(code) - 12)
    code += bytes(0x80 - len(code)) + GREETING + b"\n\0"
    code += bytes(510 - len(code)) + b"\x55\xaa"
    return bytes(code) + second + bytes(512 - len(second))


def put_call(code, at, to):
    code[at + 1:at + 3] = (to - at - 3).to_bytes(2, "little", signed=True)


def domain(disk, serial, kind):
    return f"""<domain type='{kind}'><name>guest</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>{disk}
<serial type='file'><source path='{serial}'/><target port='0'/></serial><memballoon model='none'/>
<controller type='usb' model='none'/></devices></domain>"""


def disk(pool, volume, key, below=()):
    """By pool and volume; libvirt wants to be told the secrets of encrypted backing files."""
    encryption = crypt.target(uuid=key.uuid)
    chain = ""
    for path in reversed(below):
        chain = (f"<backingStore type='file'><format type='qcow2'/><source file='{path}'>{encryption}</source>"
                 f"{chain or '<backingStore/>'}</backingStore>")
    return (f"<disk type='volume' device='disk'><driver name='qemu' type='qcow2'/>"
            f"<source pool='{pool.name}' volume='{volume}'>{encryption}</source>{chain}"
            f"<target dev='hda' bus='ide'/></disk>")


@pytest.fixture(scope="module")
def guests(new_host):
    host = new_host(drivers=("secret", "qemu")).start()
    source = Pool(host, "source", region="cn-north-1")
    target = Pool(host, "target", region="cn-north-1")
    raw = os.path.join(host.dir, "disk")
    with open(raw, "wb") as f:
        f.write(boot_sector(b"base\n"))
        f.truncate(4 << 20)
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", raw, source.file("base.qcow2"))
    with open(raw, "wb") as f:
        f.write(boot_sector(b"data of the overlay\n"))
    images.overlay(source.file("web.qcow2"), "base.qcow2", "4M")
    images.space.run("qemu-io", "-f", "qcow2", "-c", f"write -s {raw} 0 1k", source.file("web.qcow2"))
    source.refresh()
    return host, source, target


def boots(host, xml_of):
    """Starts a guest and returns what it printed."""
    serial = os.path.join(host.dir, "serial")
    open(serial, "w").close()
    conn = host.connect(driver="qemu")
    kinds = ("kvm", "qemu") if os.path.exists("/dev/kvm") else ("qemu",)
    try:
        for kind in kinds:
            try:
                guest = conn.createXML(xml_of(serial, kind))
                break
            except libvirt.libvirtError:
                if kind == kinds[-1]:
                    raise
        try:
            wait_until(lambda: open(serial, "rb").read().count(b"\n") >= 2, 30)
        finally:
            guest.destroy()
    finally:
        conn.close()
    with open(serial, "rb") as f:
        return f.read()


@pytest.mark.parametrize("chain", ["flat", "kept"])
def test_guest_boots_from_an_encrypted_replica(guests, chain):
    host, source, target = guests
    key = Key(host)
    name = f"{chain}.qcow2"
    target.replicate(source, "web.qcow2", name=name, target=key.target(),
                     snapshots="flatten" if chain == "flat" else "keep")
    below = [layer.path for layer in crypt.layers(target.file(name), key.value)[1:]]
    assert len(below) == (0 if chain == "flat" else 1)
    assert not crypt.contains(target.file(name), GREETING)
    text = boots(host, lambda serial, kind: domain(disk(target, name, key, below), serial, kind))
    assert GREETING in text and b"data of the overlay" in text, text


def test_running_guest_holds_its_image(guests):
    """While it has the image open for writing, nobody replicates it."""
    host, source, target = guests
    key = Key(host)
    target.replicate(source, "web.qcow2", name="busy.qcow2", target=key.target(), snapshots="flatten")
    conn = host.connect(driver="qemu")
    serial = os.path.join(host.dir, "serial")
    kind = "kvm" if os.path.exists("/dev/kvm") else "qemu"
    guest = conn.createXML(domain(disk(target, "busy.qcow2", key), serial, kind))
    try:
        error = target.refusal(target, "busy.qcow2", name="copy.qcow2", encryption="none")
        assert "busy.qcow2" in str(error)
    finally:
        guest.destroy()
        conn.close()
    target.replicate(target, "busy.qcow2", name="copy.qcow2", encryption="none")
    images.compare(source.file("web.qcow2"), target.file("copy.qcow2"))


# ---- the memory of a guest, in an internal snapshot

def monitor(path, *commands, load=None):
    """Starts QEMU with the disk, lets the boot sector run, and gives monitor commands; returns what it says."""
    argv = ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-m", "32", "-monitor", "stdio", "-serial",
            "none", "-drive", f"file={path},format=qcow2,if=ide"] + (["-loadvm", load] if load else [])
    proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                            preexec_fn=images.space.die_with_parent)
    time.sleep(0.1 if load else 2)
    out, _ = proc.communicate("".join(c + "\n" for c in commands) + "quit\n", timeout=60)
    assert proc.returncode == 0, out
    return out


def test_memory_in_a_snapshot_is_encrypted_and_comes_back(guests):
    """The guest's memory holds what it read: none of it may be in clear in the encrypted copy."""
    host, source, target = guests
    key = Key(host)
    images.qemu_img("convert", "-O", "qcow2", source.file("base.qcow2"), source.file("saved.qcow2"))
    monitor(source.file("saved.qcow2"), "savevm memory")
    (_, name, size), = images.snapshots(source.file("saved.qcow2"))
    assert name == "memory" and size > 100_000
    # The disk's own copy is written over, so that what is left is the snapshot's.
    images.write(source.file("saved.qcow2"), [(0, 65536, 1)])
    assert crypt.contains(source.file("saved.qcow2"), GREETING)
    source.refresh()
    target.replicate(source, "saved.qcow2", name="enc-saved.qcow2", target=key.target())
    assert not crypt.contains(target.file("enc-saved.qcow2"), GREETING)
    crypt.assert_judged(crypt.layers(source.file("saved.qcow2")),
                        crypt.layers(target.file("enc-saved.qcow2"), key.value))
    target.replicate(target, "enc-saved.qcow2", name="dec-saved.qcow2", encryption="none")
    assert images.snapshots(target.file("dec-saved.qcow2")) == [("1", "memory", size)]
    text = monitor(target.file("dec-saved.qcow2"), "info status", "x /4wx 0x7c80", load="memory")
    assert "running" in text
    assert "".join(f"{int.from_bytes(GREETING[n:n + 4], 'little'):#010x} " for n in range(0, 12, 4)).strip() in text
