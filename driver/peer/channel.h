/*
 * channel.h: a road for bytes in both directions
 *
 * In:    one end of a socketpair whose other end libvirt serves (a session that was called for), or a stream of a
 *        connection of our own (channelstream.h).
 * Out:   bytes, in order: those of frames, and those that come as they come.
 * Owner: the session that runs over it.
 * Lock:  none. One thread sends while another one receives; abort may come from any.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "wire/frame.h"

typedef struct _ReplChannel ReplChannel;

typedef struct {
    /* Waits for bytes: how many came (at most @max), 0 at the end, -1 with @err set. */
    gssize (*receive)(ReplChannel *channel, guint8 *bytes, gsize max, GError **err);

    /* Sends all of it, waiting as long as the other end takes. Returns 0, or -1 with @err set. */
    int (*send)(ReplChannel *channel, const ReplWirePacket *packet, GError **err);

    /* Nothing more is sent: what was sent arrives, and then the end. Does not wait; no send is under way. */
    void (*finish)(ReplChannel *channel);

    /* Tells both that wait, and all that come, to return. Does not wait, and does not promise that a thread inside a
     * library comes back before the network says so. */
    void (*abort)(ReplChannel *channel);

    /* When no other call is under way or to come. */
    void (*free)(ReplChannel *channel);
} ReplChannelOps;

/* An implementation embeds this as its first member. */
struct _ReplChannel {
    const ReplChannelOps *ops;
};

/* Takes @fd over, a connected stream socket. */
ReplChannel *
replChannelOfSocket(int fd);

static inline void
replChannelFree(ReplChannel *channel)
{
    if (channel)
        channel->ops->free(channel);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReplChannel, replChannelFree)
