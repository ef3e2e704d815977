# SPDX-License-Identifier: LGPL-2.1-or-later
"""Small file systems below the scratch folder, seen by every host that runs."""

import os

from . import space


def tmpfs(path, size_mib, options=""):
    os.makedirs(path, exist_ok=True)
    options = f"size={size_mib}m,mode=0755" + (f",{options}" if options else "")
    space.run("mount", "-t", "tmpfs", "-o", options, "none", path)
    return path


def ext4(path, size_mib):
    """A file system of `size_mib` in all, without a journal or reserved blocks."""
    image = _backing_file(path, size_mib)
    space.run("mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-m", "0", "-F", image)
    return _mount_loop(image, path)


def xfs(path, size_mib=320):
    """With reflinks; mkfs.xfs wants 300 MiB at least (sparse)."""
    image = _backing_file(path, max(size_mib, 320))
    space.run("mkfs.xfs", "-q", "-m", "reflink=1", image)
    return _mount_loop(image, path)


def umount(path):
    space.run("umount", path)
    if os.path.exists(path + ".img"):
        os.unlink(path + ".img")


def used_bytes(path):
    st = os.statvfs(path)
    return (st.f_blocks - st.f_bfree) * st.f_frsize


def free_bytes(path):
    st = os.statvfs(path)
    return st.f_bavail * st.f_frsize


def _backing_file(path, size_mib):
    os.makedirs(path, exist_ok=True)
    image = path + ".img"
    with open(image, "wb") as f:
        f.truncate(size_mib << 20)
    return image


def _mount_loop(image, path):
    space.run("mount", "-o", "loop", image, path)  # autoclear: the loop goes with the mount
    return path
