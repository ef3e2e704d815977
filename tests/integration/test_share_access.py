# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sharing under the polkit example that is shipped: users are confined to the pools of their project, and copy what
is shared with it."""

import os

import pytest
from harness import images, xmlio
from harness.host import SOURCE_ROOT
from harness.polkit import as_user, guarded
from harness.pools import Pool

REGION = "cn-north-1"
DENIED = "access denied"
OWNER, OTHER = "bin", "daemon"  # of projects p1 and p2


def rules():
    with open(os.path.join(SOURCE_ROOT, "tools/polkit/50-storage-projects.rules")) as f:
        text = f.read()
    for group, user in (("@project-p1", OWNER), ("@project-p2", OTHER)):
        assert f'"{group}"' in text
        text = text.replace(f'"{group}"', f'"{user}"')
    return text


@pytest.fixture(scope="module")
def host(new_host):
    with guarded(new_host, rules()) as host:
        yield host


@pytest.fixture(scope="module")
def projects(host):
    own = Pool(host, "p1-images", region=REGION, project="p1")
    other = Pool(host, "p2-images", region=REGION, project="p2")
    own.chain()
    return own, other


def vol_create(host, user, pool, xml):
    with xmlio.xml_file(xml) as f:
        os.chmod(f.name, 0o644)
        return as_user(host, user, "vol-create", pool.name, f.name)


def share(host, user, pool, inner):
    return vol_create(host, user, pool, xmlio.update("web.qcow2", inner))


def test_projects_do_not_see_each_other(host, projects):
    own, other = projects
    assert as_user(host, OWNER, "pool-list", "--name").stdout.split() == [own.name]
    assert as_user(host, OTHER, "pool-list", "--name").stdout.split() == [other.name]
    for args in (("vol-list", own.name), ("vol-dumpxml", "web.qcow2", own.name), ("pool-dumpxml", own.name),
                 ("vol-delete", "web.qcow2", own.name), ("vol-download", "web.qcow2", "/dev/null", "--pool", own.name),
                 ("pool-refresh", own.name)):
        result = as_user(host, OTHER, *args)
        assert result.returncode != 0 and DENIED in result.stderr, (args, result.stderr)


def test_other_projects_images_are_not_changed_nor_copied(host, projects):
    own, other = projects
    image = own.image("web.qcow2").id
    result = share(host, OTHER, own, "<replication:share project='p2' state='offered'/>")
    assert DENIED in result.stderr
    with xmlio.xml_file(xmlio.replicate()) as f:
        os.chmod(f.name, 0o644)
        result = as_user(host, OTHER, "vol-create-from", other.name, f.name, "web.qcow2", "--inputpool", own.name)
        assert result.returncode != 0 and DENIED in result.stderr
    absent = "00000000-0000-4000-8000-000000000000"
    said = [vol_create(host, OTHER, other, xmlio.replicate(image=one)).stderr.splitlines()[-1].replace(one, "ID")
            for one in (image, absent)]
    assert said[0] == said[1] and "no image 'ID'" in said[0], said
    assert other.volumes() == []
    assert own.image("web.qcow2").shares == {}


def test_look_up_by_id_shows_only_what_may_be_seen(host, projects):
    own = projects[0]
    key = f"replication:image/{own.image('web.qcow2').id}"
    assert as_user(host, OWNER, "vol-pool", key).stdout.strip() == own.name
    said = as_user(host, OTHER, "vol-pool", key).stderr
    assert DENIED not in said and own.name not in said


def test_shared_images_are_copied(host, projects):
    own, other = projects
    image = own.image("web.qcow2").id
    result = share(host, OWNER, own, "<replication:share project='p2' state='offered'/>")
    assert result.returncode == 0, result.stderr
    shown = as_user(host, OTHER, "pool-dumpxml", other.name).stdout
    assert [s["image"] for s in xmlio.overview(shown, "shared")] == [image]
    accept = (f"<volume><metadata><replication:update xmlns:replication='{xmlio.NS}'><replication:share image='{image}' "
              "state='accepted'/></replication:update></metadata></volume>")
    assert DENIED in vol_create(host, OWNER, other, accept).stderr
    assert vol_create(host, OTHER, other, xmlio.replicate(image=image)).returncode != 0
    result = vol_create(host, OTHER, other, accept)
    assert result.returncode == 0, result.stderr
    result = vol_create(host, OTHER, other, xmlio.replicate(image=image))
    assert result.returncode == 0, result.stderr
    images.assert_faithful(own.file("web.qcow2"), other.file(f"copy_{REGION}_web.qcow2"))
    # still nothing else
    assert DENIED in as_user(host, OTHER, "vol-download", "web.qcow2", "/dev/null", "--pool", own.name).stderr
    assert DENIED in as_user(host, OTHER, "vol-dumpxml", "web.qcow2", own.name).stderr


def test_the_owner_ends_a_job_in_a_pool_it_cannot_see(host, projects):
    own, other = projects
    image = own.image("web.qcow2").id
    result = vol_create(host, OTHER, other, xmlio.replicate(image=image, name="later.qcow2", async_="yes", start="no"))
    assert result.returncode == 0, result.stderr
    assert "later.qcow2" in other.volumes()
    result = share(host, OWNER, own, "<replication:share project='p2' state='revoked'/>")
    assert result.returncode == 0, result.stderr
    assert "later.qcow2" not in other.volumes()
    assert f"copy_{REGION}_web.qcow2" in other.volumes()
