/*
 * members.c: the data disks of a full machine in a request
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "image/share.h"
#include "image/view.h"
#include "stack/submissionpriv.h"
#include "virt/access.h"
#include "virt/report.h"

static void
replSubmissionMemberFree(gpointer opaque)
{
    ReplSubmissionMember *member = opaque;

    g_free(member->volume);
    g_free(member->placeholder);
    replImageFree(member->image);
    g_free(member);
}

/* An accepted share stands for the right to read one disk: each has one of its own. */
static int
replSubmissionMayReadMember(const ReplSubmission *r, const char *volume)
{
    if (!r->shared)
        return replAccessVol(r->conn, r->source->uuid, volume, replVirt.StorageVolDownloadEnsureACL);
    if (replShareCovers(r->source, volume, r->target->label->project))
        return 0;
    replReportError(VIR_ERR_OPERATION_DENIED,
                    _("Full machine '%s' of pool '%s' cannot be replicated: its disk '%s' is not shared with "
                      "project '%s'"),
                    r->volume, r->source->name, volume, r->target->label->project);
    return -1;
}

/* Adds a disk whose replica the requester may make; NULL with the error reported. */
static ReplSubmissionMember *
replSubmissionAddMember(ReplSubmission *r, const ReplVolXml *xml, const char *volume, unsigned int flags)
{
    ReplSubmissionMember *member = g_new0(ReplSubmissionMember, 1);
    g_autoptr(GError) err = NULL;

    g_ptr_array_add(r->members, member);
    member->volume = g_strdup(volume);
    if (!(member->placeholder = replVolXmlComplete(xml, volume, &err))) {
        replReport(g_steal_pointer(&err));
        return NULL;
    }
    if (replAccessNewVol(r->conn, r->target->uuid, member->placeholder,
                         flags & VIR_STORAGE_VOL_CREATE_VALIDATE,
                         replVirt.StorageVolCreateXMLFromEnsureACL) < 0)
        return NULL;
    return member;
}

static int
replSubmissionAddLocal(ReplSubmission *r, const ReplVolXml *xml, const char *volume, unsigned int flags)
{
    ReplSubmissionMember *member = replSubmissionAddMember(r, xml, volume, flags);
    g_autoptr(GError) err = NULL;

    if (!member || replSubmissionMayReadMember(r, volume) < 0)
        return -1;
    if ((member->image = replViewImage(r->source, volume, &err)))
        return 0;
    replReport(g_steal_pointer(&err));
    return -1;
}

/* A disk on another host, which asks its own rules about reading it. The caller who pushes it has to have the same
 * rights here as for the machine itself (replPushingMayMake() in pushed.c). */
static int
replSubmissionAddDistant(ReplSubmission *r, const ReplVolXml *xml, const char *volume, const ReplImage *image,
                         unsigned int flags)
{
    ReplSubmissionMember *member = replSubmissionAddMember(r, xml, volume, flags);

    if (!member || (r->jobId && (replAccessNewVol(r->conn, r->target->uuid, member->placeholder, FALSE,
                                                  replVirt.StorageVolUploadEnsureACL) < 0 ||
                                 replAccessNewVol(r->conn, r->target->uuid, member->placeholder, FALSE,
                                                  replVirt.StorageVolDeleteEnsureACL) < 0)))
        return -1;
    member->image = replImageCopy(image);
    return 0;
}

int
replSubmissionAddMembers(ReplSubmission *r, const ReplVolXml *xml, const ReplSourceFacts *facts,
                         unsigned int flags)
{
    guint i;

    r->members = g_ptr_array_new_with_free_func(replSubmissionMemberFree);
    if (r->image->members->len > 0 && r->request->bundle != REPL_BUNDLE_NONE) {
        replReportError(VIR_ERR_NO_SUPPORT,
                        _("Full machine '%s' of pool '%s' does not go into a bundle: take its members off, "
                          "and export disk by disk"),
                        r->volume, r->source->name);
        return -1;
    }
    for (i = 0; !facts && i < r->image->members->len; i++) {
        if (replSubmissionAddLocal(r, xml, g_ptr_array_index(r->image->members, i), flags) < 0)
            return -1;
    }
    for (i = 1; facts && i < facts->layerCount; i++) {
        if (replSourceIsTop(facts, i) &&
            replSubmissionAddDistant(r, xml, facts->layers[i].volume,
                                     facts->members[facts->layers[i].disk - 1], flags) < 0)
            return -1;
    }
    return 0;
}
