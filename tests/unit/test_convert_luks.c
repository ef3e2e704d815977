/*
 * test_convert_luks.c: encryption of whole chains comes, goes and changes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "test_convert_util.h"

#define LUKS(secret)                                                                                         \
    "--object secret,id=s,data=" secret " -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"

static const ReplRequest encrypt = {.encryption = REPL_ENCRYPTION_TARGET};
static const ReplRequest decrypt = {.encryption = REPL_ENCRYPTION_NONE};

/* Making a LUKS header takes QEMU seconds: one empty file of each kind is made, and copied. */
static char *kinds;

static void
makeKind(const char *options)
{
    g_autofree char *name = g_compute_checksum_for_string(G_CHECKSUM_MD5, options, -1);

    testRun("k=%s/%s; [ -e $k ] || retry qemu-img create -q -f qcow2 %s $k 6M; cp $k a/new", kinds, name,
            options);
}

/* Two qcow2 layers, the upper one encrypted with the options @top, the lower one with @base (NULL: plain). */
static void
makeTwo(const char *base, const char *top)
{
    g_auto(ReplFd) fd = -1;

    testRun("rm -f a/b a/t");
    makeKind(base ? base : "");
    testRun("mv a/new a/b");
    makeKind(top ? top : "");
    testRun("mv a/new a/t");
    fd = testOpen("a/t", O_RDWR);
    g_assert_cmpint(replQcow2SetBacking(fd, "b", "qcow2", "t", NULL), ==, 0);
    testRun(
        "cd a && qemu-io --object secret,id=s,data=old -c 'write -q -P 1 0 3M' -c 'write -q -P 2 5000k 7k' "
        "--image-opts driver=qcow2,file.filename=b%s && "
        "qemu-io --object secret,id=s,data=old -c 'write -q -P 3 1M 100k' -c 'write -q -P 4 4000k 5000' "
        "-c 'write -q -z 2M 64k' --image-opts driver=qcow2,file.filename=t%s%s",
        base ? ",encrypt.key-secret=s" : "", top ? ",encrypt.key-secret=s" : "",
        base ? ",backing.encrypt.key-secret=s" : "");
}

typedef struct {
    const char *name;
    const char *base, *top; /* options of the layers, NULL: plain */
    const ReplRequest *request;
    ReplConvertWay baseWay, topWay;
} Row;

#define OLD LUKS("old")
#define CBC OLD ",encrypt.cipher-mode=cbc"
#define AES "--object secret,id=s,data=old -o encrypt.format=aes,encrypt.key-secret=s"

static const ReplRequest slot = {.encryption = REPL_ENCRYPTION_TARGET, .rekey = REPL_REKEY_SLOT};
static const ReplRequest flat = {.snapshots = REPL_SNAPSHOTS_FLATTEN};
static const ReplRequest fastEncrypt = {.fastCreate = TRUE, .encryption = REPL_ENCRYPTION_TARGET};
static const ReplRequest twofish = {.encryption = REPL_ENCRYPTION_TARGET,
                                    .cipherName = (char *)"twofish",
                                    .cipherSize_bits = 256,
                                    .cipherMode = (char *)"cbc",
                                    .cipherHash = (char *)"sha512",
                                    .ivgenName = (char *)"essiv",
                                    .ivgenHash = (char *)"sha256"};
static const ReplRequest aes128 = {.encryption = REPL_ENCRYPTION_TARGET,
                                   .cipherName = (char *)"aes",
                                   .cipherSize_bits = 128,
                                   .cipherMode = (char *)"xts"};

#define ENGINE REPL_CONVERT_BY_ENGINE
#define QEMU REPL_CONVERT_BY_QEMU_IMG
#define SLOT REPL_CONVERT_BY_SLOT

static const Row rows[] = {
    {"encrypt", NULL, NULL, &encrypt, ENGINE, ENGINE},
    {"encrypt-mixed", NULL, OLD, &encrypt, ENGINE, ENGINE},
    {"encrypt-aes128", NULL, NULL, &aes128, ENGINE, ENGINE},
    {"encrypt-twofish", NULL, OLD, &twofish, QEMU, QEMU},
    {"decrypt", OLD, OLD, &decrypt, ENGINE, ENGINE},
    {"decrypt-upside-down", OLD, NULL, &decrypt, ENGINE, 0},
    {"slot", OLD, OLD, &slot, SLOT, SLOT},
    {"slot-mixed", NULL, OLD, &slot, ENGINE, SLOT},
    {"cbc-decrypt", CBC, CBC, &decrypt, QEMU, QEMU},
    {"cbc-rekey", OLD, CBC, &encrypt, ENGINE, QEMU},
    {"legacy-decrypt", AES, AES, &decrypt, QEMU, QEMU},
    {"flatten-keeps", OLD, NULL, &flat, 0, QEMU},
    {"fast-encrypted", OLD, NULL, &fastEncrypt, 0, QEMU},
};

static void
testRow(TestPools *t, gconstpointer opaque)
{
    const Row *row = opaque;
    TestConvert c = {.pools = t,
                     .volume = "t",
                     .request = *row->request,
                     .sourceSecret = "old",
                     .targetSecret = row->request == &flat ? "old" : "new words"};

    makeTwo(row->base, row->top);
    testConvertGood(&c);
    g_assert_cmpint(c.results[0].way, ==, row->topWay);
    g_assert_cmpint(c.results[1].way, ==, row->baseWay);
    testConvertClear(&c);
}

/* Raw files in, raw LUKS out and back. */
static void
testRaw(TestPools *t, gconstpointer unused)
{
    static const struct {
        const char *options;
        ReplRequest request;
    } ways[] = {
        {"raw", {.encryption = REPL_ENCRYPTION_TARGET}},
        {"raw", {.encryption = REPL_ENCRYPTION_TARGET, .format = (char *)"raw"}},
        {"luks --object secret,id=s,data=old -o key-secret=s,iter-time=10",
         {.encryption = REPL_ENCRYPTION_NONE}},
        {"luks --object secret,id=s,data=old -o key-secret=s,iter-time=10",
         {.encryption = REPL_ENCRYPTION_TARGET, .format = (char *)"qcow2"}},
        {"luks --object secret,id=s,data=old -o key-secret=s,iter-time=10",
         {.encryption = REPL_ENCRYPTION_TARGET}},
        {"luks --object secret,id=s,data=old -o key-secret=s,iter-time=10,cipher-mode=cbc",
         {.encryption = REPL_ENCRYPTION_TARGET, .format = (char *)"qcow2"}},
        {"luks --object secret,id=s,data=old -o key-secret=s,iter-time=10",
         {.encryption = REPL_ENCRYPTION_TARGET, .rekey = REPL_REKEY_SLOT}},
    };
    guint i;

    testRun("cd a && truncate -s 5M src && qemu-io -f raw -c 'write -q -P 1 0 3M' src");
    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        TestConvert c = {.pools = t,
                         .volume = "img",
                         .request = ways[i].request,
                         .sourceSecret = "old",
                         .targetSecret = "new"};

        g_test_message("%s", ways[i].options);
        if (i == 0 || !g_str_equal(ways[i].options, ways[i - 1].options))
            testRun("cd a && retry qemu-img convert -f raw -O %s src img", ways[i].options);
        testConvertGood(&c);
        testConvertClear(&c);
        testRun("rm -f b/*");
    }
}

/* Of other formats straight into LUKS. */
static void
testForeign(TestPools *t, gconstpointer unused)
{
    static const char *const formats[] = {"vmdk"};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(formats); i++) {
        TestConvert c = {.pools = t, .volume = "top", .request = encrypt, .targetSecret = "new"};

        testMakeForeign(formats[i], "");
        testConvertGood(&c);
        testConvertClear(&c);
        testRun("rm -f a/* b/*");
    }
}

/* Snapshots: what the plan says before is what is lost afterwards. */
static void
testSnapshots(TestPools *t, gconstpointer unused)
{
    const char *const tops[] = {OLD, CBC};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(tops); i++) {
        TestConvert c = {.pools = t, .volume = "t", .request = decrypt, .sourceSecret = "old"};

        makeTwo(NULL, tops[i]);
        testRun("cd a && qemu-img snapshot --object secret,id=s,data=old -c one --image-opts "
                "driver=qcow2,file.filename=t,encrypt.key-secret=s");
        testConvertGood(&c);
        g_assert_cmpuint(c.plan->snapshotsLost, ==, i);
        g_assert_cmpuint(c.results[0].snapshotsLost, ==, i);
        testConvertClear(&c);
        testRun("rm -f b/*");
    }
}

typedef struct {
    const char *name;
    const char *top;
    ReplRequest request;
    const char *source, *target;
    int code;
    const char *part;
} Bad;

static const Bad bads[] = {
    {"wrong", OLD, {.encryption = REPL_ENCRYPTION_NONE}, "wrong", NULL, VIR_ERR_AUTH_FAILED, ""},
    {"missing", OLD, {.encryption = REPL_ENCRYPTION_NONE}, NULL, NULL, VIR_ERR_INVALID_SECRET, ""},
    {"wrong-qemu", CBC, {.encryption = REPL_ENCRYPTION_NONE}, "wrong", NULL, VIR_ERR_AUTH_FAILED, "'t'"},
    {"missing-qemu", CBC, {.encryption = REPL_ENCRYPTION_NONE}, NULL, NULL, VIR_ERR_INVALID_SECRET, "'t'"},
    {"target-missing-qemu",
     CBC,
     {.encryption = REPL_ENCRYPTION_TARGET},
     "old",
     NULL,
     VIR_ERR_INVALID_SECRET,
     "'b' is to be encrypted"},
    {"no-text",
     CBC,
     {.encryption = REPL_ENCRYPTION_TARGET},
     "old",
     "\xff\xfe",
     VIR_ERR_INVALID_SECRET,
     "UTF-8"},
    {"cipher",
     OLD,
     {.encryption = REPL_ENCRYPTION_TARGET, .cipherName = (char *)"rot13"},
     "old",
     "new",
     VIR_ERR_NO_SUPPORT,
     "'rot13-256'"},
    {"options",
     OLD,
     {.encryption = REPL_ENCRYPTION_TARGET, .cipherMode = (char *)"xts,backing_file=/etc/passwd"},
     "old",
     "new",
     VIR_ERR_NO_SUPPORT,
     "cipher mode"},
};

static void
testBad(TestPools *t, gconstpointer opaque)
{
    const Bad *bad = opaque;
    TestConvert c = {.pools = t,
                     .volume = "t",
                     .request = bad->request,
                     .sourceSecret = bad->source,
                     .targetSecret = bad->target};
    g_autoptr(GError) err = NULL;

    makeTwo(NULL, bad->top);
    g_assert_cmpint(testConvertAll(&c, &err), ==, -1);
    g_test_message("%s", err->message);
    g_assert_error(err, REPL_ERROR, bad->code);
    g_assert_nonnull(strstr(err->message, bad->part));
    testConvertClear(&c);
}

/* What is opened before is not opened again; where our engine is of no use, QEMU tries the passphrase. */
static void
testUnlock(TestPools *t, gconstpointer unused)
{
    static const struct {
        const char *options;
        const ReplRequest *request;
        gboolean engine, hasKey, refuses;
    } ways[] = {
        {OLD, &decrypt, TRUE, TRUE, TRUE}, {OLD, &slot, TRUE, TRUE, TRUE},
        {OLD, &encrypt, TRUE, TRUE, TRUE}, {CBC, &decrypt, FALSE, TRUE, TRUE},
        {CBC, &slot, TRUE, TRUE, TRUE},    {AES, &decrypt, FALSE, FALSE, FALSE},
    };
    guint i;

    for (i = 0; i < G_N_ELEMENTS(ways); i++) {
        TestConvert c = {.pools = t,
                         .volume = "t",
                         .request = *ways[i].request,
                         .sourceSecret = "old",
                         .targetSecret = "new words",
                         .unlock = TRUE,
                         .keyIsEnough = ways[i].engine};
        g_autoptr(ReplSecretBuf) wrong = testSecretBuf("wrong");
        g_autoptr(ReplSecretBuf) right = testSecretBuf("old");
        g_autoptr(ReplSecretBuf) key = NULL;
        g_autoptr(ReplSecretBuf) none = NULL;
        g_autoptr(GError) err = NULL;

        g_test_message("%s", ways[i].options);
        makeTwo(ways[i].options, ways[i].options);
        testConvertGood(&c);
        g_assert_cmpint(replConvertUnlock(replChainLayer(c.chain, 0), right, &testLimits, &key, NULL), ==, 0);
        g_assert_cmpint(key != NULL, ==, ways[i].hasKey);
        g_assert_cmpint(replConvertUnlock(replChainLayer(c.chain, 0), wrong, &testLimits, &none, &err), ==,
                        ways[i].refuses ? -1 : 0);
        g_assert_null(none);
        if (ways[i].refuses)
            g_assert_error(err, REPL_ERROR, VIR_ERR_AUTH_FAILED);
        testConvertClear(&c);
        testRun("rm -f b/*");
    }
}

/* A key that is not the layer's (any more) decrypts nothing: the passphrase is asked again. */
static void
testUnlockedBefore(TestPools *t, gconstpointer unused)
{
    const ReplRequest *const requests[] = {&decrypt, &slot};
    guint i;

    for (i = 0; i < G_N_ELEMENTS(requests); i++) {
        TestConvert c = {.pools = t,
                         .volume = "t",
                         .request = *requests[i],
                         .sourceSecret = "old",
                         .targetSecret = "new words",
                         .unlock = TRUE,
                         .foreignKey = TRUE};

        makeTwo(OLD, OLD);
        testConvertGood(&c);
        testConvertClear(&c);
        testRun("rm -f b/*");
    }
}

/* A version of LUKS that QEMU does not know is refused before anything is written. */
static void
testUnlockLuks2(TestPools *t, gconstpointer unused)
{
    g_autoptr(ReplSecretBuf) right = testSecretBuf("old");
    g_autoptr(ReplSecretBuf) key = NULL;
    g_autoptr(ReplChain) chain = NULL;
    g_autoptr(GError) err = NULL;

    testRun(
        "PATH=$PATH:/sbin:/usr/sbin; cd a && truncate -s 32M two && printf old | cryptsetup luksFormat -q "
        "--type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 --key-file=- two");
    g_assert_nonnull(chain = replChainOpen(t->set, t->a, "two", &err));
    g_assert_cmpint(replConvertUnlock(replChainLayer(chain, 0), right, &testLimits, &key, &err), ==, -1);
    g_assert_error(err, REPL_ERROR, VIR_ERR_OPERATION_INVALID);
    g_assert_null(key);
}

int
main(int argc, char **argv)
{
    g_autofree char *remove = NULL;
    guint i;
    int ret;

    g_test_init(&argc, &argv, NULL);
    kinds = g_dir_make_tmp("repl-kinds-XXXXXX", NULL);
    for (i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *path = g_strdup_printf("/convert-luks/%s", rows[i].name);

        g_test_add(path, TestPools, &rows[i], testPoolsUp, testRow, testPoolsDown);
    }
    for (i = 0; i < G_N_ELEMENTS(bads); i++) {
        g_autofree char *path = g_strdup_printf("/convert-luks/bad/%s", bads[i].name);

        g_test_add(path, TestPools, &bads[i], testPoolsUp, testBad, testPoolsDown);
    }
    testAdd("/convert-luks/unlock", testUnlock);
    testAdd("/convert-luks/unlocked-before", testUnlockedBefore);
    testAdd("/convert-luks/unlock-luks2", testUnlockLuks2);
    testAdd("/convert-luks/raw", testRaw);
    testAdd("/convert-luks/foreign", testForeign);
    testAdd("/convert-luks/snapshots", testSnapshots);
    ret = g_test_run();
    remove = g_strdup_printf("rm -rf '%s'", kinds);
    g_free(kinds);
    return system(remove) == 0 ? ret : 1;
}
