/*
 * request.c: <replication:replicate> and the stock elements that belong to it
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "xml/request.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/words.h"
#include "xml/doc.h"
#include "xml/element.h"
#include "xml/schema.h"
#include "xml/xml.h"

/* As the schema has it: not of Unicode's category C. */
static gboolean
replIsPrintable(gunichar c)
{
    return g_unichar_isprint(c) && g_unichar_type(c) != G_UNICODE_PRIVATE_USE;
}

static int
replRequestReadToken(const xmlNode *node, ReplRequest *req, GError **err)
{
    const char *p;

    if (!(req->token = replElementAttr(node, "token")))
        return 0;
    for (p = req->token; *p; p = g_utf8_next_char(p)) {
        if (!replIsPrintable(g_utf8_get_char(p)))
            break;
    }
    if (!*p && p != req->token && g_utf8_strlen(req->token, -1) <= REPL_TOKEN_MAX_chars)
        return 0;
    /* A token is its client's own: it is not repeated in messages, which end up in logs. */
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("The attribute 'token' of <%s:%s> is not 1 to %d printable characters"), REPL_PREFIX,
                 (const char *)node->name, REPL_TOKEN_MAX_chars);
    return -1;
}

/* "no" and "import" are about the source, the other words about what is written; its source is an image then. */
static int
replRequestReadBundle(const xmlNode *node, ReplRequest *req, GError **err)
{
    static const char *const words[] = {"no", "yes", "inventory", "import"};
    g_autofree char *word = replElementAttr(node, "bundle");
    int value = word ? replWordValue(words, G_N_ELEMENTS(words), word) : 0;

    if (value < 0) {
        replElementBadValue(node, "bundle", word, err);
        return -1;
    }
    if (!word)
        return 0;
    req->sourceIs = value == 3 ? REPL_SOURCE_IS_BUNDLE : REPL_SOURCE_IS_IMAGE;
    req->bundle = value == 3 ? REPL_BUNDLE_NONE : (ReplBundleMode)value;
    return 0;
}

static int
replRequestReadAttrs(const xmlNode *node, ReplRequest *req, GError **err)
{
    int snapshots = REPL_SNAPSHOTS_KEEP;
    int encryption = REPL_ENCRYPTION_KEEP;
    int rekey = REPL_REKEY_FULL;

    req->start = TRUE;
    if (replElementYesNo(node, "async", &req->async, err) < 0 ||
        replElementYesNo(node, "start", &req->start, err) < 0 ||
        replElementYesNo(node, "fast-create", &req->fastCreate, err) < 0 ||
        replElementYesNo(node, "verify", &req->verify, err) < 0 ||
        replRequestReadBundle(node, req, err) < 0 || replElementUuid(node, "image", &req->image, err) < 0 ||
        replElementWord(node, "snapshots", replSnapshotsFromString, &snapshots, err) < 0 ||
        replElementWord(node, "encryption", replEncryptionFromString, &encryption, err) < 0 ||
        replElementWord(node, "rekey", replRekeyFromString, &rekey, err) < 0 ||
        replRequestReadToken(node, req, err) < 0)
        return -1;
    req->snapshots = snapshots;
    req->encryption = encryption;
    req->rekey = rekey;
    return 0;
}

static int
replRequestReadHave(const xmlNode *node, ReplRequest *req, GError **err)
{
    static const char *const attrs[] = {"pool", "volume", NULL};
    static const ReplShape shape = {.attrs = attrs};
    g_autoptr(ReplHave) have = replHaveNew(NULL, NULL);

    if (replElementCheck(node, &shape, err) < 0 || !(have->pool = replElementNeedAttr(node, "pool", err)) ||
        !(have->volume = replElementNeedAttr(node, "volume", err)) ||
        replElementVolume(node, "volume", &have->volume, err) < 0)
        return -1;
    if (!*have->pool) {
        replElementBadValue(node, "pool", have->pool, err);
        return -1;
    }
    if (req->have->len >= REPL_HAVE_MAX) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, _("<%s:replicate> may hold at most %d <%s:have>"), REPL_PREFIX,
                     REPL_HAVE_MAX, REPL_PREFIX);
        return -1;
    }
    g_ptr_array_add(req->have, g_steal_pointer(&have));
    return 0;
}

static int
replRequestReadHaves(const xmlNode *node, ReplRequest *req, GError **err)
{
    const xmlNode *child;

    for (child = node->children; child; child = child->next) {
        if (replDocIsOurs(child) && g_str_equal((const char *)child->name, "have") &&
            replRequestReadHave(child, req, err) < 0)
            return -1;
    }
    return 0;
}

/* A bundle carries the image as it is: what would change its bytes is asked for where it is
 * imported. */
static int
replRequestSettleBundle(const ReplRequest *req, GError **err)
{
    const char *contradiction = NULL;

    if (req->have->len > 0 && req->bundle != REPL_BUNDLE_YES) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("<%s:have> says what a bundle leaves out: it needs bundle='yes'"), REPL_PREFIX);
        return -1;
    }
    if (req->bundle == REPL_BUNDLE_NONE)
        return 0;
    if (req->snapshots != REPL_SNAPSHOTS_KEEP)
        contradiction = "snapshots";
    else if (req->encryption != REPL_ENCRYPTION_KEEP)
        contradiction = "encryption";
    else if (req->fastCreate)
        contradiction = "fast-create";
    if (!contradiction && req->format && !g_str_equal(req->format, "raw")) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("A bundle cannot have the format '%s': it is a file of its own kind"), req->format);
        return -1;
    }
    if (!contradiction)
        return 0;
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("A bundle holds the image as it is: attribute '%s' of <%s:replicate> has to be said "
                   "where the bundle is made an image of"),
                 contradiction, REPL_PREFIX);
    return -1;
}

static int
replRequestReadChildren(const xmlNode *node, ReplRequest *req, GError **err)
{
    const xmlNode *child;

    if (replRequestReadHaves(node, req, err) < 0)
        return -1;
    if ((child = replElementChild(node, "description")) &&
        !(req->description = replElementLimitedText(child, REPL_DESCRIPTION_MAX_bytes, err)))
        return -1;
    if (!(child = replElementChild(node, "bandwidth")))
        return 0;
    if (replElementBandwidth(child, &req->bandwidth_bytesPerSec, err) < 0)
        return -1;
    if (req->bandwidth_bytesPerSec == 0) {
        replElementBadValue(child, NULL, "0", err);
        return -1;
    }
    return 0;
}

/* A value of <target><encryption>, which is libvirt's. */
static int
replRequestBadTarget(const char *element, const char *attr, const char *value, GError **err)
{
    replErrorSet(err, VIR_ERR_INVALID_ARG,
                 _("Value '%s' of attribute '%s' of <%s> in <target><encryption> is not valid"), value, attr,
                 element);
    return -1;
}

int
replSecretRefRead(const xmlNode *encryption, ReplSecretRef *ref, GError **err)
{
    const xmlNode *secret = replDocChild(encryption, "secret", NULL);
    g_autofree char *type = secret ? replElementAttr(secret, "type") : NULL;
    g_autofree char *uuid = NULL;

    if (!secret || replDocChild(encryption, "secret", secret)) {
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s", _("<target><encryption> needs exactly one <secret>"));
        return -1;
    }
    if (!type || !g_str_equal(type, "passphrase"))
        return replRequestBadTarget("secret", "type", type ? type : "", err);
    uuid = replElementAttr(secret, "uuid");
    ref->usage = replElementAttr(secret, "usage");
    if (!uuid == !ref->usage) {
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s",
                     _("<secret> in <target><encryption> needs one of the attributes 'uuid' and 'usage'"));
        return -1;
    }
    if (uuid && !(ref->uuid = replUuidCanonical(uuid)))
        return replRequestBadTarget("secret", "uuid", uuid, err);
    if (ref->usage && !*ref->usage)
        return replRequestBadTarget("secret", "usage", "", err);
    return 0;
}

static int
replRequestReadCipher(const xmlNode *encryption, ReplRequest *req, GError **err)
{
    const xmlNode *cipher = replDocChild(encryption, "cipher", NULL);
    const xmlNode *ivgen = replDocChild(encryption, "ivgen", NULL);
    g_autofree char *size = NULL;
    guint64 bits;

    if (cipher) {
        req->cipherName = replElementAttr(cipher, "name");
        req->cipherMode = replElementAttr(cipher, "mode");
        req->cipherHash = replElementAttr(cipher, "hash");
        size = replElementAttr(cipher, "size");
        if (size && (!replParseDigits(size, G_MAXUINT, &bits) || bits == 0))
            return replRequestBadTarget("cipher", "size", size, err);
        req->cipherSize_bits = size ? (guint)bits : 0;
    }
    if (ivgen) {
        req->ivgenName = replElementAttr(ivgen, "name");
        req->ivgenHash = replElementAttr(ivgen, "hash");
    }
    if ((cipher && (!req->cipherName || !size)) || (ivgen && !req->ivgenName)) {
        replErrorSet(err, VIR_ERR_XML_ERROR, "%s",
                     _("In <target><encryption>, <cipher> needs the attributes 'name' and 'size', and "
                       "<ivgen> the attribute 'name'"));
        return -1;
    }
    return 0;
}

static int
replRequestReadEncryption(const xmlNode *encryption, ReplRequest *req, GError **err)
{
    g_autofree char *format = replElementAttr(encryption, "format");
    g_autofree char *engine = replElementAttr(encryption, "engine");

    if (!format || !g_str_equal(format, "luks"))
        return replRequestBadTarget("encryption", "format", format ? format : "", err);
    if (engine && !g_str_equal(engine, "qemu"))
        return replRequestBadTarget("encryption", "engine", engine, err);
    if (replSecretRefRead(encryption, &req->secret, err) < 0)
        return -1;
    return replRequestReadCipher(encryption, req, err);
}

/* The words of the request and <target><encryption> must say one thing. */
static int
replRequestSettleEncryption(const xmlNode *encryption, ReplRequest *req, GError **err)
{
    if (encryption && req->encryption == REPL_ENCRYPTION_KEEP)
        req->encryption = REPL_ENCRYPTION_TARGET;
    if (!encryption && req->encryption == REPL_ENCRYPTION_TARGET) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s",
                     _("Value 'target' of attribute 'encryption' of <replication:replicate> needs a "
                       "<target><encryption>"));
        return -1;
    }
    if (encryption && req->encryption != REPL_ENCRYPTION_TARGET) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("Value '%s' of attribute 'encryption' of <replication:replicate> contradicts "
                       "<target><encryption>"),
                     req->encryption == REPL_ENCRYPTION_NONE ? "none" : "default");
        return -1;
    }
    if (req->rekey == REPL_REKEY_SLOT &&
        (req->encryption == REPL_ENCRYPTION_NONE || req->encryption == REPL_ENCRYPTION_KEEP)) {
        replErrorSet(err, VIR_ERR_INVALID_ARG, "%s",
                     _("Value 'slot' of attribute 'rekey' of <replication:replicate> needs a new key: "
                       "encryption 'default' or 'target'"));
        return -1;
    }
    return 0;
}

char *
replVolumeName(const xmlNode *root, GError **err)
{
    g_autofree char *name = replDocString(root, "name", NULL);

    if (name ? replIsEntryName(name) : !replDocChild(root, "name", NULL))
        return g_steal_pointer(&name);
    replErrorSet(err, VIR_ERR_INVALID_ARG, _("Value '%s' of <name> cannot be the name of a volume"),
                 name ? name : "");
    return NULL;
}

/* Where there are several, libvirt takes the first that has what it looks for. */
static int
replRequestReadTarget(const xmlNode *root, ReplRequest *req, GError **err)
{
    const xmlNode *target = NULL;
    const xmlNode *encryption = NULL;
    const xmlNode *format = NULL;

    while ((target = replDocChild(root, "target", target))) {
        encryption = encryption ? encryption : replDocChild(target, "encryption", NULL);
        format = format ? format : replDocChild(target, "format", NULL);
    }
    req->format = format ? replElementAttr(format, "type") : NULL;
    if (encryption && replRequestReadEncryption(encryption, req, err) < 0)
        return -1;
    return replRequestSettleEncryption(encryption, req, err);
}

ReplRequest *
replRequestRead(const xmlNode *node, const xmlNode *root, GError **err)
{
    static const char *const attrs[] = {"async", "start", "snapshots", "encryption", "rekey", "fast-create",
                                        "token", "image", "bundle",    "verify",     NULL};
    static const char *const children[] = {"description", "bandwidth", NULL};
    static const char *const many[] = {"have", NULL};
    static const ReplShape shape = {.attrs = attrs, .children = children, .many = many};
    g_autoptr(ReplRequest) req = replRequestNew();
    g_autoptr(GError) badName = NULL;

    if (replElementCheck(node, &shape, err) < 0 || replRequestReadAttrs(node, req, err) < 0 ||
        replRequestReadChildren(node, req, err) < 0 || replRequestReadTarget(root, req, err) < 0 ||
        replRequestSettleBundle(req, err) < 0 || replSchemaCheck(REPL_SCHEMA_REPLICATE, node, err) < 0)
        return NULL;
    req->name = replVolumeName(root, &badName);
    if (badName) {
        g_propagate_error(err, g_steal_pointer(&badName));
        return NULL;
    }
    return g_steal_pointer(&req);
}
