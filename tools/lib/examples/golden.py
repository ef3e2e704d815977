#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Keeps a set of golden images present in all regions, with python3-libvirt alone.

    golden.py URI IMAGE…

Each image is a volume of a region pool; it is replicated to a pool of every other region that does not have it. Run it
as often as you like: the request's token makes the same replica, however often it is asked for. (virt-replicate's `sync`
does the same from a file, and more.)
"""

import sys
import time
import xml.etree.ElementTree as ET
from xml.sax.saxutils import quoteattr

import libvirt

NS = "{urn:libvirt-replication:1.0}"
IMAGES = 1 << 20  # list the pool's images in its XML, too

REQUEST = """
<volume>
  <metadata>
    <replication:replicate xmlns:replication='urn:libvirt-replication:1.0' async='yes' token={token}/>
  </metadata>
</volume>
"""


def regions(conn):
    """Active region pools: (region, pool, its images by volume name)."""
    for pool in conn.listAllStoragePools(libvirt.VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE):
        images, part = {}, 0
        while True:
            label = ET.fromstring(pool.XMLDesc(IMAGES | part << 21)).find(f"metadata/{NS}region")
            if label is None:
                break
            listed = label.find(f"{NS}images")
            images.update({image.get("volume"): image for image in listed})
            part = int(listed.get("next", 0))
            if part == 0:
                yield label.get("name"), pool, images
                break


def job(volume):
    element = ET.fromstring(volume.XMLDesc()).find(f"metadata/{NS}image/{NS}job")
    return None if element is None else element


def main():
    uri, *names = sys.argv[1:]
    conn = libvirt.open(uri)
    world = list(regions(conn))
    started, failed = [], 0
    for name in names:
        home = next(((region, pool, images) for region, pool, images in world
                     if name in images and images[name].get("source") is None), None)
        if home is None:
            print(f"{name}: no region has it", file=sys.stderr)
            failed += 1
            continue
        source = home[1].storageVolLookupByName(name)
        image = home[2][name].get("id")
        for region in sorted({other for other, _, _ in world} - {home[0]}):
            pools = [(pool, images) for other, pool, images in world if other == region]
            if any(found.get("source") == image for _, images in pools for found in images.values()):
                print(f"{name}: is in {region}")
                continue
            token = f"golden {image} {region}"
            try:
                started.append((name, region, pools[0][0].createXMLFrom(REQUEST.format(token=quoteattr(token)), source)))
                print(f"{name}: to {region}")
            except libvirt.libvirtError as error:
                print(f"{name}: {region}: {error}", file=sys.stderr)
                failed += 1
    while started:
        time.sleep(0.5)
        for entry in list(started):
            name, region, volume = entry
            state = job(volume)
            if state is not None and state.get("state") not in ("completed", "failed", "cancelled"):
                continue
            started.remove(entry)
            if state is None or state.get("state") != "completed":
                failed += 1
                print(f"{name}: {region}: {state.findtext(f'{NS}error') if state is not None else 'gone'}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
