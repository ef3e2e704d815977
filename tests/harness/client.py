# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate, run in a pipe or in a terminal of its own."""

import errno
import fcntl
import json
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import termios
import time

import pyte

from . import host as _host


def program():
    return os.path.join(_host.build_root(), "tools/virt-replicate/virt-replicate")


def program_for_others(host):
    """The program for other users of the host, in a folder where they get: the build may lie where they do not."""
    folder = os.path.join(host.dir, "run/client")
    os.makedirs(folder, exist_ok=True)
    for path in (program(), os.path.join(_host.build_root(), "tools/lib/libvirt-replication.so.1")):
        shutil.copy(path, folder)
    return ("env", "LD_LIBRARY_PATH=/run/client", "/run/client/virt-replicate")


def environment(host, **more):
    env = dict(os.environ, LC_ALL="C.UTF-8", TERM="xterm-256color", XDG_STATE_HOME=os.path.join(host.dir, "state"))
    env.pop("NO_COLOR", None)
    env.pop("COLUMNS", None)
    env.update(more)
    return env


def run(host, *args, readonly=False, env=None, input=None, timeout_s=120, connect=True):
    """In a pipe. Never raises for its exit status."""
    argv = [program()] + (["-c", host.uri(readonly)] if connect else []) + (["-r"] if readonly else [])
    proc = subprocess.run(argv + [str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL if input is None else None, input=input, timeout=timeout_s,
                          env=environment(host, **(env or {})), errors="replace")
    return _host.Result(proc.returncode, proc.stdout, proc.stderr)


def ok(host, *args, **kwargs):
    """A command that must work; returns its standard output."""
    result = run(host, *args, **kwargs)
    assert result.rc == 0, f"virt-replicate {' '.join(map(str, args))}: {result.rc}\n{result.err}{result.out}"
    return result.out


def fails(host, *args, rc=1, **kwargs):
    """A command that must fail; returns its standard error."""
    result = run(host, *args, **kwargs)
    assert result.rc == rc, f"virt-replicate {' '.join(map(str, args))}: {result.rc}\n{result.err}{result.out}"
    return result.err


def listing(host, *args, **kwargs):
    """What a command prints with --json."""
    return json.loads(ok(host, *args, "--json", **kwargs))


class Terminal:
    """A command in a pseudo-terminal, with an emulator that knows what a person would see."""

    def __init__(self, host, *args, columns=100, rows=30, env=None, program_path=None):
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            try:
                argv = [program_path or program(), "-c", host.uri()] + [str(a) for a in args]
                os.execvpe(argv[0], argv, environment(host, **(env or {})))
            finally:
                os._exit(127)
        self.resize(columns, rows)
        self.status = None

    def resize(self, columns, rows=30):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)

    def _read(self, timeout_s):
        ready, _, _ = select.select([self.fd], [], [], timeout_s)
        if not ready:
            return True
        try:
            data = os.read(self.fd, 65536)
        except OSError as err:
            if err.errno != errno.EIO:
                raise
            return False
        self.raw += data
        self.stream.feed(data)
        return bool(data)

    def wait_for(self, condition, timeout_s=60):
        """Reads until condition(lines) holds; returns the lines."""
        end = time.monotonic() + timeout_s
        while not condition(self.lines()):
            assert time.monotonic() < end, "\n".join(self.lines())
            if not self._read(0.1):
                assert condition(self.lines()), "\n".join(self.lines())
        return self.lines()

    def lines(self):
        """What is on the screen, without blank lines at its end."""
        lines = [line.rstrip() for line in self.screen.display]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def type(self, text):
        os.write(self.fd, text.encode())

    def interrupt(self):
        self.type("\x03")

    def end(self, timeout_s=60):
        """Reads to the end; returns the exit status."""
        end = time.monotonic() + timeout_s
        while self._read(0.1):
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                raise AssertionError("still running:\n" + "\n".join(self.lines()))
        _, status = os.waitpid(self.pid, 0)
        os.close(self.fd)
        self.status = os.waitstatus_to_exitcode(status)
        return self.status
