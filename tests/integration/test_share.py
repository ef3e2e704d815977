# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sharing between projects: offers, answers, and what an accepted share stands for."""

import threading
import uuid

import libvirt
import pytest
from harness import images, xmlio
from harness.crypt import Key
from harness.pools import code, wait_until

REGION = "cn-north-1"


@pytest.fixture
def projects(new_pool):
    """The owner's pool and another project's, in one region."""
    return new_pool(REGION, project="p1"), new_pool(REGION, project="p2")


@pytest.fixture
def chained(projects):
    projects[0].chain()
    return projects


def share(pool, volume, project="p2", state="offered", check=True):
    return pool.update(volume, f"<replication:share project='{project}' state='{state}'/>", check)


def answer_xml(image, state, project=None):
    return (f"<volume><metadata><replication:update xmlns:replication='{xmlio.NS}'>"
            f"<replication:share{xmlio.attrs(image=image, state=state, project=project)}/>"
            "</replication:update></metadata></volume>")


def answer(pool, image, state, project=None, check=True):
    with xmlio.xml_file(answer_xml(image, state, project)) as f:
        return (pool.host.ok if check else pool.host.virsh)("vol-create", pool.name, f.name)


def by_id(pool, image, check=True, **options):
    with xmlio.xml_file(xmlio.replicate(image=image, **options)) as f:
        return (pool.host.ok if check else pool.host.virsh)("vol-create", pool.name, f.name, timeout_s=120)


def shared_of(pool):
    """What the pool's XML lists: {image: attributes}."""
    return {s["image"]: s for s in xmlio.overview(pool.dumpxml(), "shared")}


def error_of(pool, xml):
    conn = pool.host.connect()
    try:
        conn.storagePoolLookupByName(pool.name).createXML(xml, 0)
    except libvirt.libvirtError as err:
        return err
    finally:
        conn.close()
    raise AssertionError("nothing was refused")


def test_offer_is_listed_accepted_and_replicated(chained):
    """An accepted share makes a private image of the own project."""
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    assert owner.image("web.qcow2").shares == {"p2": "offered"}
    assert shared_of(other) == {image: {"image": image, "name": "web.qcow2", "project": "p1", "region": REGION,
                                        "state": "offered"}}
    answer(other, image, "accepted")
    assert shared_of(other)[image]["state"] == "accepted"
    by_id(other, image)
    copy = other.image(f"copy_{REGION}_web.qcow2")
    assert (copy.project, copy.visibility, copy.status) == ("p2", "private", "available")
    assert copy.source["id"] == image and copy.id != image and copy.shares == {}
    images.assert_faithful(owner.file("web.qcow2"), other.file(f"copy_{REGION}_web.qcow2"))
    # it is the project's own: it can be replicated on, and goes when the project says so
    other.replicate(other, f"copy_{REGION}_web.qcow2", name="again.qcow2")


def test_shared_image_to_another_region(chained, new_pool):
    owner, other = chained
    far = new_pool("cn-east-2", project="p2")
    share(owner, "web.qcow2")
    image = owner.image("web.qcow2").id
    answer(other, image, "accepted")
    by_id(far, image)
    assert far.image("web.qcow2").project == "p2"


@pytest.mark.parametrize("state", ["none", "offered", "rejected", "revoked"])
def test_only_accepted_shares_are_replicated(chained, state):
    owner, other = chained
    image = owner.image("web.qcow2").id
    if state != "none":
        share(owner, "web.qcow2")
    if state == "rejected":
        answer(other, image, "rejected")
    if state == "revoked":
        answer(other, image, "accepted")
        share(owner, "web.qcow2", state="revoked")
    err = other.refusal(owner, "web.qcow2")
    assert code(err) == libvirt.VIR_ERR_OPERATION_DENIED and "p1" in str(err)
    assert by_id(other, image, check=False).rc != 0
    assert other.volumes() == []
    assert (image in shared_of(other)) == (state == "offered")


def test_rejecting_gives_up_an_accepted_share(chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    answer(other, image, "rejected")
    assert owner.image("web.qcow2").shares == {"p2": "rejected"}
    assert by_id(other, image, check=False).rc != 0
    share(owner, "web.qcow2")  # and may be offered again
    answer(other, image, "accepted")
    by_id(other, image)


def test_owner_answers_for_a_project(chained):
    """In the owner's pool, with the project's name: for who may change both."""
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(owner, image, "accepted", project="p2")
    assert owner.image("web.qcow2").shares == {"p2": "accepted"}
    assert answer(owner, image, "accepted", project="p3", check=False).rc != 0


def test_an_answer_needs_an_offer(chained, new_pool):
    """In the words of an image that is not there."""
    owner, other = chained
    image = owner.image("web.qcow2").id
    absent = str(uuid.uuid4())
    says = []
    for one in (image, absent):
        err = error_of(other, answer_xml(one, "accepted"))
        assert code(err) == libvirt.VIR_ERR_NO_STORAGE_VOL
        says.append(str(err).replace(one, "ID"))
    assert says[0] == says[1]
    share(owner, "web.qcow2")
    far = new_pool("cn-east-2", project="p2")  # of the project, in another region
    assert answer(far, image, "accepted", check=False).rc != 0
    assert answer(new_pool(REGION, project="p3"), image, "accepted", check=False).rc != 0
    assert shared_of(far) == {}


def test_shares_are_idempotent(chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    answer(other, image, "accepted")
    share(owner, "web.qcow2")
    assert owner.image("web.qcow2").shares == {"p2": "accepted"}
    share(owner, "web.qcow2", state="revoked")
    share(owner, "web.qcow2", state="revoked")
    assert share(owner, "web.qcow2", project="p9", state="revoked", check=False).rc != 0
    assert "not shared with project 'p9'" in share(owner, "web.qcow2", "p9", "revoked", check=False).err


def test_encrypted_images_are_not_shared(host, projects):
    owner, _ = projects
    key = Key(host, value="sesame")
    images.luks(owner.file("secret.qcow2"), 8, key.value)
    owner.refresh()
    result = share(owner, "secret.qcow2", check=False)
    assert result.rc != 0 and "encrypted image cannot be shared" in result.err
    images.luks(owner.file("raw.luks"), 8, key.value, fmt="luks")
    owner.refresh()
    assert "encrypted" in share(owner, "raw.luks", check=False).err


def test_an_image_encrypted_later_is_not_copied(host, chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    images.remove(owner.file("web.qcow2"))
    images.luks(owner.file("web.qcow2"), 8, "sesame")
    result = by_id(other, image, check=False)
    assert result.rc != 0 and other.volumes() == []


def test_pending_images_are_not_shared(chained):
    owner, other = chained
    owner.replicate(owner, "web.qcow2", name="slow.qcow2", async_="yes", bandwidth=("KiB/s", 64))
    result = share(owner, "slow.qcow2", check=False)
    assert result.rc != 0 and "pending" in result.err
    owner.host.ok("vol-delete", "slow.qcow2", owner.name)


def test_foreign_images_are_not_shared(projects, new_pool):
    """Not a chain through the layers of another project."""
    owner, other = projects
    images.base(other.file("base.qcow2"))
    images.overlay(owner.file("top.qcow2"), other.file("base.qcow2"))
    other.refresh()
    owner.refresh()
    result = share(owner, "top.qcow2", "p3", check=False)
    assert result.rc != 0 and "does not belong to project" in result.err and "base.qcow2" in result.err
    assert share(owner, "base.qcow2", check=False).rc != 0
    assert "already" in share(owner, "top.qcow2", "p1", check=False).err


def test_revoking_never_touches_copies(chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    by_id(other, image)
    before = other.state()
    share(owner, "web.qcow2", state="revoked")
    assert other.state() == before
    assert other.image(f"copy_{REGION}_web.qcow2").status == "available"


@pytest.mark.parametrize("side", ["owner", "project"])
def test_a_share_that_ends_ends_jobs_that_have_not_begun(chained, side):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    by_id(other, image, name="planned.qcow2", async_="yes", start="no")
    assert other.image("planned.qcow2").job["state"] == "planned"
    if side == "owner":
        share(owner, "web.qcow2", state="revoked")
    else:
        answer(other, image, "rejected")
    assert other.volumes() == []
    # nothing of the job stands in the way
    owner.host.ok("vol-delete", "web.qcow2", owner.name)


def test_a_share_that_ends_leaves_jobs_that_have_begun(chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    answer(other, image, "accepted")
    by_id(other, image, name="slow.qcow2", async_="yes", bandwidth=("MiB/s", 2))
    assert wait_until(lambda: int(other.image("slow.qcow2").job["processed"]) > 0, 60)
    share(owner, "web.qcow2", state="revoked")
    other.host.restart()  # plans again
    other.update("slow.qcow2", "<replication:bandwidth>0</replication:bandwidth>")
    other.wait_job("slow.qcow2", timeout_s=120)
    images.assert_faithful(owner.file("web.qcow2"), other.file("slow.qcow2"))


def test_shares_survive_restart_and_refresh(chained):
    owner, other = chained
    image = owner.image("web.qcow2").id
    share(owner, "web.qcow2")
    owner.update("web.qcow2", "<replication:name>The web</replication:name>")
    owner.host.restart()
    owner.refresh()
    other.refresh()
    assert shared_of(other)[image]["name"] == "The web"
    owner.host.ok("vol-delete", "web.qcow2", owner.name)
    assert shared_of(other) == {}


def test_unknown_ids_are_refused(projects):
    err = error_of(projects[1], xmlio.replicate(image=str(uuid.uuid4())))
    assert code(err) == libvirt.VIR_ERR_NO_STORAGE_VOL


def test_by_id_of_the_own_project(chained, new_pool):
    """No share is needed for what the caller may read; a derived id will do."""
    owner = chained[0]
    far = new_pool("cn-east-2", project="p1")
    by_id(far, owner.image("web.qcow2").id)
    assert far.image("web.qcow2").status == "available"


def test_by_id_needs_vol_create(chained):
    owner, other = chained
    err = other.refusal(owner, "web.qcow2", image=owner.image("web.qcow2").id)
    assert code(err) == libvirt.VIR_ERR_INVALID_ARG


def test_ambiguous_ids_are_listed(chained, new_pool):
    owner = chained[0]
    owner.update("web.qcow2", "<replication:name>x</replication:name>")
    image = owner.image("web.qcow2").id
    copy = new_pool("cn-east-2", project="p1", start=False)
    images.space.run("cp", "-a", owner.path + "/.", copy.path)
    owner.host.ok("pool-start", copy.name)
    far = new_pool("cn-south-1", project="p1")
    result = by_id(far, image, check=False)
    assert result.rc != 0
    assert f"{owner.name}/web.qcow2" in result.err and f"{copy.name}/web.qcow2" in result.err


def test_token_of_a_request_by_id(chained, new_pool):
    owner = chained[0]
    far = new_pool("cn-east-2", project="p1")
    image = owner.image("web.qcow2").id
    for _ in range(2):
        by_id(far, image, token="one")
    assert far.volumes() == ["base.qcow2", "mid.qcow2", "web.qcow2"]


def test_many_clients_offer_at_once(chained):
    """No offer is lost."""
    owner, _ = chained
    failed = []

    def offer(number):
        if share(owner, "web.qcow2", f"q{number}", check=False).rc != 0:
            failed.append(number)

    threads = [threading.Thread(target=offer, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert owner.image("web.qcow2").shares == {f"q{n}": "offered" for n in range(8)}
