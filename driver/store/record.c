/*
 * record.c: the records of images
 *
 * A volume's name may be longer than what is left of a file name for ".bad", so the file is named
 * by its SHA-256; the name itself stands inside and must fit.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/record.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "store/jobtext.h"
#include "store/stagingpriv.h"
#include "store/verifiedtext.h"

#define REPL_RECORD_MAX_bytes (4 * 1024 * 1024)
#define REPL_SHARES_MAX 1000
#define REPL_CONVERSIONS_MAX 1000

typedef struct {
    char *volume;
    ReplImage *image;
} ReplRecord;

static void
replRecordFree(gpointer opaque)
{
    ReplRecord *record = opaque;

    g_free(record->volume);
    replImageFree(record->image);
    g_free(record);
}

static gpointer
replRecordCopy(gconstpointer opaque)
{
    const ReplRecord *record = opaque;
    ReplRecord *copy = g_new0(ReplRecord, 1);

    copy->volume = g_strdup(record->volume);
    copy->image = replImageCopy(record->image);
    return copy;
}

static char *
replRecordFile(const char *volume)
{
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, volume, -1);
}

static gboolean
replRecordIsFile(const char *file)
{
    return strlen(file) == 64 && strspn(file, "0123456789abcdef") == 64;
}

static void
replSharesToText(GKeyFile *keys, const GPtrArray *shares)
{
    guint i;

    g_key_file_set_uint64(keys, "image", "shares", shares->len);
    for (i = 0; i < shares->len; i++) {
        g_autofree char *group = g_strdup_printf("share %u", i);
        const ReplShare *share = g_ptr_array_index(shares, i);

        replTextPut(keys, group, "project", share->project);
        replTextPut(keys, group, "state", replShareStateToString(share->state));
    }
}

static void
replSharesFromText(ReplTextReader *r, GPtrArray *shares)
{
    guint n = replTextUint(r, "image", "shares", REPL_SHARES_MAX);
    guint i;

    for (i = 0; i < n && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("share %u", i);
        ReplShare *share = replShareNew(NULL, REPL_SHARE_OFFERED);

        g_ptr_array_add(shares, share);
        share->project = replTextNeed(r, replTextString(r, group, "project"), group, "project");
        /* A share whose state is lost must not count as accepted: the word is needed. */
        share->state = replTextWord(r, group, "state", replShareStateFromString, -1);
        if ((int)share->state < 0)
            replTextFault(r, group, "state", _("the value is missing"));
    }
}

static void
replMembersToText(GKeyFile *keys, const GPtrArray *members)
{
    guint i;

    g_key_file_set_uint64(keys, "image", "members", members->len);
    for (i = 0; i < members->len; i++) {
        g_autofree char *group = g_strdup_printf("member %u", i);

        replTextPut(keys, group, "volume", g_ptr_array_index(members, i));
    }
}

static void
replMembersFromText(ReplTextReader *r, GPtrArray *members)
{
    guint n = replTextUint(r, "image", "members", REPL_MEMBERS_MAX);
    guint i;

    for (i = 0; i < n && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("member %u", i);

        g_ptr_array_add(members, replTextNeed(r, replTextName(r, group, "volume"), group, "volume"));
    }
}

static void
replConversionsToText(GKeyFile *keys, const GPtrArray *conversions)
{
    guint i;

    g_key_file_set_uint64(keys, "image", "conversions", conversions->len);
    for (i = 0; i < conversions->len; i++) {
        g_autofree char *group = g_strdup_printf("conversion %u", i);
        const ReplConversion *conv = g_ptr_array_index(conversions, i);

        g_key_file_set_int64(keys, group, "when", conv->when_s);
        replTextPut(keys, group, "by", conv->by);
        replTextPut(keys, group, "action", conv->action);
        replTextPut(keys, group, "from-secret", conv->fromSecret);
        replTextPut(keys, group, "to-secret", conv->toSecret);
    }
}

static void
replConversionsFromText(ReplTextReader *r, GPtrArray *conversions)
{
    guint n = replTextUint(r, "image", "conversions", REPL_CONVERSIONS_MAX);
    guint i;

    for (i = 0; i < n && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("conversion %u", i);
        ReplConversion *conv = g_new0(ReplConversion, 1);

        g_ptr_array_add(conversions, conv);
        conv->when_s = replTextInt(r, group, "when", 0, G_MAXINT64, 0);
        conv->by = replTextString(r, group, "by");
        conv->action = replTextNeed(r, replTextString(r, group, "action"), group, "action");
        conv->fromSecret = replTextUuid(r, group, "from-secret");
        conv->toSecret = replTextUuid(r, group, "to-secret");
    }
}

static GKeyFile *
replRecordToText(const char *volume, const ReplImage *image)
{
    GKeyFile *keys = g_key_file_new();

    replTextPut(keys, "image", "volume", volume);
    replTextPut(keys, "image", "id", image->id);
    replTextPut(keys, "image", "status", replImageStatusToString(image->status));
    replTextPut(keys, "image", "type", replImageTypeToString(image->type));
    g_key_file_set_boolean(keys, "image", "type-is-set", image->typeIsSet);
    replTextPut(keys, "image", "name", image->name);
    replTextPut(keys, "image", "description", image->description);
    replTextPut(keys, "image", "project", image->project);
    g_key_file_set_boolean(keys, "image", "fast-create", image->fastCreate);
    replTextPut(keys, "image", "secret", image->secret);
    replTextPut(keys, "image", "secret-usage", image->secretUsage);
    replTextPut(keys, "source", "region", image->source.region);
    replTextPut(keys, "source", "id", image->source.id);
    replTextPut(keys, "source", "pool", image->source.pool);
    replTextPut(keys, "source", "volume", image->source.volume);
    replSharesToText(keys, image->shares);
    replMembersToText(keys, image->members);
    replTextPut(keys, "image", "set-volume", image->setVolume);
    replTextPut(keys, "image", "set-id", image->setId);
    replConversionsToText(keys, image->conversions);
    if (image->job)
        replJobInfoToText(keys, image->job);
    if (image->verified)
        replVerifiedToText(keys, image->verified);
    if (image->hasOrigin) {
        replTextPut(keys, "image", "origin-pool", image->originPool);
        replIdentityToText(keys, "origin", &image->origin);
        replIdentityToText(keys, "self", &image->self);
    }
    return keys;
}

static ReplImage *
replImageFromText(ReplTextReader *r)
{
    ReplImage *image = replImageNew(NULL);
    int status;

    image->id = replTextNeed(r, replTextUuid(r, "image", "id"), "image", "id");
    /* Nothing may become available because a word was lost. */
    status = replTextWord(r, "image", "status", replImageStatusFromString, -1);
    if (status < 0)
        replTextFault(r, "image", "status", _("the value is missing"));
    image->status = status;
    image->type = replTextWord(r, "image", "type", replImageTypeFromString, REPL_IMAGE_TYPE_UNKNOWN);
    image->typeIsSet = replTextFlag(r, "image", "type-is-set");
    image->name = replTextString(r, "image", "name");
    image->description = replTextString(r, "image", "description");
    image->project = replTextString(r, "image", "project");
    image->fastCreate = replTextFlag(r, "image", "fast-create");
    image->secret = replTextUuid(r, "image", "secret");
    image->secretUsage = replTextString(r, "image", "secret-usage");
    image->source.region = replTextString(r, "source", "region");
    image->source.id = replTextUuid(r, "source", "id");
    image->source.pool = replTextString(r, "source", "pool");
    image->source.volume = replTextName(r, "source", "volume");
    replSharesFromText(r, image->shares);
    replMembersFromText(r, image->members);
    image->setVolume = replTextName(r, "image", "set-volume");
    image->setId = replTextUuid(r, "image", "set-id");
    replConversionsFromText(r, image->conversions);
    image->job = replJobInfoFromText(r);
    image->verified = replVerifiedFromText(r);
    if (g_key_file_has_group(r->keys, "origin")) {
        image->hasOrigin = TRUE;
        image->originPool = replTextUuid(r, "image", "origin-pool");
        replIdentityFromText(r, "origin", &image->origin);
        replIdentityFromText(r, "self", &image->self);
    }
    return image;
}

static gpointer
replRecordDecode(GKeyFile *keys, const char *file, GError **err)
{
    ReplTextReader reader = {.keys = keys};
    ReplRecord *record = g_new0(ReplRecord, 1);
    g_autofree char *expected = NULL;

    record->volume = replTextNeed(&reader, replTextName(&reader, "image", "volume"), "image", "volume");
    if (record->volume && (expected = replRecordFile(record->volume)) && !g_str_equal(expected, file))
        replTextFault(&reader, "image", "volume", _("the file belongs to another volume"));
    record->image = replImageFromText(&reader);
    if (replTextFinish(&reader, err) == 0)
        return record;
    replRecordFree(record);
    return NULL;
}

const ReplRecordKind replImageRecordKind = {
    .kind = "image",
    .max_bytes = REPL_RECORD_MAX_bytes,
    .isFile = replRecordIsFile,
    .decode = replRecordDecode,
    .copy = replRecordCopy,
    .free = replRecordFree,
};

ReplImage *
replRecordLoad(ReplStaging *staging, const char *volume, GError **err)
{
    g_autofree char *file = replRecordFile(volume);
    ReplRecord *record = replRecordStoreGet(staging->images, file, err);
    ReplImage *image = NULL;

    if (record) {
        image = g_steal_pointer(&record->image);
        replRecordFree(record);
    }
    return image;
}

/* Called with the update lock. */
static int
replRecordWrite(ReplStaging *staging, const char *volume, const ReplImage *image, GError **err)
{
    g_autofree char *file = replRecordFile(volume);
    g_autoptr(GKeyFile) keys = replRecordToText(volume, image);

    if (replRecordStorePut(staging->images, file, keys, err) < 0)
        return -1;
    replCatalogNote(staging->catalog, volume, image);
    return 0;
}

/* The same. */
static int
replRecordErase(ReplStaging *staging, const char *volume, GError **err)
{
    g_autofree char *file = replRecordFile(volume);

    if (replRecordStoreDrop(staging->images, file, err) < 0)
        return -1;
    replCatalogNote(staging->catalog, volume, NULL);
    return 0;
}

int
replRecordSave(ReplStaging *staging, const char *volume, const ReplImage *image, GError **err)
{
    REPL_GUARD(&staging->updateLock);

    return replRecordWrite(staging, volume, image, err);
}

int
replRecordUpdate(ReplStaging *staging, const char *volume,
                 gboolean (*change)(ReplImage **image, void *opaque, GError **err), void *opaque,
                 GError **err)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(ReplImage) image = NULL;
    gboolean had;
    int ret = -1;

    replLockTake(&staging->updateLock);
    image = replRecordLoad(staging, volume, &why);
    had = image != NULL;
    if (!why && !change(&image, opaque, &why))
        ret = why ? -1 : 0;
    else if (!why && image)
        ret = replRecordWrite(staging, volume, image, &why);
    else if (!why)
        ret = had ? replRecordErase(staging, volume, &why) : 0;
    replLockDrop(&staging->updateLock);
    if (why)
        g_propagate_error(err, g_steal_pointer(&why));
    return ret;
}

int
replRecordDropGone(ReplStaging *staging, int dirFd, const char *volume, GError **err)
{
    REPL_GUARD(&staging->updateLock);
    struct stat st;

    if (fstatat(dirFd, volume, &st, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT)
        return 0;
    return replRecordErase(staging, volume, err);
}

int
replRecordDropId(ReplStaging *staging, const char *volume, const char *id, GError **err)
{
    REPL_GUARD(&staging->updateLock);
    g_autoptr(GError) why = NULL;
    g_autoptr(ReplImage) image = replRecordLoad(staging, volume, &why);

    if (image && g_strcmp0(image->id, id) == 0)
        return replRecordErase(staging, volume, err);
    /* What a newer version wrote is not that image's. */
    if (!why || g_error_matches(why, REPL_ERROR, VIR_ERR_NO_SUPPORT))
        return 0;
    g_propagate_error(err, g_steal_pointer(&why));
    return -1;
}

static gboolean
replRecordAddName(const char *file, gconstpointer opaque, void *names)
{
    const ReplRecord *record = opaque;

    g_ptr_array_add(names, g_strdup(record->volume));
    return TRUE;
}

GPtrArray *
replRecordList(ReplStaging *staging, GError **err)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    if (replRecordStoreEach(staging->images, replRecordAddName, names, NULL, err) < 0)
        return NULL;
    return g_steal_pointer(&names);
}

typedef struct {
    void (*visit)(const char *volume, const ReplImage *image, void *opaque);
    void *opaque;
} ReplRecordVisit;

static gboolean
replRecordVisit(const char *file, gconstpointer opaque, void *visitor)
{
    const ReplRecord *record = opaque;
    ReplRecordVisit *visit = visitor;

    (void)file;
    visit->visit(record->volume, record->image, visit->opaque);
    return TRUE;
}

int
replRecordEach(ReplStaging *staging, void (*visit)(const char *volume, const ReplImage *image, void *opaque),
               void *opaque, GError **err)
{
    ReplRecordVisit visitor = {visit, opaque};

    return replRecordStoreEach(staging->images, replRecordVisit, &visitor, NULL, err);
}

/* A UUID as text. By hand: a list of 10,000 images makes as many. */
static char *
replRecordHex(const guint8 *bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *text = g_malloc(37);
    char *at = text;
    gsize i;

    for (i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *at++ = '-';
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 0x0f];
    }
    *at = '\0';
    return text;
}

char *
replImageDerivedId(const unsigned char *poolUuid, const char *volume, guint64 ino, gint64 btime_ns)
{
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    guint64 numbers[] = {GUINT64_TO_LE(ino), GUINT64_TO_LE((guint64)btime_ns)};
    guint8 d[20];
    gsize len = sizeof(d);

    /* All parts but the last have a fixed size or end in NUL: no two inputs are the same bytes. */
    g_checksum_update(sum, poolUuid, 16);
    g_checksum_update(sum, (const guchar *)numbers, sizeof(numbers));
    g_checksum_update(sum, (const guchar *)volume, strlen(volume));
    g_checksum_get_digest(sum, d, &len);
    d[6] = (d[6] & 0x0f) | 0x50;
    d[8] = (d[8] & 0x3f) | 0x80;
    return replRecordHex(d);
}
