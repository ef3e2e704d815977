#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command inside a test host: a private libvirt daemon that ends with the command.

    host_command.py [--stock] [--daemon virtstoraged] [--drivers secret,qemu] COMMAND [ARGUMENT…]

Inside, plain `virsh` talks to the private daemon. $HOST_DIR is a folder for pools and logs that
disappears afterwards, $HOST_PID the daemon. The exit status is the command's.
"""

import argparse
import os
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness.host import STOCK, Host  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stock", action="store_true", help="without our module")
    parser.add_argument("--daemon", default="libvirtd")
    parser.add_argument("--drivers", default="secret,qemu")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    host = Host("host", module=STOCK if args.stock else "ours", daemon=args.daemon,
                drivers=tuple(args.drivers.split(",")))
    uri = "qemu:///system" if "qemu" in host.drivers else "storage:///system"
    try:
        host.start()
        env = dict(os.environ, HOST_DIR=host.dir, HOST_PID=str(host.pid), LIBVIRT_DEFAULT_URI=uri)
        return subprocess.call(host.enter_argv() + (args.command or ["bash"]), env=env)
    finally:
        host.close()


if __name__ == "__main__":
    sys.exit(main())
