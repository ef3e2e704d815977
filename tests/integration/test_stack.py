# SPDX-License-Identifier: LGPL-2.1-or-later
"""On any doubt about libvirt the stock driver works alone, and one line of the log says why."""

import os
import platform
import struct

import pytest
from harness import images, space, xmlio
from harness.host import stock_driver_dir
from harness.pools import Pool

STOCK = "libvirt_driver_storage.so"
R_X86_64_RELATIVE = 8

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


def with_version(new_host, scratch, version, trusted=None, stock=None):
    """A host whose libvirt says that it is of that version, and whose administrator trusts another one."""
    fake = build(scratch, VERSION % version)
    # where libvirt is, is found by the address of this very function
    host = new_host(env={"LD_PRELOAD": fake, "LIBVIRT_STORAGE_REPLICATION_STOCK":
                         stock or os.path.join(stock_driver_dir(), STOCK)})
    host.configure(f'trusted_libvirt = "{trusted or ""}"\n')
    return host.start()


@pytest.mark.parametrize("version, trusted, why", [
    (8000000, None, "is older than 9.0"),
    (8000000, "99.0", "is older than 9.0"),
    (99001000, None, "is newer than 11.3"),
    (99001000, "99.0", 'trusted_libvirt = "99.1" in /etc/libvirt/storage-replication.conf lets it in'),
])
def test_libvirt_that_is_not_known(new_host, scratch, version, trusted, why):
    assert why in assert_stock_alone(with_version(new_host, scratch, version, trusted))


def test_newer_libvirt_by_the_administrators_word(new_host, scratch):
    host = with_version(new_host, scratch, 99001000, "99.1")
    assert xmlio.region_of(Pool(host, "p", region="r").dumpxml()) == "r"
    assert "This libvirt is newer than those that image replication knows" in host.log()


def lengthen(path):
    """Adds a pointer to the stock module's table, as a newer libvirt may have it: the word behind the table, which is
    another symbol's, is relocated as those of the table."""
    with open(path, "rb") as f:
        data = bytearray(f.read())
    start, size = section(data, ".rela.dyn")
    found = {}
    for at in range(start, start + size, 24):
        found[struct.unpack_from("<Q", data, at)[0]] = at
    # 46 relocated words in a row, nothing before them
    behind = [address for address in found if all(address - 8 * n in found for n in range(1, 47))
              and address - 8 * 47 not in found and address + 8 not in found]
    assert len(behind) == 1, "the table has another shape"
    struct.pack_into("<Q", data, found[behind[0]] + 8, R_X86_64_RELATIVE)
    with open(path, "wb") as f:
        f.write(data)


def section(data, name):
    """Where a section of a 64-bit ELF file is, and its size."""
    where, = struct.unpack_from("<Q", data, 0x28)
    size, count, names = struct.unpack_from("<HHH", data, 0x3a)
    headers = [struct.unpack_from("<IIQQQQ", data, where + size * n) for n in range(count)]
    for header in headers:
        at = headers[names][4] + header[0]
        if data[at:data.index(b"\0", at)] == name.encode():
            return header[4], header[5]
    raise AssertionError(f"there is no section {name}")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="knows relocations of x86_64 only")
def test_newer_libvirt_with_a_longer_table(new_host, scratch):
    stock = os.path.join(scratch, STOCK)
    space.run("cp", os.path.join(stock_driver_dir(), STOCK), stock)
    lengthen(stock)
    host = with_version(new_host, scratch, 99001000, "99.1", stock)
    assert "47 pointers in a row instead of 46" in assert_stock_alone(host)


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
