#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""policy.py PROGRAM MIB_PER_S: one image to 10, 100 and 1,000 regions, by the client's planner.

The rate is what one stream between two hosts reaches here (tests/bench/peers.py measures it). Prints a table, and fails
when the origin sends more than 3 payloads, or the time grows faster than the logarithm of the number of regions.
"""

import json
import math
import subprocess
import sys


def main():
    program, rate = sys.argv[1:]
    runs = [json.loads(line) for line in subprocess.run([program, rate], check=True, text=True,
                                                        stdout=subprocess.PIPE).stdout.splitlines()]
    print("| regions | time | by a star | origin sends | planning |\n|---|---|---|---|---|")
    errors = []
    for run in runs:
        rounds = run["seconds"] / run["one_copy_seconds"]
        print(f"| {run['regions']} | {run['seconds']:.0f} s ({rounds:.1f} copies long) | {run['star_seconds']:.0f} s "
              f"| {run['origin_payloads']} × the payload | {run['planning_ms']:.1f} ms |")
        if run["there"] != run["regions"]:
            errors.append(f"{run['there']} of {run['regions']} regions got the image")
        if run["origin_payloads"] > 3:
            errors.append(f"the origin sends {run['origin_payloads']} payloads to {run['regions']} regions")
        if rounds > 2 * math.log2(run["regions"] + 1):
            errors.append(f"{run['regions']} regions take {rounds:.1f} copies' time")
    print("\n".join(errors))
    return 1 if errors or len(runs) != 3 else 0


if __name__ == "__main__":
    sys.exit(main())
