/*
 * version.c: which libvirt is believed to be what virt.h says
 *
 * All that differs between the versions that we work with is in the table here: today nothing but the
 * range itself. A newer libvirt than the last one is believed when two agree on it: the administrator, who
 * names it in the configuration, and the shape of the stock module (shape.h).
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "virt/version.h"

#include <libvirt/libvirt.h>

#include "base/i18n.h"

#define REPL_LIBVIRT(major, minor, release) ((major)*1000000UL + (minor)*1000UL + (release))

/* Versions whose sources were read: virStorageDriver, virConnectDriver, virStateDriver and the functions of ReplVirt
 * are the same in all of them. */
static const struct {
    unsigned long first;
    unsigned long last;
} replVersionsChecked[] = {
    {REPL_LIBVIRT(9, 0, 0), REPL_LIBVIRT(11, 3, 999)},
};

#define REPL_VERSION_FIRST replVersionsChecked[0].first
#define REPL_VERSION_LAST replVersionsChecked[G_N_ELEMENTS(replVersionsChecked) - 1].last

ReplVersionVerdict
replVersionJudge(unsigned long version, unsigned long trusted)
{
    gsize i;

    for (i = 0; i < G_N_ELEMENTS(replVersionsChecked); i++) {
        if (version >= replVersionsChecked[i].first && version <= replVersionsChecked[i].last)
            return REPL_VERSION_CHECKED;
    }
    if (version < REPL_VERSION_FIRST)
        return REPL_VERSION_OLDER;
    return version <= trusted ? REPL_VERSION_TRUSTED : REPL_VERSION_NEWER;
}

unsigned long
replVersionParse(const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ".", 4);
    guint count = g_strv_length(words);
    guint64 number[3] = {0, 0, 999};
    guint i;

    if (count < 2 || count > 3)
        return 0;
    for (i = 0; i < count; i++) {
        if (!g_ascii_string_to_unsigned(words[i], 10, 0, 999, &number[i], NULL))
            return 0;
    }
    return REPL_LIBVIRT(number[0], number[1], number[2]);
}

int
replVersionCheck(const char *trusted, const char *path, gboolean *unchecked, char **why)
{
    unsigned long major, minor;
    unsigned long version;

    if (virGetVersion(&version, NULL, NULL) < 0) {
        *why = g_strdup(_("libvirt does not tell its version."));
        return -1;
    }
    major = version / 1000000;
    minor = version / 1000 % 1000;
    *unchecked = FALSE;
    switch (replVersionJudge(version, replVersionParse(trusted))) {
    case REPL_VERSION_TRUSTED:
        *unchecked = TRUE;
        return 0;
    case REPL_VERSION_OLDER:
        *why = g_strdup_printf(
            _("libvirt %lu.%lu.%lu is older than %lu.%lu, the oldest that image replication works "
              "with."),
            major, minor, version % 1000, REPL_VERSION_FIRST / 1000000, REPL_VERSION_FIRST / 1000 % 1000);
        return -1;
    case REPL_VERSION_NEWER:
        *why = g_strdup_printf(
            _("libvirt %lu.%lu.%lu is newer than %lu.%lu, the newest that was checked. When it was "
              "tried on a host that may fail, trusted_libvirt = \"%lu.%lu\" in %s lets it in."),
            major, minor, version % 1000, REPL_VERSION_LAST / 1000000, REPL_VERSION_LAST / 1000 % 1000, major,
            minor, path);
        return -1;
    case REPL_VERSION_CHECKED:
    default:
        return 0;
    }
}
