# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keys: the default one, the binding of volumes, key slots, bad keys, and that nothing leaks."""

import base64
import glob
import os
import re
import threading
import time

import libvirt
import pytest
from harness import crypt, images, xmlio
from harness.crypt import Key
from harness.pools import code, two_regions, wait_until
from test_region_pools import valid

DEFAULT = "ims/default"


def nothing_left(target):
    return target.volumes() == [] and not [n for n in target.staging() if n.startswith("partial/")]


def secrets(host):
    conn = host.connect(driver="secret")
    try:
        return {s.usageID(): s.UUIDString() for s in conn.listAllSecrets()}
    finally:
        conn.close()


# ---- the default key

def test_default_key_is_made_once_by_racing_requests(new_host):
    host = new_host().start()
    source, target = two_regions(host)
    source.chain(names=("one.qcow2",))
    images.base(source.file("two.qcow2"), 16)
    source.refresh()
    assert DEFAULT not in secrets(host)
    results = []
    threads = [threading.Thread(target=lambda name=name: results.append(
        target.try_replicate(source, name, encryption="default"))) for name in ("one.qcow2", "two.qcow2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r.rc for r in results] == [0, 0], results
    assert list(secrets(host)) == [DEFAULT]
    conn = host.connect(driver="secret")
    secret = conn.secretLookupByUsage(libvirt.VIR_SECRET_USAGE_TYPE_VOLUME, DEFAULT)
    xml = secret.XMLDesc()
    assert "private='yes'" in xml and "ephemeral='no'" in xml
    with pytest.raises(libvirt.libvirtError, match="private"):
        secret.value()
    conn.close()
    value = crypt.secret_value(host, DEFAULT)
    assert len(value) >= 64
    for name in ("one.qcow2", "two.qcow2"):
        assert crypt.opens(target.file(name), value)
    host.restart()
    target.replicate(source, "one.qcow2", name="later.qcow2", encryption="default")
    assert crypt.secret_value(host, DEFAULT) == value
    assert crypt.opens(target.file("later.qcow2"), value)


def test_default_key_of_the_configuration(new_host):
    host = new_host()
    host.configure('default_key = "house/key"\n')
    host.start()
    source, target = two_regions(host)
    source.chain(names=("one.qcow2",))
    target.replicate(source, "one.qcow2", encryption="default")
    assert list(secrets(host)) == ["house/key"]
    assert crypt.opens(target.file("one.qcow2"), crypt.secret_value(host, "house/key"))


def test_two_daemons_have_different_default_keys(host, new_host, pools):
    pools[0].chain(names=("one.qcow2",))
    pools[1].replicate(pools[0], "one.qcow2", name="enc.qcow2", encryption="default")
    other = new_host().start()
    source, target = two_regions(other)
    source.chain(names=("one.qcow2",))
    target.replicate(source, "one.qcow2", encryption="default")
    assert crypt.secret_value(host, DEFAULT) != crypt.secret_value(other, DEFAULT)


# ---- the binding of a volume

def test_binding_survives_refresh_and_restart(host, pools):
    source, target = pools
    key = Key(host)
    target.replicate(source, source.chain(), name="enc.qcow2", target=key.target())
    layers = ["enc.qcow2"] + target.image("enc.qcow2").snapshots
    assert len(layers) == 3
    for act in (lambda: None, target.refresh, host.restart, target.refresh):
        act()
        for layer in layers:
            image = target.image(layer)
            assert crypt.encryption_of(image)[0] == key.uuid
            assert crypt.secret_in_sight(image) == key.uuid
            valid("volume.rng", image.xml)
    source.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare_all(crypt.layers(source.file("web.qcow2")), crypt.layers(source.file("dec.qcow2")))


def test_binding_of_a_stock_volume_survives_refresh(host, pools):
    """Stock libvirt forgets it."""
    pool, target = pools
    key = Key(host)
    with xmlio.xml_file(f"<volume><name>stock.qcow2</name><capacity>1048576</capacity><target>"
                        f"<format type='qcow2'/>{key.target()}</target></volume>") as f:
        crypt.stock_create(host, pool.name, f.name)
    for act in (lambda: None, pool.refresh, host.restart):
        act()
        assert crypt.secret_in_sight(pool.image("stock.qcow2")) == key.uuid
    target.replicate(pool, "stock.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare(crypt.layers(pool.file("stock.qcow2"), key.value), crypt.layers(target.file("dec.qcow2")))


def test_copied_layers_keep_the_binding(host, encrypted):
    source, target, key, made = encrypted
    target.replicate(source, "web.qcow2", name="kept.qcow2")
    target.refresh()
    for layer in ["kept.qcow2"] + target.image("kept.qcow2").snapshots:
        assert crypt.secret_in_sight(target.image(layer)) == key.uuid
    target.replicate(target, "kept.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare_all(made, crypt.layers(target.file("dec.qcow2")))


def test_chain_under_two_keys(host, pools):
    source, target = pools
    one, two = Key(host, value=crypt.SOURCE), Key(host)
    made = crypt.known_chain(source, one, names=("base.qcow2", "mid.qcow2"))
    crypt.bind(source, two, "web.qcow2")
    new = crypt.create(source.file("new"), two.value, "16M", backing="mid.qcow2")
    chain = [crypt.Layer(new, "qcow2", two.value)] + made
    crypt.write(chain, [(1 << 20, 1 << 20, 77)])
    crypt.put(source.file("web.qcow2"), new)
    source.refresh()
    chain[0] = chain[0]._replace(path=source.file("web.qcow2"))
    target.replicate(source, "web.qcow2", name="dec.qcow2", encryption="none")
    crypt.compare_all(chain, crypt.layers(target.file("dec.qcow2")))
    target.replicate(source, "web.qcow2", name="slot.qcow2", encryption="default", rekey="slot")
    crypt.compare_all(chain, crypt.layers(target.file("slot.qcow2"), crypt.secret_value(host, DEFAULT)))


def test_history_of_conversions(host, pools):
    source, target = pools
    one, two = Key(host), Key(host)
    began = int(time.time())
    target.replicate(source, source.chain(), name="a.qcow2", target=one.target())
    target.replicate(target, "a.qcow2", name="b.qcow2", target=two.target())
    target.replicate(target, "b.qcow2", name="c.qcow2", target=one.target(), rekey="slot")
    target.replicate(target, "c.qcow2", name="d.qcow2", encryption="none")
    expected = {"a.qcow2": ("encrypt", None, one.uuid), "b.qcow2": ("rekey", one.uuid, two.uuid),
                "c.qcow2": ("rekey-slot", two.uuid, one.uuid), "d.qcow2": ("decrypt", one.uuid, None)}
    for act in (lambda: None, host.restart):
        act()
        for name, (action, before, after) in expected.items():
            for layer in [name] + target.image(name).snapshots:
                image = target.image(layer)
                secret, conversions = crypt.encryption_of(image)
                assert secret == after
                last = conversions[-1]
                assert (last["action"], last.get("from"), last.get("to")) == (action, before, after)
                assert last["by"] == "root"
                assert began <= int(last["time"]) <= time.time() + 1
                valid("volume.rng", image.xml)


# ---- bad keys: three clear errors, nothing written

def test_missing_secret_of_the_source(host, encrypted):
    source, target, key, _ = encrypted
    key.undefine()
    error = target.refusal(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_NO_SECRET and key.uuid in str(error)
    assert nothing_left(target)


def test_source_whose_secret_nobody_knows(host, pools):
    source, target = pools
    crypt.create(source.file("foreign.qcow2"), crypt.SOURCE, "1M")
    source.refresh()
    error = target.refusal(source, "foreign.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_NO_SECRET and "foreign.qcow2" in str(error)
    assert nothing_left(target)


@pytest.mark.parametrize("secret", [dict(uuid="9d6a7a4f-0000-4000-8000-1c5b1b7e2c11"), dict(usage="no/such")], ids=str)
def test_missing_secret_of_the_target(host, pools, secret):
    source, target = pools
    source.chain(names=("one.qcow2",))
    error = target.refusal(source, "one.qcow2", name="enc.qcow2", target=crypt.target(**secret))
    assert code(error) == libvirt.VIR_ERR_NO_SECRET and list(secret.values())[0] in str(error)
    assert nothing_left(target)


def take_value(key):
    """Makes a secret of the same UUID without a value."""
    key.undefine()
    conn = key.host.connect(driver="secret")
    conn.secretDefineXML(f"<secret ephemeral='no' private='yes'><uuid>{key.uuid}</uuid><usage type='volume'>"
                         f"<volume>{key.usage}</volume></usage></secret>")
    conn.close()


@pytest.mark.parametrize("end", ["source", "target"])
def test_secret_without_value(host, pools, end):
    source, target = pools
    key = Key(host)
    volume = source.chain(names=("one.qcow2",))
    if end == "source":
        target.replicate(source, volume, name="enc.qcow2", target=key.target())
        source, volume = target, "enc.qcow2"
        take_value(key)
        options = dict(encryption="none")
    else:
        key = Key(host, value=None)
        options = dict(target=key.target())
    error = target.refusal(source, volume, name="new.qcow2", **options)
    assert code(error) == libvirt.VIR_ERR_INVALID_SECRET and "value" in str(error), error
    assert key.uuid in str(error)
    assert not [n for n in target.staging() if n.startswith("partial/")]


def test_wrong_passphrase(host, encrypted):
    source, target, key, _ = encrypted
    key.set("something else")
    error = target.refusal(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED and "something else" not in str(error)
    assert "qcow2" in str(error)
    assert nothing_left(target)


def test_wrong_passphrase_of_a_layer_below(host, encrypted):
    source, target, key, made = encrypted
    other = crypt.create(source.file("base2"), "another passphrase", "16M")
    crypt.put(source.file("base.qcow2"), other)
    source.refresh()
    error = target.refusal(source, "web.qcow2", name="dec.qcow2", encryption="none")
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED and "base.qcow2" in str(error)
    assert nothing_left(target)


# What is done to the source's key, the target's key (None: decrypted), and the error.
BAD_KEYS = {
    "no secret of the source": (Key.undefine, None, libvirt.VIR_ERR_NO_SECRET),
    "no secret of the target": (None, Key.undefine, libvirt.VIR_ERR_NO_SECRET),
    "no value at the source": (take_value, None, libvirt.VIR_ERR_INVALID_SECRET),
    "no value at the target": (None, take_value, libvirt.VIR_ERR_INVALID_SECRET),
    "wrong passphrase": (lambda key: key.set("something else"), None, libvirt.VIR_ERR_AUTH_FAILED),
    "wrong passphrase, to another key": (lambda key: key.set("something else"), lambda key: None,
                                         libvirt.VIR_ERR_AUTH_FAILED),
}


@pytest.mark.parametrize("what", BAD_KEYS)
def test_three_errors_of_async_requests_come_at_once(host, encrypted, what):
    """Not from a job that fails later, when nobody looks."""
    source, target, key, _ = encrypted
    spoil_source, spoil_target, expected = BAD_KEYS[what]
    options = dict(encryption="none")
    if spoil_source:
        spoil_source(key)
    if spoil_target:
        other = Key(host)
        spoil_target(other)
        options = dict(target=other.target())
    error = target.refusal(source, "web.qcow2", name="new.qcow2", async_="yes", **options)
    assert code(error) == expected, error
    assert nothing_left(target)


@pytest.mark.parametrize("rekey", [None, "slot"])
@pytest.mark.parametrize("async_", ["no", "yes"])
def test_refused_request_makes_no_default_key(new_host, async_, rekey):
    host = new_host().start()
    source, target = two_regions(host)
    key = Key(host, value=crypt.SOURCE)
    crypt.known_chain(source, key, names=("one.qcow2",))
    key.set("something else")
    error = target.refusal(source, "one.qcow2", name="new.qcow2", encryption="default", async_=async_,
                           rekey=rekey)
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED
    assert list(secrets(host)) == [key.usage]
    key.set(crypt.SOURCE)
    target.replicate(source, "one.qcow2", name="new.qcow2", encryption="default")
    assert DEFAULT in secrets(host)


def test_key_that_is_gone_fails_a_resumed_job_which_can_be_retried(host, pools):
    source, target = pools
    key = Key(host)
    images.base(source.file("web.qcow2"), 16)
    images.write_random(source.file("web.qcow2"), 0, 12 << 20, 5)
    source.refresh()
    target.replicate(source, "web.qcow2", name="enc.qcow2", target=key.target(), async_="yes",
                     bandwidth=("KiB/s", 2048))
    target.wait_job("enc.qcow2", ("running",))
    host.kill()
    os.unlink(os.path.join(host.dir, "etc/secrets", key.uuid + ".base64"))
    host.start()
    job = target.wait_job("enc.qcow2", ("failed",))
    assert key.uuid in job["error"] and target.image("enc.qcow2").status == "error"
    key.set(key.value)
    target.update("enc.qcow2", "<replication:job action='retry'/>")
    target.update("enc.qcow2", "<replication:bandwidth unit='MiB/s'>500</replication:bandwidth>", check=False)
    target.wait_job("enc.qcow2", timeout_s=30)
    crypt.assert_judged(crypt.layers(source.file("web.qcow2")), crypt.layers(target.file("enc.qcow2"), key.value))


def test_passphrase_that_is_no_text(host, pools):
    """QEMU could not open what it locks, so it locks nothing."""
    source, target = pools
    key = Key(host, value=b"\x00\x01\xff\xfe binary \x00\n")
    images.create(source.file("one.qcow2"), "2M")
    images.overlay(source.file("two.qcow2"), "one.qcow2", "2M")
    source.refresh()
    for volume, options in (("one.qcow2", {}), ("two.qcow2", {"snapshots": "flatten"})):
        error = target.refusal(source, volume, name="enc.qcow2", target=key.target(), **options)
        assert code(error) == libvirt.VIR_ERR_INVALID_SECRET and "text" in str(error)


def test_passphrase_of_a_person_gets_a_slow_derivation(host, pools):
    source, target = pools
    slow, random_key = Key(host, value="correct horse"), Key(host)
    images.create(source.file("one.qcow2"), "2M")
    source.refresh()
    iterations = {}
    for key in (slow, random_key):
        name = f"{len(iterations)}.qcow2"
        target.replicate(source, "one.qcow2", name=name, target=key.target())
        iterations[key] = int(re.search(r"Key Slot 0: ENABLED\s+Iterations:\s+(\d+)",
                                        crypt.dump(target.file(name))).group(1))
    assert iterations[slow] > 100_000 > iterations[random_key]


# ---- nothing leaks

def forms(secret):
    """How a secret may have been written, as bytes."""
    secret = secret.encode() if isinstance(secret, str) else secret
    return {secret, base64.b64encode(secret), secret.hex().encode(), secret.hex().upper().encode()}


def leaks(data, needles):
    return [needle for needle in needles if needle in data]


class Watcher:
    """Looks into the command lines and environments of all processes for as long as the context lasts."""

    def __init__(self, needles):
        self.needles, self.seen, self.helpers, self.watching = needles, [], set(), True
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        while self.watching:
            for folder in glob.glob("/proc/[0-9]*"):
                for name in ("cmdline", "environ"):
                    try:
                        with open(f"{folder}/{name}", "rb") as f:
                            self._look(f"{folder}/{name}", f.read())
                    except OSError:
                        pass
            time.sleep(0.005)

    def _look(self, name, data):
        if leaks(data, self.needles):
            self.seen.append(name)
        if name.endswith("cmdline") and data.startswith(b"qemu-img"):
            self.helpers.add(data)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.watching = False
        self.thread.join()


def contents(pool, names):
    found = {}
    for name in names:
        try:
            with open(pool.file(name), "rb") as f:
                found[name] = f.read()
        except FileNotFoundError:  # staging, while a job works
            pass
    return found


def staged(pool):
    return contents(pool, [".replication/" + name for name in pool.staging()])


def slow_job(source, target, name, key):
    """A conversion; returns what its staging held in the middle of it."""
    target.replicate(source, "web.qcow2", name=name, target=key.target(), async_="yes", bandwidth=("KiB/s", 2048))
    target.wait_job(name, ("running",))
    assert wait_until(lambda: int(target.image(name).job["processed"]) > 0)
    found = staged(target)
    assert target.image(name).job["state"] == "running" and any("/partial/" in n for n in found), list(found)
    target.wait_job(name)
    return found


def test_no_secret_is_anywhere(host, pools):
    """While conversions run and afterwards: command lines, environments, staging, images, XML, log, temporary
    files."""
    source, target = pools
    one, two, wrong = Key(host), Key(host), Key(host)
    temporary = listing(host)
    images.base(source.file("base.qcow2"), 16)
    images.overlay(source.file("web.qcow2"), "base.qcow2", "16M")
    images.write_random(source.file("web.qcow2"), 0, 6 << 20, 8)
    source.refresh()
    target.replicate(source, "base.qcow2", name="default.qcow2", encryption="default")
    default = crypt.secret_value(host, DEFAULT)
    target.replicate(source, "base.qcow2", name="wrong.qcow2", target=wrong.target())
    keys = {"default.qcow2": default, "wrong.qcow2": wrong.value, "one.qcow2": one.value, "flat.qcow2": two.value,
            "slot.qcow2": one.value, "again.qcow2": default, "slow.qcow2": two.value}
    wrong.set("quite another passphrase")
    needles = set().union(*map(forms, keys.values()), forms(wrong.value))
    with Watcher(needles) as watcher:
        target.replicate(source, "web.qcow2", name="one.qcow2", target=one.target(), bandwidth=("KiB/s", 16384))
        target.replicate(target, "one.qcow2", name="flat.qcow2", target=two.target(), snapshots="flatten")
        target.replicate(target, "flat.qcow2", name="slot.qcow2", target=one.target(), rekey="slot")
        target.replicate(target, "slot.qcow2", name="again.qcow2", encryption="default")
        target.replicate(target, "again.qcow2", name="dec.qcow2", encryption="none")
        error = target.refusal(target, "wrong.qcow2", name="none.qcow2", encryption="none")
        during = slow_job(source, target, "slow.qcow2", two)
    assert code(error) == libvirt.VIR_ERR_AUTH_FAILED
    assert watcher.seen == []
    assert watcher.helpers, "no qemu-img was seen, so the watcher is blind"
    for name, key in keys.items():
        volume_key = crypt.volume_key(target.file(name), key)
        needles |= forms(volume_key) | forms(volume_key[:32]) | forms(volume_key[32:])
    texts = {"log": host.log().encode(), "stderr": host.stderr().encode(), "error": str(error).encode(),
             **{"during " + name: data for name, data in during.items()}, **staged(target),
             **contents(target, target.volumes())}
    texts.update({"xml of " + name: target.image(name).xml.encode() for name in target.volumes()})
    assert set(keys) < set(texts)
    for where, data in texts.items():
        assert not leaks(data, needles), where
    with open(os.path.join(host.dir, "etc/secrets", one.uuid + ".base64"), "rb") as f:
        assert leaks(f.read(), needles), "libvirt keeps it there, so the search is blind"
    assert listing(host) - temporary == set()
    assert not [fd for fd in host.fds() if "memfd" in fd and "deleted" in fd and "secret" in fd]


def listing(host):
    """Files where a daemon might leave temporary ones; those of other programs in /tmp are not its."""
    folders = ["/dev/shm", host.dir + "/run", host.dir + "/cache"]
    found = {os.path.join(root, name) for folder in folders for root, _, names in os.walk(folder) for name in names}
    for pattern in ("repl*", "qemu*", "luks*", "vl.*", "libvirt*"):
        found |= {path for path in glob.glob("/tmp/" + pattern) if os.path.isfile(path)}
    return found


# ---- bound by usage, and anew

def test_key_that_is_defined_anew(host, pools):
    """With the same usage, as on another host: the image opens again."""
    source, target = pools
    images.create(source.file("one.qcow2"), "2M")
    images.write(source.file("one.qcow2"), [(0, 65536, 4)])
    source.refresh()
    key = Key(host)
    target.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target())
    key.undefine()
    again = Key(host, usage=key.usage, value=key.value)
    assert again.uuid != key.uuid
    assert crypt.secret_in_sight(target.image("enc.qcow2")) == again.uuid
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    images.compare(source.file("one.qcow2"), target.file("dec.qcow2"))


def rebind(pool, volume, secret):
    xml = (f"<volume><name>{volume}</name><target>{secret}</target><metadata>"
           f"<replication:update xmlns:replication='{xmlio.NS}'/></metadata></volume>")
    with xmlio.xml_file(xml) as f:
        return pool.host.virsh("vol-create", pool.name, f.name)


def test_key_bound_by_an_update(host, pools):
    source, target = pools
    images.create(source.file("one.qcow2"), "2M")
    source.refresh()
    key, other, wrong = Key(host), Key(host, value=None), Key(host)
    target.replicate(source, "one.qcow2", name="enc.qcow2", target=key.target())
    assert "has no value" in rebind(target, "enc.qcow2", other.target()).err
    assert rebind(target, "enc.qcow2", wrong.target()).rc != 0
    assert crypt.secret_in_sight(target.image("enc.qcow2")) == key.uuid
    other.set(key.value)
    key.undefine()
    result = rebind(target, "enc.qcow2", other.target(by="usage"))
    assert result.rc == 0, result.err
    host.restart()
    target.refresh()
    assert crypt.secret_in_sight(target.image("enc.qcow2")) == other.uuid
    target.replicate(target, "enc.qcow2", name="dec.qcow2", encryption="none")
    assert "is not encrypted" in rebind(target, "dec.qcow2", other.target()).err
