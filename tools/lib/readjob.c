/*
 * readjob.c: jobs from XML
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>

#include "readimage.h"

static unsigned long long
replReadJobBytes(xmlNodePtr node, const char *name)
{
    return (unsigned long long)MAX(replNodeNumber(node, name, 0), 0);
}

static void
replReadSteps(virtReplicationJob *job, xmlNodePtr node)
{
    xmlNodePtr child;
    size_t count = 0;

    for (child = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_STEP); child; child = replNodeNext(child))
        count++;
    job->steps = g_new0(virtReplicationStep, count + 1);
    for (child = replNodeOurs(node, VIRT_REPLICATION_ELEMENT_STEP); child; child = replNodeNext(child)) {
        virtReplicationStep *step = &job->steps[job->nsteps++];

        step->layer = replNodeAttr(child, VIRT_REPLICATION_STEP_LAYER);
        step->volume = replNodeAttr(child, VIRT_REPLICATION_STEP_VOLUME);
        step->action = replNodeAttr(child, VIRT_REPLICATION_STEP_ACTION);
        step->state = replNodeAttr(child, VIRT_REPLICATION_STEP_STATE);
        step->bytes = replReadJobBytes(child, VIRT_REPLICATION_STEP_BYTES);
        step->snapshotsLost = (unsigned int)replReadJobBytes(child, VIRT_REPLICATION_STEP_SNAPSHOTS_LOST);
        step->bitmapsLost = (unsigned int)replReadJobBytes(child, VIRT_REPLICATION_STEP_BITMAPS_LOST);
    }
}

static void
replReadJobNumbers(virtReplicationJob *job, xmlNodePtr node)
{
    job->progress = (unsigned int)replReadJobBytes(node, VIRT_REPLICATION_JOB_PROGRESS);
    job->position = (unsigned int)replReadJobBytes(node, VIRT_REPLICATION_JOB_POSITION);
    job->processed = replReadJobBytes(node, VIRT_REPLICATION_JOB_PROCESSED);
    job->total = replReadJobBytes(node, VIRT_REPLICATION_JOB_TOTAL);
    job->remaining = replReadJobBytes(node, VIRT_REPLICATION_JOB_REMAINING);
    job->wire = replReadJobBytes(node, VIRT_REPLICATION_JOB_WIRE);
    job->linkRate = replReadJobBytes(node, VIRT_REPLICATION_JOB_LINK_RATE);
    job->rate = replReadJobBytes(node, VIRT_REPLICATION_JOB_RATE);
    job->bandwidth = replReadJobBytes(node, VIRT_REPLICATION_JOB_BANDWIDTH);
    job->peakSpace = replReadJobBytes(node, VIRT_REPLICATION_JOB_PEAK_SPACE);
    job->eta = replNodeNumber(node, VIRT_REPLICATION_JOB_ETA, -1);
    job->started = replNodeNumber(node, VIRT_REPLICATION_JOB_STARTED, 0);
    job->ended = replNodeNumber(node, VIRT_REPLICATION_JOB_ENDED, 0);
}

virtReplicationJob *
replReadJob(xmlNodePtr node, const char *volume, const ReplImagePlace *place)
{
    virtReplicationJob *job = g_new0(virtReplicationJob, 1);

    job->id = replNodeAttr(node, VIRT_REPLICATION_JOB_ID);
    job->pool = g_strdup(place->pool);
    job->region = g_strdup(place->region);
    job->volume = volume ? g_strdup(volume) : replNodeAttr(node, "volume");
    job->stateName = replNodeAttr(node, VIRT_REPLICATION_JOB_STATE);
    job->state = virtReplicationJobStateFromString(job->stateName);
    job->peer = replNodeAttr(node, VIRT_REPLICATION_ELEMENT_PEER);
    job->error = replNodeText(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_ERROR));
    job->usageAfter = replReadAmount(replNodeOurs(node, VIRT_REPLICATION_ELEMENT_USAGE));
    replReadJobNumbers(job, node);
    replReadSteps(job, node);
    return job;
}

virtReplicationJob *
replJobCopy(const virtReplicationJob *job)
{
    virtReplicationJob *copy = g_memdup2(job, sizeof(*job));

    copy->id = g_strdup(job->id);
    copy->pool = g_strdup(job->pool);
    copy->region = g_strdup(job->region);
    copy->volume = g_strdup(job->volume);
    copy->stateName = g_strdup(job->stateName);
    copy->peer = g_strdup(job->peer);
    copy->error = g_strdup(job->error);
    copy->nsteps = 0;
    copy->steps = NULL;
    return copy;
}

void
virtReplicationJobFree(virtReplicationJob *job)
{
    size_t i;

    if (!job)
        return;
    for (i = 0; i < job->nsteps; i++) {
        g_free(job->steps[i].layer);
        g_free(job->steps[i].volume);
        g_free(job->steps[i].action);
        g_free(job->steps[i].state);
    }
    g_free(job->steps);
    g_free(job->id);
    g_free(job->pool);
    g_free(job->region);
    g_free(job->volume);
    g_free(job->stateName);
    g_free(job->peer);
    g_free(job->error);
    g_free(job);
}
