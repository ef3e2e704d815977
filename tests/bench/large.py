# SPDX-License-Identifier: LGPL-2.1-or-later
"""What calls cost in a pool of 10,000 images, against the same in one of 100."""

import os
import time

from harness import client, images, xmlio
from measure import median

LIMIT = ("≤", 3)


def _fill(folder, count):
    """One in five is an overlay of the first."""
    base = images.create(os.path.join(folder, "base.qcow2"), "4M")
    top = images.create(os.path.join(folder, "web.qcow2"), "4M", backing="base.qcow2")
    with open(base, "rb") as f, open(top, "rb") as g:
        plain, overlay = f.read(), g.read()
    for number in range(count - 2):
        with open(os.path.join(folder, f"v{number:05d}.qcow2"), "wb") as f:
            f.write(overlay if number % 5 == 1 else plain)


def _timed(call, *args):
    began = time.monotonic()
    call(*args)
    return time.monotonic() - began


def _complete(lab):
    out = client.ok(lab.host(), "_complete", "images", "v0009")
    assert out, "no image is completed"


def _started(source, target, turn):
    """Seconds until a replication is planned and its name taken; it is cancelled at once."""
    xml = xmlio.replicate(name=f"plan-{turn}.qcow2", start="no")
    began = time.monotonic()
    vol = target.createXMLFrom(xml, source, 0)
    took = time.monotonic() - began
    vol.delete()
    return took


def _measure(lab, pool, count, calls):
    """Seconds of each call, medians."""
    handle = lab.conn().storagePoolLookupByName(pool.name)
    names = iter(f"v{number:05d}.qcow2" for number in range(count - 2) if number % 5 != 1)
    other = lab.pool(f"{pool.name}-other", region="cn-east-2")
    images.create(other.file("below.qcow2"), "1M")
    images.create(other.file("other.qcow2"), "1M", backing="below.qcow2")
    images.write(other.file("below.qcow2"), [(0, 65536, 1)])
    other.refresh()
    far = lab.conn().storagePoolLookupByName(other.name)
    web, foreign = handle.storageVolLookupByName("web.qcow2"), far.storageVolLookupByName("other.qcow2")
    found = {
        "vol-delete": [_timed(handle.storageVolLookupByName(next(names)).delete) for _ in range(calls)],
        "vol-dumpxml": [_timed(web.XMLDesc) for _ in range(calls)],
        "pool-dumpxml": [_timed(handle.XMLDesc) for _ in range(calls)],
        "start of a replication from it": [_started(web, far, turn) for turn in range(calls)],
        "start of a replication into it": [_started(foreign, handle, turn) for turn in range(calls)],
    }
    lab.drop(other)
    return {what: median(values) for what, values in found.items()}


def large(lab, table):
    """vol-delete, vol-dumpxml, pool-dumpxml and a replication's start with 10,000 images."""
    counts = (100, lab.options.images)
    seconds = {}
    for count in counts:
        folder = lab.folder(f"large-{count}")
        _fill(folder, count)
        pool = lab.pool(f"large-{count}", region="cn-north-1", path=folder)
        os.sync()  # what a start writes must not wait for what was filled in
        time.sleep(3)  # a file is known when it is older than the coarsest clock
        pool.dumpxml()
        seconds[count] = _measure(lab, pool, count, 15)
        completion = median([_timed(_complete, lab) for _ in range(15)])
        lab.drop(pool)
    table.add(f"{counts[1]} images in a pool, completion of an image's name in a shell", f"{completion * 1000:.0f} ms",
              wanted=("≤", 100), value=completion * 1000, unit=" ms")
    for what, small in seconds[100].items():
        big = seconds[counts[1]][what]
        table.add(f"{counts[1]} images in a pool, {what}, against 100", f"{big * 1000:.2f} ms",
                  f"{small * 1000:.2f} ms", big / small, LIMIT)
