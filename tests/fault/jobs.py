# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every kind of job on tiny images, and what holds of the target whatever happened to it."""

import os
import re
import time

import libvirt
from harness import crypt, images, pools, xmlio

AVAILABLE, PENDING, ERROR = "available", "pending", "error"
SLOW = 64  # KiB/s


class Kind:
    """One way to ask for a replica. `key`: of what opens it, None: plain; `depth`: layers it has. `members`: data disks that
    come with it, overlays of the same base; then its source is in another region. `earlier`: an image on the same base that the target
    has already."""

    def __init__(self, name, volume, depth=2, key=None, members=(), earlier=None, **options):
        self.name, self.volume, self.depth, self.key = name, volume, depth, key
        self.members, self.earlier, self.options = members, earlier, options


class Lab:
    """A host with a source pool that holds the sources of all kinds, and an empty target pool."""

    def __init__(self, host, faults, name="lab"):
        self.host, self.faults = host, faults
        self.source = pools.Pool(host, name + "s", region="cn-north-1")
        self.target = pools.Pool(host, name + "t", region="cn-north-1")
        self.far = pools.Pool(host, name + "f", region="cn-west-1")
        self.aside = pools.Pool(host, name + "a", region="cn-south-1")
        host.configure("max_jobs = 1\n")
        host.reload()
        self.conn = None
        self.number = 0
        self.keys = {"old": crypt.Key(host), "new": crypt.Key(host)}
        self._sources()
        self.kinds = {kind.name: kind for kind in self._kinds()}

    def _sources(self):
        s = self.source
        images.create(s.file("base.qcow2"), "1M")
        images.write(s.file("base.qcow2"), [(0, 65536, 1)])
        for number in (1, 2):
            images.overlay(s.file(f"web{number}.qcow2"), "base.qcow2", "1M", writes=[(65536 * number, 65536, 9)])
        images.qemu_img("convert", "-f", "qcow2", "-O", "raw", s.file("web1.qcow2"), s.file("disk.raw"))
        images.qemu_img("convert", "-f", "qcow2", "-O", "vmdk", s.file("web1.qcow2"), s.file("disk.vmdk"))
        s.refresh()
        s.replicate(s, "web1.qcow2", name="secret.qcow2", target=self.keys["old"].target())
        for volume in ("web1.qcow2", "web2.qcow2"):
            self.far.replicate(s, volume)
        self.far.update("web1.qcow2", "<replication:members><replication:member volume='web2.qcow2'/>"
                                      "</replication:members>")

    def _kinds(self):
        old, new = self.keys["old"], self.keys["new"]
        yield Kind("copy", "web1.qcow2")
        yield Kind("encrypt", "web1.qcow2", key=new, target=new.target())
        yield Kind("decrypt", "secret.qcow2", encryption="none")
        yield Kind("rekey", "secret.qcow2", key=new, target=new.target())
        yield Kind("slot", "secret.qcow2", key=new, target=new.target(), rekey="slot")
        yield Kind("keep", "secret.qcow2", key=old)
        yield Kind("flatten", "web1.qcow2", depth=1, snapshots="flatten")
        yield Kind("fast", "web1.qcow2", depth=1, fast_create="yes")
        yield Kind("raw", "disk.raw", depth=1, fmt="raw")
        yield Kind("vmdk", "disk.vmdk", depth=1)
        yield Kind("set", "web1.qcow2", members=("web2.qcow2",))
        yield Kind("shared", "web1.qcow2", earlier="web2.qcow2")

    def source_of(self, kind):
        return self.far if kind.members else self.source

    # ---- calls

    def pool(self, which=None):
        if self.conn is None:
            self.conn = self.host.connect()
        return self.conn.storagePoolLookupByName((which or self.target).name)

    def forget(self):
        """The daemon is gone."""
        if self.conn is not None:
            try:
                self.conn.close()
            except libvirt.libvirtError:
                pass
        self.conn = None

    def request(self, kind, name, **options):
        """Asks for a replica, asynchronously; returns the error or None."""
        try:
            source = self.pool(self.source_of(kind)).storageVolLookupByName(kind.volume)
            xml = xmlio.replicate(name=name, **{"async_": "yes", **kind.options, **options})
            self.pool().createXMLFrom(xml, source)
        except libvirt.libvirtError as err:
            return err
        return None

    def block(self):
        """All further jobs are queued behind one that takes minutes."""
        self.aside.replicate(self.source, "web1.qcow2", async_="yes", bandwidth=("KiB/s", 1))

    def unblock(self):
        """Once more after the daemon has died: it may have taken up what was to be deleted."""
        pool = self.pool(self.aside)
        if "web1.qcow2" in pool.listVolumes():
            pool.storageVolLookupByName("web1.qcow2").delete()

    def image(self, name):
        """The image, None when there is none."""
        try:
            xml = self.pool().storageVolLookupByName(name).XMLDesc()
            if self.faults.armed and "<replication:image" not in xml:  # the look itself failed
                raise libvirt.libvirtError("no image is shown")
            return xmlio.Image(xml)
        except libvirt.libvirtError as err:
            if err.get_error_code() == libvirt.VIR_ERR_NO_STORAGE_VOL:
                return None
            raise

    def act(self, name, action):
        xml = xmlio.update(name, f"<replication:job action='{action}'/>")
        self.pool().createXML(xml)

    def hurry(self, name):
        """No limit any more; a job that has ended has none."""
        try:
            self.pool().createXML(xmlio.update(name, "<replication:bandwidth unit='MiB/s'>9999</replication:bandwidth>"))
        except libvirt.libvirtError:
            pass

    def delete(self, name, members=()):
        """Of a full machine whose job has not ended one disk takes the others along."""
        self.pool().storageVolLookupByName(name).delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)
        for member in set(members) & set(self.volumes()):
            self.pool().storageVolLookupByName(member).delete(libvirt.VIR_STORAGE_VOL_DELETE_WITH_SNAPSHOTS)

    def volumes(self):
        return sorted(self.pool().listVolumes())

    def died(self):
        return self.host.process is None or self.host.process.poll() is not None

    def revive(self):
        """A killed daemon runs again."""
        self.forget()
        if self.host.process is not None:
            assert self.host.process.wait() == -9, self.host.stderr()
            self.host.process = None
        self.host.start()

    def wait_end(self, name, timeout_s=60):
        """Until the job has ended or the daemon died; the image, None when it is gone or the daemon is."""
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            try:
                image = self.image(name)
            except libvirt.libvirtError:
                if self.wait_dead(0.2 if self.faults.armed else 2):
                    return None
                if self.faults.armed:  # it was ours that failed
                    self.try_activate()
                    continue
                raise
            if image is None or image.status in (ERROR, AVAILABLE) or (image.job is None and image.text("reason")):
                return image
            if image.job is not None and image.job["state"] in ("planned", "paused"):
                return image
            if image.job is not None and image.job.get("bandwidth") == str(SLOW << 10):
                self.hurry(name)  # taken up again after what the test did to make it slow
            time.sleep(0.004)
        raise AssertionError(f"the job of {name} does not end: {self.image(name).xml}")

    def try_activate(self):
        try:
            self.activate()
        except libvirt.libvirtError:
            pass

    def activate(self):
        """A pool whose directory could not be read when the daemon started is not active."""
        for which in (self.source, self.far, self.aside, self.target):
            if not self.pool(which).isActive():
                self.pool(which).create()

    def wait_dead(self, timeout_s=2):
        return pools.wait_until(self.died, timeout_s)

    # ---- what holds at any time

    def assert_right(self, kind, name):
        """An available replica is a right one."""
        path = self.target.file(name)
        made = crypt.layers(path, kind.key.value) if kind.key else crypt.layers(path)
        source = crypt.layers(self.source_of(kind).file(kind.volume), self.keys["old"].value)
        assert len(made) == kind.depth, made
        crypt.compare(source, made)
        for layer in made:
            crypt.check(layer)
            assert os.path.dirname(os.path.abspath(layer.path)) == self.target.path
        for member in kind.members:
            assert self.image(member).status == AVAILABLE, f"{path} is there without {member}"
            images.assert_faithful(self.far.file(member), self.target.file(member))

    def assert_honest(self, kinds):
        """`kinds`: of the replicas by name. What is available is right, what is not says why."""
        for volume in self.volumes():
            image = self.image(volume)
            if image is None:
                continue
            if image.status == AVAILABLE:
                assert os.path.getsize(self.target.file(volume)) > 0, f"{volume} is available and empty"
                of = [name for name, kind in kinds.items() if volume == name or volume in kind.members]
                if of:
                    assert self.image(of[0]).status == AVAILABLE, f"{volume} is there without {of[0]}"
                    self.assert_right(kinds[of[0]], of[0])
                else:
                    images.layers(self.target.file(volume))
            else:
                job = image.job
                assert job is not None or image.text("reason"), image.xml
                if image.status == ERROR:
                    assert (job and job["error"]) or image.text("reason"), image.xml

    def left(self):
        """Digests of deleted images go with the next verification in their pool."""
        return [name for name in self.target.staging() if not re.match(r"jobs/[0-9a-f-]{36}$|digests/", name)
                and name != "lease.lock"]

    def assert_nothing_left(self):
        """Of deleted replicas: neither files nor records, no pins, no lease."""
        assert self.volumes() == [], self.volumes()
        self.pool().refresh()
        assert sorted(os.listdir(self.target.path)) in ([".replication"], [])
        left = self.left()
        if left and all(name.endswith(".new") for name in left):
            # A file that could not be removed when its writing failed goes at the next start, or when it is a minute old.
            self.forget()
            self.host.restart()
            left = self.left()
        assert not left, left
        for name in self.target.staging():
            if name.startswith("jobs/"):
                with open(self.target.file(".replication/" + name), errors="replace") as f:
                    text = f.read()
                assert re.search(r"^state=(completed|failed|cancelled)", text, re.M), text
        for which in (self.target, self.source, self.far):
            pool = self.pool(which)
            pool.destroy()
            pool.create()


class Case:
    """One replica of one kind, something that happens on the way, and what has to hold then."""

    def __init__(self, lab, kind):
        self.lab, self.kind = lab, kind
        lab.number += 1
        self.name = f"r{lab.number}.qcow2"
        self.error = None  # what the request was refused with
        self.revived = False

    def run(self, action, resolve="retry", mode="plain", calls=None, folders=None, **order):
        """`action`, with `order`, as Faults.arm() has them; returns how often it came to it. `mode`: what the job is in
        when it is armed: nothing yet, planned, queued, paused, or killed and about to be taken up by the next daemon."""
        lab, faults = self.lab, self.lab.faults
        self.bring_earlier()
        self.begin(mode)
        faults.arm(action, *(folders or (lab.target.path,)), **({"calls": calls} if calls else {}), **order)
        self.go(mode)
        if not lab.died():
            self.wait()
        faults.disarm()
        hits = faults.hits
        if lab.died() or (hits and action in ("before", "behind") and lab.wait_dead()):
            self.revived = True
            lab.revive()
            if mode == "queued":
                lab.activate()
                lab.unblock()
        self.settle(resolve)
        return hits

    def bring_earlier(self):
        if self.kind.earlier:
            self.lab.target.replicate(self.lab.source, self.kind.earlier, name=self.kind.earlier)

    def assert_nothing_left(self):
        """Of the replica, and nothing lost of what was there before it."""
        lab, earlier = self.lab, self.kind.earlier
        if earlier:
            assert len(lab.volumes()) == 2 and lab.image(earlier).status == AVAILABLE, lab.volumes()
            images.assert_faithful(lab.source.file(earlier), lab.target.file(earlier))
            lab.delete(earlier)
        lab.assert_nothing_left()

    def assert_refused(self):
        """The client was told that there is no replica: none comes, and what was left goes."""
        lab = self.lab
        lab.pool().refresh()
        image = lab.image(self.name)
        if image is not None:
            # What stock could neither finish nor remove (two failing calls) is an empty volume, and says so.
            assert image.job is None and image.status != AVAILABLE and image.text("reason"), image.xml
            lab.delete(self.name)
        self.assert_nothing_left()
        self.bring_earlier()

    def begin(self, mode):
        lab = self.lab
        if mode == "planned":
            assert lab.request(self.kind, self.name, start="no") is None
        elif mode == "queued":
            lab.block()
            assert lab.request(self.kind, self.name) is None
            assert lab.image(self.name).job["state"] == "queued"
        elif mode in ("paused", "restart"):
            assert lab.request(self.kind, self.name, start="no", bandwidth=("KiB/s", SLOW)) is None
            lab.act(self.name, "start")
        if mode == "paused":
            try:
                lab.act(self.name, "pause")
            except libvirt.libvirtError:  # it was quicker
                pass
        if mode == "restart":
            lab.host.process.kill()
            lab.wait_dead()

    def go(self, mode):
        lab = self.lab
        try:
            if mode == "plain":
                self.error = lab.request(self.kind, self.name)
            elif mode == "planned":
                lab.act(self.name, "start")
            elif mode == "queued":
                lab.unblock()
            elif mode == "paused":
                lab.hurry(self.name)
                lab.act(self.name, "resume")
            else:
                lab.revive()
        except (libvirt.libvirtError, RuntimeError):
            if mode == "restart" and lab.died():
                lab.faults.disarm()
        if not lab.died() and mode in ("paused", "restart"):
            lab.hurry(self.name)

    def wait(self):
        try:
            self.lab.wait_end(self.name)
        except libvirt.libvirtError:
            if not self.lab.wait_dead():
                raise

    def settle(self, resolve):
        lab = self.lab
        lab.activate()
        kinds = {self.name: self.kind}
        lab.assert_honest(kinds)
        if self.error is not None and not self.revived:
            self.assert_refused()
        image = lab.image(self.name)
        if resolve == "delete" and image is not None:
            lab.delete(self.name, self.kind.members)
            self.assert_nothing_left()
            return
        if image is not None:
            lab.hurry(self.name)
        image = lab.wait_end(self.name)
        if image is not None and image.job is not None and image.job["state"] == "planned":
            lab.act(self.name, "start")
            image = lab.wait_end(self.name)
        if image is not None and image.job is not None and image.job["state"] == "paused":
            lab.act(self.name, "resume")
            image = lab.wait_end(self.name)
        if image is not None and image.status == ERROR and image.job is not None:
            lab.act(self.name, "retry")
            image = lab.wait_end(self.name)
        if image is not None and image.job is None and image.status != AVAILABLE:
            lab.delete(self.name)
            image = None
        if image is None:
            error = lab.request(self.kind, self.name)
            assert error is None, error
            image = lab.wait_end(self.name)
        assert image is not None and image.status == AVAILABLE, image and image.xml
        assert image.job is None or image.job["state"] == "completed", image.xml
        lab.assert_right(self.kind, self.name)
        layers = self.kind.depth + len(self.kind.members) + bool(self.kind.earlier)
        if self.kind.earlier and any(hit.startswith(("open", "read", "stat")) for hit in lab.faults.hit()):
            assert len(lab.volumes()) in (layers, layers + 1), lab.volumes()  # what could not be looked at is not shared
        else:
            assert len(lab.volumes()) == layers, lab.volumes()
        lab.delete(self.name, self.kind.members)
        self.assert_nothing_left()
