#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The unit tests under a sanitizer, in a build of their own (build-address, build-thread):
#
#     tests/sanitize.sh address|thread [names of unit tests]
#
# address: AddressSanitizer and UndefinedBehaviorSanitizer. The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT

case "${1:-}" in
address)
    sanitizers=address,undefined
    arguments=
    ;;
thread)
    sanitizers=thread
    # GLib counts references in functions of its own, which ThreadSanitizer does not see. Without GLib's checks of
    # arguments they are macros, compiled with our code.
    arguments=-Dc_args=-DG_DISABLE_CHECKS
    export TSAN_OPTIONS="suppressions=$PWD/tests/thread.supp${TSAN_OPTIONS:+ $TSAN_OPTIONS}"
    ;;
*)
    sed -n 's/^#     /    /p' "$0"
    exit 2
    ;;
esac
build=build-$1
shift

# shellcheck disable=SC2086
install_packages $packages_build || exit 1
[ -f "$build/build.ninja" ] ||
    meson setup "$build" -Db_sanitize=$sanitizers -Db_lundef=false $arguments >/dev/null || exit 1
ninja -C "$build" >"$package_log" 2>&1 || { tail -n 40 "$package_log"; exit 1; }
rm -rf "$build/meson-logs/testlog.json" "$build/meson-logs/testlog.junit.xml" "$build/tests/junit"
# GLib's own allocator hands memory from thread to thread under a lock that ThreadSanitizer does not see.
export G_SLICE=always-malloc
meson test -C "$build" --no-rebuild --print-errorlogs --suite unit -t 5 "$@"
exec /usr/bin/python3 -B tests/count.py "$build"
