# SPDX-License-Identifier: LGPL-2.1-or-later
"""Random kills, failing calls and racing calls, for as long as it takes; as root:

    tests/fault/long.py [--kills 2000] [--faults 5000] [--races 1000000] [--seed N] [--seconds N] [--go-on]

Each case is a job of a random kind and mode whose daemon dies at a random call, or gets an error from it; then everything
that is available is right, what is not says why, retry or delete works, and nothing is left. Prints what was done; ends
with 1 at the first finding, or with --go-on after the last one, with the seed and the calls that lead there. REPL_BUILD: the
build folder; REPL_TEST_SCRATCH=/dev/shm makes it three times as fast.
"""

import argparse
import errno
import os
import random
import shutil
import sys
import time

import libvirt

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import races  # noqa: E402
from harness import space  # noqa: E402
from harness.faults import CHANGES, EVERY, KINDS, Faults  # noqa: E402
from harness.host import Host  # noqa: E402
from jobs import Case, Lab  # noqa: E402

ERRORS = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EDQUOT, errno.EMFILE, errno.ENOMEM, errno.ESTALE)
MODES = ("plain",) * 6 + ("planned", "queued", "paused", "restart")


class Random:
    """Cases by chance."""

    counts = {}  # the same for every host

    def __init__(self, lab, seed):
        self.lab, self.rng = lab, random.Random(seed)
        self.kills = self.faults = self.cases = self.missed = 0

    def count(self, kind, calls):
        """How many calls a job of this kind makes."""
        key = (kind.name, calls)
        if key not in self.counts:
            Case(self.lab, kind).run("count", calls=calls)
            self.counts[key] = max(1, self.lab.faults.counted)
        return self.counts[key]

    def case(self, die):
        rng, lab = self.rng, self.lab
        kind = rng.choice(list(lab.kinds.values()))
        calls = rng.choice((CHANGES, CHANGES, EVERY, KINDS))
        action = rng.choice(("before", "behind")) if die else rng.choice(("fail", "fail", "late"))
        order = {"nth": rng.randint(1, self.count(kind, calls)), "err": rng.choice(ERRORS), "calls": calls,
                 "times": 1 if die else rng.choice((1, 1, 1, 2, 5)), "resolve": rng.choice(("retry", "delete"))}
        mode = rng.choice(MODES)
        self.cases += 1
        try:
            hits = Case(lab, kind).run(action, mode=mode, **order)
        except (AssertionError, libvirt.libvirtError, RuntimeError) as err:
            raise AssertionError(f"{action} of {kind.name} ({mode}, {order}, {lab.faults.hit()}): {err}") from err
        self.missed += not hits
        if die:
            self.kills += bool(hits)
        else:
            self.faults += hits


FINDINGS = []


def found(args, what):
    FINDINGS.append(what)
    print(f"FINDING: {what}", flush=True)
    if not args.go_on:
        raise SystemExit(1)


def close(args, host):
    """Ends a host; what it said or left behind is a finding, too."""
    try:
        host.close()
    except AssertionError as err:
        found(args, f"seed {args.seed}: {err}")
    shutil.rmtree(host.dir, ignore_errors=True)


def fresh(number, seed):
    host = Host(f"long{number}")
    faults = Faults(host)
    host.start()
    return host, Random(Lab(host, faults), seed + number)


def run_cases(args, end):
    """Kills and faults, on a new host now and then, so that what piles up is seen."""
    kills = faults = number = cases = 0
    while (kills < args.kills or faults < args.faults) and time.monotonic() < end:
        host, cases_of = fresh(number, args.seed)
        try:
            while cases_of.cases < 200 and time.monotonic() < end and \
                    (kills + cases_of.kills < args.kills or faults + cases_of.faults < args.faults):
                die = kills + cases_of.kills < args.kills and \
                    (faults + cases_of.faults >= args.faults or cases_of.rng.random() < 0.35)
                cases_of.case(die)
        except AssertionError as err:
            found(args, f"seed {args.seed}, host {number}, case {cases_of.cases}: {err}")
        cases_of.lab.forget()
        kills, faults, cases = kills + cases_of.kills, faults + cases_of.faults, cases + cases_of.cases
        print(f"{cases} cases, {kills} kills, {faults} failing calls, {len(FINDINGS)} findings", flush=True)
        close(args, host)
        number += 1
    return kills, faults


def run_races(args, end):
    made = number = 0
    while made < args.races and time.monotonic() < end:
        host = Host(f"races{number}").start()
        arena = races.Arena(host)
        number += 1
        try:
            while made < args.races and time.monotonic() < end:
                made += races.brawl(arena, clients=8, calls=4000, seed=args.seed + made)
                arena.assert_fine()
                print(f"{made} racing calls, {len(FINDINGS)} findings", flush=True)
        except AssertionError as err:
            found(args, f"seed {args.seed}, after {made} racing calls: {err}")
        close(args, host)
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=2000)
    parser.add_argument("--faults", type=int, default=5000)
    parser.add_argument("--races", type=int, default=1000000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--seconds", type=float, default=1e9)
    parser.add_argument("--go-on", action="store_true", help="do not end at the first finding")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    space.enter()
    end = time.monotonic() + args.seconds
    kills, faults = run_cases(args, end)
    made = run_races(args, end)
    print(f"{kills} kills, {faults} failing calls, {made} racing calls; findings: {len(FINDINGS)}", flush=True)
    sys.exit(bool(FINDINGS))


if __name__ == "__main__":
    main()
