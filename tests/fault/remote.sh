#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Replications between two hosts, in each direction, with either daemon or both killed at random moments (as root):
#
#     tests/fault/remote.sh [kills in each direction, 100] [seed, the time]
#
# The suite does five in each direction, with a seed of its own.
set -eu
cd "$(dirname "$0")/../.."
REPL_BUILD=$(realpath "${BUILD:-build}")
REPL_TEST_KILLS=${1:-100}
REPL_TEST_SEED=${2:-$(date +%s)}
export REPL_BUILD REPL_TEST_KILLS REPL_TEST_SEED
echo "$REPL_TEST_KILLS kills in each direction, seed $REPL_TEST_SEED"
exec /usr/bin/python3 -B -m pytest -q -c tests/pytest.ini -o faulthandler_timeout=0 tests/integration/test_remote_kill.py -k killed_at_random
