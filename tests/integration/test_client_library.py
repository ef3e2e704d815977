# SPDX-License-Identifier: LGPL-2.1-or-later
"""The C library: headers, exported names, its tour against a daemon, and the examples in C and Python."""

import os
import re
import subprocess
import time

import pytest

from harness import client, images, pools, space
from harness.host import SOURCE_ROOT, build_root

EXAMPLES = os.path.join(SOURCE_ROOT, "tools/lib/examples")
INCLUDE = os.path.join(SOURCE_ROOT, "include/libvirt-replication")
WARNINGS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-std=c99", "-D_GNU_SOURCE"]
LIB = os.path.join(build_root(), "tools/lib")


def compile_program(source, scratch):
    """As an application would, by pkg-config."""
    env = dict(os.environ, PKG_CONFIG_PATH=os.path.join(build_root(), "meson-uninstalled"))
    flags = space.run("pkg-config", "--cflags", "--libs", "libvirt-replication", env=env).stdout.split()
    program = os.path.join(scratch, os.path.basename(source)[:-2])
    space.run("cc", *WARNINGS, "-I", os.path.dirname(INCLUDE), source, "-pthread", *flags, "-o", program)
    return program


def run_program(*argv, check=True):
    """valgrind.sh puts helgrind in front."""
    wrapper = os.environ.get("REPL_TEST_PROGRAM", "").split()
    return space.run(*wrapper, *argv, check=check, env=dict(os.environ, LC_ALL="C.UTF-8", LD_LIBRARY_PATH=LIB))


@pytest.fixture
def two_images(regions):
    source, target = regions
    for name in ("one.qcow2", "two.qcow2"):
        images.create(source.file(name), "4M")
    source.refresh()
    return source, target


def declared():
    names = set()
    for name in os.listdir(INCLUDE):
        if name != "virt-replication.h":
            with open(os.path.join(INCLUDE, name)) as f:
                text = re.sub(r"/\*.*?\*/", "", f.read(), flags=re.S)
                names |= set(re.findall(r"\b(virtReplication[A-Z]\w*)\(", text))
    return names


def test_exported_names_are_the_declared_ones():
    out = space.run("nm", "-D", "--defined-only", "--with-symbol-versions", os.path.join(LIB, "libvirt-replication.so.1")).stdout
    exported = {line.split()[-1].split("@")[0] for line in out.splitlines() if " T " in line}
    assert exported == declared() and len(exported) > 40
    assert all("@@LIBVIRT_REPLICATION_1.0.0" in line for line in out.splitlines() if " T " in line)


def test_every_function_is_documented():
    for name in os.listdir(INCLUDE):
        with open(os.path.join(INCLUDE, name)) as f:
            text = f.read()
        for function in re.findall(r"^[a-z][\w \*]*?\b(virtReplication[A-Z]\w*)\(", text, re.M):
            block = re.search(rf"/\*\*\n \* {function}:\n(.*?)\*/", text, re.S)
            assert block and "Since: " in block.group(1), function


def test_library_needs_no_private_symbol_of_libvirt():
    out = space.run("objdump", "-T", os.path.join(LIB, "libvirt-replication.so.1")).stdout
    assert "LIBVIRT_PRIVATE" not in out


def test_tour(host, two_images, new_pool, scratch):
    program = compile_program(os.path.join(SOURCE_ROOT, "tests/integration/library_tour.c"), scratch)
    full = new_pool("cn-west-3", quota={"images": 0})
    out = run_program(program, host.uri(), two_images[0].name, two_images[1].name, full.name).stdout
    assert out.split() == ["copies", "lookups", "plan", "update", "threads"]


def test_service(host, two_images, new_pool, scratch):
    program = compile_program(os.path.join(SOURCE_ROOT, "tests/integration/library_service.c"), scratch)
    team, plain = new_pool("cn-north-1", project="books"), new_pool()
    images.write_random(two_images[0].file("one.qcow2"), 0, 3 << 20, seed=1)  # long enough to be paused
    two_images[0].refresh()
    out = run_program(program, host.uri(), host.uri(driver="secret"), two_images[0].name, two_images[1].name, team.name,
                      plain.name).stdout
    assert out.split() == ["labels", "keys", "sharing", "job", "retry", "verify", "bundles", "images"]


def test_every_function_is_tried():
    """By the two programs, so that nothing of the library is only declared."""
    text = ""
    for name in ("library_tour.c", "library_service.c"):
        with open(os.path.join(SOURCE_ROOT, "tests/integration", name)) as f:
            text += f.read()
    assert [name for name in sorted(declared()) if not re.search(rf"\b{name}\(", text)] == []


def test_example_in_c(host, two_images, scratch):
    _, target = two_images
    program = compile_program(os.path.join(EXAMPLES, "replicate.c"), scratch)
    out = run_program(program, host.uri(), "one.qcow2", "cn-east-2").stdout
    assert "one.qcow2 to " in out and "completed, 100 %" in out
    assert target.volumes() == ["one.qcow2"]
    assert run_program(program, host.uri(), "two.qcow2", "nowhere", check=False).returncode == 1


def test_golden_images_in_python(host, two_images, new_pool):
    source, target = two_images
    west = new_pool("cn-west-3")
    argv = ["/usr/bin/python3", "-B", os.path.join(EXAMPLES, "golden.py"), host.uri(), "one.qcow2", "two.qcow2"]
    space.run(*argv)
    for pool in (target, west):
        assert pool.volumes() == ["one.qcow2", "two.qcow2"]
    before = [pool.state() for pool in (source, target, west)]
    assert space.run(*argv).stdout.count(": is in ") == 4
    assert [pool.state() for pool in (source, target, west)] == before
    assert space.run(*argv, "three.qcow2", check=False).returncode == 1


def test_overview_of_1000_volumes_in_10_pools(host):
    """Images and jobs through the library over a UNIX socket: at most 0.5 s."""
    made = [pools.Pool(host, f"over{number}", region=f"cn-over-{number}") for number in range(10)]
    first = made[0].file("image0.qcow2")
    images.create(first, "1M")
    with open(first, "rb") as f:
        data = f.read()
    for pool in made:
        for number in range(100):
            with open(pool.file(f"image{number}.qcow2"), "wb") as f:
                f.write(data)
        pool.refresh()
    began = time.monotonic()
    listed = [image for image in client.listing(host, "images") if image["pool"].startswith("over")]
    client.listing(host, "jobs")
    took = time.monotonic() - began
    assert len(listed) == 1000
    print(f"images and jobs of 1,000 volumes in 10 pools, the client's start twice included: {took:.3f} s")
    assert took <= 0.5 * (1 if os.getloadavg()[0] < 1.5 else 10)
    for pool in made:
        host.ok("pool-destroy", pool.name)
        host.ok("pool-undefine", pool.name)
