/*
 * announce.c: what `virsh pool-capabilities` says about the module
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "peer/announce.h"

#include <string.h>

#include "model/label.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/xml.h"

#define REPL_ANNOUNCE_ROOT "storagepoolCapabilities"

void
replAnnouncedClear(ReplAnnounced *announced)
{
    g_clear_pointer(&announced->daemonId, g_free);
    g_clear_pointer(&announced->wireVersions, g_free);
}

char *
replAnnounceInsert(const char *stockXml, const ReplAnnounced *announced)
{
    g_auto(GStrv) versions = g_strsplit(announced->wireVersions, " ", -1);
    g_autoptr(GString) out = g_string_new("  <pool type='region' supported='yes'>\n");
    guint i;

    g_string_append_printf(out,
                           "    <" REPL_PREFIX ":daemon xmlns:" REPL_PREFIX "='" REPL_NAMESPACE
                           "' id='%s' serve-hosts='%s'>\n",
                           announced->daemonId, announced->servesHosts ? "yes" : "no");
    for (i = 0; versions[i]; i++)
        g_string_append_printf(out, "      <" REPL_PREFIX ":wire version='%s'/>\n", versions[i]);
    g_string_append(out, "    </" REPL_PREFIX ":daemon>\n  </pool>\n");
    return replXmlInsert(stockXml, REPL_ANNOUNCE_ROOT, out->str);
}

static char *
replAnnounceVersions(const xmlNode *daemon)
{
    g_autoptr(GString) versions = g_string_new(NULL);
    const xmlNode *node;

    for (node = daemon->children; node; node = node->next) {
        g_autofree char *version = NULL;
        guint64 number;

        if (!replDocIsOurs(node) || !g_str_equal((const char *)node->name, "wire"))
            continue;
        if ((version = replElementAttr(node, "version")) && replParseDigits(version, G_MAXUINT32, &number))
            g_string_append_printf(versions, "%s%" G_GUINT64_FORMAT, versions->len ? " " : "", number);
    }
    return versions->len ? g_strdup(versions->str) : NULL;
}

void
replAnnounceRead(const char *xml, ReplAnnounced *announced)
{
    g_autoptr(xmlDoc) doc = replDocParse(xml, NULL);
    const xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    const xmlNode *pool = NULL;

    *announced = (ReplAnnounced){0};
    if (!root || !replDocIsStock(root, REPL_ANNOUNCE_ROOT))
        return;
    while (!announced->daemonId && (pool = replDocChild(root, "pool", pool))) {
        const xmlNode *daemon = replElementChild(pool, "daemon");
        g_autofree char *id = daemon ? replElementAttr(daemon, "id") : NULL;
        g_autofree char *serves = daemon ? replElementAttr(daemon, "serve-hosts") : NULL;

        if (!id || !(announced->daemonId = replUuidCanonical(id)))
            continue;
        announced->wireVersions = replAnnounceVersions(daemon);
        announced->servesHosts = g_strcmp0(serves, "yes") == 0;
    }
}
