# SPDX-License-Identifier: LGPL-2.1-or-later
"""virt-replicate in German and in Chinese: its own catalogues, and dates, numbers, plurals and widths as the locale has them."""

import gettext
import json
import os
import re

import pytest
from wcwidth import wcswidth

from harness import client, images, space
from harness.host import SOURCE_ROOT, build_root
from harness.pools import Pool

LANGUAGES = {"de": "de_DE", "zh_CN": "zh_CN"}
DOMAIN = "libvirt-storage-replication"
WIDE = "网页服务器"


def localedir():
    """Where the program looks for catalogues."""
    with open(os.path.join(build_root(), "build.ninja"), encoding="utf-8") as f:
        return re.search(r'-DREPL_LOCALEDIR=\\?"([^"\\]+)', f.read()).group(1)


@pytest.fixture(scope="module")
def languages():
    """Locales and catalogues where programs of this process find them: language → (environment, catalogue)."""
    folder = os.path.join(space.enter(), "languages")
    made = {}
    for language, locale in LANGUAGES.items():
        os.makedirs(os.path.join(folder, "mo", language, "LC_MESSAGES"))
        os.makedirs(os.path.join(folder, "locales"), exist_ok=True)
        space.run("localedef", "-c", "-i", locale, "-f", "UTF-8", os.path.join(folder, "locales", locale + ".UTF-8"), check=False)  # 1: it has warned
        space.run("msgfmt", "-o", os.path.join(folder, "mo", language, "LC_MESSAGES", DOMAIN + ".mo"),
                  os.path.join(SOURCE_ROOT, "po", language + ".po"))
        env = {"LC_ALL": locale + ".UTF-8", "LOCPATH": os.path.join(folder, "locales"), "TZ": "UTC"}
        made[language] = (env, gettext.translation(DOMAIN, os.path.join(folder, "mo"), [language]))
    target = localedir()
    there = target
    while not os.path.isdir(there):
        there = os.path.dirname(there)
    if there != target:  # over the nearest folder, in our mount namespace alone
        space.run("mount", "-t", "tmpfs", "none", there)
        os.makedirs(target)
    space.run("mount", "--bind", os.path.join(folder, "mo"), target)
    return made


@pytest.fixture(scope="module")
def world(host):
    """Images of two regions, one with a wide name, and one copied."""
    north, east = Pool(host, "north", region="cn-north-1"), Pool(host, "east", region="cn-east-2")
    images.create(north.file("base.qcow2"), "32M")
    images.create(north.file("web.qcow2"), "32M", backing="base.qcow2")
    space.run("qemu-io", "-f", "qcow2", "-c", "write -P 7 0 3500k", north.file("base.qcow2"))
    images.create(north.file("shop.qcow2"), "4M")
    north.refresh()
    client.ok(host, "set", "web.qcow2", "--name", WIDE)
    client.ok(host, "copy", WIDE, "--to", "cn-east-2")
    return north, east


@pytest.fixture(params=sorted(LANGUAGES))
def speak(request, languages):
    env, catalogue = languages[request.param]
    return request.param, env, catalogue


def starts(line, text):
    """The column of a terminal in which the text begins."""
    assert text in line, (text, line)
    return wcswidth(line[:line.rindex(text)])


def test_tables_align(host, world, speak):
    _, env, catalogue = speak
    out = client.ok(host, "images", "--layers", env=env).splitlines()
    head = catalogue.gettext("Volume")
    assert head != "Volume" and out[0].startswith(catalogue.gettext("Name"))
    assert len(out) == 6 and any(line.startswith(WIDE) for line in out)
    columns = {starts(line, re.search(r"\S+$", line).group()) for line in out}
    assert len(columns) == 1, "\n".join(out)
    regions = client.ok(host, "regions", env=env).splitlines()
    right = [catalogue.gettext(title).lstrip(">") for title in (">Images", ">Space")]
    for title in right:  # numbers end where the title ends
        end = starts(regions[0], title) + wcswidth(title)
        for line in regions[1:]:
            cells = [m.end() for m in re.finditer(r"\S+(?: \S+)*", line)]
            assert end in {wcswidth(line[:at]) for at in cells}, "\n".join(regions)


def test_numbers_and_dates(host, world, speak):
    language, env, catalogue = speak
    out = client.ok(host, "show", f"cn-east-2:{WIDE}", env=env)
    date = r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d" if language == "de" else r"\d{4}年\d\d月\d\d日 \d\d时\d\d分\d\d秒"
    assert re.search(date, out), out
    assert catalogue.gettext("completed") in out
    titles = {starts(line, line.split(maxsplit=1)[1]) for line in out.splitlines() if not re.match(r"\S+ \S+:", line)}
    assert titles == {17}, out
    chain = client.ok(host, "chain", f"cn-east-2:{WIDE}", env=env)
    assert re.search(r"3,\d\d MiB" if language == "de" else r"3\.\d\d MiB", chain), chain


def test_amounts_are_read_as_they_are_written(host, world, speak):
    language, env, _ = speak
    client.ok(host, "label", "north", "--quota-bytes", "1,5GiB" if language == "de" else "1.5GiB", env=env)
    assert client.listing(host, "regions", env=env)[1]["quota"]["bytes"] == 3 << 29
    client.ok(host, "label", "north", "--quota-bytes", "none", env=env)


def test_plurals(host, world, speak):
    language, env, catalogue = speak
    said = {}
    for count in (2, 3):
        left = count - 1  # once the copy is there, too
        client.ok(host, "label", "east", "--quota-images", str(1 + count), env=env)
        out = client.ok(host, "plan", "shop.qcow2", "--to", "cn-east-2", env=env)
        said[count] = catalogue.ngettext("%lld image", "%lld images", left).replace("%lld", str(left))
        assert said[count] in out, out
    client.ok(host, "label", "east", "--quota-images", "none", env=env)
    one, two = (catalogue.ngettext("%lld image", "%lld images", number) for number in (1, 2))
    assert one != two or language == "zh_CN"


def test_machines_read_the_same_in_every_language(host, world, speak):
    _, env, _ = speak

    def plain(text):
        return re.sub(r"(available_bytes\{[^}]*\}) .*", r"\1", text)

    assert plain(client.ok(host, "metrics", env=env)) == plain(client.ok(host, "metrics"))
    for command in (("images",), ("show", f"cn-east-2:{WIDE}"), ("jobs", "--all"), ("chain", f"cn-east-2:{WIDE}")):
        assert client.listing(host, *command, env=env) == client.listing(host, *command)
    events = [json.loads(line) for line in client.ok(host, "plan", "shop.qcow2", "--to", "cn-east-2", "--json", env=env).splitlines()]
    assert events[0]["event"] == "plan"


def test_errors_and_help(host, world, speak):
    _, env, catalogue = speak
    error = client.fails(host, "show", "shpo.qcow2", env=env)
    assert error.startswith(catalogue.gettext("error: %s\n").split("%")[0])
    assert catalogue.gettext("There is no image '%s'. Did you mean '%s'?") % ("shpo.qcow2", "shop.qcow2") in error
    assert catalogue.gettext("replicate images to regions") in client.ok(host, "copy", "--help", env=env)


def test_question_and_bar(host, world, speak):
    """The answer may be in the user's language; lines fit the terminal, and are drawn in their place."""
    _, env, catalogue = speak
    word = catalogue.gettext("yes")
    assert word != "yes"
    wrong = "\u672a" if word[0] > "z" else "x"  # in UTF-8 its first byte is that of the right one
    for answer, copied in ((wrong, False), (word[0], True)):
        term = client.Terminal(host, "copy", f"cn-north-1:{WIDE}", "--to", "cn-east-2", "--name", "again.qcow2", "--limit", "40MiB/s",
                               columns=64, env=env)
        question = catalogue.gettext("Copy? [y/N] ").strip()
        term.wait_for(lambda lines: any(question in line for line in lines))
        term.type(answer + "\n")
        assert term.end() == (0 if copied else 1)
        assert all(wcswidth(line) <= 64 for line in term.lines())
        bars = [line for line in term.lines() if "100 %" in line]
        assert len(bars) == copied and all(catalogue.gettext("completed") in bar for bar in bars), term.lines()
    for answer, gone in ((wrong, False), (word[0], True)):
        term = client.Terminal(host, "delete", "east/again.qcow2", columns=120, env=env)
        term.wait_for(lambda lines: any("[" in line and "again.qcow2" in line for line in lines))
        term.type(answer + "\n")
        assert term.end() == (0 if gone else 1)
        assert ("again.qcow2" not in world[1].volumes()) == gone
