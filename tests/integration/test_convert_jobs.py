# SPDX-License-Identifier: LGPL-2.1-or-later
"""Cipher options, and conversions as jobs: progress, cancelling, crashes, full disks."""

import os
import time

import libvirt
import pytest
from harness import crypt, images, space
from harness.crypt import Key
from harness.pools import code, wait_until
from test_convert import raw_image


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


# ---- cipher options

@pytest.mark.parametrize("inner, expected", [
    ("<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>",
     ("aes", "xts-plain64", 512, "sha256")),
    ("<cipher name='aes' size='128' mode='xts' hash='sha256'/><ivgen name='plain64'/>",
     ("aes", "xts-plain64", 256, "sha256")),
    ("<cipher name='aes' size='256' mode='cbc' hash='sha256'/><ivgen name='essiv' hash='sha256'/>",
     ("aes", "cbc-essiv:sha256", 256, "sha256")),
    ("<cipher name='serpent' size='256' mode='xts' hash='sha512'/><ivgen name='plain64'/>",
     ("serpent", "xts-plain64", 512, "sha512")),
], ids=["aes-256", "aes-128", "cbc-essiv", "serpent"])
def test_cipher_options(host, pools, inner, expected):
    source, target = pools
    key = Key(host)
    images.base(source.file("one.qcow2"), 8)
    source.refresh()
    target.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target(inner=inner))
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    crypt.compare_all(crypt.layers(source.file("one.qcow2")), replica)
    for layer in replica:
        assert_cipher(layer.path, *expected)
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare_all(crypt.layers(source.file("one.qcow2")), crypt.layers(target.file("dec.qcow2")))


def assert_cipher(path, cipher, mode, bits, digest):
    text = " ".join(crypt.dump(path).split())
    assert f"Cipher name: {cipher} Cipher mode: {mode} Hash spec: {digest} " in text
    assert f"MK bits: {bits}" in text


def test_cipher_options_of_raw_luks(host, pools):
    source, target = pools
    key = Key(host)
    made = raw_image(source)
    target.replicate(source, "disk.img", fmt="raw", name="enc.luks", target=key.target(
        inner="<cipher name='serpent' size='256' mode='xts' hash='sha512'/><ivgen name='plain64'/>"))
    luks = [crypt.Layer(target.file("enc.luks"), "luks", key.value)]
    assert_cipher(luks[0].path, "serpent", "xts-plain64", 512, "sha512")
    crypt.compare(made, luks)
    target.refresh()
    target.replicate(target, "enc.luks", fmt="raw", name="dec.img", encryption="none")
    crypt.compare(made, [crypt.Layer(target.file("dec.img"), "raw", None)])


def test_wrong_passphrase_of_a_cipher_that_only_qemu_knows(host, pools):
    source, target = pools
    key = Key(host)
    images.base(source.file("one.qcow2"), 8)
    source.refresh()
    source.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target(
        inner="<cipher name='serpent' size='256' mode='xts' hash='sha256'/><ivgen name='plain64'/>"))
    key.set("something else")
    # Asked for asynchronously: the request itself is refused, before there is a job.
    error = target.refusal(source, "enc.qcow2", name="dec.qcow2", encryption="none", async_="yes")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED and "enc.qcow2" in str(error)
    assert nothing_left(target)


@pytest.mark.parametrize("inner", [
    "<cipher name='rot' size='13' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='255' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='256' mode='nice' hash='sha256'/>",
    "<cipher name='aes' size='256' mode='xts' hash='md5'/>",
    "<cipher name='aes' size='256' mode='xts' hash='sha256'/><ivgen name='random'/>",
    "<cipher name='aes' mode='xts' hash='sha256'/>",
    "<cipher name='aes' size='much' mode='xts' hash='sha256'/>",
    "<cipher name='aes,x=y' size='256' mode='xts' hash='sha256'/>",
])
def test_bad_cipher_options_are_refused(host, pools, inner):
    source, target = pools
    key = Key(host)
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="enc.qcow2", target=key.target(inner=inner))
    assert code(error) in (libvirt.VIR_ERR_NO_SUPPORT, libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_XML_ERROR,
                           libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_XML_DETAIL,
                           libvirt.VIR_ERR_CONFIG_UNSUPPORTED), error
    assert nothing_left(target)


@pytest.mark.parametrize("options", [
    dict(encryption="target"),
    dict(encryption="sometimes"),
    dict(encryption="none", target=crypt.target(usage="x")),
    dict(encryption="default", target=crypt.target(usage="x")),
    dict(target="<encryption format='luks'/>"),
    dict(target="<encryption format='qcow'><secret type='passphrase' usage='x'/></encryption>"),
    dict(target="<encryption format='luks'><secret type='passphrase'/></encryption>"),
    dict(target="<encryption format='luks'><secret type='passphrase' usage='a'/>"
                "<secret type='passphrase' usage='b'/></encryption>"),
    dict(rekey="slot"),
    dict(rekey="slot", encryption="none"),
    dict(rekey="half", encryption="default"),
], ids=str)
def test_contradictory_requests_are_refused(host, pools, options):
    source, target = pools
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="enc.qcow2", **options)
    assert code(error) in (libvirt.VIR_ERR_INVALID_ARG, libvirt.VIR_ERR_XML_ERROR,
                           libvirt.VIR_ERR_XML_INVALID_SCHEMA, libvirt.VIR_ERR_NO_SUPPORT), error
    assert nothing_left(target)


# ---- conversions are jobs

def big_source(pool):
    images.base(pool.file("base.qcow2"), 32)
    images.write_random(pool.file("base.qcow2"), 4 << 20, 24 << 20, 3)
    images.overlay(pool.file("web.qcow2"), "base.qcow2")
    images.write_random(pool.file("web.qcow2"), 2 << 20, 8 << 20, 4)
    pool.refresh()


@pytest.mark.parametrize("way", ["engine", "qemu-img"])
def test_cancelled_conversion_leaves_nothing(host, pools, way):
    source, target = pools
    big_source(source)
    options = dict(target=Key(host).target()) if way == "engine" else dict(snapshots="flatten")
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 2048), **options)
    target.wait_job("enc.qcow2", ("running",))
    assert wait_until(lambda: int(target.image("enc.qcow2").job["processed"]) > 0)
    began = time.monotonic()
    host.ok("vol-delete", "enc.qcow2", target.name)
    assert wait_until(lambda: nothing_left(target), 3)
    assert time.monotonic() - began < 2
    assert host.children() == []


def test_conversion_shows_progress(host, pools):
    source, target = pools
    big_source(source)
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 16384),
                     encryption="default")
    seen = set()
    while (job := target.image("enc.qcow2").job)["state"] not in ("completed", "failed"):
        assert int(job["processed"]) <= int(job["total"])
        seen.add(int(job["progress"]))
        time.sleep(0.05)
    assert job["state"] == "completed", job["error"]
    assert len(seen) > 3 and job["progress"] == "100"


@pytest.mark.parametrize("way", ["engine", "qemu-img"])
def test_killed_conversion_goes_on(host, pools, way):
    source, target = pools
    big_source(source)
    key = Key(host)
    options = dict(target=key.target()) if way == "engine" else dict(snapshots="flatten")
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 12288), **options)
    for pause in (0.3, 0.7, 0.4):
        time.sleep(pause)
        host.kill()
        host.start()
        image = target.image("enc.qcow2")
        assert image.status == "pending" or image.job["state"] == "completed"
    target.wait_job("enc.qcow2", timeout_s=30)
    replica = crypt.layers(target.file("enc.qcow2"), key.value)
    (crypt.compare_all if way == "engine" else crypt.compare)(crypt.layers(source.file("web.qcow2")), replica)
    for layer in replica:
        assert bool(layer.key) == (way == "engine")
        crypt.check(layer)
    assert not [n for n in target.staging() if n.startswith("partial/")]


def test_disk_full_in_a_conversion(host, pools, new_pool, small_ext4):
    source, _ = pools
    big_source(source)
    target = new_pool("cn-north-1", path=small_ext4(24))
    error = target.refusal(source, "web.qcow2", name="enc.qcow2", encryption="default")
    assert "space" in str(error)
    assert nothing_left(target) or target.volumes() == ["lost+found"]


def test_pending_image_is_no_source(host, pools):
    source, target = pools
    big_source(source)
    source.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 1024),
                     encryption="default")
    error = target.refusal(source, "enc.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "enc.qcow2" in str(error)
    assert "status is pending" in str(error)
    host.ok("vol-delete", "enc.qcow2", source.name)
    assert wait_until(lambda: "enc.qcow2" not in source.volumes(), 3)


def test_failed_image_is_no_source(host, pools):
    source, target = pools
    big_source(source)
    target.replicate(source, "web.qcow2", name="enc.qcow2", async_="yes", bandwidth=("KiB/s", 4096),
                     encryption="default")
    target.wait_job("enc.qcow2", ("running",))
    os.utime(source.file("base.qcow2"), (1, 1))  # as if somebody had written it
    target.wait_job("enc.qcow2", ("failed",))
    assert target.image("enc.qcow2").status == "error"
    for options in (dict(encryption="none"), dict(), dict(async_="yes")):
        error = source.refusal(target, "enc.qcow2", name="dec.qcow2", **options)
        assert code(error) == libvirt.VIR_ERR_OPERATION_INVALID and "enc.qcow2" in str(error)
        assert "status is error" in str(error)


def test_plan_of_a_conversion(host, pools):
    """start='no' lists the conversions and writes nothing; the plan then runs."""
    source, target = pools
    key = Key(host)
    source.chain()
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target(), start="no")
    image = target.image("enc.qcow2")
    assert image.job["state"] == "planned" and set(image.actions.values()) == {"convert"}
    assert target.volumes() == ["enc.qcow2"]
    target.update("enc.qcow2", "<replication:job action='start'/>")
    target.wait_job("enc.qcow2")
    crypt.assert_judged(crypt.layers(source.file("web.qcow2")), crypt.layers(target.file("enc.qcow2"), key.value))
