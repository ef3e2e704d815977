/*
 * schema.c: the schemas of xml/, embedded
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/schema.h"

#include <libxml/parser.h>
#include <libxml/relaxng.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"
#include "model/label.h"
#include "xml/doc.h"
#include "xml/xml.h"

static const char *const replSchemaTexts[REPL_SCHEMA_LAST] = {
    replSchemaRegion, replSchemaUsage,    replSchemaReplicate,  replSchemaUpdate,
    replSchemaImage,  replSchemaOverview, replSchemaRegionpool,
};

/* Set once by replSchemaLoad, then constant; kept until the process ends. */
static xmlRelaxNG *replSchemas[REPL_SCHEMA_LAST];
static gboolean replSchemasLoaded;
static char *replSchemaFault;

/* libxml2 does not promise that one schema can serve two threads, and requests are rare. Guards the
 * use of replSchemas. */
static ReplLock replSchemaLock = REPL_LOCK_INIT;

static void
replSchemaKeepError(void *opaque, ReplXmlError error)
{
    char **message = opaque;

    if (!*message && error->message)
        *message = g_strchomp(g_strdup(error->message));
}

static void
replSchemaLoad(void)
{
    int i;

    xmlInitParser();
    for (i = 0; i < REPL_SCHEMA_LAST; i++) {
        xmlRelaxNGParserCtxt *ctxt =
            xmlRelaxNGNewMemParserCtxt(replSchemaTexts[i], strlen(replSchemaTexts[i]));

        if (ctxt) {
            xmlRelaxNGSetParserStructuredErrors(ctxt, replSchemaKeepError, &replSchemaFault);
            replSchemas[i] = xmlRelaxNGParse(ctxt);
            xmlRelaxNGFreeParserCtxt(ctxt);
        }
        if (!replSchemas[i])
            return;
    }
    replSchemasLoaded = TRUE;
}

gboolean
replXmlInit(GError **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, replSchemaLoad);
    if (replSchemasLoaded)
        return TRUE;
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("The embedded XML schemas cannot be parsed: %s"),
                 replSchemaFault ? replSchemaFault : "?");
    return FALSE;
}

/* Only whole documents can be validated. */
static xmlDoc *
replSchemaDoc(const xmlNode *node)
{
    g_autoptr(xmlDoc) doc = xmlNewDoc(NULL);
    xmlNode *copy = doc ? xmlDocCopyNode((xmlNode *)node, doc, 1) : NULL;

    if (!copy)
        return NULL;
    xmlDocSetRootElement(doc, copy);
    return g_steal_pointer(&doc);
}

int
replSchemaCheck(ReplSchema schema, const xmlNode *node, GError **err)
{
    g_autofree char *message = NULL;
    g_autoptr(xmlDoc) doc = NULL;
    g_autoptr(ReplLocked) locker G_GNUC_UNUSED = NULL;
    xmlRelaxNGValidCtxt *ctxt;
    int ret = -1;

    if (!replXmlInit(err))
        return -1;
    doc = replSchemaDoc(node);
    locker = replLockTake(&replSchemaLock);
    if (doc && (ctxt = xmlRelaxNGNewValidCtxt(replSchemas[schema]))) {
        xmlRelaxNGSetValidStructuredErrors(ctxt, replSchemaKeepError, &message);
        ret = xmlRelaxNGValidateDoc(ctxt, doc);
        xmlRelaxNGFreeValidCtxt(ctxt);
    }
    if (ret == 0)
        return 0;
    replErrorSet(err, VIR_ERR_XML_ERROR, _("<%s%s> does not follow its schema: %s"),
                 replDocIsOurs(node) ? REPL_PREFIX ":" : "", (const char *)node->name,
                 message ? message : "?");
    return -1;
}
