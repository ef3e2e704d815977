#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every command that a text of the tree shows is run somewhere as it stands there: commands.py SOURCE_ROOT BUILD_ROOT

What a block's first line says decides where:

    ```console       console.py runs it in a test host; FILES below names the texts
    ```sh            this test runs it, in a copy of the tree whose build folder is BUILD_ROOT
    ```sh chroot     tests/debian.sh runs it in a clean Debian
    ```sh long       a script of the tests that is no part of a test itself: it has to be there, and to be sh
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

CONSOLE = {"README.md", "xml/examples/TOUR.md", "xml/examples/TWO-HOSTS.md"}  # see meson.build
CHROOT = {"README.md"}                            # see tests/debian.sh
LONG = {"tests/demo.sh", "tests/run.sh", "tests/releases.sh", "tests/valgrind.sh", "tests/sanitize.sh",
        "tests/bench/run.sh", "tests/fault/remote.sh"}
BLOCK = re.compile(r"^```(\w[^\n]*)\n(.*?)^```$", re.M | re.S)


def texts(root):
    """All texts in markdown, as (name, text)."""
    for folder, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith((".", "build"))]
        for name in files:
            if name.endswith(".md"):
                with open(os.path.join(folder, name), encoding="utf-8") as f:
                    yield os.path.relpath(os.path.join(folder, name), root), f.read()


def sh(script, **kwargs):
    """In a mount namespace of its own."""
    return subprocess.run(["unshare", "--mount", "sh", "-e"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **kwargs)


def run_here(root, build, script):
    """What is wrong with the commands, or None."""
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, "tree")
        shutil.copytree(root, copy, symlinks=True, ignore=lambda where, names: [
            name for name in names if name == ".git" or where == root and name.startswith("build")])
        os.symlink(build, os.path.join(copy, "build"))
        # the tests that a text runs have logs of their own: those of the build are being written
        script = f"mount -t tmpfs tests {shlex.quote(os.path.join(build, 'meson-logs'))}\n{script}"
        env = {name: value for name, value in os.environ.items() if name != "REPL_BUILD"}
        done = sh(script, cwd=copy, env=env)
        return f"status {done.returncode}: {done.stdout}" if done.returncode else None


def long_ones(root, script):
    for line in filter(None, (line.partition("#")[0].strip() for line in script.splitlines())):
        name = shlex.split(line)[0]
        path = os.path.join(root, name)
        if name not in LONG or not os.access(path, os.X_OK):
            yield f"{line} is no script of the tests"
        elif subprocess.run(["sh", "-n", path], check=False).returncode:
            yield f"{name} is no sh"


def wrong_in(root, build, name, kind, script):
    if kind.startswith("console"):
        return [] if name in CONSOLE else [f"{name}: nothing runs its console blocks"]
    if kind == "sh chroot":
        return [] if name in CHROOT else [f"{name}: nothing runs its blocks in a chroot"]
    if kind == "sh long":
        return [f"{name}: {line}" for line in long_ones(root, script)]
    if kind == "sh":
        wrong = run_here(root, build, script)
        return [f"{name}: {script}{wrong}"] if wrong else []
    return [] if kind in ("xml", "c", "text") else [f"{name}: a block of the kind '{kind}'"]


def main():
    root, build = sys.argv[1:]
    blocks = [(name, kind, script) for name, text in texts(root) for kind, script in BLOCK.findall(text)]
    assert len(blocks) > 20, "the texts are not read"
    wrong = [line for name, kind, script in blocks for line in wrong_in(root, build, name, kind, script)]
    wrong += [f"{name}: commands without a fence" for name, text in texts(root)
              if re.search(r"^    (sudo|virsh|tests/|meson|ninja|apt)", text, re.M)]
    print("\n".join(wrong) or f"{len(blocks)} blocks")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
