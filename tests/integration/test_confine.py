# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bad input: a clear libvirt error, nothing written, nothing lost."""

import ctypes
import os
import struct

import libvirt
import pytest
from harness import images, xmlio
from harness.pools import Pool, code

INVALID = libvirt.VIR_ERR_OPERATION_INVALID
NO_SUPPORT = libvirt.VIR_ERR_NO_SUPPORT


def qcow2_header(path, backing=None, fmt=None, version=3, size=1 << 20, l1_size=1, l1_offset=0x30000,
                 cluster_bits=16, incompatible=0, length=0x40000, extensions=b""):
    """A qcow2 file made by hand, so that it can be wrong in one place."""
    name = os.fsencode(backing or "")
    if fmt:
        extensions += struct.pack(">II", 0xE2792ACA, len(fmt)) + fmt.encode().ljust((len(fmt) + 7) // 8 * 8, b"\0")
    extensions += struct.pack(">II", 0, 0)
    header_length = 72 if version == 2 else 104
    offset = header_length + len(extensions) if name else 0
    data = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", version, offset, len(name), cluster_bits, size, 0,
                       l1_size, l1_offset, 0x10000, 1, 0, 0)
    if version >= 3:
        data += struct.pack(">QQQII", incompatible, 0, 0, 4, header_length)
    data += extensions + name
    with open(path, "wb") as f:
        f.write(data)
        if length:
            f.seek(0x10000)
            f.write(struct.pack(">Q", 0x20000))  # refcount table
            f.seek(0x20000)
            f.write(struct.pack(">HHHH", 1, 1, 1, 1))
            f.truncate(length)
    return path


@pytest.fixture
def image(regions):
    """A source pool with one image over a base, and a target pool."""
    regions[0].chain(names=("base.qcow2", "web.qcow2"), size_mib=8)
    return regions


# ---- the two ends

def test_unknown_source_volume(host, image):
    source, target = image
    assert "none.qcow2" in target.try_replicate(source, "none.qcow2").err
    assert target.volumes() == []


def test_source_volume_that_is_gone(host, image):
    """A handle is only a name."""
    source, target = image
    conn = host.connect()
    vol = conn.storagePoolLookupByName(source.name).storageVolLookupByName("web.qcow2")
    os.unlink(source.file("web.qcow2"))
    source.refresh()
    with pytest.raises(libvirt.libvirtError) as error:
        conn.storagePoolLookupByName(target.name).createXMLFrom(xmlio.replicate(), vol, 0)
    assert code(error.value) == libvirt.VIR_ERR_NO_STORAGE_VOL
    assert target.volumes() == []


def test_source_pool_that_is_gone(host, new_pool, regions):
    source, target = new_pool("gone"), regions[1]
    source.chain(names=("one.qcow2",), size_mib=8)
    conn = host.connect()
    vol = conn.storagePoolLookupByName(source.name).storageVolLookupByName("one.qcow2")
    host.ok("pool-destroy", source.name)
    for expected in (INVALID, libvirt.VIR_ERR_NO_STORAGE_POOL):
        with pytest.raises(libvirt.libvirtError) as error:
            conn.storagePoolLookupByName(target.name).createXMLFrom(xmlio.replicate(), vol, 0)
        assert code(error.value) == expected
        if expected == INVALID:
            host.ok("pool-undefine", source.name)
    assert target.volumes() == []


def test_target_pool_that_is_not_active(host, image):
    source, target = image
    host.ok("pool-destroy", target.name)
    result = target.try_replicate(source, "web.qcow2")
    assert result.rc != 0 and "not active" in result.err
    host.ok("pool-start", target.name)
    assert target.volumes() == []


def test_pools_without_a_label(image, new_pool):
    source, target = image
    plain = new_pool(None)
    error = plain.refusal(source, "web.qcow2")
    assert code(error) == INVALID and plain.name in str(error)
    plain.chain(names=("one.qcow2",), size_mib=8)
    error = target.refusal(plain, "one.qcow2")
    assert code(error) == INVALID and plain.name in str(error)


def test_name_taken(image):
    source, target = image
    images.create(target.file("web.qcow2"), "1M")
    target.refresh()
    error = target.refusal(source, "web.qcow2")
    assert code(error) == libvirt.VIR_ERR_STORAGE_VOL_EXIST and "web.qcow2" in str(error)


def test_name_taken_by_a_file_that_libvirt_does_not_know_yet(image):
    source, target = image
    images.create(target.file("web.qcow2"), "1M")
    before = images.file_digest(target.file("web.qcow2"))
    result = target.try_replicate(source, "web.qcow2")
    assert result.rc != 0
    assert images.file_digest(target.file("web.qcow2")) == before


@pytest.mark.parametrize("name", ["a/b.qcow2", "..", ".", "", "x" * 300, "a\nb"])
def test_impossible_names(image, name):
    source, target = image
    target.refusal(source, "web.qcow2", xml=xmlio.replicate("NAME").replace(
        "NAME", name.replace("\n", "&#10;")))


@pytest.mark.parametrize("fmt", ["vmdk", "nosuch", "dir"])
def test_formats_that_no_replica_has(image, fmt):
    source, target = image
    target.refusal(source, "web.qcow2", fmt=fmt)


# ---- the request

BAD_REQUESTS = {
    "unknown attribute": ("colour", "<replication:replicate {ns} colour='blue'/>"),
    "unknown element": ("colour", "<replication:replicate {ns}><replication:colour/></replication:replicate>"),
    "bad async": ("async", "<replication:replicate {ns} async='maybe'/>"),
    "bad snapshots": ("snapshots", "<replication:replicate {ns} snapshots='some'/>"),
    "bad encryption": ("encryption", "<replication:replicate {ns} encryption='rot13'/>"),
    "bad rekey": ("rekey", "<replication:replicate {ns} rekey='half'/>"),
    "empty token": ("token", "<replication:replicate {ns} token=''/>"),
    "long token": ("token", "<replication:replicate {ns} token='" + "x" * 200 + "'/>"),
    "bandwidth of zero": ("bandwidth", "<replication:replicate {ns}><replication:bandwidth unit='MiB/s'>0"
                          "</replication:bandwidth></replication:replicate>"),
    "bandwidth of nothing": ("bandwidth", "<replication:replicate {ns}><replication:bandwidth unit='MiB/s'>"
                             "</replication:bandwidth></replication:replicate>"),
    "bandwidth too big": ("bandwidth", "<replication:replicate {ns}><replication:bandwidth unit='TiB/s'>"
                          "99999999999999999999</replication:bandwidth></replication:replicate>"),
    "bandwidth unit": ("bandwidth", "<replication:replicate {ns}><replication:bandwidth unit='miles'>1"
                       "</replication:bandwidth></replication:replicate>"),
    "two requests": ("replicate", "<replication:replicate {ns}/><replication:replicate {ns}/>"),
    "request and update": ("", "<replication:replicate {ns}/><replication:update {ns}/>"),
    "a label": ("region", "<replication:region {ns} name='x'/>"),
}


@pytest.mark.parametrize("what", BAD_REQUESTS)
def test_malformed_request(image, what):
    source, target = image
    named, meta = BAD_REQUESTS[what]
    meta = meta.format(ns=f"xmlns:replication='{xmlio.NS}'")
    error = target.refusal(source, "web.qcow2", xml=f"<volume><metadata>{meta}</metadata></volume>")
    assert code(error) in (libvirt.VIR_ERR_XML_ERROR, libvirt.VIR_ERR_INVALID_ARG)
    assert named in str(error)


@pytest.mark.parametrize("xml", ["", "<", "<volume>", "<network/>", "<volume/>x",
                                 "<!DOCTYPE v [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><volume><name>&a;"
                                 "</name></volume>"])
def test_malformed_xml(image, xml):
    image[1].refusal(image[0], "web.qcow2", xml=xml)


def test_entities_do_not_expand_without_end(image):
    xml = "<!DOCTYPE v [<!ENTITY a0 'x'>" + "".join(
        f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 12)) + "]>" + \
        xmlio.replicate(description="DESC").replace("DESC", "&a11;")
    image[1].refusal(image[0], "web.qcow2", xml=xml)


def test_request_to_vol_create(host, image):
    with xmlio.xml_file(xmlio.replicate("x.qcow2")) as f:
        assert host.virsh("vol-create", image[1].name, f.name).rc != 0
    assert image[1].volumes() == []


def test_unsupported_flags(image):
    error = image[1].refusal(image[0], "web.qcow2", flags=libvirt.VIR_STORAGE_VOL_CREATE_PREALLOC_METADATA)
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG


# ---- room and quota

@pytest.mark.parametrize("quota,need", [
    ({"images": 0}, "1"), ({"snapshots": 0}, "1"), ({"bytes": 1000}, ""),
])
def test_quota_short(image, new_pool, quota, need):
    source = image[0]
    target = new_pool("limited", quota=quota)
    error = target.refusal(source, "web.qcow2")
    assert code(error) == libvirt.VIR_ERR_OPERATION_DENIED
    name, limit = next(iter(quota.items()))
    assert name in str(error) and str(limit) in str(error) and need in str(error)


def test_quota_counts_what_is_there(image, new_pool):
    source = image[0]
    target = new_pool("limited", quota={"images": 1})
    target.replicate(source, "web.qcow2")
    assert code(target.refusal(source, "web.qcow2", name="two.qcow2")) == libvirt.VIR_ERR_OPERATION_DENIED


def test_no_space(host, image, small_ext4):
    source = image[0]
    images.write_random(source.file("web.qcow2"), 0, 6 << 20, 77)
    target = Pool(host, "small", region="small", path=small_ext4(4))
    try:
        error = target.refusal(source, "web.qcow2")
        assert "space" in str(error).lower()
        assert target.volumes() == ["lost+found"] and not [n for n in target.staging() if n.startswith("partial")]
    finally:
        host.virsh("pool-destroy", "small")
        host.virsh("pool-undefine", "small")


# ---- the source

def test_source_open_for_writing(image):
    source, target = image
    for layer in ("web.qcow2", "base.qcow2"):
        with images.OpenForWriting(source.file(layer)):
            error = target.refusal(source, "web.qcow2")
            assert code(error) == INVALID and layer in str(error)
    target.replicate(source, "web.qcow2")


def test_source_open_for_reading_is_fine(image):
    import subprocess
    source, target = image
    reader = subprocess.Popen(["qemu-io", "-r", "-f", "qcow2", source.file("web.qcow2")],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    reader.stdin.write("length\n")
    reader.stdin.flush()
    reader.stdout.readline()
    target.replicate(source, "web.qcow2")
    reader.stdin.close()
    reader.wait()
    reader.stdout.close()


def secret_file(scratch):
    path = scratch + "/secret"
    with open(path, "wb") as f:
        f.write(b"top secret" * 1000)
    return path


CHAINS = {
    "self loop": lambda p, s: images.create(p.file("bad.qcow2"), "1M", backing="bad.qcow2"),
    "loop of two": lambda p, s: (images.create(p.file("two.qcow2"), "1M", backing="bad.qcow2"),
                                 images.create(p.file("bad.qcow2"), "1M", backing="two.qcow2")),
    "missing base": lambda p, s: images.create(p.file("bad.qcow2"), "1M", backing="none.qcow2"),
    "/etc/passwd": lambda p, s: images.create(p.file("bad.qcow2"), "1M", backing="/etc/passwd",
                                              backing_fmt="raw"),
    "file outside": lambda p, s: images.create(p.file("bad.qcow2"), "1M", backing=secret_file(s),
                                               backing_fmt="raw"),
    "file: outside": lambda p, s: qcow2_header(p.file("bad.qcow2"), "file:" + secret_file(s), "raw"),
    "dot dot": lambda p, s: qcow2_header(p.file("bad.qcow2"), "../../../etc/passwd", "raw"),
    "device": lambda p, s: qcow2_header(p.file("bad.qcow2"), "/dev/zero", "raw"),
    "proc": lambda p, s: qcow2_header(p.file("bad.qcow2"), "/proc/self/environ", "raw"),
    "directory": lambda p, s: (os.makedirs(p.file("dir")),
                               qcow2_header(p.file("bad.qcow2"), "dir", "raw")),
    "fifo": lambda p, s: (os.mkfifo(p.file("pipe")), qcow2_header(p.file("bad.qcow2"), "pipe", "raw")),
    "json": lambda p, s: qcow2_header(p.file("bad.qcow2"), 'json:{"driver":"raw","file":{"driver":'
                                      '"file","filename":"/etc/passwd"}}', "raw"),
    "json network": lambda p, s: qcow2_header(
        p.file("bad.qcow2"), 'json:{"driver":"nbd","host":"127.0.0.1","port":"9"}', "raw"),
    "nbd": lambda p, s: qcow2_header(p.file("bad.qcow2"), "nbd://127.0.0.1:9/x", "raw"),
    "nbd old": lambda p, s: qcow2_header(p.file("bad.qcow2"), "nbd:127.0.0.1:9", "raw"),
    "http": lambda p, s: qcow2_header(p.file("bad.qcow2"), "http://127.0.0.1/x", "raw"),
    "fat": lambda p, s: qcow2_header(p.file("bad.qcow2"), "fat:/etc", "raw"),
    "symbolic link out": lambda p, s: (os.symlink("/etc/passwd", p.file("link")),
                                       qcow2_header(p.file("bad.qcow2"), "link", "raw")),
    "staging": lambda p, s: qcow2_header(p.file("bad.qcow2"), ".replication/jobs", "raw"),
    "nul in the name": lambda p, s: qcow2_header(p.file("bad.qcow2"), "base\0.qcow2", "qcow2"),
    "base of unknown format": lambda p, s: (images.create(p.file("b.vmdk"), "1M", "vmdk"),
                                            qcow2_header(p.file("bad.qcow2"), "b.vmdk", "cloop")),
    "external data file": lambda p, s: images.create(
        p.file("bad.qcow2"), "1M", options=f"data_file={p.file('data.raw')},data_file_raw=on"),
    "data file outside": lambda p, s: images.create(
        p.file("bad.qcow2"), "1M", options=f"data_file={s}/data.raw"),
    "data file flag alone": lambda p, s: qcow2_header(p.file("bad.qcow2"), incompatible=4),
    "dirty": lambda p, s: qcow2_header(p.file("bad.qcow2"), incompatible=2),
    "unknown feature": lambda p, s: qcow2_header(p.file("bad.qcow2"), incompatible=1 << 40),
    "huge L1": lambda p, s: qcow2_header(p.file("bad.qcow2"), size=1 << 50, l1_size=0x7fffffff),
    "L1 outside": lambda p, s: qcow2_header(p.file("bad.qcow2"), l1_offset=0x7fffffff0000),
    "L1 unaligned": lambda p, s: qcow2_header(p.file("bad.qcow2"), l1_offset=0x30001),
    "L1 too small": lambda p, s: qcow2_header(p.file("bad.qcow2"), size=1 << 40, l1_size=1),
    "cluster bits": lambda p, s: qcow2_header(p.file("bad.qcow2"), cluster_bits=63),
    "cluster bits 0": lambda p, s: qcow2_header(p.file("bad.qcow2"), cluster_bits=0),
    "version 9": lambda p, s: qcow2_header(p.file("bad.qcow2"), version=9),
    "long backing name": lambda p, s: qcow2_header(p.file("bad.qcow2"), "x" * 5000, "raw"),
    "symbolic link as the volume": lambda p, s: os.symlink(secret_file(s), p.file("bad.qcow2")),
}


@pytest.mark.parametrize("what", CHAINS)
def test_chain_is_confined(regions, scratch, what):
    source, target = regions
    images.base(source.file("base.qcow2"), 8)
    CHAINS[what](source, scratch)
    refusal_by_name(source, target, "bad.qcow2")


def refusal_by_name(source, target, volume):
    """Refused also when stock will not list the file: then the volume handle is made another way."""
    result = source.host.virsh("pool-refresh", source.name)
    if result.rc != 0 or volume not in source.volumes():
        # Stock drops such a pool or file: a handle from before is what reaches us.
        bad = source.file(volume)
        os.rename(bad, bad + ".aside")
        with open(bad, "w") as f:
            f.truncate(65536)
        source.host.virsh("pool-start", source.name)
        source.refresh()
        os.rename(bad + ".aside", bad)
    error = target.refusal(source, volume)
    assert code(error) in (INVALID, NO_SUPPORT, libvirt.VIR_ERR_NO_STORAGE_VOL), error
    assert any(f"'{name}'" in str(error) for name in source.state()[1]), error


# ---- a base that leads on to files of its own

class Opens:
    """Whether anybody opens a file while the context lasts."""

    IN_OPEN = 0x20

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert self.fd >= 0 and libc.inotify_add_watch(self.fd, os.fsencode(self.path), self.IN_OPEN) >= 0
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def happened(self):
        try:
            return bool(os.read(self.fd, 65536))
        except BlockingIOError:
            return False


def descriptor(path):
    return (f'# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n'
            f'RW 4 FLAT "{path}" 0\n').encode()


def vmdk_text(base, path):
    with open(base, "wb") as f:
        f.write(descriptor(path).ljust(1024, b"\n"))


def vmdk_hidden_text(base, path):
    """A sparse header whose capacity of 0 sends QEMU on to the descriptor behind it."""
    header = struct.pack("<4sIIQQQQIQQQ", b"KDMV", 1, 3, 0, 128, 1, 20, 512, 0, 0, 128)
    with open(base, "wb") as f:
        f.write(header.ljust(512, b"\0") + descriptor(path).ljust(20 * 512, b"\0"))
        f.truncate(1 << 20)


def vmdk_parent(base, path):
    images.create(base, "1M", "vmdk")
    with open(base, "r+b") as f:
        data = f.read(21 * 512)
        text = data[512:].rstrip(b"\0").replace(b"parentCID=ffffffff", b"parentCID=12345678") \
            .replace(b"createType", f'parentFileNameHint="{path}"\ncreateType'.encode())
        assert text.count(b"parent") == 2
        f.seek(512)
        f.write(text.ljust(20 * 512, b"\0"))


@pytest.mark.parametrize("place", ["absolute", "relative", "/etc/passwd"])
@pytest.mark.parametrize("make", [vmdk_text, vmdk_hidden_text, vmdk_parent])
def test_base_that_leads_outside(regions, new_pool, scratch, make, place):
    """Whatever is asked for, the file that the base names stays closed; QEMU would open it."""
    source, _ = regions
    outside = {"absolute": scratch + "/secret", "relative": source.path + "/../outside"}.get(place)
    named = {"absolute": outside, "relative": "../outside"}.get(place, place)
    if outside:
        with open(outside, "wb") as f:
            f.write(b"top secret" * 1000)
    make(source.file("base.vmdk"), named)
    qcow2_header(source.file("bad.qcow2"), "base.vmdk", "vmdk")
    source.refresh()
    assert "bad.qcow2" in source.volumes()
    with Opens(outside or source.file("bad.qcow2")) as opens:
        for target in (regions[1], new_pool(source.region)):
            for options in (dict(), dict(async_="yes"), dict(encryption="default"), dict(snapshots="flatten"),
                            dict(fast_create="yes")):
                error = target.refusal(source, "bad.qcow2", name="new.qcow2", **options)
                assert code(error) in (INVALID, NO_SUPPORT), error
                assert "base.vmdk" in str(error)
        assert outside is None or not opens.happened()
        images.qemu_img("convert", source.file("bad.qcow2"), "-O", "raw", scratch + "/made", check=False)
        assert opens.happened(), "the watch is blind"
    if place == "relative":
        os.unlink(outside)


@pytest.mark.parametrize("size", [4, 71, 90, 103])
def test_truncated_header(regions, size):
    source, target = regions
    images.base(source.file("bad.qcow2"), 8)
    source.refresh()
    os.truncate(source.file("bad.qcow2"), size)
    target.refusal(source, "bad.qcow2")


def test_base_in_a_pool_without_label_or_of_another_region(regions, new_pool):
    source, target = regions
    for other in (new_pool(None), target, new_pool("cn-west-1")):
        images.base(other.file("base.qcow2"), 8)
        other.refresh()
        images.overlay(source.file("web.qcow2"), other.file("base.qcow2"), "8M")
        source.refresh()
        error = target.refusal(source, "web.qcow2")
        assert code(error) == INVALID and "base.qcow2" in str(error)
        os.unlink(source.file("web.qcow2"))


def deep_chain(folder, depth):
    images.create(os.path.join(folder, "l1"), "1M")
    for number in range(2, depth + 1):
        qcow2_header(os.path.join(folder, f"l{number}"), f"l{number - 1}", "qcow2")


def test_depth_201_is_refused(regions):
    source, target = regions
    deep_chain(source.path, 201)
    source.host.virsh("pool-refresh", source.name)
    error = target.refusal(source, "l201")
    assert code(error) == INVALID and "200" in str(error)


def test_depth_60_works(regions):
    source, target = regions
    deep_chain(source.path, 60)
    source.refresh()
    target.replicate(source, "l60")
    assert len(target.volumes()) == 60
    assert target.image("l60").snapshots == [f"l{n}" for n in range(59, 0, -1)]


# ---- odd pools

def test_symlinked_pool_path(host, new_pool, regions, scratch):
    os.makedirs(scratch + "/real")
    os.symlink("real", scratch + "/link")
    source = Pool(host, "linked", region="linked", path=scratch + "/link")
    try:
        source.chain(size_mib=8, names=("base.qcow2", "web.qcow2"))
        regions[1].replicate(source, "web.qcow2")
        images.assert_faithful(source.file("web.qcow2"), regions[1].file("web.qcow2"))
        source.replicate(regions[1], "web.qcow2", name="back.qcow2")
        images.assert_faithful(source.file("back.qcow2"), regions[1].file("web.qcow2"))
    finally:
        host.virsh("pool-destroy", "linked")
        host.virsh("pool-undefine", "linked")


def test_pool_of_another_owner(regions):
    """As a root-squashed pool looks: works, or is refused clearly."""
    source, target = regions
    source.chain(size_mib=8, names=("base.qcow2", "web.qcow2"))
    os.chown(target.path, 12345, 12345)
    os.chmod(target.path, 0o755)
    result = target.try_replicate(source, "web.qcow2")
    if result.rc == 0:
        images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
    else:
        assert target.name in result.err
        assert target.volumes() == []


def test_pool_path_that_others_can_write(regions):
    """Staging is ours alone even where the folder is everybody's."""
    source, target = regions
    source.chain(size_mib=8, names=("one.qcow2",))
    os.chmod(target.path, 0o1777)
    target.replicate(source, "one.qcow2")
    assert os.stat(target.file(".replication")).st_mode & 0o777 == 0o700
