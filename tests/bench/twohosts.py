# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two hosts joined by a link: regions that are apart, and the other ways to bring a chain from one to the other."""

import json
import os
import subprocess

from harness import net, space, sshd
from harness.host import STOCK, Host
from harness.pools import Pool, wait_until
from harness.remote import RemotePool, serving, uri
from measure import Cost, timed

RSYNCD = """use chroot = no
uid = root
gid = root
address = 0.0.0.0
pid file = {0}/rsyncd.pid
log file = {0}/rsyncd.log
[files]
path = {1}
read only = no
"""


class LongLink(net.Link):
    """A link that holds every packet for a while: through this process's own namespace, by delay.c."""

    def __init__(self, a, b, program, one_way_us):
        self.program = program
        self.one_way_us = one_way_us
        super().__init__(a, b)

    def _plug(self):
        middle = [f"{device}m" for device in self.devices]
        for host, device, mid in zip(self.hosts, self.devices, middle):
            space.run("ip", "link", "add", "name", mid, "type", "veth", "peer", "name", device, "netns", host.holder.pid)
            space.run("ip", "link", "set", "dev", mid, "up")
        self.process = subprocess.Popen([self.program, *middle, str(self.one_way_us)], stdout=subprocess.PIPE,
                                        text=True, preexec_fn=space.die_with_parent)
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        self.process.kill()
        self.process.wait()


class TwoHosts:
    """`here` asks, `there` is asked; both have the module. near: a region of here; behind: one of there, which here
    sees as far. Files lie on one disk, whoever's they are."""

    def __init__(self, lab, link=net.Link):
        self.lab = lab
        self.here, self.there = [serving(lab.add(Host(name, listen=("tcp",))), "max_jobs = 4\n").start()
                                 for name in ("here", "there")]
        self.link = link(self.there, self.here)
        self.near = Pool(self.here, "near", region="cn-north-1", path=lab.folder("near"))
        self.behind = Pool(self.there, "behind", region="cn-east-2", path=lab.folder("behind"))
        self.far = RemotePool(self.here, "far", self.behind.name, uri=uri(self.link))
        self.conn = self.here.connect()

    def another(self, name, region):
        """One more pair of a pool there and what here sees of it: (far, behind)."""
        behind = Pool(self.there, name, region=region, path=self.lab.folder(name))
        return RemotePool(self.here, f"far-{name}", name, uri=uri(self.link)), behind

    def cpu_s(self):
        return self.here.cpu_s() + self.there.cpu_s()

    def wire_bytes(self):
        """What has gone over the link, both ways and all headers counted."""
        shown = json.loads(self.here.run("ip", "-s", "-j", "link", "show", "dev", self.link.devices[1]).stdout)
        return sum(shown[0]["stats64"][which]["bytes"] for which in ("tx", "rx"))

    def timed(self, work):
        before = self.cpu_s()
        cost = timed(work)
        return Cost(cost.wall_s, round(self.cpu_s() - before, 3))

    def close(self):
        self.conn.close()
        self.lab.end(self.here, self.there)
        for name in ("near", "behind"):
            space.run("rm", "-rf", self.lab.folder(name))


class Others:
    """The other ways: each is a function of (paths, out folder) that runs on `here` and leaves the files there. They use
    the same link, but for stock libvirt, whose host has one of its own."""

    def __init__(self, two, out):
        self.two, self.out = two, out
        self.address = two.link.addresses[0]
        self.processes = []
        self.ssh = sshd.Server(two.there)
        self.ssh.admit(two.here)
        conf = os.path.join(two.lab.folder("rsyncd"), "conf")
        with open(conf, "w", encoding="ascii") as f:
            f.write(RSYNCD.format(os.path.dirname(conf), out))
        self._start(two.there, "rsync", "--daemon", "--no-detach", f"--config={conf}", "--port=873")
        assert wait_until(lambda: two.here.run("rsync", f"rsync://{self.address}/files/", check=False).returncode == 0, 20)
        self.stock = two.lab.add(Host("stockthere", module=STOCK, listen=("tcp",))).start()
        self.stock_link = net.Link(self.stock, two.here)
        Pool(self.stock, "out", path=out)

    def _start(self, host, *argv):
        process = subprocess.Popen(host.enter_argv() + list(argv), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, preexec_fn=space.die_with_parent)
        self.processes.append(process)
        return process

    def _stock(self):
        """The stock host's URI; its pool knows what lies in the folder now."""
        self.stock.ok("pool-refresh", "out")
        return f"storage+tcp://{self.stock_link.hosts[0].name}/system"

    def virsh_upload(self, paths, out):
        del out
        connect = self._stock()
        for path in paths:
            name = os.path.basename(path)
            self.two.here.run("virsh", "-c", connect, "vol-create-as", "out", name, str(os.path.getsize(path)),
                              "--allocation", "0", "--format", "raw")
            self.two.here.run("virsh", "-c", connect, "vol-upload", "--pool", "out", name, path, "--sparse")

    def virsh_download(self, paths, out):
        connect = self._stock()
        for path in paths:
            name = os.path.basename(path)
            self.two.here.run("virsh", "-c", connect, "vol-download", "--pool", "out", name,
                              os.path.join(out, name), "--sparse")

    def rsync(self, *options):
        def push(paths, out):
            del out
            self.two.here.run("rsync", *options, *paths, f"rsync://{self.address}/files/")
        return push

    def rsync_back(self, *options):
        def pull(paths, out):
            self.two.here.run("rsync", *options, *[f"rsync://{self.address}/files/{os.path.basename(path)}"
                                                   for path in paths], out + "/")
        return pull

    def ssh_cat(self, paths, out):
        for path in paths:
            self.two.here.run("sh", "-c", f"ssh -c aes128-gcm@openssh.com root@{self.address} "
                              f"'cat > {out}/{os.path.basename(path)}' < {path}")

    def ssh_cat_back(self, paths, out):
        for path in paths:
            self.two.here.run("sh", "-c", f"ssh -c aes128-gcm@openssh.com root@{self.address} 'cat {path}' "
                              f"> {out}/{os.path.basename(path)}")

    def _nbd(self, argv):
        def push(paths, out):
            for path in paths:
                target = os.path.join(out, os.path.basename(path))
                with open(target, "wb") as f:
                    f.truncate(os.path.getsize(path))
                server = self._start(self.two.there, "qemu-nbd", "-t", "-p", "10809", "-b", self.address, "-f", "raw", target)
                up = f"exec 3<>/dev/tcp/{self.address}/10809"
                assert wait_until(lambda: self.two.here.run("bash", "-c", up, check=False).returncode == 0, 20)
                self.two.here.run(*argv, path, f"nbd://{self.address}:10809")
                server.terminate()
                server.wait()
        return push

    def ways_to_push(self):
        return {"virsh vol-upload --sparse": self.virsh_upload, "rsync -S": self.rsync("-S"),
                "rsync -W": self.rsync("-W"), "ssh cat": self.ssh_cat,
                "qemu-img convert to NBD": self._nbd(["qemu-img", "convert", "-n", "--target-is-zero", "-f", "raw", "-O", "raw"]),
                "nbdcopy": self._nbd(["nbdcopy", "--destination-is-zero", "--flush", "--"])}

    def ways_to_pull(self):
        return {"virsh vol-download --sparse": self.virsh_download, "rsync -S": self.rsync_back("-S"),
                "rsync -W": self.rsync_back("-W"), "ssh cat": self.ssh_cat_back}

    def close(self):
        for process in self.processes:
            process.terminate()
            process.wait()
        self.ssh.close()
        self.two.lab.end(self.stock)
