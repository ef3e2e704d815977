# SPDX-License-Identifier: LGPL-2.1-or-later
"""Access control by polkit: asked before any guard or message, and for reading the source's data.

A message bus and polkitd of the host's own, in its namespaces; each of the users below has all of
libvirt's rights on storage but those named.
"""

import os
import shutil
import time

import pytest
from harness import client, images, xmlio
from harness.polkit import as_user, guarded
from harness.pools import wait_until

LACKS = {
    "daemon": [],
    "bin": ["storage-vol.data-read"],
    "sys": ["storage-vol.create"],
    "games": ["storage-vol.delete", "storage-vol.format", "storage-vol.resize", "storage-vol.data-write"],
    "man": ["storage-pool.stop", "storage-pool.delete", "storage-pool.save", "storage-pool.write",
            "storage-pool.format", "storage-pool.start"],
    "uucp": ["connect.write"],
    "lp": ["storage-vol.getattr", "storage-pool.getattr"],
    "news": [],  # but for the data of hidden.qcow2
    "irc": [],  # but it does not see unseen.qcow2
}
DENIED = "access denied"


def rules():
    lacks = ",".join(f'"{user}": [{",".join(repr(name) for name in names)}]' for user, names in LACKS.items())
    return ("polkit.addRule(function(action, subject) {\n"
            f"    var lacks = {{{lacks}}};\n"
            '    if (action.id.indexOf("org.libvirt.api.") != 0 || !(subject.user in lacks))\n'
            "        return polkit.Result.NOT_HANDLED;\n"
            '    var name = action.id.substr("org.libvirt.api.".length);\n'
            '    if (subject.user == "news" && name == "storage-vol.data-read" &&\n'
            '        action.lookup("vol_name") == "hidden.qcow2")\n'
            "        return polkit.Result.NO;\n"
            '    if (subject.user == "irc" && name == "storage-vol.getattr" &&\n'
            '        action.lookup("vol_name") == "unseen.qcow2")\n'
            "        return polkit.Result.NO;\n"
            "    return lacks[subject.user].indexOf(name) >= 0 ? polkit.Result.NO : polkit.Result.YES;\n"
            "});\n")


@pytest.fixture(scope="module")
def host(new_host):
    with guarded(new_host, rules()) as host:
        yield host


def replicate_as(host, user, source, target, volume="web.qcow2", **options):
    with xmlio.xml_file(xmlio.replicate(**options)) as f:
        os.chmod(f.name, 0o644)
        return as_user(host, user, "vol-create-from", target.name, f.name, volume,
                       "--inputpool", source.name)


@pytest.fixture
def chained(regions):
    regions[0].chain()
    return regions


def test_polkit_decides(host):
    assert as_user(host, "daemon", "pool-list").returncode == 0
    assert as_user(host, "mail", "pool-list").returncode != 0


def test_allowed_user_replicates(host, chained):
    result = replicate_as(host, "daemon", *chained)
    assert result.returncode == 0, result.stderr
    images.assert_faithful(chained[0].file("web.qcow2"), chained[1].file("web.qcow2"))


@pytest.mark.parametrize("user", ["bin", "sys"])
def test_replication_needs_data_read_and_create(host, chained, user):
    result = replicate_as(host, user, *chained)
    assert result.returncode != 0 and DENIED in result.stderr
    assert chained[1].volumes() == []


def test_denied_before_anything_is_told(host, chained):
    """No message about names, labels, quotas or chains for who may not do it anyway."""
    source, target = chained
    images.create(target.file("web.qcow2"), "1M")
    target.refresh()
    assert DENIED in replicate_as(host, "bin", source, target).stderr
    assert DENIED in replicate_as(host, "sys", source, target).stderr
    assert "exists" in replicate_as(host, "daemon", source, target).stderr


def test_guards_come_after_access(host, chained):
    source = chained[0]
    for args in (("vol-delete", "base.qcow2", source.name), ("vol-wipe", "base.qcow2", source.name),
                 ("vol-resize", "base.qcow2", "64M", "--pool", source.name),
                 ("vol-upload", "base.qcow2", "/dev/null", "--pool", source.name)):
        denied, refused = as_user(host, "games", *args), as_user(host, "daemon", *args)
        assert DENIED in denied.stderr, denied.stderr
        assert "mid.qcow2" not in denied.stderr
        assert refused.returncode != 0 and "mid.qcow2" in refused.stderr, refused.stderr


def test_delete_snapshots_asks_for_every_layer(host, chained):
    source = chained[0]
    assert DENIED in as_user(host, "games", "vol-delete", "web.qcow2", source.name, "--delete-snapshots").stderr
    assert len(source.volumes()) == 3
    assert as_user(host, "daemon", "vol-delete", "web.qcow2", source.name, "--delete-snapshots").returncode == 0
    assert source.volumes() == []


def test_pool_guards_come_after_access(host, chained):
    source, target = chained
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 512))
    job = target.wait_job("web.qcow2", ("running",))
    for call in ("pool-destroy", "pool-build", "pool-delete"):
        denied = as_user(host, "man", call, target.name)
        assert DENIED in denied.stderr and job["id"] not in denied.stderr, denied.stderr
        assert as_user(host, "daemon", call, target.name).returncode != 0
    host.ok("vol-delete", "web.qcow2", target.name)
    wait_until(lambda: target.volumes() == [], 5)


def test_defining_a_region_needs_the_pool_rights(host, scratch):
    with xmlio.xml_file(xmlio.pool("denied", scratch, xmlio.region("r"))) as f:
        os.chmod(f.name, 0o644)
        assert DENIED in as_user(host, "man", "pool-define", f.name).stderr
        assert DENIED in as_user(host, "man", "pool-create", f.name).stderr
    assert "denied" not in host.ok("pool-list", "--all", "--name").split()


def test_projects_are_the_administrators(host, new_pool):
    """Whose a pool is takes connect.write, beside the rights on the pool."""
    pool = new_pool("cn-north-1")
    uuid = host.ok("pool-uuid", pool.name).strip()
    for project, allowed in (("p2", False), ("default", True), (None, True)):
        with xmlio.xml_file(xmlio.pool(pool.name, pool.path, xmlio.region("cn-north-1", project), uuid=uuid)) as f:
            os.chmod(f.name, 0o644)
            result = as_user(host, "uucp", "pool-define", f.name)
            assert (result.returncode == 0) == allowed, result.stderr
            assert allowed or DENIED in result.stderr
    with xmlio.xml_file(xmlio.pool(pool.name, pool.path, xmlio.region("cn-north-1", "p2"), uuid=uuid)) as f:
        os.chmod(f.name, 0o644)
        assert as_user(host, "daemon", "pool-define", f.name).returncode == 0
        assert as_user(host, "uucp", "pool-define", f.name).returncode == 0  # it is p2's already
    with xmlio.xml_file(xmlio.pool(pool.name, pool.path, xmlio.region("cn-north-1"), uuid=uuid)) as f:
        os.chmod(f.name, 0o644)
        assert DENIED in as_user(host, "uucp", "pool-define", f.name).stderr


def test_update_needs_rights_on_the_volume(host, chained):
    source = chained[0]
    with xmlio.xml_file(xmlio.update("web.qcow2", "<replication:name>x</replication:name>")) as f:
        os.chmod(f.name, 0o644)
        assert DENIED in as_user(host, "sys", "vol-create", source.name, f.name).stderr
        assert source.image("web.qcow2").text("name") == "web.qcow2"
        assert as_user(host, "daemon", "vol-create", source.name, f.name).returncode == 0
    assert source.image("web.qcow2").text("name") == "x"


def test_records_are_shown_to_who_may_see_the_volume(host, chained):
    source = chained[0]
    assert "replication:image" in as_user(host, "bin", "vol-dumpxml", "web.qcow2", source.name).stdout
    assert "replication" not in as_user(host, "lp", "vol-dumpxml", "web.qcow2", source.name).stdout
    assert "replication" not in as_user(host, "lp", "pool-dumpxml", source.name).stdout


def test_jobs_of_hidden_volumes_are_not_shown(host, chained):
    """What a list filter hides of a pool's volumes is not among its jobs either."""
    source, target = chained
    for volume, name in (("web.qcow2", "unseen.qcow2"), ("mid.qcow2", "seen.qcow2")):
        target.replicate(source, volume, name=name, start="no")
    assert [job["volume"] for job in xmlio.overview(target.dumpxml(), "job")] == ["seen.qcow2", "unseen.qcow2"]
    shown = as_user(host, "irc", "pool-dumpxml", target.name).stdout
    assert [job["volume"] for job in xmlio.overview(shown, "job")] == ["seen.qcow2"]
    assert xmlio.overview(shown, "counts") == [{"jobs": "1", "shared": "0"}]
    for volume in ("seen.qcow2", "unseen.qcow2"):
        host.ok("vol-delete", volume, target.name)


def test_job_goes_on_with_the_requesters_rights_after_it_left(host, chained):
    source, target = chained
    result = replicate_as(host, "daemon", source, target, async_="yes", bandwidth=("KiB/s", 4096))
    assert result.returncode == 0, result.stderr
    time.sleep(0.2)
    target.wait_job("web.qcow2")
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_plain_pools_are_as_stock(host, new_pool):
    pool = new_pool(None)
    pool.chain()
    assert DENIED in as_user(host, "games", "vol-delete", "base.qcow2", pool.name).stderr
    assert as_user(host, "daemon", "vol-delete", "base.qcow2", pool.name).returncode == 0


@pytest.mark.parametrize("user, reused", [("daemon", True), ("news", False)])
def test_layers_that_one_may_not_read_are_not_looked_at(host, chained, user, reused):
    """Whether another's volume has the same content must not show in what is reused."""
    source, target = chained
    shutil.copyfile(source.file("base.qcow2"), target.file("hidden.qcow2"))
    target.refresh()
    result = replicate_as(host, user, source, target)
    assert result.returncode == 0, result.stderr
    xml = host.ok("vol-dumpxml", "web.qcow2", target.name)
    assert ("volume='hidden.qcow2' action='reuse'" in xml) == reused, xml
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_heal_reads_only_what_the_requester_may_read(host, new_pool):
    """The only good copy is a volume whose data the requester may not read: it is not looked at."""
    pool, other = new_pool("cn-north-8"), new_pool("cn-east-8")
    images.base(pool.file("one.qcow2"), size_mib=8)
    pool.refresh()
    other.replicate(pool, "one.qcow2", name="hidden.qcow2")
    pool.update("one.qcow2", "<replication:job action='verify'/>")
    pool.wait_job("one.qcow2")
    good = images.file_digest(pool.file("one.qcow2"))
    st = os.stat(pool.file("one.qcow2"))
    with open(pool.file("one.qcow2"), "r+b") as f:
        f.seek(st.st_size // 131072 * 65536)
        f.write(bytes(range(256)))
    os.utime(pool.file("one.qcow2"), ns=(st.st_atime_ns, st.st_mtime_ns))
    with xmlio.xml_file(xmlio.update("one.qcow2", "<replication:job action='heal'/>")) as f:
        os.chmod(f.name, 0o644)
        result = as_user(host, "news", "vol-create", pool.name, f.name)
        assert result.returncode == 0, result.stderr
    pool.wait_job("one.qcow2", ("failed",))
    assert images.file_digest(pool.file("one.qcow2")) != good
    pool.update("one.qcow2", "<replication:job action='heal'/>")
    pool.wait_job("one.qcow2")
    assert images.file_digest(pool.file("one.qcow2")) == good


def test_bundles_need_the_rights_of_a_replication(host, chained, new_pool):
    """data_read of all layers and of the bundle, create in the target; what a <have> may not tell it does not tell."""
    source, target = chained
    out = new_pool()
    asked = {"fmt": None, "name": "b"}
    for user in "bin", "sys":
        assert DENIED in replicate_as(host, user, source, out, bundle="yes", **asked).stderr
    assert out.volumes() == []
    assert replicate_as(host, "daemon", source, out, bundle="yes", **asked).returncode == 0
    for user in "bin", "sys":
        assert DENIED in replicate_as(host, user, out, target, "b", fmt=None, bundle="import").stderr
    assert target.volumes() == []
    out.replicate(source, "web.qcow2", name="hidden.qcow2", fmt=None, bundle="inventory")
    xml = xmlio.replicate(bundle="yes", fmt=None, name="c").replace(
        "</replication:replicate>", f"<replication:have pool='{out.name}' volume='hidden.qcow2'/></replication:replicate>")
    with xmlio.xml_file(xml) as f:
        os.chmod(f.name, 0o644)
        argv = ("vol-create-from", out.name, f.name, "web.qcow2", "--inputpool", source.name)
        assert DENIED in as_user(host, "news", *argv).stderr and "c" not in out.volumes()
        assert as_user(host, "daemon", *argv).returncode == 0
    assert replicate_as(host, "daemon", out, target, "b", fmt=None).returncode == 0
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))


def test_client_says_what_to_see_to(host, new_pool):
    """virt-replicate by a user who may look at everything, and create nothing."""
    source, _ = new_pool("cn-north-7"), new_pool("cn-east-7")
    images.create(source.file("web.qcow2"), "1M")
    source.refresh()
    program = client.program_for_others(host)
    listed = as_user(host, "sys", "images", "cn-north-7", program=program)
    assert listed.returncode == 0 and "web.qcow2" in listed.stdout, listed
    result = as_user(host, "sys", "copy", "web.qcow2", "--to", "cn-east-7", program=program)
    assert result.returncode == 1 and DENIED in result.stderr, result
    assert "has no right to do it: see the access control of libvirt" in result.stderr, result
