#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# The smoke test that trixie.sh runs inside Debian 13: label, replicate, show, guard, restart; with every
# daemon of libvirt's that has storage and is installed.
set -u
export LC_ALL=C HOME=/root
here=/opt/replication-smoke
top=$here/work
passed=0
failed=0
stock=$(dirname "$(find /usr/lib -name libvirt_driver_storage.so | head -n 1)")
ip link set lo up 2>/dev/null || true

check() {
    what=$1
    shift
    if "$@" >"$top/out" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $daemon: $what"
    else
        failed=$((failed + 1))
        echo "FAILED  $daemon: $what"
        sed 's/^/        /' "$top/out"
    fi
}

refused() {
    ! "$@"
}

start() {
    LIBVIRT_DRIVER_DIR=$1 "$program" --pid-file "/run/$daemon.pid" >>"$top/stderr" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        virsh -c storage:///system uri >/dev/null 2>&1 && return 0
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.1
    done
    return 1
}

stop() {
    kill "$pid"
    wait "$pid"
}

region() {
    mkdir -p "$top/$1"
    cat >"$top/$1.xml" <<XML
<pool type='dir'>
  <name>$1</name>
  <target><path>$top/$1</path></target>
  <metadata>
    <replication:region xmlns:replication='urn:libvirt-replication:1.0' name='$2'/>
  </metadata>
</pool>
XML
}

chain() {
    qemu-img create -q -f qcow2 "$1/base.qcow2" 32M &&
        qemu-io -f qcow2 -c "write -q -P 5 0 6M" "$1/base.qcow2" &&
        qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$1/mid.qcow2" &&
        qemu-io -f qcow2 -c "write -q -P 6 3M 1M" "$1/mid.qcow2" &&
        qemu-img snapshot -c one "$1/mid.qcow2" &&
        qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 "$1/web.qcow2" &&
        qemu-io -f qcow2 -c "write -q -P 7 9M 1M" "$1/web.qcow2"
}

has() {
    text=$1
    shift
    "$@" | tee -a "$top/out" | grep -q -- "$text"
}

smoke() {
    program=$1
    daemon=${1##*/}
    rm -rf "$top" /run/libvirt /etc/libvirt/storage /etc/libvirt/storage-replication
    mkdir -p "$top/drivers"
    ln -s "$stock"/libvirt_driver_secret.so "$top/drivers/"
    ln -s "$here/libvirt_driver_storage.so" "$top/drivers/"
    export LIBVIRT_DEFAULT_URI=storage:///system
    printf 'log_level = 2\nlog_outputs = "2:file:%s/log"\nauth_unix_rw = "none"\n' "$top" >"/etc/libvirt/$daemon.conf"

    check "starts with the module" start "$top/drivers"
    check "is stacked" grep -q "stacked on the stock storage driver" "$top/log"
    region beijing cn-north-1
    region shanghai cn-east-2
    for pool in beijing shanghai; do
        check "define $pool" virsh pool-define --validate "$top/$pool.xml"
        check "start $pool" virsh pool-start "$pool"
    done
    check "label is shown" has "name='cn-north-1'" virsh pool-dumpxml beijing
    check "chain is made" chain "$top/beijing"
    check "refresh" virsh pool-refresh beijing
    check "type is found" has "status='available'" virsh vol-dumpxml web.qcow2 beijing
    cat >"$top/request.xml" <<'XML'
<volume>
  <metadata>
    <replication:replicate xmlns:replication='urn:libvirt-replication:1.0'/>
  </metadata>
</volume>
XML
    check "replicate" virsh vol-create-from shanghai "$top/request.xml" web.qcow2 --inputpool beijing
    for layer in base mid web; do
        check "$layer is equal" qemu-img compare "$top/beijing/$layer.qcow2" "$top/shanghai/$layer.qcow2"
        check "$layer is sound" qemu-img check "$top/shanghai/$layer.qcow2"
    done
    check "snapshot is kept" has one qemu-img snapshot -l "$top/shanghai/mid.qcow2"
    check "backing is relative" has "backing file: mid.qcow2" qemu-img info "$top/shanghai/web.qcow2"
    check "record of the replica" has "region='cn-north-1'" virsh vol-dumpxml web.qcow2 shanghai
    check "job is completed" has "state='completed'" virsh vol-dumpxml web.qcow2 shanghai
    check "usage" has "images='1' snapshots='2'" virsh pool-dumpxml shanghai
    check "staging is hidden" refused has " [.]replication " virsh vol-list shanghai
    check "base cannot be deleted" refused virsh vol-delete base.qcow2 shanghai
    check "guard names the overlay" has mid.qcow2 sh -c "virsh vol-delete base.qcow2 shanghai 2>&1"
    check "stops" stop
    check "starts again" start "$top/drivers"
    check "label after the restart" has "name='cn-east-2'" virsh pool-dumpxml shanghai
    check "record after the restart" has "region='cn-north-1'" virsh vol-dumpxml web.qcow2 shanghai
    check "delete with snapshots" virsh vol-delete web.qcow2 shanghai --delete-snapshots
    check "all layers are gone" refused has qcow2 virsh vol-list shanghai
    check "stops again" stop
    check "no crash, no complaint of GLib" refused grep -E "CRITICAL|Segmentation" "$top/log" "$top/stderr"
    [ "$failed" -eq 0 ] || tail -n 20 "$top/log" "$top/stderr"
}

rm -rf "$top"
mkdir -p "$top"
for program in /usr/sbin/libvirtd "$here/virtstoraged"; do
    [ ! -x "$program" ] || smoke "$program"
done
virsh --version
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
