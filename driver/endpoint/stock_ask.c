/*
 * stock_ask.c: what is asked of a libvirt without the module, in the words of its own storage calls
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "endpoint/stock_ask.h"

#include <stdlib.h>

#include "base/error.h"
#include "xml/peerfacts.h"

void
replStockFileClear(ReplStockFile *file)
{
    g_clear_pointer(&file->format, g_free);
    g_clear_pointer(&file->secretUuid, g_free);
    g_clear_pointer(&file->secretUsage, g_free);
}

virStorageVolPtr
replStockVol(ReplLink *link, virStoragePoolPtr pool, const char *volume, GError **err)
{
    virStorageVolPtr vol = virStorageVolLookupByName(pool, volume);

    if (!vol)
        replLineFail(link, err);
    return vol;
}

static int
replStockFacts(ReplLink *link, virStorageVolPtr vol, ReplStockFile *file, GError **err)
{
    g_auto(ReplPeerVolFacts) facts = {0};
    virStorageVolInfo info;
    char *xml;
    int ret;

    if (virStorageVolGetInfoFlags(vol, &info, VIR_STORAGE_VOL_GET_PHYSICAL) < 0 ||
        !(xml = virStorageVolGetXMLDesc(vol, 0)))
        return replLineFail(link, err);
    ret = replPeerVolFactsParse(xml, &facts, err);
    free(xml);
    if (ret < 0)
        return -1;
    *file = (ReplStockFile){.format = g_steal_pointer(&facts.format),
                            .size_bytes = info.allocation,
                            .allocated_bytes = facts.allocation_bytes,
                            .mtime_ns = facts.mtime_ns,
                            .ctime_ns = facts.ctime_ns,
                            .secretUuid = g_steal_pointer(&facts.secretUuid),
                            .secretUsage = g_steal_pointer(&facts.secretUsage)};
    return 0;
}

int
replStockStat(ReplLink *link, virStoragePoolPtr pool, const char *volume, ReplStockFile *file, GError **err)
{
    g_autoptr(GError) why = NULL;
    virStorageVolPtr vol = replStockVol(link, pool, volume, &why);
    int ret;

    if (!vol) {
        if (g_error_matches(why, REPL_ERROR, VIR_ERR_NO_STORAGE_VOL))
            return 0;
        g_propagate_error(err, g_steal_pointer(&why));
        return -1;
    }
    ret = replStockFacts(link, vol, file, err);
    virStorageVolFree(vol);
    return ret < 0 ? -1 : 1;
}

static gssize
replStockReceive(ReplLineWork *work, virStreamPtr stream, guint8 *buf, gsize len)
{
    gsize done = 0;

    for (;;) {
        char more;
        int got = done < len ? virStreamRecv(stream, (char *)buf + done, len - done)
                             : virStreamRecv(stream, &more, 1);

        if (got < 0)
            return -1;
        if (got == 0 || done == len)
            return done;
        done += got;
        replLineCarried(work, got);
    }
}

gssize
replStockRead(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 offset,
              guint8 *buf, gsize len, GError **err)
{
    virStorageVolPtr vol = replStockVol(link, pool, volume, err);
    virStreamPtr stream;
    gssize got = -1;

    if (!vol)
        return -1;
    if ((stream = virStreamNew(link->conn, 0)) && virStorageVolDownload(vol, stream, offset, len, 0) == 0) {
        got = replStockReceive(work, stream, buf, len);
        if (got >= 0 && virStreamFinish(stream) < 0)
            got = -1;
    }
    if (got < 0)
        replLineFail(link, err);
    if (stream)
        replLinkEndStream(link, stream, got >= 0);
    virStorageVolFree(vol);
    virResetLastError();
    return got;
}

static int
replStockSend(ReplLineWork *work, virStreamPtr stream, const guint8 *buf, gsize len)
{
    gsize done = 0;

    while (done < len) {
        int sent = virStreamSend(stream, (const char *)buf + done, len - done);

        if (sent < 0)
            return -1;
        done += sent;
        replLineCarried(work, sent);
    }
    return virStreamFinish(stream);
}

int
replStockWrite(ReplLineWork *work, ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 offset,
               const guint8 *buf, gsize len, GError **err)
{
    virStorageVolPtr vol = replStockVol(link, pool, volume, err);
    virStreamPtr stream;
    int ret = -1;

    if (!vol)
        return -1;
    if ((stream = virStreamNew(link->conn, 0)) && virStorageVolUpload(vol, stream, offset, len, 0) == 0)
        ret = replStockSend(work, stream, buf, len);
    if (ret < 0)
        replLineFail(link, err);
    if (stream)
        replLinkEndStream(link, stream, ret == 0);
    virStorageVolFree(vol);
    virResetLastError();
    return ret;
}

int
replStockVolMake(ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 size_bytes,
                 const char *more, GError **err)
{
    g_autofree char *name = g_markup_escape_text(volume, -1);
    g_autofree char *xml = g_strdup_printf(
        "<volume><name>%s</name><capacity unit='bytes'>%" G_GUINT64_FORMAT
        "</capacity><allocation>0</allocation><target><format type='raw'/>%s</target></volume>",
        name, size_bytes, more ? more : "");
    virStorageVolPtr vol = virStorageVolCreateXML(pool, xml, 0);

    if (!vol)
        return replLineFail(link, err);
    virStorageVolFree(vol);
    return 0;
}

int
replStockVolResize(ReplLink *link, virStoragePoolPtr pool, const char *volume, guint64 size_bytes,
                   GError **err)
{
    virStorageVolPtr vol = replStockVol(link, pool, volume, err);
    int ret;

    if (!vol)
        return -1;
    ret = virStorageVolResize(vol, size_bytes, VIR_STORAGE_VOL_RESIZE_SHRINK);
    if (ret < 0)
        replLineFail(link, err);
    virStorageVolFree(vol);
    return ret;
}

int
replStockVolDelete(ReplLink *link, virStoragePoolPtr pool, const char *volume, GError **err)
{
    virStorageVolPtr vol = replStockVol(link, pool, volume, err);
    int ret;

    if (!vol)
        return -1;
    ret = virStorageVolDelete(vol, 0);
    if (ret < 0)
        replLineFail(link, err);
    virStorageVolFree(vol);
    return ret;
}
