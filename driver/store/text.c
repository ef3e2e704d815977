/*
 * text.c: the form of everything kept on disk
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "store/text.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define REPL_TEXT_GROUP "record"
#define REPL_TEXT_MARK "# sha256 "
#define REPL_TEXT_SUM_LEN 64

/* The checksum line: mark, digits, line break. */
#define REPL_TEXT_TAIL_LEN (sizeof(REPL_TEXT_MARK) - 1 + REPL_TEXT_SUM_LEN + 1)

char *
replTextSeal(GKeyFile *keys, const char *kind, gsize max_bytes, gsize *len, GError **err)
{
    g_autofree char *body = NULL;
    g_autofree char *sum = NULL;
    char *text;
    gsize n;

    g_key_file_set_string(keys, REPL_TEXT_GROUP, "kind", kind);
    g_key_file_set_integer(keys, REPL_TEXT_GROUP, "version", REPL_TEXT_VERSION);
    body = g_key_file_to_data(keys, &n, NULL);
    if (n + REPL_TEXT_TAIL_LEN > max_bytes) {
        replErrorSet(err, VIR_ERR_INVALID_ARG,
                     _("A record of kind '%s' would have %zu bytes, more than the %zu allowed"), kind,
                     n + REPL_TEXT_TAIL_LEN, max_bytes);
        return NULL;
    }
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)body, n);
    text = g_strdup_printf("%s" REPL_TEXT_MARK "%s\n", body, sum);
    *len = n + REPL_TEXT_TAIL_LEN;
    return text;
}

static gboolean
replTextSumMatches(const char *data, gsize body)
{
    const char *tail = data + body;
    g_autofree char *sum = NULL;

    if (!g_str_has_prefix(tail, REPL_TEXT_MARK))
        return FALSE;
    sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)data, body);
    tail += strlen(REPL_TEXT_MARK);
    return !strncmp(tail, sum, REPL_TEXT_SUM_LEN) && tail[REPL_TEXT_SUM_LEN] == '\n';
}

GKeyFile *
replTextUnseal(const char *data, gsize len, const char *kind, GError **err)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *is = NULL;
    int version;

    if (len < REPL_TEXT_TAIL_LEN || memchr(data, 0, len) ||
        !replTextSumMatches(data, len - REPL_TEXT_TAIL_LEN)) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("its checksum line is missing or wrong"));
        return NULL;
    }
    if (!g_key_file_load_from_data(keys, data, len - REPL_TEXT_TAIL_LEN, G_KEY_FILE_NONE, NULL) ||
        !(is = g_key_file_get_string(keys, REPL_TEXT_GROUP, "kind", NULL)) || !g_str_equal(is, kind)) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("it is no record of kind '%s'"), kind);
        return NULL;
    }
    version = g_key_file_get_integer(keys, REPL_TEXT_GROUP, "version", NULL);
    if (version > REPL_TEXT_VERSION) {
        replErrorSet(err, VIR_ERR_NO_SUPPORT,
                     _("A record of kind '%s' has version %d, this host knows those up to %d"), kind, version,
                     REPL_TEXT_VERSION);
        return NULL;
    }
    if (version < 1) {
        replErrorSet(err, VIR_ERR_INTERNAL_ERROR, _("it has no valid version"));
        return NULL;
    }
    return g_steal_pointer(&keys);
}

void
replTextFault(ReplTextReader *reader, const char *group, const char *key, const char *why)
{
    if (!reader->fault)
        reader->fault = g_strdup_printf("[%s] %s: %s", group, key, why);
}

int
replTextFinish(ReplTextReader *reader, GError **err)
{
    g_autofree char *fault = g_steal_pointer(&reader->fault);

    if (!fault)
        return 0;
    replErrorSet(err, VIR_ERR_INTERNAL_ERROR, "%s", fault);
    return -1;
}

char *
replTextString(ReplTextReader *reader, const char *group, const char *key)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *value = NULL;

    if (reader->fault)
        return NULL;
    value = g_key_file_get_string(reader->keys, group, key, &why);
    if (g_error_matches(why, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_KEY_NOT_FOUND) ||
        g_error_matches(why, G_KEY_FILE_ERROR, G_KEY_FILE_ERROR_GROUP_NOT_FOUND))
        return NULL;
    /* GLib returns a value together with its complaint about a wrong escape. */
    if (why || !value)
        replTextFault(reader, group, key, _("the value is not a string"));
    else if (strlen(value) > REPL_TEXT_STRING_MAX_bytes)
        replTextFault(reader, group, key, _("the value is too long"));
    else
        return g_steal_pointer(&value);
    return NULL;
}

gboolean
replIsUuid(const char *id)
{
    const char *p;

    if (!id || !g_uuid_string_is_valid(id))
        return FALSE;
    for (p = id; *p; p++) {
        if (g_ascii_isupper(*p))
            return FALSE;
    }
    return TRUE;
}

char *
replTextUuid(ReplTextReader *reader, const char *group, const char *key)
{
    char *value = replTextString(reader, group, key);

    if (!value || replIsUuid(value))
        return value;
    replTextFault(reader, group, key, _("the value is not a UUID"));
    g_free(value);
    return NULL;
}

char *
replTextName(ReplTextReader *reader, const char *group, const char *key)
{
    char *value = replTextString(reader, group, key);

    if (!value || replIsEntryName(value))
        return value;
    replTextFault(reader, group, key, _("the value is not a name of a volume"));
    g_free(value);
    return NULL;
}

char *
replTextNeed(ReplTextReader *reader, char *value, const char *group, const char *key)
{
    if (!value)
        replTextFault(reader, group, key, _("the value is missing"));
    return value;
}

guint64
replTextUint(ReplTextReader *reader, const char *group, const char *key, guint64 max)
{
    g_autofree char *value = replTextString(reader, group, key);
    guint64 number = 0;

    if (value && !g_ascii_string_to_unsigned(value, 10, 0, max, &number, NULL))
        replTextFault(reader, group, key, _("the value is not a number in its range"));
    return number;
}

gint64
replTextInt(ReplTextReader *reader, const char *group, const char *key, gint64 min, gint64 max, gint64 absent)
{
    g_autofree char *value = replTextString(reader, group, key);
    gint64 number = absent;

    if (value && !g_ascii_string_to_signed(value, 10, min, max, &number, NULL))
        replTextFault(reader, group, key, _("the value is not a number in its range"));
    return number;
}

gboolean
replTextFlag(ReplTextReader *reader, const char *group, const char *key)
{
    g_autofree char *value = replTextString(reader, group, key);

    if (value && !g_str_equal(value, "true") && !g_str_equal(value, "false"))
        replTextFault(reader, group, key, _("the value is not 'true' or 'false'"));
    return value && g_str_equal(value, "true");
}

int
replTextWord(ReplTextReader *reader, const char *group, const char *key, int (*fromString)(const char *),
             int absent)
{
    g_autofree char *value = replTextString(reader, group, key);
    int word = value ? fromString(value) : absent;

    if (value && word < 0) {
        replTextFault(reader, group, key, _("the word is not known"));
        return absent;
    }
    return word;
}

void
replTextPut(GKeyFile *keys, const char *group, const char *key, const char *value)
{
    if (value)
        g_key_file_set_string(keys, group, key, value);
}
