# SPDX-License-Identifier: LGPL-2.1-or-later
"""A host: one private libvirt daemon in mount, network and UTS namespaces of its own.

Its /run, /etc/libvirt and /var/{lib,cache,log}/libvirt are folders below the scratch folder, so the
daemon's sockets can be reached from the test process by path. A holder process keeps the
namespaces while the daemon is stopped, killed and started again.
"""

import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import time
import uuid

import libvirt

from . import space

libvirt.registerErrorHandler(lambda ctx, err: None, None)  # errors are raised, not printed too

SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
STOCK = None
Result = collections.namedtuple("Result", "rc out err")

# What no daemon may ever say, in its log or on its standard error.
BAD_LOG = re.compile(r"CRITICAL|Caught Segmentation|Caught abort|stack smashing|double free|"
                     r"corrupted|ERROR: AddressSanitizer|ThreadSanitizer|runtime error:")


def build_root():
    return os.environ.get("REPL_BUILD", os.path.join(SOURCE_ROOT, "build"))


def our_module():
    """The module under test: $REPL_MODULE, else the one in the build folder."""
    path = os.environ.get("REPL_MODULE") or os.path.join(
        build_root(), "driver", "stack", "libvirt_driver_storage.so")
    if not os.path.exists(path):
        raise RuntimeError(f"The module {path} is not built.")
    return os.path.abspath(path)


def other_release(serves):
    """The folder of another release of Debian that hosts which serve others (or those which do not) live in, and the module
    built there; (None, None) without one. releases.sh sets it, to let two releases replicate to each other."""
    root, module, who = (os.environ.get("REPL_OTHER_" + name) for name in ("ROOT", "MODULE", "HOST"))
    return (root, module) if root and who == ("serving" if serves else "asking") else (None, None)


def stock_driver_dir():
    for path in glob.glob("/usr/lib/*/libvirt/connection-driver") + \
            ["/usr/lib/libvirt/connection-driver", "/usr/lib64/libvirt/connection-driver"]:
        if os.path.exists(os.path.join(path, "libvirt_driver_storage.so")):
            return path
    raise RuntimeError("libvirt's storage driver is not installed.")


class Host:
    """See the module's text. `module`: "ours", a path, or STOCK. `drivers`: the stock modules that
    the daemon gets beside the storage driver (the fewer, the faster it starts). `listen`: the transports that
    it is reached by over a net.Link, "tcp", "tls" (after trust.Authority.equip) or both; ssh is sshd.Server's."""

    def __init__(self, name, module="ours", daemon="libvirtd", drivers=("secret",), conf=None,
                 env=None, args=(), listen=(), expected=None):
        self.name = name
        self.daemon = daemon
        self.root, there = other_release(bool(listen))
        self.module = (there or our_module()) if module == "ours" else module
        self.drivers = drivers
        self.conf = conf or {}
        self.env = env or {}
        self.args = list(args)
        self.listen = listen
        self.dir = os.path.join(space.enter(), name)
        self.process = None
        self.expected = expected  # what bad lines of stock's own may hold
        self._layout()
        self._hold()

    # ---- the surroundings

    def _layout(self):
        for folder in ("run", "lib", "cache", "log", "etc", "drivers", "pools", "pki", "ssh"):
            os.makedirs(os.path.join(self.dir, folder))
        with open(os.path.join(self.dir, "hosts"), "w") as f:
            f.write(f"127.0.0.1 localhost {self.name}\n")
        os.makedirs(os.path.join(self.dir, "run/libvirt"))
        os.makedirs(os.path.join(self.dir, "lib/images"))
        shutil.copytree((self.root or "") + "/etc/libvirt", os.path.join(self.dir, "etc"), dirs_exist_ok=True)
        for stale in ("qemu/networks", "storage", "secrets"):
            shutil.rmtree(os.path.join(self.dir, "etc", stale), ignore_errors=True)
        self.link_drivers()
        self.write_conf()

    def link_drivers(self):
        """The daemon's driver folder: stock modules, ours in place of the storage driver."""
        folder = os.path.join(self.dir, "drivers")
        shutil.rmtree(folder)
        os.makedirs(folder)
        for driver in self.drivers:
            name = f"libvirt_driver_{driver}.so"
            os.symlink(os.path.join(stock_driver_dir(), name), os.path.join(folder, name))
        stock = os.path.join(stock_driver_dir(), "libvirt_driver_storage.so")
        os.symlink(self.module or stock, os.path.join(folder, "libvirt_driver_storage.so"))

    def write_conf(self):
        conf = {
            "unix_sock_group": "root", "unix_sock_rw_perms": "0700", "unix_sock_ro_perms": "0777",
            "auth_unix_rw": "none", "auth_unix_ro": "none",
            "log_level": 2, "log_filters": "3:object 3:rpc 3:event 3:access 3:util.dbus 3:qemu 3:module",
            "log_outputs": f"2:file:/var/log/libvirt/{self.daemon}.log",
            "host_uuid": str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name)),
        }
        if self.daemon == "libvirtd":
            conf.update(listen_tls=int("tls" in self.listen), listen_tcp=int("tcp" in self.listen),
                        auth_tcp="none")
        conf.update(self.conf)
        if self.daemon != "libvirtd":
            conf.pop("unix_sock_group")
        with open(os.path.join(self.dir, "etc", f"{self.daemon}.conf"), "w") as f:
            for key, value in conf.items():
                f.write(f"{key} = {_conf_value(value)}\n")
        if "qemu" in self.drivers:
            with open(os.path.join(self.dir, "etc/qemu.conf"), "w") as f:
                f.write('security_driver = "none"\nuser = "root"\ngroup = "root"\n'
                        "dynamic_ownership = 0\nremember_owner = 0\n"
                        'stdio_handler = "file"\ncgroup_controllers = []\nnamespaces = []\n')

    def configure(self, text):
        """The module's configuration. What the machine trusts (see releases.sh) is trusted here, unless `text` says
        otherwise."""
        try:
            with open("/etc/libvirt/storage-replication.conf", encoding="utf-8") as f:
                trusted = [line for line in f if line.startswith("trusted_libvirt")]
        except FileNotFoundError:
            trusted = []
        with open(os.path.join(self.dir, "etc/storage-replication.conf"), "w", encoding="utf-8") as f:
            f.write("".join(trusted) + text)

    def _accounts(self):
        """The account that libvirt's QEMU driver insists on comes with a package that starts services."""
        binds = []
        for kind, line in (("passwd", "libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin\n"),
                           ("group", "libvirt-qemu:x:64055:\n")):
            with open(f"/etc/{kind}") as f:
                text = f.read()
            if "libvirt-qemu:" not in text:
                with open(os.path.join(self.dir, kind), "w") as f:
                    f.write(text + line)
                binds.append((kind, f"/etc/{kind}"))
        return binds

    def _hold(self):
        binds = [("run", "/run"), ("etc", "/etc/libvirt"), ("lib", "/var/lib/libvirt"),
                 ("cache", "/var/cache/libvirt"), ("log", "/var/log/libvirt"), ("pki", "/etc/pki"),
                 ("ssh", "/etc/ssh")]
        root = self.root or ""
        for _, where in binds:
            os.makedirs(root + where, exist_ok=True)
        binds += self._accounts() + [("hosts", "/etc/hosts")]
        script = "set -e\n" + self._mounts_of_root() + "".join(
            f"mount --bind '{self.dir}/{what}' '{root}{where}'\nmount --make-private '{root}{where}'\n"
            for what, where in binds)
        # Said from within the folder: whoever enters the host takes the root that the holder has then.
        script += f"hostname {self.name}\nip link set lo up\nexec chroot '{root or '/'}' sh -c 'echo held; exec sleep infinity'\n"
        self.holder = subprocess.Popen(
            ["unshare", "-m", "-n", "-u", "--propagation", "slave", "sh", "-c", script],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
            preexec_fn=space.die_with_parent)
        if self.holder.stdout.readline() != "held\n":
            raise RuntimeError(f"The namespaces of host {self.name} could not be made.")

    def _mounts_of_root(self):
        """In another release's folder: what every Linux has, and the scratch folder, at its place."""
        if not self.root:
            return ""
        scratch = space.enter()
        os.makedirs(self.root + scratch, exist_ok=True)
        return (f"mount -t proc proc '{self.root}/proc'\n" +
                "".join(f"mount --rbind '{what}' '{self.root}{what}'\n" for what in ("/dev", "/sys", scratch)))

    def enter_argv(self):
        # -w: in a chroot, and in another release, the caller's folder is not there.
        return ["nsenter", "-t", str(self.holder.pid), "-m", "-n", "-u", "-r", "-w", "--"]

    def run(self, *argv, check=True, **kwargs):
        """Runs a command inside the host's namespaces."""
        return space.run(*self.enter_argv(), *argv, check=check, **kwargs)

    # ---- the daemon

    @property
    def pid(self):
        return self.process.pid

    def start(self, wait=True):
        assert self.process is None, "the daemon runs already"
        env = dict(os.environ, LC_ALL="C", LIBVIRT_DRIVER_DIR=f"{self.dir}/drivers")
        env.update(self.env)
        argv = [f"/usr/sbin/{self.daemon}", "--pid-file", f"/run/{self.daemon}.pid"] + self.args
        if self.listen:
            argv.append("--listen")
        wrapper = os.environ.get("REPL_TEST_WRAPPER", "").split()  # of tests/valgrind.sh
        with open(os.path.join(self.dir, "log/stderr"), "ab") as err:
            self.process = subprocess.Popen(
                self.enter_argv() + wrapper + argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                env=env, cwd="/", preexec_fn=space.die_with_parent)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, timeout_s=60):
        end = time.monotonic() + timeout_s
        error = None
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.daemon} of {self.name} ended: {self.process.returncode}\n"
                                   f"{self.stderr()}\n{self.errors()}")
            if os.path.exists(self.socket()):
                try:
                    self.connect(readonly=True).close()
                    return
                except libvirt.libvirtError as err:
                    error = str(err)
            time.sleep(0.02)
        raise RuntimeError(f"{self.daemon} of {self.name} is not ready after {timeout_s} s: {error}\n"
                           f"{self.stderr()}\n{self.errors()}")

    def stop(self, timeout_s=30):
        """A clean shutdown; returns how long it took in seconds."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout_s)
        status, self.process = self.process.returncode, None
        assert status == 0, f"{self.daemon} of {self.name} ended with {status}: {self.stderr()}"
        return time.monotonic() - began

    def kill(self):
        """SIGKILL, as a crash or a power cut would."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def restart(self):
        self.stop()
        return self.start()

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def wait_exit(self, timeout_s):
        """Waits for the daemon to end by itself; returns its status."""
        status = self.process.wait(timeout_s)
        self.process = None
        return status

    def close(self):
        """Ends the host; complains when the daemon crashed or said so."""
        status = None
        if self.process is not None:
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGTERM)
                try:
                    self.process.wait(30)
                except subprocess.TimeoutExpired:
                    self.process.kill()
                    self.process.wait()
            status = self.process.returncode
            self.process = None
        bad = self.bad_lines()
        self._end_all()
        assert status in (None, 0), f"{self.daemon} of {self.name} ended with {status}\n{bad}"
        assert not bad, f"{self.name}: {bad}"

    def _end_all(self):
        """Ends what still runs in the host's mount namespace (guests, helpers), then the holder."""
        mine = os.stat(f"/proc/{self.holder.pid}/ns/mnt").st_ino
        for entry in os.listdir("/proc"):
            try:
                if entry.isdigit() and int(entry) != self.holder.pid and \
                        os.stat(f"/proc/{entry}/ns/mnt").st_ino == mine:
                    os.kill(int(entry), signal.SIGKILL)
            except OSError:
                pass
        self.holder.kill()
        self.holder.wait()
        self.holder.stdout.close()

    # ---- looking at the daemon

    def log(self):
        try:
            with open(os.path.join(self.dir, "log", f"{self.daemon}.log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def stderr(self):
        try:
            with open(os.path.join(self.dir, "log/stderr"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def errors(self):
        """The log's last errors and warnings."""
        lines = [line for line in self.log().splitlines() if " error : " in line or " warning : " in line]
        return "\n".join(lines[-20:])

    def bad_lines(self):
        bad = [line for line in (self.log() + self.stderr()).splitlines() if BAD_LOG.search(line)
               and not (self.expected and self.expected in line)]
        return bad + self.valgrind_reports()

    def valgrind_reports(self):
        """What valgrind found with a function of ours in its stack."""
        reports = []
        for path in glob.glob(os.path.join(self.dir, "log/valgrind.*")):
            with open(path, errors="replace") as f:
                text = re.sub(r"^==\d+== ?", "", f.read(), flags=re.M)
            reports += [block for block in text.split("\n\n") if re.search(r"\brepl[A-Z]", block)]
        return reports

    def threads(self):
        return len(os.listdir(f"/proc/{self.pid}/task"))

    def fds(self):
        """What the daemon's descriptors point to."""
        links = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                links.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
            except OSError:
                pass
        return links

    def memory_kib(self, key="VmRSS"):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(rf"^{key}:\s+(\d+) kB", f.read(), re.M).group(1))

    def read_bytes(self):
        """What the daemon has read so far, by calls of the system: of files, cached or not, and of sockets."""
        with open(f"/proc/{self.pid}/io", encoding="ascii") as f:
            return int(dict(line.split(": ") for line in f)["rchar"])

    def cpu_s(self):
        with open(f"/proc/{self.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        return sum(int(n) for n in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def children(self):
        pids = []
        for task in glob.glob(f"/proc/{self.pid}/task/*/children"):
            try:
                with open(task) as f:
                    pids += [int(pid) for pid in f.read().split()]
            except OSError:
                pass
        return pids

    # ---- talking to it

    def socket(self, readonly=False):
        return os.path.join(self.dir, "run/libvirt",
                            self.daemon.replace("libvirtd", "libvirt") + "-sock" + ("-ro" if readonly else ""))

    def uri(self, readonly=False, driver=None):
        driver = driver or ("qemu" if "qemu" in self.drivers and self.daemon == "libvirtd" else "storage")
        return f"{driver}+unix:///system?socket={self.socket(readonly)}"

    def connect(self, readonly=False, driver=None):
        uri = self.uri(readonly, driver)
        return libvirt.openReadOnly(uri) if readonly else libvirt.open(uri)

    def virsh(self, *args, readonly=False, driver=None, env=None, input=None, timeout_s=60,
              quiet=True):
        """Runs virsh against the host; never raises for its exit status."""
        argv = ["virsh"] + (["-q"] if quiet else []) + (["-r"] if readonly else []) + ["-c", self.uri(readonly, driver)]
        proc = subprocess.run(argv + [str(a) for a in args], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, input=input, timeout=timeout_s,
                              errors="replace", env=dict(os.environ, LC_ALL="C", **(env or {})))
        return Result(proc.returncode, proc.stdout, proc.stderr)

    def ok(self, *args, **kwargs):
        """virsh that must work; returns its standard output."""
        result = self.virsh(*args, **kwargs)
        assert result.rc == 0, f"virsh {' '.join(map(str, args))}: {result.err}{result.out}"
        return result.out

    def fails(self, *args, **kwargs):
        """virsh that must fail; returns its error message."""
        result = self.virsh(*args, **kwargs)
        assert result.rc != 0, f"virsh {' '.join(map(str, args))} worked: {result.out}"
        return result.err


def _conf_value(value):
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_conf_value(v) for v in value) + "]"
    return str(value) if isinstance(value, int) else f'"{value}"'
