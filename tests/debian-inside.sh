#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What debian.sh does inside the clean Debian: debian-inside.sh use NAME | machine | stock
#
# But for a machine systemd does not run: the daemon is started as libvirtd.service says with our drop-in.
set -eu
drop_in=/usr/lib/systemd/system/libvirtd.service.d/storage-replication.conf
log=/var/log/libvirt/libvirtd.log
export LIBVIRT_DEFAULT_URI=qemu:///system

start() {
    mkdir -p /var/log/libvirt
    rm -f "$log"
    printf 'log_filters="2:storage.replication"\nlog_outputs="2:file:%s"\nunix_sock_group="root"\nauth_unix_rw="none"\n' \
        "$log" >/etc/libvirt/libvirtd.conf
    if [ -e "$drop_in" ]; then
        $(sed -n 's/^ExecStartPre=-//p' "$drop_in")
        environment=$(sed -n 's/^EnvironmentFile=-//p' "$drop_in")
        if [ -e "$environment" ]; then
            . "$environment"
            export LIBVIRT_DRIVER_DIR
        fi
    fi
    /usr/sbin/libvirtd --daemon
    for _ in $(seq 300); do
        ! virsh -c storage:///system uri >/dev/null 2>&1 || break
        sleep 0.1
    done
    LIBVIRT_DEFAULT_URI=storage:///system
}

# Defines a pool with a label, or gives one to a pool that is there.
region() {
    mkdir -p "/srv/$1"
    uuid=$(virsh pool-uuid "$1" 2>/dev/null | grep . || cat /proc/sys/kernel/random/uuid)
    cat >"/tmp/$1.xml" <<XML
<pool type='dir'>
  <name>$1</name>
  <uuid>$uuid</uuid>
  <target><path>/srv/$1</path></target>
  <metadata><replication:region xmlns:replication='urn:libvirt-replication:1.0' name='$2'/></metadata>
</pool>
XML
    virsh pool-define "/tmp/$1.xml"
    virsh pool-autostart "$1"
    virsh pool-info "$1" | grep "State: *running" || virsh pool-start "$1"
}

use() {
    start
    grep "is stacked on the stock storage driver" "$log"
    if ! virsh pool-dumpxml beijing | grep "replication:region"; then # the first time, and after a purge
        region beijing cn-north-1
        region shanghai cn-east-2
    fi
    for image in /srv/shanghai/*.qcow2; do # made by an earlier version
        [ ! -e "$image" ] || virsh vol-dumpxml "${image##*/}" shanghai | grep "region='cn-north-1'"
    done
    qemu-img create -q -f qcow2 "/srv/beijing/$1.qcow2" 64M
    qemu-io -c "write -q -P 5 0 6M" "/srv/beijing/$1.qcow2"
    virsh pool-refresh beijing
    cat >/tmp/request.xml <<'XML'
<volume><metadata><replication:replicate xmlns:replication='urn:libvirt-replication:1.0'/></metadata></volume>
XML
    virsh vol-create-from shanghai /tmp/request.xml "$1.qcow2" --inputpool beijing
    qemu-img compare "/srv/beijing/$1.qcow2" "/srv/shanghai/$1.qcow2"
    virsh vol-dumpxml "$1.qcow2" shanghai | grep "state='completed'"
    ! command -v virt-replicate || virt-replicate --connect storage:///system images | grep "$1"
    [ ! -e /usr/share/man/man7/libvirt-storage-replication.7.gz ] || gzip -t /usr/share/man/man7/libvirt-storage-replication.7.gz
}

# Waits until the daemon that systemd starts has the module, or has none.
module() {
    for _ in $(seq 300); do
        if virsh pool-capabilities 2>/dev/null | grep -q "<pool type='region'"; then has=yes; else has=no; fi
        [ $has != "$1" ] || return 0
        sleep 0.1
    done
    echo "the module is loaded: $has"
    return 1
}

machine() {
    LIBVIRT_DEFAULT_URI=storage:///system
    module yes
    before=$(systemctl show -p MainPID --value libvirtd.service)
    dpkg --force-confdef --force-confold -i /opt/packages/*.deb
    module yes
    [ "$before" != "$(systemctl show -p MainPID --value libvirtd.service)" ]
    virt-replicate images cn-east-2 | grep first

    systemd-analyze verify --man=no virt-replicate-sync@golden.service virt-replicate-sync@golden.timer libvirtd.service
    [ "$(systemctl is-enabled virt-replicate-sync@golden.timer)" = disabled ]
    mkdir -p /etc/virt-replicate
    printf '[rule golden]\nfrom = cn-north-1\nregions = cn-east-2\nimages = golden*\n' >/etc/virt-replicate/golden.policy
    qemu-img create -q -f qcow2 /srv/beijing/golden.qcow2 64M
    virsh pool-refresh beijing
    systemctl start virt-replicate-sync@golden.service
    journalctl -u virt-replicate-sync@golden.service --no-pager
    [ "$(systemctl show -p Result --value virt-replicate-sync@golden.service)" = success ]
    qemu-img compare /srv/beijing/golden.qcow2 /srv/shanghai/golden.qcow2
    [ "$(stat -c %a /var/lib/virt-replicate)" = 700 ]
    systemctl enable --now virt-replicate-sync@golden.timer
    systemctl list-timers --no-pager | grep virt-replicate-sync@golden.service
    systemctl disable --now virt-replicate-sync@golden.timer

    # The administrator can do without it, and come back.
    dpkg --remove virt-replicate libvirt-daemon-driver-storage-replication
    module no
    dpkg --force-confdef --force-confold -i /opt/packages/*.deb
    module yes
}

stock() {
    [ ! -e "$drop_in" ]
    ! find /usr /etc -name "libvirt_driver_storage.so" -path "*storage-replication*" | grep .
    start
    ! grep -i "image replication" "$log"
    virsh pool-dumpxml shanghai >/tmp/pool
    ! grep replication: /tmp/pool
    for image in /srv/shanghai/*.qcow2; do # what was replicated needs nothing of ours
        virsh vol-info "${image##*/}" shanghai
        qemu-img compare "/srv/beijing/${image##*/}" "$image"
        virsh vol-clone --pool shanghai "${image##*/}" "clone-${image##*/}"
        virsh vol-delete --pool shanghai "clone-${image##*/}"
    done
}

"$@"
