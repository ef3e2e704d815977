# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host whose daemon's system calls can be made to fail, or to be its last (tests/fault/shim.c).

    faults = Faults(host, source.path, target.path)
    faults.fail(nth=3, calls=("rename",))     # the third rename below the two pools gives EIO
    ...
    faults.disarm()
"""

import contextlib
import errno
import mmap
import os
import struct

from . import host as hosts

_MAGIC = 0x6661756c74303101
_HEAD = struct.Struct("=QIIIIIIiIIIII")
_PREFIXES, _PREFIX_MAX = 4, 256
_ENTRY = struct.Struct("=BB118s")
_LOG_MAX = 16384
_SIZE = _HEAD.size + _PREFIXES * _PREFIX_MAX + _LOG_MAX * _ENTRY.size

KINDS = ("open", "read", "write", "allocate", "truncate", "sync", "rename", "unlink", "link", "mode",
         "mkdir", "stat")
ACTIONS = ("count", "fail", "before", "behind", "late", "delay")
# What changes a folder or a file, or makes a change last: the calls that a publication consists of.
CHANGES = ("write", "allocate", "truncate", "sync", "rename", "unlink", "link", "mode", "mkdir")
EVERY = tuple(kind for kind in KINDS if kind != "stat")


def shim():
    path = os.path.join(hosts.build_root(), "tests", "fault", "libreplfault.so")
    if not os.path.exists(path):
        raise RuntimeError(f"The shim {path} is not built.")
    return path


class Faults:
    """The order to the shim in the daemon of `host`, which must not run yet: it is given the shim."""

    def __init__(self, host):
        self.host = host
        self.path = os.path.join(host.dir, "faults")
        with open(self.path, "wb") as f:
            f.truncate(_SIZE)
        with open(self.path, "r+b") as f:
            self.page = mmap.mmap(f.fileno(), _SIZE)
        self._put(magic=_MAGIC)
        host.env.update(LD_PRELOAD=shim(), REPL_FAULT_CONTROL=self.path)

    def _put(self, magic=_MAGIC, armed=0, action=0, calls=0, nth=0, times=0, chance=0, err=0, seed=0):
        self.page[:_HEAD.size] = _HEAD.pack(magic, armed, action, calls, nth, times, chance, err, seed,
                                            0, 0, 0, 0)

    def _get(self):
        return _HEAD.unpack(self.page[:_HEAD.size])

    @property
    def armed(self):
        return bool(self._get()[1])

    @property
    def counted(self):
        return self._get()[9]

    @property
    def hits(self):
        return self._get()[10]

    def log(self):
        """(kind, end of the path, whether it was hit) of the calls since it was armed."""
        found = []
        for number in range(min(self._get()[11], _LOG_MAX)):
            at = _HEAD.size + _PREFIXES * _PREFIX_MAX + number * _ENTRY.size
            kind, hit, path = _ENTRY.unpack(self.page[at:at + _ENTRY.size])
            found.append((KINDS[kind], path.split(b"\0")[0].decode(errors="replace"), bool(hit)))
        return found

    def hit(self):
        """What was hit, for messages."""
        return [f"{kind} {path}" for kind, path, hit in self.log() if hit]

    def arm(self, action, *folders, calls=CHANGES, nth=1, times=1, chance=0, err=errno.EIO, seed=1):
        """Folders: where; chance: 0..1 for each call, instead of the nth."""
        assert 1 <= len(folders) <= _PREFIXES
        self.disarm()
        for number in range(_PREFIXES):
            prefix = os.path.join(folders[number], "").encode() if number < len(folders) else b""
            at = _HEAD.size + number * _PREFIX_MAX
            self.page[at:at + _PREFIX_MAX] = prefix.ljust(_PREFIX_MAX, b"\0")
        self._put(armed=1, action=ACTIONS.index(action), calls=sum(1 << KINDS.index(k) for k in calls),
                  nth=nth, times=times, chance=int(chance * 1000000), err=err, seed=seed)

    def count(self, *folders, calls=CHANGES):
        self.arm("count", *folders, calls=calls)

    def fail(self, *folders, **kwargs):
        self.arm("fail", *folders, **kwargs)

    def disarm(self):
        """What was counted and logged stays to be read."""
        self.page[8:12] = struct.pack("=I", 0)

    @contextlib.contextmanager
    def failing(self, *folders, **kwargs):
        self.fail(*folders, **kwargs)
        try:
            yield self
        finally:
            self.disarm()


def faulty_host(new_host, **kwargs):
    """A running host with the shim, and what gives it orders."""
    host = new_host(**kwargs)
    faults = Faults(host)
    host.start()
    return host, faults



