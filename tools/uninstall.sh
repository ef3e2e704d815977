#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# `ninja -C build purge`: everything that `meson install` put onto this machine goes, and the links with it.
#
# Kept, and said so: the configuration, the pools' labels, and the staging folders with the images' records,
# so that installing again finds all as it was. Images need none of it to be read.
set -eu
cd "$1"
ninja uninstall
root=${DESTDIR:-}
rm -rf "$root/run/libvirt-storage-replication"
for folder in "$root$2" "$root$3" "$root$4" "$root$5"; do
    find "$folder" -type d -empty -delete 2>/dev/null || true
done
if [ -z "$root" ] && [ -d /run/systemd/system ]; then
    systemctl daemon-reload || true
    echo "A daemon that runs keeps the module until it is restarted:"
    echo "    systemctl try-restart libvirtd virtstoraged"
fi
echo "Kept: /etc/libvirt/storage-replication.conf, labels in /etc/libvirt/storage-replication,"
echo "      and a folder .replication in each region pool."
