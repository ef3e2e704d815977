#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Debian packages of this tree: module, C library, development files, client.
#
#     tools/packaging/build.sh [FOLDER]
#
# They are put into FOLDER (default: packages), with the .changes and .buildinfo of the build. What is missing for it,
# dpkg-buildpackage names. $VERSION is another version than that of debian/changelog; $DEB_BUILD_OPTIONS is Debian's own,
# e.g. nocheck.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:-packages}"
out=$(cd "${1:-packages}" && pwd)
name=libvirt-storage-replication
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' INT TERM

mkdir "$scratch/$name"
tar -C "$top" -c --exclude='./build*' --exclude=./packages --exclude=./.git --exclude=./.pytest_cache --exclude=__pycache__ . |
    tar -C "$scratch/$name" -x
cd "$scratch/$name"
cp -a tools/packaging/debian debian
if [ -n "${VERSION:-}" ]; then
    sed -i "1s/([^)]*)/($VERSION)/" debian/changelog
fi
# Dependencies are checked by dpkg-buildpackage itself.
dpkg-buildpackage -b -us -uc
cd ..
cp -- *.deb *.changes *.buildinfo "$out/"
