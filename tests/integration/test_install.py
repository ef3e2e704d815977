# SPDX-License-Identifier: LGPL-2.1-or-later
"""Installing: the files, the links that a daemon starts with, and the way back to stock."""

import os
import subprocess

import pytest
from harness import space
from harness.host import SOURCE_ROOT, build_root, our_module, stock_driver_dir
from harness.pools import Pool

STORAGE = "libvirt_driver_storage.so"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A build of its own installed into a folder: other options than the one under test may have."""
    root = tmp_path_factory.mktemp("dest")
    space.run("meson", "install", "-C", build_root(), "--no-rebuild", "--destdir", root)
    return root


def find(root, name):
    return [os.path.join(folder, name) for folder, _, names in os.walk(root) if name in names]


def test_files(installed):
    for name, count in ((STORAGE, 1), ("link-drivers", 1), ("storage-replication.conf", 3), ("pool.rng", 1)):
        assert len(find(installed, name)) == count, name
    module, script = find(installed, STORAGE)[0], find(installed, "link-drivers")[0]
    assert os.path.basename(os.path.dirname(module)) == "libvirt-storage-replication"
    assert os.path.dirname(script) == os.path.dirname(module)
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("service", ["libvirtd", "virtstoraged"])
def test_drop_in(installed, service):
    found = [path for path in find(installed, "storage-replication.conf") if f"/{service}.service.d/" in path]
    assert len(found) == 1
    with open(found[0]) as f:
        lines = dict(line.strip().split("=", 1) for line in f if "=" in line and not line.startswith("#"))
    assert lines["EnvironmentFile"] == "-/run/libvirt-storage-replication/environment"
    command = lines["ExecStartPre"]
    assert command.startswith("-") and os.path.exists(f"{installed}{command[1:]}")


def test_uninstall_leaves_nothing_but_the_configuration(tmp_path):
    env = dict(os.environ, DESTDIR=str(tmp_path))
    space.run("meson", "install", "-C", build_root(), "--no-rebuild", env=env)
    assert find(tmp_path, STORAGE)
    space.run("ninja", "-C", build_root(), "purge", env=env)
    left = [os.path.relpath(os.path.join(folder, name), tmp_path)
            for folder, _, names in os.walk(tmp_path) for name in names]
    assert left == ["etc/libvirt/storage-replication.conf"]


def test_administrators_configuration_is_kept(tmp_path):
    conf = tmp_path / "etc/libvirt/storage-replication.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("max_jobs = 7\n")
    space.run("meson", "install", "-C", build_root(), "--no-rebuild", "--destdir", tmp_path)
    assert conf.read_text() == "max_jobs = 7\n"


# ---- the links

@pytest.fixture
def folders(tmp_path):
    """Folders that look like a distribution's modules, and a module."""
    stock = tmp_path / "stock"
    stock.mkdir()
    for name in ("qemu", "secret", "storage"):
        (stock / f"libvirt_driver_{name}.so").write_text("stock")
    return tmp_path


def link(folders, script=None, module=None, stock=None):
    env = dict(os.environ, REPL_STOCK_DIR=str(stock or folders / "stock"), REPL_MODULE=str(module or our_module()),
               REPL_RUN_DIR=str(folders / "run"))
    return subprocess.run([script or os.path.join(build_root(), "tools/link-drivers")], env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)


def links(folders):
    drivers = folders / "run/drivers"
    return {name: os.readlink(drivers / name) for name in os.listdir(drivers)}


def is_on(folders):
    """Whether the daemon would get our folder; what it gets is then in order."""
    environment = folders / "run/environment"
    if not environment.exists():
        return False
    assert environment.read_text() == f"LIBVIRT_DRIVER_DIR={folders}/run/drivers\n"
    assert links(folders)[STORAGE].endswith("libvirt_driver_storage.so")
    return True


def test_links_to_all_modules_and_ours_for_storage(folders):
    result = link(folders)
    assert (result.returncode, result.stderr) == (0, "")
    assert is_on(folders)
    found = links(folders)
    assert found.pop(STORAGE) == our_module()
    assert found == {f"libvirt_driver_{n}.so": str(folders / f"stock/libvirt_driver_{n}.so")
                     for n in ("qemu", "secret")}


def test_driver_installed_or_removed_later_is_seen_at_the_next_start(folders):
    link(folders)
    (folders / "stock/libvirt_driver_lxc.so").write_text("stock")
    os.unlink(folders / "stock/libvirt_driver_qemu.so")
    link(folders)
    assert sorted(links(folders)) == [f"libvirt_driver_{n}.so" for n in ("lxc", "secret", "storage")]
    # The link, the folder, and the one before it.
    assert len([n for n in os.listdir(folders / "run") if n.startswith("drivers")]) == 3


@pytest.mark.parametrize("what", ["no module", "no stock storage driver", "no stock folder", "library missing"])
def test_falls_back_to_stock(folders, what):
    link(folders)
    assert is_on(folders)
    module = stock = None
    if what == "no module":
        module = folders / "none.so"
    elif what == "no stock storage driver":
        os.unlink(folders / "stock" / STORAGE)
    elif what == "no stock folder":
        stock = folders / "none"
    else:
        (folders / "x.c").write_text("int f(void); int g(void) { return f(); }")
        (folders / "f.c").write_text("int f(void) { return 0; }")
        space.run("cc", "-shared", "-fPIC", "-o", folders / "libgone.so", folders / "f.c")
        module = folders / "x.so"
        space.run("cc", "-shared", "-fPIC", "-o", module, folders / "x.c", f"-L{folders}", "-lgone")
        os.unlink(folders / "libgone.so")
    result = link(folders, module=module, stock=stock)
    assert result.returncode == 0
    assert result.stderr.startswith("Image replication is off") and len(result.stderr.splitlines()) == 1
    assert not is_on(folders)


def test_run_folder_that_cannot_be_made(folders):
    (folders / "run").write_text("a file")
    result = link(folders)
    assert result.returncode == 0 and "Image replication is off" in result.stderr


def test_daemons_that_start_at_once(folders):
    """Whenever one looks, the folder is whole."""
    link(folders)
    env = dict(os.environ, REPL_STOCK_DIR=str(folders / "stock"), REPL_MODULE=our_module(),
               REPL_RUN_DIR=str(folders / "run"))
    script = os.path.join(build_root(), "tools/link-drivers")
    many = [subprocess.Popen([script], env=env) for _ in range(8)]
    while any(process.poll() is None for process in many):
        assert len(links(folders)) == 3
    assert all(process.returncode == 0 for process in many)
    assert is_on(folders)
    # The link, the folder, and the one before it.
    assert len([n for n in os.listdir(folders / "run") if n.startswith("drivers")]) == 3


def test_daemon_started_through_the_links(new_host, installed):
    """The installed module, found the way a service finds it."""
    host = new_host()
    run = os.path.join(host.dir, "links")
    env = dict(os.environ, REPL_STOCK_DIR=stock_driver_dir(), REPL_MODULE=find(installed, STORAGE)[0],
               REPL_RUN_DIR=run)
    subprocess.run([find(installed, "link-drivers")[0]], env=env, check=True)
    with open(run + "/environment") as f:
        name, value = f.read().strip().split("=")
    host.env[name] = value
    host.start()
    pool = Pool(host, "p", region="r")
    assert "name='r'" in pool.dumpxml()
    assert host.connect(driver="qemu").listAllDomains() == []
    assert os.path.exists(os.path.join(SOURCE_ROOT, "tools/link-drivers.in"))
