#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The benchmarks, on a fresh Debian 12 as root: packages, build, measurements, one table in markdown.
#
#     tests/bench/run.sh [--write | --against MODULE [--rounds N]] [--quick] [--runs N] [--size-mib N] [name…]
#
# --write puts the results of a full run into README.md, tests/bench/README.md and the chart beside it.
# --against holds the module against another build of it (its libvirt_driver_storage.so), row by row in turn.
# --help lists the names. --quick takes small images and few runs: it shows that the benchmarks work,
# its figures mean nothing. A full run wants ~25 GiB below /var/tmp ($REPL_TEST_SCRATCH) and an idle
# machine: contenders take turns in one run, so that ratios can be trusted where seconds cannot.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT
need_root tests/bench/run.sh

packages_bench="openssl rsync libnbd-bin iperf3 openssh-server openssh-client iproute2 zstd"
# shellcheck disable=SC2086
install_packages $packages_build $packages_demo $packages_bench || exit 1
if [ -z "${REPL_BUILD:-}" ]; then
    REPL_BUILD=$PWD/build
    export REPL_BUILD
    build_module "$REPL_BUILD" || exit 1
fi

if [ "${1:-}" = --against ]; then
    exec /usr/bin/python3 -B tests/bench/pair.py "$@"
fi
if [ "${1:-}" != --write ]; then
    exec /usr/bin/python3 -B tests/bench/bench.py "$@"
fi
shift
results=$(mktemp)
trap 'rm -f "$package_log" "$results"' EXIT
/usr/bin/python3 -B tests/bench/bench.py --output "$results" "$@" || exit 1
/usr/bin/python3 -B tests/bench/figures.py "$results"
