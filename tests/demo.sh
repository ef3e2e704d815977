#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo, from nothing on a fresh Debian 12 as root: packages, build, a private libvirtd with the
# module, two regions, an image with its snapshot chain, replicated with virsh and proved with qemu-img.
#
#     tests/demo.sh            shows it and cleans up
#     tests/demo.sh --shell    shows it, then opens a shell against that libvirtd
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT
need_root tests/demo.sh
build=${BUILD:-build}

# shellcheck disable=SC2086
install_packages $packages_build $packages_demo
echo "Building the module in $build"
build_module "$build"

status=0
REPL_BUILD=$(realpath "$build") /usr/bin/python3 -B tests/harness/host_command.py \
    sh "$PWD/tests/demo-tour.sh" "$@" || status=$?
exit $status
