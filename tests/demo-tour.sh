#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the demo shows, inside a test host: plain virsh talks to the private libvirtd.
set -eu
beijing=$HOST_DIR/pools/beijing
shanghai=$HOST_DIR/pools/shanghai
mkdir -p "$beijing" "$shanghai"

say() {
    printf '\n\033[1m# %s\033[0m\n' "$*"
}

# Shows a command as one would type it, and runs it.
run() {
    printf '$'
    for word in "$@"; do
        case $word in
        *[!A-Za-z0-9_./=:,-]*) printf " '%s'" "$word" ;;
        *) printf ' %s' "$word" ;;
        esac
    done
    echo
    "$@"
}

region_xml() {
    cat <<XML
<pool type='dir'>
  <name>$1</name>
  <target><path>$2</path></target>
  <metadata>
    <replication:region xmlns:replication='urn:libvirt-replication:1.0' name='$3'/>
  </metadata>
</pool>
XML
}

say "Two regions: storage pools that carry a label"
region_xml beijing "$beijing" cn-north-1 | tee "$HOST_DIR/beijing.xml"
region_xml shanghai "$shanghai" cn-east-2 >"$HOST_DIR/shanghai.xml"
for pool in beijing shanghai; do
    run virsh pool-define "$HOST_DIR/$pool.xml"
    run virsh pool-start "$pool"
done

say "An image: an ext4 file system with real files, two overlays, an internal snapshot"
tree=$HOST_DIR/tree
mkdir "$tree"
cp -a /usr/share/perl5 "$tree/perl5"
cp -a /usr/share/common-licenses "$tree/licenses"
head -c 8M /dev/urandom >"$tree/data"
run mke2fs -q -t ext4 -L demo -d "$tree" "$HOST_DIR/base.raw" 128M
run qemu-img convert -f raw -O qcow2 "$HOST_DIR/base.raw" "$beijing/base.qcow2"
run qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 "$beijing/mid.qcow2"
run qemu-io -f qcow2 -c "write -q -P 7 64M 4M" "$beijing/mid.qcow2"
run qemu-img snapshot -c before-update "$beijing/mid.qcow2"
run qemu-io -f qcow2 -c "write -q -P 8 66M 4M" "$beijing/mid.qcow2"
run qemu-img create -q -f qcow2 -b mid.qcow2 -F qcow2 "$beijing/web.qcow2"
run qemu-io -f qcow2 -c "write -q -P 9 100M 2M" "$beijing/web.qcow2"
run virsh pool-refresh beijing
run virsh vol-list beijing --details

say "Replicate it to the other region"
cat >"$HOST_DIR/request.xml" <<'XML'
<volume>
  <name>web.qcow2</name>
  <target><format type='qcow2'/></target>
  <metadata>
    <replication:replicate xmlns:replication='urn:libvirt-replication:1.0'>
      <replication:description>nightly web image</replication:description>
    </replication:replicate>
  </metadata>
</volume>
XML
cat "$HOST_DIR/request.xml"
run virsh vol-create-from shanghai "$HOST_DIR/request.xml" web.qcow2 --inputpool beijing
run virsh vol-list shanghai --details
run virsh vol-dumpxml web.qcow2 shanghai

say "The proof: content at each depth, the chain, its snapshot, its consistency"
for layer in base mid web; do
    run qemu-img compare "$beijing/$layer.qcow2" "$shanghai/$layer.qcow2"
done
run qemu-img info --backing-chain "$shanghai/web.qcow2"
run qemu-img snapshot -l "$shanghai/mid.qcow2"
for layer in base mid web; do
    run qemu-img check "$shanghai/$layer.qcow2"
done

say "What others need cannot be deleted"
printf '$ virsh vol-delete base.qcow2 shanghai\n'
if virsh vol-delete base.qcow2 shanghai; then
    echo "The base was deleted: that must not happen."
    exit 1
fi

say "The demo worked"
if [ "${1:-}" = --shell ]; then
    echo "This shell talks to the demo's libvirtd (pid $HOST_PID) until you leave it. Try:"
    echo "  virsh pool-dumpxml shanghai"
    echo "  virsh vol-create-from shanghai $HOST_DIR/request.xml mid.qcow2 --inputpool beijing"
    echo "Its log: $HOST_DIR/log/libvirtd.log"
    bash -i || true
else
    echo "To go on by hand in a shell against this libvirtd: tests/demo.sh --shell"
fi
