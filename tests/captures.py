#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""captures.py [FILE]: what virt-replicate looks like, for the manual: made by it, not typed.

Starts a daemon, makes two regions with images, and writes what a terminal shows of `copy`, `jobs --watch` and `chain` as
reStructuredText into FILE (tools/man/captures.rst unless it is said). Run as root, from a build folder's source.
"""

import os
import re
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import client, images, pools, space  # noqa: E402
from harness.host import SOURCE_ROOT, Host  # noqa: E402

COLUMNS = 90


def block(title, command, lines):
    text = [title, ""] + ["::", "", f"    $ virt-replicate {command}"]
    text += ["    " + line if line else "" for line in lines]
    return "\n".join(text) + "\n"


def without_warnings(lines):
    return [line for line in lines if line.strip()]


def make(host):
    north, east = pools.two_regions(host)
    for name, size, kwargs in (("base.qcow2", 96, {}), ("web.qcow2", 24, {"backing": "base.qcow2"}),
                               ("shop.qcow2", 3, {"backing": "base.qcow2"})):
        path = north.file(name)
        images.create(path, "1G", **kwargs)
        space.run("qemu-io", "-f", "qcow2", "-c", f"write -P 7 16M {size}M", path)
    north.refresh()
    return north, east


def copy(host):
    term = client.Terminal(host, "copy", "web.qcow2", "--to", "cn-east-2", "--limit", "20MiB/s", "--no-color",
                           columns=COLUMNS)
    term.wait_for(lambda lines: any("Copy? [y/N]" in line for line in lines))
    term.type("y\n")
    lines = term.wait_for(lambda lines: any(re.search(r" [4-6]\d %.*\d:\d\d  copying", line) for line in lines))
    shown = block("While it copies; the last line is drawn again and again:", "copy web.qcow2 --to cn-east-2 --limit 20MiB/s",
                  without_warnings(lines))
    watch = client.Terminal(host, "jobs", "--watch", "--no-color", columns=COLUMNS)
    lines = watch.wait_for(lambda lines: any("copying" in line and "MiB/s" in line for line in lines))
    jobs = block("Jobs, drawn again and again:", "jobs --watch", without_warnings(lines))
    watch.interrupt()
    assert watch.end() == 0 and term.end() == 0
    return shown + "\n" + jobs


def chain(host):
    term = client.Terminal(host, "chain", "cn-north-1:web.qcow2", "--no-color", columns=COLUMNS)
    assert term.end() == 0
    return block("The layers of an image:", "chain cn-north-1:web.qcow2", without_warnings(term.lines()))


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(SOURCE_ROOT, "tools/man/captures.rst")
    space.enter()
    host = Host("captures").start()
    try:
        make(host)
        text = ".. Made by tests/captures.py: do not edit.\n\n" + copy(host) + "\n" + chain(host)
    finally:
        host.close()
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


if __name__ == "__main__":
    main()
