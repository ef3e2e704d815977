/*
 * test_plan.c: facts in, steps or a refusal out, as a table
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <string.h>

#include "base/error.h"
#include "convert/layers.h"
#include "plan/plan.h"
#include "plan_cases.h"

/* The facts of one case, and what they borrow. */
typedef struct {
    ReplPlanFacts facts;
    ReplPlanLayer layers[5];
    ReplImage image;
    ReplLabel *source, *target;
    GPtrArray *shares;
} Setup;

static gint64
limit(gint64 value)
{
    return value == 0 ? -1 : MAX(value, 0);
}

static void
setupLayers(Setup *s, const Case *c)
{
    static const ReplPlanLayer two[] = {
        {.volume = "web.qcow2", .format = Q, .allocated_bytes = 100 * MIB},
        {.volume = "base.raw", .format = R, .allocated_bytes = 200 * MIB},
    };
    guint i;

    memcpy(s->layers, c->layers, sizeof(c->layers));
    if (!c->layers[0].volume)
        memcpy(s->layers, two, sizeof(two));
    for (i = 0; i < G_N_ELEMENTS(s->layers) && s->layers[i].volume; i++) {
        s->layers[i].canClone = c->clone;
        s->layers[i].identity.ino = 1000 + i;
        if (!s->layers[i].poolUuid)
            s->layers[i].poolUuid = "pool-uuid";
    }
    s->facts.layers = s->layers;
    s->facts.layerCount = i;
}

static gboolean
isListed(gpointer names, const char *volume)
{
    return g_strv_contains((const char *const *)names, volume);
}

static void
setup(Setup *s, const Case *c)
{
    memset(s, 0, sizeof(*s));
    setupLayers(s, c);
    s->source = replLabelNew("north", "default");
    s->target = replLabelNew(c->inRegion ? "north" : "east", c->project ? c->project : "default");
    s->target->quota =
        (ReplAmounts){limit(c->quota.images), limit(c->quota.snapshots), limit(c->quota.bytes)};
    s->image = c->image;
    s->image.id = (char *)"image-uuid";
    /* The table has room for one share, not for an array. */
    if (c->image.shares) {
        s->shares = g_ptr_array_new();
        g_ptr_array_add(s->shares, c->image.shares);
        s->image.shares = s->shares;
    }
    s->facts.request = &c->request;
    s->facts.volume = "web.qcow2";
    s->facts.image = &s->image;
    s->facts.source = (ReplPlanEnd){"beijing", "pool-uuid", s->source};
    s->facts.target = (ReplPlanEnd){"shanghai", "target-uuid", s->target};
    s->facts.taken = isListed;
    s->facts.names = (gpointer)c->taken;
    s->facts.placeholder = c->placeholder;
    s->facts.usage = c->usage;
    s->facts.free_bytes = c->free_bytes ? c->free_bytes : GIB;
    s->facts.partial_bytes = c->partial_bytes;
    s->facts.fetched_bytes = c->fetched_bytes;
    s->facts.inRegionMax_bytes = REPL_PLAN_IN_REGION_MAX_BYTES;
}

static void
teardown(Setup *s)
{
    replLabelFree(s->source);
    replLabelFree(s->target);
    g_clear_pointer(&s->shares, g_ptr_array_unref);
}

static const char *
cryptWord(gboolean encrypted)
{
    return encrypted ? "luks" : "plain";
}

static void
showConvert(GString *text, const ReplConvert *convert)
{
    g_string_append_printf(text, " (%s %s>%s %s %s%s%s", replFormatToString(convert->fromFormat),
                           cryptWord(convert->fromEncrypted), replFormatToString(convert->toFormat),
                           cryptWord(convert->toEncrypted),
                           convert->rekey == REPL_REKEY_SLOT ? "slot" : "full",
                           convert->flatten ? " flat" : "", convert->contiguous ? " contiguous" : "");
    if (convert->snapshotsLost)
        g_string_append_printf(text, " loses %u", convert->snapshotsLost);
    if (convert->bitmapsLost)
        g_string_append_printf(text, " loses %u bitmaps", convert->bitmapsLost);
    g_string_append(text, ")");
}

/* The digits of made-up names become '@': they are looked at in a test of their own. */
static char *
hideDigits(char *text)
{
    g_autoptr(GRegex) regex = g_regex_new("base-[0-9a-f]{8}\\.", 0, 0, NULL);
    char *hidden = g_regex_replace_literal(regex, text, -1, 0, "base-@.", 0, NULL);

    g_free(text);
    return hidden;
}

static char *
show(const ReplPlan *plan, const ReplPlanFacts *facts)
{
    GString *text = g_string_new(NULL);
    guint i;

    for (i = 0; i < plan->steps->len; i++) {
        const ReplPlanStep *step = g_ptr_array_index(plan->steps, i);

        g_string_append_printf(text, "%s %s %" G_GUINT64_FORMAT "M > %s %s",
                               replStepActionToString(step->action), facts->layers[step->layer].volume,
                               step->bytes / MIB, step->volume, replFormatToString(step->format));
        if (step->backing)
            g_string_append_printf(text, " on %s %s", step->backing, replFormatToString(step->backingFormat));
        if (step->action == REPL_STEP_CONVERT)
            showConvert(text, &step->convert);
        g_string_append(text, "\n");
    }
    g_string_append_printf(text,
                           "%s: %" G_GINT64_FORMAT " images %" G_GINT64_FORMAT " snapshots %" G_GINT64_FORMAT
                           "M bytes, %" G_GUINT64_FORMAT "M moved, %" G_GUINT64_FORMAT "M peak\n",
                           plan->volume, plan->adds.images, plan->adds.snapshots, plan->adds.bytes / MIB,
                           plan->total_bytes / MIB, plan->peakSpace_bytes / MIB);
    return hideDigits(g_string_free(text, FALSE));
}

static void
testCase(gconstpointer opaque)
{
    const Case *c = opaque;
    g_auto(ReplRefusal) refusal = {.kind = REPL_REFUSE_NONE};
    g_autoptr(ReplPlan) plan = NULL;
    g_autoptr(GError) err = NULL;
    g_autofree char *text = NULL;
    Setup s;

    setup(&s, c);
    plan = replPlanMake(&s.facts, &refusal);
    g_assert_cmpint(refusal.kind, ==, c->refusal);
    if (c->refusal) {
        g_assert_null(plan);
        replRefusalSetError(&refusal, &s.facts, &err);
        g_assert_error(err, REPL_ERROR, c->code);
        g_test_message("%s", err->message);
        g_assert_nonnull(strstr(err->message, c->message));
    } else {
        g_assert_nonnull(plan);
        text = show(plan, &s.facts);
        g_assert_cmpstr(text, ==, c->plan);
    }
    teardown(&s);
}

/* The names that are made up are the same for the same layer, and differ for different ones. */
static void
testMadeUpNames(void)
{
    const Case c = {.taken = {"base.raw"}};
    g_autoptr(ReplPlan) a = NULL, b = NULL, d = NULL;
    const char *first, *again, *other;
    const char *more[] = {"base.raw", NULL, NULL};
    ReplRefusal none = {0};
    Setup s;

    setup(&s, &c);
    a = replPlanMake(&s.facts, &none);
    first = ((ReplPlanStep *)g_ptr_array_index(a->steps, 0))->volume;
    /* A guest that started with it has changed its owner, and so its ctime. */
    s.layers[1].identity.ctime_ns = 77;
    b = replPlanMake(&s.facts, &none);
    again = ((ReplPlanStep *)g_ptr_array_index(b->steps, 0))->volume;
    g_assert_cmpstr(first, ==, again);
    more[1] = first;
    s.facts.names = more;
    d = replPlanMake(&s.facts, &none);
    other = ((ReplPlanStep *)g_ptr_array_index(d->steps, 0))->volume;
    g_assert_cmpstr(first, !=, other);
    g_assert_true(g_regex_match_simple("^base-[0-9a-f]{8}\\.raw$", other, 0, 0));
    teardown(&s);
}

/* What an open chain tells. */
static void
testLayers(void)
{
    ReplPoolDir pool = {.uuid = (char *)"u"};
    ReplQcow2Header luks = {.cryptMethod = REPL_QCOW2_CRYPT_LUKS, .snapshotCount = 3};
    ReplLayer top = {.pool = &pool,
                     .volume = (char *)"top",
                     .format = Q,
                     .qcow2 = &luks,
                     .st = {.st_size = 4},
                     .allocated_bytes = 5,
                     .virtualSize_bytes = 6,
                     .identity = {.ino = 7}};
    ReplLayer base = {.pool = &pool, .volume = (char *)"base", .format = R};
    gpointer both[] = {&top, &base};
    GPtrArray array = {.pdata = both, .len = 2};
    const ReplChain chain = {.layers = &array};
    g_autofree ReplPlanLayer *layers = replConvertLayersNew(&chain);

    g_assert_cmpstr(layers[0].volume, ==, "top");
    g_assert_cmpstr(layers[0].poolUuid, ==, "u");
    g_assert_cmpint(layers[0].snapshotCount, ==, 3);
    g_assert_cmpint(layers[0].size_bytes, ==, 4);
    g_assert_cmpint(layers[0].allocated_bytes, ==, 5);
    g_assert_cmpint(layers[0].virtualSize_bytes, ==, 6);
    g_assert_cmpint(layers[0].identity.ino, ==, 7);
    g_assert_true(layers[0].encrypted && layers[0].compressed);
    g_assert_false(layers[1].encrypted || layers[1].compressed);
    g_assert_false(layers[1].presentAs || layers[1].presentIsImage || layers[1].canClone);
    base.format = REPL_FORMAT_LUKS;
    g_free(layers);
    layers = replConvertLayersNew(&chain);
    g_assert_true(layers[1].encrypted);
}

/* Each refusal has a message and a code of its own kind; none falls through. */
static void
testEveryRefusal(void)
{
    const Case c = {.name = "any"};
    ReplRefusal refusal = {.text = (char *)"text"};
    Setup s;

    setup(&s, &c);
    for (refusal.kind = 1; refusal.kind < REPL_REFUSE_LAST; refusal.kind++) {
        g_autoptr(GError) err = NULL;

        replRefusalSetError(&refusal, &s.facts, &err);
        g_assert_nonnull(err);
        g_assert_cmpint(err->code, !=, VIR_ERR_INTERNAL_ERROR);
        g_assert_cmpint(err->code, !=, VIR_ERR_SYSTEM_ERROR);
    }
    teardown(&s);
}

/* The quota is checked again without any layers at hand: so is its refusal told. */
static void
testQuotaAlone(void)
{
    const Case c = {.quota = {.images = 1}};
    const ReplAmounts adds = {1, 0, 0};
    g_auto(ReplRefusal) refusal = {0};
    g_autoptr(GError) err = NULL;
    Setup s;

    setup(&s, &c);
    s.facts.layers = NULL;
    s.facts.usage.images = 1;
    g_assert_cmpint(replPlanCheckQuota(&s.facts, &adds, &refusal), ==, -1);
    replRefusalSetError(&refusal, &s.facts, &err);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_DENIED);
    teardown(&s);
}

/* A system disk on a base, a data disk on the same base, and another, raw one. */
static void
setupSet(Setup *s, const Case *c, const ReplImage *const *members)
{
    static const ReplPlanLayer layers[] = {
        {.volume = "web.qcow2", .format = Q, .allocated_bytes = 100 * MIB},
        {.volume = "base.qcow2", .format = Q, .allocated_bytes = 200 * MIB},
        {.volume = "data.qcow2", .format = Q, .allocated_bytes = 10 * MIB, .disk = 1},
        {.volume = "base.qcow2", .format = Q, .allocated_bytes = 200 * MIB, .disk = 1},
        {.volume = "log.raw", .format = R, .allocated_bytes = 20 * MIB, .disk = 2},
    };
    guint i;

    setup(s, c);
    memcpy(s->layers, layers, sizeof(layers));
    for (i = 0; i < G_N_ELEMENTS(layers); i++)
        s->layers[i].poolUuid = "pool-uuid";
    s->facts.layerCount = G_N_ELEMENTS(layers);
    s->facts.members = members;
    s->facts.memberCount = 2;
}

static void
assertRefused(const Setup *s, ReplRefusalKind kind, const char *word)
{
    g_auto(ReplRefusal) refusal = {0};
    g_autoptr(GError) err = NULL;

    g_assert_null(replPlanMake(&s->facts, &refusal));
    g_assert_cmpint(refusal.kind, ==, kind);
    replRefusalSetError(&refusal, &s->facts, &err);
    g_assert_nonnull(strstr(err->message, word));
}

/* One plan: the data disks first, the system disk last, a common layer once; adds and names are those of all. */
static void
testSet(void)
{
    const ReplImage data = {.id = (char *)"data"}, log = {.id = (char *)"log"};
    const ReplImage *const members[] = {&data, &log};
    const Case c = {0};
    g_auto(ReplRefusal) refusal = {0};
    g_autoptr(ReplPlan) plan = NULL;
    g_autofree char *shown = NULL;
    Setup s;

    setupSet(&s, &c, members);
    plan = replPlanMake(&s.facts, &refusal);
    g_assert_nonnull(plan);
    shown = show(plan, &s.facts);
    g_assert_cmpstr(shown, ==,
                    "copy log.raw 20M > log.raw raw\n"
                    "copy base.qcow2 200M > base.qcow2 qcow2\n"
                    "copy data.qcow2 10M > data.qcow2 qcow2 on base.qcow2 qcow2\n"
                    "copy web.qcow2 100M > web.qcow2 qcow2 on base.qcow2 qcow2\n"
                    "web.qcow2: 3 images 1 snapshots 330M bytes, 330M moved, 330M peak\n");
    teardown(&s);
}

/* What is wrong with one disk is said of that disk, and refuses all. */
static void
testSetRefusals(void)
{
    ReplImage data = {.id = (char *)"data"}, log = {.id = (char *)"log"};
    const ReplImage *const members[] = {&data, &log};
    const char *const taken[] = {"log.raw", NULL};
    const Case c = {0}, inRegion = {.inRegion = TRUE};
    Setup s;

    setupSet(&s, &inRegion, members);
    assertRefused(&s, REPL_REFUSE_TYPE, "web.qcow2");
    teardown(&s);
    setupSet(&s, &c, members);
    s.facts.names = (gpointer)taken;
    assertRefused(&s, REPL_REFUSE_NAME_TAKEN, "log.raw");
    s.facts.taken = NULL;
    data.status = REPL_IMAGE_ERROR;
    assertRefused(&s, REPL_REFUSE_STATUS, "data.qcow2");
    data.status = REPL_IMAGE_AVAILABLE;
    s.layers[4].volume = "base.qcow2";
    assertRefused(&s, REPL_REFUSE_MEMBER, "base.qcow2");
    s.layers[4].volume = "log.raw";
    s.facts.target.label = s.target;
    s.target->quota.images = 2;
    assertRefused(&s, REPL_REFUSE_QUOTA_IMAGES, "short by 1");
    teardown(&s);
}

int
main(int argc, char **argv)
{
    guint i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/plan/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], testCase);
    }
    g_test_add_func("/plan/made-up-names", testMadeUpNames);
    g_test_add_func("/plan/layers", testLayers);
    g_test_add_func("/plan/every-refusal", testEveryRefusal);
    g_test_add_func("/plan/quota-alone", testQuotaAlone);
    g_test_add_func("/plan/set", testSet);
    g_test_add_func("/plan/set-refusals", testSetRefusals);
    return g_test_run();
}
