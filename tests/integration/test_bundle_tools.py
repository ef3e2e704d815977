# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bundles in the hands of programs that are not ours: tar, skopeo, a registry."""

import json
import os
import signal
import subprocess

import pytest
from harness import images, space
from harness.pools import wait_until
from test_bundle import FAR, HERE, bundle, make_image, ok


@pytest.fixture(scope="module")
def host(new_host):
    return new_host().start()


@pytest.fixture(params=[3, 0])
def exported(host, new_pool, request):
    """(source, out, target): a chain in the first pool and its bundle in the second, compressed and not."""
    host.configure(f"bundle_level = {request.param}\n")
    host.restart()
    source, out, target = new_pool(HERE), new_pool(), new_pool(FAR)
    source.chain()
    ok(bundle(source, out))
    with open(out.file("web.bundle"), "rb") as f:
        assert (b"part.v1+zstd" in f.read()) == (request.param > 0)
    return source, out, target


@pytest.fixture
def registry(host, scratch):
    """A registry in the host's own network; its folder and address."""
    config = os.path.join(scratch, "registry.yml")
    with open(config, "w", encoding="utf-8") as f:
        f.write(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {scratch}/registry\n"
                "http:\n  addr: 127.0.0.1:5000\n")
    server = subprocess.Popen(host.enter_argv() + ["docker-registry", "serve", config], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, preexec_fn=space.die_with_parent)
    up = host.enter_argv() + ["/usr/bin/python3", "-c",
                              "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/v2/')"]
    assert wait_until(lambda: subprocess.run(up, stderr=subprocess.DEVNULL, check=False).returncode == 0, 60)
    yield "127.0.0.1:5000"
    server.send_signal(signal.SIGTERM)
    server.wait(60)


def skopeo(host, *args):
    return host.run("skopeo", "--insecure-policy", "copy", "--quiet", *args)


def blobs_of(folder):
    """Digest -> size of all blobs in a folder that skopeo has written, each held against its name."""
    found = {}
    for name in os.listdir(folder):
        if len(name) == 64:
            assert images.file_digest(os.path.join(folder, name)) == name
            found[name] = os.path.getsize(os.path.join(folder, name))
    return found


def test_tar(exported, scratch):
    """Listed and unpacked, without a word of warning; each blob is what it is called by."""
    _, out, _ = exported
    listed = space.run("tar", "--warning=all", "-tf", out.file("web.bundle"))
    assert listed.stderr == "" and {"oci-layout", "index.json"} < set(listed.stdout.splitlines())
    space.run("tar", "-xf", out.file("web.bundle"), "-C", scratch)
    with open(os.path.join(scratch, "index.json"), encoding="utf-8") as f:
        digest = json.load(f)["manifests"][0]["digest"].partition(":")[2]
    blobs = blobs_of(os.path.join(scratch, "blobs/sha256"))
    with open(os.path.join(scratch, "blobs/sha256", digest), encoding="utf-8") as f:
        manifest = json.load(f)
    named = [manifest["config"], *manifest["layers"]]
    assert {b["digest"].partition(":")[2]: b["size"] for b in named} == \
        {name: size for name, size in blobs.items() if name != digest}


def test_skopeo_and_a_registry(host, exported, registry, scratch):
    """Taken apart by skopeo, taken by a registry and given back unchanged, and still an image."""
    source, out, target = exported
    archive, address = out.file("web.bundle"), f"docker://{registry}/images/web:1"
    first, second = os.path.join(scratch, "first"), os.path.join(scratch, "second")
    skopeo(host, f"oci-archive:{archive}", f"dir:{first}")
    skopeo(host, "--dest-tls-verify=false", f"oci-archive:{archive}", address)
    skopeo(host, "--src-tls-verify=false", address, f"dir:{second}")
    with open(os.path.join(first, "manifest.json"), "rb") as a, open(os.path.join(second, "manifest.json"), "rb") as b:
        assert a.read() == b.read()
    assert blobs_of(first) == blobs_of(second) != {}
    skopeo(host, "--src-tls-verify=false", address, f"oci-archive:{out.file('back.bundle')}")
    out.refresh()
    ok(make_image(target, out, "back.bundle"))
    images.assert_faithful(source.file("web.qcow2"), target.file("web.qcow2"))
