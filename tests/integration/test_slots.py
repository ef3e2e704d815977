# SPDX-License-Identifier: LGPL-2.1-or-later
"""rekey='slot': another passphrase, the same ciphertext, and nobody of before gets in."""

import os
import re
import time

import libvirt
import pytest
from harness import crypt, images
from harness.crypt import Key
from harness.pools import code


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


# ---- rekey='slot'

def test_slot_keeps_the_volume_key_and_drops_old_passphrases(host, encrypted):
    source, target, old, made = encrypted
    new = Key(host)
    add_passphrase(made[1], "second passphrase")
    source.refresh()
    target.replicate(source, "web.qcow2", name="slot.qcow2", target=new.target(), rekey="slot")
    replica = crypt.layers(target.file("slot.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    for a, b in zip(made, replica):
        assert crypt.volume_key(a.path, old.value) == crypt.volume_key(b.path, new.value)
        assert not crypt.opens(b.path, old.value) and not crypt.opens(b.path, "second passphrase")
        assert crypt.opens(a.path, old.value), "the source was changed"
        assert len(re.findall(r"ENABLED", crypt.dump(b.path))) == 1
    assert crypt.opens(made[1].path, "second passphrase")
    assert key_material_differs(made[0].path, replica[0].path)


def add_passphrase(layer, passphrase):
    with crypt._Opened([layer]) as opened, images._secret(passphrase) as secret:
        crypt.calibrated("amend", "-q", *opened.args, "--object", f"secret,id=new,file={secret.name}", "-o",
                        "encrypt.state=active,encrypt.new-secret=new,encrypt.iter-time=10", opened.names[0])


def key_material_differs(a, b):
    """No sector of the old key material (slots begin at sector 8 of the header) is left in the copy."""
    with crypt.header(a) as old, open(b, "rb") as f:
        header = open(old.name, "rb").read()
        copy = f.read(4 << 20)
    sectors = {header[n:n + 512] for n in range(4096, 4096 + 256_000 - 512, 512)}
    return not any(sector in copy for sector in sectors if any(sector))


def test_slot_on_a_file_system_that_clones(host, new_pool, small_xfs):
    path = small_xfs()
    os.makedirs(path + "/a")
    os.makedirs(path + "/b")
    source, target = new_pool("cn-north-1", path=path + "/a"), new_pool("cn-north-1", path=path + "/b")
    old, new = Key(host, value=crypt.SOURCE), Key(host)
    made = crypt.known_chain(source, old)
    os.sync()
    before = os.statvfs(path).f_bfree
    target.replicate(source, "web.qcow2", name="slot.qcow2", target=new.target(), rekey="slot")
    os.sync()
    grown = (before - os.statvfs(path).f_bfree) * os.statvfs(path).f_frsize
    crypt.assert_judged(made, crypt.layers(target.file("slot.qcow2"), new.value))
    # The key slots of three layers and the records, not the data.
    assert grown < 3 * (2 << 20) + (1 << 20), grown
    target.host.ok("pool-destroy", target.name)
    target.host.ok("pool-destroy", source.name)


@pytest.mark.parametrize("async_", ["no", "yes"])
def test_slot_refuses_equal_passphrases(host, encrypted, async_):
    source, target, old, _ = encrypted
    for key in (old, Key(host, value=old.value)):
        error = target.refusal(source, "web.qcow2", name="slot.qcow2", target=key.target(), rekey="slot", async_=async_)
        assert code(error) == libvirt.VIR_ERR_INVALID_ARG, error
        assert nothing_left(target)


@pytest.mark.parametrize("async_", ["no", "yes"])
@pytest.mark.parametrize("depth", [0, 1])
def test_slot_refuses_the_passphrase_of_another_old_slot(host, encrypted, depth, async_):
    """Whoever knew the image's second passphrase would open the copy too."""
    source, target, old, made = encrypted
    add_passphrase(made[depth], "second passphrase")
    source.refresh()
    error = target.refusal(source, "web.qcow2", name="slot.qcow2", rekey="slot", async_=async_,
                           target=Key(host, value="second passphrase").target())
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG, error
    assert nothing_left(target)


def test_slot_of_a_plain_image_is_refused(host, pools):
    source, target = pools
    source.chain()
    error = target.refusal(source, "web.qcow2", name="slot.qcow2", encryption="default", rekey="slot")
    assert code(error) == libvirt.VIR_ERR_INVALID_ARG and "slot" in str(error)
    assert nothing_left(target)


def test_slot_of_raw_luks(host, pools):
    source, target = pools
    old, new = Key(host, value=crypt.SOURCE), Key(host)
    with open(source.file("disk.img"), "wb") as f:
        f.write(images.random_bytes(2 << 20, 3))
    source.refresh()
    source.replicate(source, "disk.img", name="disk.luks", fmt="raw", target=old.target())
    target.replicate(source, "disk.luks", name="slot.luks", fmt="raw", target=new.target(), rekey="slot")
    path = target.file("slot.luks")
    crypt.compare([crypt.Layer(source.file("disk.img"), "raw", None)], [crypt.Layer(path, "luks", new.value)])
    assert not crypt.opens(path, old.value)
    assert crypt.volume_key(path, new.value) == crypt.volume_key(source.file("disk.luks"), old.value)


def test_slot_of_compressed_clusters(host, pools):
    """They are plaintext inside LUKS, as somebody may have made them: converted in full or refused."""
    source, target = pools
    old, new = Key(host, value=crypt.SOURCE), Key(host)
    crypt.bind(source, old, "web.qcow2")
    made = [crypt.Layer(crypt.create(source.file("made"), old.value, "8M"), "qcow2", old.value)]
    crypt.write(made, [(0, 65536, 3)])
    with crypt._Opened(made) as opened:
        out = images.space.run("qemu-io", *opened.args, "-c", "write -c -P 66 1M 64k", opened.names[0], check=False)
    if out.returncode or "failed" in out.stdout:
        pytest.fail(f"qemu-io cannot write a compressed cluster: {out}")
    crypt.put(source.file("web.qcow2"), made[0].path)
    source.refresh()
    made = [made[0]._replace(path=source.file("web.qcow2"))]
    result = target.try_replicate(source, "web.qcow2", name="slot.qcow2", target=new.target(), rekey="slot")
    if result.rc:
        assert "compressed" in result.err and nothing_left(target)
        return
    replica = crypt.layers(target.file("slot.qcow2"), new.value)
    crypt.assert_judged(made, replica)
    assert crypt.volume_key(made[0].path, old.value) != crypt.volume_key(replica[0].path, new.value)
    assert crypt.encryption_of(target.image("slot.qcow2"))[1][-1]["action"] == "rekey"
