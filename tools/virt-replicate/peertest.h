/*
 * peertest.h: what is right, and what is not, with a region on another host
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "client.h"

/* Tries the way to the other host and says what was found, a line or a member of JSON for each check. @region: the pool's, with
 * its images as far as they could be listed. Returns the exit status. */
int
replPeerTest(ReplClient *client, virStoragePoolPtr pool, const virtReplicationRegion *region);
