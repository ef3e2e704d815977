# SPDX-License-Identifier: LGPL-2.1-or-later
"""Changes to an image: all or nothing, and none of those that several clients make at once is lost."""

import threading

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import code

NAME = "<replication:name>changed</replication:name>"


@pytest.fixture
def chained(regions):
    regions[0].chain()
    return regions


@pytest.fixture
def planned(chained):
    source, target = chained
    target.replicate(source, "web.qcow2", async_="yes", start="no")
    yield source, target
    target.host.virsh("vol-delete", "web.qcow2", target.name)


def refused(pool, volume, inner):
    """The update must be refused, and leave the record as it was."""
    before = xmlio.metadata(pool.host.ok("vol-dumpxml", volume, pool.name))
    conn = pool.host.connect()
    try:
        conn.storagePoolLookupByName(pool.name).createXML(xmlio.update(volume, inner), 0)
    except libvirt.libvirtError as err:
        assert xmlio.metadata(pool.host.ok("vol-dumpxml", volume, pool.name)) == before
        return err
    finally:
        conn.close()
    raise AssertionError("the update was not refused")


@pytest.mark.parametrize("part", [
    "<replication:job action='resume'/>",
    "<replication:share project='default' state='offered'/>",
    "<replication:share project='p9' state='revoked'/>",
], ids=["verb", "offer", "revoke"])
def test_a_refused_part_changes_nothing(planned, part):
    _, target = planned
    refused(target, "web.qcow2", NAME + part)


def test_a_verb_without_a_job_changes_nothing(chained):
    refused(chained[0], "web.qcow2", NAME + "<replication:job action='start'/>")
    refused(chained[0], "web.qcow2", NAME + "<replication:bandwidth>5</replication:bandwidth>")


def test_a_start_that_is_refused_changes_nothing(planned):
    source, target = planned
    images.write(source.file("web.qcow2"), [(0, 65536, 7)])
    error = refused(target, "web.qcow2",
                    NAME + "<replication:job action='start'/><replication:bandwidth>7</replication:bandwidth>")
    assert "changed" in str(error)


def test_cancel_stands_alone(planned):
    _, target = planned
    assert code(refused(target, "web.qcow2", NAME + "<replication:job action='cancel'/>")) == \
        libvirt.VIR_ERR_INVALID_ARG


def test_parts_are_made_together(planned):
    source, target = planned
    target.update("web.qcow2", NAME + "<replication:description>d</replication:description>"
                  "<replication:type>data-disk</replication:type><replication:job action='start'/>")
    target.wait_job("web.qcow2")
    image = target.image("web.qcow2")
    assert (image.text("name"), image.text("description"), image.type) == ("changed", "d", "data-disk")
    source.update("web.qcow2", NAME + "<replication:share project='p2' state='offered'/>")
    assert source.image("web.qcow2").shares == {"p2": "offered"}
    assert source.image("web.qcow2").text("name") == "changed"


def test_what_cannot_change_says_so(chained):
    for inner, word in (("<replication:status>available</replication:status>", "status"),
                        ("<replication:source/>", "source"), ("<replication:snapshots count='0'/>", "snapshots"),
                        ("<replication:encryption/>", "encryption")):
        assert f"<replication:{word}>" in str(refused(chained[0], "web.qcow2", inner))


def test_clients_at_once_lose_nothing(chained):
    """Each changes what is its own, over and over, while a job makes the image."""
    source, target = chained
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 512))
    parts = [lambda n: f"<replication:name>n{n}</replication:name>",
             lambda n: f"<replication:description>d{n}</replication:description>",
             lambda n: f"<replication:type>{'iso' if n % 2 else 'data-disk'}</replication:type>",
             lambda n: f"<replication:bandwidth unit='KiB/s'>{512 + n}</replication:bandwidth>"]
    shares = [lambda n, p=p: f"<replication:share project='p{p}' state='{'offered' if n % 2 else 'revoked'}'/>"
              for p in range(2)]
    failed = []

    def client(pool, part, first):
        conn = pool.host.connect()
        handle = conn.storagePoolLookupByName(pool.name)
        for number in range(first, 20):
            try:
                handle.createXML(xmlio.update("web.qcow2", part(number)), 0)
            except libvirt.libvirtError as err:
                failed.append(str(err))
        conn.close()

    threads = [threading.Thread(target=client, args=(target, part, 0)) for part in parts]
    threads += [threading.Thread(target=client, args=(source, part, 1)) for part in parts[:3] + shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    for pool in chained:
        image = pool.image("web.qcow2")
        assert (image.text("name"), image.text("description"), image.type) == ("n19", "d19", "iso")
    assert source.image("web.qcow2").shares == {"p0": "offered", "p1": "offered"}
    assert target.image("web.qcow2").job["bandwidth"] == str((512 + 19) * 1024)
    target.update("web.qcow2", "<replication:bandwidth>0</replication:bandwidth>")
    target.wait_job("web.qcow2")
    assert target.image("web.qcow2").text("name") == "n19"


def test_two_requests_do_not_both_take_the_last_place(host, new_pool):
    """Of eight that come at once, as many get in as there are places; what is refused leaves nothing."""
    source, target = new_pool("cn-north-1"), new_pool("cn-east-2", quota={"images": 3})
    names = [f"{number}.qcow2" for number in range(8)]
    for name in names:
        images.create(source.file(name), "1M")
    source.refresh()
    results = []

    def client(name):
        results.append(target.try_replicate(source, name, async_="yes", start="no"))

    threads = [threading.Thread(target=client, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r.rc != 0 for r in results) == [False] * 3 + [True] * 5
    assert all("quota" in r.err for r in results if r.rc != 0)
    assert len(target.volumes()) == 3 and target.usage()["images"] == 3
    host.ok("vol-delete", target.volumes()[0], target.name)
    assert target.try_replicate(source, names[0], async_="yes", name="next.qcow2").rc == 0
    assert target.try_replicate(source, names[1], async_="yes", name="none.qcow2").rc != 0
    for volume in target.volumes():
        host.ok("vol-delete", volume, target.name)
