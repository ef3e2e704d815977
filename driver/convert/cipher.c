/*
 * cipher.c: cipher options of a request, as libvirt has them, in QEMU's words
 *
 * libvirt: <cipher name= size= mode= hash=/> and <ivgen name= hash=/>; the names are those of
 * QCryptoCipherAlgorithm, QCryptoCipherMode, QCryptoIVGenAlgorithm and QCryptoHashAlgorithm.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "base/error.h"
#include "convert/convertpriv.h"

static const char *const replCiphers[] = {
    "aes-128",     "aes-192",     "aes-256",     "cast5-128",   "serpent-128", "serpent-192",
    "serpent-256", "twofish-128", "twofish-192", "twofish-256", NULL,
};
static const char *const replModes[] = {"ecb", "cbc", "xts", "ctr", NULL};
static const char *const replIvgens[] = {"plain", "plain64", "essiv", NULL};
static const char *const replHashes[] = {"sha1", "sha224", "sha256", "sha384", "sha512", "ripemd160", NULL};

static int
replCipherWord(const char *const *words, const char *word, const char *option, GError **err)
{
    if (!word || g_strv_contains(words, word))
        return 0;
    replErrorSet(err, VIR_ERR_NO_SUPPORT, _("Encryption with the %s '%s' is not supported"), option, word);
    return -1;
}

int
replConvertCipher(const ReplRequest *request, ReplConvertCipher *keep, ReplQemuLuks *luks, GError **err)
{
    g_autofree char *cipher = NULL;

    if (request->cipherName)
        cipher = g_strdup_printf("%s-%u", request->cipherName,
                                 request->cipherSize_bits ? request->cipherSize_bits : 256);
    if (replCipherWord(replCiphers, cipher, "cipher", err) < 0 ||
        replCipherWord(replModes, request->cipherMode, "cipher mode", err) < 0 ||
        replCipherWord(replHashes, request->cipherHash, "hash", err) < 0 ||
        replCipherWord(replIvgens, request->ivgenName, "IV generator", err) < 0 ||
        replCipherWord(replHashes, request->ivgenHash, "IV generator's hash", err) < 0)
        return -1;
    luks->mode = request->cipherMode;
    luks->hash = request->cipherHash;
    luks->ivgen = request->ivgenName;
    luks->ivgenHash = request->ivgenHash;
    luks->cipher = keep->cipher = g_steal_pointer(&cipher);
    return 0;
}

/* NULL: the default, which is @ours. */
static gboolean
replIsOrDefault(const char *word, const char *ours)
{
    return !word || g_str_equal(word, ours);
}

gboolean
replConvertCipherIsOurs(const ReplRequest *request, gsize *keyBytes)
{
    *keyBytes = request->cipherName && request->cipherSize_bits == 128 ? 32 : 0;
    return replIsOrDefault(request->cipherName, "aes") &&
           (!request->cipherName || request->cipherSize_bits == 0 || request->cipherSize_bits == 128 ||
            request->cipherSize_bits == 256) &&
           replIsOrDefault(request->cipherMode, "xts") && replIsOrDefault(request->cipherHash, "sha256") &&
           replIsOrDefault(request->ivgenName, "plain64") && !request->ivgenHash;
}
