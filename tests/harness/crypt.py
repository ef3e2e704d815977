# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys in a daemon, and qemu-img and cryptsetup as the judges of encrypted images.

A key that is given as 256 random bits in libvirt-storage-replication's own form needs no slow
derivation, so tests use such values where nothing depends on it.
"""

import base64
import collections
import itertools
import json
import os
import random
import struct
import tempfile

import libvirt

from . import images, space, xmlio

_numbers = itertools.count(1)
Layer = collections.namedtuple("Layer", "path format key")  # key: passphrase, None: plain
SOURCE = "repl-random-" + "5a" * 32  # opens what qemu-img made as a source


# ---- libvirt secrets

class Key:
    """A libvirt secret of usage type volume; `value` None: without a value."""

    def __init__(self, host, usage=None, value="random", private=True):
        number = next(_numbers)
        self.host = host
        self.usage = usage or f"test/key{number}"
        if value == "random":
            value = "repl-random-" + random.Random(number).randbytes(32).hex()
        conn = host.connect(driver="secret")
        try:
            secret = conn.secretDefineXML(
                f"<secret ephemeral='no' private='{'yes' if private else 'no'}'><usage type='volume'>"
                f"<volume>{self.usage}</volume></usage></secret>")
            self.uuid = secret.UUIDString()
            if value is not None:
                secret.setValue(value.encode() if isinstance(value, str) else value)
        finally:
            conn.close()
        self.value = value

    def set(self, value):
        conn = self.host.connect(driver="secret")
        conn.secretLookupByUUIDString(self.uuid).setValue(value.encode())
        conn.close()
        self.value = value

    def undefine(self):
        self.host.ok("secret-undefine", self.uuid, driver="secret")

    def target(self, by="uuid", inner=""):
        """What goes into <target> of a request; `inner`: <cipher> and <ivgen>."""
        return target(inner=inner, **{by: getattr(self, by)})


def target(inner="", **secret):
    return (f"<encryption format='luks'><secret type='passphrase'{xmlio.attrs(**secret)}/>{inner}"
            "</encryption>")


def secret_value(host, usage):
    """The value of a private secret, which no API gives away: from where the daemon keeps it."""
    conn = host.connect(driver="secret")
    try:
        uuid = conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, usage).UUIDString()
    finally:
        conn.close()
    with open(os.path.join(host.dir, "etc/secrets", uuid + ".base64"), "rb") as f:
        return base64.b64decode(f.read()).decode()


# ---- what the record says

def encryption_of(image):
    """(UUID of the secret or None, [conversions]) of an image's record."""
    element = image.image.find(f"{{{xmlio.NS}}}encryption")
    if element is None:
        return None, []
    secret = element.find("secret")
    return (None if secret is None else secret.get("uuid"),
            [dict(c.attrib) for c in element.findall(f"{{{xmlio.NS}}}conversion")])


def secret_in_sight(image):
    """UUID in libvirt's own <target><encryption>."""
    element = image.root.find("target/encryption/secret")
    return None if element is None else element.get("uuid")


# ---- layers and how they open

def layers(path, *keys):
    """The chain from qemu-img's view, image first. `keys`: one passphrase for all encrypted layers, or one for
    each encrypted layer."""
    found, used = [], 0
    for info in images.layers(path):
        key = None
        if info.get("encrypted") or info["format"] == "luks":
            key = keys[min(used, len(keys) - 1)] if keys else None
            used += 1
        found.append(Layer(info["filename"], info["format"], key))
    return found


class _Opened:
    """Arguments that open chains with their passphrases in files; a context."""

    def __init__(self, *chains):
        self.files, self.args, self.names, self.ids = [], [], [], {}
        for chain in chains:
            self.names.append("json:" + json.dumps(self._node(chain)))

    def _node(self, chain):
        node = None
        for layer in reversed(chain):
            below, node = node, {"driver": layer.format,
                                 "file": {"driver": "file", "filename": os.path.abspath(layer.path)}}
            if layer.format == "luks":
                node["key-secret"] = self._secret(layer.key)
            elif layer.key is not None:
                node["encrypt"] = {"format": "luks", "key-secret": self._secret(layer.key)}
            if layer.format in ("qcow2", "qed", "vmdk", "qcow"):
                node["backing"] = below
        return node

    def _secret(self, key):
        if key not in self.ids:
            f = images._secret(key)
            self.files.append(f)
            self.ids[key] = f"s{len(self.ids)}"
            self.args += ["--object", f"secret,id={self.ids[key]},file={f.name}"]
        return self.ids[key]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for f in self.files:
            f.close()


def compare(a, b):
    """Asserts that guests would read the same from both chains (lists of Layer)."""
    with _Opened(a, b) as opened:
        proc = images.qemu_img("compare", "-U", *opened.args, *opened.names, check=False)
    assert proc.returncode == 0, f"{a} and {b} differ: {proc.stdout}{proc.stderr}"


def compare_all(a, b):
    """The same at every depth."""
    assert len(a) == len(b)
    for depth in range(len(a)):
        compare(a[depth:], b[depth:])


def check(layer):
    if layer.format != "qcow2":
        return
    with _Opened([layer]) as opened:
        proc = images.qemu_img("check", "-U", *opened.args, *opened.names, check=False)
    assert proc.returncode == 0, f"{layer.path}: {proc.stdout}{proc.stderr}"


def snapshot_digest(chain, name):
    """SHA-256 of what a guest would read from an internal snapshot of the first layer."""
    out = chain[0].path + ".snap-tmp"
    try:
        with _Opened(chain) as opened:
            images.qemu_img("convert", "-U", *opened.args, "-l", f"snapshot.name={name}", "-O", "raw",
                            opened.names[0], out)
        return images.file_digest(out)
    finally:
        if os.path.exists(out):
            os.unlink(out)


def write(chain, writes):
    """`writes` as of images.write, to the first layer."""
    with _Opened(chain) as opened:
        argv = ["qemu-io"] + opened.args
        for offset, length, pattern in writes:
            argv += ["-c", f"write -z {offset} {length}" if pattern == 0
                     else f"write -P {pattern} {offset} {length}"]
        out = space.run(*argv, opened.names[0]).stdout
    assert "failed" not in out, out


def snapshot(chain, name):
    with _Opened(chain) as opened:
        images.qemu_img("snapshot", *opened.args, "-q", "-c", name,
                        opened.names[0])


def bitmap(chain, name, granularity=65536):
    with _Opened(chain[:1]) as opened:  # qemu-img bitmap opens no backing file
        images.qemu_img("bitmap", "--add", "-g", granularity, *opened.args, opened.names[0], name)


def calibrated(*args):
    """qemu-img that makes a key slot: its measuring of the CPU fails in three of ten calls."""
    for _ in range(images.CALIBRATIONS):
        proc = images.qemu_img(*args, check=False)
        if "accurate CPU usage" not in proc.stderr:
            break
    assert proc.returncode == 0, proc.stderr


def stock_create(host, pool, xml_file):
    """vol-create of an encrypted volume by stock libvirt, whose qemu-img fails in the same way."""
    for _ in range(images.CALIBRATIONS):
        result = host.virsh("vol-create", pool, xml_file)
        if "accurate CPU usage" not in result.err:
            break
    assert result.rc == 0, result.err


def create(path, key, size="32M", backing=None, backing_fmt="qcow2", options=""):
    """An empty LUKS qcow2 image of qemu-img's with a cheap derivation; finding out what is cheap takes QEMU
    seconds, so equal calls get copies of one file."""
    def make():
        with images._secret(key) as secret:
            args = ["create", "-q", "--object", f"secret,id=s,file={secret.name}", "-f", "qcow2", "-o",
                    "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10" +
                    (f",{options}" if options else "")]
            calibrated(*args, path, size)

    images._once(("luks", os.path.basename(path), key, size, options), [path], make)
    if backing:
        with _Opened([Layer(path, "qcow2", key)]) as opened:
            images.qemu_img("rebase", "-q", "-u", "-b", backing, "-F", backing_fmt, *opened.args,
                            opened.names[0])
    return path


def chain(folder, key, names=("base.qcow2", "mid.qcow2", "web.qcow2"), plain=(), size="16M"):
    """An encrypted chain like images.chain(); the layers at the positions `plain` are not encrypted. Returns
    its layers, image first."""
    made = []
    for depth, name in enumerate(names):
        path = os.path.join(folder, name)
        below = os.path.basename(names[depth - 1]) if depth else None
        if depth in plain:
            images.create(path, size, backing=below)
        else:
            create(path, key, size, backing=below)
        made.insert(0, Layer(path, "qcow2", None if depth in plain else key))
        write(made, [(depth * (2 << 20) + 4096, 3 << 20, depth + 1), (depth * (3 << 20), 65536, 0)])
        if depth == 1:
            snapshot(made, "before-update")
            write(made, [(9 << 20, 1 << 20, 99)])
    bitmap(made, "backup-1")
    return made


def bind(pool, key, *names):
    """Makes the pool know the key of volumes to be: tiny replicas that are written over afterwards, as
    when a backup is restored in place."""
    images.create(pool.file("tiny.qcow2"), "64K")
    pool.refresh()
    for name in names:
        pool.replicate(pool, "tiny.qcow2", name=name, target=key.target())
    pool.host.ok("vol-delete", "tiny.qcow2", pool.name)


def put(path, made):
    """Writes the file `made` over the bound volume `path`, same inode."""
    with open(made, "rb") as a, open(path, "r+b") as b:
        b.truncate(0)
        b.write(a.read())
    os.unlink(made)


def known_chain(pool, key, names=("base.qcow2", "mid.qcow2", "web.qcow2"), plain=(), **kwargs):
    """chain() made by qemu-img in the pool, which knows its key."""
    encrypted = [name for depth, name in enumerate(names) if depth not in plain]
    bind(pool, key, *encrypted)
    with tempfile.TemporaryDirectory(dir=space.enter()) as folder:
        made = chain(folder, key.value, names, plain, **kwargs)
        for layer in made:
            name = os.path.basename(layer.path)
            if name in encrypted:
                put(pool.file(name), layer.path)
            else:
                os.rename(layer.path, pool.file(name))
    pool.refresh()
    return [layer._replace(path=pool.file(os.path.basename(layer.path))) for layer in made]


# ---- inside the file

def header(path):
    """The LUKS header of a qcow2 or raw LUKS file as a temporary file for cryptsetup."""
    with open(path, "rb") as f:
        start = f.read(65536)
        offset, length = (0, 16 << 20) if start[:4] == b"LUKS" else _qcow2_luks(start)
        f.seek(offset)
        data = f.read(length)
    assert data[:6] == b"LUKS\xba\xbe", f"{path} has no LUKS header"
    out = tempfile.NamedTemporaryFile()
    out.write(data)
    out.flush()
    return out


def _qcow2_luks(start):
    version, length = struct.unpack(">I", start[4:8])[0], 72
    if version >= 3:
        length = struct.unpack(">I", start[100:104])[0]
    while True:
        kind, size = struct.unpack(">II", start[length:length + 8])
        assert kind, "no LUKS extension in the qcow2 header"
        if kind == 0x0537be77:
            return struct.unpack(">QQ", start[length + 8:length + 24])
        length += 8 + (size + 7) // 8 * 8


def dump(path):
    """cryptsetup's luksDump of the header taken out of the file."""
    with header(path) as f:
        return space.run("cryptsetup", "luksDump", f.name).stdout


def opens(path, key):
    """Whether the passphrase opens a key slot, says cryptsetup."""
    with header(path) as f, images._secret(key) as secret:
        proc = space.run("cryptsetup", "luksOpen", "--test-passphrase", "--key-file", secret.name,
                         f.name, check=False)
    assert proc.returncode in (0, 2), proc.stderr
    return proc.returncode == 0


def volume_key(path, key):
    with header(path) as f, images._secret(key) as secret, tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "key")
        space.run("cryptsetup", "-q", "luksDump", "--dump-volume-key", "--volume-key-file", out,
                  "--key-file", secret.name, f.name)
        with open(out, "rb") as key_file:
            return key_file.read()


def contains(path, needle):
    """Whether the bytes occur anywhere in the file."""
    keep = len(needle) - 1
    tail = b""
    with open(path, "rb") as f:
        while block := f.read(4 << 20):
            if needle in tail + block:
                return True
            tail = block[-keep:] if keep else b""
    return False


def assert_judged(source, replica, encrypted=True):
    """Everything that qemu-img and cryptsetup say of a converted chain against its source (lists of Layer)."""
    compare_all(source, replica)
    for a, b in zip(source, replica):
        check(b)
        if encrypted and b.key is not None:
            assert "aes" in dump(b.path) and opens(b.path, b.key)
        if a.format == "qcow2" == b.format:
            assert images.snapshots(a.path) == images.snapshots(b.path)
            assert images.bitmaps(a.path) == images.bitmaps(b.path)
    for depth, (a, b) in enumerate(zip(source, replica)):
        if a.format == "qcow2":
            for _, name, _ in images.snapshots(a.path):
                assert snapshot_digest(source[depth:], name) == snapshot_digest(replica[depth:], name)
    for info in images.layers(replica[0].path):
        if "backing-filename" in info:
            assert "/" not in info["backing-filename"]
            assert info["backing-filename-format"]
