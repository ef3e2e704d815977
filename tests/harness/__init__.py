# SPDX-License-Identifier: LGPL-2.1-or-later
"""Test hosts: private libvirt daemons in namespaces of their own, images, file systems, links.

`space` makes the sandbox that everything lives in, `host` runs a daemon, `net` joins hosts,
`fs` makes small file systems, `images` makes and judges disk images, `xmlio` writes requests and
reads answers. `host` (the command) does the same for shell scripts.
"""
