# SPDX-License-Identifier: LGPL-2.1-or-later
"""What everybody's queries cost: large pools, with and without a label, against the stock driver."""

import os
import subprocess
import time

from harness import client, images, space, xmlio
from harness.host import STOCK
from measure import median, turns


def _fill(folder, count):
    """One in five is an overlay."""
    first = images.create(os.path.join(folder, "v0000.qcow2"), "64M")
    top = images.create(os.path.join(folder, "v0001.qcow2"), "64M", backing="v0000.qcow2")
    for number in range(2, count):
        space.run("cp", "--sparse=always", top if number % 5 == 1 else first,
                  os.path.join(folder, f"v{number:04d}.qcow2"))


def lists(lab, table):
    """vol-list and vol-dumpxml of a pool with many volumes."""
    count = lab.options.volumes
    kinds = {}
    for name, region, module in (("stock", None, STOCK), ("unlabelled", None, "ours"),
                                 ("region", "cn-north-1", "ours")):
        folder = lab.folder(f"lists-{name}")
        _fill(folder, count)
        kinds[name] = lab.pool(f"lists-{name}", region=region, path=folder, module=module)

    def virsh(pool, *words):
        argv = ["virsh", "-q", "-c", pool.host.uri(), words[0], pool.name, *words[1:]]

        def turn():
            began = time.monotonic()
            subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
            return round(time.monotonic() - began, 4)
        return turn

    def dumpxml(pool, module):
        def turn():
            volumes = lab.conn(module).storagePoolLookupByName(pool.name).listAllVolumes()
            began = time.monotonic()
            for vol in volumes:
                vol.XMLDesc()
            return round(time.monotonic() - began, 4)
        return turn

    def poolxml(pool, module):
        handle = lab.conn(module).storagePoolLookupByName(pool.name)

        def turn():
            began = time.monotonic()
            for _ in range(20):
                handle.XMLDesc()
            return round((time.monotonic() - began) / 20, 5)
        return turn

    modules = {"stock": STOCK, "unlabelled": "ours", "region": "ours"}
    cases = {
        "virsh vol-list": {k: virsh(p, "vol-list") for k, p in kinds.items()},
        "virsh vol-list --details": {k: virsh(p, "vol-list", "--details") for k, p in kinds.items()},
        "vol-dumpxml of each": {k: dumpxml(p, modules[k]) for k, p in kinds.items()},
        "pool-dumpxml": {k: poolxml(p, modules[k]) for k, p in kinds.items()},
    }
    for what, contenders in cases.items():
        results = {k: median(v) for k, v in turns(contenders, lab.options.runs).items()}
        for kind, limit in (("unlabelled", 1.2), ("region", 2)):
            bound = ("≤", limit) if what != "pool-dumpxml" else None
            table.add(f"{count} volumes, {what}, {kind} pool against stock", f"{results[kind]:.4f} s",
                      f"{results['stock']:.4f} s", results[kind] / results["stock"], bound)
    lab.drop(*kinds.values())


LAYERS = 50


def deep(lab, table):
    """Quota and plan of an image with a chain of 50 layers."""
    source, target = lab.pool("deep-s", region="cn-north-1"), lab.pool("deep-t", region="cn-east-2")
    names = [f"layer{number:02d}.qcow2" for number in range(LAYERS)]
    images.create(source.file(names[0]), "64M")
    for below, name in zip(names, names[1:]):
        images.overlay(source.file(name), below, "64M")
    source.refresh()
    conn = lab.conn()
    image = conn.storagePoolLookupByName(source.name).storageVolLookupByName(names[-1])
    pool = conn.storagePoolLookupByName(target.name)
    results = []
    for _ in range(2 + lab.options.runs):  # the first ones read the headers
        began = time.monotonic()
        planned = pool.createXMLFrom(xmlio.replicate(start="no"), image)
        planned.XMLDesc()
        pool.XMLDesc()
        results.append((time.monotonic() - began) * 1000)
        planned.delete()
    took = median(results[2:])
    table.add(f"Plan of a chain of {LAYERS} layers, shown with the quota's usage", f"{took:.1f} ms", wanted=("≤", 50),
              value=took, unit=" ms")
    lab.drop(source, target)


def overview(lab, table):
    """Images and jobs of 1,000 volumes in 10 pools, by the client."""
    made = [lab.pool(f"overview{number}", region=f"cn-{number}") for number in range(10)]
    for pool in made:
        _fill(pool.path, 100)
        pool.refresh()
    results = []
    for _ in range(lab.options.runs):
        began = time.monotonic()
        found = [image for image in client.listing(lab.host(), "images") if image["pool"].startswith("overview")]
        client.listing(lab.host(), "jobs", "--all")
        results.append(time.monotonic() - began)
        assert len(found) == 990  # the common bases are not listed
    took = median(results)
    table.add("Images and jobs of 1,000 volumes in 10 pools, the client's start twice included", f"{took:.2f} s",
              wanted=("≤", 0.5), value=took, unit=" s")
    lab.drop(*made)
