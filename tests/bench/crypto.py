# SPDX-License-Identifier: LGPL-2.1-or-later
"""Layers in another form: encrypted, decrypted, with another key, and instances of fast-create images."""

import contextlib
import json
import os
import tempfile

from harness import fs, images, space
from lab import allocated, empty
from measure import GIB, MIB, cpu, drop_caches, sync_files, timed, timed_daemon, turns, wall

OPTIONS = {"": [], " -m 16 -W": ["-m", "16", "-W"],
           " -m 16 -W -t none -T none": ["-m", "16", "-W", "-t", "none", "-T", "none"]}


def _secret(lab, usage, value):
    """A libvirt secret of usage type volume."""
    conn = lab.ours.connect(driver="secret")
    secret = conn.secretDefineXML("<secret ephemeral='no' private='no'><usage type='volume'>"
                                  f"<volume>{usage}</volume></usage></secret>")
    secret.setValue(value)
    conn.close()


def _default_value(lab):
    """The key that encryption='default' made; libvirt hands out the values of secrets that are not private
    only, so for the peers the daemon's own file is read."""
    import base64
    folder = os.path.join(lab.ours.dir, "etc", "secrets")
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if name.endswith(".xml"):
            with open(path) as f:
                if "ims/default" in f.read():
                    with open(path[:-4] + ".base64") as value:
                        return base64.b64decode(value.read())
    raise AssertionError("there is no default key")


def _target(usage):
    return ("<encryption format='luks'><secret type='passphrase' "
            f"usage='{usage}'/></encryption>")


@contextlib.contextmanager
def _file(value):
    with tempfile.NamedTemporaryFile() as f:
        f.write(value)
        f.flush()
        yield f.name


def _create(path, size, secret):
    """The peer's target, before its time begins. qemu's calibration of the key derivation fails when the
    machine is busy ("Unable to get accurate CPU usage"): tried again."""
    argv = ["qemu-img", "create", "-q", "-f", "qcow2"]
    with contextlib.ExitStack() as stack:
        if secret:
            argv += ["--object", f"secret,id=to,file={stack.enter_context(_file(secret))}",
                     "-o", "encrypt.format=luks,encrypt.key-secret=to,encrypt.iter-time=50"]
        for _ in range(50):
            if space.run(*argv, path, str(size), check=False).returncode == 0:
                return
    raise AssertionError(f"qemu-img cannot create {path}")


def _convert(source, target, extra, source_secret=None, target_secret=None):
    """The data of one layer by qemu-img into a target that is there: without the cost of making a header, and
    without looking at the layers below. More than that it cannot leave out."""
    argv = ["qemu-img", "convert", *extra, "-n", "--target-is-zero"]
    files = {"from": (f"driver=qcow2,file.filename={source},backing=", source_secret),
             "to": (f"driver=qcow2,file.filename={target}", target_secret)}
    with contextlib.ExitStack() as stack:
        for name, (opts, secret) in files.items():
            if secret:
                argv += ["--object", f"secret,id={name},file={stack.enter_context(_file(secret))}"]
                files[name] = (f"{opts},encrypt.key-secret={name}", secret)
        space.run(*argv, "--image-opts", "--target-image-opts", files["from"][0], files["to"][0])


def _layers(path):
    """The files of a chain, top first."""
    infos = json.loads(space.run("qemu-img", "info", "--output=json", "--backing-chain", path).stdout)
    return [info["filename"] for info in infos]


def encrypt(lab, table):
    """plain to LUKS, LUKS to plain, and LUKS to another key, on disk, against the plain copy and qemu-img."""
    _encrypt_in(lab, table, "ext4, cold, synced", lab.folder("crypto"), drop_caches, 2, lab.options.size_mib)


def encrypt_memory(lab, table):
    """The same on tmpfs, where no disk is the limit; with small pages and with huge ones."""
    # Half of the data: two sources and a target must fit into memory that the host of a virtual machine gives at once.
    size_mib = lab.options.size_mib // 2
    for kind, options in (("tmpfs", ""), ("tmpfs with huge pages", "huge=always")):
        mount = fs.tmpfs(lab.folder("crypto-tmpfs"), size_mib * 3 + 1024, options)
        _encrypt_in(lab, table, f"{kind}, {size_mib} MiB", mount, lambda: None, 4, size_mib)
        fs.umount(mount)


def _encrypt_in(lab, table, where, folder, prepare, wanted, size_mib):
    source = lab.pool("crypto-a", region="cn-north-1", path=os.path.join(folder, "a"))
    target = lab.pool("crypto-b", region="cn-east-2", path=os.path.join(folder, "b"))
    out = os.path.join(folder, "peers")
    os.makedirs(out)
    plain = lab.chain(source.path, size_mib)
    source.refresh()
    # The source of the other two: encrypted with the random default key.
    lab.replicate(source, source, "web.qcow2", name="luks.qcow2", encryption="default")
    default = _default_value(lab)
    size = allocated(plain)

    def this(volume, **options):
        def turn():
            prepare()
            cost = timed_daemon(lab.ours, lambda: (lab.replicate(target, source, volume, **options),
                                                   sync_files(target.path)))
            lab.remove(target, volume)
            space.run("sync", "-f", target.path)
            return cost
        return turn

    def peer(paths, extra, **secrets):
        pairs = [(path, os.path.join(out, f"{number}.qcow2")) for number, path in enumerate(paths)]

        def turn():
            for _, to in pairs:
                _create(to, size_mib * 2 * MIB, secrets.get("target_secret"))
            prepare()
            cost = timed(lambda: ([_convert(path, to, extra, **secrets) for path, to in pairs], sync_files(out)))
            empty(out)
            return cost
        return turn

    cases = {
        "plain to LUKS": ("web.qcow2", {"encryption": "default"}, {"target_secret": default}),
        "LUKS to plain": ("luks.qcow2", {"encryption": "none"}, {"source_secret": default}),
        # with the same random secret a new volume key is made all the same
        "LUKS to a new key": ("luks.qcow2", {"encryption": "default"},
                              {"source_secret": default, "target_secret": default}),
    }
    for what, (volume, options, secrets) in cases.items():
        contenders = {"plain copy": this("web.qcow2"), "this": this(volume, **options)}
        contenders.update({f"qemu-img convert{name}": peer(_layers(source.file(volume)), extra, **secrets)
                           for name, extra in OPTIONS.items()})
        results = turns(contenders, lab.options.runs)
        copy, ours = results.pop("plain copy"), results.pop("this")
        best = min(results, key=lambda name: wall(results[name]))
        speed = f"{wall(ours):.2f} s ({size / MIB / wall(ours):.0f} MiB/s)"
        table.add(f"{where}: {what}, against the plain copy", speed, f"{wall(copy):.2f} s",
                  wall(copy) / wall(ours), ("≥", 0.85) if wanted == 2 else None)
        table.add(f"… against the best {best} for each layer", speed, f"{wall(results[best]):.2f} s",
                  wall(results[best]) / wall(ours), ("≥", wanted))
        per_gib = cpu(ours) / (size / GIB)
        limit = 1.6 if "new key" in what else 1.2
        table.add("… CPU seconds of the daemon for each GiB", f"{per_gib:.2f}", wanted=("≤", limit), value=per_gib)
    lab.drop(source, target)


def headers(lab, table):
    """LUKS headers of a chain of ten small layers, with a random key and with a passphrase, against qemu-img create."""
    source = lab.pool("headers-a", region="cn-north-1")
    target = lab.pool("headers-b", region="cn-east-2")
    out = lab.folder("headers-peers")
    names = [f"{number}.qcow2" for number in range(10)]
    lab.chain(source.path, 40, names)
    source.refresh()
    _secret(lab, "bench/headers", b"a passphrase of the bench")

    def this(**options):
        def turn():
            cost = timed_daemon(lab.ours, lambda: lab.replicate(target, source, names[-1], **options))
            lab.remove(target, names[-1])
            return cost
        return turn

    def peer(options):
        def turn():
            with _file(b"a passphrase of the bench") as secret:
                cost = timed(lambda: [space.run("qemu-img", "create", "-q", "-f", "qcow2", "--object",
                                                f"secret,id=to,file={secret}", "-o",
                                                f"encrypt.format=luks,encrypt.key-secret=to{options}",
                                                os.path.join(out, name), "80M") for name in names])
            empty(out)
            return cost
        return turn

    results = turns({"random": this(encryption="default"),
                     "passphrase": this(encryption="target", target=_target("bench/headers")),
                     "create, quick": peer(",encrypt.iter-time=10"), "create": peer("")}, min(lab.options.runs, 3))
    random, chosen, quick, slow = (wall(costs) for costs in results.values())
    table.add("a chain of 10 layers encrypted: random key", f"{random:.2f} s",
              f"{quick:.1f} s (10 × qemu-img create, iter-time=10)", quick / random)
    table.add(f"… a passphrase: {chosen / len(names):.1f} s a layer", f"{chosen:.1f} s",
              f"{slow:.1f} s (10 × qemu-img create)", slow / chosen)
    lab.drop(source, target)


def instance(lab, table):
    """On XFS: a disk from a fast-create image, and another passphrase by rekey='slot'."""
    size_mib = lab.options.size_mib
    mount = fs.xfs(lab.folder("instance"), size_mib * 7 // 2 + 1024)
    pool = lab.pool("instance-a", region="cn-north-1", path=os.path.join(mount, "a"))
    images.create(pool.file("web.qcow2"), "10G")
    lab.fill(pool.file("web.qcow2"), size_mib, 10 << 10, 1)
    lab.image(pool.file("small.qcow2"), 4, 2)
    pool.refresh()
    lab.replicate(pool, pool, "web.qcow2", name="fast.qcow2", fast_create="yes")

    def one(volume, **options):
        def turn():
            cost = timed_daemon(lab.ours, lambda: lab.replicate(pool, pool, volume, name="new.qcow2", **options))
            lab.remove(pool, "new.qcow2")
            return cost
        return turn

    seconds = wall(turns({"this": one("fast.qcow2")}, lab.options.runs)["this"])
    table.add("XFS: an instance of a fast-create image, 10 GiB virtual", f"{seconds:.3f} s", wanted=("≤", 0.2),
              value=seconds, unit=" s")
    _secret(lab, "bench/other", b"another passphrase")
    for name in ("web", "small"):
        lab.replicate(pool, pool, f"{name}.qcow2", name=f"{name}-luks.qcow2", encryption="default")
    slot = {"rekey": "slot", "encryption": "target", "target": _target("bench/other")}
    results = turns({name: one(f"{name}-luks.qcow2", **slot) for name in ("web", "small")}, lab.options.runs)
    beyond = wall(results["web"]) - wall(results["small"])
    table.add("XFS: rekey='slot', beyond the key derivation", f"{beyond:.3f} s",
              f"{wall(results['small']):.2f} s for a small image", wanted=("≤", 1), value=beyond, unit=" s")
    lab.drop(pool)
    fs.umount(mount)
