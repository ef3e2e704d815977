# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums what `meson test` ran: every case of the unit and the integration tests, one line at the end.

    count.py BUILD           counts, and ends with "N passed, N failed"
    count.py --again BUILD   prints the tests that deserve a second run, and keeps the results of the first
    count.py --junit FILE    counts the cases of one file

A test program that ended badly without a failed case (a crash, a leak, a time-out) counts as one failed test; a skipped
case is not a passed one.

At most three failed tests run a second time, alone, since real daemons on a busy machine meet moments that no quiet machine
shows. One that passes then is counted as passed and named UNSTABLE with its cases: it is a defect to be found all the same.
"""

import json
import os
import shutil
import sys
import xml.etree.ElementTree as ET

AGAIN_MAX = 3


def count_cases(suites):
    passed, failed = 0, []
    for case in (case for suite in suites for case in suite.iter("testcase")):
        if any(case.find(kind) is not None for kind in ("failure", "error", "skipped")):
            failed.append(case.get("name"))
        else:
            passed += 1
    return passed, failed


def read_junit(path):
    try:
        return list(ET.parse(path).getroot().iter("testsuite"))
    except (OSError, ET.ParseError):
        return []


def split_name(full):
    """Suite and name of a test: "project:suite / name", or "suite - project:name" from meson 1.9 or so on; a unit test
    and an integration test may share the name."""
    suite, _, name = full.rpartition(" / ")
    if not suite:
        suite, _, name = full.partition(" - ")
        name = name.rpartition(":")[2]
    return suite, name


def read_run(logs, junit):
    """One run of `meson test`: {full name: (cases passed, names of those that failed)}."""
    units = read_junit(os.path.join(logs, "testlog.junit.xml"))
    try:
        with open(os.path.join(logs, "testlog.json")) as f:
            results = [json.loads(line) for line in f]
    except OSError:
        results = []
    run = {}
    for result in results:
        suite_name, name = split_name(result["name"])
        if suite_name.endswith("integration"):
            suites = read_junit(os.path.join(junit, f"{name}.xml"))
        else:
            suites = [suite for suite in units if suite.get("name").endswith(result["name"])]
        good, bad = count_cases(suites)
        if result["result"] != "OK" and not bad:
            bad = [f"{result['result']} ({good} cases before)"]
        elif result["result"] == "OK" and not good and not bad:
            good = 1  # a program without cases
        run[result["name"]] = good, bad
    return run


def folders(build):
    """Where the results of the last run lie, and of the one before that --again kept: (logs, junit files) each."""
    logs = os.path.join(build, "meson-logs")
    first = os.path.join(logs, "first")
    return (logs, os.path.join(build, "tests/junit")), (first, os.path.join(first, "junit"))


def again(build):
    """Names of the failed tests, when they are few; the results are kept beside, or the next run would replace them."""
    (logs, junit), (first_logs, first_junit) = folders(build)
    names = [split_name(full)[1] for full, (_, bad) in read_run(logs, junit).items() if bad]
    if not 0 < len(names) <= AGAIN_MAX:
        return
    os.makedirs(first_junit)
    for name in ("testlog.json", "testlog.junit.xml", "testlog.txt"):
        shutil.copy(os.path.join(logs, name), first_logs)
    if os.path.isdir(junit):
        shutil.copytree(junit, first_junit, dirs_exist_ok=True)
    print(" ".join(names))


def report(passed, failed):
    for case in failed:
        print(f"FAILED {case}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


def count(build):
    last, first = folders(build)
    run = read_run(*first)
    for full, (good, bad) in read_run(*last).items():
        if full in run and run[full][1] and not bad:
            print(f"UNSTABLE {split_name(full)[1]}: {', '.join(run[full][1])}")
        run[full] = good, bad
    failed = [f"{split_name(full)[1]}: {case}" for full, (_, bad) in run.items() for case in bad]
    return report(sum(good for good, _ in run.values()), failed if run else ["nothing ran"])


if __name__ == "__main__":
    if sys.argv[1] == "--junit":
        good, bad = count_cases(read_junit(sys.argv[2]))
        sys.exit(report(good, bad if good or bad else ["nothing ran"]))
    if sys.argv[1] == "--again":
        sys.exit(again(sys.argv[2]))
    sys.exit(count(sys.argv[1]))
