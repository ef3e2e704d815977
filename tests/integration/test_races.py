# SPDX-License-Identifier: LGPL-2.1-or-later
"""Every call that two clients can make at once on one volume or job, in all pairs."""

import os
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "fault"))
import races  # noqa: E402

SECONDS = float(os.environ.get("REPL_TEST_RACE_SECONDS", "0.3"))


@pytest.fixture(scope="module")
def arena(host):
    return races.Arena(host)


@pytest.mark.parametrize("one", races.CALLS)
def test_pairs(arena, one):
    for other in races.CALLS[races.CALLS.index(one):]:
        try:
            races.pair(arena, one, other, SECONDS)
        except AssertionError as err:
            raise AssertionError(f"{one} and {other}: {err}") from err
    arena.assert_fine()


def test_all_at_once(arena):
    races.brawl(arena, clients=8, calls=int(os.environ.get("REPL_TEST_RACES", "4000")))
    arena.assert_fine()
