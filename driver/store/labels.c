/*
 * labels.c: the labels of pools
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/labels.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/lock.h"
#include "base/log.h"
#include "store/files.h"
#include "store/text.h"

#define REPL_LABEL_KIND "label"
#define REPL_LABEL_MAX_bytes (256 * 1024)
#define REPL_LABEL_PREPARED ".prepared"

struct _ReplLabels {
    char *dirs[2]; /* fixed after creation; [persistent] */

    ReplLock writeLock; /* held over disk I/O; guards fds */
    ReplFd fds[2];      /* -1: not there yet */

    ReplLock lock;     /* guards table, never held over disk I/O; taken with writeLock held or alone */
    GHashTable *table; /* UUID as text -> ReplLabelEntry */
};

typedef struct {
    ReplLabel *label;
    gboolean persistent;
} ReplLabelEntry;

struct _ReplLabelChange {
    ReplLabels *labels;
    char *id;
    ReplLabel *label; /* NULL: taken off */
    gboolean persistent;
    char *aside; /* name of the prepared file, NULL: none */
};

static ReplLabelEntry *
replLabelEntryNew(const ReplLabel *label, gboolean persistent)
{
    ReplLabelEntry *entry = g_new0(ReplLabelEntry, 1);

    entry->label = replLabelCopy(label);
    entry->persistent = persistent;
    return entry;
}

static void
replLabelEntryFree(gpointer opaque)
{
    ReplLabelEntry *entry = opaque;

    replLabelFree(entry->label);
    g_free(entry);
}

/* The form that virUUIDFormat has, and our file names. */
static char *
replUuidText(const unsigned char *u)
{
    return g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1],
                           u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
                           u[15]);
}

static void
replUuidBytes(const char *text, unsigned char *uuid)
{
    int i;

    for (i = 0; i < REPL_UUID_bytes; i++) {
        if (*text == '-')
            text++;
        uuid[i] = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
        text += 2;
    }
}

static char *
replLabelToText(const char *id, const ReplLabel *label, gsize *len, GError **err)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();

    replTextPut(keys, "region", "pool", id);
    replTextPut(keys, "region", "name", label->name);
    replTextPut(keys, "region", "project", label->project);
    g_key_file_set_int64(keys, "quota", "images", label->quota.images);
    g_key_file_set_int64(keys, "quota", "snapshots", label->quota.snapshots);
    g_key_file_set_int64(keys, "quota", "bytes", label->quota.bytes);
    if (label->transit)
        g_key_file_set_int64(keys, "region", "transit", 1);
    return replTextSeal(keys, REPL_LABEL_KIND, REPL_LABEL_MAX_bytes, len, err);
}

static ReplLabel *
replLabelFromText(const char *data, gsize len, const char *id, GError **err)
{
    g_autoptr(GKeyFile) keys = replTextUnseal(data, len, REPL_LABEL_KIND, err);
    g_autoptr(ReplLabel) label = NULL;
    g_autofree char *pool = NULL;
    g_autofree char *name = NULL;
    g_autofree char *project = NULL;
    ReplTextReader r = {.keys = keys};

    if (!keys)
        return NULL;
    pool = replTextUuid(&r, "region", "pool");
    if (g_strcmp0(pool, id))
        replTextFault(&r, "region", "pool", _("the file belongs to another pool"));
    name = replTextNeed(&r, replTextString(&r, "region", "name"), "region", "name");
    project = replTextNeed(&r, replTextString(&r, "region", "project"), "region", "project");
    label = replLabelNew(name, project);
    label->transit = replTextInt(&r, "region", "transit", 0, 1, 0) != 0;
    label->quota.images = replTextInt(&r, "quota", "images", -1, G_MAXINT64, -1);
    label->quota.snapshots = replTextInt(&r, "quota", "snapshots", -1, G_MAXINT64, -1);
    label->quota.bytes = replTextInt(&r, "quota", "bytes", -1, G_MAXINT64, -1);
    return replTextFinish(&r, err) == 0 ? g_steal_pointer(&label) : NULL;
}

/* Opens directory [@persistent]: 1, 0 when it is not there and not to be made, -1 with @err set. */
static int
replLabelsOpenDir(ReplLabels *labels, gboolean persistent, gboolean create, GError **err)
{
    const char *path = labels->dirs[persistent];
    ReplFd *fd = &labels->fds[persistent];

    if (*fd >= 0)
        return 1;
    if (create && g_mkdir_with_parents(path, 0700) < 0) {
        replErrorSetSystem(err, errno, _("Cannot make the directory '%s'"), path);
        return -1;
    }
    *fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*fd >= 0)
        return 1;
    if (errno == ENOENT && !create)
        return 0;
    replErrorSetSystem(err, errno, _("Cannot open the directory '%s'"), path);
    return -1;
}

static void
replLabelsLoadOne(ReplLabels *labels, gboolean persistent, const char *id)
{
    int fd = labels->fds[persistent];
    g_autofree char *aside = g_strdup_printf("%s.bad", id);
    g_autoptr(GError) err = NULL;
    g_autoptr(ReplLabel) label = NULL;
    g_autofree char *data = NULL;
    gsize len;

    if ((data = replReadLimited(fd, id, REPL_LABEL_MAX_bytes, &len, &err)) &&
        (label = replLabelFromText(data, len, id, &err))) {
        g_hash_table_replace(labels->table, g_strdup(id), replLabelEntryNew(label, persistent));
        return;
    }
    replWarn(_("The label '%s/%s' is skipped: %s"), labels->dirs[persistent], id, err->message);
    if (g_error_matches(err, REPL_ERROR, VIR_ERR_INTERNAL_ERROR))
        (void)renameat(fd, id, fd, aside);
}

/* A crash came between prepare and commit: no client was told that the change was made. */
static gboolean
replLabelsIsLeftover(const char *name)
{
    return g_str_has_suffix(name, REPL_LABEL_PREPARED) || g_str_has_suffix(name, ".new");
}

static int
replLabelsLoadDir(ReplLabels *labels, gboolean persistent, GError **err)
{
    g_autoptr(GPtrArray) names = NULL;
    guint i;
    int there = replLabelsOpenDir(labels, persistent, FALSE, err);

    if (there <= 0)
        return there;
    if (!(names = replDirList(labels->fds[persistent], NULL, err)))
        return -1;
    for (i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);

        if (replIsUuid(name))
            replLabelsLoadOne(labels, persistent, name);
        else if (replLabelsIsLeftover(name))
            (void)unlinkat(labels->fds[persistent], name, 0);
    }
    return 0;
}

ReplLabels *
replLabelsNew(const char *persistentDir, const char *transientDir, GError **err)
{
    g_autoptr(ReplLabels) labels = g_new0(ReplLabels, 1);

    replLockInit(&labels->writeLock);
    replLockInit(&labels->lock);
    labels->dirs[FALSE] = g_strdup(transientDir);
    labels->dirs[TRUE] = g_strdup(persistentDir);
    labels->fds[FALSE] = labels->fds[TRUE] = -1;
    labels->table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, replLabelEntryFree);
    /* The persistent ones last: after a crash in a move both are there, and they win. */
    if (replLabelsLoadDir(labels, FALSE, err) < 0 || replLabelsLoadDir(labels, TRUE, err) < 0)
        return NULL;
    return g_steal_pointer(&labels);
}

void
replLabelsFree(ReplLabels *labels)
{
    if (!labels)
        return;
    replFdClose(labels->fds[FALSE]);
    replFdClose(labels->fds[TRUE]);
    g_free(labels->dirs[FALSE]);
    g_free(labels->dirs[TRUE]);
    g_hash_table_unref(labels->table);
    replLockClear(&labels->writeLock);
    replLockClear(&labels->lock);
    g_free(labels);
}

ReplLabel *
replLabelsGet(ReplLabels *labels, const unsigned char *uuid, gboolean *persistent)
{
    g_autofree char *id = replUuidText(uuid);
    const ReplLabelEntry *entry;
    ReplLabel *label = NULL;

    replLockTake(&labels->lock);
    if ((entry = g_hash_table_lookup(labels->table, id))) {
        label = replLabelCopy(entry->label);
        if (persistent)
            *persistent = entry->persistent;
    }
    replLockDrop(&labels->lock);
    return label;
}

guint
replLabelsCount(ReplLabels *labels)
{
    guint count;

    replLockTake(&labels->lock);
    count = g_hash_table_size(labels->table);
    replLockDrop(&labels->lock);
    return count;
}

GPtrArray *
replLabelsOf(ReplLabels *labels, const char *name)
{
    GPtrArray *uuids = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer key;
    gpointer value;

    REPL_GUARD(&labels->lock);
    g_hash_table_iter_init(&iter, labels->table);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        unsigned char *uuid;

        if (name && !g_str_equal(((const ReplLabelEntry *)value)->label->name, name))
            continue;
        uuid = g_malloc(REPL_UUID_bytes);
        replUuidBytes(key, uuid);
        g_ptr_array_add(uuids, uuid);
    }
    return uuids;
}

/* Writes the prepared file, after a look whether it could be read again. With writeLock held. */
static int
replLabelChangeWrite(ReplLabelChange *change, GError **err)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(ReplLabel) back = NULL;
    g_autofree char *data = NULL;
    g_autofree char *aside = NULL;
    gsize len;

    if (!(data = replLabelToText(change->id, change->label, &len, err)))
        return -1;
    if (!(back = replLabelFromText(data, len, change->id, &why))) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("The label of region '%s' cannot be kept: %s"),
                     change->label->name ? change->label->name : "", why->message);
        return -1;
    }
    if (replLabelsOpenDir(change->labels, change->persistent, TRUE, err) < 0)
        return -1;
    aside = g_strdup_printf("%s.%08x%08x" REPL_LABEL_PREPARED, change->id, g_random_int(), g_random_int());
    if (replWriteDurable(change->labels->fds[change->persistent], aside, data, len, err) < 0)
        return -1;
    change->aside = g_steal_pointer(&aside);
    return 0;
}

static void
replLabelChangeFree(ReplLabelChange *change)
{
    g_free(change->id);
    replLabelFree(change->label);
    g_free(change->aside);
    g_free(change);
}

ReplLabelChange *
replLabelsPrepare(ReplLabels *labels, const unsigned char *uuid, const ReplLabel *label, gboolean persistent,
                  GError **err)
{
    ReplLabelChange *change = g_new0(ReplLabelChange, 1);
    int ret = 0;

    change->labels = labels;
    change->id = replUuidText(uuid);
    change->label = label ? replLabelCopy(label) : NULL;
    change->persistent = persistent ? TRUE : FALSE;
    if (label) {
        replLockTake(&labels->writeLock);
        ret = replLabelChangeWrite(change, err);
        replLockDrop(&labels->writeLock);
    }
    if (ret < 0)
        g_clear_pointer(&change, replLabelChangeFree);
    return change;
}

/* Removes the label file of one of the directories; 0 also when there is none. With writeLock held.
 */
static int
replLabelsUnlink(ReplLabels *labels, const char *id, gboolean persistent, GError **err)
{
    int fd = labels->fds[persistent];

    if (fd < 0)
        return 0;
    if ((unlinkat(fd, id, 0) < 0 && errno != ENOENT) || fsync(fd) < 0) {
        replErrorSetSystem(err, errno, _("Cannot remove the label '%s/%s'"), labels->dirs[persistent], id);
        return -1;
    }
    return 0;
}

/* On disk; with writeLock held. */
static int
replLabelChangeApply(ReplLabelChange *change, GError **err)
{
    ReplLabels *labels = change->labels;
    int fd = labels->fds[change->persistent];

    if (!change->label)
        return replLabelsUnlink(labels, change->id, TRUE, err) < 0
                   ? -1
                   : replLabelsUnlink(labels, change->id, FALSE, err);
    /* The commit point. */
    if (renameat(fd, change->aside, fd, change->id) < 0) {
        replErrorSetSystem(err, errno, _("Cannot put the label '%s/%s' in place"),
                           labels->dirs[change->persistent], change->id);
        return -1;
    }
    g_clear_pointer(&change->aside, g_free);
    if (fsync(fd) < 0)
        replWarn(_("Cannot sync the directory '%s': %s"), labels->dirs[change->persistent],
                 g_strerror(errno));
    return 0;
}

int
replLabelChangeCommit(ReplLabelChange *change, GError **err)
{
    ReplLabels *labels = change->labels;
    g_autoptr(GError) why = NULL;
    int ret;

    replLockTake(&labels->writeLock);
    ret = replLabelChangeApply(change, err);
    if (ret == 0) {
        replLockTake(&labels->lock);
        if (change->label)
            g_hash_table_replace(labels->table, g_strdup(change->id),
                                 replLabelEntryNew(change->label, change->persistent));
        else
            g_hash_table_remove(labels->table, change->id);
        replLockDrop(&labels->lock);
        if (change->label && replLabelsUnlink(labels, change->id, !change->persistent, &why) < 0)
            replWarn("%s", why->message);
    }
    replLockDrop(&labels->writeLock);
    replLabelChangeAbort(change);
    return ret;
}

void
replLabelChangeAbort(ReplLabelChange *change)
{
    if (!change)
        return;
    if (change->aside)
        (void)unlinkat(change->labels->fds[change->persistent], change->aside, 0);
    replLabelChangeFree(change);
}

int
replLabelsSet(ReplLabels *labels, const unsigned char *uuid, const ReplLabel *label, gboolean persistent,
              GError **err)
{
    ReplLabelChange *change = replLabelsPrepare(labels, uuid, label, persistent, err);

    return change ? replLabelChangeCommit(change, err) : -1;
}

int
replLabelsDrop(ReplLabels *labels, const unsigned char *uuid, GError **err)
{
    return replLabelsSet(labels, uuid, NULL, FALSE, err);
}
