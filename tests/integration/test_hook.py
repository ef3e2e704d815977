# SPDX-License-Identifier: LGPL-2.1-or-later
"""The hook at the end of a job: what it gets, and that it holds up neither jobs nor the daemon."""

import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest
from harness import space, xmlio
from harness.host import SOURCE_ROOT
from harness.pools import wait_until

SERVER = """
import http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(sys.argv[1], "a") as f:
            f.write(self.headers["X-Replication-Image"] + " " + self.headers["X-Replication-End"] + chr(10) + body)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass
http.server.HTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""


class Hook:
    def __init__(self, host):
        self.path = os.path.join(host.dir, "etc/hooks/storage-replication")
        self.out = os.path.join(host.dir, "hook")
        os.makedirs(os.path.dirname(self.path), exist_ok=True)
        shutil.rmtree(self.out, ignore_errors=True)
        os.makedirs(self.out)

    def write(self, body):
        with open(self.path + ".new", "w") as f:
            f.write(f"#!/bin/sh\ncd '{self.out}'\n{body}\n")
        os.chmod(self.path + ".new", 0o755)
        os.rename(self.path + ".new", self.path)

    def calls(self):
        """Arguments and standard input of each call, in order."""
        found = []
        for name in sorted(os.listdir(self.out)):
            if name.endswith(".done"):
                with open(os.path.join(self.out, name)) as f:
                    words, text = f.read().split("\n", 1)
                found.append((words.split(), text))
        return found

    def wait(self, count):
        assert wait_until(lambda: len(self.calls()) >= count, 60)
        return self.calls()


RECORD = "n=$(ls | grep -c done || true); { echo \"$*\"; cat; } >$n.part; mv $n.part $n.done"


@pytest.fixture
def hook(host):
    made = Hook(host)
    made.write(RECORD)
    yield made
    os.unlink(made.path)


@pytest.fixture
def chained(regions):
    regions[0].chain()
    return regions


def test_a_verification_tells_the_hook_too(host, hook, regions):
    source = regions[0]
    source.chain()
    hook.write(RECORD)
    source.update("web.qcow2", "<replication:job action='verify'/>")
    source.wait_job("web.qcow2")
    (words, text), = hook.wait(1)
    image = source.image("web.qcow2")
    assert words == [image.id, "completed", "end", "-"]
    assert xmlio.Image(text).status == "available" and "<replication:verified" in text


def test_completed(hook, chained):
    source, target = chained
    target.replicate(source, "web.qcow2")
    shown = target.image("web.qcow2")
    (words, text), = hook.wait(1)
    assert words == [shown.id, "completed", "end", "-"]
    given = xmlio.Image(text)
    assert given.id == shown.id and given.status == "available" and given.job["state"] == "completed"
    assert ET.fromstring(text).findtext("target/path") == target.file("web.qcow2")
    assert given.snapshots == ["mid.qcow2", "base.qcow2"]


def test_cancelled(hook, chained):
    source, target = chained
    target.replicate(source, "web.qcow2", name="a b&c.qcow2", async_="yes", bandwidth=("KiB/s", 128))
    target.wait_job("a b&c.qcow2", ("running",))
    image = target.image("a b&c.qcow2").id
    target.host.ok("vol-delete", "a b&c.qcow2", target.name)
    (words, text), = hook.wait(1)
    assert words == [image, "cancelled", "end", "-"]
    assert ET.fromstring(text).findtext("name") == "a b&c.qcow2"
    assert xmlio.Image(text).job["state"] == "cancelled"


def test_failed(hook, chained):
    source, target = chained
    target.replicate(source, "web.qcow2", async_="yes", bandwidth=("KiB/s", 128))
    target.wait_job("web.qcow2", ("running",))
    with open(source.file("web.qcow2"), "ab") as f:
        f.write(b"\0")
    target.update("web.qcow2", "<replication:bandwidth>0</replication:bandwidth>")
    target.wait_job("web.qcow2", ("failed",))
    (words, text), = hook.wait(1)
    assert words[1:] == ["failed", "end", "-"]
    assert "web.qcow2" in xmlio.Image(text).job["error"] and xmlio.Image(text).status == "error"
    target.host.ok("vol-delete", "web.qcow2", target.name)


def test_a_hook_that_hangs_delays_nobody(hook, host, chained):
    source, target = chained
    hook.write("echo $$ >pid; sleep 1000 & echo $! >child; trap '' TERM; sleep 1000")
    began = time.monotonic()
    for number in range(3):
        target.replicate(source, "web.qcow2", name=f"{number}.qcow2")
    assert time.monotonic() - began < 25
    assert wait_until(lambda: os.path.exists(os.path.join(hook.out, "child")), 30)
    with open(os.path.join(hook.out, "child")) as f:
        child = int(f.read())
    # neither does it hold up the daemon's end, nor outlive it
    began = time.monotonic()
    host.stop()
    assert time.monotonic() - began < 20
    assert wait_until(lambda: not os.path.exists(f"/proc/{child}"), 10)
    host.start()


def test_a_killed_daemon_takes_its_hook_with_it(hook, host, chained):
    source, target = chained
    hook.write("echo $$ >pid.part; mv pid.part pid; exec sleep 1000")
    target.replicate(source, "web.qcow2")
    assert wait_until(lambda: os.path.exists(os.path.join(hook.out, "pid")), 30)
    with open(os.path.join(hook.out, "pid")) as f:
        pid = int(f.read())
    host.kill()
    assert wait_until(lambda: not os.path.exists(f"/proc/{pid}"), 10)
    host.start()


def test_a_hook_that_fails_is_a_log_line(hook, host, chained):
    source, target = chained
    hook.write("echo it broke >&2; exit 3")
    target.replicate(source, "web.qcow2")
    assert wait_until(lambda: "failed with status 3: it broke" in host.log(), 30)
    assert target.image("web.qcow2").status == "available"


def test_webhook(host, hook, chained):
    """The example that is shipped posts to a web server."""
    source, target = chained
    shutil.copy(os.path.join(SOURCE_ROOT, "tools/hooks/webhook"), hook.path)
    with open(hook.path + ".url", "w") as f:
        f.write("http://127.0.0.1:8080/ended\n")
    posted = os.path.join(host.dir, "posted")
    server = subprocess.Popen(host.enter_argv() + ["/usr/bin/python3", "-c", SERVER, posted],
                              preexec_fn=space.die_with_parent)
    try:
        assert wait_until(lambda: host.run("curl", "-s", "http://127.0.0.1:8080/", check=False).returncode == 0, 30)
        target.replicate(source, "web.qcow2")
        assert wait_until(lambda: os.path.exists(posted) and "</volume>" in open(posted).read(), 30)
    finally:
        server.terminate()
        server.wait()
    with open(posted) as f:
        first, text = f.read().split("\n", 1)
    assert first == f"{target.image('web.qcow2').id} completed"
    assert xmlio.Image(text).status == "available"
