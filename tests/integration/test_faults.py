# SPDX-License-Identifier: LGPL-2.1-or-later
"""Each call of a publication fails once and is the daemon's last once, for every kind of job."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
from jobs import Case, Lab  # noqa: E402
from long import Random  # noqa: E402
from harness.faults import faulty_host  # noqa: E402

ACTIONS = ("fail", "before", "behind")
KINDS = ("copy", "encrypt", "decrypt", "rekey", "slot", "keep", "flatten", "fast", "raw", "vmdk", "set")


@pytest.fixture(scope="module")
def lab(new_host):
    host, faults = faulty_host(new_host)
    made = Lab(host, faults)
    yield made
    faults.disarm()
    made.forget()


def publication(lab, kind):
    """The numbers of the calls from the first look at what was written until the end."""
    Case(lab, kind).run("count")
    log = lab.faults.log()
    written = [n for n, (what, path, _) in enumerate(log, 1) if what in ("write", "truncate", "sync") and
               "/partial/" in path]
    renamed = [n for n, (what, path, _) in enumerate(log, 1) if what == "rename" and "/partial/" in path]
    first = max(n for n in written if n < renamed[0] - 2)
    return range(first, len(log) + 1)


# All calls of these; of the others each third one, so that the suite takes minutes (tests/fault/long.py takes more).
WHOLE = ("copy", "encrypt", "set")


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_each_call_of_a_publication(lab, kind, action):
    every = int(os.environ.get("REPL_TEST_EVERY", "1" if kind in WHOLE else "3"))
    kind = lab.kinds[kind]
    for number in publication(lab, kind)[ACTIONS.index(action) % every::every]:
        try:
            Case(lab, kind).run(action, nth=number, resolve=("retry", "delete")[number % 2])
        except AssertionError as err:
            raise AssertionError(f"{action} of call {number} ({lab.faults.hit()}): {err}") from err


def test_random_calls(lab):
    """A short run of what tests/fault/long.py does for hours."""
    cases = Random(lab, seed=int(os.environ.get("REPL_TEST_SEED", "20")))
    for number in range(30):
        cases.case(die=number % 3 == 0)
    assert cases.kills > 0 and cases.faults > 0
