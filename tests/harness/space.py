# SPDX-License-Identifier: LGPL-2.1-or-later
"""The sandbox: a mount and network namespace for the whole test process.

Everything that a test mounts or links lives in namespaces that vanish with the process, even when
it is killed: no stray mounts, loop devices or interfaces stay behind. Mounts that the test process
makes below the scratch folder reach the hosts that are running (a shared mount, and slaves of it).
"""

import atexit
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)
_scratch = None


def die_with_parent():
    """For preexec_fn: the child is killed when the test process goes, however it goes."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def run(*argv, check=True, **kwargs):
    """A command that must work; its output is in the exception when it does not."""
    kwargs.setdefault("env", dict(os.environ, LC_ALL="C"))
    proc = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, **kwargs)
    if check and proc.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {proc.returncode}\n"
                           f"{proc.stdout}{proc.stderr}")
    return proc


def _lock(folder):
    """Holds the folder's lock for as long as this process lives; None when another one holds it."""
    fd = os.open(os.path.join(folder, ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    return fd


def _sweep(base):
    """Removes what a killed run left: its mounts went with it, its files did not."""
    for name in os.listdir(base):
        folder = os.path.join(base, name)
        if name.startswith("repl-test-") and os.path.exists(os.path.join(folder, ".lock")):
            if (fd := _lock(folder)) is not None:
                shutil.rmtree(folder, ignore_errors=True)
                os.close(fd)


def _mount(source, target, flags):
    if _libc.mount(source, target, None, flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target.decode()}")


def _make_private():
    """No mount of ours reaches the machine. In a chroot "/" is no mount point, which mount refuses; then joining our own
    namespace again leads to its real root, where it works, and the chroot's folder becomes a mount point."""
    if run("mount", "--make-rprivate", "/", check=False).returncode == 0:
        return
    if not os.path.exists("/proc/self/ns/mnt"):
        raise SystemExit("The test hosts need /proc in this chroot: mount -t proc proc /proc")
    inside = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    namespace = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    if _libc.setns(namespace, CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    _mount(b"none", b"/", MS_REC | MS_PRIVATE)
    os.fchdir(inside)
    folder = os.getcwdb()
    _mount(folder, folder, MS_BIND | MS_REC)
    os.chroot(folder)
    os.chdir("/")
    os.close(namespace)
    os.close(inside)


def own_mounts():
    """Gives this process (which must have one thread) a mount namespace of its own, whose mounts nobody else sees."""
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _make_private()


def enter():
    """Moves this process (which must have one thread) into the sandbox; returns its scratch folder."""
    global _scratch
    if _scratch:
        return _scratch
    if os.geteuid() != 0:
        raise RuntimeError("The test hosts need root: they mount and make namespaces.")
    own_mounts()
    if _libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    run("ip", "link", "set", "lo", "up")
    base = os.environ.get("REPL_TEST_SCRATCH", "/var/tmp")
    _sweep(base)
    _scratch = tempfile.mkdtemp(prefix="repl-test-", dir=base)
    os.chmod(_scratch, 0o755)
    _lock(_scratch)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # with what atexit does
    owner = os.getpid()
    atexit.register(lambda: leave() if os.getpid() == owner else None)
    run("mount", "--bind", _scratch, _scratch)
    run("mount", "--make-shared", _scratch)
    return _scratch


def leave():
    """Unmounts and removes the scratch folder."""
    global _scratch
    if not _scratch:
        return
    run("umount", "-R", "-l", _scratch, check=False)
    if not os.path.ismount(_scratch):
        shutil.rmtree(_scratch, ignore_errors=True)
    _scratch = None
