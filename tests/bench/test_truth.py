#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bench tells the truth: test_truth.py SOURCE_ROOT

A benchmark that fails, or a run that is interrupted, ends with a table that says so and leaves nothing behind; figures of
such a run get into no text, those of a good one into all of them.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET

HERE = os.path.dirname(os.path.abspath(__file__))

# bench.py with two benchmarks of its own around a real one.
BROKEN = """
import sys, time
sys.path.insert(0, sys.argv.pop(1))
import bench

def fails(lab, table):
    "ends with an error, with a host and a pool left behind"
    lab.pool("left", region="r")
    raise RuntimeError("the disk is on fire")

def hangs(lab, table):
    "runs until it is interrupted"
    lab.pool("left", region="r")
    print("hangs", flush=True)
    time.sleep(600)

bench.BENCHES = {"fails": fails, "second": bench.BENCHES["second"], "hangs": hangs}
sys.exit(bench.main())
"""


def start(scratch, *names):
    env = dict(os.environ, REPL_TEST_SCRATCH=scratch)
    return subprocess.Popen([sys.executable, "-B", "-c", BROKEN, HERE, "--quick", "--output", scratch + "/results.json",
                             *names], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def rows(text):
    return [line.split(" | ")[0].strip("| ") for line in text.splitlines() if line.startswith("| ")]


def leaves_nothing(scratch):
    left = [name for name in os.listdir(scratch) if name != "results.json"]
    assert not left, left
    with open("/proc/mounts", encoding="utf-8") as f:
        assert scratch not in f.read()


def test_failed_row(scratch):
    process = start(scratch, "fails", "second")
    text = process.communicate(timeout=250)[0]
    assert process.returncode == 1, process.returncode
    assert rows(text)[1] == "**fails: not measured**" and "the disk is on fire" in text, text
    assert any(name.startswith("Second image") for name in rows(text)), text
    leaves_nothing(scratch)
    refused = subprocess.run([sys.executable, "-B", HERE + "/figures.py", scratch + "/results.json"],
                             stderr=subprocess.PIPE, text=True, check=False)
    assert refused.returncode and "quick" in refused.stderr, refused


def test_interrupted(scratch):
    process = start(scratch, "hangs", "second")
    assert process.stdout.readline() == "hangs\n"
    process.send_signal(signal.SIGINT)
    text = process.communicate(timeout=120)[0]
    assert process.returncode == 130, process.returncode
    assert rows(text)[1:] == ["**hangs: not measured**", "**second: not measured**"], text
    leaves_nothing(scratch)


def test_killed(scratch):
    """Nothing can tidy up after itself then; the next run does."""
    process = start(scratch, "hangs")
    assert process.stdout.readline() == "hangs\n"
    process.kill()
    process.wait()
    process.stdout.close()
    time.sleep(1)
    process = start(scratch, "fails")
    process.communicate(timeout=120)
    leaves_nothing(scratch)


def test_figures(scratch, root):
    tree = os.path.join(scratch, "tree")
    for name in ("README.md", "tests/bench/README.md"):
        os.makedirs(os.path.dirname(os.path.join(tree, name)), exist_ok=True)
        shutil.copy(os.path.join(root, name), os.path.join(tree, name))
    names = ["ext4, cold, synced: virsh vol-create-from (stock)", "ext4, source cached, synced: best qemu-img convert (x)",
             "ext4, cold, synced: plain to LUKS, against the plain copy", "… against the best qemu-img convert for each layer",
             "XFS with reflink: chain of 4 layers, 4.01 GiB", "Second image on the same base: bytes written"]
    results = {"machine": "a <machine>", "runs": 5, "size_mib": 4096, "quick": False, "load": 0.1, "date": "2026-01-02",
               "head": ["what", "this", "other", "ratio", "wanted", "met"], "failed": [], "missed": [],
               "rows": [[name, f"{n} s", "99 s", "7.77", "", ""] for n, name in enumerate(names)],
               "charts": {"copy": {"this": 2.0, "a & b": 8.0, "… -W": 4.0}}}
    with open(scratch + "/good.json", "w", encoding="utf-8") as f:
        json.dump(results, f)
    subprocess.run([sys.executable, "-B", HERE + "/figures.py", scratch + "/good.json", tree], check=True)
    with open(tree + "/README.md", encoding="utf-8") as f:
        text = f.read()
    assert "0 s, 7.77 × as fast as stock" in text and "2026-01-02: a <machine>" in text, text
    assert len(text.splitlines()) < 200, "README.md is too long"
    with open(tree + "/tests/bench/README.md", encoding="utf-8") as f:
        assert f"| {names[4]} | 4 s | 99 s | 7.77 |" in f.read()
    picture = ET.parse(tree + "/tests/bench/chain.svg").getroot()
    texts = [node.text for node in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[1:] == ["this module", "2.00 s", "qemu-img convert, flattened, -W", "4.00 s", "a & b", "8.00 s"], texts
    shutil.rmtree(tree)


def main():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as scratch:
        test_failed_row(scratch)
        test_interrupted(scratch)
        test_killed(scratch)
        test_figures(scratch, sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
