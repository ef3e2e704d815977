#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What debian.sh does inside the clean Debian: debian-inside.sh use NAME | stock
#
# There is no systemd: the daemon is started as libvirtd.service says with our drop-in.
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
