/*
 * plan_cases.h: what is planned from what: the table of test_plan.c
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

#include "plan/plan.h"

#define MIB (1024 * 1024)
#define GIB (1024 * G_GUINT64_CONSTANT(1048576))
#define Q REPL_FORMAT_QCOW2
#define R REPL_FORMAT_RAW

/* What differs from: web.qcow2 (100 MiB, on base.raw of 200 MiB) of pool beijing goes to the empty pool
 * shanghai in another region, where clones are not possible and 1 GiB is free. */
typedef struct {
    const char *name;
    ReplPlanLayer layers[5]; /* up to the first without a volume; none: the two above */
    ReplRequest request;
    ReplImage image;
    gboolean inRegion;
    gboolean clone;
    const char *project; /* of the target */
    const char *taken[6];
    const char *placeholder;
    ReplAmounts usage;
    ReplAmounts quota; /* 0: none, -1 to set a limit of nothing */
    guint64 free_bytes, partial_bytes, fetched_bytes;
    /* One line a step, bases first, then what it comes to; or the refusal and its message. */
    const char *plan;
    ReplRefusalKind refusal;
    int code;
    const char *message;
} Case;

#define TWO                                                                                                  \
    "copy base.raw 200M > base.raw raw\n"                                                                    \
    "copy web.qcow2 100M > web.qcow2 qcow2 on base.raw raw\n"
#define TWO_SUM "web.qcow2: 1 images 1 snapshots 300M bytes, 300M moved, 300M peak\n"

static const ReplShare accepted = {(char *)"other", REPL_SHARE_ACCEPTED};
static const ReplShare offered = {(char *)"other", REPL_SHARE_OFFERED};

static const Case cases[] = {
    {.name = "chain", .plan = TWO TWO_SUM},
    {.name = "clone",
     .clone = TRUE,
     .free_bytes = 1, /* which is enough: blocks are shared */
     .plan = "clone base.raw 0M > base.raw raw\n"
             "clone web.qcow2 0M > web.qcow2 qcow2 on base.raw raw\n"
             "web.qcow2: 1 images 1 snapshots 300M bytes, 0M moved, 0M peak\n"},
    {.name = "reuse",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = 100 * MIB},
                {.volume = "base.raw", .format = R, .allocated_bytes = 200 * MIB, .presentAs = "b"}},
     .taken = {"b"},
     .plan = "reuse base.raw 0M > b raw\n"
             "copy web.qcow2 100M > web.qcow2 qcow2 on b raw\n"
             "web.qcow2: 1 images 0 snapshots 100M bytes, 100M moved, 100M peak\n"},
    {.name = "reuse-makes-an-image-a-snapshot",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = 100 * MIB},
                {.volume = "base.raw", .format = R, .presentAs = "b", .presentIsImage = TRUE}},
     .taken = {"b"},
     .quota = {.images = -1},
     .plan = "reuse base.raw 0M > b raw\n"
             "copy web.qcow2 100M > web.qcow2 qcow2 on b raw\n"
             "web.qcow2: 0 images 1 snapshots 100M bytes, 100M moved, 100M peak\n"},
    {.name = "no-reuse-above-a-copy",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = MIB},
                {.volume = "mid.qcow2", .format = Q, .allocated_bytes = MIB, .presentAs = "m"},
                {.volume = "base.raw", .format = R, .allocated_bytes = MIB}},
     .taken = {"m"},
     .plan = "copy base.raw 1M > base.raw raw\n"
             "copy mid.qcow2 1M > mid.qcow2 qcow2 on base.raw raw\n"
             "copy web.qcow2 1M > web.qcow2 qcow2 on mid.qcow2 qcow2\n"
             "web.qcow2: 1 images 2 snapshots 3M bytes, 3M moved, 3M peak\n"},
    {.name = "image-itself-never-reused",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = MIB, .presentAs = "w"}},
     .taken = {"w"},
     .plan = "copy web.qcow2 1M > web.qcow2 qcow2\n"
             "web.qcow2: 1 images 0 snapshots 1M bytes, 1M moved, 1M peak\n"},
    {.name = "layer-name-taken",
     .taken = {"base.raw", "x"},
     .plan = "copy base.raw 200M > base-@.raw raw\n"
             "copy web.qcow2 100M > web.qcow2 qcow2 on base-@.raw raw\n" TWO_SUM},
    {.name = "layer-has-the-replicas-name",
     .request = {.name = (char *)"base.raw"},
     .plan = "copy base.raw 200M > base-@.raw raw\n"
             "copy web.qcow2 100M > base.raw qcow2 on base-@.raw raw\n"
             "base.raw: 1 images 1 snapshots 300M bytes, 300M moved, 300M peak\n"},
    {.name = "two-layers-of-one-name",
     .layers = {{.volume = "web.qcow2", .format = Q},
                {.volume = "b", .format = Q, .poolUuid = "p1"},
                {.volume = "b", .format = Q, .poolUuid = "p2"}},
     .plan = "copy b 0M > b qcow2\n"
             "copy b 0M > base-@.qcow2 qcow2 on b qcow2\n"
             "copy web.qcow2 0M > web.qcow2 qcow2 on base-@.qcow2 qcow2\n"
             "web.qcow2: 1 images 2 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "name-like-a-protocol",
     .layers = {{.volume = "web.qcow2", .format = Q}, {.volume = "nbd:1", .format = Q}},
     .plan = "copy nbd:1 0M > nbd:1 qcow2\n"
             "copy web.qcow2 0M > web.qcow2 qcow2 on ./nbd:1 qcow2\n"
             "web.qcow2: 1 images 1 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "plans-again",
     .taken = {"web.qcow2"},
     .placeholder = "web.qcow2",
     .quota = {.images = 1},
     .usage = {.images = 1},
     .free_bytes = 100 * MIB,
     .partial_bytes = 200 * MIB,
     .plan = TWO "web.qcow2: 0 images 1 snapshots 300M bytes, 300M moved, 300M peak\n"},
    {.name = "in-region",
     .inRegion = TRUE,
     .plan = "copy base.raw 200M > base.raw raw\n"
             "copy web.qcow2 100M > copy_north_web.qcow2 qcow2 on base.raw raw\n"
             "copy_north_web.qcow2: 1 images 1 snapshots 300M bytes, 300M moved, 300M peak\n"},
    {.name = "iso-across-regions", .image = {.type = REPL_IMAGE_TYPE_ISO}, .plan = TWO TWO_SUM},
    {.name = "big-across-regions",
     .layers = {{.volume = "web.qcow2", .format = Q, .virtualSize_bytes = 200 * GIB}},
     .plan = "copy web.qcow2 0M > web.qcow2 qcow2\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "quota-just-fits",
     .quota = {.images = 3, .snapshots = 1, .bytes = 500 * MIB},
     .usage = {.images = 2, .bytes = 200 * MIB},
     .plan = TWO TWO_SUM},
    {.name = "shared",
     .project = "other",
     .inRegion = TRUE,
     .image = {.shares = (GPtrArray *)&accepted},
     .plan = "copy base.raw 200M > base.raw raw\n"
             "copy web.qcow2 100M > copy_north_web.qcow2 qcow2 on base.raw raw\n"
             "copy_north_web.qcow2: 1 images 1 snapshots 300M bytes, 300M moved, 300M peak\n"},

    /* Conversions. */
    {.name = "encrypt",
     .request = {.encryption = REPL_ENCRYPTION_DEFAULT},
     .plan = "convert base.raw 200M > base.qcow2 qcow2 (raw plain>qcow2 luks full)\n"
             "convert web.qcow2 100M > web.qcow2 qcow2 on base.qcow2 qcow2 "
             "(qcow2 plain>qcow2 luks full)\n" TWO_SUM},
    {.name = "encrypt-does-not-reuse",
     .layers = {{.volume = "web.qcow2", .format = Q},
                {.volume = "base.qcow2", .format = Q, .presentAs = "base.qcow2"}},
     .taken = {"base.qcow2"},
     .request = {.encryption = REPL_ENCRYPTION_TARGET},
     .plan = "convert base.qcow2 0M > base-@.qcow2 qcow2 (qcow2 plain>qcow2 luks full)\n"
             "convert web.qcow2 0M > web.qcow2 qcow2 on base-@.qcow2 qcow2 "
             "(qcow2 plain>qcow2 luks full)\n"
             "web.qcow2: 1 images 1 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "decrypt-mixed",
     .layers = {{.volume = "web.qcow2", .format = Q, .encrypted = TRUE, .written_bytes = 3 * MIB},
                {.volume = "base.qcow2", .format = Q, .presentAs = "b"}},
     .request = {.encryption = REPL_ENCRYPTION_NONE},
     .taken = {"b"},
     .plan = "reuse base.qcow2 0M > b qcow2\n"
             "convert web.qcow2 3M > web.qcow2 qcow2 on b qcow2 (qcow2 luks>qcow2 plain full)\n"
             "web.qcow2: 1 images 0 snapshots 3M bytes, 3M moved, 3M peak\n"},
    {.name = "rekey-slot-mixed",
     .layers = {{.volume = "web.qcow2", .format = Q, .encrypted = TRUE},
                {.volume = "mid.qcow2", .format = Q, .encrypted = TRUE, .compressed = TRUE},
                {.volume = "base.qcow2", .format = Q}},
     .request = {.encryption = REPL_ENCRYPTION_TARGET, .rekey = REPL_REKEY_SLOT},
     .plan = "convert base.qcow2 0M > base.qcow2 qcow2 (qcow2 plain>qcow2 luks full)\n"
             "convert mid.qcow2 0M > mid.qcow2 qcow2 on base.qcow2 qcow2 "
             "(qcow2 luks>qcow2 luks full)\n"
             "convert web.qcow2 0M > web.qcow2 qcow2 on mid.qcow2 qcow2 "
             "(qcow2 luks>qcow2 luks slot)\n"
             "web.qcow2: 1 images 2 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "keeps-encryption",
     .layers = {{.volume = "web.qcow2", .format = Q, .encrypted = TRUE}},
     .plan = "copy web.qcow2 0M > web.qcow2 qcow2\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "raw-luks",
     .layers = {{.volume = "web", .format = R}},
     .request = {.encryption = REPL_ENCRYPTION_DEFAULT, .format = (char *)"raw"},
     .plan = "convert web 16M > web.qcow2 luks (raw plain>luks luks full)\n"
             "web.qcow2: 1 images 0 snapshots 16M bytes, 16M moved, 16M peak\n"},
    {.name = "raw-luks-decrypted",
     .layers = {{.volume = "web", .format = REPL_FORMAT_LUKS, .encrypted = TRUE}},
     .request = {.encryption = REPL_ENCRYPTION_NONE},
     .plan = "convert web 0M > web.qcow2 raw (luks luks>raw plain full)\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "raw-luks-copied",
     .layers = {{.volume = "web", .format = REPL_FORMAT_LUKS, .encrypted = TRUE}},
     .plan = "copy web 0M > web.qcow2 luks\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "flatten",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = MIB, .snapshotCount = 2},
                {.volume = "base.qcow2", .format = Q, .allocated_bytes = MIB, .snapshotCount = 1}},
     .request = {.snapshots = REPL_SNAPSHOTS_FLATTEN},
     .plan = "convert web.qcow2 2M > web.qcow2 qcow2 (qcow2 plain>qcow2 plain full flat loses 3)\n"
             "web.qcow2: 1 images 0 snapshots 2M bytes, 2M moved, 2M peak\n"},
    {.name = "flatten-of-one-layer-is-a-copy",
     .layers = {{.volume = "web.qcow2", .format = Q, .snapshotCount = 2}},
     .request = {.snapshots = REPL_SNAPSHOTS_FLATTEN},
     .plan = "copy web.qcow2 0M > web.qcow2 qcow2\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "converted-where-it-is-fetched",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = MIB}},
     .request = {.fastCreate = TRUE},
     .fetched_bytes = 7 * MIB,
     .plan = "convert web.qcow2 1M > web.qcow2 qcow2 (qcow2 plain>qcow2 plain full contiguous)\n"
             "web.qcow2: 1 images 0 snapshots 1M bytes, 1M moved, 8M peak\n"},
    {.name = "copied-without-fetching", .fetched_bytes = 7 * MIB, .plan = TWO TWO_SUM},
    {.name = "flatten-to-raw",
     .layers = {{.volume = "web.qcow2", .format = Q, .snapshotCount = 2}},
     .request = {.snapshots = REPL_SNAPSHOTS_FLATTEN, .format = (char *)"raw"},
     .plan = "convert web.qcow2 0M > web.qcow2 raw (qcow2 plain>raw plain full loses 2)\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "fast-create",
     .request = {.fastCreate = TRUE},
     .plan = "convert web.qcow2 300M > web.qcow2 qcow2 "
             "(qcow2 plain>qcow2 plain full flat contiguous)\n"
             "web.qcow2: 1 images 0 snapshots 300M bytes, 300M moved, 300M peak\n"},
    {.name = "other-format",
     .layers = {{.volume = "web.vmdk", .format = REPL_FORMAT_VMDK, .allocated_bytes = MIB}},
     .plan = "convert web.vmdk 1M > web.qcow2 qcow2 (vmdk plain>qcow2 plain full)\n"
             "web.qcow2: 1 images 0 snapshots 1M bytes, 1M moved, 1M peak\n"},
    {.name = "other-format-chain",
     .layers = {{.volume = "web.vmdk", .format = REPL_FORMAT_VMDK, .allocated_bytes = MIB},
                {.volume = "base.vmdk", .format = REPL_FORMAT_VMDK, .written_bytes = 2 * MIB}},
     .plan = "convert base.vmdk 2M > base.qcow2 qcow2 (vmdk plain>qcow2 plain full)\n"
             "convert web.vmdk 1M > web.qcow2 qcow2 on base.qcow2 qcow2 (vmdk plain>qcow2 plain full)\n"
             "web.qcow2: 1 images 1 snapshots 3M bytes, 3M moved, 3M peak\n"},
    {.name = "flatten-does-not-decrypt",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = MIB},
                {.volume = "base.qcow2", .format = Q, .encrypted = TRUE}},
     .request = {.snapshots = REPL_SNAPSHOTS_FLATTEN},
     .plan = "convert web.qcow2 1M > web.qcow2 qcow2 (qcow2 luks>qcow2 luks full flat)\n"
             "web.qcow2: 1 images 0 snapshots 1M bytes, 1M moved, 1M peak\n"},
    {.name = "by-qemu-loses-snapshots",
     .layers = {{.volume = "web.qcow2", .format = Q, .encrypted = TRUE, .byQemu = TRUE, .snapshotCount = 3}},
     .request = {.encryption = REPL_ENCRYPTION_NONE},
     .plan = "convert web.qcow2 0M > web.qcow2 qcow2 (qcow2 luks>qcow2 plain full loses 3)\n"
             "web.qcow2: 1 images 0 snapshots 0M bytes, 0M moved, 0M peak\n"},
    {.name = "fast-create-of-raw",
     .layers = {{.volume = "web.raw", .format = R, .allocated_bytes = MIB, .virtualSize_bytes = 8 * GIB}},
     .request = {.fastCreate = TRUE},
     .plan = "convert web.raw 3M > web.qcow2 qcow2 (raw plain>qcow2 plain full contiguous)\n"
             "web.qcow2: 1 images 0 snapshots 3M bytes, 3M moved, 3M peak\n"},
    {.name = "raw-asked-as-qcow2",
     .layers = {{.volume = "web.raw", .format = R, .allocated_bytes = MIB}},
     .request = {.format = (char *)"qcow2"},
     .plan = "convert web.raw 1M > web.qcow2 qcow2 (raw plain>qcow2 plain full)\n"
             "web.qcow2: 1 images 0 snapshots 1M bytes, 1M moved, 1M peak\n"},

    /* Refusals. */
    {.name = "not-shared",
     .project = "other",
     .image = {.shares = (GPtrArray *)&offered},
     .refusal = REPL_REFUSE_NOT_SHARED,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "belongs to project 'default', which has not shared it with project 'other'"},
    {.name = "pending",
     .image = {.status = REPL_IMAGE_PENDING},
     .refusal = REPL_REFUSE_STATUS,
     .code = VIR_ERR_OPERATION_INVALID,
     .message = "its status is 'pending', not 'available'"},
    {.name = "iso-in-region",
     .inRegion = TRUE,
     .image = {.type = REPL_IMAGE_TYPE_ISO},
     .refusal = REPL_REFUSE_TYPE,
     .code = VIR_ERR_OPERATION_INVALID,
     .message = "is an image of type 'iso', which cannot be replicated within region 'north'"},
    {.name = "machine-in-region",
     .inRegion = TRUE,
     .image = {.type = REPL_IMAGE_TYPE_FULL_MACHINE},
     .refusal = REPL_REFUSE_TYPE,
     .code = VIR_ERR_OPERATION_INVALID,
     .message = "'full-machine'"},
    {.name = "big-in-region",
     .inRegion = TRUE,
     .layers = {{.volume = "web.qcow2", .format = Q, .virtualSize_bytes = 128 * GIB + 512}},
     .refusal = REPL_REFUSE_SIZE,
     .code = VIR_ERR_OPERATION_INVALID,
     .message = "has a virtual size of 128 GiB (137438953984 bytes), but within region 'north' at most "
                "128 GiB (137438953472 bytes) can be replicated; max_size_gib"},
    {.name = "name-taken",
     .taken = {"a", "web.qcow2"},
     .refusal = REPL_REFUSE_NAME_TAKEN,
     .code = VIR_ERR_STORAGE_VOL_EXIST,
     .message = "'web.qcow2' in pool 'shanghai' of region 'east'"},
    {.name = "name-of-another-placeholder",
     .taken = {"a", "web.qcow2"},
     .placeholder = "a",
     .refusal = REPL_REFUSE_NAME_TAKEN,
     .code = VIR_ERR_STORAGE_VOL_EXIST,
     .message = "'web.qcow2'"},
    {.name = "name-of-staging",
     .request = {.name = (char *)REPL_STAGING_NAME},
     .refusal = REPL_REFUSE_NAME_INVALID,
     .code = VIR_ERR_INVALID_ARG,
     .message = "'.replication' cannot be the name of a volume"},
    {.name = "name-is-a-path",
     .request = {.name = (char *)"../x"},
     .refusal = REPL_REFUSE_NAME_INVALID,
     .code = VIR_ERR_INVALID_ARG,
     .message = "'../x'"},
    {.name = "no-such-format",
     .request = {.format = (char *)"vmdk"},
     .refusal = REPL_REFUSE_FORMAT,
     .code = VIR_ERR_NO_SUPPORT,
     .message = "cannot have the format 'vmdk'"},
    {.name = "raw-chain",
     .request = {.format = (char *)"raw"},
     .refusal = REPL_REFUSE_RAW_CHAIN,
     .code = VIR_ERR_INVALID_ARG,
     .message = "has 2 layers and 0 internal snapshots"},
    {.name = "slot-without-key",
     .request = {.rekey = REPL_REKEY_SLOT},
     .refusal = REPL_REFUSE_SLOT,
     .code = VIR_ERR_INVALID_ARG,
     .message = "rekey='slot' needs an encrypted source"},
    {.name = "slot-of-plain",
     .request = {.rekey = REPL_REKEY_SLOT, .encryption = REPL_ENCRYPTION_DEFAULT},
     .refusal = REPL_REFUSE_SLOT,
     .code = VIR_ERR_INVALID_ARG,
     .message = "'web.qcow2'"},
    {.name = "quota-images",
     .quota = {.images = 2},
     .usage = {.images = 3},
     .refusal = REPL_REFUSE_QUOTA_IMAGES,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "is short by 1: of 2 images 3 are used, and 1 more are needed"},
    {.name = "quota-snapshots",
     .quota = {.snapshots = -1},
     .refusal = REPL_REFUSE_QUOTA_SNAPSHOTS,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "is short by 1: of 0 snapshots 0 are used, and 1 more are needed"},
    {.name = "quota-bytes",
     .quota = {.bytes = 400 * MIB},
     .usage = {.bytes = 200 * MIB},
     .refusal = REPL_REFUSE_QUOTA_BYTES,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "is short by 100 MiB (104857600 bytes): of 400 MiB (419430400 bytes), 200 MiB (209715200 "
                "bytes) are used, and 300 MiB (314572800 bytes) more are needed"},
    {.name = "quota-bytes-of-clones",
     .clone = TRUE,
     .quota = {.bytes = 299 * MIB},
     .refusal = REPL_REFUSE_QUOTA_BYTES,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "is short by 1 MiB (1048576 bytes)"},
    {.name = "no-space",
     .free_bytes = 300 * MIB - 1,
     .refusal = REPL_REFUSE_SPACE,
     .code = VIR_ERR_OPERATION_FAILED,
     .message =
         "has no space for volume 'web.qcow2': 300 MiB (314572800 bytes) are needed, 300 MiB (314572799 "
         "bytes) are free"},
    {.name = "sizes-that-overflow",
     .layers = {{.volume = "web.qcow2", .format = Q, .allocated_bytes = G_MAXUINT64 - 1},
                {.volume = "base.raw", .format = R, .allocated_bytes = G_MAXUINT64 - 1}},
     .quota = {.bytes = G_MAXINT64 - 1},
     .refusal = REPL_REFUSE_QUOTA_BYTES,
     .code = VIR_ERR_OPERATION_DENIED,
     .message = "is short by 1 byte"},
};
