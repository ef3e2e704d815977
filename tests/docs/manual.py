#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Holds the manual pages to the sources: manual.py SOURCE_ROOT PAGE…

Each PAGE is a page as rst2man made it: groff has to take it without a word. What the schemas and the configuration
know, the pages have to name.
"""

import os
import re
import subprocess
import sys


def read(*path):
    with open(os.path.join(*path), encoding="utf-8") as f:
        return f.read()


def groff_says(page):
    done = subprocess.run(["groff", "-man", "-t", "-ww", "-z", "-Kutf8", "-Tutf8", page], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return [f"{page}: {line}" for line in done.stdout.splitlines()]


def unknown(page, text, words):
    """Those of the words that the page does not have as words of their own."""
    return [f"{page} does not name {word}" for word in sorted(words)
            if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


def schema_words(root):
    """Elements and attributes of requests, labels and records."""
    words = set()
    for name in ("region", "usage", "replicate", "update", "image"):
        words |= set(re.findall(r'<(?:element|attribute) name="(?:\w+:)?([\w-]+)"', read(root, "xml", name + ".rng")))
    return words


def config_keys(root):
    source = read(root, "driver", "store", "config.c")
    return set(re.findall(r'REPL_CONFIG_(?:NUMBER|STRING)\("(\w+)"', source))


def rooms(root):
    """driver/README.md has the rooms of the tree, in no other way than tests/layout holds them."""
    there = {name for name in os.listdir(os.path.join(root, "driver")) if os.path.isdir(os.path.join(root, "driver", name))}
    table = read(root, "driver", "README.md").partition("<!-- rooms")[2].partition("<!-- /rooms")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.M)
    return [f"driver/README.md: room '{name}' is not in the table, or not in the tree" for name in there ^ set(named)]


def installation(root):
    """README.md installs all that the build needs."""
    listed = re.search(r'^packages_build="(.*?)"', read(root, "tests", "packages.sh"), re.M | re.S).group(1).split()
    block = re.search(r"^```sh chroot\n(.*?)^```", read(root, "README.md"), re.M | re.S).group(1).split()
    return [f"README.md does not install {name}" for name in listed if name not in block]


def main():
    root, pages = sys.argv[1], sys.argv[2:]
    conf = read(root, "tools", "storage-replication.conf")
    page7 = read(root, "tools", "man", "libvirt-storage-replication.7.rst")
    page5 = read(root, "tools", "man", "storage-replication.conf.5.rst")
    words, keys = schema_words(root), config_keys(root)
    assert len(words) > 30 and len(keys) > 5, "the sources are not read"
    wrong = [line for page in pages for line in groff_says(page)]
    wrong += unknown("libvirt-storage-replication(7)", page7, words)
    wrong += unknown("storage-replication.conf(5)", page5, keys)
    wrong += unknown("tools/storage-replication.conf", conf, keys)
    wrong += rooms(root) + installation(root)
    print("\n".join(wrong) or f"{len(words)} words of the schemas and {len(keys)} keys are in the manual")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
