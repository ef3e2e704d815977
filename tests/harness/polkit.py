# SPDX-License-Identifier: LGPL-2.1-or-later
"""polkit for a host: a message bus and polkitd of its own, and virsh run by other users."""

import contextlib
import os
import subprocess

from . import space
from .pools import wait_until

PERMISSIONS = {
    "connect": "getattr read write search-storage-pools detect-storage-pools",
    "storage-pool": "getattr read write save delete start stop refresh format search-storage-vols",
    "storage-vol": "getattr read create delete format resize data-read data-write",
    "secret": "getattr read write save delete get-secure",
}


def policy():
    actions = "".join(
        f"<action id='org.libvirt.api.{kind}.{name}'><description>x</description><message>x</message>"
        "<defaults><allow_any>no</allow_any><allow_inactive>no</allow_inactive><allow_active>no"
        "</allow_active></defaults></action>"
        for kind, names in PERMISSIONS.items() for name in names.split())
    return ('<?xml version="1.0" encoding="UTF-8"?><!DOCTYPE policyconfig PUBLIC "-//freedesktop//DTD '
            'PolicyKit Policy Configuration 1.0//EN" "http://www.freedesktop.org/standards/PolicyKit/1.0/'
            f'policyconfig.dtd"><policyconfig>{actions}</policyconfig>')


class Polkit:
    """A message bus and polkitd inside a host's namespaces."""

    def __init__(self, host, rules):
        self.host = host
        self.processes = []
        folder = os.path.join(host.dir, "polkit")
        for part, name, text in (("actions", "org.libvirt.api.policy", policy()),
                                 ("rules", "50-test.rules", rules)):
            os.makedirs(os.path.join(folder, part))
            with open(os.path.join(folder, part, name), "w") as f:
                f.write(text)
        space.run("chmod", "-R", "a+rX", folder)
        host.run("mkdir", "-p", "/run/dbus", "/etc/polkit-1/rules.d", "/usr/share/polkit-1/actions")
        host.run("mount", "--bind", folder + "/actions", "/usr/share/polkit-1/actions")
        host.run("mount", "--bind", folder + "/rules", "/etc/polkit-1/rules.d")
        self._spawn("dbus-daemon", "--system", "--nofork", "--nopidfile", "--nosyslog",
                    "--address=unix:path=/run/dbus/system_bus_socket")
        assert wait_until(lambda: os.path.exists(os.path.join(host.dir, "run/dbus/system_bus_socket")))
        polkitd = next(path for path in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")
                       if os.path.exists(path))
        self._spawn(polkitd, "--no-debug")

        def owned():
            return "true" in host.run(
                "dbus-send", "--system", "--print-reply", "--dest=org.freedesktop.DBus",
                "/org/freedesktop/DBus", "org.freedesktop.DBus.NameHasOwner",
                "string:org.freedesktop.PolicyKit1", check=False).stdout

        assert wait_until(owned), "polkitd is not on the bus"

    def _spawn(self, *argv):
        self.processes.append(subprocess.Popen(
            self.host.enter_argv() + list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, preexec_fn=space.die_with_parent))

    def close(self):
        """Ends the host's daemon, then the bus: a daemon whose bus goes away sends SIGTERM to itself (GLib's
        exit-on-close), and one more signal in the middle of its shutdown would kill it."""
        if self.host.process is not None:
            self.host.stop()
        for process in reversed(self.processes):
            process.terminate()
            process.wait()


@contextlib.contextmanager
def guarded(new_host, rules, prepare=lambda host: host, **more):
    """A host whose libvirtd asks a polkit with these rules, started and open to every user. `prepare` sees it before."""
    # stock asks polkit about a volume that has no key yet, and GLib complains
    host = prepare(new_host(expected="g_variant_new_string",
                            conf={"access_drivers": ["polkit"], "unix_sock_rw_perms": "0777"}, **more))
    os.chmod(host.dir, 0o755)
    polkit = Polkit(host, rules)
    try:
        yield host.start()
    finally:
        polkit.close()


def as_user(host, user, *args, program=("virsh", "-q")):
    """A client, virsh unless told, run by another user, inside the host."""
    argv = host.enter_argv() + ["setpriv", f"--reuid={user}", "--clear-groups", *program, "-c",
                                "storage:///system"] + [str(arg) for arg in args]
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60,
                          env=dict(os.environ, LC_ALL="C", HOME="/nonexistent"))
