# SPDX-License-Identifier: LGPL-2.1-or-later
"""Disk images of every kind the tests need, and qemu-img as the judge of copies.

Content is made from seeds, so that equal calls give equal bytes.
"""

import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile

from . import space
from .host import build_root

MIB = 1 << 20

# QEMU measures what a key derivation costs by the kernel's ticks, and sees none pass in three of ten calls; with
# quickluks.c it always does. Daemons run qemu-img without that.
CALIBRATIONS = 50


def _quick_luks():
    path = os.path.abspath(os.path.join(build_root(), "tests", "quickluks.so"))
    return path if os.path.exists(path) else ""


def qemu_img(*args, check=True, **kwargs):
    kwargs.setdefault("env", dict(os.environ, LC_ALL="C", LD_PRELOAD=_quick_luks()))
    for _ in range(CALIBRATIONS):
        proc = space.run("qemu-img", *args, check=False, **kwargs)
        if "accurate CPU usage" not in proc.stderr:
            break
    return proc if not check or proc.returncode == 0 else space.run("qemu-img", *args, **kwargs)


# ---- content

def random_bytes(size, seed=0):
    return random.Random(seed).randbytes(size)


def file_tree(path, seed=0, files=24, max_kib=256):
    """A folder with real files: texts that compress, data that does not, links, an empty file."""
    rng = random.Random(seed)
    for number in range(files):
        folder = os.path.join(path, f"dir{number % 5}")
        os.makedirs(folder, exist_ok=True)
        size = rng.randrange(1, max_kib << 10)
        with open(os.path.join(folder, f"file{number}"), "wb") as f:
            if number % 2:
                f.write(rng.randbytes(size))
            else:
                line = f"file {number} of seed {seed}\n".encode()
                f.write((line * (size // len(line) + 1))[:size])
    os.symlink("dir0/file0", os.path.join(path, "link"))
    open(os.path.join(path, "empty"), "w").close()
    return path


def ext4_raw(path, size_mib=32, seed=0, **tree):
    """A raw image that holds an ext4 file system with real files; never mounted."""
    with tempfile.TemporaryDirectory(dir=os.path.dirname(path) or ".") as folder:
        file_tree(folder, seed, **tree)
        space.run("mke2fs", "-q", "-t", "ext4", "-d", folder, "-F", path, f"{size_mib}M")
    return path


# ---- images

def create(path, size="32M", fmt="qcow2", backing=None, backing_fmt="qcow2", options=""):
    args = ["create", "-q", "-f", fmt]
    if backing:
        args += ["-b", backing, "-F", backing_fmt, "-u"]
    if options:
        args += ["-o", options]
    qemu_img(*args, path, size)
    return path


_made = {}


def _once(key, paths, make):
    """Runs make() the first time; later calls get copies of what it made at `paths`."""
    if key not in _made:
        make()
        folder = os.path.join(space.enter(), f"made{len(_made)}")
        os.makedirs(folder)
        _made[key] = folder
        space.run("cp", "--sparse=auto", "--reflink=never", *paths, folder + "/")
    else:
        space.run("cp", "--sparse=auto", "--reflink=never",
                  *[os.path.join(_made[key], os.path.basename(path)) for path in paths],
                  os.path.dirname(paths[0]) + "/")


def base(path, size_mib=32, seed=0, options="", compressed=False, fmt="qcow2"):
    """An image with an ext4 file system and real files inside."""
    _once(("base", os.path.basename(path), size_mib, seed, options, compressed, fmt), [path],
          lambda: _make_base(path, size_mib, seed, options, compressed, fmt))
    return path


def _make_base(path, size_mib, seed, options, compressed, fmt):
    raw = path + ".raw-tmp"
    ext4_raw(raw, size_mib, seed)
    if fmt == "raw":
        os.rename(raw, path)
        return
    args = ["convert", "-q", "-f", "raw", "-O", fmt] + (["-c"] if compressed else [])
    qemu_img(*args, *(["-o", options] if options else []), raw, path)
    os.unlink(raw)


def overlay(path, backing, size="32M", backing_fmt="qcow2", options="", writes=()):
    """An overlay that names its backing file as `backing` is given: relative, for the most part."""
    create(path, size, backing=backing, backing_fmt=backing_fmt, options=options)
    write(path, writes)
    return path


def write(path, writes, fmt="qcow2"):
    """`writes`: (offset, length, pattern 1..255) or (offset, length, 0) for zeroes."""
    if not writes:
        return
    argv = ["qemu-io", "-f", fmt]
    for offset, length, pattern in writes:
        argv += ["-c", f"write -z {offset} {length}" if pattern == 0
                 else f"write -P {pattern} {offset} {length}"]
    out = space.run(*argv, path).stdout
    assert "failed" not in out, out


def write_random(path, offset, length, seed, fmt="qcow2"):
    """Bytes that do not compress and are nowhere else."""
    write_bytes(path, offset, random_bytes(length, seed), fmt)


def write_bytes(path, offset, data, fmt="qcow2"):
    with tempfile.NamedTemporaryFile() as f:
        f.write(data)
        f.flush()
        space.run("qemu-io", "-f", fmt, "-c", f"write -s {f.name} {offset} {len(data)}", path)


def snapshot(path, name):
    qemu_img("snapshot", "-c", name, path)


def bitmap(path, name, granularity=65536):
    qemu_img("bitmap", "--add", "-g", granularity, path, name)


def chain(folder, names=("base.qcow2", "mid.qcow2", "web.qcow2"), size_mib=32, seed=0, options="",
          base_fmt="qcow2"):
    """A base with real files and overlays over it, each with writes of its own. The middle has an
    internal snapshot with a content of its own, the last one a bitmap. Returns the last one's path."""
    paths = [os.path.join(folder, name) for name in names]
    _once(("chain", tuple(names), size_mib, seed, options, base_fmt), paths,
          lambda: _make_chain(paths, size_mib, seed, options, base_fmt))
    return paths[-1]


def _make_chain(paths, size_mib, seed, options, base_fmt):
    def place(mib):
        return mib % (size_mib - 2) * MIB

    _make_base(paths[0], size_mib, seed, options if base_fmt == "qcow2" else "", False, base_fmt)
    for depth in range(1, len(paths)):
        overlay(paths[depth], os.path.basename(paths[depth - 1]), f"{size_mib}M",
                base_fmt if depth == 1 else "qcow2", options)
        write_random(paths[depth], place(3 * depth) + 4096, MIB, seed * 100 + depth)
        write(paths[depth], [(place(5 * depth), 256 << 10, 0)])
        if depth == 1:
            snapshot(paths[depth], "before-update")
            write_random(paths[depth], place(20), MIB // 2, seed * 100 + 50)
    if "compat=0.10" not in options and len(paths) > 1:
        bitmap(paths[-1], "backup-1")


def luks(path, size_mib, passphrase, fmt="qcow2", backing=None, backing_fmt="qcow2", extra=""):
    """A LUKS image with cheap key derivation; content comes through luks_write."""
    with _secret(passphrase) as secret:
        if fmt == "qcow2":
            options = f"encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10{extra}"
        else:
            options = f"key-secret=s,iter-time=10{extra}"
        args = ["create", "-q", "--object", f"secret,id=s,file={secret.name}", "-f", fmt, "-o", options]
        if backing:
            args += ["-b", backing, "-F", backing_fmt, "-u"]
        qemu_img(*args, path, f"{size_mib}M")
    return path


def luks_write(path, passphrase, writes, backing=None):
    with _secret(passphrase) as secret:
        argv = ["qemu-io", "--object", f"secret,id=s,file={secret.name}", "--image-opts"]
        for offset, length, pattern in writes:
            argv += ["-c", f"write -P {pattern} {offset} {length}"]
        out = space.run(*argv, luks_opts(path, backing)).stdout
        assert "failed" not in out, out


def luks_check(path, passphrase, backing=0):
    with _secret(passphrase) as secret:
        proc = qemu_img("check", "-U", "--object", f"secret,id=s,file={secret.name}", "--image-opts",
                        luks_opts(path, backing), check=False)
    assert proc.returncode == 0, f"{path}: {proc.stdout}{proc.stderr}"


def luks_digest(path, passphrase, backing=None, fmt="qcow2"):
    """SHA-256 of what a guest would read; fails when the passphrase does not open the image."""
    out = path + ".plain-tmp"
    try:
        with _secret(passphrase) as secret:
            qemu_img("convert", "-U", "--object", f"secret,id=s,file={secret.name}", "--image-opts",
                     "-O", "raw", luks_opts(path, backing, fmt), out)
        return file_digest(out)
    finally:
        if os.path.exists(out):
            os.unlink(out)


def luks_opts(path, backing=None, fmt="qcow2"):
    """--image-opts for a LUKS image (secret "s"); `backing`: how many of its bases use the same secret."""
    if fmt == "luks":
        return f"driver=luks,key-secret=s,file.filename={path}"
    opts = f"driver=qcow2,encrypt.key-secret=s,file.filename={path}"
    return opts + "".join(f",{'backing.' * depth}encrypt.key-secret=s" for depth in range(1, (backing or 0) + 1))


def _secret(passphrase):
    f = tempfile.NamedTemporaryFile()
    f.write(passphrase.encode() if isinstance(passphrase, str) else passphrase)
    f.flush()
    return f


# ---- the judge

def info(path, chain=False):
    args = ["info", "-U", "--output=json"] + (["--backing-chain"] if chain else [])
    return json.loads(qemu_img(*args, path).stdout)


def layers(path):
    """qemu-img's view of the chain, image first."""
    return info(path, chain=True)


def compare(a, b):
    """Asserts that a guest would read the same from both."""
    proc = qemu_img("compare", "-U", a, b, check=False)
    assert proc.returncode == 0, f"{a} and {b} differ: {proc.stdout}{proc.stderr}"


def check(path, fmt="qcow2"):
    proc = qemu_img("check", "-U", "-f", fmt, path, check=False)
    assert proc.returncode == 0, f"{path}: {proc.stdout}{proc.stderr}"


def snapshots(path):
    """(id, name, VM state size) of the internal snapshots."""
    return [(s["id"], s["name"], s["vm-state-size"]) for s in info(path).get("snapshots", [])]


def bitmaps(path):
    data = info(path).get("format-specific", {}).get("data", {})
    return [(b["name"], b["granularity"], sorted(b["flags"])) for b in data.get("bitmaps", [])]


def snapshot_digest(path, name):
    """SHA-256 of what a guest would read from an internal snapshot."""
    out = path + ".snap-tmp"
    try:
        qemu_img("convert", "-U", "-l", f"snapshot.name={name}", "-O", "raw", path, out)
        return file_digest(out)
    finally:
        if os.path.exists(out):
            os.unlink(out)


def file_digest(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(MIB):
            digest.update(block)
    return digest.hexdigest()


def allocated_bytes(path):
    return os.stat(path).st_blocks * 512


def assert_faithful(source, replica):
    """The replica's chain equals the source's: content at each depth, snapshots, bitmaps, formats,
    relative backing references with a format; every layer is consistent."""
    ours, theirs = layers(replica), layers(source)
    assert len(ours) == len(theirs)
    for a, b in zip(theirs, ours):
        assert a["format"] == b["format"]
        assert a["virtual-size"] == b["virtual-size"]
        compare(a["filename"], b["filename"])
        if b["format"] == "qcow2":
            check(b["filename"])
            for key in ("compat", "compression-type", "extended-l2", "refcount-bits"):
                assert a["format-specific"]["data"].get(key) == b["format-specific"]["data"].get(key)
        assert snapshots(a["filename"]) == snapshots(b["filename"])
        for _, name, _ in snapshots(a["filename"]):
            assert snapshot_digest(a["filename"], name) == snapshot_digest(b["filename"], name)
        assert bitmaps(a["filename"]) == bitmaps(b["filename"])
        if "backing-filename" in b:
            assert "/" not in b["backing-filename"], b["backing-filename"]
            assert b["backing-filename-format"] == a.get("backing-filename-format")


class OpenForWriting:
    """Somebody who holds an image open for writing (or reading) with qemu's image locks, as a guest would."""

    def __init__(self, path, fmt="qcow2", read_only=False):
        self.process = subprocess.Popen(["qemu-io", *(["-r"] if read_only else []), "-f", fmt, path], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, bufsize=1,
                                        preexec_fn=space.die_with_parent)
        self.process.stdin.write("length\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "qemu-io did not open the image"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def copy_sparse(source, target):
    space.run("cp", "--sparse=always", "--reflink=never", source, target)


def tree_state(folder):
    """Every entry below a folder with its type, size, times aside, and digest: for "as before"."""
    state = {}
    for root, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(root, name)
            rel = os.path.relpath(path, folder)
            if os.path.islink(path):
                state[rel] = ("link", os.readlink(path))
            elif os.path.isfile(path):
                state[rel] = ("file", os.path.getsize(path), file_digest(path))
            else:
                state[rel] = ("other",)
    return state


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
