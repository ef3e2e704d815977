# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other ways to copy a chain of qcow2 layers to another folder. Each takes the layers' paths,
base first, and the folder; what they write is synced by the caller."""

import os

from harness import space


def direct_dd(paths, out):
    """The disk's own speed, reads and writes one after the other."""
    for path in paths:
        space.run("dd", f"if={path}", f"of={out}/{os.path.basename(path)}", "iflag=direct", "oflag=direct",
                  "bs=8M", "status=none")


def cp_rebase(paths, out):
    for number, path in enumerate(paths):
        target = os.path.join(out, os.path.basename(path))
        space.run("cp", "--reflink=never", path, target)
        if number:
            space.run("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2",
                      "-b", os.path.basename(paths[number - 1]), target)


def rsync_sparse(paths, out):
    space.run("rsync", "-S", *paths, out + "/")


def _convert(*options):
    def flatten(paths, out):
        space.run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *options, paths[-1],
                  os.path.join(out, os.path.basename(paths[-1])))
    return flatten


def convert_layers(paths, out):
    """qemu-img's way to keep a chain; internal snapshots are lost all the same."""
    for number, path in enumerate(paths):
        backing = ["-B", os.path.basename(paths[number - 1]), "-F", "qcow2"] if number else []
        space.run("qemu-img", "convert", "-f", "qcow2", "-O", "qcow2", *backing, "-m", "16", "-W", path,
                  os.path.join(out, os.path.basename(path)))


def nbdcopy(paths, out):
    target = os.path.join(out, os.path.basename(paths[-1]))
    size = space.run("qemu-img", "info", paths[-1]).stdout.split("(")[1].split()[0]
    space.run("qemu-img", "create", "-q", "-f", "qcow2", target, size)
    space.run("nbdcopy", "--destination-is-zero", "--flush", "--", "[", "qemu-nbd", "-r", "-f", "qcow2",
              paths[-1], "]", "[", "qemu-nbd", "-f", "qcow2", target, "]")


CONVERT = {
    "qemu-img convert, flattened": _convert(),
    "… -m 16 -W": _convert("-m", "16", "-W"),
    "… -m 16 -W -t none -T none": _convert("-m", "16", "-W", "-t", "none", "-T", "none"),
    "… -t none": _convert("-t", "none"),
    "qemu-img convert for each layer, -B -m 16 -W": convert_layers,
}

ALL = {
    "cp each layer + rebase -u": cp_rebase,
    "rsync -S": rsync_sparse,
    **CONVERT,
    "nbdcopy between two qemu-nbd": nbdcopy,
}
