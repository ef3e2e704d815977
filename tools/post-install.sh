#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# After `meson install` on this very machine: systemd learns of the drop-ins. No daemon is restarted.
[ -z "${DESTDIR:-}" ] || exit 0
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload || exit 0
echo "Restart libvirtd or virtstoraged when it suits: systemctl try-restart libvirtd virtstoraged"
