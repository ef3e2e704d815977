#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The demo, from nothing on a fresh Debian 12 as root: packages, build, and the tour of xml/examples/TOUR.md in a private
# libvirtd with the module: two regions, an image with its snapshot chain, replicated with virsh and proved with qemu-img.
#
#     tests/demo.sh            shows it and cleans up; one minute
#     tests/demo.sh --two-hosts  the same for xml/examples/TWO-HOSTS.md: a region on another host, reached over TLS
#     tests/demo.sh --shell    shows it, then opens a shell against that libvirtd
#     tests/demo.sh --write    puts what the commands print into TOUR.md
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh
trap 'rm -f "$package_log"' EXIT
need_root tests/demo.sh
build=${BUILD:-build}

text=xml/examples/TOUR.md
case "${1:-}" in
--two-hosts)
    mode="--show --two-hosts"
    text=xml/examples/TWO-HOSTS.md
    ;;
'' | --shell) mode="--show ${1:-}" ;;
--write) mode=--write ;;
*)
    sed -n 's/^#     /    /p' "$0"
    exit 2
    ;;
esac

# shellcheck disable=SC2086
install_packages $packages_build $packages_demo
echo "Building the module in $build"
build_module "$build"

# shellcheck disable=SC2086
REPL_BUILD=$(realpath "$build") /usr/bin/python3 -B tests/docs/console.py $mode $text
echo "The demo worked. To go on by hand in a shell against its libvirtd: tests/demo.sh --shell"
