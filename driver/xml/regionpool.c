/*
 * regionpool.c: XML of storage pools of type region
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/regionpool.h"

#include <string.h>

#include "base/error.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/format.h"
#include "xml/schema.h"
#include "xml/xml.h"

void
replRegionPoolFree(ReplRegionPool *pool)
{
    if (!pool)
        return;
    g_free(pool->name);
    g_free(pool->uuid);
    g_free(pool->host);
    g_free(pool->source);
    g_free(pool->uri);
    g_free(pool->region);
    g_free(pool->project);
    g_free(pool);
}

ReplRegionPool *
replRegionPoolCopy(const ReplRegionPool *pool)
{
    ReplRegionPool *copy = g_new0(ReplRegionPool, 1);

    copy->name = g_strdup(pool->name);
    copy->uuid = g_strdup(pool->uuid);
    copy->host = g_strdup(pool->host);
    copy->port = pool->port;
    copy->source = g_strdup(pool->source);
    copy->uri = g_strdup(pool->uri);
    copy->region = g_strdup(pool->region);
    copy->project = g_strdup(pool->project);
    return copy;
}

static int
replRegionPoolReadPeer(ReplRegionPool *pool, const xmlNode *peer, GError **err)
{
    static const char *const attrs[] = {"uri",     "state", "since",       "error",
                                        "libvirt", "wire",  "serve-hosts", NULL};
    static const ReplShape shape = {.attrs = attrs};

    if (replElementCheck(peer, &shape, err) < 0 || !(pool->uri = replElementNeedAttr(peer, "uri", err)))
        return -1;
    return 0;
}

static int
replRegionPoolReadRegion(ReplRegionPool *pool, const xmlNode *node, GError **err)
{
    static const char *const attrs[] = {"name", "project", NULL};
    static const char *const children[] = {"peer", NULL};
    static const char *const ignored[] = {"quota", "usage",  "counts", "job",
                                          "loan",  "shared", "images", NULL};
    static const ReplShape shape = {.attrs = attrs, .children = children, .ignored = ignored};
    const xmlNode *peer;

    if (replElementCheck(node, &shape, err) < 0 || replElementLabel(node, "name", &pool->region, err) < 0 ||
        replElementLabel(node, "project", &pool->project, err) < 0)
        return -1;
    return (peer = replElementChild(node, "peer")) ? replRegionPoolReadPeer(pool, peer, err) : 0;
}

static int
replRegionPoolReadOurs(ReplRegionPool *pool, const ReplDocOurs *ours, GError **err)
{
    guint i;

    for (i = 0; i < ours->elements->len; i++) {
        const xmlNode *node = g_ptr_array_index(ours->elements, i);

        if (!g_str_equal((const char *)node->name, "region")) {
            replErrorSet(err, VIR_ERR_XML_ERROR, _("Unknown element <%s:%s> in the <metadata> of a <pool>"),
                         REPL_PREFIX, (const char *)node->name);
            return -1;
        }
        if (replRegionPoolReadRegion(pool, node, err) < 0)
            return -1;
    }
    return 0;
}

static int
replRegionPoolReadStock(ReplRegionPool *pool, const xmlNode *root, GError **err)
{
    g_autofree char *uuid = replDocString(root, "uuid", NULL);
    const xmlNode *source = replDocChild(root, "source", NULL);
    const xmlNode *host = source ? replDocChild(source, "host", NULL) : NULL;
    g_autofree char *port = host ? replElementAttr(host, "port") : NULL;
    guint64 number = 0;

    pool->name = replDocString(root, "name", NULL);
    pool->source = source ? replDocString(source, "name", NULL) : NULL;
    pool->host = host ? replElementAttr(host, "name") : NULL;
    if (uuid && !(pool->uuid = replUuidCanonical(g_strstrip(uuid)))) {
        replErrorSet(err, VIR_ERR_XML_ERROR, _("'%s' is no UUID"), uuid);
        return -1;
    }
    if (port && !replParseDigits(port, G_MAXUINT16, &number)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("'%s' is no port of a host"), port);
        return -1;
    }
    pool->port = (guint)number;
    return 0;
}

ReplRegionPool *
replRegionPoolParse(const char *text, GError **err)
{
    g_autoptr(ReplRegionPool) pool = g_new0(ReplRegionPool, 1);
    g_autoptr(xmlDoc) doc = replDocParse(text, err);
    g_auto(ReplDocOurs) ours = {NULL, NULL, NULL};

    if (!doc)
        return NULL;
    replDocFind(doc, &ours);
    if (replDocCheck(doc, &ours, "pool", err) < 0 || replRegionPoolReadOurs(pool, &ours, err) < 0 ||
        replRegionPoolReadStock(pool, xmlDocGetRootElement(doc), err) < 0)
        return NULL;
    if (!pool->name || !pool->source || (!pool->host && !pool->uri)) {
        replErrorSet(
            err, VIR_ERR_XML_ERROR, "%s",
            _("A pool of type 'region' needs a <name>, the <name> of a pool in its <source>, and there a "
              "<host> unless <replication:peer> gives a URI"));
        return NULL;
    }
    if (replSchemaCheck(REPL_SCHEMA_REGION_POOL, xmlDocGetRootElement(doc), err) < 0)
        return NULL;
    return g_steal_pointer(&pool);
}

static void
replRegionPoolFormatSource(GString *out, const ReplRegionPool *pool)
{
    g_autofree char *name = g_markup_escape_text(pool->source, -1);

    g_string_append(out, "  <source>\n");
    if (pool->host) {
        g_string_append(out, "    <host");
        replFormatAttr(out, "name", pool->host);
        if (pool->port)
            replFormatAttrNumber(out, "port", pool->port);
        g_string_append(out, "/>\n");
    }
    g_string_append_printf(out, "    <name>%s</name>\n  </source>\n", name);
}

static void
replRegionPoolFormatPeer(GString *out, const ReplRegionPool *pool, const ReplRegionPoolShown *shown)
{
    const char *uri = shown && shown->uri ? shown->uri : pool->uri;

    if (!uri)
        return;
    replFormatBegin(out, 3, "peer");
    replFormatAttr(out, "uri", uri);
    if (shown) {
        replFormatAttr(out, "state", shown->state);
        if (shown->state)
            replFormatAttrNumber(out, "since", (guint64)shown->since_s);
        replFormatAttr(out, "error", shown->error);
        replFormatAttr(out, "libvirt", shown->libvirt);
        replFormatAttr(out, "wire", shown->wire);
        if (shown->wire)
            replFormatAttr(out, "serve-hosts", shown->servesHosts ? "yes" : "no");
    }
    replFormatEnd(out);
}

static void
replRegionPoolFormatMetadata(GString *out, const ReplRegionPool *pool, const ReplRegionPoolShown *shown)
{
    const char *region = shown && shown->region ? shown->region : pool->region;
    const char *project = shown && shown->project ? shown->project : pool->project;

    if (!region && !project && !pool->uri && !shown)
        return;
    g_string_append(out, "  <metadata>\n");
    replFormatBegin(out, 2, "region");
    replFormatNamespace(out);
    replFormatAttr(out, "name", region);
    replFormatAttr(out, "project", project);
    replFormatOpen(out);
    replRegionPoolFormatPeer(out, pool, shown);
    if (shown && shown->inner)
        g_string_append(out, shown->inner);
    replFormatClose(out, 2, "region");
    g_string_append(out, "  </metadata>\n");
}

char *
replRegionPoolFormat(const ReplRegionPool *pool, const ReplRegionPoolShown *shown)
{
    g_autofree char *name = g_markup_escape_text(pool->name, -1);
    GString *out = g_string_new("<pool type='" REPL_REGION_POOL_TYPE "'>\n");

    g_string_append_printf(out, "  <name>%s</name>\n", name);
    if (pool->uuid)
        g_string_append_printf(out, "  <uuid>%s</uuid>\n", pool->uuid);
    if (shown && shown->sized) {
        g_string_append_printf(out, "  <capacity unit='bytes'>%" G_GUINT64_FORMAT "</capacity>\n",
                               shown->capacity_bytes);
        g_string_append_printf(out, "  <allocation unit='bytes'>%" G_GUINT64_FORMAT "</allocation>\n",
                               shown->allocation_bytes);
        g_string_append_printf(out, "  <available unit='bytes'>%" G_GUINT64_FORMAT "</available>\n",
                               shown->available_bytes);
    }
    replRegionPoolFormatSource(out, pool);
    replRegionPoolFormatMetadata(out, pool, shown);
    g_string_append(out, "</pool>\n");
    return g_string_free(out, FALSE);
}
