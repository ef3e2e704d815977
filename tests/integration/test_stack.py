# SPDX-License-Identifier: LGPL-2.1-or-later
"""On any doubt about libvirt the stock driver works alone, and one line of the log says why."""

import os

import pytest
from harness import images, space, xmlio
from harness.host import stock_driver_dir
from harness.pools import Pool

STOCK = "libvirt_driver_storage.so"

# Interposers: libvirt's own calls pass through them. `table` is a name and 45 function pointers.
TABLE = """
#define _GNU_SOURCE
#include <dlfcn.h>
static int alien(void) { return -1; }
int virSetSharedStorageDriver(void **table)
{
    int (*next)(void **) = (int (*)(void **))dlsym(RTLD_NEXT, "virSetSharedStorageDriver");
    table[20] = {entry};
    return next(table);
}
"""
VERSION = """
int virGetVersion(unsigned long *version, const char *type, unsigned long *typeVer)
{ *version = %d; return 0; }
"""
# A stock module that brings in another one: the entries are not its own.
PROXY = """
#define _GNU_SOURCE
#include <dlfcn.h>
int storageRegister(void)
{
    void *real = dlopen("%s", RTLD_NOW | RTLD_GLOBAL);
    return ((int (*)(void))dlsym(real, "storageRegister"))();
}
"""


def build(scratch, source):
    path = os.path.join(scratch, "fake.so")
    with open(path + ".c", "w") as f:
        f.write(source)
    space.run("cc", "-shared", "-fPIC", "-w", "-o", path, path + ".c", "-ldl")
    return path


def assert_stock_alone(host):
    """The daemon has its storage, and exactly one error line says that replication is off."""
    lines = [line for line in (host.log() + host.stderr()).splitlines() if "eplication is off" in line]
    assert len(lines) == 1, host.log()[-2000:] + host.stderr()
    pool = Pool(host, "p", region="ignored")
    pool.chain()
    assert pool.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert "replication" not in pool.dumpxml()
    assert "replication" not in host.ok("vol-dumpxml", "web.qcow2", "p")
    host.ok("vol-delete", "base.qcow2", "p")
    return lines[0]


@pytest.mark.parametrize("entry", ["(void *)alien", "0", "(void *)dlsym(RTLD_DEFAULT, \"puts\")", "(void *)1"])
def test_wrong_table(new_host, scratch, entry):
    fake = build(scratch, TABLE.replace("{entry}", entry))
    host = new_host(env={"LD_PRELOAD": fake}).start()
    assert_stock_alone(host)


@pytest.mark.parametrize("version", [8000000, 99000000])
def test_unknown_libvirt(new_host, scratch, version):
    fake = build(scratch, VERSION % version)
    # where libvirt is, is found by the address of this very function
    stock = os.path.join(stock_driver_dir(), STOCK)
    host = new_host(env={"LD_PRELOAD": fake, "LIBVIRT_STORAGE_REPLICATION_STOCK": stock}).start()
    assert "not among the versions" in assert_stock_alone(host)


def test_stock_module_that_is_not_installed(new_host):
    """As libvirt itself does without a storage driver: the daemon runs, storage calls fail."""
    host = new_host(drivers=("secret", "qemu"),
                    env={"LIBVIRT_STORAGE_REPLICATION_STOCK": "/nonexistent/driver.so"}).start()
    assert host.virsh("secret-list").rc == 0
    assert "not supported by the connection driver" in host.fails("pool-list")
    assert "/nonexistent/driver.so" in host.log() + host.stderr()


def test_stock_module_whose_entries_are_not_its_own(new_host, scratch):
    fake = build(scratch, PROXY % os.path.join(stock_driver_dir(), STOCK))
    host = new_host(env={"LIBVIRT_STORAGE_REPLICATION_STOCK": fake}).start()
    assert_stock_alone(host)


def test_stock_module_of_another_place(new_host, scratch):
    """A right one, only elsewhere, is stacked upon."""
    space.run("cp", os.path.join(stock_driver_dir(), STOCK), scratch)
    host = new_host(env={"LIBVIRT_STORAGE_REPLICATION_STOCK": os.path.join(scratch, STOCK)}).start()
    pool = Pool(host, "p", region="r")
    assert xmlio.region_of(pool.dumpxml()) == "r"


def test_stacked_is_logged_once(host):
    lines = [line for line in host.log().splitlines() if "stacked on the stock storage driver" in line]
    assert len(lines) == 1


def test_module_names_libvirt_privates_in_no_import():
    """One binary for many libvirt versions: private symbols are looked up, never linked."""
    from harness.host import our_module
    out = space.run("nm", "-D", "--undefined-only", our_module()).stdout
    assert "LIBVIRT_PRIVATE" not in out


def test_module_exports_its_entry_point_only():
    from harness.host import our_module
    out = space.run("nm", "-D", "--defined-only", our_module()).stdout
    assert [line.split()[-1] for line in out.splitlines()] == ["storageRegister"]


def test_images_made_before_are_still_there_without_the_module(new_host, scratch):
    """Uninstalling brings the stock behaviour back: nothing of a pool needs us to be read."""
    ours, stock = new_host().start(), new_host(module=None).start()
    source = Pool(ours, "a", region="a", path=scratch + "/a")
    target = Pool(ours, "b", region="b", path=scratch + "/b")
    target.replicate(source, source.chain())
    plain = Pool(stock, "b", path=scratch + "/b")
    assert [v for v in plain.volumes() if v != ".replication"] == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    images.assert_faithful(source.file("web.qcow2"), plain.file("web.qcow2"))
    # the label stays on the host, and the stock driver reads the pool's XML as if it were not there
    ours.stop()
    ours.module = None
    ours.link_drivers()
    ours.start()
    assert "replication" not in source.dumpxml()
    assert ours.virsh("vol-list", "a").rc == 0
