/*
 * xml_samples.h: what clients send, for the tests of xml/
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "xml/xml.h"

#define NS "xmlns:r='" REPL_NAMESPACE "'"

/* A pool, or a volume, with this in its <metadata>. */
#define POOL(inner)                                                                                          \
    "<pool type='dir'>\n  <name>beijing</name>\n  <uuid>7c7a4b4c-6f4e-4f7e-9f5e-0d5f8d1b2c3a</uuid>\n"       \
    "  <target>\n    <path>/srv/b</path>\n  </target>\n  <metadata>\n    " inner                             \
    "\n  </metadata>\n</pool>\n"
#define VOLUME(inner) "<volume><name>web.qcow2</name><metadata>" inner "</metadata></volume>"
#define REQUEST(attrs, inner) VOLUME("<r:replicate " NS " " attrs ">" inner "</r:replicate>")
#define UPDATE(inner) VOLUME("<r:update " NS ">" inner "</r:update>")
#define TARGET(encryption, attrs)                                                                            \
    "<volume><target>" encryption "</target><metadata><r:replicate " NS " " attrs "/></metadata></volume>"
#define LUKS(inner) "<encryption format='luks'>" inner "</encryption>"
#define SECRET "<secret type='passphrase' usage='ims/web'/>"
