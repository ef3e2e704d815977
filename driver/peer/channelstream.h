/*
 * channelstream.h: a road for bytes through a stream of libvirt's own, to another daemon with the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "peer/channel.h"
#include "peer/link.h"

/* Opens a session's stream on volume @volume of the pool @pool there, which need not exist. Takes over a reference to
 * @link, a connection of its own. Blocks as long as the network likes. NULL with @err set: what the peer said. */
ReplChannel *
replChannelOfLink(ReplLink *link, const char *pool, const char *volume, GError **err);
