# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh disable=SC2034
# What the build, the demo and the tests need from Debian: the one list. To be sourced.

packages_build="gcc libc6-dev dpkg-dev meson ninja-build pkg-config gettext libvirt-dev libglib2.0-dev libxml2-dev
zlib1g-dev libzstd-dev libxxhash-dev libgcrypt20-dev libcryptsetup-dev libjson-glib-dev
python3-docutils"

# libvirt-daemon alone starts nothing on this machine: no system service, no network.
packages_demo="libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients qemu-utils python3 python3-libvirt
e2fsprogs xfsprogs iproute2 mount util-linux procps"

packages_test="python3-pytest curl locales libxxhash0 python3-pyte zsh virtinst ansible python3-lxml groff-base libxml2-utils cryptsetup-bin dbus polkitd qemu-system-x86 attr openssl
openssh-client openssh-server sasl2-bin libsasl2-modules libsasl2-modules-db skopeo docker-registry"

packages_debian_short="debootstrap build-essential debhelper lintian iproute2 mount util-linux"
packages_debian="$packages_debian_short systemd-container git"

# debian_mirror: where this machine gets Debian from, as its apt is configured.
debian_mirror() {
    apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' | sed -n 's/^Debian //p' | head -n 1
}

# Debian 13 and later have packages of their own for libvirt's drivers.
# The sources are written as clang-format 14 of Debian 12 writes them; others differ and are not asked.
# shellcheck disable=SC1091
if [ "$(. /etc/os-release && echo "${VERSION_ID:-}")" = 12 ]; then
    packages_test="$packages_test clang-format"
else
    packages_demo="$packages_demo libvirt-daemon-driver-storage libvirt-daemon-driver-secret libvirt-daemon-driver-network"
fi

# install_packages NAME…: installs those that are missing; says nothing when none is.
install_packages() {
    missing=""
    for package in "$@"; do
        state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
        [ "$state" = installed ] || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    echo "Installing$missing"
    # No package may start a service (openssh-server would); a policy of the machine's own stays.
    policy=/usr/sbin/policy-rc.d
    if [ -e $policy ]; then policy=""; else printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy; fi
    installed=0
    # shellcheck disable=SC2086
    { apt-get -q update && DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y --no-install-recommends install $missing; } </dev/null >"$package_log" 2>&1 || installed=$?
    [ -z "$policy" ] || rm -f $policy
    [ $installed = 0 ] && return 0
    tail -n 20 "$package_log"
    echo "The packages could not be installed; all of apt's words are in $package_log"
    return 1
}

# install_promtool: the one program of the package prometheus that a test needs, or a package of its own in newer
# releases. The package prometheus itself would start a service.
install_promtool() {
    command -v promtool >/dev/null && return 0
    folder=$(mktemp -d) || return 1
    # apt gives up root to download, and has to be let into the folder.
    chmod 0777 "$folder"
    package=promtool
    [ -n "$(apt-cache show --no-all-versions promtool 2>/dev/null)" ] || package=prometheus
    { (cd "$folder" && apt-get -q download "$package" && dpkg-deb -x "$package"_*.deb .) &&
        install -m 0755 "$folder/usr/bin/promtool" /usr/local/bin/promtool; } </dev/null >"$package_log" 2>&1
    status=$?
    rm -rf "$folder"
    [ $status = 0 ] || { tail -n 20 "$package_log"; echo "promtool could not be installed"; }
    return $status
}

# need_root COMMAND: private daemons need mounts and namespaces.
need_root() {
    [ "$(id -u)" = 0 ] || { echo "Please run $1 as root: it makes namespaces and mounts of its own."; exit 1; }
}

# build_module DIR: configures DIR when that was not done yet, and builds.
build_module() {
    if [ ! -f "$1/build.ninja" ]; then
        meson setup "$1" >"$1.log" 2>&1 || { tail -n 20 "$1.log"; return 1; }
    fi
    ninja -C "$1" >"$1.log" 2>&1 || { tail -n 40 "$1.log"; return 1; }
    rm -f "$1.log"
}

package_log=$(mktemp)
