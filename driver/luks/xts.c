/*
 * xts.c: AES-XTS over 512-byte sectors
 *
 * By libgcrypt: a sector needs a tweak of its own, and setting that costs OpenSSL's EVP as much as the sector
 * itself (2.7 GiB/s a core against 5.5).
 *
 * A context has its key schedule, and lies in libgcrypt's locked memory. There are as many as there are processors:
 * more threads could not compute at once, and locked memory is scarce.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/xts.h"

#include <gcrypt.h>
#include <string.h>

#include "base/error.h"
#include "base/lock.h"

/* Locked memory for all contexts of the process, about 3 KiB each: enough for 64 jobs, the most that may run at once, with
 * eight contexts to decrypt and eight to encrypt. */
#define REPL_XTS_LOCKED_BYTES (4 << 20)
#define REPL_XTS_CONTEXTS 8
/* How libgcrypt grows where another library has set up its locked memory before us, at 32 KiB as a rule. What it grows by
 * is not locked, but wiped. */
#define REPL_XTS_EXPAND_BYTES (64U << 10)
/* The first one that can grow; 1.10 is twice as fast on processors with VAES. */
#define REPL_XTS_GCRYPT "1.8.4"

struct ReplXts {
    /* Fixed. */
    ReplSecretBuf *key;
    int cipher; /* GCRY_CIPHER_AES… */
    gboolean encrypt;
    guint most; /* contexts at once */

    ReplLock lock;   /* guards what follows; woken when a context has become idle */
    GPtrArray *idle; /* of gcry_cipher_hd_t */
    guint made;      /* contexts in all */
};

/* libgcrypt must be initialised once a process, before its first use; another library may have done so. */
static gboolean
replXtsSetUp(void)
{
    if (!gcry_check_version(REPL_XTS_GCRYPT))
        return FALSE;
    if (gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        gcry_control(GCRYCTL_AUTO_EXPAND_SECMEM, REPL_XTS_EXPAND_BYTES);
        return TRUE;
    }
    /* It would go to the daemon's standard error; we tell it in our own way. */
    gcry_control(GCRYCTL_DISABLE_SECMEM_WARN);
    if (gcry_control(GCRYCTL_INIT_SECMEM, REPL_XTS_LOCKED_BYTES, 0) != 0)
        return FALSE;
    gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    return TRUE;
}

/* Set once by replXtsSetUpOnce. */
static gboolean replXtsUsable;

static void
replXtsSetUpOnce(void)
{
    replXtsUsable = replXtsSetUp();
}

static int
replXtsInit(GError **err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, replXtsSetUpOnce);
    if (replXtsUsable)
        return 0;
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR,
                 _("libgcrypt is older than %s, or cannot lock memory for keys (the limit \"memlock\")"),
                 REPL_XTS_GCRYPT);
    return -1;
}

/* Wipes the key schedule, too. */
static void
replXtsFreeContext(gpointer ctx)
{
    gcry_cipher_close(ctx);
}

static gcry_cipher_hd_t
replXtsMake(const ReplXts *xts)
{
    gcry_cipher_hd_t ctx = NULL;

    if (gcry_cipher_open(&ctx, xts->cipher, GCRY_CIPHER_MODE_XTS, GCRY_CIPHER_SECURE) != 0)
        return NULL;
    if (gcry_cipher_setkey(ctx, xts->key->data, xts->key->length) == 0)
        return ctx;
    gcry_cipher_close(ctx);
    return NULL;
}

static gboolean
replXtsHalvesDiffer(const ReplSecretBuf *key)
{
    guint8 differ = 0;
    gsize i;

    for (i = 0; i < key->length / 2; i++)
        differ |= key->data[i] ^ key->data[key->length / 2 + i];
    return differ != 0;
}

ReplXts *
replXtsNew(const ReplSecretBuf *key, gboolean encrypt, GError **err)
{
    g_autoptr(ReplXts) xts = NULL;
    gcry_cipher_hd_t first = NULL;
    int cipher = key->length == 32 ? GCRY_CIPHER_AES128 : key->length == 64 ? GCRY_CIPHER_AES256 : 0;

    if (!cipher) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("An AES-XTS key of %zu bytes is not supported"), key->length);
        return NULL;
    }
    xts = g_new0(ReplXts, 1);
    replLockInit(&xts->lock);
    xts->idle = g_ptr_array_new_with_free_func(replXtsFreeContext);
    xts->cipher = cipher;
    xts->encrypt = encrypt;
    xts->most = MIN(g_get_num_processors(), REPL_XTS_CONTEXTS);
    if (!(xts->key = replSecretBufNewFrom(key->data, key->length, err)) || replXtsInit(err) < 0)
        return NULL;
    /* What was encrypted with such a key can be read all the same. */
    if (encrypt && !replXtsHalvesDiffer(key)) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("The two halves of an AES-XTS key are equal"));
        return NULL;
    }
    if (!(first = replXtsMake(xts))) {
        replErrorSet(err, VIR_ERR_NO_MEMORY, _("There is no locked memory left for an AES-XTS key"));
        return NULL;
    }
    g_ptr_array_add(xts->idle, first);
    xts->made = 1;
    return g_steal_pointer(&xts);
}

void
replXtsFree(ReplXts *xts)
{
    if (!xts)
        return;
    g_ptr_array_unref(xts->idle);
    replSecretBufFree(xts->key);
    replLockClear(&xts->lock);
    g_free(xts);
}

/* There is at least one, so that waiting ends. Where memory for more is lacking, those that are there do. */
static gcry_cipher_hd_t
replXtsTake(ReplXts *xts)
{
    gcry_cipher_hd_t ctx = NULL;

    replLockTake(&xts->lock);
    if (xts->idle->len == 0 && xts->made < xts->most) {
        if ((ctx = replXtsMake(xts)))
            xts->made++;
        else
            xts->most = xts->made;
    }
    while (!ctx && xts->idle->len == 0)
        replLockWait(&xts->lock);
    if (!ctx)
        ctx = g_ptr_array_steal_index_fast(xts->idle, xts->idle->len - 1);
    replLockDrop(&xts->lock);
    return ctx;
}

static void
replXtsGive(ReplXts *xts, gcry_cipher_hd_t ctx)
{
    replLockTake(&xts->lock);
    g_ptr_array_add(xts->idle, ctx);
    replLockWake(&xts->lock);
    replLockDrop(&xts->lock);
}

int
replXtsRun(ReplXts *xts, guint64 sector, guint8 *buf, gsize length, GError **err)
{
    gcry_cipher_hd_t ctx = replXtsTake(xts);
    gboolean good = length % REPL_LUKS_SECTOR == 0;
    guint8 tweak[16] = {0};
    gsize done;

    for (done = 0; good && done < length; done += REPL_LUKS_SECTOR) {
        guint64 le = GUINT64_TO_LE(sector + done / REPL_LUKS_SECTOR);

        memcpy(tweak, &le, sizeof(le));
        good = gcry_cipher_setiv(ctx, tweak, sizeof(tweak)) == 0 &&
               (xts->encrypt ? gcry_cipher_encrypt(ctx, buf + done, REPL_LUKS_SECTOR, NULL, 0)
                             : gcry_cipher_decrypt(ctx, buf + done, REPL_LUKS_SECTOR, NULL, 0)) == 0;
    }
    replXtsGive(xts, ctx);
    if (!good) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("AES-XTS failed in %zu bytes from sector %llu on"),
                     length, (unsigned long long)sector);
        return -1;
    }
    return 0;
}
