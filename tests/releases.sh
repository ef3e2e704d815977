#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module built and tried on other releases of Debian, as root:
#
#     tests/releases.sh [--between] [NAME…] [-- ARGUMENTS OF meson test]
#
# NAME: bookworm (12), trixie (13), testing; all of them by default. Each is installed by debootstrap into a folder of
# its own, from the mirror that this machine's apt uses. There the tree is built with that release's compiler and
# libraries, and tests run against its libvirt and QEMU: all of them on 12 and 13; on testing, whose libvirt is newer
# than those that the module knows, the smoke tests below, with the administrator's word that lets the module in.
#
# --between: this machine's Debian and the other one replicate to each other instead, over TCP: first the hosts that serve others
# live in the other one's folder, then those that ask. The tests, and what judges the images, are this machine's.
#
# $RELEASES names a folder that keeps the releases for the next time (about 2.5 GB each); by default a temporary one is
# used. One line for each release, then "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
need_root tests/releases.sh

# What is tried on a libvirt that is newer than those whose sources were read.
smoke="harness region_pools images replicate guards jobs state"

cannot() {
    echo "$1"
    echo "0 passed, 1 failed"
    exit 1
}

# What is tried between two releases.
between="remote remote_forms remote_reuse remote_ways"

names=
pairs=
while [ $# -gt 0 ]; do
    case $1 in
    --between) pairs=yes ;;
    --)
        shift
        break
        ;;
    bookworm | trixie | testing) names="$names $1" ;;
    *) cannot "There is no release '$1': bookworm, trixie and testing can be tried." ;;
    esac
    shift
done

install_packages debootstrap mount util-linux || cannot "No debootstrap, no test."
mirror=$(debian_mirror)
[ -n "$mirror" ] || cannot "apt's configuration names no mirror of Debian."
folder=${RELEASES:-}
[ -n "$folder" ] || temporary=$(mktemp -d /var/tmp/repl-releases.XXXXXX)
folder=${folder:-$temporary}
mkdir -p "$folder"
folder=$(realpath "$folder")
trap 'rm -f "$package_log"; [ -z "${temporary:-}" ] || rm -rf --one-file-system "$temporary"' EXIT
trap 'exit 1' INT TERM

bootstrap() {
    [ ! -e "$folder/$1/etc/debian_version" ] || return 0
    echo "Installing Debian $1 into $folder/$1"
    rm -rf --one-file-system "${folder:?}/$1"
    debootstrap --variant=minbase "$1" "$folder/$1" "$mirror" >"$package_log" 2>&1 && return 0
    tail -n 20 "$package_log"
    rm -f "$folder/$1/etc/debian_version"
    return 1
}

# copy_tree NAME: the sources as they are here, without what was built.
copy_tree() {
    rm -rf --one-file-system "$folder/$1/opt/replication"
    mkdir -p "$folder/$1/opt/replication"
    tar -c --exclude='./build*' --exclude=./.git . | tar -x -C "$folder/$1/opt/replication"
}

# prepare NAME: $root is that release, with our sources.
prepare() {
    root=$folder/$1
    bootstrap "$1" && copy_tree "$1" || return 1
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d" # no services
    chmod 0755 "$root/usr/sbin/policy-rc.d"
    # A mirror may be a snapshot of a release that has gone on since.
    echo 'Acquire::Check-Valid-Until "false";' >"$root/etc/apt/apt.conf.d/10releases"
    mkdir -p "$root/etc/libvirt"
    rm -f "$root/etc/libvirt/storage-replication.conf"
    [ "$1" != testing ] || echo 'trusted_libvirt = "99.0"' >"$root/etc/libvirt/storage-replication.conf"
}

# inside COMMAND…: in $root, with mounts that go with it.
inside() {
    # Mounts, and all that the tests start, live and die with these namespaces.
    # shellcheck disable=SC2016
    unshare -m -p -f --kill-child --propagation private sh -c '
        root=$1
        shift
        mount --bind "$root" "$root" # what is started there makes namespaces with mounts of its own
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"
        mount -t tmpfs -o mode=0755 none "$root/run"
        exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C "$@"
    ' sh "$root" "$@"
}

# try NAME [ARGUMENTS OF meson test]
try() {
    prepare "$1" || return 1
    shift
    inside sh /opt/replication/tests/run.sh "$@"
}

# try_between NAME [ARGUMENTS OF meson test]
try_between() {
    prepare "$1" || return 1
    shift
    inside sh -ec 'cd /opt/replication; . tests/packages.sh; install_packages $packages_build $packages_test; build_module build' &&
        build_module build || return 1
    for who in serving asking; do
        REPL_OTHER_ROOT=$root REPL_OTHER_MODULE=/opt/replication/build/driver/stack/libvirt_driver_storage.so REPL_OTHER_HOST=$who \
            meson test -C build --no-rebuild --print-errorlogs "$@" || return 1
    done
}

passed=0
failed=0
for name in ${names:-bookworm trixie testing}; do
    arguments=
    [ "$name" != testing ] || [ $# -gt 0 ] || arguments=$smoke
    run=try
    if [ -n "$pairs" ]; then
        run=try_between
        [ $# -gt 0 ] || arguments=$between
    fi
    # shellcheck disable=SC2086
    $run "$name" -t 3 "$@" $arguments
    status=$?
    versions="libvirt $(chroot "$folder/$name" virsh --version 2>/dev/null), $(chroot "$folder/$name" qemu-img --version 2>/dev/null | head -n 1)"
    if [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        echo "Debian $name: works with $versions"
    else
        failed=$((failed + 1))
        echo "Debian $name: FAILED with $versions"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
