# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate in a terminal: the question, the bars, a resize, Ctrl-C; and in a pipe."""

import os
import re
import signal
import subprocess
import time

import pytest

from harness import client, images

RATE = "4MiB/s"


@pytest.fixture
def slow(host, regions):
    """A source and a target region, and an image whose copy takes some seconds at RATE."""
    source, target = regions
    path = source.file("big.qcow2")
    images.create(path, "64M")
    with open(source.file("raw"), "wb") as f:
        f.write(images.random_bytes(24 << 20))
    images.qemu_img("convert", "-f", "raw", "-O", "qcow2", source.file("raw"), path)
    os.unlink(source.file("raw"))
    source.refresh()
    yield source, target
    for job in client.listing(host, "jobs"):
        client.run(host, "cancel", job["id"])


def bar_lines(lines):
    return [line for line in lines if "[" in line and "%" in line]


def test_asks_once_and_no_means_no(host, slow):
    _, target = slow
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2")
    lines = term.wait_for(lambda lines: any("Copy? [y/N]" in line for line in lines))
    assert any(re.search(r"→ cn-east-2 +0 +24\.\d MiB", line) for line in lines), lines
    term.type("n\n")
    assert term.end() == 1
    assert "Nothing was copied." in term.lines()[-1]
    assert target.volumes() == []


def test_ctrl_c_at_the_question_leaves_no_plan(host, slow):
    _, target = slow
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2")
    term.wait_for(lambda lines: any("Copy? [y/N]" in line for line in lines))
    term.interrupt()
    assert term.end() == 1
    assert target.volumes() == [] and client.listing(host, "jobs") == []


def test_bar_is_redrawn_in_place(host, slow):
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2", "--limit", RATE)
    term.wait_for(lambda lines: any("Copy? [y/N]" in line for line in lines))
    term.type("y\n")
    seen = []

    def watch(lines):
        bars = bar_lines(lines)
        assert len(bars) <= 1, lines  # one job: one line, however often it is drawn
        if bars and (not seen or seen[-1] != bars[0]):
            seen.append(bars[0])
        return any("completed" in line for line in bars)

    term.wait_for(watch)
    assert term.end() == 0
    percents = [int(re.search(r"(\d+) %", line).group(1)) for line in seen]
    assert percents == sorted(percents) and len(set(percents)) > 5 and percents[-1] == 100
    assert any(re.search(r"\d MiB/s +\d+:\d\d  copying", line) for line in seen), seen
    assert "█" in seen[-1]
    assert b"\x1b[1A" in term.raw and b"\x1b[32m" in term.raw


def test_several_jobs_have_a_total(host, slow, new_pool):
    new_pool("cn-west-3")
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2,cn-west-3", "--yes", "--limit", RATE)
    lines = term.wait_for(lambda lines: any(line.startswith("total") for line in lines))
    assert len(bar_lines(lines)) == 3
    assert term.end() == 0
    assert "2 of 2" in [line for line in term.lines() if line.startswith("total")][0]


def test_resize(host, slow):
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2", "--yes", "--limit", RATE, columns=120)
    wide = term.wait_for(lambda lines: bar_lines(lines))
    assert len(bar_lines(wide)[0]) > 80
    term.resize(50)
    os.kill(term.pid, signal.SIGWINCH)
    term.wait_for(lambda lines: any(line.startswith("big") and len(line) < 50 and "%" in line for line in lines))
    narrow = [line for line in term.lines() if line.startswith("big") and "%" in line]
    assert len(narrow[-1]) < 50
    assert term.end() == 0
    assert all(len(line) <= 50 for line in term.lines())


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(host, slow):
    _, target = slow
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2", "--yes", "--limit", RATE)
    term.wait_for(lambda lines: any("copying" in line for line in lines))
    term.interrupt()
    assert term.end() == 3
    text = " ".join(term.lines())
    job = re.search(r"virt-replicate watch ([0-9a-f]{8})", text).group(1)
    assert f"virt-replicate cancel {job}" in text
    assert client.listing(host, "jobs")[0]["state"] in ("running", "queued")
    again = client.Terminal(host, "watch", job)
    again.wait_for(lambda lines: any("completed" in line for line in lines))
    assert again.end() == 0
    assert target.image("big.qcow2").status == "available"


def test_cancel_on_interrupt(host, slow):
    _, target = slow
    term = client.Terminal(host, "copy", "big.qcow2", "--to", "cn-east-2", "--yes", "--limit", RATE,
                           "--cancel-on-interrupt")
    term.wait_for(lambda lines: any("copying" in line for line in lines))
    term.interrupt()
    assert term.end() == 1
    assert target.volumes() == []


@pytest.mark.parametrize("how", ["option", "environment"])
def test_no_colour(host, slow, how):
    args, env = (["--no-color"], {}) if how == "option" else ([], {"NO_COLOR": "1"})
    term = client.Terminal(host, "images", *args, env=env)
    assert term.end() == 0
    assert b"\x1b[3" not in term.raw and b"big.qcow2" in term.raw


def test_ascii_by_option_and_by_locale(host, slow):
    for args, env in ((["--ascii"], {}), ([], {"LC_ALL": "C"})):
        term = client.Terminal(host, "copy", "cn-north-1:big.qcow2", "--to", "cn-east-2", "--yes", *args, env=env)
        assert term.end() == 0
        assert all(byte < 128 for byte in term.raw), term.raw
        assert b"###" in term.raw and b"->" in term.raw
        client.ok(host, "delete", f"{slow[1].name}/big.qcow2")


def test_jobs_watch(host, slow):
    source, target = slow
    term = client.Terminal(host, "jobs", "--watch")
    term.wait_for(lambda lines: any("No job." in line for line in lines))
    client.ok(host, "copy", "big.qcow2", "--to", "cn-east-2", "--no-wait", "--limit", RATE)
    lines = term.wait_for(lambda lines: any(f"{target.name}/big.qcow2" in line for line in lines))
    assert lines[0].startswith("Job") and len([line for line in lines if "big.qcow2" in line]) == 1
    term.wait_for(lambda lines: any("No job." in line for line in lines))
    term.interrupt()
    assert term.end() == 0


def test_pipe_has_plain_lines(host, slow):
    out = client.ok(host, "copy", "big.qcow2", "--to", "cn-east-2", "--limit", RATE)
    assert "\x1b" not in out and "\r" not in out
    states = [line for line in out.splitlines() if line.startswith("big.qcow2 → cn-east-2: ")]
    assert 4 < len(states) < 16 and states[-1].endswith("completed")


def test_interrupt_in_a_pipe(host, slow):
    argv = [client.program(), "-c", host.uri(), "copy", "big.qcow2", "--to", "cn-east-2", "--limit", RATE]
    proc = subprocess.Popen(argv, env=client.environment(host), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "copying" not in proc.stdout.readline():
        assert proc.poll() is None
    proc.send_signal(signal.SIGINT)
    out, _ = proc.communicate(timeout=30)
    assert proc.returncode == 3 and "virt-replicate watch" in out
    time.sleep(0.1)
    client.ok(host, "cancel", f"{slow[1].name}/big.qcow2")
    assert slow[1].volumes() == []


def test_a_job_that_failed_is_tried_again(host, slow):
    """Its space is gone meanwhile: the message says what was short, and how to go on."""
    _, target = slow
    replica = f"{target.name}/big.qcow2"
    client.ok(host, "copy", "big.qcow2", "--to", "cn-east-2", "--no-wait", "--limit", RATE)
    client.ok(host, "pause", replica)
    client.ok(host, "label", target.name, "--quota-bytes", "4KiB")
    client.ok(host, "set", replica, "--limit", "none")
    client.ok(host, "resume", replica)
    error = client.fails(host, "watch", replica)
    job = re.search(r"To try again: virt-replicate retry ([0-9a-f]{8})", error).group(1)
    assert "space quota" in error and client.listing(host, "jobs")[0]["state"] == "failed", error
    client.ok(host, "label", target.name, "--quota-bytes", "none")
    client.ok(host, "retry", job)
    assert "completed" in client.ok(host, "watch", replica)


def test_a_daemon_that_ends_is_said(host, slow):
    """And that the job goes on when it is back."""
    argv = [client.program(), "-c", host.uri(), "copy", "big.qcow2", "--to", "cn-east-2", "--limit", RATE]
    proc = subprocess.Popen(argv, env=client.environment(host), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "copying" not in proc.stdout.readline():
        assert proc.poll() is None
    host.restart()
    _, err = proc.communicate(timeout=60)
    assert proc.returncode == 1 and err.startswith("error: ") and "Is libvirtd or virtstoraged running?" in err, err
    assert "completed" in client.ok(host, "watch", f"{slow[1].name}/big.qcow2")


def test_a_reader_that_goes_away_ends_it(host):
    argv = [client.program(), "-c", host.uri(), "jobs", "--watch", "--json"]
    proc = subprocess.Popen(argv, env=client.environment(host), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert proc.stdout.readline() == "[]\n"
    proc.stdout.close()
    assert proc.wait(60) == 1 and "The output could not be written" in proc.stderr.read()


def test_steering(host, slow):
    _, target = slow
    client.ok(host, "copy", "big.qcow2", "--to", "cn-east-2", "--no-wait", "--limit", RATE)
    job = client.listing(host, "jobs")[0]["id"]
    client.ok(host, "pause", job[:8])
    assert client.listing(host, "jobs")[0]["state"] == "paused"
    client.ok(host, "set", f"{target.name}/big.qcow2", "--limit", "none")
    client.ok(host, "resume", job)
    assert "completed" in client.ok(host, "watch", f"{target.name}/big.qcow2")
