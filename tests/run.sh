#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every test, from nothing on a fresh Debian 12 as root: packages, build, unit and integration tests.
#
#     tests/run.sh [meson test arguments, e.g. names of tests]
#
# The last line is "N passed, N failed"; a test that could not run is not passed.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT
need_root tests/run.sh
build=${BUILD:-build}

cannot() {
    echo "$1"
    echo "0 passed, 1 failed"
    exit 1
}

# shellcheck disable=SC2086
install_packages $packages_build $packages_demo $packages_test $packages_debian_short || cannot "No packages, no tests."
install_promtool || cannot "No promtool, no tests."
build_module "$build" || cannot "The build failed."

rm -rf "$build/meson-logs/testlog.json" "$build/meson-logs/testlog.junit.xml" "$build/meson-logs/first" "$build/tests/junit"
# The suite packaging tries the packages at length, and compiles everything three times more. Many tests wait for networks
# that are down and peers that are silent: one more runs than there are processors.
meson test -C "$build" --no-rebuild --no-suite packaging --print-errorlogs --num-processes $(($(nproc) + 1)) "$@"
again=$(/usr/bin/python3 -B tests/count.py --again "$build")
# shellcheck disable=SC2086
[ -z "$again" ] || meson test -C "$build" --no-rebuild --no-suite packaging --print-errorlogs --num-processes 1 $again
exec /usr/bin/python3 -B tests/count.py "$build"
