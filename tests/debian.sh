#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The packages, and what README.md says about installing, in a clean Debian of this machine's release, as root:
#
#     tests/debian.sh [--short]
#
# Builds the packages, has lintian look at them, installs the version before, upgrades it in a container with systemd, uses, removes
# and purges them, and runs the commands of README.md for an installation from source, beside that, in a second Debian. Both lie in
# memory where there is enough. What is printed is TAP.
#
# The version before is an earlier commit's, the first with packages of the same names; without git's history it is this one with
# another number. --short is what tests/run.sh has time for: the packages are compiled without optimisation, upgraded without a
# systemd, and nothing is built from source; without a mirror of Debian they are built and looked at, and no more.
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
need_root tests/debian.sh
case ${1:-} in
    "") short="" ;;
    --short) short=yes ;;
    *) echo "Usage: tests/debian.sh [--short]"; exit 1 ;;
esac
if [ -z "${REPL_DEBIAN_NAMESPACE:-}" ]; then # all mounts go with it
    rm -f "$package_log"
    export REPL_DEBIAN_NAMESPACE=1
    # Not unshare(1), which cannot do it in a chroot.
    exec /usr/bin/python3 -B -c 'import os, sys
sys.path.insert(0, "tests")
from harness import space
space.own_mounts()
os.execv(sys.argv[1], sys.argv[1:])' "$PWD/tests/debian.sh" "$@"
fi
scratch=$(mktemp -d /var/tmp/repl-debian.XXXXXX)
available_kib=$(sed -n 's/^MemAvailable: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
[ "$available_kib" -lt 8000000 ] || mount -t tmpfs -o size=6G,mode=0755 none "$scratch"
root=$scratch/root
packages=$scratch/packages
log=$scratch/log
trap 'rm -f "$package_log"; umount -l "$scratch" 2>/dev/null; rm -rf --one-file-system "$scratch"' EXIT
trap 'exit 1' INT TERM
passed=0
failed=0

check() {
    what=$1
    began=$(date +%s)
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok - $what ($(($(date +%s) - began)) s)"
    else
        failed=$((failed + 1))
        echo "not ok - $what"
        tail -n 40 "$log" | sed 's/^/# /'
    fi
}

finish() {
    echo "1..$((passed + failed))"
    echo "# $passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# The first commit with packages of these names; nothing where git knows no history.
commit_before() {
    commit=$(git log --reverse --format=%H -- tools/packaging/debian/libvirt-replication-common.install 2>/dev/null | head -n 1)
    [ "$commit" = "$(git rev-parse HEAD 2>/dev/null)" ] || echo "$commit"
}

# The packages of another commit.
build_commit() {
    mkdir "$scratch/commit" && git archive "$1" | tar -x -C "$scratch/commit" &&
        DEB_BUILD_OPTIONS="nocheck noautodbgsym" VERSION="$version" "$scratch/commit/tools/packaging/build.sh" "$scratch/earlier"
}

# The packages in a folder as a version before: with its number, another configuration file as delivered, and a file that is no more.
make_before() {
    mkdir -p "$scratch/before"
    for package in "$1"/*.deb; do
        case $package in *-dbgsym_*) continue ;; esac
        rm -rf "$scratch/unpacked"
        dpkg-deb -R "$package" "$scratch/unpacked" &&
            sed -i "s/^Version: $version$/&~before/; s/(\([>=]*\) $version)/(\1 $version~before)/g" "$scratch/unpacked/DEBIAN/control" || return 1
        conf=$scratch/unpacked/etc/libvirt/storage-replication.conf
        [ ! -e "$conf" ] || echo "# as it was delivered before" >>"$conf"
        [ ! -d "$scratch/unpacked/usr/share/libvirt-storage-replication" ] ||
            echo "no more" >"$scratch/unpacked/usr/share/libvirt-storage-replication/obsolete"
        dpkg-deb -b "$scratch/unpacked" "$scratch/before/" || return 1
    done
}

# The blocks ```sh chroot of README.md, in order.
readme_commands() {
    sed -n '/^```sh chroot$/,/^```$/{/^```/d;p}' README.md
}

# inside COMMAND…: in the clean Debian, whose mounts and processes go with the command.
inside() {
    # shellcheck disable=SC2016
    unshare -m -p -n -f --kill-child --propagation private sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"
        mount -t tmpfs -o mode=0755 none "$root/run"
        ip link set lo up
        exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
    ' sh "$root" "$@"
}

# The same with the network, for apt. systemd does not run: systemctl is told so, and does nothing.
inside_net() {
    # shellcheck disable=SC2016
    unshare -m --propagation private sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount -t tmpfs -o mode=0755 none "$root/run"
        exec chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 "$@"
    ' sh "$root" "$@" </dev/null
}

# booted WORDS…: debian-inside.sh in a container that systemd starts as a machine, without a network.
booted() {
    rm -f "$root/opt/booted.log" "$root/opt/booted.status" "$root/usr/sbin/policy-rc.d"
    cat >"$root/etc/systemd/system/booted.service" <<UNIT
[Unit]
After=multi-user.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/sh /opt/debian-inside.sh $*
ExecStopPost=/bin/sh -c 'echo \$EXIT_STATUS >/opt/booted.status'
StandardOutput=file:/opt/booted.log
StandardError=file:/opt/booted.log
UNIT
    mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
    ln -s ../booted.service "$root/etc/systemd/system/multi-user.target.wants/booted.service"
    timeout 300 systemd-nspawn -D "$root" -b --register=no --keep-unit --private-network --machine=debian --console=pipe </dev/null
    rm "$root/etc/systemd/system/booted.service" "$root/etc/systemd/system/multi-user.target.wants/booted.service"
    no_services "$root"
    tail -n 40 "$root/opt/booted.log"
    [ "$(cat "$root/opt/booted.status")" = 0 ]
}

no_services() {
    printf '#!/bin/sh\nexit 101\n' >"$1/usr/sbin/policy-rc.d"
    chmod 0755 "$1/usr/sbin/policy-rc.d"
}

clean_debian() {
    mirror=$(debian_mirror) && [ -n "$mirror" ] || return 1
    # shellcheck disable=SC1091
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    debootstrap --variant=minbase "$codename" "$root" "$mirror" || return 1
    cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null
    no_services "$root"
    printf 'Acquire::Check-Valid-Until "false";\nAcquire::Retries "5";\n' >"$root/etc/apt/apt.conf.d/10releases"
    echo 'force-unsafe-io' >"$root/etc/dpkg/dpkg.cfg.d/10quick"
    # With all that our packages depend on: from here on nothing is fetched any more.
    inside_net apt-get -q update &&
        inside_net apt-get -q -y --no-install-recommends install libvirt-daemon-system libvirt-clients qemu-utils iproute2 procps systemd-sysv dbus \
            libvirt-dev libcryptsetup12 libjson-glib-1.0-0 libxxhash0
}

# What README.md says of an installation from source, in $root.
readme() {
    mkdir "$root/opt/tree"
    tar -c --exclude='./build*' --exclude=./.git . | tar -x -C "$root/opt/tree"
    cp tests/debian-inside.sh "$root/opt/"
    readme_commands >"$root/opt/readme.sh"
    check "README.md has commands for an installation" grep -q "meson setup" "$root/opt/readme.sh"
    # Up to the purge, then the rest of it.
    sed '/purge/,$d' "$root/opt/readme.sh" >"$root/opt/install.sh"
    sed -n '/purge/,$p' "$root/opt/readme.sh" >"$root/opt/uninstall.sh"
    check "README.md: install" inside_net sh -c "cd /opt/tree && sh -e /opt/install.sh"
    check "… works" inside sh /opt/debian-inside.sh use third
    check "README.md: uninstall" inside_net sh -c "cd /opt/tree && sh -e /opt/uninstall.sh"
    check "… the stock driver is back" inside sh /opt/debian-inside.sh stock
}

# What is wrong, when a clean Debian cannot be made: nothing that this tree could do about it.
made_clean() {
    wait "$clean" && return 0
    tail -n 5 "$scratch/clean.log" | sed 's/^/# /'
    return 1
}

# The version before, which works and has been configured.
try_before() {
    check "the version before is installed" inside_net sh -c "apt-get -q -y --no-install-recommends install /opt/before/*.deb"
    check "… and works" inside sh /opt/debian-inside.sh use first
    echo "max_jobs = 7" >>"$conf"
}

try_upgraded() {
    check "… to the version of the changelog" sh -c \
        "chroot '$root' dpkg-query -W -f '\${Version}\n' virt-replicate libvirt-daemon-driver-storage-replication | uniq | grep -x '$version'"
    check "… keeps the administrator's configuration, with the new default beside it" sh -c \
        "grep -qx 'max_jobs = 7' '$conf' && ! grep 'as it was delivered before' '$conf.dpkg-dist'"
    check "… leaves nothing that is no more" test ! -e "$root/usr/share/libvirt-storage-replication/obsolete"
    check "… works, and has what was made before" inside sh /opt/debian-inside.sh use second
}

try_removal() {
    check "packages are removed" inside_net apt-get -q -y remove libvirt-daemon-driver-storage-replication virt-replicate \
        libvirt-replication1 libvirt-replication-dev libvirt-replication-common
    check "… the stock driver is back" inside sh /opt/debian-inside.sh stock
    check "packages are purged" inside_net apt-get -q -y purge libvirt-daemon-driver-storage-replication
    check "… and leave nothing outside of pools" sh -c \
        "! find '$root/etc' '$root/usr' '$root/lib' '$root/var/lib/libvirt' | grep -v /doc/ | grep -e storage-replication -e libvirt-replication"
}

packages_needed=$packages_debian
[ -z "$short" ] || packages_needed=$packages_debian_short
# shellcheck disable=SC2086
install_packages $packages_build $packages_needed || { failed=1; finish; }
clean_debian >"$scratch/clean.log" 2>&1 &
clean=$!
if [ -n "$short" ]; then
    check "packages are built" env DEB_BUILD_OPTIONS="nocheck noopt noautodbgsym" DEB_CFLAGS_APPEND=-g0 tools/packaging/build.sh "$packages"
else
    check "packages are built" env DEB_BUILD_OPTIONS=nocheck tools/packaging/build.sh "$packages"
fi
version=$(sed -n '1s/.*(\(.*\)).*/\1/p' tools/packaging/debian/changelog)
[ "$failed" -eq 0 ] || finish
check "lintian finds nothing" lintian --allow-root --fail-on error,warning "$packages"/*.changes
if [ -n "$short" ]; then
    made_clean || { echo "# no clean Debian can be made here, so the packages are installed nowhere"; finish; }
else
    check "a clean Debian is made" made_clean
    [ "$failed" -eq 0 ] || finish
    cp -a "$root" "$scratch/source"
    (root=$scratch/source log=$scratch/readme.log && readme) >"$scratch/readme.out" &
    readme=$!
fi

earlier=$packages
commit=""
[ -n "$short" ] || commit=$(commit_before)
if [ -n "$commit" ]; then
    check "packages of commit $commit are built" build_commit "$commit"
    earlier=$scratch/earlier
fi
made=$failed
check "a version before is made" make_before "$earlier"
if [ "$failed" -eq "$made" ]; then
    mkdir -p "$root/opt/packages" "$root/opt/before"
    cp "$packages"/*.deb "$root/opt/packages/"
    rm -f "$root"/opt/packages/*-dbgsym_*
    cp "$scratch"/before/*.deb "$root/opt/before/"
    cp tests/debian-inside.sh "$root/opt/"
    conf=$root/etc/libvirt/storage-replication.conf
    try_before
    if [ -n "$short" ]; then
        check "it is upgraded" inside sh -c "dpkg --force-confdef --force-confold -i /opt/packages/*.deb"
    else
        check "systemd starts a machine with it, where it is upgraded while libvirtd runs, and keeps a policy" booted machine
    fi
    try_upgraded
    try_removal
fi
if [ -z "$short" ]; then
    wait "$readme"
    cat "$scratch/readme.out"
    passed=$((passed + $(grep -c '^ok ' "$scratch/readme.out")))
    failed=$((failed + $(grep -c '^not ok ' "$scratch/readme.out")))
fi
finish
