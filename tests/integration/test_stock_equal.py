# SPDX-License-Identifier: LGPL-2.1-or-later
"""Where no label and no request is involved, libvirt behaves as if our module were not there."""

import os
import re
import shlex
import signal

import libvirt
import pytest
from harness import images
from harness.host import STOCK
from harness.pools import wait_until
from stock_scenarios import FILES, IMAGES, SCENARIOS, UUID

# What differs between any two runs of the same libvirt.
NORMALIZE = [
    (re.compile(r"<(atime|mtime|ctime|btime)>[\d.]+</\1>"), r"<\1/>"),
    (re.compile(r"(?!c0ffee00)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"host\d+/run"), "HOST/run"),
    (re.compile(r"(/tmp|/var/tmp)/virsh\w+\.xml"), "EDITED"),
    (re.compile(r"\.(vol)?\w{6}\b(?=['\s]*$)", re.M), ".RANDOM"),
    (re.compile(r"/dev/loop\d+"), "/dev/loopN"),
    (re.compile(r"/var/lib/libvirt/storage/\S+\.secret\.\w+"), "SECRET"),
]


# What the module announces of itself, on purpose: one more pool type.
ANNOUNCED = re.compile(r"  <pool type='region'.*?\n  </pool>\n", re.S)


def normal(text):
    text = ANNOUNCED.sub("", text)
    for pattern, by in NORMALIZE:
        text = pattern.sub(by, text)
    return text


class Player:
    """A host with a tmpfs for its pools and a folder for the files of the scenario."""

    def __init__(self, new_host, module):
        self.host = new_host(module=module)
        self.host.run("mount", "-t", "tmpfs", "-o", "size=96m", "none", IMAGES)
        self.host.start()
        self.folder = os.path.join(self.host.dir, "files")
        os.makedirs(self.folder)
        for name, text in FILES.items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        with open(os.path.join(self.folder, "data"), "wb") as f:
            f.write(images.random_bytes(3 << 20, 1) + bytes(1 << 20) + images.random_bytes(12345, 2))

    def end(self):
        """Stops the daemon; returns its exit status."""
        self.host.process.send_signal(signal.SIGTERM)
        return self.host.wait_exit(60)

    def play(self, line):
        if line.startswith("$ "):
            proc = self.host.run("sh", "-c", line[2:], check=False)
            return proc.returncode, proc.stdout, proc.stderr
        if line == "files":
            return self.files(self.folder)
        env, readonly, words = {}, False, shlex.split(line)
        if words[0].startswith("edit="):
            env = {"EDITOR": self.editor(words[0][5:])}
            words = words[1:]
        if words[0] == "-r":
            readonly, words = True, words[1:]
        # virsh reads and writes files relative to its own folder
        here = os.getcwd()
        os.chdir(self.folder)
        try:
            rc, out, err = self.host.virsh(*words, readonly=readonly, env=env, input="n\n",
                                           quiet=False)
        finally:
            os.chdir(here)
        return rc, normal(out), normal(err)

    def editor(self, script):
        """A program that edits a file with a sed script ("true": leaves it as it is)."""
        path = os.path.join(self.folder, "editor")
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + ("" if script == "true" else f"exec sed -i -e \"{script}\" \"$1\"\n"))
        os.chmod(path, 0o755)
        return path

    def files(self, folder):
        return {k: v for k, v in images.tree_state(folder).items() if k != "editor"}

    def tree(self):
        return self.host.run("find", IMAGES, "-mindepth", "1", "-printf", "%P %y %s %m %U %G %l\n").stdout


@pytest.mark.parametrize("name", SCENARIOS)
def test_same_as_stock(new_host, name):
    players = [Player(new_host, STOCK), Player(new_host, "ours")]
    for line in filter(None, map(str.strip, SCENARIOS[name].splitlines())):
        stock, ours = (player.play(line) for player in players)
        assert ours == stock, line
    trees = [sorted(player.tree().splitlines()) for player in players]
    assert trees[0] == trees[1]
    # libvirtd 11.3 crashes as it ends after it has served volume streams, with our module and without.
    stock, ours = (player.end() for player in players)
    assert ours == stock


def bindings_calls(conn):
    """What applications get from the bindings: objects, counts, error codes and domains."""
    out = []

    def call(what, function, *args):
        try:
            value = function(*args)
        except libvirt.libvirtError as err:
            value = ("error", err.get_error_code(), err.get_error_domain(), err.get_error_level(),
                     normal(err.get_error_message()))
        if isinstance(value, (libvirt.virStoragePool, libvirt.virStorageVol)):
            value = (type(value).__name__, value.name())
        elif isinstance(value, list):
            value = sorted(v.name() if hasattr(v, "name") else v for v in value)
        out.append((what, normal(value) if isinstance(value, str) else value))

    with_pool = conn.storagePoolDefineXML(FILES["p.xml"], 0)
    with_pool.build(0)
    for flags in (0, 1, 2, 64):
        call(f"create {flags}", with_pool.create, flags)
    call("define flags", conn.storagePoolDefineXML, FILES["q.xml"], 4096)
    call("define validate", conn.storagePoolDefineXML, FILES["unknown.xml"], 1)
    for flags in (0, 1, 2, 4, 128):
        call(f"volume {flags}", with_pool.createXML, FILES["a.xml"].replace("a.q", f"a{flags}.q"), flags)
    vol = with_pool.storageVolLookupByName("a0.qcow2")
    call("all", conn.listAllStoragePools, 0)
    for flag in (1, 2, 4, 64, 1 << 20):
        call(f"all {flag}", conn.listAllStoragePools, flag)
    for what in ("numOfStoragePools", "numOfDefinedStoragePools", "listStoragePools",
                 "listDefinedStoragePools", "getStoragePoolCapabilities"):
        call(what, getattr(conn, what))
    for what in ("numOfVolumes", "listVolumes", "listAllVolumes", "isActive", "isPersistent",
                 "autostart", "info"):
        call(what, getattr(with_pool, what))
    for flags in (0, 1, 2, 99):
        call(f"xml {flags}", with_pool.XMLDesc, flags)
        call(f"vol xml {flags}", vol.XMLDesc, flags)
        call(f"vol info {flags}", vol.infoFlags, flags)
    call("by key", conn.storageVolLookupByKey, IMAGES + "/p/a0.qcow2")
    call("by path", conn.storageVolLookupByPath, IMAGES + "/p//a0.qcow2")
    call("by path none", conn.storageVolLookupByPath, IMAGES + "/p/none")
    call("by relative path", conn.storageVolLookupByPath, "a0.qcow2")
    call("by name none", with_pool.storageVolLookupByName, "none")
    call("by name slash", with_pool.storageVolLookupByName, "../p/a0.qcow2")
    call("pool by path", conn.storagePoolLookupByTargetPath, IMAGES + "/p")
    call("pool by path none", conn.storagePoolLookupByTargetPath, "/none")
    call("pool by uuid", conn.storagePoolLookupByUUIDString, UUID.format(9))
    call("pool of volume", vol.storagePoolLookupByVolume)
    call("path", vol.path)
    for flags in (0, 1, 8):
        call(f"wipe {flags}", vol.wipe, flags)
        call(f"resize {flags}", vol.resize, 9 << 20, flags)
    call("wipe pattern", vol.wipePattern, 3, 0)
    call("clone", with_pool.createXMLFrom, FILES["c.xml"], vol, 0)
    call("clone flags", with_pool.createXMLFrom, FILES["c.xml"], vol, 64)
    for flags in (64, 4, 0):
        call(f"delete {flags}", vol.delete, flags)
    call("gone", vol.info)
    call("gone xml", vol.XMLDesc, 0)
    call("gone delete", vol.delete, 0)
    call("refresh flags", with_pool.refresh, 7)
    call("undefine active", with_pool.undefine)
    call("destroy", with_pool.destroy)
    call("volumes of inactive", with_pool.listAllVolumes)
    call("delete flags", with_pool.delete, 77)
    call("undefine", with_pool.undefine)
    return out


def test_bindings_same_as_stock(new_host):
    results = []
    for module in (STOCK, "ours"):
        conn = Player(new_host, module).host.connect()
        results.append(bindings_calls(conn))
        conn.close()
    for stock, ours in zip(*results):
        assert ours == stock


def watch_events(host):
    """Events of a pool's life as an application sees them, in order."""
    seen = []
    conn = host.connect()
    lifecycle = libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE
    refresh = libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH
    ids = [conn.storagePoolEventRegisterAny(
               None, lifecycle, lambda c, p, event, detail, o: seen.append((p.name(), event, detail)), None),
           conn.storagePoolEventRegisterAny(
               None, refresh, lambda c, p, o: seen.append((p.name(), "refresh")), None)]
    pool = conn.storagePoolDefineXML(FILES["p.xml"], 0)
    only = conn.storagePoolEventRegisterAny(
        pool, lifecycle, lambda c, p, event, detail, o: seen.append(("only", event, detail)), None)
    other = conn.storagePoolDefineXML(FILES["q.xml"], 0)
    pool.build(0)
    pool.create(0)
    pool.createXML(FILES["a.xml"], 0)
    pool.refresh(0)
    conn.storagePoolEventDeregisterAny(only)
    pool.destroy()
    other.undefine()
    pool.undefine()
    transient = conn.storagePoolCreateXML(FILES["p.xml"], 0)
    transient.destroy()
    wait_until(lambda: len(seen) >= 12, 2)
    for number in ids:
        conn.storagePoolEventDeregisterAny(number)
    errors = []
    for bad in (ids[0], 12345):
        try:
            conn.storagePoolEventDeregisterAny(bad)
        except libvirt.libvirtError as err:
            errors.append((err.get_error_code(), err.get_error_domain()))
    conn.close()
    return seen, errors


def test_events_same_as_stock(new_host, event_loop):
    results = [watch_events(Player(new_host, module).host) for module in (STOCK, "ours")]
    assert len(results[0][0]) >= 12
    assert results[1] == results[0]


def test_autostart_same_as_stock(new_host):
    lists = []
    for module in (STOCK, "ours"):
        player = Player(new_host, module)
        for line in ("pool-define p.xml", "pool-build p", "pool-autostart p", "pool-define q.xml",
                     "pool-build q", "pool-create-as t dir --target /var/lib/libvirt/images/p2 --build"):
            assert player.play(line)[0] == 0
        player.host.restart()
        lists.append(player.play("pool-list --all --details"))
        player.host.kill()
        player.host.start()
        lists.append(player.play("pool-list --all --details"))
    assert lists[2:] == lists[:2]


def test_nothing_of_ours_appears_without_a_label(new_host):
    player = Player(new_host, "ours")
    before = set(images.tree_state(player.host.dir + "/etc"))
    player.play("pool-define p.xml")
    player.play("pool-build p")
    player.play("pool-start p")
    player.play("vol-create p a.xml")
    after = set(images.tree_state(player.host.dir + "/etc"))
    assert after - before == {"storage", "storage/p.xml"}
    assert sorted(player.host.run("ls", "-A", IMAGES + "/p").stdout.split()) == ["a.qcow2"]
