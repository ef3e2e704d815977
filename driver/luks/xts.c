/*
 * xts.c: AES-XTS over 512-byte sectors
 *
 * A context has its key schedule set once and gets a new tweak for each sector, which is all that EVP
 * allows: one call cannot span sectors. Each thread that is inside takes a context from a stack.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "luks/xts.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/error.h"

struct ReplXts {
    EVP_CIPHER_CTX *first; /* never used itself: the others are its copies */
    GMutex lock;           /* guards idle */
    GPtrArray *idle;       /* of EVP_CIPHER_CTX */
};

/* OpenSSL wipes key schedules itself when it frees a context. */
static void
replXtsFreeContext(gpointer ctx)
{
    EVP_CIPHER_CTX_free(ctx);
}

ReplXts *
replXtsNew(const ReplSecretBuf *key, gboolean encrypt, GError **err)
{
    g_autoptr(ReplXts) xts = NULL;
    const EVP_CIPHER *cipher = key->length == 32   ? EVP_aes_128_xts()
                               : key->length == 64 ? EVP_aes_256_xts()
                                                   : NULL;

    if (!cipher) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT, _("An AES-XTS key of %zu bytes is not supported"),
                     key->length);
        return NULL;
    }
    xts = g_new0(ReplXts, 1);
    g_mutex_init(&xts->lock);
    xts->idle = g_ptr_array_new_with_free_func(replXtsFreeContext);
    xts->first = EVP_CIPHER_CTX_new();
    if (!xts->first || !EVP_CipherInit_ex(xts->first, cipher, NULL, key->data, NULL, encrypt)) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("The AES-XTS key was not accepted"));
        return NULL;
    }
    return g_steal_pointer(&xts);
}

void
replXtsFree(ReplXts *xts)
{
    if (!xts)
        return;
    g_ptr_array_unref(xts->idle);
    EVP_CIPHER_CTX_free(xts->first);
    g_mutex_clear(&xts->lock);
    g_free(xts);
}

static EVP_CIPHER_CTX *
replXtsTake(ReplXts *xts)
{
    EVP_CIPHER_CTX *ctx = NULL;

    g_mutex_lock(&xts->lock);
    if (xts->idle->len > 0)
        ctx = g_ptr_array_steal_index_fast(xts->idle, xts->idle->len - 1);
    g_mutex_unlock(&xts->lock);
    if (ctx)
        return ctx;
    ctx = EVP_CIPHER_CTX_new();
    if (ctx && !EVP_CIPHER_CTX_copy(ctx, xts->first)) {
        EVP_CIPHER_CTX_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

static void
replXtsGive(ReplXts *xts, EVP_CIPHER_CTX *ctx)
{
    g_mutex_lock(&xts->lock);
    g_ptr_array_add(xts->idle, ctx);
    g_mutex_unlock(&xts->lock);
}

int
replXtsRun(ReplXts *xts, guint64 sector, guint8 *buf, gsize length, GError **err)
{
    EVP_CIPHER_CTX *ctx = replXtsTake(xts);
    gboolean good = ctx != NULL && length % REPL_LUKS_SECTOR == 0;
    guint8 tweak[16] = {0};
    gsize done;

    for (done = 0; good && done < length; done += REPL_LUKS_SECTOR, sector++) {
        guint64 le = GUINT64_TO_LE(sector);
        int out;

        memcpy(tweak, &le, sizeof(le));
        good = EVP_CipherInit_ex(ctx, NULL, NULL, NULL, tweak, -1) &&
               EVP_CipherUpdate(ctx, buf + done, &out, buf + done, REPL_LUKS_SECTOR) &&
               out == REPL_LUKS_SECTOR;
    }
    if (ctx)
        replXtsGive(xts, ctx);
    if (!good) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("AES-XTS failed at sector %llu"),
                     (unsigned long long)sector);
        return -1;
    }
    return 0;
}
