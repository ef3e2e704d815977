# SPDX-License-Identifier: LGPL-2.1-or-later
"""Sums what `meson test` ran: every case of the unit and the integration tests, one line at the end.

A test program that ended badly without a failed case (a crash, a leak, a time-out) counts as one
failed test; a skipped case is not a passed one.
"""

import json
import os
import sys
import xml.etree.ElementTree as ET


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


def report(passed, failed):
    for case in failed:
        print(f"FAILED {case}")
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


def main(build):
    passed, failed = 0, []
    units = read_junit(os.path.join(build, "meson-logs/testlog.junit.xml"))
    try:
        with open(os.path.join(build, "meson-logs/testlog.json")) as f:
            results = [json.loads(line) for line in f]
    except OSError:
        results = []
    for result in results:
        # "project:suite / name", "suite - project:name" from meson 1.9 or so on; a unit test and an integration test may
        # share a name
        suite_name, _, name = result["name"].rpartition(" / ")
        if not suite_name:
            suite_name, _, name = result["name"].partition(" - ")
            name = name.rpartition(":")[2]
        if suite_name.endswith("integration"):
            suites = read_junit(os.path.join(build, f"tests/junit/{name}.xml"))
        else:
            suites = [suite for suite in units if suite.get("name").endswith(result["name"])]
        good, bad = count_cases(suites)
        if result["result"] != "OK" and not bad:
            bad = [f"{result['result']} ({good} cases before)"]
        elif result["result"] == "OK" and not good and not bad:
            good = 1  # a program without cases
        passed += good
        failed += [f"{name}: {case}" for case in bad]
    return report(passed, failed if results else ["nothing ran"])


if __name__ == "__main__":
    if sys.argv[1] == "--junit":
        good, bad = count_cases(read_junit(sys.argv[2]))
        sys.exit(report(good, bad if good or bad else ["nothing ran"]))
    sys.exit(main(sys.argv[1]))
