# SPDX-License-Identifier: LGPL-2.1-or-later
"""Pools of type region: a pool of another host, answered by the libvirt daemon there.

Each test runs against a peer with the module and against a stock one, unless it says otherwise.
"""

import os
import subprocess
import uuid

import libvirt
import pytest
from harness import images, net, xmlio
from harness.host import STOCK
from harness.pools import Pool, code, wait_until
from harness.remote import RemotePool, region_xml, uri


@pytest.fixture(scope="module", params=["module", "stock"])
def pair(request, new_host):
    """(the host that tests ask, its peer, the link)"""
    here = new_host().start()
    there = new_host(module="ours" if request.param == "module" else STOCK, listen=("tcp",)).start()
    there.has_module = request.param == "module"
    return here, there, net.Link(there, here)


_names = iter(f"far{n}" for n in range(1, 1000))


@pytest.fixture
def far(pair):
    """(pool of type region here, the pool behind it)"""
    here, there, link = pair
    name = next(_names)
    source = Pool(there, name + "-there", region="cn-east-2" if there.has_module else None)
    pool = RemotePool(here, name, source.name, uri=uri(link))
    yield pool, source
    for host, each in ((here, pool), (there, source)):
        host.virsh("pool-destroy", each.name)
        host.virsh("pool-undefine", each.name)


def test_define_as_is_enough(pair):
    here, there, _ = pair
    here.ok("pool-define-as", "shanghai", "region", "--source-host", there.name, "--source-name", "images")
    xml = here.ok("pool-dumpxml", "shanghai")
    assert f"<host name='{there.name}'/>" in xml and "<name>images</name>" in xml
    assert f"uri='storage+tls://{there.name}/system'" in xml
    assert "state=" not in xml  # not started
    here.ok("pool-undefine", "shanghai")


def test_listed_counted_and_found(pair, far):
    here, pool = pair[0], far[0]
    conn = here.connect()
    found = conn.storagePoolLookupByName(pool.name)
    assert conn.storagePoolLookupByUUIDString(found.UUIDString()).name() == pool.name
    assert pool.name in conn.listStoragePools()
    assert conn.numOfStoragePools() == len(conn.listStoragePools()) == len(conn.listAllStoragePools(2))
    assert conn.numOfDefinedStoragePools() == len(conn.listDefinedStoragePools()) == len(conn.listAllStoragePools(1))
    assert pool.name in here.ok("pool-list", "--all", "--name").split()
    assert found.isActive() == 1 and found.isPersistent() == 1 and found.autostart() == 0
    dirs = conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_DIR)
    assert pool.name not in [each.name() for each in dirs]
    for flag, there in ((libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_PERSISTENT, True),
                        (libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_TRANSIENT, False),
                        (libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_AUTOSTART, False),
                        (libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_NO_AUTOSTART, True)):
        assert (pool.name in [each.name() for each in conn.listAllStoragePools(flag)]) == there
    conn.close()


def test_the_peer_answers(pair, far):
    pool, source = far
    here, there, _ = pair
    top = source.chain()
    assert pool.volumes() == source.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]
    assert here.ok("vol-info", "--pool", pool.name, top) == there.ok("vol-info", "--pool", source.name, top)
    mine, theirs = (each.connect().storagePoolLookupByName(p.name) for each, p in ((here, pool), (there, source)))
    assert mine.info()[:2] == theirs.info()[:2]
    assert mine.numOfVolumes() == 3 and sorted(mine.listVolumes()) == source.volumes()
    xml = mine.storageVolLookupByName(top).XMLDesc()
    assert f"<path>replication://{pool.name}/{top}</path>" in xml
    assert f"<key>replication:{mine.UUIDString()}/{top}</key>" in xml
    assert f"<path>replication://{pool.name}/mid.qcow2</path>" in xml
    assert source.path not in xml
    assert ("replication:image" in xml) == there.has_module


def test_lookups_by_key_and_path_never_mix_with_local_ones(pair, far):
    pool, source = far
    here = pair[0]
    top = source.chain()
    conn = here.connect()
    vol = conn.storagePoolLookupByName(pool.name).storageVolLookupByName(top)
    for same in (conn.storageVolLookupByKey(vol.key()), conn.storageVolLookupByPath(vol.path())):
        assert same.name() == top and same.storagePoolLookupByVolume().name() == pool.name
    for look, text in ((conn.storageVolLookupByPath, source.file(top)), (conn.storageVolLookupByKey, source.file(top)),
                       (conn.storageVolLookupByPath, f"replication://nosuch/{top}"),
                       (conn.storageVolLookupByKey, f"replication:{uuid.uuid4()}/{top}"),
                       (conn.storageVolLookupByKey, vol.key() + "x")):
        with pytest.raises(libvirt.libvirtError) as error:
            look(text)
        assert code(error.value) == libvirt.VIR_ERR_NO_STORAGE_VOL
    with pytest.raises(libvirt.libvirtError):
        conn.storagePoolLookupByTargetPath(source.path)
    conn.close()


def test_create_resize_wipe_delete(pair, far):
    pool, source = far
    here = pair[0]
    here.ok("vol-create-as", pool.name, "a.qcow2", "16M", "--format", "qcow2")
    assert os.path.exists(source.file("a.qcow2"))
    here.ok("vol-resize", "a.qcow2", "32M", "--pool", pool.name)
    assert images.info(source.file("a.qcow2"))["virtual-size"] == 32 << 20
    assert "exists" in here.fails("vol-create-as", pool.name, "a.qcow2", "16M")
    here.ok("vol-create-as", pool.name, "b.raw", "1M", "--format", "raw")
    with open(source.file("b.raw"), "r+b") as f:
        f.write(b"x" * 4096)
    here.ok("vol-wipe", "b.raw", pool.name)
    with open(source.file("b.raw"), "rb") as f:
        assert f.read(4096) == bytes(4096)
    here.ok("vol-delete", "a.qcow2", pool.name)
    assert not os.path.exists(source.file("a.qcow2"))
    assert "no storage vol" in here.fails("vol-info", "--pool", pool.name, "a.qcow2")
    open(source.file("new.raw"), "wb").close()
    here.ok("pool-refresh", pool.name)
    assert pool.volumes() == ["b.raw", "new.raw"]


@pytest.mark.parametrize("size", [0, 1, 100_000, 16 << 20, (40 << 20) + 5])
def test_upload_and_download(pair, far, scratch, size):
    pool, source = far
    here = pair[0]
    data = os.urandom(size)
    with open(scratch + "/data", "wb") as f:
        f.write(data)
    here.ok("vol-create-as", pool.name, "up.raw", str(max(size, 1)) + "B", "--format", "raw", "--allocation", "0")
    here.ok("vol-upload", "up.raw", scratch + "/data", "--pool", pool.name)
    with open(source.file("up.raw"), "rb") as f:
        assert f.read(size) == data
    here.ok("vol-download", "up.raw", scratch + "/back", "--pool", pool.name)
    with open(scratch + "/back", "rb") as f:
        assert f.read(size) == data
    if size > 50_000:
        here.ok("vol-download", "up.raw", scratch + "/part", "--pool", pool.name, "--offset", "4097", "--length", "40000")
        with open(scratch + "/part", "rb") as f:
            assert f.read() == data[4097:44097]
    source.refresh()
    assert os.path.getsize(source.file("up.raw")) == max(size, 1)


@pytest.mark.parametrize("places", [(), (10, 11, 50), (0, 63)])
def test_sparse_streams_pass_holes(pair, far, scratch, places):
    """64 MiB with data at few places, up and down: the same bytes, and the same holes."""
    pool, source = far
    here, size, mib = pair[0], 64 << 20, 1 << 20
    with open(scratch + "/data", "wb") as f:
        for place in places:
            f.seek(place * mib)
            f.write(os.urandom(mib))
        f.truncate(size)
    most = (len(places) + 1) * mib
    here.ok("vol-create-as", pool.name, "up.raw", str(size) + "B", "--format", "raw", "--allocation", "0")
    here.ok("vol-upload", "up.raw", scratch + "/data", "--pool", pool.name, "--sparse")
    here.ok("vol-download", "up.raw", scratch + "/back", "--pool", pool.name, "--sparse")
    for path in source.file("up.raw"), scratch + "/back":
        assert images.allocated_bytes(path) <= most and os.path.getsize(path) == size
        subprocess.run(["cmp", scratch + "/data", path], check=True)
    here.ok("vol-download", "up.raw", scratch + "/part", "--pool", pool.name, "--sparse", "--offset", str(10 * mib + 7),
            "--length", str(45 * mib))
    subprocess.run(["cmp", "-i", f"{10 * mib + 7}:0", "-n", str(45 * mib), scratch + "/data", scratch + "/part"],
                   check=True)


def test_streams_that_fail_say_so(pair, far, scratch):
    pool, source = far
    here = pair[0]
    with open(scratch + "/data", "wb") as f:
        f.truncate(1 << 20)
    here.ok("vol-create-as", pool.name, "v.raw", "1M", "--format", "raw")
    os.unlink(source.file("v.raw"))
    assert "v.raw" in here.fails("vol-download", "v.raw", scratch + "/back", "--pool", pool.name)
    assert "v.raw" in here.fails("vol-upload", "v.raw", scratch + "/data", "--pool", pool.name)
    assert "v.raw" in here.fails("vol-download", "v.raw", scratch + "/back", "--pool", pool.name, "--sparse")
    assert "v.raw" in here.fails("vol-upload", "v.raw", scratch + "/data", "--pool", pool.name, "--sparse")
    assert wait_until(lambda: here.threads() < 40)


def test_what_makes_no_sense_from_here_is_refused(pair, far, new_pool):
    pool, source = far
    here = pair[0]
    top = source.chain()
    conn = here.connect()
    remote = conn.storagePoolLookupByName(pool.name)
    for call in (lambda: remote.build(), lambda: remote.delete()):
        with pytest.raises(libvirt.libvirtError) as error:
            call()
        assert code(error.value) == libvirt.VIR_ERR_NO_SUPPORT
    local = Pool(here, "local-" + pool.name)
    images.create(local.file("l.qcow2"), "1M")
    local.refresh()
    near = conn.storagePoolLookupByName(local.name)
    xml = xmlio.volume("copy.qcow2")
    for target, vol in ((near, remote.storageVolLookupByName(top)), (remote, near.storageVolLookupByName("l.qcow2")),
                        (remote, remote.storageVolLookupByName(top))):
        with pytest.raises(libvirt.libvirtError) as error:
            target.createXMLFrom(xml, vol, 0)
        assert code(error.value) == libvirt.VIR_ERR_NO_SUPPORT
        assert "<replication:replicate>" in str(error.value)
    conn.close()
    here.ok("pool-destroy", local.name)
    here.ok("pool-undefine", local.name)


def test_life_of_a_definition(pair):
    here, there, link = pair
    source = Pool(there, "life-there")
    RemotePool(here, "life", source.name, uri=uri(link), start=False)
    path = os.path.join(here.dir, "etc/storage-replication/pools/life.xml")
    assert os.path.exists(path)
    assert "not active" in here.fails("vol-list", "life")
    here.ok("pool-start", "life")
    assert "already active" in here.fails("pool-start", "life")
    assert "still active" in here.fails("pool-undefine", "life")
    here.ok("vol-list", "life")
    here.ok("pool-autostart", "life")
    here.restart()
    assert "yes" in here.ok("pool-info", "life").split("Autostart:")[1]
    here.ok("vol-list", "life")
    here.ok("pool-destroy", "life")
    here.restart()
    here.ok("vol-list", "life")  # it starts with the daemon
    here.ok("pool-autostart", "life", "--disable")
    here.ok("pool-destroy", "life")
    here.restart()
    assert "not active" in here.fails("vol-list", "life")
    here.ok("pool-undefine", "life")
    assert not os.path.exists(path)
    assert "life" not in here.ok("pool-list", "--all", "--name").split()


def test_transient_pools_outlive_the_daemon_and_go_when_stopped(pair):
    here, there, link = pair
    source = Pool(there, "brief-there")
    RemotePool(here, "brief", source.name, uri=uri(link), transient=True)
    assert "Persistent:     no" in here.ok("pool-info", "brief")
    here.kill()
    here.start()
    here.ok("vol-list", "brief")
    here.ok("pool-destroy", "brief")
    assert "brief" not in here.ok("pool-list", "--all", "--name").split()


def test_editing(pair, far):
    pool, source = far
    here, there, _ = pair
    sed = "sed -i 's/system/system?no_tty=1/'"
    before = here.ok("pool-dumpxml", pool.name, "--inactive")
    here.ok("pool-edit", pool.name, env={"EDITOR": "true"})
    assert here.ok("pool-dumpxml", pool.name, "--inactive") == before
    here.ok("pool-edit", pool.name, env={"EDITOR": sed})
    assert "no_tty" in here.ok("pool-dumpxml", pool.name, "--inactive")
    assert "no_tty" not in pool.dumpxml()  # it runs as it was
    here.ok("pool-destroy", pool.name)
    here.ok("pool-start", pool.name)
    assert "no_tty" in pool.dumpxml()
    with xmlio.xml_file(pool.dumpxml()) as f:
        here.ok("pool-define", f.name)  # what is put out is taken


def test_names_and_uuids_are_unique_over_both_kinds(pair, far):
    pool, source = far
    here, _, link = pair
    conn = here.connect()
    ident = conn.storagePoolLookupByName(pool.name).UUIDString()
    path = os.path.join(here.dir, "pools")
    stock = conn.storagePoolDefineXML(xmlio.pool("stock-one", path))
    for xml in (xmlio.pool(pool.name, path), xmlio.pool("other", path, uuid=ident),
                region_xml("stock-one", "x", uri=uri(link)),
                region_xml("other", "x", uri=uri(link), uuid=stock.UUIDString()),
                region_xml(pool.name, "x", uri=uri(link)), region_xml("other", "x", uri=uri(link), uuid=ident)):
        with pytest.raises(libvirt.libvirtError) as error:
            conn.storagePoolDefineXML(xml)
        assert code(error.value) == libvirt.VIR_ERR_OPERATION_FAILED, error.value
        with pytest.raises(libvirt.libvirtError) as error:
            conn.storagePoolCreateXML(xml)
        assert code(error.value) == libvirt.VIR_ERR_OPERATION_FAILED, error.value
    stock.undefine()
    assert sorted(each.name() for each in conn.listAllStoragePools() if each.name().startswith("far")) == [pool.name]
    conn.close()


def test_at_start_the_stock_pool_wins(pair):
    here, _, link = pair
    RemotePool(here, "twice", "x", uri=uri(link), start=False)
    here.stop()
    with open(os.path.join(here.dir, "etc/storage-replication/pools/twice.xml")) as f:
        kept = f.read()
    os.makedirs(os.path.join(here.dir, "etc/storage"), exist_ok=True)
    with open(os.path.join(here.dir, "etc/storage/twice.xml"), "w") as f:
        f.write(xmlio.pool("twice", here.dir + "/pools", uuid=str(uuid.uuid4())))
    here.start()
    assert "type='dir'" in here.ok("pool-dumpxml", "twice")
    assert "'twice'" in here.errors() and "stays out" in here.errors()
    here.ok("pool-destroy", "twice")
    here.ok("pool-undefine", "twice")
    with open(os.path.join(here.dir, "etc/storage-replication/pools/twice.xml")) as f:
        assert f.read() == kept
    here.restart()
    assert "type='region'" in here.ok("pool-dumpxml", "twice")
    here.ok("pool-undefine", "twice")


def test_the_peer_is_shown(pair, far):
    pool, source = far
    pool.volumes()
    peer = pool.peer()
    assert peer["state"] == "connected" and int(peer["since"]) > 1_000_000_000 and "error" not in peer
    xml = pool.dumpxml()
    there = pair[1]
    assert f"name='{'cn-east-2' if there.has_module else source.name}'" in xml
    assert ("<replication:usage " in xml) == there.has_module
    assert "<capacity unit='bytes'>" in xml and "state=" not in pool.dumpxml("--inactive")


def test_a_label_that_contradicts_the_peer_is_refused(pair, far):
    here, there, link = pair
    source = far[1]
    region = "cn-east-2" if there.has_module else source.name
    conn = here.connect()
    with pytest.raises(libvirt.libvirtError) as error:
        conn.storagePoolDefineXML(region_xml("wrong", source.name, uri=uri(link), region="cn-west-9"))
    assert code(error.value) == libvirt.VIR_ERR_OPERATION_INVALID
    assert "cn-west-9" in str(error.value) and region in str(error.value) and uri(link) in str(error.value)
    right = conn.storagePoolDefineXML(region_xml("right", source.name, uri=uri(link), region=region))
    right.create()
    assert right.numOfVolumes() == 0
    right.destroy()
    right.undefine()
    conn.close()


def test_a_region_pool_of_a_region_pool_is_refused(new_host, pair, far):
    pool = far[0]
    here, _, link = pair
    third = new_host(listen=("tcp",)).start()
    net.Link(here, third)
    here_uri = f"storage+tcp://{here.name}/system"
    third.fails("pool-define-as", "x", "region", "--source-host", "a b", "--source-name", "y")
    here.stop()
    here.listen = ("tcp",)
    here.write_conf()
    here.start()
    try:
        with xmlio.xml_file(region_xml("chain", pool.name, uri=here_uri)) as f:
            message = third.fails("pool-define", f.name)
        assert "itself on another host" in message
    finally:
        here.stop()
        here.listen = ()
        here.write_conf()
        here.start()


def test_a_daemon_is_no_peer_of_its_own(new_host):
    host = new_host(listen=("tcp",)).start()
    with xmlio.xml_file(region_xml("mine", "x", uri="storage+tcp://127.0.0.1/system")) as f:
        assert "this very daemon" in host.fails("pool-define", f.name)
    assert "region" in host.ok("pool-capabilities")
    first = host.ok("pool-capabilities")
    host.restart()
    assert host.ok("pool-capabilities") == first


def test_capabilities_announce_type_versions_and_id(pair):
    here, there, _ = pair
    xml = here.ok("pool-capabilities")
    assert "<pool type='region' supported='yes'>" in xml and "<replication:wire version='1'/>" in xml
    assert "<replication:daemon " in xml and "<pool type='dir'" in xml
    assert ("replication:daemon" in there.ok("pool-capabilities")) == there.has_module


def test_events_are_passed_on(event_loop, pair, far):
    pool, source = far
    here = pair[0]
    conn = here.connect()
    seen = []
    watched = conn.storagePoolLookupByName(pool.name)
    ids = [conn.storagePoolEventRegisterAny(watched, libvirt.VIR_STORAGE_POOL_EVENT_ID_REFRESH,
                                            lambda _conn, p, _opaque: seen.append((p.name(), "refresh")), None),
           conn.storagePoolEventRegisterAny(None, libvirt.VIR_STORAGE_POOL_EVENT_ID_LIFECYCLE,
                                            lambda _conn, p, event, _detail, _opaque: seen.append((p.name(), event)), None)]
    pool.volumes()
    seen.clear()
    source.refresh()
    assert wait_until(lambda: (pool.name, "refresh") in seen, 30), seen
    watched.destroy()
    assert wait_until(lambda: (pool.name, libvirt.VIR_STORAGE_POOL_EVENT_STOPPED) in seen, 30), seen
    watched.create()
    assert wait_until(lambda: (pool.name, libvirt.VIR_STORAGE_POOL_EVENT_STARTED) in seen, 30), seen
    for each in ids:
        conn.storagePoolEventDeregisterAny(each)
    conn.close()


def test_changes_to_an_image_are_the_peers(pair, far):
    pool, source = far
    top = source.chain()
    result = pool.update(top, "<replication:description>from afar</replication:description>", check=False)
    if pair[1].has_module:
        assert result.rc == 0, result.err
        assert source.image(top).text("description") == pool.image(top).text("description") == "from afar"
    else:
        assert result.rc != 0 and "no replication module" in result.err


@pytest.mark.parametrize("bad", ["storage+ext:///system?command=/bin/true", "qemu+ssh://h/system?netcat=/bin/true",
                                 "qemu+ssh://h/system?command=/bin/true", "storage+tls://h/system?no_verify=1",
                                 "storage+unix:///system?socket=/tmp/x"])
def test_uris_that_could_do_more_are_refused(pair, bad):
    with xmlio.xml_file(region_xml("bad", "x", uri=bad.replace("&", "&amp;"))) as f:
        for call in ("pool-define", "pool-create"):
            assert bad in pair[0].fails(call, f.name)
    assert "bad" not in pair[0].ok("pool-list", "--all", "--name").split()


def test_readonly_clients_look_and_do_not_touch(pair, far):
    pool, source = far
    here = pair[0]
    top = source.chain()
    assert top in here.ok("vol-list", pool.name, readonly=True)
    here.ok("vol-dumpxml", "--pool", pool.name, top, readonly=True)
    for args in (("vol-delete", top, pool.name), ("pool-destroy", pool.name), ("pool-refresh", pool.name),
                 ("vol-download", top, "/dev/null", "--pool", pool.name)):
        assert "read only" in here.fails(*args, readonly=True)
