# SPDX-License-Identifier: LGPL-2.1-or-later
"""SSH between hosts: a server inside a host's namespaces, and clients that may come in as root.

Each host has an /etc/ssh of its own, so the accounts of the machine, their keys and its own sshd are never
touched.
"""

import os
import subprocess

from . import space
from .pools import wait_until

SSHD = "/usr/sbin/sshd"

SERVER = """Port 22
HostKey /etc/ssh/host_key
AuthorizedKeysFile /etc/ssh/authorized_keys
PermitRootLogin yes
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PidFile none
MaxStartups 100
"""

CLIENT = """Host *
    IdentityFile /etc/ssh/client_key
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile /etc/ssh/known_hosts
    StrictHostKeyChecking yes
    PasswordAuthentication no
"""


def available():
    return os.path.exists(SSHD)


def _write(host, name, text, mode="w"):
    path = os.path.join(host.dir, "ssh", name)
    with open(path, mode) as f:
        f.write(text)
    os.chmod(path, 0o600)


def _key(host, name):
    """Makes a key once; returns its public half."""
    path = os.path.join(host.dir, "ssh", name)
    if not os.path.exists(path):
        space.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path)
    with open(path + ".pub") as f:
        return f.read()


class Server:
    """sshd in the host's namespaces; it goes with the host or by close()."""

    def __init__(self, host):
        self.host = host
        self.key = _key(host, "host_key")
        _write(host, "sshd_config", SERVER)
        host.run("mkdir", "-p", "-m", "755", "/run/sshd")
        self.process = subprocess.Popen(
            host.enter_argv() + [SSHD, "-D", "-e"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=open(os.path.join(host.dir, "log/sshd"), "ab"), preexec_fn=space.die_with_parent)
        dial = "exec 3<>/dev/tcp/127.0.0.1/22"
        assert wait_until(lambda: host.run("bash", "-c", dial, check=False).returncode == 0, 30), self.log()

    def admit(self, client):
        """The client's root may come in, and knows this server by every name and address."""
        _write(client, "ssh_config", CLIENT)
        _write(client, "known_hosts", f"* {self.key}", "a")
        _write(self.host, "authorized_keys", _key(client, "client_key"), "a")

    def log(self):
        with open(os.path.join(self.host.dir, "log/sshd")) as f:
            return f.read()

    def close(self):
        self.process.terminate()
        self.process.wait()
