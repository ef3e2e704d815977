/*
 * access.c: identities and access control
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/access.h"

#include <glib-object.h>
#include <libxml/parser.h>
#include <stdio.h>
#include <string.h>

#include "base/printable.h"
#include "virt/report.h"

char *
replIdentityName(void)
{
    g_autoptr(GObject) identity = (GObject *)replVirt.IdentityGetCurrent();
    ReplVirtIdentity *who = (ReplVirtIdentity *)identity;
    const char *name = NULL;

    if (!who)
        return NULL;
    if (replVirt.IdentityGetSASLUserName(who, &name) <= 0 && replVirt.IdentityGetX509DName(who, &name) <= 0 &&
        replVirt.IdentityGetUserName(who, &name) <= 0)
        return NULL;
    return name ? replPrintable(name) : NULL;
}

ReplIdentity
replIdentityBecomeSystem(void)
{
    ReplVirtIdentity *caller = replVirt.IdentityGetCurrent();
    ReplVirtIdentity *system;

    /* Without an identity there is no access control that could say no. */
    if (!caller)
        return NULL;
    if (!(system = replVirt.IdentityGetSystem())) {
        virResetLastError();
        g_object_unref(caller);
        return NULL;
    }
    replVirt.IdentitySetCurrent(system);
    g_object_unref(system);
    return caller;
}

void
replIdentityAct(ReplVirtIdentity *who)
{
    g_autoptr(GObject) system = who ? NULL : (GObject *)replVirt.IdentityGetSystem();

    if (who || system)
        replVirt.IdentitySetCurrent(who ? who : (ReplVirtIdentity *)system);
}

void
replIdentityRestore(ReplIdentity identity)
{
    if (!identity)
        return;
    replVirt.IdentitySetCurrent(identity);
    g_object_unref(identity);
}

static ReplVirtPoolObj *
replAccessFindPool(const unsigned char *uuid)
{
    ReplVirtPoolObj *obj = replVirt.StoragePoolObjFindPoolByUUID(uuid);
    char uuidstr[VIR_UUID_STRING_BUFLEN];

    if (!obj) {
        replUuidFormat(uuid, uuidstr);
        replReportError(VIR_ERR_NO_STORAGE_POOL, _("no storage pool with matching uuid '%s'"), uuidstr);
    }
    return obj;
}

int
replAccessPool(virConnectPtr conn, const unsigned char *uuid, ReplVirtPoolAcl check)
{
    g_auto(ReplPoolObjRef) obj = replAccessFindPool(uuid);

    if (!obj)
        return -1;
    return check(conn, replVirt.StoragePoolObjGetDef(obj)) < 0 ? -1 : 0;
}

int
replAccessVol(virConnectPtr conn, const unsigned char *uuid, const char *volume, ReplVirtVolAcl check)
{
    g_auto(ReplPoolObjRef) obj = replAccessFindPool(uuid);
    ReplVirtVolDef *voldef;

    if (!obj)
        return -1;
    if (!replVirt.StoragePoolObjIsActive(obj)) {
        char uuidstr[VIR_UUID_STRING_BUFLEN];

        replUuidFormat(uuid, uuidstr);
        replReportError(VIR_ERR_OPERATION_INVALID, _("storage pool '%s' is not active"), uuidstr);
        return -1;
    }
    if (!(voldef = replVirt.StorageVolDefFindByName(obj, volume))) {
        replReportError(VIR_ERR_NO_STORAGE_VOL, _("no storage vol with matching name '%s'"), volume);
        return -1;
    }
    return check(conn, replVirt.StoragePoolObjGetDef(obj), voldef) < 0 ? -1 : 0;
}

int
replAccessValidate(const char *xml)
{
    xmlDocPtr doc = xmlReadMemory(xml, strlen(xml), "volume.xml", NULL,
                                  XML_PARSE_NONET | XML_PARSE_NOWARNING | XML_PARSE_NOERROR);
    int ret;

    if (!doc) {
        replReportError(VIR_ERR_XML_ERROR, "%s", _("The volume XML is malformed"));
        return -1;
    }
    ret = replVirt.XMLValidateAgainstSchema(REPL_LIBVIRT_SCHEMAS "/storagevol.rng", doc);
    xmlFreeDoc(doc);
    return ret;
}

int
replAccessNewVol(virConnectPtr conn, const unsigned char *uuid, const char *xml, gboolean validate,
                 ReplVirtVolAcl check)
{
    g_auto(ReplPoolObjRef) obj = replAccessFindPool(uuid);
    ReplVirtPoolDef *pooldef;
    ReplVirtVolDef *voldef;
    int ret;

    if (!obj || (validate && replAccessValidate(xml) < 0))
        return -1;
    pooldef = replVirt.StoragePoolObjGetDef(obj);
    if (!(voldef = replVirt.StorageVolDefParse(pooldef, xml, NULL, REPL_VIRT_VOL_PARSE_NO_CAPACITY)))
        return -1;
    ret = check(conn, pooldef, voldef) < 0 ? -1 : 0;
    replVirt.StorageVolDefFree(voldef);
    return ret;
}

void
replUuidFormat(const unsigned char *uuid, char *str)
{
    snprintf(str, VIR_UUID_STRING_BUFLEN,
             "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", uuid[0], uuid[1],
             uuid[2], uuid[3], uuid[4], uuid[5], uuid[6], uuid[7], uuid[8], uuid[9], uuid[10], uuid[11],
             uuid[12], uuid[13], uuid[14], uuid[15]);
}

gboolean
replUuidParse(const char *str, unsigned char *uuid)
{
    gsize i;

    /* As virUUIDParse: white space around it, dashes anywhere between the bytes. */
    while (g_ascii_isspace(*str))
        str++;
    for (i = 0; i < VIR_UUID_BUFLEN; i++) {
        while (*str == '-')
            str++;
        if (!g_ascii_isxdigit(str[0]) || !g_ascii_isxdigit(str[1]))
            return FALSE;
        uuid[i] = g_ascii_xdigit_value(str[0]) << 4 | g_ascii_xdigit_value(str[1]);
        str += 2;
    }
    while (g_ascii_isspace(*str))
        str++;
    return *str == '\0';
}
