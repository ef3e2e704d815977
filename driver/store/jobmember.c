/*
 * jobmember.c: the data disks of a full machine in the record of the job that replicates it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/jobmember.h"

ReplJobMember *
replJobMemberNew(const char *sourceVolume, const char *sourceId, const char *volume, const char *imageId)
{
    ReplJobMember *member = g_new0(ReplJobMember, 1);

    member->sourceVolume = g_strdup(sourceVolume);
    member->sourceId = g_strdup(sourceId);
    member->volume = g_strdup(volume);
    member->imageId = g_strdup(imageId);
    return member;
}

static void
replJobMemberFree(gpointer opaque)
{
    ReplJobMember *member = opaque;

    g_free(member->sourceVolume);
    g_free(member->sourceId);
    g_free(member->volume);
    g_free(member->imageId);
    g_free(member->format);
    g_free(member);
}

GPtrArray *
replJobMembersNew(void)
{
    return g_ptr_array_new_with_free_func(replJobMemberFree);
}

GPtrArray *
replJobMembersCopy(const GPtrArray *members)
{
    GPtrArray *copies = replJobMembersNew();
    guint i;

    for (i = 0; i < members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(members, i);
        ReplJobMember *copy =
            replJobMemberNew(member->sourceVolume, member->sourceId, member->volume, member->imageId);

        copy->capacity_bytes = member->capacity_bytes;
        copy->format = g_strdup(member->format);
        g_ptr_array_add(copies, copy);
    }
    return copies;
}

gboolean
replJobRecordMakesImage(const ReplJobRecord *record, const char *volume)
{
    guint i;

    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        if (g_str_equal(member->volume, volume))
            return TRUE;
    }
    return g_str_equal(record->volume, volume);
}

gboolean
replJobRecordReadsImage(const ReplJobRecord *record, const char *volume)
{
    guint i;

    for (i = 0; i < record->members->len; i++) {
        const ReplJobMember *member = g_ptr_array_index(record->members, i);

        if (g_str_equal(member->sourceVolume, volume))
            return TRUE;
    }
    return g_str_equal(record->sourceVolume, volume);
}

void
replJobMembersToText(GKeyFile *keys, const GPtrArray *members)
{
    guint i;

    g_key_file_set_uint64(keys, "replication", "members", members->len);
    for (i = 0; i < members->len; i++) {
        g_autofree char *group = g_strdup_printf("member %u", i);
        const ReplJobMember *member = g_ptr_array_index(members, i);

        replTextPut(keys, group, "source-volume", member->sourceVolume);
        replTextPut(keys, group, "source-id", member->sourceId);
        replTextPut(keys, group, "volume", member->volume);
        replTextPut(keys, group, "image-id", member->imageId);
        g_key_file_set_uint64(keys, group, "capacity", member->capacity_bytes);
        replTextPut(keys, group, "format", member->format);
    }
}

void
replJobMembersFromText(ReplTextReader *r, GPtrArray *members)
{
    guint count = replTextUint(r, "replication", "members", REPL_MEMBERS_MAX);
    guint i;

    for (i = 0; i < count && !r->fault; i++) {
        g_autofree char *group = g_strdup_printf("member %u", i);
        ReplJobMember *member = replJobMemberNew(NULL, NULL, NULL, NULL);

        g_ptr_array_add(members, member);
        member->sourceVolume =
            replTextNeed(r, replTextName(r, group, "source-volume"), group, "source-volume");
        member->sourceId = replTextUuid(r, group, "source-id");
        member->volume = replTextNeed(r, replTextName(r, group, "volume"), group, "volume");
        member->imageId = replTextNeed(r, replTextUuid(r, group, "image-id"), group, "image-id");
        member->capacity_bytes = replTextUint(r, group, "capacity", G_MAXUINT64);
        member->format = replTextString(r, group, "format");
    }
}
