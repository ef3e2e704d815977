# SPDX-License-Identifier: LGPL-2.1-or-later
"""Wrong input of every kind: virt-replicate says what is wrong and what to do, names the nearest right word, and does nothing."""

import pytest

from harness import client, images, polkit
from harness.host import STOCK
from harness.pools import Pool


@pytest.fixture(scope="module")
def web(host):
    """An image in one region, its copy in another one: (source, target)."""
    source, target = Pool(host, "north", region="cn-north-1"), Pool(host, "east", region="cn-east-2")
    images.create(source.file("web.qcow2"), "4M")
    images.create(source.file("shop.qcow2"), "4M")
    source.refresh()
    client.ok(host, "copy", "web.qcow2", "--to", "cn-east-2")
    return source, target


MISTAKES = [
    # commands and options
    ("cpoy web.qcow2", "no command 'cpoy'. Did you mean 'copy'?"),
    ("frobnicate", "'virt-replicate --help' lists them all"),
    ("copy shop.qcow2 --to cn-east-2 --tokn x", "no option '--tokn'. Did you mean '--token'?"),
    ("--jsno regions", "no option '--jsno'. Did you mean '--json'?"),
    ("regions --frobnicate", "'virt-replicate regions --help' lists them all"),
    ("regions extra", "Usage: virt-replicate regions ('virt-replicate regions --help' says more)"),
    ("copy", "Usage: virt-replicate copy IMAGE… --to REGION…"),
    ("copy shop.qcow2 cn-east-2", "Name a region with --to"),
    ("keys creat ims/x", "'creat' does not go with 'keys'. Did you mean 'create'?"),
    ("peer tset x", "'tset' does not go with 'peer'. Did you mean 'test'?"),
    # images and regions
    ("show shpo.qcow2", "no image 'shpo.qcow2'. Did you mean 'shop.qcow2'?"),
    ("show shop", "no image 'shop'. Did you mean 'shop.qcow2'?"),
    ("show nroth/web.qcow2", "Did you mean 'north/web.qcow2'?"),
    ("show cn-nroth-1:web.qcow2", "Did you mean 'cn-north-1:web.qcow2'?"),
    ("show web.qcow2", "means 2 images; name one of them as on these lines:"),
    ("show 00000000", "'virt-replicate images' lists what there is."),
    ("images cn-nroth-1", "no region 'cn-nroth-1'. Did you mean 'cn-north-1'?"),
    ("images cn", "Did you mean 'cn-east-2'?"),
    ("images nowhere", "'virt-replicate label POOL nowhere' makes one"),
    ("copy shop.qcow2 --to cn-eats-2", "no region 'cn-eats-2'. Did you mean 'cn-east-2'?"),
    ("copy north/web.qcow2 --to cn-east-2", "--name gives the replica another name."),
    ("label nroth r", "no storage pool 'nroth'. Did you mean 'north'?"),
    ("label nowhere r", "'virsh pool-list --all' all pools."),
    # jobs
    ("watch 0000", "no job '0000', and no image: 'virt-replicate jobs --all' lists the jobs"),
    ("cancel east/web.qcow2", "has no replication job that has not ended"),
    # values
    ("copy shop.qcow2 --to cn-east-2 --limit 20", "'20' is not a rate: write for example 20MiB/s, or none"),
    ("copy shop.qcow2 --to cn-east-2 --limit -5MiB/s", "is not a rate"),
    ("copy shop.qcow2 --to cn-east-2 --limit 0", "is not a rate"),
    ("copy shop.qcow2 --to cn-east-2 --limit fast", "is not a rate"),
    ("copy shop.qcow2 --to cn-east-2 --name a/b", "'a/b' cannot be the name of a volume"),
    ("copy shop.qcow2 --to cn-east-2 --format vmdk", "'--format', which takes one of these: qcow2, raw"),
    ("copy shop.qcow2 --to cn-east-2 --rekey fulll", "Did you mean 'full'?"),
    ("copy shop.qcow2 --to cn-east-2 --encrypt ims/none", "'virt-replicate keys create NAME' makes one"),
    ("copy shop.qcow2 --to cn-east-2 --rekey slot", "--rekey needs a new key: name it with --encrypt"),
    ("copy shop.qcow2 --to cn-east-2 --max-images 0", "--max-images is a number from 1 on"),
    ("copy shop.qcow2 --to ,", "Name a region with --to"),
    ("share shop.qcow2 no!good", "cannot be the name of a region or a project"),
    ("import north/shpo.qcow2 --to cn-east-2", "Did you mean 'shop.qcow2'?"),
    ("copy shop.qcow2 --to cn-east-2 --max-images many", "many"),
    ("set shop.qcow2", "What shall be changed?"),
    ("set shop.qcow2 --type system", "Did you mean 'system-disk'?"),
    ("set shop.qcow2 --type disk", "system-disk, data-disk, iso, full-machine"),
    ("label north -r cn_north!", "cannot be the name of a region or a project"),
    ("label north --project -x", "cannot be the name of a region or a project"),
    ("label north --quota-bytes 10GX", "'10GX' is not a size: write for example 10GiB, or none"),
    ("label north --quota-images -3", "'-3' is not a number: write for example 100, or none"),
    ("keys create ims/x --file /nonexistent", "cannot be read from '/nonexistent'"),
    ("peer add x nonsense://h images", "is not of the form DRIVER+TRANSPORT://HOST/system"),
    ("peer test north", "'north' is on this host"),
    ("sync /nonexistent", "'/nonexistent' cannot be used: No such file or directory"),
    ("accept shop.qcow2", "'virt-replicate images' lists what is"),
]


@pytest.mark.parametrize("line, said", MISTAKES, ids=[line for line, _ in MISTAKES])
def test_mistake(host, web, line, said):
    before = [pool.state() for pool in web]
    error = client.fails(host, *line.split())
    assert error.startswith("error: ") and said in error, error
    assert "replication:" not in error and "<" not in error, error  # nobody who writes no XML reads any
    assert [pool.state() for pool in web] == before


def test_read_only(host, web):
    error = client.fails(host, "copy", "shop.qcow2", "--to", "cn-east-2", readonly=True)
    assert "read only" in error and "The connection is read-only" in error


def test_no_daemon(host):
    for uri in ("storage+unix:///system?socket=/nonexistent", "qemu+tcp://127.0.0.1:1/system"):
        result = client.run(host, "-c", uri, "regions", connect=False)
        assert result.rc == 1 and "Is libvirtd or virtstoraged running? --connect URI names another one." in result.err


def test_help_of_a_command_as_in_virsh(host):
    assert client.ok(host, "help", "copy", connect=False) == client.ok(host, "copy", "--help", connect=False)


def test_no_module(new_host):
    """A stock daemon would take a label, and forget it."""
    plain = new_host(module=STOCK).start()
    pool = Pool(plain, "north")
    for line in ("label north cn-north-1", "regions", "images", "copy web.qcow2 --to r", f"peer add x {plain.uri()} north"):
        error = client.fails(plain, *line.split())
        assert "has no module for replication" in error and "libvirt-daemon-driver-storage-replication" in error, line
    assert "cn-north-1" not in pool.dumpxml()
    assert client.run(plain, "keys").rc == 0  # needs none


def test_job_named_by_its_replica(host, new_pool):
    """Of several images of one name the one that is being made is meant."""
    source, target = new_pool("cn-jobs-1"), new_pool("cn-jobs-2")
    images.create(source.file("job.qcow2"), "4M")
    source.refresh()
    client.ok(host, "plan", "job.qcow2", "--to", "cn-jobs-2", "--keep")
    assert "no job 'jbo.qcow2'. Did you mean 'job.qcow2'?" in client.fails(host, "watch", "jbo.qcow2")
    client.ok(host, "cancel", "job.qcow2")
    assert target.volumes() == [] and source.volumes() == ["job.qcow2"]
