# SPDX-License-Identifier: LGPL-2.1-or-later
"""Region pools: the label, its life, and what the pool's XML shows."""

import os
import re

import libvirt
import pytest
from harness import images, space, xmlio
from harness.host import SOURCE_ROOT
from harness.pools import Pool

QUOTA = {"images": 5, "snapshots": 9, "bytes": 1 << 30}


def valid(schema, xml):
    """Checks a document against one of our schemas with xmllint."""
    with xmlio.xml_file(xml) as f:
        space.run("xmllint", "--nonet", "--noout", "--relaxng",
                  os.path.join(SOURCE_ROOT, "xml", schema), f.name)


def define(host, xml, *flags):
    with xmlio.xml_file(xml) as f:
        return host.virsh("pool-define", f.name, *flags)


def test_label_is_shown(new_pool):
    pool = new_pool("cn-north-1", project="p1", quota=QUOTA)
    xml = pool.dumpxml()
    assert xmlio.region_of(xml) == "cn-north-1"
    assert "project='p1'" in xml
    for name, value in QUOTA.items():
        assert f"{name}='{value}'" in xml
    assert xmlio.usage(xml) == {"images": 0, "snapshots": 0, "bytes": 0}
    valid("pool.rng", xml)


def test_project_defaults(new_pool):
    assert "project='default'" in new_pool("cn-north-1").dumpxml()


def test_inactive_xml_has_no_usage(new_pool):
    pool = new_pool("cn-north-1")
    inactive = pool.dumpxml("--inactive")
    assert xmlio.region_of(inactive) == "cn-north-1"
    assert xmlio.usage(inactive) is None


def test_label_survives_refresh_restart_and_kill(host, new_pool):
    pool = new_pool("cn-north-1", quota=QUOTA)
    host.ok("pool-autostart", pool.name)
    before = xmlio.metadata(pool.dumpxml("--inactive"))
    assert "cn-north-1" in before
    pool.refresh()
    assert xmlio.metadata(pool.dumpxml("--inactive")) == before
    host.restart()
    assert xmlio.metadata(pool.dumpxml("--inactive")) == before
    assert xmlio.usage(pool.dumpxml()) is not None
    host.kill()
    host.start()
    assert xmlio.metadata(pool.dumpxml("--inactive")) == before


def test_label_survives_pool_edit(host, new_pool):
    pool = new_pool("cn-north-1", quota=QUOTA)
    assert host.virsh("pool-edit", pool.name, env={"EDITOR": "true"}).rc == 0
    host.ok("pool-edit", pool.name, env={"EDITOR": "sed -i -e s/cn-north-1/cn-north-2/"})
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-2"
    assert "images='5'" in pool.dumpxml()


def test_pool_edit_works_while_usage_changes(host, new_pool):
    pool = new_pool("cn-north-1")
    editor = os.path.join(host.dir, "editor")
    with open(editor, "w") as f:
        f.write(f"#!/bin/sh\nqemu-img create -q -f qcow2 {pool.path}/new.qcow2 1M\n"
                "sed -i -e s/cn-north-1/cn-north-3/ \"$1\"\n")
    os.chmod(editor, 0o755)
    host.ok("pool-edit", pool.name, env={"EDITOR": editor})
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-3"
    assert pool.usage()["images"] == 1


def test_define_replaces_and_removes_the_label(host, new_pool):
    pool = new_pool("cn-north-1")
    uuid = host.ok("pool-uuid", pool.name).strip()
    relabelled = xmlio.pool(pool.name, pool.path, xmlio.region("cn-west-1", "p2"), uuid=uuid)
    assert define(host, relabelled).rc == 0
    assert xmlio.region_of(pool.dumpxml()) == "cn-west-1"
    assert define(host, xmlio.pool(pool.name, pool.path, "<x:a xmlns:x='urn:x'/>", uuid=uuid)).rc == 0
    assert "replication" not in pool.dumpxml()
    host.restart()
    assert "replication" not in pool.dumpxml("--inactive")


def test_define_without_metadata_keeps_the_label(host, new_pool):
    """As tools do that know no metadata."""
    pool = new_pool("cn-north-1", quota=QUOTA)
    uuid = host.ok("pool-uuid", pool.name).strip()
    before = xmlio.metadata(pool.dumpxml("--inactive"))
    assert define(host, xmlio.pool(pool.name, pool.path, uuid=uuid)).rc == 0
    assert xmlio.metadata(pool.dumpxml("--inactive")) == before
    host.restart()
    assert xmlio.metadata(pool.dumpxml("--inactive")) == before


def test_a_transient_label_lasts_when_the_pool_does(host, new_pool):
    pool = new_pool("cn-north-1", transient=True)
    uuid = host.ok("pool-uuid", pool.name).strip()
    assert define(host, xmlio.pool(pool.name, pool.path, uuid=uuid)).rc == 0
    host.ok("pool-destroy", pool.name)
    host.restart()
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-1"


@pytest.mark.parametrize("label", ["<region xmlns='urn:libvirt-replication:1' name='a'/>", "<region name='a'/>"])
def test_label_in_a_wrong_namespace_is_an_error(host, scratch, label):
    error = define(host, xmlio.pool("miss", scratch, label)).err
    assert "urn:libvirt-replication:1.0" in error and "<region" in error
    assert "miss" not in host.ok("pool-list", "--all", "--name")


@pytest.mark.parametrize("flags", [(), ("--validate",)])
def test_dumpxml_can_be_defined_and_created(host, new_pool, flags):
    pool = new_pool("cn-north-1", quota=QUOTA)
    xml = pool.dumpxml()
    result = define(host, xml, *flags)
    assert result.rc == 0, result.err
    host.ok("pool-destroy", pool.name)
    host.ok("pool-undefine", pool.name)
    with xmlio.xml_file(xml) as f:
        host.ok("pool-create", f.name)
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-1"
    assert host.ok("pool-list", "--transient", "--name").split() == [pool.name]


def test_transient_pool(host, new_pool):
    pool = new_pool("cn-north-1", transient=True)
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-1"
    pool.refresh()
    host.restart()
    assert xmlio.region_of(pool.dumpxml()) == "cn-north-1"
    host.ok("pool-destroy", pool.name)
    again = Pool(host, pool.name, path=pool.path)
    assert "replication" not in again.dumpxml()


def test_undefined_pool_takes_its_label_along(host, new_pool):
    pool = new_pool("cn-north-1")
    uuid = host.ok("pool-uuid", pool.name).strip()
    host.ok("pool-destroy", pool.name)
    host.ok("pool-undefine", pool.name)
    assert define(host, xmlio.pool(pool.name, pool.path, uuid=uuid)).rc == 0
    assert "replication" not in pool.dumpxml()


def test_usage_counts_images_snapshots_and_bytes(host, new_pool):
    pool = new_pool("cn-north-1")
    pool.chain()
    images.overlay(pool.file("other.qcow2"), "base.qcow2")
    images.base(pool.file("alone.img"), fmt="raw")
    pool.refresh()
    usage = pool.usage()
    assert (usage["images"], usage["snapshots"]) == (3, 2)
    assert usage["bytes"] == sum(images.allocated_bytes(pool.file(name)) for name in pool.volumes())
    host.ok("vol-delete", "web.qcow2", pool.name)
    assert pool.usage()["images"] == 3  # mid.qcow2 is nobody's base any more
    assert pool.usage()["snapshots"] == 1


BAD_LABELS = {
    "no name": "<replication:region {ns}/>",
    "empty name": "<replication:region {ns} name=''/>",
    "unknown attribute": "<replication:region {ns} name='r' colour='blue'/>",
    "unknown element": "<replication:region {ns} name='r'><replication:colour/></replication:region>",
    "unknown of ours": "<replication:regions {ns} name='r'/>",
    "two labels": "<replication:region {ns} name='r'/><replication:region {ns} name='s'/>",
    "negative quota": "<replication:region {ns} name='r'><replication:quota images='-1'/></replication:region>",
    "quota no number": "<replication:region {ns} name='r'><replication:quota bytes='many'/></replication:region>",
    "huge quota": "<replication:region {ns} name='r'><replication:quota bytes='99999999999999999999'/>"
                  "</replication:region>",
    "unknown quota": "<replication:region {ns} name='r'><replication:quota volumes='1'/></replication:region>",
    "text inside": "<replication:region {ns} name='r'>text</replication:region>",
    "a request": "<replication:replicate {ns}/>",
}


@pytest.mark.parametrize("what", BAD_LABELS)
def test_bad_label_is_refused(host, scratch, what):
    label = BAD_LABELS[what].format(ns=f"xmlns:replication='{xmlio.NS}'")
    with pytest.raises(libvirt.libvirtError) as error:
        host.connect().storagePoolDefineXML(xmlio.pool("bad", scratch, label), 0)
    assert error.value.get_error_code() in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_INVALID_ARG)
    assert "bad" not in host.ok("pool-list", "--all", "--name").split()


def test_error_names_what_is_unknown(host, scratch):
    label = BAD_LABELS["unknown attribute"].format(ns=f"xmlns:replication='{xmlio.NS}'")
    err = define(host, xmlio.pool("bad", scratch, label)).err
    assert "colour" in err
    label = BAD_LABELS["negative quota"].format(ns=f"xmlns:replication='{xmlio.NS}'")
    err = define(host, xmlio.pool("bad", scratch, label)).err
    assert "images" in err or "quota" in err


def test_only_file_based_pools_can_be_regions(host):
    xml = ("<pool type='logical'><name>vg</name><source><name>vg</name></source><target><path>/dev/vg"
           f"</path></target><metadata>{xmlio.region('r')}</metadata></pool>")
    with pytest.raises(libvirt.libvirtError) as error:
        host.connect().storagePoolDefineXML(xml, 0)
    assert error.value.get_error_code() == libvirt.VIR_ERR_NO_SUPPORT
    assert "logical" in str(error.value)


def test_label_with_odd_characters_comes_back(host, new_pool):
    name = "r&lt;é&apos;&quot;"
    pool = new_pool(None)
    uuid = host.ok("pool-uuid", pool.name).strip()
    label = f"<replication:region xmlns:replication='{xmlio.NS}' name='{name}'/>"
    result = define(host, xmlio.pool(pool.name, pool.path, label, uuid=uuid))
    if result.rc == 0:
        assert xmlio.region_of(pool.dumpxml()) == "r<é'\""
        host.restart()
        assert xmlio.region_of(pool.dumpxml("--inactive")) == "r<é'\""
    else:
        assert "name" in result.err  # refused, but then naming it


def test_pool_without_label_stays_plain(host, new_pool, regions):
    """Also beside region pools."""
    pool = new_pool(None)
    pool.chain()
    assert "replication" not in pool.dumpxml()
    assert "replication" not in host.ok("vol-dumpxml", "web.qcow2", pool.name)
    assert ".replication" not in os.listdir(pool.path)


def test_readonly_connection_sees_the_label(host, regions):
    assert xmlio.region_of(host.ok("pool-dumpxml", regions[0].name, readonly=True)) == "cn-north-1"


def test_label_is_kept_outside_of_the_pool(host, new_pool):
    """A label is the host's word about a pool, not something that comes with a disk."""
    pool = new_pool("cn-north-1")
    assert not any(re.search("label|region", name) for name in pool.staging())
    twin = new_pool(None)
    space.run("cp", "-a", pool.path + "/.", twin.path)
    twin.refresh()
    assert "replication" not in twin.dumpxml()


def test_broken_label_file_costs_one_label(host, new_pool):
    """Files of the host are read with care: the daemon starts, the pool and the others stay."""
    good, bad = new_pool("cn-north-1"), new_pool("cn-north-1")
    uuid = host.ok("pool-uuid", bad.name).strip()
    found = [os.path.join(root, name) for root, _, names in os.walk(host.dir + "/etc/storage-replication")
             for name in names if uuid in name]
    assert found, "the label's file is not named after the pool"
    with open(found[0], "w") as f:
        f.write("<nonsense")
    host.restart()
    assert xmlio.region_of(good.dumpxml("--inactive")) == "cn-north-1"
    assert host.virsh("pool-dumpxml", bad.name).rc == 0
