/*
 * peerfacts.c: what the XML of a volume on a stock peer tells of its file
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/peerfacts.h"

#include <string.h>

#include "base/error.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/xml.h"

#define REPL_PEER_NS 1000000000

void
replPeerVolFactsClear(ReplPeerVolFacts *facts)
{
    g_clear_pointer(&facts->format, g_free);
    g_clear_pointer(&facts->secretUuid, g_free);
    g_clear_pointer(&facts->secretUsage, g_free);
}

/* "SECONDS.NANOSECONDS", as libvirt writes times: without the second part when it is 0. FALSE: it is none. */
static gboolean
replPeerTime(const xmlNode *times, const char *name, gint64 *time_ns)
{
    g_autofree char *text = times ? replDocString(times, name, NULL) : NULL;
    char *dot = text ? strchr(text, '.') : NULL;
    guint64 seconds, ns = 0;

    if (!text)
        return FALSE;
    if (dot)
        *dot = '\0';
    if (!replParseDigits(text, G_MAXINT64 / REPL_PEER_NS - 1, &seconds) ||
        (dot && !replParseDigits(dot + 1, REPL_PEER_NS - 1, &ns)))
        return FALSE;
    *time_ns = (gint64)(seconds * REPL_PEER_NS + ns);
    return TRUE;
}

int
replPeerVolFactsParse(const char *text, ReplPeerVolFacts *facts, GError **err)
{
    g_autoptr(xmlDoc) doc = replDocParse(text, err);
    g_autofree char *allocation = NULL;
    const xmlNode *root, *target, *format, *times;

    if (!doc)
        return -1;
    root = xmlDocGetRootElement(doc);
    target = replDocChild(root, "target", NULL);
    format = target ? replDocChild(target, "format", NULL) : NULL;
    times = target ? replDocChild(target, "timestamps", NULL) : NULL;
    if (!replPeerTime(times, "mtime", &facts->mtime_ns) || !replPeerTime(times, "ctime", &facts->ctime_ns)) {
        replErrorSet(
            err, VIR_ERR_NO_SUPPORT, "%s",
            _("A libvirt that does not tell the times of a volume cannot be replicated from: a change of the "
              "volume would not be seen"));
        return -1;
    }
    facts->format = format ? replElementAttr(format, "type") : NULL;
    allocation = replDocString(root, "allocation", NULL);
    if (!allocation || !replParseDigits(allocation, G_MAXINT64, &facts->allocation_bytes))
        facts->allocation_bytes = 0;
    replVolXmlSecret(text, &facts->secretUuid, &facts->secretUsage);
    return 0;
}
