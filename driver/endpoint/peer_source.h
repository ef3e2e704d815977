/*
 * peer_source.h: a source on another host that has the module
 *
 * In:    a talk (peer/talk.h), over whose sessions the other host answers (endpoint/serve.h).
 * Out:   a source like any other.
 * Owner: as endpoint/source.h; it holds a reference to the talk.
 * Lock:  one lock guards which session is prepared and what the source said first.
 *
 * Sessions come and go below it. Each new one is prepared before it is asked for bytes: the chain is described again and
 * has to be what it was, and is held again when it was held. A question whose session was lost is asked again, so
 * no one above notices more than the time that it took; only when the other host does not come back within the
 * talk's time, the attempt ends with VIR_ERR_NO_CONNECT.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "endpoint/source.h"
#include "peer/caller.h"
#include "peer/talk.h"

/* @pool (NULL: as the other host calls it) and @poolUuid: as this host calls the pool. @host: the other
 * host's name, for messages. @caller: keeps sessions open, and is stopped at the end (taken over); NULL: the
 * other host opens them. */
ReplSource *
replPeerSourceNew(ReplTalk *talk, const char *pool, const char *poolUuid, const char *host,
                  ReplCaller *caller);
