#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Integration tests with the daemons under valgrind, as root:
#
#     tests/valgrind.sh [names of test files, e.g. replicate guards]
#     tests/valgrind.sh library
#
# The second is the C library instead: races of its own between threads of one program, found by helgrind.
#
# An invalid access or a definite leak with a function of ours in its stack fails the test file whose daemon it
# was; what libvirt and its libraries do alone does not count. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT
need_root tests/valgrind.sh
build=${BUILD:-build}

cannot() {
    echo "$1"
    echo "0 passed, 1 failed"
    exit 1
}

# shellcheck disable=SC2086
install_packages $packages_build $packages_demo $packages_test valgrind libc6-dbg || cannot "No packages, no tests."
build_module "$build" || cannot "The build failed."

REPL_BUILD=$(realpath "$build")
export REPL_BUILD PYTHONDONTWRITEBYTECODE=1
junit=$build/tests/junit/valgrind.xml
rm -f "$junit"

if [ "$*" = library ]; then
    # GLib's own allocator hands memory from thread to thread under a lock that helgrind does not see.
    G_SLICE=always-malloc REPL_TEST_PROGRAM="valgrind --quiet --tool=helgrind --error-exitcode=9 --suppressions=$PWD/tests/helgrind.supp" \
        /usr/bin/python3 -m pytest -q -c tests/pytest.ini --junitxml "$junit" -k "tour or service or example_in_c" tests/integration/test_client_library.py
    exec /usr/bin/python3 -B tests/count.py --junit "$junit"
fi

# Without the tests that hold the daemon to times; all pairs of calls for a moment each.
[ $# -gt 0 ] || set -- region_pools images layout replicate confine in_region races
REPL_TEST_RACE_SECONDS=${REPL_TEST_RACE_SECONDS:-0.1}
REPL_TEST_RACES=${REPL_TEST_RACES:-400}
export REPL_TEST_RACE_SECONDS REPL_TEST_RACES
files=
for name in "$@"; do
    files="$files tests/integration/test_$name.py"
done

REPL_TEST_WRAPPER="valgrind --quiet --leak-check=full --show-leak-kinds=definite --num-callers=30
    --log-file=/var/log/libvirt/valgrind.%p"
export REPL_TEST_WRAPPER
# shellcheck disable=SC2086
/usr/bin/python3 -m pytest -q -c tests/pytest.ini --junitxml "$junit" $files
exec /usr/bin/python3 -B tests/count.py --junit "$junit"
