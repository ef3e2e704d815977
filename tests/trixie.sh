#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The module built here, tried on Debian 13's libvirt 11.3, as root:
#
#     tests/trixie.sh [FOLDER]
#
# FOLDER (default: a temporary one that is removed again) gets a Debian 13 by debootstrap, unless it has one.
# Debian packages no virtstoraged: $VIRTSTORAGED may name one built from libvirt 11.3.0, which is then tried too.
# The last line is "N passed, N failed".
set -u
cd "$(dirname "$0")/.." || exit 1
. tests/packages.sh
need_root tests/trixie.sh
build=${BUILD:-build}
mirror=${MIRROR:-http://deb.debian.org/debian}

# What the module and the smoke test need there; libvirt-daemon-driver-storage is a package of its own now.
packages="libvirt-daemon libvirt-daemon-driver-storage libvirt-daemon-driver-secret libvirt-clients qemu-utils
libcryptsetup12 libglib2.0-0t64 libxml2 libzstd1 zlib1g libgcrypt20 libtirpc3t64
procps"

cannot() {
    echo "$1"
    echo "0 passed, 1 failed"
    exit 1
}

# shellcheck disable=SC2086
install_packages $packages_build debootstrap mount util-linux || cannot "No packages, no test."
build_module "$build" || cannot "The build failed."
temporary=
root=${1:-}
if [ -z "$root" ]; then
    root=$(mktemp -d /var/tmp/repl-trixie.XXXXXX)
    temporary=$root
fi
trap 'rm -f "$package_log"; [ -z "$temporary" ] || rm -rf "$temporary"' EXIT

if [ ! -e "$root/etc/debian_version" ]; then
    echo "Installing Debian 13 into $root"
    debootstrap --variant=minbase trixie "$root" "$mirror" >"$package_log" 2>&1 ||
        { tail -n 20 "$package_log"; cannot "debootstrap failed."; }
fi

smoke=$root/opt/replication-smoke
rm -rf "$smoke"
mkdir -p "$smoke"
cp "$build/driver/stack/libvirt_driver_storage.so" tests/trixie-smoke.sh "$smoke/" ||
    cannot "The module is not there."
if [ -n "${VIRTSTORAGED:-}" ]; then
    cp "$VIRTSTORAGED" "$smoke/virtstoraged" || cannot "There is no $VIRTSTORAGED."
fi
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true

# Mounts, and the daemons of the smoke test, live and die with these namespaces.
# shellcheck disable=SC2016,SC2086
unshare -m -p -f --kill-child --propagation private sh -c '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=0755 none "$root/run"
    missing=
    for package in "$@"; do
        chroot "$root" dpkg-query -W -f "\${db:Status-Status}" "$package" 2>/dev/null | grep -qx installed ||
            missing="$missing $package"
    done
    if [ -n "$missing" ]; then
        echo "Installing$missing"
        printf "#!/bin/sh\nexit 101\n" >"$root/usr/sbin/policy-rc.d" # no services
        chmod 0755 "$root/usr/sbin/policy-rc.d"
        { chroot "$root" apt-get -q update &&
            DEBIAN_FRONTEND=noninteractive chroot "$root" \
                apt-get -q -y --no-install-recommends install $missing; } </dev/null >"$root/tmp/apt.log" 2>&1 ||
            { tail -n 20 "$root/tmp/apt.log"; exit 2; }
    fi
    exec unshare -n chroot "$root" sh /opt/replication-smoke/trixie-smoke.sh
' sh "$root" $packages
status=$?
rm -rf "$smoke"
[ "$status" -ne 2 ] || cannot "The packages could not be installed."
exit "$status"
